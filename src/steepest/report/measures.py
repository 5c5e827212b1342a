"""Curves and counts behind the figures, computed exactly in NumPy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from steepest.report.numbers import fixed, percent, short
from steepest.train.metrics import METRICS

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class MetricFacts:
    """How to read a metric.

    Attributes:
        label: its name in the report.
        explanation: what it means, in one short sentence.
        written: `"units"` (of the target), `"share"` (in percent) or `"score"` (three decimals).
        higher_is_better: whether more is better.
    """

    label: str
    explanation: str
    written: Literal["units", "share", "score"]
    higher_is_better: bool

    def text(self, value: float) -> str:
        """Write one value of this metric."""
        if not math.isfinite(value):
            return short(value)
        if self.written == "share":
            return percent(value)
        if self.written == "units":
            return short(value, 4)
        return fixed(value, 3)


_LABELS: Mapping[str, tuple[str, str, Literal["units", "share", "score"]]] = {
    "mae": ("Mean absolute error", "The average miss.", "units"),
    "rmse": ("Root mean squared error", "The average miss, large ones weighted more.", "units"),
    "mse": ("Mean squared error", "The average of the squared misses.", "units"),
    "median_absolute_error": ("Median absolute error", "Half of the misses are smaller.", "units"),
    "max_error": ("Largest error", "The worst miss.", "units"),
    "mape": ("Mean relative error", "The average miss as a share of the truth.", "share"),
    "r2": ("R²", "Share of the target's variance explained.", "score"),
    "accuracy": ("Accuracy", "Share of right answers.", "share"),
    "balanced_accuracy": ("Balanced accuracy", "Mean share of each class found.", "share"),
    "precision": ("Precision", "How often a positive answer is right.", "share"),
    "recall": ("Recall", "Share of the positive rows that are found.", "share"),
    "f1": ("F1", "Precision and recall in one number.", "score"),
    "f1_macro": ("F1, mean over classes", "Precision and recall in one number.", "score"),
    "roc_auc": ("ROC-AUC", "Chance that a member ranks above a non-member.", "score"),
    "log_loss": ("Log-loss", "How surprised the probabilities are by the truth.", "score"),
    "brier": ("Brier score", "Squared error of the probabilities.", "score"),
}


def metric_facts(name: str) -> MetricFacts:
    """How to read the metric `name`; one that is not known keeps its name, less is better."""
    known = METRICS.get(name)
    higher_is_better = known.larger_is_better if known else False
    if name in _LABELS:
        return MetricFacts(*_LABELS[name], higher_is_better)
    meaning = f"{known.meaning[0].upper()}{known.meaning[1:]}." if known else ""
    return MetricFacts(name.replace("_", " "), meaning, "score", higher_is_better)


def confusion(y_true: Array, y_pred: Array, classes: Sequence[str]) -> Array:
    """Count rows by true class (first axis) and predicted class (second axis).

    Args:
        y_true: true classes, shape `(rows,)`, each one of `classes`.
        y_pred: predicted classes, shape `(rows,)`.
        classes: the class names, in the order of both axes.
    """
    index = {name: position for position, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    true = np.array([index[str(name)] for name in y_true.tolist()])
    predicted = np.array([index[str(name)] for name in y_pred.tolist()])
    np.add.at(counts, (true, predicted), 1)
    return counts


def pool_classes(counts: Array, classes: Sequence[str], limit: int) -> tuple[Array, list[str]]:
    """Keep the `limit - 1` commonest classes of a confusion matrix and pool the others."""
    if len(classes) <= limit:
        return counts, list(classes)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept = np.sort(order[: limit - 1])
    place = np.full(len(classes), limit - 1)
    place[kept] = np.arange(limit - 1)
    pooled = np.zeros((limit, limit), dtype=np.int64)
    np.add.at(pooled, (place[:, None], place[None, :]), counts)
    names = [classes[position] for position in kept]
    return pooled, [*names, f"{len(classes) - len(kept)} others"]


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """False and true positive rates at each distinct threshold, and the area under them."""

    false_positive_rate: Array
    true_positive_rate: Array
    area: float


def roc_curve(is_positive: Array, score: Array) -> RocCurve:
    """Rates of alarms as the threshold on `score` falls; ties are one step.

    Args:
        is_positive: whether each row is of the positive class, shape `(rows,)`.
        score: the higher, the more positive, shape `(rows,)`.

    With rows of one class only, the area is NaN and the curve is empty.
    """
    positives = int(is_positive.sum())
    negatives = len(is_positive) - positives
    if positives == 0 or negatives == 0:
        return RocCurve(np.empty(0), np.empty(0), float("nan"))
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = np.cumsum(is_positive[order])[ends]
    true_rate = np.concatenate(([0.0], hits / positives))
    false_rate = np.concatenate(([0.0], (ends + 1 - hits) / negatives))
    area = float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))
    return RocCurve(false_rate, true_rate, area)


@dataclasses.dataclass(frozen=True)
class CalibrationBin:
    """Rows with a similar predicted probability: how many, its mean, and how many were positive."""

    rows: int
    predicted: float
    observed: float


def calibration(is_positive: Array, probability: Array, bins: int = 10) -> list[CalibrationBin]:
    """Hold predicted probabilities against what happened, in `bins` bins of equal width."""
    place = np.clip((probability * bins).astype(np.int64), 0, bins - 1)
    result = []
    for position in range(bins):
        inside = place == position
        if inside.any():
            result.append(
                CalibrationBin(
                    int(inside.sum()),
                    float(probability[inside].mean()),
                    float(is_positive[inside].mean()),
                )
            )
    return result


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its 95 % bootstrap interval."""

    estimate: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[Array], float], rows: int, repeats: int = 500, seed: int = 0
) -> Interval:
    """Percentile bootstrap over test rows (Efron 1979).

    Args:
        statistic: gives the measure for an array of row positions, shape `(rows,)`.
        rows: number of test rows.
        repeats: resamples drawn.
        seed: the resamples are the same for the same seed.
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(0, rows, size=rows)) for _ in range(repeats)]
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(statistic(np.arange(rows)), float(low), float(high))
