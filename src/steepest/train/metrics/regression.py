"""Formulas of the metrics of numbers, over the whole set at once.

Each takes targets and predictions of one shape as float64 `(n, columns)`. A table of several
target columns gives the mean of the columns' values, scikit-learn's convention.
"""

from __future__ import annotations

import numpy as np

from steepest.train.metrics.predictions import FloatArray


def power_of_two(values: FloatArray) -> float:
    """A power of two at which numbers of this size are about 1, so that squares do not overflow.

    Division by it rounds nothing. 1 for no numbers, zeros, and numbers that are not finite.
    """
    size = float(np.abs(values).max(initial=0.0))
    if not 0.0 < size < np.inf:
        return 1.0
    _, exponent = np.frexp(size)
    return float(np.ldexp(1.0, int(exponent) - 1))


def mse(true: FloatArray, predicted: FloatArray) -> float:
    """Mean squared error; infinite where it is beyond float64."""
    with np.errstate(over="ignore"):
        return float(np.mean((predicted - true) ** 2))


def rmse(true: FloatArray, predicted: FloatArray) -> float:
    """Root of the mean squared error, in the units of the target."""
    error = predicted - true
    scale = power_of_two(error)
    return float(np.mean(np.sqrt(np.mean((error / scale) ** 2, axis=0)))) * scale


def mae(true: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute error, in the units of the target."""
    return float(np.mean(np.abs(predicted - true)))


def median_absolute_error(true: FloatArray, predicted: FloatArray) -> float:
    """Median absolute error: deaf to outliers, in the units of the target."""
    return float(np.mean(np.median(np.abs(predicted - true), axis=0)))


def max_error(true: FloatArray, predicted: FloatArray) -> float:
    """The largest absolute error."""
    return float(np.max(np.abs(predicted - true)))


def mape(true: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute error as a fraction of the target (0.1 = ten percent).

    A target of 0 divides by the smallest step of float64 instead, as in scikit-learn: expect an
    enormous number, and choose another metric for targets that pass through 0.
    """
    scale = np.maximum(np.abs(true), np.finfo(np.float64).eps)
    return float(np.mean(np.abs(predicted - true) / scale))


def r2(true: FloatArray, predicted: FloatArray) -> float:
    """Share of the variance explained: 1 is perfect, 0 is no better than the mean.

    NaN when a target column is constant (as one row always is): there is no variance to explain.
    """
    constant = np.all(true == true[:1], axis=0)
    if constant.any():
        return float("nan")
    scale = power_of_two(np.concatenate([true, predicted]))
    true, predicted = true / scale, predicted / scale
    residual = np.sum((predicted - true) ** 2, axis=0)
    spread = np.sum((true - true.mean(axis=0)) ** 2, axis=0)
    return float(np.mean(1.0 - residual / spread))
