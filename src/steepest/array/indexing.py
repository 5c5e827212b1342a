"""Reading parts of a tensor: `x[...]`, `take`, and adding at positions."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import as_value, normal_axis, shape_of, type_of
from steepest.array.elementwise import where
from steepest.array.manipulation import broadcast_arrays
from steepest.errors import ArgumentError, TraceError
from steepest.graph.dtypes import int64, to_storage
from steepest.ops import indexing, movement
from steepest.ops.elementwise.selection import convert
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def _from_front(indices: Value, size: int) -> Value:
    """Count negative positions from the end."""
    if type_of(indices).dtype.kind != "signed":
        return indices
    if not indices.is_symbolic and indices._array.size and indices._array.min() >= 0:
        return indices
    return where(indices < 0, indices + size, indices)  # type: ignore[operator]


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The parts of `x` at `indices` along `axis`; negative ones count from the end.

    Args:
        indices: integers of any shape, which replaces `axis` in the result's shape.
        axis: may be left out for a tensor of one axis.

    Raises:
        IndexError: a position outside the axis (eagerly).
    """
    value = as_value(x)
    if axis is None:
        if type_of(value).ndim != 1:
            raise ArgumentError(located(f"take: a tensor {shape_of(value)} needs axis=."))
        axis = 0
    along = normal_axis(axis, type_of(value).ndim, "take")
    positions = _from_front(as_value(indices), shape_of(value)[along])
    return indexing.take(value, positions, axis=along)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """One number of `x` for each index, which has the shape of `x` but for `axis`."""
    value, positions = as_value(x), as_value(indices)
    along = normal_axis(axis, type_of(value).ndim, "take_along_axis")
    shape = tuple(
        size if n == along else max(size, other)
        for n, (size, other) in enumerate(zip(shape_of(positions), shape_of(value), strict=True))
    )
    full = tuple(shape_of(value)[n] if n == along else size for n, size in enumerate(shape))
    if shape_of(positions) != shape:
        positions = movement.broadcast_to(positions, shape=shape)
    if shape_of(value) != full:
        value = movement.broadcast_to(value, shape=full)
    positions = _from_front(positions, shape_of(value)[along])
    return indexing.take_along_axis(value, positions, axis=along)


def scatter_add(x: Any, indices: Any, updates: Any, /, *, axis: int = 0) -> Tensor:
    """`x` with `updates` added at `indices` along `axis`; the counterpart of `take`."""
    value = as_value(x)
    along = normal_axis(axis, type_of(value).ndim, "scatter_add")
    positions = _from_front(as_value(indices), shape_of(value)[along])
    changes = as_value(updates, type_of(value).dtype)
    return indexing.scatter_add(value, positions, changes, axis=along)


def get_item(x: Value, key: Any) -> Tensor:
    """`x[key]` with integers, slices, `...`, `None`, and integer or boolean tensors."""
    parts = _expand_key(key, type_of(x).ndim)
    basic, new_axes, advanced = _split_key(parts, shape_of(x))
    result = _basic(x, basic)
    dropped = [n for n, part in enumerate(basic) if isinstance(part, int)]
    shape = tuple(size for n, size in enumerate(shape_of(result)) if n not in dropped)
    if shape != shape_of(result):
        result = movement.reshape(result, shape=shape)
    if advanced:
        result = _advanced(result, advanced)
    if new_axes:
        sizes = list(shape_of(result))
        for position in new_axes:
            sizes.insert(position, 1)
        result = movement.reshape(result, shape=tuple(sizes))
    return result  # type: ignore[return-value]


def _is_array(part: Any) -> bool:
    return isinstance(part, Value | np.ndarray | list)


def _consumed(part: Any) -> int:
    """How many axes of the tensor a part of a key takes up."""
    if part is None:
        return 0
    if _is_array(part):
        value = as_value(part)
        if type_of(value).dtype.is_bool:
            return type_of(value).ndim
    return 1


