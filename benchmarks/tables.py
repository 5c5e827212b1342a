"""steepest's default settings against other tools' defaults, on real tables.

Every model sees the same rows: random splits, 80 % to train on and 20 % to test on. What a model
needs for early stopping it takes from the training part.

    python -m benchmarks.tables [--splits 5] [--first-split 0] [--trainings 1]
                                [--tables ames,spam] [--models steepest,mlp]
                                [--threads 2] [--json FILE]

A model whose package is not installed is skipped with a line that says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import TABLES, DataUnavailableError, Table

SCORES = {"regression": ("rmse", "mae"), "classification": ("log_loss", "accuracy", "roc_auc")}


@dataclass(frozen=True)
class Model:
    """A competitor.

    Attributes:
        name: Short name, as chosen on the command line.
        label: What the table of results calls it.
        package: The Python package that it needs.
        predict: ``predict(train, test_features, seed)``: numbers for regression, one column of
            probabilities per class (classes sorted) for classification.
    """

    name: str
    label: str
    package: str
    predict: Callable[[Table, Any, int], np.ndarray]


@dataclass(frozen=True)
class Result:
    """The scores of one training of one model on one split of one table."""

    table: str
    model: str
    split: int
    training: int
    seconds: float
    scores: dict[str, float]


def predict_trivial(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """The mean of the target, or the share of each class."""
    del seed
    rows = len(test_features)
    if train.task == "regression":
        return np.full(rows, train.target.mean())
    _, counts = np.unique(train.target, return_counts=True)
    return np.tile(counts / counts.sum(), (rows, 1))


def predict_linear(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """Ridge regression with its penalty chosen by leave-one-out, or logistic regression."""
    del seed
    from sklearn.linear_model import LogisticRegression, RidgeCV

    if train.task == "regression":
        model = RidgeCV(alphas=np.logspace(-2, 4, 25))
    else:
        model = LogisticRegression(max_iter=5000)
    return _predict_scaled(model, train, test_features)


def predict_mlp(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """scikit-learn's perceptron with its defaults."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPRegressor if train.task == "regression" else MLPClassifier
    return _predict_scaled(kind(random_state=seed), train, test_features)


def predict_mlp_early(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """scikit-learn's perceptron that stops on a validation part of 10 %."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPRegressor if train.task == "regression" else MLPClassifier
    model = kind(random_state=seed, early_stopping=True, max_iter=1000)
    return _predict_scaled(model, train, test_features)


def predict_hgb(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """scikit-learn's histogram gradient boosting with its defaults and native categories."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    numbers, categories = _columns(train)
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    columns = ColumnTransformer([("c", encoder, categories), ("n", "passthrough", numbers)])
    is_category = np.arange(len(numbers) + len(categories)) < len(categories)
    regression = train.task == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = kind(categorical_features=is_category, random_state=seed)
    pipeline = make_pipeline(columns, model)
    pipeline.fit(train.features.to_pandas(), train.target)
    return _predict(pipeline, train, test_features.to_pandas())


def predict_realmlp(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """pytabkit's RealMLP-TD-S, the simplified network of Holzmueller et al., arXiv 2407.04491."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    kind = RealMLP_TD_S_Regressor if train.task == "regression" else RealMLP_TD_S_Classifier
    threads = int(os.environ["OMP_NUM_THREADS"])
    model = kind(device="cpu", random_state=seed, n_threads=threads, verbosity=0)
    _, categories = _columns(train)
    as_categories = dict.fromkeys(categories, "category")
    model.fit(train.features.to_pandas().astype(as_categories), train.target)
    return _predict(model, train, test_features.to_pandas().astype(as_categories))


def predict_steepest(train: Table, test_features: Any, seed: int) -> np.ndarray:
    """steepest's table model with its defaults."""
    import polars as pl

    from steepest.data.tables import collected_notes
    from steepest.models import TableModel

    target = "the target of the benchmark"
    frame = train.features.with_columns(pl.Series(target, train.target))
    task = None if train.task == "regression" else _class_task(train)
    with collected_notes():
        model = TableModel.fit(frame, target, task=task, seed=seed, progress="none")
        if train.task == "regression":
            return model.predict(test_features)
        return model.predict_probabilities(test_features)


def _class_task(train: Table) -> str:
    return "binary" if len(np.unique(train.target)) == 2 else "multiclass"


MODELS = (
    Model("steepest", "steepest", "steepest", predict_steepest),
    Model("trivial", "trivial", "numpy", predict_trivial),
    Model("linear", "linear (ridge, logistic)", "sklearn", predict_linear),
    Model("mlp", "scikit-learn MLP, scaled", "sklearn", predict_mlp),
    Model("mlp_early", "the same, early stopping", "sklearn", predict_mlp_early),
    Model("hgb", "scikit-learn HistGradientBoosting", "sklearn", predict_hgb),
    Model("realmlp", "pytabkit RealMLP-TD-S", "pytabkit", predict_realmlp),
)


def _columns(table: Table) -> tuple[list[str], list[str]]:
    """The names of the columns of numbers and of the columns of categories."""
    categories = [name for name, dtype in table.features.schema.items() if not dtype.is_numeric()]
    numbers = [name for name in table.features.columns if name not in categories]
    return numbers, categories


def _predict_scaled(model: Any, train: Table, test_features: Any) -> np.ndarray:
    """Fit behind the usual pipeline: imputed and scaled numbers, one-hot categories.

    A regression's target is scaled too: left as it is, the perceptron's defaults do far worse.
    """
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, categories = _columns(train)
    scale = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("n", scale, numbers), ("c", one_hot, categories)])
    pipeline = make_pipeline(columns, model)
    if train.task == "regression":
        pipeline = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
    pipeline.fit(train.features.to_pandas(), train.target)
    return _predict(pipeline, train, test_features.to_pandas())


