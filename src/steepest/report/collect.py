"""Fills a report from a trained model and its table: measures, baselines, mistakes, importance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables import (
    PreparedTable,
    TablePart,
    Target,
    collected_notes,
)
from steepest.errors import DataError
from steepest.models.tabular.measures import table_metrics
from steepest.nn.summary import Summary
from steepest.report import baselines
from steepest.report.columns import column_facts
from steepest.report.contents import (
    Command,
    History,
    Importance,
    LayerRow,
    Mistake,
    Predictor,
    Report,
)
from steepest.report.importance import permutation_importance
from steepest.report.mistakes import describe_rows, worst_rows
from steepest.train.history import History as TrainingHistory

Array = np.ndarray[Any, Any]
MISTAKES = 10


@dataclasses.dataclass(frozen=True)
class TableRun:
    """A finished training run on a table: what a report is made from.

    Attributes:
        prepared: the table as it was split and preprocessed; it has a test part.
        data_file: name of its file.
        predict: gives the network's answer for rows of the table: numbers in the target's units,
            shape `(rows,)`, or class probabilities, shape `(rows, classes)`.
        history: what training recorded.
        layers: the network's summary.
        settings: training settings by name.
        split_note: how the parts were chosen, in words.
        commands: how to use the model.
        versions: versions of the packages that matter.
        seed: the seed of the run.
        durations: seconds by activity.
        created: date and time of the run, as text.
    """

    prepared: PreparedTable
    data_file: str
    predict: Callable[[pl.DataFrame], Array]
    history: TrainingHistory
    layers: Sequence[LayerRow] = ()
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    split_note: str = ""
    commands: Sequence[Command] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seed: int | None = None
    durations: Mapping[str, float] = dataclasses.field(default_factory=dict)
    created: str = ""

    @property
    def test(self) -> TablePart:
        """The test part."""
        if self.prepared.test is None:
            raise DataError("report: the table has no test rows to measure the network on.")
        return self.prepared.test

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part."""
        parts = {
            "train": self.prepared.train,
            "validation": self.prepared.validation,
            "test": self.prepared.test,
        }
        return {name: len(part) for name, part in parts.items() if part is not None}


def collect(run: TableRun) -> Report:
    """Measure a finished run on its test part and put everything into a report.

    Raises:
        DataError: the table has no test part.
    """
    prepared, target = run.prepared, run.prepared.target
    with collected_notes():
        test = prepared.frame[run.test.rows]
        answer = run.predict(test)
        truth = target.values(test)
        linear, trivial = _baselines(prepared, run.test, truth)
        importance = _importance(run, test, truth)
        mistakes = _mistakes(run, truth, answer, importance)
        facts = column_facts(prepared.frame, prepared.schema)
    return Report(
        target=target.name,
        task=target.task,
        data_file=run.data_file,
        rows=prepared.frame.height,
        columns=facts,
        split_sizes=run.sizes,
        split_note=run.split_note,
        target_note=_target_note(target),
        layers=run.layers,
        settings=run.settings,
        history=report_history(run.history),
        model=_predictor(target, "Network", truth, answer),
        linear=linear,
        trivial=trivial,
        y_true=_shown(target, truth),
        classes=[str(label) for label in target.classes],
        probabilities=answer if target.is_classification else None,
        mistakes=mistakes,
        importance=importance,
        importance_unit="log_loss" if target.is_classification else "mae",
        warnings=prepared.notes,
        commands=run.commands,
        versions=run.versions,
        seed=run.seed,
        durations=run.durations,
        created=run.created,
    )


def layer_rows(summary: Summary) -> list[LayerRow]:
    """The layers of a network that hold no other layers, in the order of the summary."""
    parents = {layer.name.rpartition(".")[0] for layer in summary.layers if layer.name}
    return [
        LayerRow(
            layer.name or "network",
            layer.kind,
            " ".join(str(shape) for shape in layer.output_shapes),
            layer.parameters,
            layer.multiply_adds,
        )
        for layer in summary.layers
        if layer.name not in parents
    ]


def report_history(history: TrainingHistory) -> History:
    """The training history as the report takes it: losses, and what was measured on validation."""
    metrics = {
        name.removeprefix("val_"): history[name]
        for name in history.names
        if name.startswith("val_") and name != "val_loss"
    }
    validation = history["val_loss"] if "val_loss" in history.names else ()
    return History(
        history["loss"],
        validation,
        metrics,
        history.best_epoch,
        history.planned_epochs,
        history.interrupted,
        history["lr"] if "lr" in history.names else (),
        history.kept_epochs,
    )


