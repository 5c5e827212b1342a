"""Padding: numbers put around a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError, did_you_mean
from steepest.nn.checks import as_tensor, complaint
from steepest.ops import movement

MODES = ("constant", "reflect", "replicate", "circular")


def pad(
    input: Tensor,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
    *,
    name: str = "pad",
) -> Tensor:
    """Put numbers around the last axes.

    Args:
        input: any shape; for modes other than `"constant"` the last one to three axes behind
            the channels are padded, so that reflections make sense.
        pad: pairs (before, behind), the last axis first: `(left, right, top, bottom)`. Negative
            numbers cut off: for `"circular"` before the input goes on, otherwise afterwards.
        mode: `"constant"`; `"reflect"` mirrors the input without repeating its border;
            `"replicate"` repeats the border; `"circular"` goes on at the other end.
        value: the constant; 0 if `None`.
        name: how error messages call the operation.

    Raises:
        ArgumentError: an unknown mode, an odd count of numbers, or a value that is not used.
        ShapeError: more numbers cut off than there are, or more mirrored than the axis holds.
    """
    x = as_tensor(input)
    if mode not in MODES:
        raise ArgumentError(
            complaint(
                f"{name}: mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}."
                f"{did_you_mean(str(mode), MODES)}"
            )
        )
    if mode != "constant" and value:
        raise ArgumentError(complaint(f"{name}: mode {mode!r} uses no value, got {value}."))
    sides = _sides(x.shape, pad, name)
    if mode == "constant":
        return _with_constant(x, sides, 0.0 if value is None else value, name)
    for axis, before, behind in sides:
        _check_reach(x.shape, axis, (before, behind), mode, name)
        if mode == "circular":
            x = _cut(x, axis, before, behind)
        x = _grown(x, axis, max(before, 0), max(behind, 0), mode)
        if mode != "circular":
            x = _cut(x, axis, before, behind)
    return x


def _sides(shape: tuple[int, ...], pad: Sequence[int], name: str) -> list[tuple[int, int, int]]:
    """(axis, before, behind) for each axis that is padded, the last axis first."""
    numbers = [int(each) for each in pad]
    if len(numbers) % 2 or len(numbers) > 2 * len(shape):
        raise ArgumentError(
            complaint(
                f"{name}: pad must hold a pair (before, behind) for each of at most {len(shape)} "
                f"last axes of input {shape}, got {tuple(numbers)}."
            )
        )
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [(len(shape) - 1 - n, before, behind) for n, (before, behind) in enumerate(pairs)]


def _check_reach(
    shape: tuple[int, ...], axis: int, sides: tuple[int, int], mode: str, name: str
) -> None:
    """Refuse to mirror, wrap or repeat more numbers than there are."""
    size = shape[axis]
    if mode == "circular":
        _check_cut(shape, axis, sides, name)
        size -= sum(max(-side, 0) for side in sides)
    elif size + sum(sides) < 0:
        _check_cut(shape, axis, (min(sum(sides), 0), 0), name)
    most = {"reflect": size - 1, "circular": size, "replicate": max(sides) if size else 0}[mode]
    if max(sides) > max(most, 0):
        raise ShapeError(
            complaint(
                f"{name}: axis {axis} of input {shape} cannot be padded by {sides} in mode "
                f"{mode!r}, which takes at most {max(most, 0)} on each side there."
            )
        )


def _cut(x: Tensor, axis: int, before: int, behind: int) -> Tensor:
    """Take off numbers where the padding is negative."""
    if before >= 0 and behind >= 0:
        return x
    return _between(x, axis, max(-before, 0), x.shape[axis] - max(-behind, 0))


def _between(x: Tensor, axis: int, first: int, end: int) -> Tensor:
    """The numbers from `first` to before `end` of an axis."""
    start = tuple(first if each == axis else 0 for each in range(x.ndim))
    stop = tuple(end if each == axis else size for each, size in enumerate(x.shape))
    return movement.slice_(x, start=start, stop=stop, step=(1,) * x.ndim)


def _grown(x: Tensor, axis: int, before: int, behind: int, mode: str) -> Tensor:
    """The numbers before, the input, and the numbers behind, joined."""
    parts = [x]
    if before:
        parts.insert(0, _border(x, axis, before, mode, at_start=True))
    if behind:
        parts.append(_border(x, axis, behind, mode, at_start=False))
    return movement.concat(*parts, axis=axis) if len(parts) > 1 else x


def _border(x: Tensor, axis: int, count: int, mode: str, at_start: bool) -> Tensor:
    """What stands on one side of the input."""
    size = x.shape[axis]
    if mode == "reflect":
        first = 1 if at_start else size - 1 - count
        return movement.flip(_between(x, axis, first, first + count), axes=(axis,))
    if mode == "circular":
        first = size - count if at_start else 0
        return _between(x, axis, first, first + count)
    edge = _between(x, axis, 0, 1) if at_start else _between(x, axis, size - 1, size)
    return st.broadcast_to(edge, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


def _with_constant(
    x: Tensor, sides: Sequence[tuple[int, int, int]], value: float, name: str
) -> Tensor:
    """Put a constant around, and cut where the padding is negative."""
    widths = [(0, 0)] * x.ndim
    for axis, before, behind in sides:
        _check_cut(x.shape, axis, (before, behind), name)
        x = _cut(x, axis, before, behind)
        widths[axis] = (max(before, 0), max(behind, 0))
    return st.pad(x, widths, value=value) if any(map(any, widths)) else x


def _check_cut(shape: tuple[int, ...], axis: int, sides: tuple[int, int], name: str) -> None:
    """Refuse to cut off more than there is."""
    if sum(max(-side, 0) for side in sides) > shape[axis]:
        raise ShapeError(
            complaint(
                f"{name}: axis {axis} of input {shape} has {shape[axis]} numbers, but pad {sides} "
                f"cuts off more."
            )
        )
