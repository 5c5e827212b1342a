"""What a network must beat: one and the same answer, and a linear model.

Both see the same rows and the same prepared columns as the network. The strength of the linear
model's penalty is chosen on training rows that are held out, as the network's stopping point is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.errors import ArgumentError, ShapeError
from steepest.models.tabular.linear import LinearModel, Scaling, logistic, ridge_path
from steepest.models.tabular.mixture import log_loss

Array = np.ndarray[Any, Any]
PENALTIES = tuple(10.0**power for power in range(-4, 5))
MAX_ROWS = 20_000
MAX_WIDTH = 1_000
MAX_LEVELS = 64


def design_matrix(numbers: Array, categories: Array, levels: Sequence[int]) -> Array:
    """Numbers beside one 0-or-1 column for each category level, as a linear model needs them.

    Args:
        numbers: prepared numeric columns, shape `(rows, numeric columns)`.
        categories: category codes from 0, shape `(rows, category columns)`.
        levels: how many codes each category column has; codes from `MAX_LEVELS` on share a column.

    Returns:
        float64, at most `MAX_WIDTH` columns wide: the widest categories are left out beyond that.
    """
    if categories.shape[1] != len(levels):
        raise ShapeError(
            f"design_matrix: categories {categories.shape} need one number of levels for each "
            f"column, but levels has {len(levels)}."
        )
    rows = max(len(numbers), len(categories))
    parts = [numbers.astype(np.float64)[:, :MAX_WIDTH]]
    width = parts[0].shape[1]
    for column in np.argsort(levels, kind="stable"):
        size = min(int(levels[column]), MAX_LEVELS)
        if width + size > MAX_WIDTH:
            break
        block = np.zeros((rows, size))
        block[np.arange(rows), np.minimum(categories[:, column], size - 1)] = 1.0
        parts.append(block)
        width += size
    return np.concatenate(parts, axis=1)


def fit_ridge(x: Array, y: Array) -> LinearModel:
    """Ridge regression in closed form (Hoerl and Kennard 1970).

    Minimises `mean((x w + b - y)^2) + penalty * |w|^2`. Of `PENALTIES` it takes the one with the
    least squared error on a fifth of the rows, held out, and then fits all rows.

    Args:
        x: training rows, shape `(rows, columns)`; at most `MAX_ROWS` of them are used.
        y: what to predict, shape `(rows,)`.
    """
    x, y = _few_rows(x, y)
    fitted, held_out = _holdout(len(x))
    candidates = ridge_path(x[fitted], y[fitted], PENALTIES)

    def squared_error(model: LinearModel) -> float:
        return float(np.square(model.outputs(x[held_out])[:, 0] - y[held_out]).mean())

    best = min(candidates, key=squared_error)
    return ridge_path(x, y, (best.penalty,))[0]


def fit_logistic(x: Array, labels: Array, classes: int) -> LinearModel:
    """Multinomial logistic regression, by L-BFGS.

    Minimises the mean cross-entropy plus `penalty / 2 * |w|^2`, from the strongest penalty to the
    weakest, each from where the one before ended. It takes the penalty with the least
    cross-entropy on a fifth of the rows, held out (the search ends once that has risen twice), and
    then fits all rows.

    Args:
        x: training rows, shape `(rows, columns)`; at most `MAX_ROWS` of them are used.
        labels: class numbers from 0, shape `(rows,)`.
        classes: number of classes.
    """
    x, labels = _few_rows(x, labels)
    scaling = Scaling.of(x)
    scaled = scaling.scaled(x)
    start = _best_penalty(scaled, labels, classes)
    return scaling.unscaled(logistic(scaled, labels, classes, start.penalty, start))


def _best_penalty(x: Array, labels: Array, classes: int) -> LinearModel:
    """The model with the penalty that is best on rows held out, fitted to the others."""
    fitted, held_out = _holdout(len(x))
    model: LinearModel | None = None
    best, least, risen = None, np.inf, 0
    for penalty in reversed(PENALTIES):
        model = logistic(x[fitted], labels[fitted], classes, penalty, model)
        error = log_loss(model.outputs(x[held_out]), labels[held_out])
        if best is None or error < least:
            best, least, risen = model, error, 0
        else:
            risen += 1
        if risen == 2:
            break
    assert best is not None
    return best


def _holdout(rows: int) -> tuple[Array, Array]:
    """Positions of four fifths of the rows and of the last fifth; of all rows twice if too few."""
    if rows < 5:
        return np.arange(rows), np.arange(rows)
    order = np.random.default_rng(1).permutation(rows)
    return order[rows // 5 :], order[: rows // 5]


def _few_rows(x: Array, y: Array) -> tuple[Array, Array]:
    """All rows, or the same `MAX_ROWS` of them every time."""
    if len(x) != len(y):
        raise ShapeError(f"baseline: x {x.shape} and y {y.shape} need the same number of rows.")
    if len(x) == 0:
        raise ArgumentError("baseline: needs at least one training row.")
    if len(x) <= MAX_ROWS:
        return x, y
    rows = np.random.default_rng(0).choice(len(x), MAX_ROWS, replace=False)
    return x[rows], y[rows]


def constant_number(y_train: Array, rows: int) -> Array:
    """The answer that ignores every column: the mean of the training part, `rows` times."""
    return np.full(rows, float(np.mean(y_train)))


def constant_probabilities(labels_train: Array, classes: int, rows: int) -> Array:
    """The answer that ignores every column: each class's share of the training part.

    Returns:
        shape `(rows, classes)`; the largest share is the commonest class.
    """
    shares = np.bincount(labels_train, minlength=classes) / len(labels_train)
    return np.broadcast_to(shares, (rows, classes)).copy()
