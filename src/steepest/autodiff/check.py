"""Checks a gradient against finite differences, in random directions, to first and second order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from steepest.autodiff.transforms import jvp, vjp
from steepest.errors import GradientError
from steepest.graph.dtypes import DType, complex128, float64
from steepest.graph.types import TensorType
from steepest.trace.containers import flatten, unflatten
from steepest.trace.value import Value, make_constant


def check_gradients(
    function: Callable[..., Any],
    arguments: Sequence[Value],
    order: int = 2,
    step: float = 1e-5,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Compare reverse and forward mode with central differences at `arguments`.

    Args:
        function: takes tensors and returns tensors (in containers).
        arguments: float64 or complex128 tensors, at which the function is smooth.
        order: 1 checks the gradient, 2 its gradient too.
        step: the distance of the two points of a difference.
        tolerance: allowed error, relative to 1 plus the size of the difference.

    Raises:
        GradientError: a derivative is off; the message holds both numbers.
    """
    random = np.random.default_rng(seed)
    if any(_dtype(argument) not in (float64, complex128) for argument in arguments):
        raise GradientError("check_gradients: the arguments must be float64 or complex128.")
    directions = [_random_like(argument, random) for argument in arguments]
    weights = [_random_like(each, random) for each in flatten(function(*arguments))[0]]
    expected = _difference(function, arguments, directions, weights, step)
    _, tangents = jvp(function, list(arguments), directions)
    forward = _inner(flatten(tangents)[0], weights)
    outputs, pullback = vjp(function, *arguments)
    gradients = pullback(_pack(outputs, weights))
    backward = _inner(gradients, directions)
    _compare("forward-mode derivative", forward, expected, tolerance)
    _compare("gradient", backward, expected, tolerance)
    if order > 1:

        def derivative(*points: Value) -> Any:
            outputs, pullback = vjp(function, *points)
            return pullback(_pack(outputs, weights))

        check_gradients(derivative, arguments, order - 1, step, tolerance * 10, seed + 1)


def _dtype(value: Value) -> DType:
    assert isinstance(value._type, TensorType)
    return value._type.dtype


def _random_like(value: Value, random: np.random.Generator) -> Value:
    """Normal random numbers, both parts of complex ones."""
    assert isinstance(value._type, TensorType)
    numbers = random.normal(size=value._type.shape)
    if not value._type.dtype.is_complex:
        return make_constant(numbers, float64)
    return make_constant(numbers + 1j * random.normal(size=value._type.shape), complex128)


def _pack(outputs: Any, weights: Sequence[Value]) -> Any:
    return unflatten(flatten(outputs)[1], list(weights))


def _inner(left: Sequence[Value], right: Sequence[Value]) -> float:
    """The sum of all products of corresponding numbers, or of both parts of complex ones."""
    return sum(
        float(np.sum(np.conj(first._stored()) * second._stored()).real)
        for first, second in zip(left, right, strict=True)
    )


def _difference(
    function: Callable[..., Any],
    arguments: Sequence[Value],
    directions: Sequence[Value],
    weights: Sequence[Value],
    step: float,
) -> float:
    """The central difference of the weighted outputs along the directions."""
    ends = []
    for sign in (1, -1):
        moved = [
            make_constant(argument._stored() + sign * step * direction._stored())
            for argument, direction in zip(arguments, directions, strict=True)
        ]
        ends.append(_inner(flatten(function(*moved))[0], weights))
    return (ends[0] - ends[1]) / (2 * step)


def _compare(name: str, found: float, expected: float, tolerance: float) -> None:
    if not abs(found - expected) <= tolerance * (1 + abs(expected)):
        raise GradientError(f"{name} {found!r} differs from the finite difference {expected!r}.")
