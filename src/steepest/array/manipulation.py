"""Functions that rearrange numbers: shapes, axes, joining and repeating."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import (
    as_value,
    clone,
    common_shape,
    normal_axes,
    normal_axis,
    promoted,
    shape_of,
)
from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import bool_
from steepest.ops import movement
from steepest.ops.elementwise.selection import identity, where
from steepest.ops.indexing import take
from steepest.ops.sources import full
from steepest.trace.origin import located
from steepest.trace.value import Value, apply, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def reshape(x: Any, /, shape: int | Sequence[int], *, copy: bool | None = None) -> Tensor:
    """The same numbers in another shape; one size may be -1, which is then worked out.

    Args:
        copy: `True` always copies; `False` raises ValueError where a copy is needed; `None`
            copies only where needed.
    """
    value = as_value(x)
    sizes = [shape] if isinstance(shape, int | np.integer) else list(shape)
    if sizes.count(-1) > 1:
        raise ShapeError(located(f"reshape: shape {tuple(sizes)} has more than one -1."))
    size = math.prod(shape_of(value))
    if -1 in sizes:
        known = math.prod(each for each in sizes if each != -1)
        if known == 0 or size % known:
            raise ShapeError(
                located(
                    f"reshape: tensor {shape_of(value)} has {size} numbers, which do not fill "
                    f"shape {tuple(sizes)}."
                )
            )
        sizes[sizes.index(-1)] = size // known
    wanted = tuple(int(each) for each in sizes)
    same = wanted == shape_of(value)
    result: Any = identity(value) if same else movement.reshape(value, shape=wanted)
    if copy is None or value.is_symbolic or result.is_symbolic:
        return result
    shares = result.size == 0 or np.shares_memory(result._array, value._array)
    if copy is False and not shares:
        raise ValueError(located("reshape: this needs a copy, but copy=False was asked."))
    return clone(result) if copy and shares else result  # type: ignore[return-value]


def permute_dims(x: Any, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order: axis n of the result is axis `axes[n]` of x."""
    value = as_value(x)
    ndim = len(shape_of(value))
    order = tuple(normal_axis(axis, ndim, "permute_dims") for axis in axes)
    return movement.transpose(value, axes=order)


def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes swapped."""
    value = as_value(x)
    ndim = len(shape_of(value))
    if ndim < 2:
        raise ShapeError(located(f"matrix_transpose: the tensor {shape_of(value)} is no matrix."))
    return movement.transpose(value, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int], /) -> Tensor:
    """Axes moved to other places; the others keep their order."""
    value = as_value(x)
    ndim = len(shape_of(value))
    from_axes = [source] if isinstance(source, int) else list(source)
    to_axes = [destination] if isinstance(destination, int) else list(destination)
    from_axes = [normal_axis(axis, ndim, "moveaxis") for axis in from_axes]
    to_axes = [normal_axis(axis, ndim, "moveaxis") for axis in to_axes]
    order = [axis for axis in range(ndim) if axis not in from_axes]
    for to_axis, from_axis in sorted(zip(to_axes, from_axes, strict=True)):
        order.insert(to_axis, from_axis)
    return movement.transpose(value, axes=tuple(order))


def squeeze(x: Any, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without the given axes, whose size must be 1."""
    value = as_value(x)
    axes = normal_axes(axis, len(shape_of(value)), "squeeze")
    wrong = [n for n in axes if shape_of(value)[n] != 1]
    if wrong:
        raise ShapeError(
            located(f"squeeze: axis {wrong[0]} of the tensor {shape_of(value)} is not of size 1.")
        )
    return reshape(value, [size for n, size in enumerate(shape_of(value)) if n not in axes])


def expand_dims(x: Any, /, axis: int | tuple[int, ...] = 0) -> Tensor:
    """With new axes of size 1 at the given positions of the result."""
    value = as_value(x)
    count = 1 if isinstance(axis, int) else len(axis)
    ndim = len(shape_of(value)) + count
    axes = normal_axes(axis, ndim, "expand_dims", owner="the result")
    sizes = iter(shape_of(value))
    return reshape(value, [1 if n in axes else next(sizes) for n in range(ndim)])


