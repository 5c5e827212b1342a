"""How the parts of a model are weighed: by what is best on the rows that were left out.

The parts are the networks at the end of each cycle (snapshots) and linear models. The output of a
member is the sum of its parts' outputs, each times a weight of at least 0 (stacking; Breiman 1996).
For classes the weights also calibrate: their sum is the factor on the logits.

Where all rows left out are told apart, the log-loss falls without end as the weights grow, and one
new row on the wrong side would cost any amount. So each of the n rows counts as if its label had
been drawn at random with a chance of 1 / (2 n): half a row in all (the idea of Platt's targets,
"Probabilistic outputs for support vector machines", 1999). Where some rows are wrong anyway, that
changes next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

STEPS = 60
TOLERANCE = 1e-9
ROWS_OF_ALL_CLASSES = 0.5
"""How many of the rows left out, in shares of all of them, count as of every class alike."""

Objective = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]
"""Weights to the value, its gradient and its Hessian."""


def mix(
    snapshots: np.ndarray, linear: np.ndarray | None, answers: np.ndarray, is_classification: bool
) -> tuple[np.ndarray, float]:
    """The weights of the snapshots, and of the linear models, with the least loss.

    Where all snapshots would get the weight 0, they are weighed without the linear models.

    Args:
        snapshots: (snapshots, rows, outputs) for the rows left out.
        linear: (rows, outputs) for the same rows, or None.
        answers: (rows,) numbers, or class codes.
    """
    if linear is not None:
        joined = np.concatenate([snapshots, linear[None]])
        weights = weights_of(joined, answers, is_classification)
        if weights[:-1].any():
            return weights[:-1], float(weights[-1])
    return weights_of(snapshots, answers, is_classification), 0.0


def weights_of(outputs: np.ndarray, answers: np.ndarray, is_classification: bool) -> np.ndarray:
    """The weights of parts with the least loss.

    Args:
        outputs: (parts, rows, outputs).
        answers: (rows,) numbers, or class codes.
    """
    if is_classification:
        return classification_weights(outputs, answers)
    return regression_weights(outputs[:, :, 0], answers.astype(np.float64))


def row_losses(outputs: np.ndarray, answers: np.ndarray, is_classification: bool) -> np.ndarray:
    """(rows,) the squared errors, or the negative log-probabilities of the true classes."""
    if not is_classification:
        return np.square(outputs[:, 0] - answers)
    return -log_softmax(outputs)[np.arange(len(answers)), answers]


def regression_weights(outputs: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The weights with the least squared error.

    Args:
        outputs: (snapshots, rows).
        answers: (rows,).
    """
    hessian = outputs @ outputs.T / len(answers)
    slope = outputs @ answers / len(answers)

    def squared_error(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value = 0.5 * weights @ hessian @ weights - slope @ weights
        return float(value), hessian @ weights - slope, hessian

    return least(squared_error, np.full(len(outputs), 1 / len(outputs)))


def classification_weights(logits: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The weights with the least log-loss against `class_shares`.

    Args:
        logits: (snapshots, rows, classes).
        codes: (rows,) true classes.
    """
    wanted = class_shares(codes, logits.shape[-1])

    def cross_entropy(weights: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        mixed = np.tensordot(weights, logits, 1)
        probabilities = softmax(mixed)
        expected = (probabilities * logits).sum(axis=-1)
        gradient = (expected - (wanted * logits).sum(axis=-1)).mean(axis=1)
        products = np.einsum("rk,ark,brk->ab", probabilities, logits, logits, optimize=True)
        hessian = (products - expected @ expected.T) / len(codes)
        return -float((wanted * log_softmax(mixed)).sum(axis=-1).mean()), gradient, hessian

    return least(cross_entropy, np.full(len(logits), 1 / len(logits)))


def class_shares(codes: np.ndarray, classes: int) -> np.ndarray:
    """(rows, classes) what the weights are to predict: the true class, and a little of every class.

    Each row has its share of `ROWS_OF_ALL_CLASSES` spread evenly over the classes.
    """
    even = min(ROWS_OF_ALL_CLASSES / len(codes), 1.0)
    shares = np.full((len(codes), classes), even / classes)
    shares[np.arange(len(codes)), codes] += 1.0 - even
    return shares


def least(objective: Objective, start: np.ndarray) -> np.ndarray:
    """Minimise a convex function of weights of at least 0, by projected Newton steps.

    Source: Bertsekas, "Projected Newton methods for optimization problems with simple
    constraints", SIAM Journal on Control and Optimization 20 (1982), 221-246.
    """
    weights = start
    value, gradient, hessian = objective(weights)
    for _ in range(STEPS):
        free = (weights > 0) | (gradient < 0)
        if not free.any():
            break
        ridge = 1e-8 * (1.0 + np.trace(hessian)) * np.eye(int(free.sum()))
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)] + ridge, gradient[free])
        found = _line_search(objective, weights, step, value)
        if found is None:
            break
        improvement = value - found[1]
        weights, value, gradient, hessian = found
        if improvement < TOLERANCE * (1.0 + abs(value)):
            break
    return weights


def _line_search(
    objective: Objective, weights: np.ndarray, step: np.ndarray, value: float
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray] | None:
    """The first of ever shorter projected steps that is better; None if there is none."""
    for halvings in range(30):
        moved = np.maximum(weights - step * 0.5**halvings, 0.0)
        found, gradient, hessian = objective(moved)
        if math.isfinite(found) and found < value:
            return moved, found, gradient, hessian
    return None


def log_loss(logits: np.ndarray, codes: np.ndarray) -> float:
    """The mean negative log-probability of the true classes."""
    return float(row_losses(logits, codes, is_classification=True).mean())


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