def _predict(model: Any, train: Table, test_features: Any) -> np.ndarray:
    if train.task == "regression":
        return np.asarray(model.predict(test_features), dtype=np.float64).reshape(-1)
    return np.asarray(model.predict_proba(test_features), dtype=np.float64)


def score(train: Table, target: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The scores of ``predicted`` for the true ``target``."""
    if train.task == "regression":
        error = predicted - target
        return {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.mean(np.abs(error)))}
    from sklearn.metrics import roc_auc_score

    classes, counts = np.unique(train.target, return_counts=True)
    truth = np.searchsorted(classes, target)
    chosen = np.clip(predicted[np.arange(len(truth)), truth], 1e-15, 1.0)
    scores = predicted[:, 1] if len(classes) == 2 else predicted
    return {
        "log_loss": float(-np.mean(np.log(chosen))),
        "accuracy": float(np.mean(predicted.argmax(axis=1) == truth)),
        "roc_auc": float(
            roc_auc_score(truth, scores, multi_class="ovr", labels=np.arange(len(counts)))
        ),
    }


def run_split(model: Model, table: Table, split: int, training: int) -> Result:
    """Train ``model`` on split ``split`` of ``table`` and score it on the test part.

    The seed of training ``0`` is the split's number; each further training has one of its own.
    """
    train_rows, test_rows = table.split(split)
    seed = split + 1000 * training
    train = table.take(train_rows)
    test = table.take(test_rows)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers warn of iterations, versions, unknown categories
        predicted = model.predict(train, test.features, seed)
    seconds = time.perf_counter() - start
    scores = score(train, test.target, predicted)
    return Result(table.name, model.name, split, training, seconds, scores)


def summarize(results: list[Result], models: list[Model]) -> str:
    """One Markdown table per data set: mean over everything, standard deviation over the splits."""
    lines: list[str] = []
    for name in dict.fromkeys(result.table for result in results):
        of_table = [result for result in results if result.table == name]
        columns = list(of_table[0].scores)
        lines += ["", f"**{name}**", "", f"| model | {' | '.join(columns)} | seconds |"]
        lines.append("|---|" + "---|" * (len(columns) + 1))
        for model in models:
            own = [result for result in of_table if result.model == model.name]
            if own:
                cells = [_mean_and_deviation(own, key) for key in columns]
                seconds = np.mean([result.seconds for result in own])
                lines.append(f"| {model.label} | {' | '.join(cells)} | {seconds:.1f} |")
    return "\n".join(lines)


def _mean_and_deviation(results: list[Result], key: str) -> str:
    splits = dict.fromkeys(result.split for result in results)
    means = [np.mean([r.scores[key] for r in results if r.split == split]) for split in splits]
    return f"{np.mean(means):.4f} ± {np.std(means):.4f}"


def installed_models(names: list[str]) -> list[Model]:
    """The models named, without those whose package is missing (a line says which)."""
    chosen = []
    for model in MODELS:
        if names and model.name not in names:
            continue
        if importlib.util.find_spec(model.package) is None:
            print(f"skipped: {model.label}: package {model.package} is not installed")
            continue
        chosen.append(model)
    return chosen


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.tables", description=__doc__.split("\n")[0])
    parser.add_argument("--splits", type=int, default=5, help="random splits per table")
    parser.add_argument("--first-split", type=int, default=0, help="splits are numbered from here")
    parser.add_argument("--trainings", type=int, default=1, help="per split, each with its seed")
    parser.add_argument("--tables", default="", help=f"of {','.join(TABLES)}; default all")
    names = ",".join(model.name for model in MODELS)
    parser.add_argument("--models", default="", help=f"of {names}; default all")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads per model")
    parser.add_argument("--json", type=Path, help="write every single result to this file")
    return parser.parse_args(arguments)


def limit_threads(threads: int) -> None:
    """Tell every numerical library, before it is imported, how many threads to use."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def main(arguments: list[str]) -> int:
    options = parse_arguments(arguments)
    limit_threads(options.threads)
    models = installed_models([name for name in options.models.split(",") if name])
    splits = range(options.first_split, options.first_split + options.splits)
    results: list[Result] = []
    for name in options.tables.split(",") if options.tables else TABLES:
        try:
            table = TABLES[name]()
        except (DataUnavailableError, ImportError) as error:
            print(f"skipped: table {name}: {error}")
            continue
        for model in models:
            for split, training in product(splits, range(options.trainings)):
                result = run_split(model, table, split, training)
                results.append(result)
                scores = ", ".join(f"{key} {value:.4f}" for key, value in result.scores.items())
                print(
                    f"{name} split {split}: {model.name}: {scores} ({result.seconds:.1f} s)",
                    flush=True,
                )
            if options.json:
                options.json.write_text(json.dumps([asdict(r) for r in results], indent=1))
    print(summarize(results, models))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