def broadcast_to(x: Any, /, shape: Sequence[int]) -> Tensor:
    """Repeated along axes of size 1, and new ones in front, to fill `shape`."""
    return movement.broadcast_to(as_value(x), shape=tuple(shape))


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """All repeated to their common shape."""
    values = [as_value(array) for array in arrays]
    shapes = [shape_of(value) for value in values]
    roles = [f"tensor {n}" for n in range(len(values))]
    common = common_shape("broadcast_arrays", roles, shapes)
    return [broadcast_to(value, common) for value in values]


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """Joined along an existing axis; with `None`, flattened and joined."""
    if not arrays:
        raise ArgumentError(located("concat: there is nothing to join."))
    values = promoted(*arrays)
    if axis is None:
        return movement.concat(*(reshape(value, (-1,)) for value in values), axis=0)
    return movement.concat(*values, axis=normal_axis(axis, len(shape_of(values[0])), "concat"))


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """Joined along a new axis."""
    if not arrays:
        raise ArgumentError(located("stack: there is nothing to join."))
    values = promoted(*arrays)
    shapes = {shape_of(value) for value in values}
    if len(shapes) > 1:
        listed = " and ".join(str(shape_of(value)) for value in values)
        raise ShapeError(located(f"stack: shapes differ: {listed}."))
    return concat([expand_dims(value, axis=axis) for value in values], axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Cut along an axis into tensors without it."""
    value: Any = moveaxis(as_value(x), axis, 0)
    return tuple(value[n] for n in range(value.shape[0]))


def flip(x: Any, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """In reverse order along `axis` (default all)."""
    value = as_value(x)
    axes = normal_axes(axis, len(shape_of(value)), "flip")
    return movement.flip(value, axes=axes)


def roll(
    x: Any, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None
) -> Tensor:
    """Shifted along `axis`, what leaves one end entering at the other (default: flattened)."""
    value: Any = as_value(x)
    if axis is None:
        return reshape(roll(reshape(value, (-1,)), shift, axis=0), value.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    for each, by in zip(axes, shifts, strict=True):
        along = normal_axis(each, value.ndim, "roll")
        size = value.shape[along]
        if size == 0 or by % size == 0:
            continue
        lead = (slice(None),) * along
        cut = size - by % size
        parts = [value[(*lead, slice(cut, None))], value[(*lead, slice(None, cut))]]
        value = concat(parts, axis=along)
    return value


def tile(x: Any, repetitions: Sequence[int], /) -> Tensor:
    """The whole tensor repeated along each axis."""
    value = as_value(x)
    ndim = max(len(repetitions), len(shape_of(value)))
    shape = (1,) * (ndim - len(shape_of(value))) + shape_of(value)
    counts = (1,) * (ndim - len(repetitions)) + tuple(repetitions)
    lone = [each for size in shape for each in (1, size)]
    wide = [each for pair in zip(counts, shape, strict=True) for each in pair]
    spread = broadcast_to(reshape(value, lone), wide)
    return reshape(spread, [count * size for count, size in zip(counts, shape, strict=True)])


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each number repeated in place, `repeats` times (one count, or one for each).

    Inside `steepest.compile` the counts must be Python numbers, since they decide the shape.
    """
    value = as_value(x)
    if axis is None:
        value = reshape(value, (-1,))
        axis = 0
    along = normal_axis(axis, len(shape_of(value)), "repeat")
    counts = repeats._stored() if isinstance(repeats, Value) else np.asarray(repeats)
    size = shape_of(value)[along]
    if counts.shape not in ((), (1,), (size,)):
        raise ShapeError(
            located(
                f"repeat: repeats {counts.shape} must be one count or {size} of them, one for "
                f"each place of axis {along} of the tensor {shape_of(value)}."
            )
        )
    return take(value, make_constant(np.repeat(np.arange(size), counts)), axis=along)


def diagonal_of(x: Value, axis0: int = -2, axis1: int = -1, offset: int = 0) -> Tensor:
    """The diagonal of two axes, which become the last axis.

    Args:
        offset: which diagonal; above the main one (0) it is positive.
    """
    shape = shape_of(x)
    rows, columns = shape[axis0], shape[axis1]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    first = offset if offset >= 0 else -offset * columns
    flat = reshape(moveaxis(x, (axis0, axis1), (-2, -1)), _flat_matrix(shape, axis0, axis1))
    positions = first + np.arange(count, dtype="int64") * (columns + 1)
    return take(flat, make_constant(positions), axis=len(shape) - 2)


def _flat_matrix(shape: tuple[int, ...], axis0: int, axis1: int) -> tuple[int, ...]:
    """The shape with two axes moved to the end and joined."""
    joined = {axis0 % len(shape), axis1 % len(shape)}
    rest = tuple(size for n, size in enumerate(shape) if n not in joined)
    return (*rest, shape[axis0] * shape[axis1])


def pad(
    x: Any, pad_width: Sequence[tuple[int, int]] | Sequence[int] | int, /, value: float = 0
) -> Tensor:
    """Surrounded with a number.

    Args:
        pad_width: one (before, after) pair for each axis; a pair or a number stands for all axes.
        value: the number to fill with (default 0).
    """
    operand: Any = as_value(x)
    pairs = np.broadcast_to(np.asarray(pad_width), (operand.ndim, 2)).tolist()
    low = tuple(int(pair[0]) for pair in pairs)
    high = tuple(int(pair[1]) for pair in pairs)
    static = {"low": low, "high": high, "interior": (0,) * operand.ndim}
    padded = movement.pad(operand, **static)
    if value == 0:
        return padded
    ones = apply(full, (), {"shape": operand.shape, "value": True, "dtype": bool_})
    inside = movement.pad(ones, **static)
    filler = apply(full, (), {"shape": (), "value": value, "dtype": operand.dtype})
    return where(inside, padded, filler)
