"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from steepest.array.conversion import floating, normal_axes, shape_of, type_of
from steepest.array.elementwise import abs, astype, pow, sqrt, where
from steepest.array.linalg.decompositions import svdvals
from steepest.array.manipulation import expand_dims
from steepest.array.reductions import max, min, sum
from steepest.errors import ArgumentError, ShapeError
from steepest.trace.origin import located

if TYPE_CHECKING:
    from steepest.array.reductions import Axis
    from steepest.array.tensor import Tensor


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm over `axis` (default all): sum(abs(x) ** ord) ** (1 / ord).

    Args:
        ord: 2 for the Euclidean norm; 1, infinity (largest size), minus infinity (smallest size),
            0 (how many are not zero), or any other number.

    Where the gradient does not exist, at zero, it is 0, as PyTorch has it.
    """
    (value,) = floating(x)
    axes = normal_axes(axis, len(shape_of(value)), "linalg.vector_norm")
    size: Any = abs(value)
    over: dict[str, Any] = {"axis": axes, "keepdims": keepdims}
    if ord == math.inf:
        return max(size, **over)
    if ord == -math.inf:
        return min(size, **over)
    if ord == 0:
        return sum(astype(size != 0, type_of(size).dtype), **over)
    if ord == 1:
        return sum(size, **over)
    if ord == 2:
        return _power(sum(size * size, **over), 0.5)
    return _power(sum(_power(size, ord), **over), 1 / ord)


def _power(size: Any, exponent: float) -> Tensor:
    """A power of numbers that are not negative, with gradient 0 at 0 (where it may be infinite)."""
    is_zero = size == 0
    safe = where(is_zero, 1.0, size)
    of_zero = 0.0 if exponent > 0 else math.inf
    return where(is_zero, of_zero, sqrt(safe) if exponent == 0.5 else pow(safe, exponent))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of the last two axes.

    Args:
        ord: `"fro"` (Euclidean), `"nuc"` (sum of singular values), 1 and infinity (largest sum of
            sizes in a column, in a row), 2 (largest singular value); -1, minus infinity and -2
            take the smallest instead. Those of singular values run eagerly only (see `svdvals`).
    """
    (value,) = floating(x)
    shape = shape_of(value)
    if len(shape) < 2:
        raise ShapeError(located(f"linalg.matrix_norm: the tensor {shape} is no matrix."))
    if ord == "fro":
        return vector_norm(value, axis=(-2, -1), keepdims=keepdims)
    largest = {"nuc": sum, 1: max, math.inf: max, 2: max, -1: min, -math.inf: min, -2: min}
    if ord not in largest:
        raise ArgumentError(
            located(
                f"linalg.matrix_norm: ord is {ord!r}, but must be 'fro', 'nuc', 1, -1, 2, -2, inf "
                f"or -inf."
            )
        )
    if ord in ("nuc", 2, -2):
        sizes: Any = svdvals(value)
    else:
        sizes = sum(abs(value), axis=-2 if ord in (1, -1) else -1)
    result = largest[ord](sizes, axis=-1)
    return expand_dims(result, axis=(-2, -1)) if keepdims else result
