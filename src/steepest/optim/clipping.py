"""Clipping of gradients by value and by norm, against exploding gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, NonFiniteError
from steepest.graph.dtypes import float32, float64

_GUARD = 1e-6
"""Added to the norm before dividing by it, as PyTorch does: a norm of 0 leaves gradients alone."""


def get_total_norm(
    tensors: Iterable[Tensor] | Tensor,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Return the p-norm of all tensors taken together as one long vector.

    Sums are taken in float64, so float32 numbers up to their largest can be squared.

    Args:
        tensors: one tensor or several, usually gradients.
        norm_type: p: any number above 0, or `inf` for the largest absolute value.
        error_if_nonfinite: raise if the norm is NaN or infinite (outside `steepest.compile` only).

    Returns:
        0-d tensor of the tensors' data type (the widest, if they differ; float32 if none).

    Raises:
        ArgumentError: `norm_type` is not above 0.
        NonFiniteError: see `error_if_nonfinite`.
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    _check_norm_type("get_total_norm", norm_type)
    with st.no_grad():
        norm = _norm(given, norm_type)
        if error_if_nonfinite:
            _refuse_nonfinite("get_total_norm", norm)
        return norm.astype(_widest(given))


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients by one factor so that their common norm is at most `max_norm`.

    Call it between `loss.backward()` and `optimizer.step()`. Parameters without a gradient are
    passed over. Each `parameter.grad` becomes a new tensor:
    `grad * min(1, max_norm / (norm + 1e-6))`.

    Args:
        parameters: one parameter or several.
        max_norm: the largest norm allowed; a finite number above 0.
        norm_type: p: any number above 0, or `inf`.
        error_if_nonfinite: raise if the norm is NaN or infinite, and leave the gradients as they
            were (outside `steepest.compile` only).

    Returns:
        The norm before clipping, a 0-d tensor.

    Raises:
        ArgumentError: `max_norm` or `norm_type` is out of range.
        NonFiniteError: see `error_if_nonfinite`.
    """
    _check_norm_type("clip_grad_norm_", norm_type)
    _check_limit("clip_grad_norm_", "max_norm", max_norm)
    holders = _with_gradient(parameters)
    gradients = [gradient for _, gradient in holders]
    with st.no_grad():
        clipped, norm = scale_to_norm(gradients, max_norm, norm_type)
        if error_if_nonfinite:
            _refuse_nonfinite("clip_grad_norm_", norm)
        for (parameter, _), gradient in zip(holders, clipped, strict=True):
            parameter.grad = gradient
        return norm.astype(_widest(gradients))


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Bring every element of every gradient into [-clip_value, clip_value].

    Args:
        parameters: one parameter or several; those without a gradient are passed over.
        clip_value: a finite number above 0.

    Raises:
        ArgumentError: `clip_value` is out of range.
    """
    _check_limit("clip_grad_value_", "clip_value", clip_value)
    with st.no_grad():
        for parameter, gradient in _with_gradient(parameters):
            parameter.grad = st.clip(gradient, -float(clip_value), float(clip_value))


def scale_to_norm(
    gradients: list[Tensor], max_norm: float, norm_type: float = 2.0
) -> tuple[list[Tensor], Tensor]:
    """Return the gradients scaled to a norm of at most `max_norm`, and their norm before."""
    norm = _norm(gradients, norm_type)
    factor = st.minimum(float(max_norm) / (norm + _GUARD), 1.0)
    return [gradient * factor.astype(gradient.dtype) for gradient in gradients], norm


def _norm(tensors: list[Tensor], norm_type: float) -> Tensor:
    """The p-norm over all tensors, a 0-d float64 tensor."""
    sized = [tensor for tensor in tensors if tensor.size > 0]
    if not sized:
        return st.zeros((), dtype=float64)
    if math.isinf(norm_type):
        return st.max(st.stack([st.max(st.abs(each)).astype(float64) for each in sized]))
    if norm_type == 1.0:
        return st.sum(st.stack([st.sum(st.abs(each.astype(float64))) for each in sized]))
    if norm_type == 2.0:
        squares = [st.sum(each.astype(float64) * each.astype(float64)) for each in sized]
        return st.sum(st.stack(squares)) ** 0.5
    powers = [st.sum(st.abs(each.astype(float64)) ** norm_type) for each in sized]
    return st.sum(st.stack(powers)) ** (1.0 / norm_type)


def _widest(tensors: list[Tensor]) -> object:
    """The data type of a norm: float64 if any tensor is, else float32."""
    return float64 if any(tensor.dtype is float64 for tensor in tensors) else float32


def _with_gradient(parameters: Iterable[Tensor] | Tensor) -> list[tuple[Tensor, Tensor]]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [(each, each.grad) for each in given if each.grad is not None]


def _check_norm_type(operation: str, norm_type: float) -> None:
    if not norm_type > 0:
        raise ArgumentError(
            f"{operation}: norm_type must be a number above 0 or infinity, but is {norm_type}."
        )


def _check_limit(operation: str, role: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ArgumentError(f"{operation}: {role} must be a finite number above 0, but is {value}.")


def _refuse_nonfinite(operation: str, norm: Tensor) -> None:
    if not bool(st.isfinite(norm)):
        raise NonFiniteError(
            f"{operation}: the norm of the gradients is {float(norm)}, so they cannot be scaled by "
            f"it. Find the layer where it starts, or pass error_if_nonfinite=False."
        )
