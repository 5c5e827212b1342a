"""Making tensors: from other data, filled with one number, counted, or cut to a triangle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import (
    DEFAULT_FLOAT,
    DEFAULT_INTEGER,
    Scalar,
    as_value,
    check_fits,
    clone,
    number_dtype,
    shape_of,
    type_of,
    wrapped,
)
from steepest.array.dlpack import import_numbers
from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import DType, as_dtype
from steepest.ops.elementwise.arithmetic import add
from steepest.ops.elementwise.comparison import less_equal
from steepest.ops.elementwise.selection import where
from steepest.ops.movement import broadcast_to, reshape
from steepest.ops.sources import full as full_primitive
from steepest.ops.sources import iota
from steepest.trace.origin import located
from steepest.trace.value import Value, apply, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

Device = str | None


def check_device(device: Device) -> None:
    """Raise ArgumentError for any device but the CPU."""
    if device not in (None, "cpu"):
        raise ArgumentError(located(f"device {device!r} does not exist: tensors live on 'cpu'."))


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(size < 0 for size in sizes):
        raise ShapeError(located(f"a shape cannot hold negative sizes: {sizes}."))
    return tuple(int(size) for size in sizes)


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Device = None, copy: bool | None = None
) -> Tensor:
    """Make a tensor of numbers.

    Args:
        obj: a tensor, NumPy array, DLPack or buffer object, Python number or nested sequence.
        dtype: the data type (default: that of an array; float32, int64 or bool for Python
            numbers).
        copy: `True` always copies; `False` raises ValueError where a copy is needed; `None`
            copies only where needed.

    A tensor made from a NumPy array without a copy shares its memory.
    """
    check_device(device)
    wanted = None if dtype is None else as_dtype(dtype)
    if not isinstance(obj, Value | np.ndarray | np.generic) and hasattr(obj, "__dlpack__"):
        obj = from_dlpack(obj)
    value = as_value(obj, wanted)
    if value is obj:
        return clone(value) if copy else value  # type: ignore[return-value]
    shares = isinstance(obj, np.ndarray) and not value.is_symbolic and _is_shared(value, obj)
    if copy is False and not shares:
        raise ValueError(located("asarray: this needs a copy, but copy=False was asked."))
    return clone(value) if copy and shares else value  # type: ignore[return-value]


def _is_shared(value: Value, array: np.ndarray) -> bool:
    return array.size == 0 or np.shares_memory(value._array, array)


def from_dlpack(x: Any, /, *, device: Device = None, copy: bool | None = None) -> Tensor:
    """Make a tensor of any object that offers the DLPack protocol, sharing memory if possible."""
    check_device(device)
    if isinstance(x, Value):
        return asarray(x, copy=copy)
    return wrapped(*import_numbers(x, copy))  # type: ignore[return-value]


def full(
    shape: int | Sequence[int], fill_value: Scalar, *, dtype: Any = None, device: Device = None
) -> Tensor:
    """A tensor of one number repeated; the default data type is that of the number."""
    check_device(device)
    wanted = number_dtype(fill_value) if dtype is None else as_dtype(dtype)
    if isinstance(fill_value, np.generic):
        fill_value = fill_value.item()
    check_fits(fill_value, wanted)
    static = {"shape": _shape(shape), "value": fill_value, "dtype": wanted}
    return apply(full_primitive, (), static)


def zeros(shape: int | Sequence[int], *, dtype: Any = None, device: Device = None) -> Tensor:
    """Zeros (default float32)."""
    return full(shape, 0, dtype=dtype or DEFAULT_FLOAT, device=device)


def ones(shape: int | Sequence[int], *, dtype: Any = None, device: Device = None) -> Tensor:
    """Ones (default float32)."""
    return full(shape, 1, dtype=dtype or DEFAULT_FLOAT, device=device)


def empty(shape: int | Sequence[int], *, dtype: Any = None, device: Device = None) -> Tensor:
    """Zeros: numbers that nobody set would make runs differ."""
    return zeros(shape, dtype=dtype, device=device)


def _like(x: Any, dtype: Any) -> tuple[tuple[int, ...], DType]:
    own = type_of(as_value(x))
    return own.shape, own.dtype if dtype is None else as_dtype(dtype)


def full_like(x: Any, /, fill_value: Scalar, *, dtype: Any = None, device: Device = None) -> Tensor:
    """One number repeated, in the shape (and by default the data type) of `x`."""
    shape, wanted = _like(x, dtype)
    return full(shape, fill_value, dtype=wanted, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Device = None) -> Tensor:
    """Zeros in the shape (and by default the data type) of `x`."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Device = None) -> Tensor:
    """Ones in the shape (and by default the data type) of `x`."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Device = None) -> Tensor:
    """Zeros in the shape (and by default the data type) of `x`; see `empty`."""
    return full_like(x, 0, dtype=dtype, device=device)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Device = None,
) -> Tensor:
    """Numbers from `start` (default 0) up to but without `stop`, `step` apart."""
    check_device(device)
    first, last = (0, start) if stop is None else (start, stop)
    whole = all(isinstance(each, int | np.integer) for each in (first, last, step))
    wanted = as_dtype(dtype) if dtype is not None else DEFAULT_INTEGER if whole else DEFAULT_FLOAT
    count = max(0, math.ceil((last - first) / step))
    if first == 0 and step == 1:
        static = {"shape": (count,), "axis": 0, "dtype": wanted}
        return apply(iota, (), static)
    return make_constant(  # type: ignore[return-value]
        np.arange(first, last, step)[:count].astype(wanted.compute), wanted
    )


def linspace(
    start: float,
    stop: float,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Device = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop` (without it if not `endpoint`)."""
    check_device(device)
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    numbers = np.linspace(start, stop, num, endpoint=endpoint, dtype=wanted.compute)
    return make_constant(numbers, wanted)  # type: ignore[return-value]


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Device = None,
) -> Tensor:
    """Ones on diagonal `k` (0 the main one, above it positive), zeros elsewhere."""
    check_device(device)
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    return make_constant(np.eye(n_rows, n_cols, k=k, dtype=wanted.compute), wanted)  # type: ignore[return-value]


