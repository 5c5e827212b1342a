"""The metrics by name, and how one is computed from targets and predictions.

A metric is computed over the whole set at once, never as a mean of batch values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError, DTypeError, ShapeError, did_you_mean
from steepest.train.metrics import classification, regression
from steepest.train.metrics.predictions import (
    ClassPredictions,
    FloatArray,
    holds_labels,
    read_labels,
    read_scores,
)

Takes = Literal["labels", "probabilities", "numbers"]


@dataclass(frozen=True)
class Metric:
    """One figure of how good predictions are.

    Attributes:
        name: what users call it, and its key in the history.
        takes: what `evaluate` is given. `"labels"` and `"probabilities"`: one argument,
            `ClassPredictions` (only `"labels"` accepts predictions that are labels already).
            `"numbers"`: two float64 arrays `(n, columns)`, targets and predictions.
        larger_is_better: True for accuracy, False for an error.
        evaluate: the formula; returns a float, NaN where the value does not exist.
        meaning: one line for people.
        two_classes_only: True where the formula is about one positive class of two.
    """

    name: str
    takes: Takes
    larger_is_better: bool
    evaluate: Callable[..., float]
    meaning: str
    two_classes_only: bool = False


def compute(
    name: str | Metric, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, from_logits: bool = False
) -> float:
    """Return one metric over a whole set.

    Args:
        name: a name in `METRICS`, or a `Metric`.
        y_true: targets: `(n,)` class numbers, labels or numbers; `(n, columns)` numbers.
        y_pred: predictions; `steepest.train.metrics.predictions` says how they are read.
        from_logits: True when `y_pred` is the raw output of a network that was trained with a
            loss on logits. Metrics of numbers ignore it.

    Returns:
        The value as a float. NaN when the predictions hold NaN, or where the metric says so.

    Raises:
        ArgumentError: an unknown name, an empty set, numbers outside their range.
        ShapeError: shapes that do not fit together.
        DTypeError: strings where numbers are needed, and the like.
    """
    metric = find_metric(name)
    true = np.asarray(y_true)
    predicted = np.asarray(y_pred)
    if true.size == 0 or predicted.size == 0:
        raise ArgumentError(
            f"{metric.name}: needs at least one row, but y_true is {true.shape} and y_pred is "
            f"{predicted.shape}."
        )
    if predicted.dtype.kind == "f" and np.isnan(predicted).any():
        return float("nan")
    if metric.takes == "numbers":
        return metric.evaluate(*_columns(metric.name, true, predicted))
    return metric.evaluate(_class_predictions(metric, true, predicted, from_logits))


def compute_all(
    metrics: Iterable[str | Metric],
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    from_logits: bool = False,
) -> dict[str, float]:
    """Return `{name: value}` of several metrics; arguments as `compute`."""
    found = find_metrics(metrics)
    return {each.name: compute(each, y_true, y_pred, from_logits=from_logits) for each in found}


def find_metric(name: str | Metric) -> Metric:
    """Return the metric of a name; an unknown one raises `ArgumentError` with the nearest."""
    if isinstance(name, Metric):
        return name
    if isinstance(name, str) and name in METRICS:
        return METRICS[name]
    raise ArgumentError(
        f"metric {name!r} is unknown.{did_you_mean(str(name), METRICS)} "
        f"Known metrics: {', '.join(sorted(METRICS))}."
    )


def find_metrics(names: Iterable[str | Metric]) -> tuple[Metric, ...]:
    """Return the metrics of several names, each of which may occur once."""
    if isinstance(names, (str, Metric)):
        names = [names]
    found = tuple(find_metric(each) for each in names)
    seen: set[str] = set()
    for each in found:
        if each.name in seen:
            raise ArgumentError(f"metric {each.name!r} is given twice.")
        seen.add(each.name)
    return found


def check_targets(metric: Metric, y_true: npt.NDArray) -> None:
    """Raise before training what would otherwise be raised after the first epoch."""
    if metric.takes == "numbers":
        if y_true.dtype.kind not in "iufb":
            raise DTypeError(f"{metric.name}: takes numbers, but y holds {y_true.dtype}.")
        return
    if metric.two_classes_only and y_true.ndim == 1:
        class_count = len(np.unique(y_true))
        if class_count > 2:
            raise ArgumentError(
                f"{metric.name}: is about two classes, but y holds {class_count}. For more "
                f"classes choose '{metric.name}_macro', '{metric.name}_micro' or "
                f"'{metric.name}_weighted'."
            )


def _class_predictions(
    metric: Metric, true: npt.NDArray, predicted: npt.NDArray, from_logits: bool
) -> ClassPredictions:
    if from_logits and predicted.dtype.kind != "f":
        raise DTypeError(
            f"{metric.name}: from_logits=True needs floating-point numbers, but y_pred holds "
            f"{predicted.dtype}."
        )
    if metric.takes == "labels" and holds_labels(predicted):
        return read_labels(metric.name, true, predicted)
    if predicted.dtype.kind not in "iubf":
        raise DTypeError(f"{metric.name}: takes probabilities, but y_pred holds {predicted.dtype}.")
    return read_scores(metric.name, true, predicted, from_logits=from_logits)


def _columns(name: str, true: npt.NDArray, predicted: npt.NDArray) -> tuple[FloatArray, FloatArray]:
    """Both as float64 `(n, columns)`, after checking that they pair up one to one."""
    for role, array in (("y_true", true), ("y_pred", predicted)):
        if array.dtype.kind not in "iubf":
            raise DTypeError(f"{name}: takes numbers, but {role} holds {array.dtype}.")
    if true.shape != predicted.shape:
        hint = ""
        if true.size == predicted.size:
            hint = " Reshape one of them: they would pair every row with every other."
        raise ShapeError(
            f"{name}: y_true {true.shape} and y_pred {predicted.shape} must be of one shape.{hint}"
        )
    rows = max(1, true.shape[0]) if true.ndim else 1
    return (
        true.astype(np.float64).reshape(rows, -1),
        predicted.astype(np.float64).reshape(rows, -1),
    )


def _averaged(
    name: str, per_class: Callable[[ClassPredictions], FloatArray], meaning: str
) -> list[Metric]:
    """The binary, macro, micro and weighted forms of a per-class metric.

    Micro counts all decisions together; where every decision names one class, precision, recall
    and F1 then all equal accuracy.
    """

    def binary(predictions: ClassPredictions) -> float:
        return classification.of_positive_class(name, predictions, per_class(predictions))

    def macro(predictions: ClassPredictions) -> float:
        return classification.macro(predictions, per_class(predictions))

    def weighted(predictions: ClassPredictions) -> float:
        return classification.weighted(predictions, per_class(predictions))

    return [
        Metric(name, "labels", True, binary, f"{meaning}, for class 1 of two", True),
        Metric(f"{name}_macro", "labels", True, macro, f"{meaning}, mean over classes"),
        Metric(
            f"{name}_micro",
            "labels",
            True,
            classification.accuracy,
            f"{meaning}, all decisions counted together",
        ),
        Metric(
            f"{name}_weighted",
            "labels",
            True,
            weighted,
            f"{meaning}, mean over classes weighted by their size",
        ),
    ]


def _all_metrics() -> Mapping[str, Metric]:
    def labels(name: str, formula: Callable[..., float], meaning: str) -> Metric:
        return Metric(name, "labels", True, formula, meaning)

    def probabilities(name: str, formula: Any, larger_is_better: bool, meaning: str) -> Metric:
        return Metric(name, "probabilities", larger_is_better, formula, meaning)

    def error(name: str, formula: Callable[..., float], meaning: str) -> Metric:
        return Metric(name, "numbers", False, formula, meaning)

    kinds = classification
    metrics = [
        labels("accuracy", kinds.accuracy, "fraction of decisions that are right"),
        labels("balanced_accuracy", kinds.balanced_accuracy, "mean recall over the classes"),
        *_averaged("precision", kinds.precision_per_class, "how many chosen are right"),
        *_averaged("recall", kinds.recall_per_class, "how many are found"),
        *_averaged("f1", kinds.f1_per_class, "harmonic mean of precision and recall"),
        probabilities("roc_auc", kinds.roc_auc, True, "a member ranks above a non-member"),
        probabilities("log_loss", kinds.log_loss, False, "surprise at the true class, in nats"),
        probabilities("brier", kinds.brier, False, "squared error of the probabilities"),
        error("mse", regression.mse, "mean squared error"),
        error("rmse", regression.rmse, "root mean squared error"),
        error("mae", regression.mae, "mean absolute error"),
        error("median_absolute_error", regression.median_absolute_error, "median of the errors"),
        error("max_error", regression.max_error, "largest error"),
        error("mape", regression.mape, "mean error as a fraction of the target"),
        Metric("r2", "numbers", True, regression.r2, "share of the variance explained"),
    ]
    return {each.name: each for each in metrics}


METRICS: Mapping[str, Metric] = _all_metrics()
"""Every metric by name."""
