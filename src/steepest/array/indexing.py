"""Reading and adding at positions that are integers: `take`, `take_along_axis`, `scatter_add`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import as_value, common_shape, normal_axis, shape_of, type_of
from steepest.array.elementwise import where
from steepest.errors import ArgumentError, DTypeError, ShapeError
from steepest.graph.dtypes import int64
from steepest.ops import indexing, movement
from steepest.ops.elementwise.selection import convert
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def from_front(name: str, indices: Any, size: int, axis: int) -> Value:
    """Return integer positions along an axis as int64, the negative ones counted from the end.

    Raises:
        IndexError: a position is outside of the axis (where the numbers are known).
        DTypeError: the positions are not integers.
    """
    if not isinstance(indices, Value) and not np.size(indices):
        indices = np.asarray(indices, dtype="int64")
    dtype = type_of(as_value(indices)).dtype
    if not dtype.is_integer:
        raise DTypeError(located(f"{name}: indices must be integers, but are {dtype}."))
    if isinstance(indices, Value) and (indices.is_symbolic or state.trace is not None):
        positions: Any = convert(indices, dtype=int64)
        if dtype.kind == "unsigned":
            return positions
        return where(positions < 0, positions + size, positions)
    array = indices._stored() if isinstance(indices, Value) else np.asarray(indices)
    _check_range(name, array, size, axis)
    array = array.astype("int64", copy=False)
    negative = array < 0
    return make_constant(np.where(negative, array + size, array) if negative.any() else array)


def _check_range(name: str, positions: np.ndarray, size: int, axis: int) -> None:
    """Raise IndexError for a position outside of the axis."""
    if not positions.size:
        return
    low, high = int(positions.min()), int(positions.max())
    if low < -size or high >= size:
        wrong = high if high >= size else low
        raise IndexError(
            located(f"{name}: index {wrong} is outside axis {axis}, which has size {size}.")
        )


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
    positions = from_front("take", indices, shape_of(value)[along], along)
    return indexing.take(value, positions, axis=along)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """One number of `x` for each index; both broadcast along every axis but `axis`.

    Raises:
        IndexError: a position outside the axis (eagerly).
    """
    value = as_value(x)
    along = normal_axis(axis, type_of(value).ndim, "take_along_axis")
    size = shape_of(value)[along]
    positions = from_front("take_along_axis", indices, size, along)
    if type_of(positions).ndim != type_of(value).ndim:
        raise ShapeError(
            located(
                f"take_along_axis: x {shape_of(value)} and indices {shape_of(positions)} must "
                f"have equally many axes."
            )
        )
    count = shape_of(positions)[along]
    rest = [_with_size(shape_of(each), along, 1) for each in (value, positions)]
    common = common_shape("take_along_axis", ("x", "indices"), rest)
    value = _broadcast(value, _with_size(common, along, size))
    positions = _broadcast(positions, _with_size(common, along, count))
    return indexing.take_along_axis(value, positions, axis=along)


def _with_size(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _broadcast(value: Value, shape: tuple[int, ...]) -> Value:
    return value if shape_of(value) == shape else movement.broadcast_to(value, shape=shape)


def scatter_add(x: Any, indices: Any, updates: Any, /, *, axis: int = 0) -> Tensor:
    """`x` with `updates` added at `indices` along `axis`; the counterpart of `take`.

    Args:
        indices: integers of any shape; a position may stand several times.
        updates: has the shape of `x` with `axis` replaced by the shape of `indices`, or
            broadcasts to it.
    """
    value = as_value(x)
    along = normal_axis(axis, type_of(value).ndim, "scatter_add")
    positions = from_front("scatter_add", indices, shape_of(value)[along], along)
    changes = as_value(updates, type_of(value).dtype)
    shape = (*shape_of(value)[:along], *shape_of(positions), *shape_of(value)[along + 1 :])
    return indexing.scatter_add(value, positions, _broadcast(changes, shape), axis=along)
