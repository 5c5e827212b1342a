"""Layers that put numbers around their input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import functional
from steepest.nn.checks import as_tensor, complaint
from steepest.nn.module import Module
from steepest.nn.spatial import POSITION_NAMES

Padding = int | Sequence[int]
"""One number for all sides, or (before, behind) of the last axis, then of the one before, ..."""


class _Padding(Module):
    """What the padding layers share."""

    dims: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Padding):
        super().__init__()
        self.padding = _as_sides(padding, 2 * self.dims, type(self).__name__)

    def forward(self, input: Tensor) -> Tensor:
        x = as_tensor(input)
        if x.ndim not in (self.dims + 1, self.dims + 2):
            positions = ", ".join(POSITION_NAMES[self.dims])
            raise ShapeError(
                complaint(
                    f"{self.label}: needs an input (n, channels, {positions}) or (channels, "
                    f"{positions}), got {x.shape}."
                )
            )
        value = self.value if self.mode == "constant" else None
        return functional.pad(x, self.padding, self.mode, value, name=self.label)

    def extra_repr(self) -> str:
        return f"{self.padding}"


def _as_sides(padding: Any, count: int, layer: str) -> tuple[int, ...]:
    listed = [padding] * count if isinstance(padding, int | np.integer) else list(padding)
    if len(listed) != count:
        raise ArgumentError(
            f"{layer}: padding must be one or {count} whole numbers, got {padding!r}."
        )
    return tuple(int(each) for each in listed)


class _ConstantPadding(_Padding):
    """What the layers that pad with a number of the user's share."""

    def __init__(self, padding: Padding, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadding):
    """Puts one number around the positions of its input.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        padding: how many on each side: one number, or
            (before, behind); negative numbers cut off.
        value: the number.
    """

    dims = 1


class ConstantPad2d(_ConstantPadding):
    """Puts one number around the positions of its input.

    Shapes: input (n, channels, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom); negative numbers cut off.
        value: the number.
    """

    dims = 2


class ConstantPad3d(_ConstantPadding):
    """Puts one number around the positions of its input.

    Shapes: input (n, channels, depth, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom, front, back); negative numbers cut off.
        value: the number.
    """

    dims = 3


class ZeroPad1d(_Padding):
    """Puts zeros around the positions of its input.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        padding: how many on each side: one number, or
            (before, behind); negative numbers cut off.
    """

    dims = 1


class ZeroPad2d(_Padding):
    """Puts zeros around the positions of its input.

    Shapes: input (n, channels, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom); negative numbers cut off.
    """

    dims = 2


class ZeroPad3d(_Padding):
    """Puts zeros around the positions of its input.

    Shapes: input (n, channels, depth, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom, front, back); negative numbers cut off.
    """

    dims = 3


class ReflectionPad1d(_Padding):
    """Puts the input's mirror image around it, without repeating its border.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        padding: how many on each side: one number, or
            (before, behind); negative numbers cut off.
    """

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Padding):
    """Puts the input's mirror image around it, without repeating its border.

    Shapes: input (n, channels, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom); negative numbers cut off.
    """

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Padding):
    """Puts the input's mirror image around it, without repeating its border.

    Shapes: input (n, channels, depth, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom, front, back); negative numbers cut off.
    """

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Padding):
    """Puts the border of the input around it, repeated.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        padding: how many on each side: one number, or
            (before, behind); negative numbers cut off.
    """

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Padding):
    """Puts the border of the input around it, repeated.

    Shapes: input (n, channels, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom); negative numbers cut off.
    """

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Padding):
    """Puts the border of the input around it, repeated.

    Shapes: input (n, channels, depth, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom, front, back); negative numbers cut off.
    """

    dims = 3
    mode = "replicate"


class CircularPad1d(_Padding):
    """Puts the input's other end before and behind it.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        padding: how many on each side: one number, or
            (before, behind); negative numbers cut off.
    """

    dims = 1
    mode = "circular"


class CircularPad2d(_Padding):
    """Puts the input's other end before and behind it.

    Shapes: input (n, channels, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom); negative numbers cut off.
    """

    dims = 2
    mode = "circular"


class CircularPad3d(_Padding):
    """Puts the input's other end before and behind it.

    Shapes: input (n, channels, depth, height, width) or without n.

    Args:
        padding: how many on each side: one number, or
            (left, right, top, bottom, front, back); negative numbers cut off.
    """

    dims = 3
    mode = "circular"
