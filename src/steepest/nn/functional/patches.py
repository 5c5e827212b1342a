"""Windows of an image as columns of numbers, and the sum of columns back into an image."""

from __future__ import annotations

import math

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ShapeError
from steepest.nn.checks import complaint
from steepest.nn.spatial import (
    Sizes,
    as_sizes,
    batched,
    pad_positions,
    require_window_fits,
    unbatched,
    windows_of_positions,
)
from steepest.ops import movement
from steepest.ops import windows as window_operations
from steepest.ops.windows import window_positions


def unfold(
    input: Tensor,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
    *,
    name: str = "unfold",
) -> Tensor:
    """Every window of an image as a column.

    Args:
        input: (n, channels, height, width), or without n.
        kernel_size: how high and wide a window is.
        dilation: how far apart the numbers of a window are.
        padding: how many zeros stand around the image.
        stride: how far apart windows begin.
        name: how error messages call the operation.

    Returns:
        (n, channels * kernel_height * kernel_width, windows).
    """
    x, had_batch = batched(input, 2, name)
    sizes = as_sizes(kernel_size, 2, name, "kernel_size")
    steps = as_sizes(stride, 2, name, "stride")
    dilations = as_sizes(dilation, 2, name, "dilation")
    around = as_sizes(padding, 2, name, "padding", 0)
    padded = [length + 2 * low for length, low in zip(x.shape[2:], around, strict=True)]
    require_window_fits(x.shape, padded, sizes, dilations, name)
    seen = windows_of_positions(pad_positions(x, around, around), sizes, steps, dilations)
    columns = st.permute_dims(seen, (0, 1, 4, 5, 2, 3))
    shape = (x.shape[0], x.shape[1] * math.prod(sizes), math.prod(seen.shape[2:4]))
    return unbatched(st.reshape(columns, shape), had_batch)


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
    *,
    name: str = "fold",
) -> Tensor:
    """Add columns up as windows of an image: the adjoint of `unfold`.

    Args:
        input: (n, channels * kernel_height * kernel_width, windows), or without n.
        output_size: the height and width of the image.
        kernel_size, dilation, padding, stride: as for `unfold`.
        name: how error messages call the operation.

    Returns:
        (n, channels, height, width).

    Raises:
        ShapeError: columns that do not hold whole windows, or another count of them than fits.
    """
    x, had_batch = batched(input, 1, name, "channels * kernel_height * kernel_width")
    lengths = as_sizes(output_size, 2, name, "output_size")
    sizes = as_sizes(kernel_size, 2, name, "kernel_size")
    steps = as_sizes(stride, 2, name, "stride")
    dilations = as_sizes(dilation, 2, name, "dilation")
    around = as_sizes(padding, 2, name, "padding", 0)
    padded = tuple(length + 2 * low for length, low in zip(lengths, around, strict=True))
    counts = tuple(map(window_positions, padded, sizes, steps, dilations))
    if min(counts) < 1 or x.shape[1] % math.prod(sizes) or x.shape[2] != math.prod(counts):
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must be (n, channels * {sizes[0]} * {sizes[1]}, "
                f"{max(counts[0], 0)} * {max(counts[1], 0)}) for an output of {lengths}."
            )
        )
    n, channels = x.shape[0], x.shape[1] // math.prod(sizes)
    seen = st.permute_dims(st.reshape(x, (n, channels, *sizes, *counts)), (0, 1, 4, 5, 2, 3))
    whole = window_operations.fold(
        seen, axes=(2, 3), lengths=padded, steps=steps, dilations=dilations
    )
    if any(around):
        start = (0, 0, *around)
        stop = (n, channels, *(low + size for low, size in zip(around, lengths, strict=True)))
        whole = movement.slice_(whole, start=start, stop=stop, step=(1,) * 4)
    return unbatched(whole, had_batch)
