"""From what a network puts out to what a classification metric takes.

One rule decides what an array of predictions means:

* `y_pred` has the shape of `y_true`: every number is one yes-or-no decision about class 1.
  `(n,)`, `(n, 1)` and, for several labels a row, `(n, labels)` are all of this kind.
* `y_pred` has one more axis than `y_true`, at position 1: that axis runs over the classes
  (`(n, classes)`, or `(n, classes, time)` against `(n, time)`), as in `nn.CrossEntropyLoss`.
* `y_true` is itself `(n, classes)` with rows that are distributions (non-negative, sum 1):
  the true class is the largest of the row.

`from_logits=True` says that the numbers are a network's raw output: label = the largest logit
(or logit > 0), probability = softmax (or sigmoid). `from_logits=False` says that they are
probabilities (label = the largest, or above 0.5) or, as integers or strings, labels already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError, DTypeError, ShapeError

ROW_SUM_TOLERANCE = 1e-3
"""How far from 1 the probabilities of a row may add up to (room for 16-bit numbers)."""

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassPredictions:
    """`n` decisions between `k` classes.

    Attributes:
        classes: `(k,)` the labels, sorted; class numbers below are positions in it.
        true: `(n,)` the true class numbers.
        labels: `(n,)` the predicted class numbers.
        probabilities: `(n, k)` float64, or None when only labels were given.
        log_probabilities: `(n, k)` float64, exact where `probabilities` round to 0 or 1.
        scores: `(n, k)` float64 that rank rows as the probabilities do, without their ties.
    """

    classes: npt.NDArray
    true: IntArray
    labels: IntArray
    probabilities: FloatArray | None = None
    log_probabilities: FloatArray | None = None
    scores: FloatArray | None = None


def read_labels(name: str, y_true: npt.NDArray, y_pred: npt.NDArray) -> ClassPredictions:
    """Read predictions that are labels already: integers, booleans or strings."""
    if y_pred.shape != y_true.shape:
        raise ShapeError(
            f"{name}: predicted labels {y_pred.shape} must have the shape of y_true {y_true.shape}."
        )
    true_labels = _natural_labels(name, y_true.ravel())
    predicted_labels = _natural_labels(name, y_pred.ravel())
    _check_same_kind(name, true_labels, predicted_labels)
    classes = np.unique(np.concatenate([true_labels, predicted_labels]))
    if classes.dtype.kind in "iu" and np.isin(classes, (0, 1)).all():
        classes = np.array([0, 1])
    return ClassPredictions(
        classes=classes,
        true=np.searchsorted(classes, true_labels),
        labels=np.searchsorted(classes, predicted_labels),
    )


def read_scores(
    name: str, y_true: npt.NDArray, y_pred: npt.NDArray, *, from_logits: bool
) -> ClassPredictions:
    """Read predictions that are logits or probabilities, by the rule on top of this file."""
    y_true = _without_distribution(y_true, y_pred)
    if y_pred.shape == (*y_true.shape, 1) and y_true.ndim == 1:
        y_pred = y_pred[:, 0]
    if y_pred.shape == y_true.shape:
        true = _class_numbers(name, y_true.ravel(), class_count=2)
        return _read_decisions(name, true, y_pred.ravel().astype(np.float64), from_logits)
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[:1] + y_pred.shape[2:] == y_true.shape:
        class_count = y_pred.shape[1]
        true = _class_numbers(name, y_true.ravel(), class_count)
        rows = np.moveaxis(y_pred, 1, -1).reshape(-1, class_count).astype(np.float64)
        return _read_rows(name, true, rows, from_logits)
    raise ShapeError(
        f"{name}: predictions {y_pred.shape} fit targets {y_true.shape} neither as one number a "
        f"decision (same shape) nor as one row a decision (classes on axis 1)."
    )


def holds_labels(y_pred: npt.NDArray) -> bool:
    """Say whether an array's type is one of labels: integers, booleans or strings."""
    return y_pred.dtype.kind in "iubUSOT"


def _read_decisions(
    name: str, true: IntArray, numbers: FloatArray, from_logits: bool
) -> ClassPredictions:
    """Decisions about class 1: `numbers` `(n,)` are logits or probabilities."""
    if from_logits:
        log_yes = -np.logaddexp(0.0, -numbers)
        log_no = -np.logaddexp(0.0, numbers)
        log_probabilities = np.stack([log_no, log_yes], axis=1)
        probabilities = np.exp(log_probabilities)
        labels = (numbers > 0).astype(np.int64)
        scores = np.stack([-numbers, numbers], axis=1)
    else:
        _check_probabilities(name, numbers)
        probabilities = np.stack([1.0 - numbers, numbers], axis=1)
        log_probabilities = _log(probabilities)
        labels = (numbers > 0.5).astype(np.int64)
        scores = np.stack([-numbers, numbers], axis=1)
    return ClassPredictions(
        np.array([0, 1]), true, labels, probabilities, log_probabilities, scores
    )


