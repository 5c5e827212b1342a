"""Formulas of the classification metrics, over the whole set at once.

Each takes `ClassPredictions` of `n` decisions between `k` classes and returns a float. Quotients
that are 0/0 in precision, recall and F1 (nothing predicted positive, or nothing positive) count
as 0, scikit-learn's convention.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError
from steepest.train.metrics.predictions import ClassPredictions, FloatArray


def accuracy(predictions: ClassPredictions) -> float:
    """Fraction of decisions that are right."""
    return float(np.mean(predictions.true == predictions.labels))


def balanced_accuracy(predictions: ClassPredictions) -> float:
    """Mean of the recalls of the classes that occur in the targets."""
    hits, _, actual = _counts(predictions)
    present = actual > 0
    return float(np.mean(hits[present] / actual[present]))


def precision_per_class(predictions: ClassPredictions) -> FloatArray:
    """`(k,)`: of the decisions for a class, the fraction that are right."""
    hits, chosen, _ = _counts(predictions)
    return _ratio(hits, chosen)


def recall_per_class(predictions: ClassPredictions) -> FloatArray:
    """`(k,)`: of the members of a class, the fraction found."""
    hits, _, actual = _counts(predictions)
    return _ratio(hits, actual)


def f1_per_class(predictions: ClassPredictions) -> FloatArray:
    """`(k,)`: harmonic mean of precision and recall, 2 hits / (chosen + actual)."""
    hits, chosen, actual = _counts(predictions)
    return _ratio(2.0 * hits, chosen + actual)


def of_positive_class(name: str, predictions: ClassPredictions, per_class: FloatArray) -> float:
    """The value of the positive class of two: 1, or the later label in sorted order."""
    if len(predictions.classes) != 2:
        raise ArgumentError(
            f"{name}: is about two classes, but there are {len(predictions.classes)}. "
            f"For more classes choose '{name}_macro', '{name}_micro' or '{name}_weighted'."
        )
    return float(per_class[1])


def macro(predictions: ClassPredictions, per_class: FloatArray) -> float:
    """Plain mean over the classes that occur in the targets or the predictions."""
    _, chosen, actual = _counts(predictions)
    return float(np.mean(per_class[(chosen + actual) > 0]))


def weighted(predictions: ClassPredictions, per_class: FloatArray) -> float:
    """Mean over classes, weighted by how often each occurs in the targets."""
    _, _, actual = _counts(predictions)
    return float(np.sum(per_class * actual) / np.sum(actual))


def roc_auc(predictions: ClassPredictions) -> float:
    """Probability that a random member of a class ranks above a random non-member; ties count half.

    Two classes: of class 1. More: the mean over the classes, each against the rest. A class that
    all or none of the targets have cannot be ranked and is left out; NaN when none is left.
    """
    scores = predictions.scores
    assert scores is not None
    if len(predictions.classes) == 2:
        return _binary_auc(predictions.true == 1, scores[:, 1])
    areas = [
        _binary_auc(predictions.true == number, scores[:, number])
        for number in range(len(predictions.classes))
    ]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def log_loss(predictions: ClassPredictions) -> float:
    """Mean of -log(probability given to the true class), in nats."""
    assert predictions.log_probabilities is not None
    chosen = predictions.log_probabilities[np.arange(len(predictions.true)), predictions.true]
    return float(-np.mean(chosen))


def brier(predictions: ClassPredictions) -> float:
    """Mean squared error of the probabilities: (p - y)^2 of class 1 for two classes, else summed
    over the classes (Brier 1950)."""
    assert predictions.probabilities is not None
    hot = np.eye(len(predictions.classes))[predictions.true]
    squared = (predictions.probabilities - hot) ** 2
    if len(predictions.classes) == 2:
        return float(np.mean(squared[:, 1]))
    return float(np.mean(squared.sum(axis=1)))


def _counts(predictions: ClassPredictions) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`(k,)` each: hits, decisions for the class, members of the class."""
    class_count = len(predictions.classes)
    right = predictions.true[predictions.true == predictions.labels]
    hits = np.bincount(right, minlength=class_count)
    chosen = np.bincount(predictions.labels, minlength=class_count)
    actual = np.bincount(predictions.true, minlength=class_count)
    return hits.astype(np.float64), chosen.astype(np.float64), actual.astype(np.float64)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """`numerator / denominator`, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)


def _binary_auc(member: npt.NDArray[np.bool_], scores: FloatArray) -> float:
    """Area under the ROC curve by the rank sum of Mann and Whitney, ties at their mean rank."""
    member_count = int(member.sum())
    other_count = len(member) - member_count
    if member_count == 0 or other_count == 0:
        return float("nan")
    _, group, group_size = np.unique(scores, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(group_size)
    mean_rank = last_rank - (group_size - 1) / 2.0
    rank_sum = mean_rank[group][member].sum()
    wins = rank_sum - member_count * (member_count + 1) / 2.0
    return float(wins / (member_count * other_count))
