"""From Python numbers, NumPy arrays and tensors to tensors of one data type."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.errors import DTypeError, ShapeError
from steepest.graph.dtypes import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float32,
    float64,
    from_numpy,
    int64,
    promote,
    to_storage,
)
from steepest.graph.types import Shape, TensorType
from steepest.ops.elementwise.selection import convert, identity
from steepest.ops.sources import full
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, apply, make_constant

Scalar = bool | int | float | complex

DEFAULT_FLOAT = float32
DEFAULT_INTEGER = int64


def type_of(value: Value) -> TensorType:
    """The shape and data type of a tensor."""
    assert isinstance(value._type, TensorType)
    return value._type


def shape_of(value: Value) -> Shape:
    """The shape of a tensor."""
    return type_of(value).shape


def is_scalar(x: Any) -> bool:
    """Whether `x` is a plain Python number."""
    return isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic)


def as_value(x: Any, dtype: DType | None = None) -> Value:
    """Return `x` as a tensor: one stays as it is, an array is wrapped without a copy.

    Args:
        x: a tensor, a NumPy array, a Python number, or nested sequences of numbers.
        dtype: convert to this data type.
    """
    if isinstance(x, Value):
        return x if dtype is None or type_of(x).dtype is dtype else convert(x, dtype=dtype)
    array = np.asarray(x)
    if array.dtype == object:
        raise DTypeError(
            located(f"asarray: {type(x).__name__} holds objects that are not numbers of one shape.")
        )
    wanted = dtype or _default_dtype(x, array)
    if state.trace is None and array.dtype == wanted.storage and wanted is not bfloat16:
        return Value._from_storage(array, TensorType(array.shape, wanted))
    return make_constant(array, wanted)


def _default_dtype(x: Any, array: np.ndarray) -> DType:
    """An array keeps its data type; Python numbers take the default of their kind."""
    if isinstance(x, np.ndarray | np.generic):
        return from_numpy(array.dtype)
    defaults = {"f": DEFAULT_FLOAT, "c": complex64, "i": DEFAULT_INTEGER, "b": bool_}
    if array.dtype.kind == "f" and not _holds_arrays(x):
        return DEFAULT_FLOAT
    if array.dtype.kind in defaults and not _holds_arrays(x):
        return defaults[array.dtype.kind]
    return from_numpy(array.dtype)


def _holds_arrays(x: Any) -> bool:
    """Whether nested sequences hold NumPy numbers, whose data type is to be kept."""
    while isinstance(x, list | tuple) and x:
        x = x[0]
    return isinstance(x, np.ndarray | np.generic) or hasattr(x, "__array__")


def clone(value: Value) -> Value:
    """The same numbers in memory of their own, eagerly; gradients flow back through it."""
    if value.is_symbolic or state.trace is not None:
        return identity(value)
    copied = identity(value) if value._requires_grad else value._detached()
    copied._array = value._array.copy()
    return copied


def scalar_value(x: Scalar, dtype: DType) -> Value:
    """Make a 0-d tensor of a Python number."""
    if state.trace is None:
        array = to_storage(np.asarray(x, dtype=dtype.compute), dtype)
        return Value._from_storage(array, TensorType((), dtype))
    return apply(full, (), {"shape": (), "value": x, "dtype": dtype})


def scalar_dtype(x: Scalar, other: DType) -> DType:
    """The data type that a Python number takes beside a tensor of type `other`."""
    if isinstance(x, bool):
        return other
    if isinstance(x, int):
        return DEFAULT_INTEGER if other.is_bool else other
    if isinstance(x, float):
        return other if other.is_inexact else DEFAULT_FLOAT
    if other.is_complex:
        return other
    return complex128 if other is float64 else complex64


def promoted(*operands: Any) -> list[Value]:
    """Return operands as tensors of one data type; Python numbers follow the tensors.

    Raises:
        DTypeError: two data types have no common one.
    """
    tensors = [as_value(x) for x in operands if not is_scalar(x)]
    if not tensors:
        tensors = [as_value(operands[0])]
    common = type_of(tensors[0]).dtype
    for tensor in tensors[1:]:
        common = promote(common, type_of(tensor).dtype)
    for x in operands:
        if is_scalar(x):
            common = promote(common, scalar_dtype(x, common))
    return [scalar_value(x, common) if is_scalar(x) else as_value(x, common) for x in operands]


def floating(*operands: Any) -> list[Value]:
    """Like `promoted`, but integers and booleans become the default floating type."""
    values = promoted(*operands)
    dtype = type_of(values[0]).dtype
    if dtype.is_inexact:
        return values
    return [convert(value, dtype=DEFAULT_FLOAT) for value in values]


def normal_axis(axis: int, ndim: int, name: str) -> int:
    """Count an axis from the front.

    Raises:
        ShapeError: there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise ShapeError(
            located(f"{name}: axis {axis} does not exist: the tensor has {ndim} axes.")
        )
    return axis % ndim if ndim else 0


def normal_axes(
    axis: int | tuple[int, ...] | list[int] | None, ndim: int, name: str
) -> tuple[int, ...]:
    """Count axes from the front, in ascending order; `None` means all."""
    if axis is None:
        return tuple(range(ndim))
    listed = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    axes = sorted(normal_axis(int(each), ndim, name) for each in listed)
    if len(set(axes)) != len(axes):
        raise ShapeError(located(f"{name}: an axis stands twice in {listed}."))
    return tuple(axes)
