"""What convolution, pooling, padding and resampling share: inputs with channels and positions.

Inputs are (n, channels, *positions), or (channels, *positions) without a batch, where the positions
are (length,), (height, width) or (depth, height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import as_tensor, check_positive_int, complaint
from steepest.ops import movement
from steepest.ops.contraction import contract
from steepest.ops.windows import window_span, windows

Sizes = int | Sequence[int]
"""A number for each spatial axis, or one number for all of them."""

POSITION_NAMES: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}
"""What the spatial axes are called in messages, by their number."""

LAYOUTS = {1: "(0, 2, 1)", 2: "(0, 3, 1, 2)", 3: "(0, 4, 1, 2, 3)"}
"""The order that brings channels from the last axis to axis 1, by the number of spatial axes."""


def as_sizes(value: Any, dims: int, name: str, role: str, lowest: int = 1) -> tuple[int, ...]:
    """Return one whole number for each spatial axis.

    Args:
        value: one number for all of them, or a sequence of `dims` numbers (or of one).

    Raises:
        ArgumentError: another count of numbers, or one that is too small.
    """
    if isinstance(value, int | np.integer):
        return (check_positive_int(value, name, role, lowest),) * dims
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(numbers) not in (1, dims):
        count = "one whole number" if dims == 1 else f"one or {dims} whole numbers"
        raise ArgumentError(complaint(f"{name}: {role} must be {count}, got {value!r}."))
    checked = tuple(check_positive_int(each, name, role, lowest) for each in numbers)
    return checked * dims if len(checked) == 1 else checked


def batched(input: Any, dims: int, name: str, channels: str = "channels") -> tuple[Tensor, bool]:
    """Return the input with a batch axis, and whether it had one.

    Raises:
        ShapeError: an input of another rank.
    """
    x = as_tensor(input)
    if x.ndim == dims + 2:
        return x, True
    if x.ndim == dims + 1:
        return st.expand_dims(x, axis=0), False
    positions = ", ".join(POSITION_NAMES[dims])
    raise ShapeError(
        complaint(
            f"{name}: needs an input (n, {channels}, {positions}) or ({channels}, {positions}), "
            f"got {x.shape}."
        )
    )


def unbatched(output: Tensor, had_batch: bool) -> Tensor:
    """Take away the batch axis that `batched` added."""
    return output if had_batch else st.reshape(output, output.shape[1:])


def pad_positions(x: Tensor, low: Sequence[int], high: Sequence[int]) -> Tensor:
    """Put zeros around the last axes."""
    if not any(low) and not any(high):
        return x
    lead = (0,) * (x.ndim - len(low))
    static = {"low": (*lead, *low), "high": (*lead, *high), "interior": (0,) * x.ndim}
    return movement.pad(x, **static)


def windows_of_positions(
    x: Tensor, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    """All windows along the last axes: (..., *positions, *sizes)."""
    axes = tuple(range(x.ndim - len(sizes), x.ndim))
    return windows(x, axes=axes, sizes=tuple(sizes), steps=tuple(steps), dilations=tuple(dilations))


def require_window_fits(
    shape: tuple[int, ...],
    padded: Sequence[int],
    sizes: Sequence[int],
    dilations: Sequence[int],
    name: str,
) -> None:
    """Refuse an input that is smaller than one window.

    Args:
        shape: the input's shape, for the message.
        padded: the lengths of its spatial axes with padding.

    Raises:
        ShapeError: a window does not fit.
    """
    spans = tuple(map(window_span, sizes, dilations))
    if all(length >= span for length, span in zip(padded, spans, strict=True)):
        return
    padding = "" if tuple(padded) == shape[-len(padded) :] else f" (with padding {tuple(padded)})"
    raise ShapeError(
        complaint(
            f"{name}: input {shape} has positions {shape[-len(padded) :]}{padding}, but the kernel "
            f"reaches over {spans}. Use a smaller kernel, more padding, or larger inputs."
        )
    )


def mixed_along(x: Tensor, axis: int, shares: np.ndarray) -> Tensor:
    """Weighted sums along one axis: each row of `shares` gives one number of the result."""
    letters = "abcdefgh"[: x.ndim]
    result = letters.replace(letters[axis], "z")
    matrix = st.asarray(shares, dtype=x.dtype)
    return contract(x, matrix, spec=f"{letters},z{letters[axis]}->{result}")