def _expand_key(key: Any, ndim: int) -> list[Any]:
    """Write `...` out as full slices, so that the key has a part for every axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [n for n, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError(located("x[...]: an index can hold only one '...'."))
    used = sum(_consumed(part) for part in parts if part is not Ellipsis)
    if used > ndim:
        raise IndexError(located(f"x[...]: {used} indices for a tensor of {ndim} axes."))
    fill = [slice(None)] * (ndim - used)
    if not dots:
        return parts + fill
    return parts[: dots[0]] + fill + parts[dots[0] + 1 :]


def _split_key(
    parts: list[Any], shape: tuple[int, ...]
) -> tuple[list[Any], list[int], dict[int, Value]]:
    """Separate a key: an integer or slice for each axis, places of new axes, index tensors.

    Index tensors are keyed by the axis that they replace, counted after integers are dropped.
    """
    basic: list[Any] = []
    new_axes: list[int] = []
    advanced: dict[int, Value] = {}
    place = 0
    for part in parts:
        if part is None:
            new_axes.append(place)
            place += 1
        elif _is_array(part):
            for positions in _index_tensors(as_value(part)):
                advanced[sum(not isinstance(each, int) for each in basic)] = positions
                basic.append(slice(None))
                place += 1
        elif isinstance(part, slice):
            basic.append(part)
            place += 1
        else:
            basic.append(_integer(part, shape[len(basic)], len(basic)))
    if advanced and new_axes:
        raise IndexError(
            located("x[...]: None together with index tensors is not supported; use expand_dims.")
        )
    return basic, new_axes, advanced


def _integer(part: Any, size: int, axis: int) -> int:
    try:
        position = operator.index(part)
    except TypeError:
        raise IndexError(
            located(f"x[...]: {type(part).__name__} is no index; use integers, slices or tensors.")
        ) from None
    if not -size <= position < size:
        raise IndexError(
            located(f"x[...]: index {position} is outside axis {axis}, which has size {size}.")
        )
    return position % size


def _index_tensors(value: Value) -> list[Value]:
    """The integer positions that an index tensor means: a boolean one means where it is true."""
    dtype = type_of(value).dtype
    if dtype.is_bool:
        if value.is_symbolic or state.trace is not None:
            raise TraceError(
                located(
                    "x[mask]: how many numbers a boolean index picks is not known inside "
                    "steepest.compile. Use steepest.where, or index outside."
                )
            )
        return [make_constant(found.astype("int64")) for found in np.nonzero(value._stored())]
    if not dtype.is_integer:
        raise IndexError(located(f"x[...]: an index tensor must be integer or bool, not {dtype}."))
    return [value]


def _basic(x: Value, basic: list[Any]) -> Value:
    """Apply integers (as ranges of size 1) and slices."""
    start, stop, step, flipped = [], [], [], []
    for axis, (part, size) in enumerate(zip(basic, shape_of(x), strict=True)):
        if isinstance(part, int):
            part = slice(part, part + 1, 1)
        first, last, by = part.indices(size)
        if by < 0:
            count = max(0, -(-(last - first) // by))
            first, last, by = first + (count - 1) * by, first + 1, -by
            flipped.append(axis)
            if count == 0:
                first, last = 0, 0
        start.append(min(first, size))
        stop.append(max(min(last, size), start[-1]))
        step.append(by)
    full = all(
        first == 0 and last == size and by == 1
        for first, last, by, size in zip(start, stop, step, shape_of(x), strict=True)
    )
    if not full:
        x = movement.slice_(x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    return movement.flip(x, axes=tuple(flipped)) if flipped else x


def _advanced(x: Value, advanced: dict[int, Value]) -> Value:
    """Replace axes by index tensors, which broadcast against each other, as NumPy does."""
    axes = sorted(advanced)
    shape = shape_of(x)
    indices = [_checked_range(advanced[axis], shape[axis], axis) for axis in axes]
    indices = [
        convert(_from_front(each, shape[axis]), dtype=int64)
        for each, axis in zip(indices, axes, strict=True)
    ]
    indices = list(broadcast_arrays(*indices))
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    if len(axes) == 1:
        return indexing.take(x, indices[0], axis=axes[0])
    rest = [n for n in range(len(shape)) if n not in axes]
    moved = movement.transpose(x, axes=(*axes, *rest))
    count = math.prod(shape[axis] for axis in axes)
    flat = movement.reshape(moved, shape=(count, *(shape[n] for n in rest)))
    position: Any = indices[0]
    for axis, index in zip(axes[1:], indices[1:], strict=True):
        position = position * shape[axis] + index
    result = indexing.take(flat, position, axis=0)
    if not together or axes[0] == 0:
        return result
    width = len(shape_of(position))
    order = (
        *range(width, width + axes[0]),
        *range(width),
        *range(width + axes[0], type_of(result).ndim),
    )
    return movement.transpose(result, axes=order)


def _checked_range(indices: Value, size: int, axis: int) -> Value:
    """Raise IndexError for positions outside the axis, where they are known."""
    if not indices.is_symbolic and indices._array.size:
        low, high = int(indices._array.min()), int(indices._array.max())
        if low < -size or high >= size:
            wrong = high if high >= size else low
            raise IndexError(
                located(f"x[...]: index {wrong} is outside axis {axis}, which has size {size}.")
            )
    return indices


def set_item(x: Value, key: Any, update: Any) -> None:
    """`x[key] = update`, eagerly: the tensor takes over a changed copy of its numbers.

    Raises:
        TraceError: inside a compiled function, where tensors change by assign() only.
    """
    if state.trace is not None or x.is_symbolic:
        raise TraceError(
            located(
                "x[...] = y: inside steepest.compile a tensor changes as a whole. Use "
                "x = steepest.where(...), steepest.scatter_add, or x.assign(...)."
            )
        )
    if x._requires_grad and x._record is not None:
        raise TraceError(located("x[...] = y: x was computed from others; use where instead."))
    dtype = type_of(x).dtype
    parts = key if isinstance(key, tuple) else (key,)
    numpy_key = tuple(part._stored() if isinstance(part, Value) else part for part in parts)
    numbers = as_value(update, dtype)._stored()
    changed = x._array.copy()
    changed[numpy_key] = to_storage(numbers, dtype) if numbers.dtype != changed.dtype else numbers
    x._array = changed
    x._version += 1
