"""Losses between numbers: what a prediction costs that misses its target.

`input` and `target` must have the same shape: one that would be broadcast is an error. `reduction`
is `"mean"` (over all elements), `"sum"` or `"none"` (one loss per element).
"""

from __future__ import annotations

import math

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import (
    as_tensor,
    check_reduction,
    complaint,
    numbers_of,
    require_floating,
    require_same_shape,
)
from steepest.nn.functional.reduction import reduce_loss

ROLES = ("input", "target")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)^2, the squared error.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "mse_loss")
    difference = input - target
    return reduce_loss(difference * difference, reduction, "mse_loss")


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|, the absolute error; the gradient where they are equal is 0.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "l1_loss")
    return reduce_loss(st.abs(input - target), reduction, "l1_loss")


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: a negative beta.
    """
    input, target = pair(input, target, "smooth_l1_loss")
    if beta < 0:
        raise ArgumentError(complaint(f"smooth_l1_loss: beta must not be negative, got {beta}."))
    if beta == 0:
        return reduce_loss(st.abs(input - target), reduction, "smooth_l1_loss")
    losses = _huber(input - target, beta) / beta
    return reduce_loss(losses, reduction, "smooth_l1_loss")


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """d^2 / 2 where d = |input - target| <= delta, else delta (d - delta / 2).

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: a delta that is not positive.
    """
    input, target = pair(input, target, "huber_loss")
    if delta <= 0:
        raise ArgumentError(complaint(f"huber_loss: delta must be positive, got {delta}."))
    return reduce_loss(_huber(input - target, delta), reduction, "huber_loss")


def _huber(difference: Tensor, delta: float) -> Tensor:
    """The Huber loss per element; an infinite difference costs infinity and pulls by delta."""
    distance = st.abs(difference)
    quadratic = st.where(distance > delta, delta, distance)
    return quadratic * quadratic * 0.5 + (distance - quadratic) * delta


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts under a Poisson distribution, less log(target!).

    Args:
        input: the rate's logarithm, or the rate itself if not `log_input`.
        target: the counts.
        full: adds Stirling's approximation of log(target!) where target > 1.
        eps: added to the rate before its logarithm, if not `log_input`.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "poisson_nll_loss")
    if log_input:
        losses = st.exp(input) - target * input
    else:
        losses = input - target * st.log(input + eps)
    if full:
        is_large = target > 1
        count = st.where(is_large, target, 1.0)
        stirling = count * st.log(count) - count + 0.5 * st.log(count * (2.0 * math.pi))
        losses = losses + st.where(is_large, stirling, 0.0)
    return reduce_loss(losses, reduction, "poisson_nll_loss")


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of targets under normal distributions with predicted variance.

    0.5 (log(max(var, eps)) + (input - target)^2 / max(var, eps)), plus 0.5 log(2 pi) if `full`.

    Args:
        input: the predicted means.
        target: the observed numbers, of the same shape.
        var: the predicted variances: of the same shape, or with last axis 1, or without the last
            axis (one variance a sample), or any shape that broadcasts to the input's, or a number.
        full: adds the constant.
        eps: the smallest variance; the gradient passes this floor unchanged.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: a negative variance (checked where numbers exist: eagerly).

    Source: Nix and Weigend, ICNN 1994.
    """
    input, target = pair(input, target, "gaussian_nll_loss")
    variance = _variance_for(input, var)
    floor = st.stop_gradient(st.maximum(variance, eps) - variance)
    variance = variance + floor
    difference = input - target
    losses = (st.log(variance) + difference * difference / variance) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2.0 * math.pi)
    return reduce_loss(losses, reduction, "gaussian_nll_loss")


def _variance_for(input: Tensor, var: Tensor | float) -> Tensor:
    """Check the predicted variances and give them the input's number of axes."""
    variance = as_tensor(st.full_like(input, var) if isinstance(var, int | float) else var)
    numbers = numbers_of(variance)
    if numbers is not None and (numbers < 0).any():
        raise ArgumentError(
            complaint(
                f"gaussian_nll_loss: var {variance.shape} has negative numbers. Make the network "
                f"predict it through nn.Softplus() or an exponential."
            )
        )
    if variance.shape == input.shape[:-1] and variance.shape != input.shape:
        variance = st.expand_dims(variance, axis=-1)
    fits = variance.ndim == input.ndim or variance.ndim == 0
    if not fits or not _broadcasts_into(variance.shape, input.shape):
        raise ShapeError(
            complaint(
                f"gaussian_nll_loss: var {variance.shape} must have the shape of input "
                f"{input.shape}, or 1 as last axis, or lack the last axis."
            )
        )
    return variance


def _broadcasts_into(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log(target) - input), the Kullback-Leibler divergence's terms.

    Args:
        input: log-probabilities.
        target: probabilities, or log-probabilities if `log_target`.
        reduction: `"batchmean"` (the sum divided by the size of the first axis) is the
            divergence; `"mean"` divides by the number of elements, as PyTorch does.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "kl_div")
    check_reduction(reduction, "kl_div", ("none", "mean", "sum", "batchmean"))
    if log_target:
        losses = st.exp(target) * (target - input)
    else:
        is_zero = target == 0
        safe = st.where(is_zero, 1.0, target)
        entropy = st.where(is_zero, 0.0, target * st.log(safe))
        losses = entropy - target * input
    if reduction == "batchmean":
        return st.sum(losses) / (input.shape[0] if input.ndim else 1)
    return reduce_loss(losses, reduction, "kl_div")


def pair(input: Tensor, target: Tensor, operation: str) -> tuple[Tensor, Tensor]:
    """Turn both operands into tensors and check that they have the same shape.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: the input is not floating point.
    """
    input = as_tensor(input)
    target = as_tensor(target)
    require_floating(input, operation)
    require_same_shape(input, target, operation, ROLES)
    return input, target if target.dtype is input.dtype else target.astype(input.dtype)