def _triangle(x: Any, k: int, lower: bool, name: str) -> Tensor:
    value = as_value(x)
    shape = shape_of(value)
    if len(shape) < 2:
        raise ShapeError(located(f"{name}: the tensor {shape} is no matrix."))
    rows, columns = shape[-2:]
    counted = {"shape": (rows, columns), "dtype": DEFAULT_INTEGER}
    row = apply(iota, (), {**counted, "axis": 0})
    column = apply(iota, (), {**counted, "axis": 1})
    shifted = add(row, full((), k, dtype=DEFAULT_INTEGER))
    inside = less_equal(column, shifted) if lower else less_equal(shifted, column)
    return where(inside, value, zeros((), dtype=type_of(value).dtype))


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """Keep the numbers of the last two axes on and below diagonal `k`; zeros elsewhere."""
    return _triangle(x, k, True, "tril")


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """Keep the numbers of the last two axes on and above diagonal `k`; zeros elsewhere."""
    return _triangle(x, k, False, "triu")


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate tensors of a grid: `"ij"` for matrix order, `"xy"` swaps the first two axes."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(
            located(f"meshgrid: indexing is {indexing!r}, but must be 'xy' or 'ij'.")
        )
    values = [as_value(array) for array in arrays]
    order = list(range(len(values)))
    if indexing == "xy" and len(values) > 1:
        order[:2] = [1, 0]
    sizes = [shape_of(value)[0] for value in values]
    shape = tuple(sizes[position] for position in order)
    grids = []
    for position, value in enumerate(values):
        axis = order.index(position)
        lone = tuple(sizes[position] if each == axis else 1 for each in range(len(values)))
        grids.append(broadcast_to(reshape(value, shape=lone), shape=shape))
    return grids
