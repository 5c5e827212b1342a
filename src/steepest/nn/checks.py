"""How layers and losses check what they are given, and how they word the complaint.

Messages begin with the operation or the layer, name each operand's role and full shape, and end
with the fix. Checks of shapes and data types run eagerly and inside `steepest.compile`; checks of
numbers (label ranges, probabilities) run only where numbers exist, that is eagerly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, DTypeError, ShapeError, did_you_mean
from steepest.trace.origin import located
from steepest.trace.scope import current_scope
from steepest.trace.state import state

REDUCTIONS = ("none", "mean", "sum")


def complaint(message: str) -> str:
    """Add the user's line to an error message, unless it begins with the layer being called."""
    layer = current_scope()
    return message if layer and message.startswith(f"{layer}: ") else located(message)


def as_tensor(value: Any) -> Tensor:
    """Return `value` itself when it is a Tensor, else `steepest.asarray(value)`."""
    return value if isinstance(value, Tensor) else st.asarray(value)


def numbers_of(tensor: Tensor) -> np.ndarray | None:
    """Return the numbers of a tensor, or `None` while a program is being traced."""
    return None if state.trace is not None else tensor.numpy()


def require_floating(tensor: Tensor, operation: str, role: str = "input") -> None:
    """Refuse a tensor that does not hold floating-point numbers.

    Raises:
        DTypeError: `tensor` holds integers, booleans or complex numbers.
    """
    if not tensor.dtype.is_floating:
        raise DTypeError(
            complaint(
                f"{operation}: {role} {tensor.shape} is {tensor.dtype.name}, but must be floating "
                f"point. Convert it with .astype(steepest.float32)."
            )
        )


def require_integers(tensor: Tensor, operation: str, role: str) -> None:
    """Refuse a tensor that does not hold integers.

    Raises:
        DTypeError: `tensor` holds other numbers.
    """
    if not tensor.dtype.is_integer:
        raise DTypeError(
            complaint(
                f"{operation}: {role} {tensor.shape} must hold integers, but is "
                f"{tensor.dtype.name}. Convert with .astype(steepest.int64)."
            )
        )


def require_same_dtype(tensor: Tensor, weight: Tensor, operation: str) -> None:
    """Refuse an input whose data type differs from the layer's weight.

    Raises:
        DTypeError: the two types differ.
    """
    if tensor.dtype is not weight.dtype:
        raise DTypeError(
            complaint(
                f"{operation}: input {tensor.shape} is {tensor.dtype.name}, but the weight "
                f"{weight.shape} is {weight.dtype.name}. "
                f"Convert the input with .astype(steepest.{weight.dtype.name})."
            )
        )


def require_same_shape(left: Tensor, right: Tensor, operation: str, roles: Sequence[str]) -> None:
    """Refuse two operands that NumPy's rules would broadcast against each other.

    A loss between (n, 1) and (n,) would broadcast to (n, n) and train on nonsense.

    Raises:
        ShapeError: the shapes differ.
    """
    if left.shape == right.shape:
        return
    raise ShapeError(
        complaint(
            f"{operation}: {roles[0]} {left.shape} and {roles[1]} {right.shape} must have the same "
            f"shape.{_shape_advice(left.shape, right.shape, roles)}"
        )
    )


def _shape_advice(left: tuple[int, ...], right: tuple[int, ...], roles: Sequence[str]) -> str:
    """Say how to make two shapes that differ only by axes of size 1 agree."""
    if [size for size in left if size != 1] != [size for size in right if size != 1]:
        return ""
    try:
        broadcast = np.broadcast_shapes(left, right)
    except ValueError:
        broadcast = left
    trap = f" They would broadcast to {broadcast}." if broadcast not in (left, right) else ""
    return f"{trap} Use {roles[1]}.reshape{left}."


def check_reduction(reduction: str, operation: str, allowed: Sequence[str] = REDUCTIONS) -> None:
    """Refuse a reduction that a loss does not have.

    Raises:
        ArgumentError: `reduction` is not one of `allowed`.
    """
    if reduction not in allowed:
        raise ArgumentError(
            complaint(
                f"{operation}: reduction must be one of {', '.join(map(repr, allowed))}, "
                f"got {reduction!r}.{did_you_mean(str(reduction), allowed)}"
            )
        )


def check_probability(value: float, operation: str, role: str = "p") -> None:
    """Refuse a probability outside 0 to 1.

    Raises:
        ArgumentError: `value` is below 0, above 1 or NaN.
    """
    if not 0.0 <= value <= 1.0:
        raise ArgumentError(complaint(f"{operation}: {role} must be from 0 to 1, got {value}."))


def check_positive_int(value: Any, operation: str, role: str, lowest: int = 1) -> int:
    """Return a size as an int, refusing what is no whole number of at least `lowest`.

    Raises:
        ArgumentError: `value` is not an integer, or too small.
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < lowest:
        raise ArgumentError(
            complaint(
                f"{operation}: {role} must be a whole number of at least {lowest}, got {value!r}."
            )
        )
    return int(value)


def normalize_axis(axis: int, ndim: int, operation: str) -> int:
    """Turn a negative axis into a positive one; a scalar counts as one axis.

    Raises:
        ShapeError: the tensor has no such axis.
    """
    count = max(ndim, 1)
    if not -count <= axis < count:
        raise ShapeError(
            complaint(
                f"{operation}: axis {axis} is outside -{count}..{count - 1} for an input "
                f"with {ndim} axes."
            )
        )
    return axis % count


def first_outside(values: np.ndarray, low: float, high: float) -> tuple[int, ...] | None:
    """Return the index of the first number below `low`, above `high` or NaN, if there is one."""
    outside = ~((values >= low) & (values <= high))
    if not outside.any():
        return None
    return tuple(int(each) for each in np.argwhere(outside)[0])
