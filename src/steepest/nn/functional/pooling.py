"""Pooling: one number for each window, or for each part of the input, channel by channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.nn.checks import complaint
from steepest.nn.spatial import (
    Sizes,
    as_sizes,
    batched,
    require_window_fits,
    unbatched,
    windows_of_positions,
)
from steepest.ops.windows import fold, window_span


def _pooled_size(
    length: int, size: int, step: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    """How many windows there are; with `ceil_mode` the last one may reach beyond the padding.

    No window begins behind the input.
    """
    room = length + 2 * padding - window_span(size, dilation)
    count = (room + (step - 1 if ceil_mode else 0)) // step + 1
    if ceil_mode and (count - 1) * step >= length + padding:
        count -= 1
    return count


class _Plan:
    """Where the windows of a pooling lie.

    Attributes:
        sizes, steps, padding, dilations: the options, one number for each spatial axis.
        lengths: the lengths of the input's spatial axes.
        counts: how many windows there are along each axis.
        behind: how many numbers are put behind each axis.
    """

    def __init__(
        self,
        x: Tensor,
        options: tuple[Sizes, Sizes | None, Sizes, Sizes],
        ceil_mode: bool,
        name: str,
    ):
        dims = x.ndim - 2
        self.sizes = as_sizes(options[0], dims, name, "kernel_size")
        # PyTorch reads an empty stride as none, too.
        stride = self.sizes if options[1] is None or options[1] == () else options[1]
        self.steps = as_sizes(stride, dims, name, "stride")
        self.padding = as_sizes(options[2], dims, name, "padding", 0)
        self.dilations = as_sizes(options[3], dims, name, "dilation")
        self.lengths = x.shape[2:]
        spans = tuple(map(window_span, self.sizes, self.dilations))
        if any(low > span // 2 for low, span in zip(self.padding, spans, strict=True)):
            raise ArgumentError(
                complaint(
                    f"{name}: padding {self.padding} must be at most half of the kernel, which "
                    f"reaches over {spans}."
                )
            )
        padded = [length + 2 * low for length, low in zip(self.lengths, self.padding, strict=True)]
        require_window_fits(x.shape, padded, self.sizes, self.dilations, name)
        options_by_axis = zip(
            self.lengths, self.sizes, self.steps, self.padding, self.dilations, strict=True
        )
        self.counts = tuple(_pooled_size(*each, ceil_mode) for each in options_by_axis)
        needed = [
            (count - 1) * step + span
            for count, step, span in zip(self.counts, self.steps, spans, strict=True)
        ]
        self.behind = tuple(
            max(reach - length - low, 0)
            for reach, length, low in zip(needed, self.lengths, self.padding, strict=True)
        )

    def padded(self, x: Tensor, value: float) -> Tensor:
        """The input with its padding."""
        if not any(self.padding) and not any(self.behind):
            return x
        sides = [(0, 0), (0, 0), *zip(self.padding, self.behind, strict=True)]
        return st.pad(x, sides, value=value)

    def windows(self, x: Tensor) -> Tensor:
        """(n, channels, *counts, *sizes)."""
        return windows_of_positions(x, self.sizes, self.steps, self.dilations)


def _window_axes(x: Tensor, dims: int) -> tuple[int, ...]:
    return tuple(range(x.ndim, x.ndim + dims))


def _least(x: Tensor) -> float:
    """The number that is below all others of a data type."""
    return -math.inf if x.dtype.is_floating else int(st.iinfo(x.dtype).min)


def _largest_of_windows(x: Tensor, plan: _Plan) -> Tensor:
    """The largest number of each window; the gradient goes to the first such number of each.

    First is meant in the order of memory, which is PyTorch's rule.
    """
    dims = len(plan.sizes)
    axes = tuple(range(2, x.ndim))

    def to_the_first(output_grad: Tensor, output: Tensor, padded: Tensor) -> Tensor:
        per_window = (*output.shape, *(1,) * dims)
        seen = plan.windows(padded)
        count = math.prod(plan.sizes)
        offsets = st.reshape(st.arange(count, dtype=st.int32), plan.sizes)
        is_largest = seen == st.reshape(output, per_window)
        first = st.min(st.where(is_largest, offsets, count), axis=_window_axes(x, dims))
        is_chosen = offsets == st.reshape(first, per_window)
        shares = st.where(is_chosen, st.reshape(output_grad, per_window), 0.0)
        lengths = padded.shape[2:]
        return fold(shares, axes=axes, lengths=lengths, steps=plan.steps, dilations=plan.dilations)

    @st.custom_gradient(gradient=to_the_first)
    def largest(padded: Tensor) -> Tensor:
        return st.max(plan.windows(padded), axis=_window_axes(x, dims))

    return largest(x)


def _places_of_largest(padded: Tensor, plan: _Plan) -> Tensor:
    """Where each largest number stands in the input's spatial axes taken as one (int64)."""
    seen = plan.windows(padded)
    dims = len(plan.sizes)
    flat = st.reshape(seen, (*seen.shape[:-dims], math.prod(plan.sizes)))
    offset = st.argmax(flat, axis=-1)
    place = st.zeros_like(offset)
    rest = offset
    steps = [math.prod(plan.sizes[axis + 1 :]) for axis in range(dims)]
    for axis in range(dims):
        own, rest = rest // steps[axis], rest % steps[axis]
        shape = tuple(plan.counts[axis] if each == axis else 1 for each in range(dims))
        begin = np.arange(plan.counts[axis]) * plan.steps[axis] - plan.padding[axis]
        at = st.asarray(begin.reshape(shape)) + own * plan.dilations[axis]
        # A window of nothing but -inf may name a number of the padding.
        at = st.clip(at, 0, plan.lengths[axis] - 1)
        place = place * plan.lengths[axis] + at
    return place


