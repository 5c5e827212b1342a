"""From Python numbers, NumPy arrays and tensors to tensors of one data type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.errors import ArgumentError, AxisError, DTypeError, ShapeError
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
    to_compute,
    to_storage,
    uint64,
)
from steepest.graph.types import Shape, TensorType
from steepest.ops.elementwise.selection import convert, identity
from steepest.ops.movement import concat, reshape
from steepest.ops.primitive import broadcast_shapes
from steepest.ops.sources import full
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, apply, make_constant

Scalar = bool | int | float | complex

DEFAULT_FLOAT = float32
DEFAULT_INTEGER = int64

_OPERANDS = (Value, bool, int, float, complex, np.ndarray, np.generic, list, tuple)

_DEFAULTS = {"f": DEFAULT_FLOAT, "c": complex64, "i": DEFAULT_INTEGER, "b": bool_}


def type_of(value: Value) -> TensorType:
    """The shape and data type of a tensor."""
    assert isinstance(value._type, TensorType)
    return value._type


def shape_of(value: Value) -> Shape:
    """The shape of a tensor."""
    return type_of(value).shape


def common_shape(name: str, roles: Sequence[str], shapes: Sequence[Shape]) -> Shape:
    """The shape to which all shapes broadcast.

    Args:
        name: the function that needs it, for messages.
        roles: what each shape is of, for messages.

    Raises:
        ShapeError: two sizes differ and neither is 1.
    """
    try:
        return broadcast_shapes(name, roles, shapes)
    except ShapeError as error:
        raise ShapeError(located(str(error))) from None


def is_scalar(x: Any) -> bool:
    """Whether `x` is a Python number; NumPy's float64 and complex128 scalars are, too.

    They come out of functions such as `numpy.sqrt` without anyone having asked for that precision.
    """
    return isinstance(x, bool | int | float | complex)


def is_operand(x: Any) -> bool:
    """Whether an infix operator of a tensor takes `x`; anything else is left to its own class."""
    return isinstance(x, _OPERANDS) or hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def as_value(x: Any, dtype: DType | None = None) -> Value:
    """Return `x` as a tensor: one stays as it is, an array is wrapped without a copy.

    Args:
        x: a tensor, a NumPy array, a Python number, or nested sequences of numbers.
        dtype: convert to this data type.
    """
    if isinstance(x, Value):
        return x if dtype is None or type_of(x).dtype is dtype else convert(x, dtype=dtype)
    if isinstance(x, list | tuple) and _holds_tensors(x):
        return _stacked(x, dtype)
    array = _numpy_array(x, dtype)
    # The kind first: NumPy makes the name anew each time it is asked for.
    if array.dtype.kind == "V" and array.dtype.name == "bfloat16":
        return as_value(wrapped(array.view("uint16"), bfloat16), dtype)
    wanted = dtype or _default_dtype(x, array)
    if array.dtype == wanted.storage and wanted is not bfloat16:
        return wrapped(array, wanted)
    if array.dtype.kind == "c" and not wanted.is_complex:
        raise DTypeError(
            located(
                f"asarray: {wanted} would lose the imaginary part of {array.dtype}. Take the real "
                f"part first."
            )
        )
    return make_constant(array, wanted)


def _numpy_array(x: Any, dtype: DType | None) -> np.ndarray:
    """An array of whatever NumPy understands; Python numbers become `dtype` without a detour.

    Raises:
        ShapeError: nested sequences of different lengths.
        DTypeError: something that is not numbers.
        ArgumentError: a Python integer that `dtype` cannot hold.
    """
    direct = dtype.compute if dtype is not None and isinstance(x, list | tuple | Scalar) else None
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(x, dtype=direct)
    except OverflowError:
        for number in np.asarray(x, dtype=object).flat:
            check_fits(number, dtype or DEFAULT_INTEGER)
        raise
    except (TypeError, ValueError) as error:
        if "inhomogeneous" in str(error):
            raise ShapeError(
                located("asarray: the nested sequences of a level must have equal lengths.")
            ) from None
        raise DTypeError(located(f"asarray: {error}.")) from None
    if array.dtype == object:
        raise DTypeError(
            located(
                f"asarray: {type(x).__name__} is not made of numbers, or some have more than 64 "
                f"bits."
            )
        )
    return array


def wrapped(array: np.ndarray, dtype: DType) -> Value:
    """A tensor of stored numbers, whose memory it shares outside of a trace."""
    if state.trace is None:
        return Value._from_storage(array, TensorType(array.shape, dtype))
    return make_constant(to_compute(array, dtype), dtype)


def _holds_tensors(x: Any) -> bool:
    """Whether nested sequences hold a tensor."""
    return any(
        isinstance(each, Value) or (isinstance(each, list | tuple) and _holds_tensors(each))
        for each in x
    )


def _stacked(x: list[Any] | tuple[Any, ...], dtype: DType | None) -> Value:
    """Join nested sequences of tensors and numbers, through which gradients flow."""
    values = promoted(
        *(_stacked(each, dtype) if isinstance(each, list | tuple) else each for each in x)
    )
    shapes = {shape_of(value) for value in values}
    if len(shapes) > 1:
        listed = " and ".join(str(shape_of(value)) for value in values)
        raise ShapeError(located(f"asarray: the tensors of a sequence differ in shape: {listed}."))
    rows = [reshape(value, shape=(1, *shape_of(value))) for value in values]
    return as_value(concat(*rows, axis=0), dtype)


def _default_dtype(x: Any, array: np.ndarray) -> DType:
    """An array keeps its data type; Python numbers take the default of their kind."""
    if isinstance(x, np.generic) or not isinstance(x, list | tuple | Scalar):
        return _counterpart(array)
    if array.dtype.kind in _DEFAULTS and not _holds_arrays(x):
        return _DEFAULTS[array.dtype.kind]
    return _counterpart(array)


def _counterpart(array: np.ndarray) -> DType:
    """The data type of a NumPy array's numbers."""
    try:
        return from_numpy(array.dtype)
    except DTypeError as error:
        raise DTypeError(located(f"asarray: {error}")) from None


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
    copied._array = value._stored().copy()
    return copied