def _read_rows(name: str, true: IntArray, rows: FloatArray, from_logits: bool) -> ClassPredictions:
    """Decisions between the columns of `rows` `(n, k)`: logits or probabilities."""
    if from_logits:
        shifted = rows - rows.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        probabilities = np.exp(log_probabilities)
        scores = log_probabilities
    else:
        _check_probabilities(name, rows)
        _check_row_sums(name, rows)
        probabilities = rows
        log_probabilities = _log(rows)
        scores = rows
    if rows.shape[1] == 2 and from_logits:
        margin = rows[:, 1] - rows[:, 0]
        scores = np.stack([-margin, margin], axis=1)
    labels = rows.argmax(axis=1)
    classes = np.arange(rows.shape[1])
    return ClassPredictions(classes, true, labels, probabilities, log_probabilities, scores)


def _log(probabilities: FloatArray) -> FloatArray:
    """Logarithm of probabilities; that of a probability of 0 is taken at the smallest step, 2e-16.

    Otherwise one confident mistake would make a log-loss infinite (scikit-learn's convention).
    """
    epsilon = np.finfo(np.float64).eps
    return np.log(np.clip(probabilities, epsilon, 1.0 - epsilon))


def _without_distribution(y_true: npt.NDArray, y_pred: npt.NDArray) -> npt.NDArray:
    """Turn rows that are distributions over the classes into the number of their largest."""
    if y_true.ndim < 2 or y_true.shape != y_pred.shape or y_true.shape[1] < 2:
        return y_true
    if y_true.dtype.kind not in "iufb":
        return y_true
    sums = y_true.sum(axis=1, dtype=np.float64)
    if (y_true < 0).any() or not np.allclose(sums, 1.0, atol=ROW_SUM_TOLERANCE):
        return y_true
    return y_true.argmax(axis=1)


def _class_numbers(name: str, labels: npt.NDArray, class_count: int) -> IntArray:
    """Check that labels are whole numbers in `[0, class_count)`, and make them int64."""
    if labels.dtype.kind not in "iubf":
        raise DTypeError(
            f"{name}: y_true holds {labels.dtype}, but predictions that are probabilities or "
            f"logits need class numbers 0 to {class_count - 1}."
        )
    numbers = labels.astype(np.int64)
    outside = (numbers != labels) | (numbers < 0) | (numbers >= class_count)
    if outside.any():
        raise ArgumentError(
            f"{name}: y_true holds {labels[outside][0]}, but with these predictions a target is "
            f"a class number from 0 to {class_count - 1}."
        )
    return numbers


def _natural_labels(name: str, labels: npt.NDArray) -> npt.NDArray:
    """Labels as integers or strings; floats only when they are whole numbers."""
    if labels.dtype.kind == "b":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        whole = labels.astype(np.int64)
        if (whole != labels).any():
            raise DTypeError(
                f"{name}: takes labels, but y_true holds {labels[whole != labels][0]}. "
                f"For a numeric target use a metric of numbers, such as 'rmse'."
            )
        return whole
    if labels.dtype.kind == "O":
        return labels.astype(str)
    return labels


def _check_same_kind(name: str, true: npt.NDArray, predicted: npt.NDArray) -> None:
    if (true.dtype.kind in "iu") != (predicted.dtype.kind in "iu"):
        raise DTypeError(
            f"{name}: y_true holds {true.dtype} but y_pred holds {predicted.dtype}; "
            f"labels of both must be of one kind."
        )


def _check_probabilities(name: str, numbers: FloatArray) -> None:
    outside = (numbers < 0.0) | (numbers > 1.0)
    if outside.any():
        raise ArgumentError(
            f"{name}: y_pred holds {numbers[outside][0]:.6g}, which is no probability. "
            f"If it is a network's raw output, pass from_logits=True; "
            f"if it holds labels, make them integers."
        )


def _check_row_sums(name: str, rows: FloatArray) -> None:
    error = np.abs(rows.sum(axis=1) - 1.0)
    if error.max() > ROW_SUM_TOLERANCE:
        row = int(error.argmax())
        raise ArgumentError(
            f"{name}: the probabilities of row {row} add up to {rows[row].sum():.6g}, not 1. "
            f"If they are a network's raw output, pass from_logits=True."
        )