def _shown(target: Target, values: Array) -> Array:
    """Numbers as they are; class labels as text."""
    if not target.is_classification:
        return values.astype(np.float64)
    return np.array([str(label) for label in values.tolist()])


def _labels(target: Target, probabilities: Array) -> Array:
    return _shown(target, target.labels(probabilities.argmax(axis=1)))


def _predictor(target: Target, name: str, truth: Array, answer: Array, note: str = "") -> Predictor:
    predictions = _labels(target, answer) if target.is_classification else answer
    return Predictor(name, table_metrics(target, truth, answer), predictions, note)


def _baselines(
    prepared: PreparedTable, test: TablePart, truth: Array
) -> tuple[Predictor, Predictor]:
    """The linear model and the constant answer, measured on the test part."""
    target = prepared.target
    learned_from = [part for part in (prepared.train, prepared.validation) if part is not None]
    rows = np.concatenate([part.rows for part in learned_from])
    matrix = np.concatenate([_matrix(prepared, part) for part in learned_from])
    targets = np.concatenate([part.targets for part in learned_from])
    if target.is_classification:
        model = baselines.fit_logistic(matrix, targets, target.n_classes)
        linear = model.probabilities(_matrix(prepared, test))
        constant = baselines.constant_probabilities(targets, target.n_classes, len(truth))
        commonest = target.classes[int(constant[0].argmax())]
        name, kind = f"Always “{commonest}”", "logistic regression"
    else:
        model = baselines.fit_ridge(matrix, targets)
        linear = target.decode(model.outputs(_matrix(prepared, test))[:, 0], clip=True)
        constant = baselines.constant_number(target.values(prepared.frame[rows]), len(truth))
        name, kind = "Always the mean", "ridge regression"
    note = f"{kind} on the same columns, its penalty chosen on training rows held out"
    return (
        _predictor(target, "Linear model", truth, linear, note),
        _predictor(target, name, truth, constant),
    )


def _matrix(prepared: PreparedTable, part: TablePart) -> Array:
    """The prepared columns as a linear model takes them."""
    numbers = np.concatenate([part.arrays.numbers, part.arrays.missing], axis=1)
    levels = prepared.preprocessor.cardinalities
    return baselines.design_matrix(numbers, part.arrays.categories, levels)


def _importance(run: TableRun, test: pl.DataFrame, truth: Array) -> list[Importance]:
    """By how much shuffling a column raises the mean miss, or the log-loss."""
    prepared = run.prepared
    if prepared.target.is_classification:
        codes = run.test.targets

        def error(rows: Array, answer: Array) -> float:
            chosen = answer[np.arange(len(rows)), codes[rows]]
            return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    else:

        def error(rows: Array, answer: Array) -> float:
            return float(np.abs(answer - truth[rows]).mean())

    return permutation_importance(test, prepared.preprocessor.input_names, run.predict, error)


def _mistakes(
    run: TableRun, truth: Array, answer: Array, importance: Sequence[Importance]
) -> list[Mistake]:
    prepared = run.prepared
    shown = _shown(prepared.target, truth)
    certainty = None
    predicted = answer
    if prepared.target.is_classification:
        predicted, certainty = _labels(prepared.target, answer), answer.max(axis=1)
    worst = worst_rows(shown, predicted, certainty, MISTAKES)
    increase = {each.column: each.increase for each in importance}
    names = sorted(prepared.preprocessor.input_names, key=lambda name: -increase.get(name, 0.0))
    rows = run.test.rows[worst]
    described = describe_rows(prepared.frame, rows, prepared.schema, prepared.train.rows, names)
    return [
        Mistake(
            row=int(prepared.source_rows[row]),
            true=shown[place].item(),
            predicted=predicted[place].item(),
            probability=None if certainty is None else float(certainty[place]),
            features=features,
            remarks=remarks,
        )
        for row, place, (features, remarks) in zip(rows, worst, described, strict=True)
    ]


def _target_note(target: Target) -> str:
    """How the target was prepared, in words."""
    if target.is_classification:
        counts = [
            f"{label} ({rows:,})"
            for label, rows in zip(target.classes, target.class_counts, strict=False)
        ]
        more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
        return f"training rows by class: {', '.join(counts[:12])}{more}."
    if target.transform == "none":
        return "standardised for training; predictions are given in its own units."
    return (
        "learned as its logarithm, because its values are skewed; predictions are given in its own "
        "units."
    )