def scalar_value(x: Scalar, dtype: DType) -> Value:
    """Make a 0-d tensor of a Python number.

    Raises:
        ArgumentError: an integer type that cannot hold the number.
    """
    if isinstance(x, np.generic):
        x = x.item()
    check_fits(x, dtype)
    if state.trace is not None:
        return apply(full, (), {"shape": (), "value": x, "dtype": dtype})
    with np.errstate(over="ignore"):
        array = to_storage(np.asarray(x, dtype=dtype.compute), dtype)
    return Value._from_storage(array, TensorType((), dtype))


def fits(x: Scalar, dtype: DType) -> bool:
    """Whether an integer type can hold a Python number without change."""
    limits = np.iinfo(dtype.storage)
    whole = isinstance(x, int) or (isinstance(x, float) and x.is_integer())
    return whole and limits.min <= x <= limits.max  # type: ignore[operator]


def check_fits(x: Scalar, dtype: DType) -> None:
    """Raise ArgumentError for an integer type that cannot hold a Python number."""
    if dtype.is_integer and not fits(x, dtype):
        limits = np.iinfo(dtype.storage)
        raise ArgumentError(
            located(
                f"the number {x} does not fit the data type {dtype} ({limits.min} to "
                f"{limits.max}). Convert the tensor with .astype(...)."
            )
        )


def number_dtype(x: Any) -> DType:
    """The data type of one number by itself: NumPy's has its own, Python's that of its kind."""
    if is_scalar(x):
        return _DEFAULTS[np.asarray(x).dtype.kind]
    return _counterpart(np.asarray(x))


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


def joined(left: DType, right: DType) -> DType:
    """The data type in which two combine.

    Raises:
        DTypeError: there is none.
    """
    try:
        return promote(left, right)
    except DTypeError as error:
        raise DTypeError(located(str(error))) from None


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
        common = joined(common, type_of(tensor).dtype)
    for x in operands:
        if is_scalar(x):
            common = joined(common, scalar_dtype(x, common))
    return [_as(x, common) for x in operands]


def _as(x: Any, dtype: DType) -> Value:
    return scalar_value(x, dtype) if is_scalar(x) else as_value(x, dtype)


def comparable(x1: Any, x2: Any) -> list[Value]:
    """Like `promoted`, but an integer tensor may be compared with a number it cannot hold."""
    for x, other in ((x1, x2), (x2, x1)):
        if is_scalar(x) and not is_scalar(other):
            dtype = type_of(as_value(other)).dtype
            if dtype.is_integer and isinstance(x, int) and not fits(x, dtype):
                wide = int64 if fits(x, int64) and dtype is not uint64 else float64
                return [_as(each, wide) for each in (x1, x2)]
    return promoted(x1, x2)


def floating(*operands: Any) -> list[Value]:
    """Like `promoted`, but integers and booleans become the default floating type."""
    values = promoted(*operands)
    dtype = type_of(values[0]).dtype
    if dtype.is_inexact:
        return values
    return [convert(value, dtype=DEFAULT_FLOAT) for value in values]


def normal_axis(axis: int, ndim: int, name: str, owner: str = "the tensor") -> int:
    """Count an axis from the front.

    Args:
        name: the function that the axis was given to, for messages.
        owner: what has `ndim` axes, for messages.

    Raises:
        AxisError: there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise AxisError(located(f"{name}: axis {axis} does not exist: {owner} has {ndim} axes."))
    return int(axis) % ndim


def normal_axes(
    axis: int | Sequence[int] | None, ndim: int, name: str, owner: str = "the tensor"
) -> tuple[int, ...]:
    """Count axes from the front, in ascending order; `None` means all (see `normal_axis`).

    Raises:
        AxisError: there is no such axis.
        ShapeError: an axis stands twice.
    """
    if axis is None:
        return tuple(range(ndim))
    listed = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    axes = sorted(normal_axis(each, ndim, name, owner) for each in listed)
    if len(set(axes)) != len(axes):
        raise ShapeError(located(f"{name}: an axis stands twice in {listed}."))
    return tuple(axes)
