"""Reading and writing parts of a tensor: `x[key]` and `x[key] = y`, as NumPy has them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import as_value, common_shape, shape_of, type_of
from steepest.array.indexing import from_front
from steepest.errors import DTypeError, GradientError, ShapeError, TraceError
from steepest.ops import indexing, movement
from steepest.ops.elementwise.selection import identity
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, before_change, take_over

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

Part = int | slice | Value | None
"""A part of a key: one position, a range, integer positions, or a new axis."""


def get_item(x: Value, key: Any) -> Tensor:
    """`x[key]` with integers, slices, `...`, `None`, and integer or boolean tensors.

    Raises:
        IndexError: a position outside its axis, too many parts, or a part of another type.
        TraceError: a boolean tensor inside `steepest.compile`, where the size of the result is
            not known.
    """
    if _is_flag(key):
        positions = as_value(np.zeros((int(_flag(key)),), dtype="int64"))
        lone = movement.reshape(x, shape=(1, *shape_of(x)))
        return indexing.take(lone, positions, axis=0)
    parts = _parts(key, shape_of(x))
    result: Any = _basic(x, [_as_range(part) for part in parts if part is not None])
    shape, advanced = _layout(parts, shape_of(result))
    if shape != shape_of(result):
        result = movement.reshape(result, shape=shape)
    if advanced:
        result = _advanced(result, advanced, in_front=_is_scattered(parts))
    return identity(result) if result is x else result


def _is_array(part: Any) -> bool:
    return isinstance(part, Value | np.ndarray | list)


def _is_flag(key: Any) -> bool:
    """Whether a key is a single truth value."""
    if isinstance(key, Value | np.ndarray):
        value = type_of(as_value(key))
        return value.ndim == 0 and value.dtype.is_bool
    return isinstance(key, bool | np.bool_)


def _flag(key: Any) -> bool:
    return bool(_mask_numbers(key)) if isinstance(key, Value) else bool(key)


def _mask_numbers(mask: Any) -> np.ndarray:
    """The numbers of a boolean key, which decide the shape of the result."""
    if not isinstance(mask, Value):
        return np.asarray(mask)
    if mask.is_symbolic or state.trace is not None:
        raise TraceError(
            located(
                "x[mask]: how many numbers a boolean index picks is not known inside "
                "steepest.compile. Use steepest.where, or index outside."
            )
        )
    return mask._stored()


def _parts(key: Any, shape: tuple[int, ...]) -> list[Part]:
    """Write a key out, so that it has a part for every axis, and for every new one."""
    written = list(key) if isinstance(key, tuple) else [key]
    dots = [n for n, part in enumerate(written) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError(located("x[...]: an index can hold only one '...'."))
    used = sum(_axis_count(part) for part in written if part is not Ellipsis)
    if used > len(shape):
        raise IndexError(
            located(f"x[...]: {used} indices for a tensor {shape} of {len(shape)} axes.")
        )
    fill = [slice(None)] * (len(shape) - used)
    place = dots[0] if dots else len(written)
    parts: list[Part] = []
    axis = 0
    for part in [*written[:place], *fill, *written[place + 1 :]]:
        parts.extend(_resolved(part, shape, axis))
        axis += _axis_count(part)
    return parts


def _axis_count(part: Any) -> int:
    """How many axes of the tensor a part of a key takes up."""
    if part is None:
        return 0
    if _is_flag(part):
        raise IndexError(located("x[...]: a single truth value must be the whole index."))
    if _is_array(part):
        kind = type_of(as_value(part))
        return kind.ndim if kind.dtype.is_bool else 1
    return 1


def _resolved(part: Any, shape: tuple[int, ...], axis: int) -> list[Part]:
    """Check a part of a key; a mask becomes the positions where it is true."""
    if part is None or isinstance(part, slice):
        return [part]
    if not _is_array(part):
        return [_integer(part, shape[axis], axis)]
    kind = type_of(as_value(part))
    if not kind.dtype.is_bool:
        return [_positions(part, shape[axis], axis)]
    if any(
        size not in (0, expected) for size, expected in zip(kind.shape, shape[axis:], strict=False)
    ):
        raise IndexError(
            located(
                f"x[mask]: mask {kind.shape} does not have the sizes of the axes that it stands "
                f"for, {shape[axis : axis + kind.ndim]}."
            )
        )
    found = np.nonzero(_mask_numbers(part))
    return [_positions(each, shape[axis + n], axis + n) for n, each in enumerate(found)]


def _positions(part: Any, size: int, axis: int) -> Value:
    try:
        return from_front("x[...]", part, size, axis)
    except DTypeError as error:
        raise IndexError(str(error)) from None


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


def _as_range(part: Part) -> slice:
    """What to cut out of the axis of a part before positions are looked up."""
    if isinstance(part, int):
        return slice(part, part + 1)
    return part if isinstance(part, slice) else slice(None)


def _layout(parts: list[Part], sizes: tuple[int, ...]) -> tuple[tuple[int, ...], dict[int, Value]]:
    """The shape once single positions are dropped and new axes inserted; and where in it the
    axes stand that are replaced by positions."""
    shape: list[int] = []
    advanced: dict[int, Value] = {}
    remaining = iter(sizes)
    for part in parts:
        size = 1 if part is None else next(remaining)
        if isinstance(part, int):
            continue
        if isinstance(part, Value):
            advanced[len(shape)] = part
        shape.append(size)
    return tuple(shape), advanced


def _is_scattered(parts: list[Part]) -> bool:
    """Whether a slice or new axis stands between positions; then their axes come first."""
    places = [n for n, part in enumerate(parts) if isinstance(part, int | Value)]
    return places != list(range(places[0], places[0] + len(places)))


def _basic(x: Value, ranges: list[slice]) -> Value:
    """Apply one slice to each axis; a negative step is a positive one, flipped."""
    start, stop, step, flipped = [], [], [], []
    for axis, (part, size) in enumerate(zip(ranges, shape_of(x), strict=True)):
        covered = range(size)[part]
        if covered.step < 0:
            covered = covered[::-1]
            flipped.append(axis)
        start.append(covered.start if covered else 0)
        stop.append(min(covered.stop, size) if covered else 0)
        step.append(covered.step)
    whole = tuple(stop) == shape_of(x) and not any(start) and all(by == 1 for by in step)
    if not whole:
        x = movement.slice_(x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    return movement.flip(x, axes=tuple(flipped)) if flipped else x


def _advanced(x: Value, advanced: dict[int, Value], in_front: bool) -> Value:
    """Replace axes by positions, which broadcast against each other, as NumPy does."""
    axes = sorted(advanced)
    shape = shape_of(x)
    indices = _broadcast([advanced[axis] for axis in axes])
    if len(axes) == 1 and not in_front:
        return indexing.take(x, indices[0], axis=axes[0])
    rest = [n for n in range(len(shape)) if n not in axes]
    moved = movement.transpose(x, axes=(*axes, *rest))
    count = math.prod(shape[axis] for axis in axes)
    flat = movement.reshape(moved, shape=(count, *(shape[n] for n in rest)))
    position: Any = indices[0]
    for axis, index in zip(axes[1:], indices[1:], strict=True):
        position = position * shape[axis] + index
    result = indexing.take(flat, position, axis=0)
    if in_front or axes[0] == 0:
        return result
    width = type_of(position).ndim
    order = (
        *range(width, width + axes[0]),
        *range(width),
        *range(width + axes[0], type_of(result).ndim),
    )
    return movement.transpose(result, axes=order)


def _broadcast(indices: list[Value]) -> list[Value]:
    """Give positions of several axes one shape."""
    shapes = [shape_of(each) for each in indices]
    try:
        common = common_shape("x[...]", [f"indices {n}" for n in range(len(shapes))], shapes)
    except ShapeError as error:
        raise IndexError(str(error)) from None
    return [movement.broadcast_to(each, shape=common) for each in indices]


def set_item(x: Value, key: Any, update: Any) -> None:
    """`x[key] = update`, eagerly: the tensor takes over a changed copy of its numbers.

    Raises:
        TraceError: inside a compiled function, where tensors change by assign() only.
        GradientError: the tensor was computed from others, or `update` requires a gradient.
        ShapeError: `update` does not broadcast to the part.
    """
    if state.trace is not None or x.is_symbolic:
        raise TraceError(
            located(
                "x[...] = y: inside steepest.compile a tensor changes as a whole. Use "
                "x = steepest.where(...), steepest.scatter_add, or x.assign(...)."
            )
        )
    value = as_value(update, type_of(x).dtype)
    _check_no_history(x, value)
    parts = key if isinstance(key, tuple) else (key,)
    numpy_key = tuple(part._stored() if isinstance(part, Value) else part for part in parts)
    before_change([x])
    changed = x._stored().copy()
    try:
        changed[numpy_key] = value._stored()
    except IndexError as error:
        raise IndexError(located(f"x[...] = y: {error}.")) from None
    except ValueError as error:
        raise ShapeError(
            located(
                f"x[...] = y: y {shape_of(value)} does not fit x[...] {changed[numpy_key].shape}."
            )
        ) from error
    take_over([x], [changed])


def _check_no_history(x: Value, update: Value) -> None:
    """Raise GradientError where writing would lose a gradient."""
    if not state.gradients_enabled:
        return
    if x._record is not None:
        raise GradientError(
            located(
                "x[...] = y: x was computed from tensors that require a gradient. Use "
                "steepest.where or steepest.scatter_add, or x.detach()."
            )
        )
    if update._requires_grad:
        raise GradientError(
            located(
                "x[...] = y: y requires a gradient, which would be lost. Use steepest.where or "
                "steepest.scatter_add, or y.detach()."
            )
        )