def _max_pool(
    dims: int,
    input: Any,
    options: tuple[Sizes, Sizes | None, Sizes, Sizes],
    ceil_mode: bool,
    return_indices: bool,
    name: str,
) -> Any:
    x, had_batch = batched(input, dims, name)
    plan = _Plan(x, options, ceil_mode, name)
    padded = plan.padded(x, _least(x))
    output = unbatched(_largest_of_windows(padded, plan), had_batch)
    if not return_indices:
        return output
    return output, unbatched(_places_of_largest(padded.detach(), plan), had_batch)


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    name: str = "max_pool1d",
) -> Any:
    """The largest number of each window, channel by channel.

    Args:
        input: (n, channels, length), or without n.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        padding: how many numbers, smaller than all others, stand before and behind the input; at
            most half of the kernel.
        dilation: how far apart the numbers of a window are.
        ceil_mode: whether there is a last window that reaches beyond the padding.
        return_indices: whether to return where the numbers stood, too.
        name: how error messages call the operation.

    Returns:
        (n, channels, out_length); with `return_indices` also the positions in the input (int64).
        Of equal numbers the first one counts, and gets the gradient.

    Raises:
        ShapeError: an input of another rank, or smaller than the kernel.
        ArgumentError: options that make no sense.
    """
    options = (kernel_size, stride, padding, dilation)
    return _max_pool(1, input, options, ceil_mode, return_indices, name)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    name: str = "max_pool2d",
) -> Any:
    """As `max_pool1d`, with input (n, channels, height, width).

    Positions count through the image row by row.
    """
    options = (kernel_size, stride, padding, dilation)
    return _max_pool(2, input, options, ceil_mode, return_indices, name)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    name: str = "max_pool3d",
) -> Any:
    """As `max_pool1d`, with input (n, channels, depth, height, width)."""
    options = (kernel_size, stride, padding, dilation)
    return _max_pool(3, input, options, ceil_mode, return_indices, name)


def averages(
    dims: int,
    input: Any,
    options: tuple[Sizes, Sizes | None, Sizes],
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    name: str,
) -> Tensor:
    """The work of `avg_pool1d` and its kin, over `dims` axes of positions.

    Args:
        options: kernel size, stride and padding.
    """
    x, had_batch = batched(input, dims, name)
    if divisor_override == 0:
        raise ArgumentError(complaint(f"{name}: divisor_override must not be 0."))
    plan = _Plan(x, (*options, 1), ceil_mode, name)
    total = st.sum(plan.windows(plan.padded(x, 0.0)), axis=_window_axes(x, dims))
    if divisor_override is not None:
        return unbatched(total / divisor_override, had_batch)
    divisors = _divisors(plan, count_include_pad)
    if np.all(divisors == divisors.reshape(-1)[0]):
        return unbatched(total / int(divisors.reshape(-1)[0]), had_batch)
    return unbatched(total / st.asarray(divisors, dtype=x.dtype), had_batch)


def _divisors(plan: _Plan, count_include_pad: bool) -> np.ndarray:
    """How many numbers of each window count: (*counts)."""
    divisors = np.ones((1,) * len(plan.sizes))
    for axis, count in enumerate(plan.counts):
        begin = np.arange(count) * plan.steps[axis] - plan.padding[axis]
        outside = plan.padding[axis] if count_include_pad else 0
        end = np.minimum(begin + plan.sizes[axis], plan.lengths[axis] + outside)
        own = end - np.maximum(begin, -outside)
        shape = tuple(count if each == axis else 1 for each in range(len(plan.sizes)))
        divisors = divisors * own.reshape(shape)
    return divisors


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    name: str = "avg_pool1d",
) -> Tensor:
    """The mean of each window, channel by channel.

    Args:
        input: (n, channels, length), or without n.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        padding: how many zeros stand before and behind the input; at most half of the kernel.
        ceil_mode: whether there is a last window that reaches beyond the padding.
        count_include_pad: whether the zeros of the padding count in the mean.
        name: how error messages call the operation.

    Returns:
        (n, channels, out_length).

    Raises:
        ShapeError: an input of another rank, or smaller than the kernel.
        ArgumentError: options that make no sense.
    """
    options = (kernel_size, stride, padding)
    return averages(1, input, options, ceil_mode, count_include_pad, None, name)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    name: str = "avg_pool2d",
) -> Tensor:
    """As `avg_pool1d`, with input (n, channels, height, width).

    `divisor_override`, if given, divides each window's sum instead of the count.
    """
    options = (kernel_size, stride, padding)
    return averages(2, input, options, ceil_mode, count_include_pad, divisor_override, name)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    name: str = "avg_pool3d",
) -> Tensor:
    """As `avg_pool2d`, with input (n, channels, depth, height, width)."""
    options = (kernel_size, stride, padding)
    return averages(3, input, options, ceil_mode, count_include_pad, divisor_override, name)
