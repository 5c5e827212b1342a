"""Convolution in one, two and three dimensions.

A convolution is one contraction of all windows of the padded input with the weight. Groups are a
letter that both operands and the result have. An axis along which the kernel has one number needs
no windows: it is a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import as_tensor, complaint, require_same_dtype
from steepest.nn.spatial import (
    LAYOUTS,
    Sizes,
    as_sizes,
    batched,
    pad_positions,
    require_window_fits,
    unbatched,
)
from steepest.ops import movement
from steepest.ops.contraction import contract
from steepest.ops.windows import window_span, windows

Padding = Sizes | str


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    *,
    name: str = "conv1d",
) -> Tensor:
    """Sum, at each position, the numbers of a window times the weight, over all input channels.

    output[n, o, p] = bias[o] + sum over c and k of
        weight[o, c, k] * padded[n, c, stride * p + dilation * k]

    Args:
        input: (n, in_channels, length), or without n.
        weight: (out_channels, in_channels / groups, kernel).
        bias: (out_channels,), or `None`.
        stride: how far apart windows begin.
        padding: how many zeros stand before and behind the input; `"valid"` is none; `"same"`
            gives as many outputs as inputs, and needs stride 1.
        dilation: how far apart the numbers of a window are.
        groups: how many parts the channels are cut into; each output channel sees the input
            channels of its own part.
        name: how error messages call the operation.

    Returns:
        (n, out_channels, out_length), where `out_length` is
        (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1.

    Raises:
        ShapeError: operands that do not fit together, or an input smaller than the kernel.
        ArgumentError: options that make no sense.
        DTypeError: the input and the weight differ in data type.
    """
    return convolution(1, input, weight, bias, stride, padding, dilation, groups, name)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    *,
    name: str = "conv2d",
) -> Tensor:
    """Convolve images: as `conv1d`, with input (n, in_channels, height, width).

    The weight is (out_channels, in_channels / groups, kernel_height, kernel_width). Options are one
    number, or one for each of height and width.
    """
    return convolution(2, input, weight, bias, stride, padding, dilation, groups, name)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    *,
    name: str = "conv3d",
) -> Tensor:
    """Convolve volumes: as `conv1d`, with input (n, in_channels, depth, height, width).

    The weight is (out_channels, in_channels / groups, kernel_depth, kernel_height, kernel_width).
    Options are one number, or one for each of depth, height and width.
    """
    return convolution(3, input, weight, bias, stride, padding, dilation, groups, name)


def convolution(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    groups: int,
    name: str,
) -> Tensor:
    """The convolution of `conv1d` and its kin, over `dims` axes of positions."""
    weight = as_tensor(weight)
    check_weight(weight, dims, groups, "out_channels, in_channels / groups", name)
    x, had_batch = batched(input, dims, name, "in_channels")
    require_same_dtype(x, weight, name)
    _check_channels(x.shape, weight.shape, groups, name)
    check_bias(bias, weight.shape[0], name)
    if weight.shape[0] % groups:
        raise ArgumentError(
            complaint(
                f"{name}: weight {weight.shape} has {weight.shape[0]} output channels, which "
                f"cannot be divided into {groups} groups."
            )
        )
    sizes = weight.shape[2:]
    steps = as_sizes(stride, dims, name, "stride")
    dilations = as_sizes(dilation, dims, name, "dilation")
    low, high = padding_of(padding, sizes, steps, dilations, name)
    padded = [sum(each) for each in zip(low, x.shape[2:], high, strict=True)]
    require_window_fits(x.shape, padded, sizes, dilations, name)
    seen = _seen(pad_positions(grouped(x, groups), low, high), sizes, steps, dilations)
    output = _weighted_sum(seen, weight, groups)
    return unbatched(with_bias(output, bias), had_batch)


def padding_of(
    padding: Padding,
    sizes: Sequence[int],
    steps: Sequence[int],
    dilations: Sequence[int],
    name: str,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How many numbers are put before and behind each axis.

    Raises:
        ArgumentError: an unknown word, or `"same"` with a stride.
    """
    if padding == "valid":
        return (0,) * len(sizes), (0,) * len(sizes)
    if not isinstance(padding, str):
        low = as_sizes(padding, len(sizes), name, "padding", 0)
        return low, low
    if padding != "same":
        raise ArgumentError(
            complaint(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}.")
        )
    if any(step != 1 for step in steps):
        raise ArgumentError(
            complaint(
                f"{name}: padding 'same' gives as many outputs as inputs, so it needs stride 1, "
                f"got {tuple(steps)}. Give the padding in numbers."
            )
        )
    totals = [
        window_span(size, dilation) - 1 for size, dilation in zip(sizes, dilations, strict=True)
    ]
    low = tuple(total // 2 for total in totals)
    return low, tuple(total - before for total, before in zip(totals, low, strict=True))


def _seen(
    x: Tensor, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    """What each output sees: positions, then window axes where the kernel has several numbers."""
    axes = range(x.ndim - len(sizes), x.ndim)
    options = list(zip(axes, sizes, steps, dilations, strict=True))
    sparse = {axis: step for axis, size, step, _ in options if size == 1 and step > 1}
    if sparse:
        step = tuple(sparse.get(axis, 1) for axis in range(x.ndim))
        x = movement.slice_(x, start=(0,) * x.ndim, stop=x.shape, step=step)
    wide = [option for option in options if option[1] > 1]
    if not wide:
        return x
    wide_axes, wide_sizes, wide_steps, wide_dilations = zip(*wide, strict=True)
    return windows(x, axes=wide_axes, sizes=wide_sizes, steps=wide_steps, dilations=wide_dilations)


def letters_of(sizes: Sequence[int]) -> tuple[str, str]:
    """The letters of positions, and of the kernel's axes that have several numbers."""
    offsets = "".join(letter for letter, size in zip("uvw", sizes, strict=False) if size > 1)
    return "xyz"[: len(sizes)], offsets


def grouped(x: Tensor, groups: int) -> Tensor:
    """(n, groups, channels of one, ...); without that axis where a group has one channel."""
    n, channels, *rest = x.shape
    if groups in (1, channels):
        return x
    return st.reshape(x, (n, groups, channels // groups, *rest))


def _weighted_sum(seen: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Contract what the outputs see with the weight, each group for itself."""
    outputs, inputs = weight.shape[:2]
    positions, offsets = letters_of(weight.shape[2:])
    kernel = tuple(size for size in weight.shape[2:] if size > 1)
    if groups == 1:
        flat = reshaped(weight, (outputs, inputs, *kernel))
        spec = f"nc{positions}{offsets},oc{offsets}->no{positions}"
        return contract(seen, flat, spec=spec)
    own = outputs // groups
    input_letter, input_size = ("c", (inputs,)) if inputs > 1 else ("", ())
    output_letter, output_size = ("o", (own,)) if own > 1 else ("", ())
    flat = reshaped(weight, (groups, *output_size, *input_size, *kernel))
    spec = (
        f"ng{input_letter}{positions}{offsets},g{output_letter}{input_letter}{offsets}"
        f"->ng{output_letter}{positions}"
    )
    result = contract(seen, flat, spec=spec)
    return reshaped(result, (seen.shape[0], outputs, *result.shape[-len(positions) :]))


def reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Reshape unless the shape is this already."""
    return x if x.shape == shape else st.reshape(x, shape)


def with_bias(output: Tensor, bias: Any) -> Tensor:
    """Add one number to each channel."""
    if bias is None:
        return output
    bias = as_tensor(bias)
    return output + st.reshape(bias, (bias.size,) + (1,) * (output.ndim - 2))


def check_weight(weight: Tensor, dims: int, groups: int, roles: str, name: str) -> None:
    """Refuse a weight of another rank or an impossible number of groups."""
    if weight.ndim != dims + 2:
        raise ShapeError(
            complaint(
                f"{name}: needs a weight ({roles}, *kernel) with {dims + 2} axes, got "
                f"{weight.shape}."
            )
        )
    if not isinstance(groups, int) or groups < 1:
        raise ArgumentError(
            complaint(f"{name}: groups must be a whole number of at least 1, got {groups!r}.")
        )


def _check_channels(
    shape: tuple[int, ...], weight: tuple[int, ...], groups: int, name: str
) -> None:
    """Refuse an input of another number of channels, with what may have been meant."""
    wanted = weight[1] * groups
    if shape[1] == wanted:
        return
    if shape[-1] == wanted:
        order = LAYOUTS[len(shape) - 2]
        advice = f"Channels are axis 1: if they are last, use st.permute_dims(input, {order})."
    else:
        advice = f"Did you mean in_channels={shape[1]}?"
    parts = f" in {groups} groups" if groups > 1 else ""
    raise ShapeError(
        complaint(
            f"{name}: input {shape} has {shape[1]} channels (axis 1), but this layer takes "
            f"{wanted}{parts} (weight {weight}). {advice}"
        )
    )


def check_bias(bias: Any, channels: int, name: str) -> None:
    """Refuse a bias that is not one number for each output channel."""
    if bias is not None and as_tensor(bias).shape != (channels,):
        raise ShapeError(
            complaint(
                f"{name}: bias {as_tensor(bias).shape} must be ({channels},), one for each output "
                f"channel."
            )
        )
