"""Linear models of a table: ridge regression, and logistic regression by L-BFGS.

The table model mixes them with its networks (`linear_members`), and the report holds the network
against them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from steepest.models.tabular.mixture import log_loss, softmax

Array = np.ndarray[Any, Any]

MEMBER_PENALTIES = tuple(10.0 ** (power / 2) for power in range(2, -9, -1))
"""What `linear_members` chooses from, from the strongest, 10, to the weakest, 0.0001."""

SMALLEST_SPREAD = 1e-9
MOST_COLUMNS = 1_000
MOST_NUMBERS = 3_000_000
"""Rows times columns times classes beyond which a table gets no linear models: they would take
longer than they are worth, for so much data lets a network find a straight line by itself."""


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


@dataclasses.dataclass(frozen=True, eq=False)
class LinearMembers:
    """A linear model for each member of a table model, all by one penalty.

    Attributes:
        models: one for each member.
        outputs: (rows, outputs) for the rows left out, each by the member that left it out.
    """

    models: tuple[LinearModel, ...]
    outputs: Array


def linear_members(
    x: Array, answers: Array, classes: int, train_rows: Array, check_rows: Array
) -> LinearMembers | None:
    """Fit a linear model on the rows of each member.

    The penalty is the one that is best on the rows left out; from strong to weak, the search ends
    once they have become worse twice.

    Args:
        x: (rows, columns) of the whole table.
        answers: (rows,) numbers, or class codes.
        classes: how many there are; 0 for numbers.
        train_rows: (rows, members) the row numbers that each member learns from.
        check_rows: (rows, members) those that it leaves out.

    Returns:
        None if the table is too large for it, or has no columns.
    """
    columns = x.shape[1]
    too_large = len(x) * columns * max(1, classes) > MOST_NUMBERS or columns > MOST_COLUMNS
    if too_large or columns == 0:
        return None
    x = x.astype(np.float64)
    parts = [(x[rows], answers[rows]) for rows in train_rows.T]
    checked = answers[check_rows].reshape(-1)
    best: tuple[float, LinearMembers] | None = None
    worse = 0
    for models in _logistic_paths(parts, classes) if classes else _ridge_paths(parts):
        found = [model.outputs(x[rows]) for model, rows in zip(models, check_rows.T, strict=True)]
        outputs = np.stack(found, axis=1).reshape(len(checked), -1)
        if classes:
            error = log_loss(outputs, checked)
        else:
            error = float(np.square(outputs[:, 0] - checked).mean())
        if best is None or error < best[0]:
            best, worse = (error, LinearMembers(models, outputs)), 0
        else:
            worse += 1
        if worse == 2:
            break
    return best[1] if best else None


def _ridge_paths(parts: Sequence[tuple[Array, Array]]) -> Iterator[tuple[LinearModel, ...]]:
    """For each of `MEMBER_PENALTIES`, the models of all members."""
    scalings = [Scaling.of(x) for x, _ in parts]
    paths = [
        ridge_path(scaling.scaled(x), answers.astype(np.float64), MEMBER_PENALTIES)
        for scaling, (x, answers) in zip(scalings, parts, strict=True)
    ]
    for models in zip(*paths, strict=True):
        yield tuple(
            scaling.unscaled(model) for scaling, model in zip(scalings, models, strict=True)
        )


def _logistic_paths(
    parts: Sequence[tuple[Array, Array]], classes: int
) -> Iterator[tuple[LinearModel, ...]]:
    """For each of `MEMBER_PENALTIES`, the models of all members, each begun at the one before."""
    scalings = [Scaling.of(x) for x, _ in parts]
    models: list[LinearModel | None] = [None] * len(parts)
    for penalty in MEMBER_PENALTIES:
        models = [
            logistic(scaling.scaled(x), codes, classes, penalty, start)
            for scaling, (x, codes), start in zip(scalings, parts, models, strict=True)
        ]
        yield tuple(
            scaling.unscaled(model)
            for scaling, model in zip(scalings, models, strict=True)
            if model is not None
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """Standardises columns, so that one penalty suits them all.

    Attributes:
        mean, spread: (columns,) mean and standard deviation; a spread of 0 is given as 1.
    """

    mean: Array
    spread: Array

    @classmethod
    def of(cls, x: Array) -> Scaling:
        """Learned from rows (rows, columns)."""
        spread = x.std(axis=0)
        spread[spread < SMALLEST_SPREAD] = 1.0
        return cls(x.mean(axis=0), spread)

    def scaled(self, x: Array) -> Array:
        """Columns of mean 0 and spread 1."""
        return (x - self.mean) / self.spread

    def unscaled(self, model: LinearModel) -> LinearModel:
        """The same model for columns as they were."""
        weights = model.weights / self.spread[:, None]
        return LinearModel(weights, model.bias - self.mean @ weights, model.penalty)


def ridge_path(x: Array, y: Array, penalties: Sequence[float]) -> list[LinearModel]:
    """A ridge regression for each penalty, all by one decomposition.

    Minimises `mean((x w + b - y)^2) + penalty * |w|^2` (Hoerl and Kennard 1970).
    """
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


def logistic(
    x: Array, labels: Array, classes: int, penalty: float, start: LinearModel | None = None
) -> LinearModel:
    """Multinomial logistic regression, by L-BFGS.

    Minimises the mean cross-entropy plus `penalty / 2 * |w|^2`.

    Args:
        x: (rows, columns), of about the same spread.
        labels: (rows,) class numbers from 0.
        classes: how many there are.
        penalty: strength of the penalty.
        start: where to begin; default: no weights, and the classes' shares.
    """
    if start is None:
        shares = np.bincount(labels, minlength=classes) + 1.0
        bias = np.log(shares / shares.sum())
        start = LinearModel(np.zeros((x.shape[1], classes)), bias, penalty)
    flat = np.concatenate([start.weights, start.bias[None]]).ravel()
    flat = minimise(_cross_entropy_loss(x, labels, classes, penalty), flat)
    table = flat.reshape(-1, classes)
    return LinearModel(table[:-1], table[-1], penalty)


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
        value = log_loss(outputs, labels) + penalty / 2 * float(np.sum(weights * weights))
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
