"""Curves and counts behind the figures, computed exactly in NumPy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class MetricFacts:
    """How to read a metric.

    Attributes:
        label: its name in the report.
        higher_is_better: whether more is better.
        in_target_units: whether it is measured in the target's units.
        is_share: whether it is a share of rows, to be written in percent.
        explanation: what it means, in one short sentence.
    """

    label: str
    higher_is_better: bool
    in_target_units: bool = False
    is_share: bool = False
    explanation: str = ""


METRIC_FACTS = {
    "mae": MetricFacts("Mean absolute error", False, True, False, "The average miss."),
    "rmse": MetricFacts(
        "Root mean squared error", False, True, False, "The average miss, large ones weighted more."
    ),
    "r2": MetricFacts("R²", True, False, False, "Share of the target's variance explained."),
    "accuracy": MetricFacts("Accuracy", True, False, True, "Share of right answers."),
    "balanced_accuracy": MetricFacts(
        "Balanced accuracy", True, False, True, "Mean share of each class that is found."
    ),
    "precision": MetricFacts("Precision", True, False, True, "How often a found class is right."),
    "recall": MetricFacts("Recall", True, False, True, "Share of a class that is found."),
    "f1": MetricFacts("F1", True, False, False, "Precision and recall in one number."),
    "roc_auc": MetricFacts(
        "ROC-AUC", True, False, False, "Chance that a positive row ranks above a negative one."
    ),
    "log_loss": MetricFacts(
        "Log-loss", False, False, False, "How surprised the probabilities are by the truth."
    ),
}


def metric_facts(metric: str) -> MetricFacts:
    """How to read `metric`; one that is not known is shown by its own name, less is better."""
    return METRIC_FACTS.get(metric, MetricFacts(metric, False))


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
