"""Products of vectors and parts of matrices, made of primitives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steepest.array.conversion import as_value, floating, promoted, shape_of, type_of
from steepest.array.creation import eye
from steepest.array.linalg.systems import inv
from steepest.array.manipulation import broadcast_to, diagonal_of, reshape, stack
from steepest.array.products import matmul
from steepest.array.reductions import sum
from steepest.errors import ShapeError
from steepest.ops.elementwise.arithmetic import multiply
from steepest.trace.origin import located

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 numbers along `axis`, counted from the end."""
    left, right = promoted(x1, x2)
    smaller = min(len(shape_of(left)), len(shape_of(right)))
    if not -smaller <= axis <= -1:
        raise ShapeError(located(f"linalg.cross: axis {axis} must be within [-{smaller}, -1]."))
    if shape_of(left)[axis] != 3 or shape_of(right)[axis] != 3:
        raise ShapeError(
            located(
                f"linalg.cross: left {shape_of(left)} and right {shape_of(right)} need 3 numbers "
                f"along axis {axis}."
            )
        )
    after = (slice(None),) * (-axis - 1)
    a: list[Any] = [left[(..., n, *after)] for n in range(3)]  # type: ignore[index]
    b: list[Any] = [right[(..., n, *after)] for n in range(3)]  # type: ignore[index]
    parts = [a[(n + 1) % 3] * b[(n + 2) % 3] - a[(n + 2) % 3] * b[(n + 1) % 3] for n in range(3)]
    return stack(parts, axis=axis)


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Every product of a number of vector x1 (rows) and one of vector x2 (columns)."""
    left, right = promoted(x1, x2)
    if len(shape_of(left)) != 1 or len(shape_of(right)) != 1:
        raise ShapeError(
            located(
                f"linalg.outer: left {shape_of(left)} and right {shape_of(right)} must be vectors."
            )
        )
    column = reshape(left, (-1, 1))
    return multiply(column, right)


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The diagonal of the last two axes; `offset` counts upwards from the main one."""
    return diagonal_of(_matrix("diagonal", x), offset=offset)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of a diagonal of the last two axes; integers are added in 64 bits."""
    return sum(diagonal_of(_matrix("trace", x), offset=offset), axis=-1, dtype=dtype)


def matrix_power(x: Any, n: int, /) -> Tensor:
    """A square matrix multiplied with itself `n` times; a negative `n` takes the inverse.

    `n` of 0 gives the identity. The inverse is taken eagerly only (see `inv`).
    """
    (value,) = floating(_matrix("matrix_power", x))
    shape = shape_of(value)
    if shape[-1] != shape[-2]:
        raise ShapeError(
            located(f"linalg.matrix_power: the last two axes of {shape} must have equal sizes.")
        )
    if n == 0:
        return broadcast_to(eye(shape[-1], dtype=type_of(value).dtype), shape)
    square: Any = inv(value) if n < 0 else value
    result: Any = None
    remaining = -n if n < 0 else n
    while remaining:
        if remaining % 2:
            result = square if result is None else matmul(result, square)
        remaining //= 2
        if remaining:
            square = matmul(square, square)
    return result


def _matrix(name: str, x: Any) -> Any:
    value = as_value(x)
    if len(shape_of(value)) < 2:
        raise ShapeError(located(f"linalg.{name}: the tensor {shape_of(value)} is no matrix."))
    return value
