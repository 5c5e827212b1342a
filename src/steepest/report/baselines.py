"""What a network must beat: one and the same answer, and a linear model.

Both see the same rows and the same prepared columns as the network. The strength of the linear
model's penalty is chosen on training rows that are held out, as the network's stopping point is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from steepest.errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]
PENALTIES = tuple(10.0**power for power in range(-4, 5))
MAX_ROWS = 20_000
MAX_WIDTH = 1_000
MAX_LEVELS = 64


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """A linear model `x @ weights + bias`.

    Attributes:
        weights: shape `(columns, outputs)`: one output for numbers, one for each class.
        bias: shape `(outputs,)`.
        penalty: the strength of the penalty on the weights, per training row.
    """

    weights: Array
    bias: Array
    penalty: float

    def outputs(self, x: Array) -> Array:
        """Raw outputs: predicted numbers or class scores, shape `(rows, outputs)`."""
        return x @ self.weights + self.bias

    def probabilities(self, x: Array) -> Array:
        """Class probabilities, shape `(rows, classes)`."""
        return softmax(self.outputs(x))


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
    candidates = _ridge_path(x[fitted], y[fitted], PENALTIES)

    def squared_error(model: LinearModel) -> float:
        return float(np.square(model.outputs(x[held_out])[:, 0] - y[held_out]).mean())

    best = min(candidates, key=squared_error)
    return _ridge_path(x, y, (best.penalty,))[0]


def _ridge_path(x: Array, y: Array, penalties: Sequence[float]) -> list[LinearModel]:
    """A ridge regression for each penalty, all by one decomposition."""
    x_mean, y_mean = x.mean(axis=0), float(y.mean())
    centred = x - x_mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    values = np.maximum(values, 0.0)
    slope = vectors.T @ (centred.T @ (y - y_mean) / len(x))
    models = []
    for penalty in penalties:
        weights = vectors @ (slope / (values + penalty))
        bias = np.array([y_mean - x_mean @ weights])
        models.append(LinearModel(weights[:, None], bias, penalty))
    return models


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
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1.0
    scaled = (x - mean) / spread
    penalty, flat = _best_penalty(scaled, labels, classes)
    flat = minimise(_cross_entropy_loss(scaled, labels, classes, penalty), flat)
    table = flat.reshape(-1, classes)
    weights = table[:-1] / spread[:, None]
    return LinearModel(weights, table[-1] - mean @ weights, penalty)


def _best_penalty(x: Array, labels: Array, classes: int) -> tuple[float, Array]:
    """The best penalty on rows held out, and the weights (in a row) fitted to the others."""
    fitted, held_out = _holdout(len(x))
    flat = np.zeros((x.shape[1] + 1) * classes)
    shares = np.bincount(labels[fitted], minlength=classes) + 1.0
    flat[-classes:] = np.log(shares / shares.sum())
    best, least, risen = (PENALTIES[-1], flat), np.inf, 0
    for penalty in reversed(PENALTIES):
        flat = minimise(_cross_entropy_loss(x[fitted], labels[fitted], classes, penalty), flat)
        table = flat.reshape(-1, classes)
        error = cross_entropy(x[held_out] @ table[:-1] + table[-1], labels[held_out])
        if error < least:
            best, least, risen = (penalty, flat), error, 0
        else:
            risen += 1
        if risen == 2:
            break
    return best


def _holdout(rows: int) -> tuple[Array, Array]:
    """Positions of four fifths of the rows and of the last fifth; of all rows twice if too few."""
    if rows < 5:
        return np.arange(rows), np.arange(rows)
    order = np.random.default_rng(1).permutation(rows)
    return order[rows // 5 :], order[: rows // 5]


def _cross_entropy_loss(
    x: Array, labels: Array, classes: int, penalty: float
) -> Callable[[Array], tuple[float, Array]]:
    """The penalised cross-entropy and its gradient, as a function of all weights in a row."""
    chosen = np.zeros((len(x), classes))
    chosen[np.arange(len(x)), labels] = 1.0

    def loss(flat: Array) -> tuple[float, Array]:
        table = flat.reshape(-1, classes)
        weights = table[:-1]
        outputs = x @ weights + table[-1]
        difference = (softmax(outputs) - chosen) / len(x)
        gradient = np.concatenate(
            [x.T @ difference + penalty * weights, difference.sum(axis=0)[None]]
        )
        value = cross_entropy(outputs, labels) + penalty / 2 * float(np.sum(weights * weights))
        return value, gradient.ravel()

    return loss


def minimise(
    loss: Callable[[Array], tuple[float, Array]],
    start: Array,
    steps: int = 60,
    memory: int = 10,
    tolerance: float = 1e-5,
) -> Array:
    """Minimise a smooth convex function by L-BFGS (Nocedal 1980) with backtracking.

    Args:
        loss: gives the value and the gradient, shape `(n,)`, at a point of shape `(n,)`.
        start: where to begin.
        steps: at most so many steps.
        memory: how many past steps shape the next one.
        tolerance: stop once no entry of the gradient is larger.
    """
    point = start.copy()
    value, gradient = loss(point)
    moves: list[Array] = []
    turns: list[Array] = []
    for _ in range(steps):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -_two_loops(gradient, moves, turns)
        length = 1.0 if moves else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        promise = float(direction @ gradient)
        while True:
            ahead = point + length * direction
            ahead_value, ahead_gradient = loss(ahead)
            if ahead_value <= value + 1e-4 * length * promise or length < 1e-10:
                break
            length /= 2
        move, turn = ahead - point, ahead_gradient - gradient
        if ahead_value >= value:
            break
        if move @ turn > 1e-12 * (turn @ turn):
            moves, turns = [*moves, move][-memory:], [*turns, turn][-memory:]
        point, value, gradient = ahead, ahead_value, ahead_gradient
    return point


def _two_loops(gradient: Array, moves: list[Array], turns: list[Array]) -> Array:
    """The inverse Hessian of the past steps, applied to the gradient."""
    result = gradient.copy()
    shares = []
    for move, turn in zip(reversed(moves), reversed(turns), strict=True):
        share = (move @ result) / (move @ turn)
        result -= share * turn
        shares.append(share)
    if moves:
        result *= (moves[-1] @ turns[-1]) / (turns[-1] @ turns[-1])
    for move, turn, share in zip(moves, turns, reversed(shares), strict=True):
        result += (share - (turn @ result) / (move @ turn)) * move
    return result


def softmax(outputs: Array) -> Array:
    """Probabilities of class scores, shape `(rows, classes)`."""
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def cross_entropy(outputs: Array, labels: Array) -> float:
    """Mean surprise, in nats, of class scores at the true classes."""
    top = outputs.max(axis=1)
    total = np.log(np.exp(outputs - top[:, None]).sum(axis=1)) + top
    return float((total - outputs[np.arange(len(labels)), labels]).mean())


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
