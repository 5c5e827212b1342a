"""Transposed convolution in one, two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import as_tensor, complaint, require_same_dtype
from steepest.nn.functional.convolution import (
    check_bias,
    check_weight,
    grouped,
    letters_of,
    reshaped,
    with_bias,
)
from steepest.nn.spatial import Sizes, as_sizes, batched, pad_positions, unbatched
from steepest.ops import movement
from steepest.ops.contraction import contract
from steepest.ops.windows import fold, window_span


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    *,
    name: str = "conv_transpose1d",
) -> Tensor:
    """Spread each input over a window of outputs: the gradient of `conv1d` by its input.

    output[n, o, stride * p + dilation * k - padding] is bias[o] plus the sum of
        input[n, c, p] * weight[c, o, k]

    Args:
        input: (n, in_channels, length), or without n.
        weight: (in_channels, out_channels / groups, kernel).
        bias: (out_channels,), or `None`.
        stride: how far apart windows begin in the output.
        padding: how many numbers are cut off at both ends of the output.
        output_padding: how many numbers are added at the far end of the output; below the stride
            or the dilation.
        groups: how many parts the channels are cut into.
        dilation: how far apart the numbers of a window are.
        name: how error messages call the operation.

    Returns:
        (n, out_channels, out_length), where `out_length` is
        (length - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.

    Raises:
        ShapeError: operands that do not fit together, or an empty output.
        ArgumentError: options that make no sense.
        DTypeError: the input and the weight differ in data type.
    """
    options = (stride, padding, output_padding, dilation)
    return transposed_convolution(1, input, weight, bias, options, groups, name)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    *,
    name: str = "conv_transpose2d",
) -> Tensor:
    """As `conv_transpose1d`, with input (n, in_channels, height, width).

    The weight is (in_channels, out_channels / groups, kernel_height, kernel_width). Options are one
    number, or one for each of height and width.
    """
    options = (stride, padding, output_padding, dilation)
    return transposed_convolution(2, input, weight, bias, options, groups, name)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
    *,
    name: str = "conv_transpose3d",
) -> Tensor:
    """As `conv_transpose1d`, with input (n, in_channels, depth, height, width).

    The weight is (in_channels, out_channels / groups, kernel_depth, kernel_height, kernel_width).
    Options are one number, or one for each of depth, height and width.
    """
    options = (stride, padding, output_padding, dilation)
    return transposed_convolution(3, input, weight, bias, options, groups, name)


def transposed_convolution(
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    options: tuple[Sizes, Sizes, Sizes, Sizes],
    groups: int,
    name: str,
) -> Tensor:
    """The work of `conv_transpose1d` and its kin, over `dims` axes of positions.

    It is written as the fold of a contraction, which multiplies no zeros. Where it is compiled,
    `passes.convolution` turns that into a dense contraction.

    Args:
        options: stride, padding, output padding and dilation.
    """
    weight = as_tensor(weight)
    check_weight(weight, dims, groups, "in_channels, out_channels / groups", name)
    x, had_batch = batched(input, dims, name, "in_channels")
    require_same_dtype(x, weight, name)
    if x.shape[1] != weight.shape[0] or x.shape[1] % groups:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} has {x.shape[1]} channels (axis 1), but this layer takes "
                f"{weight.shape[0]} in {groups} groups (weight {weight.shape})."
            )
        )
    check_bias(bias, weight.shape[1] * groups, name)
    steps = as_sizes(options[0], dims, name, "stride")
    padding = as_sizes(options[1], dims, name, "padding", 0)
    extra = as_sizes(options[2], dims, name, "output_padding", 0)
    dilations = as_sizes(options[3], dims, name, "dilation")
    if any(more >= max(pair) for more, *pair in zip(extra, steps, dilations, strict=True)):
        raise ArgumentError(
            complaint(
                f"{name}: output_padding {extra} must be below the stride {steps} or the dilation "
                f"{dilations}."
            )
        )
    if groups == 1 and set(x.shape[2:]) == set(dilations) == {1}:
        whole = _one_window(x, weight)
    else:
        whole = _folded(_spread(x, weight, groups), weight.shape[2:], steps, dilations)
    output = _cut(whole, padding, extra, x.shape, name)
    return unbatched(with_bias(output, bias), had_batch)


def _one_window(x: Tensor, weight: Tensor) -> Tensor:
    """What inputs of one position give: a dense layer, of which nothing overlaps."""
    inputs, *window = weight.shape
    flat = reshaped(weight, (inputs, math.prod(window)))
    return reshaped(contract(reshaped(x, x.shape[:2]), flat, spec="nc,cm->nm"), (len(x), *window))


def _spread(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """What each input gives to each output of its window: (n, out_channels, *positions, *window)"""
    inputs, own = weight.shape[:2]
    positions, offsets = letters_of(weight.shape[2:])
    kernel = tuple(size for size in weight.shape[2:] if size > 1)
    if groups == 1:
        spec = f"nc{positions},co{offsets}->no{positions}{offsets}"
        return contract(x, reshaped(weight, (inputs, own, *kernel)), spec=spec)
    each = inputs // groups
    input_letter, input_size = ("c", (each,)) if each > 1 else ("", ())
    output_letter, output_size = ("o", (own,)) if own > 1 else ("", ())
    x = grouped(x, groups)
    flat = reshaped(weight, (groups, *input_size, *output_size, *kernel))
    spec = (
        f"ng{input_letter}{positions},g{input_letter}{output_letter}{offsets}"
        f"->ng{output_letter}{positions}{offsets}"
    )
    return contract(x, flat, spec=spec)


def _folded(
    spread: Tensor, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    """Add up what the inputs give: (n, [groups,] channels, *lengths)."""
    count = sum(size > 1 for size in sizes)
    first = spread.ndim - count - len(sizes)
    options = list(zip(range(first, first + len(sizes)), sizes, steps, dilations, strict=True))
    sparse = {axis: step - 1 for axis, size, step, _ in options if size == 1 and step > 1}
    if sparse:
        nothing = (0,) * spread.ndim
        interior = tuple(sparse.get(axis, 0) for axis in range(spread.ndim))
        spread = movement.pad(spread, low=nothing, high=nothing, interior=interior)
    wide = [option for option in options if option[1] > 1]
    if not wide:
        return spread
    axes, wide_sizes, wide_steps, wide_dilations = zip(*wide, strict=True)
    lengths = tuple(
        (spread.shape[axis] - 1) * step + window_span(size, dilation)
        for axis, size, step, dilation in zip(
            axes, wide_sizes, wide_steps, wide_dilations, strict=True
        )
    )
    return fold(spread, axes=axes, lengths=lengths, steps=wide_steps, dilations=wide_dilations)


def _cut(
    whole: Tensor,
    padding: Sequence[int],
    extra: Sequence[int],
    input_shape: tuple[int, ...],
    name: str,
) -> Tensor:
    """Cut the padding off both ends, and add `extra` at the far end; join the groups."""
    dims = len(padding)
    lengths = whole.shape[-dims:]
    wanted = [
        length - 2 * cut + more for length, cut, more in zip(lengths, padding, extra, strict=True)
    ]
    if min(wanted) < 1:
        raise ShapeError(
            complaint(
                f"{name}: input {input_shape} would give an output of {tuple(wanted)} positions. "
                f"Use less padding, or larger inputs."
            )
        )
    ends = [
        min(length, cut + size) for length, cut, size in zip(lengths, padding, wanted, strict=True)
    ]
    lead = whole.shape[:-dims]
    start = (0,) * len(lead) + tuple(min(pair) for pair in zip(padding, ends, strict=True))
    stop = (*lead, *ends)
    if (start, stop) != ((0,) * whole.ndim, whole.shape):
        whole = movement.slice_(whole, start=start, stop=stop, step=(1,) * whole.ndim)
    missing = [size - have for size, have in zip(wanted, whole.shape[-dims:], strict=True)]
    whole = pad_positions(whole, (0,) * dims, missing)
    return reshaped(whole, (lead[0], math.prod(lead[1:]), *wanted))
