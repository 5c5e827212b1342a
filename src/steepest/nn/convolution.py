"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError, did_you_mean
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int, complaint
from steepest.nn.functional.convolution import Padding, convolution, padding_of
from steepest.nn.functional.transposed_convolution import transposed_convolution
from steepest.nn.module import Module
from steepest.nn.parameter import Parameter
from steepest.nn.spatial import Sizes, as_sizes
from steepest.ops.windows import window_span

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What all convolutional layers share."""

    dims: ClassVar[int]
    is_transposed: ClassVar[bool] = False
    bias: Parameter | None

    def _set_up(
        self,
        channels: tuple[int, int],
        options: tuple[Sizes, Sizes, Padding, Sizes],
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: Any,
    ) -> None:
        """Check and keep the options, and make the parameters.

        Args:
            channels: of input and output.
            options: kernel size, stride, padding and dilation.
        """
        own, dims = type(self).__name__, self.dims
        self.in_channels = check_positive_int(channels[0], own, "in_channels")
        self.out_channels = check_positive_int(channels[1], own, "out_channels")
        self.kernel_size = as_sizes(options[0], dims, own, "kernel_size")
        self.stride = as_sizes(options[1], dims, own, "stride")
        self.dilation = as_sizes(options[3], dims, own, "dilation")
        low, high = padding_of(options[2], self.kernel_size, self.stride, self.dilation, own)
        self.padding = options[2] if isinstance(options[2], str) else low
        self._sides = tuple(zip(low, high, strict=True))
        self.groups = check_positive_int(groups, own, "groups")
        self.padding_mode = _checked_mode(padding_mode, own, self.is_transposed)
        for role, count in (("in", self.in_channels), ("out", self.out_channels)):
            if count % groups:
                raise ArgumentError(
                    f"{own}: {role}_channels {count} cannot be divided into {groups} groups."
                )
        shape = (self.out_channels, self.in_channels // groups, *self.kernel_size)
        if self.is_transposed:
            shape = (self.in_channels, self.out_channels // groups, *self.kernel_size)
        self.weight = init.empty_parameter(shape, dtype)
        self.bias = init.empty_parameter((self.out_channels,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))
        if self.bias is not None:
            bound = 1.0 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        if any(map(any, self._sides)):
            parts.append(f"padding={self.padding!r}")
        if any(each != 1 for each in self.dilation):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode!r}")
        return ", ".join(parts)


def _checked_mode(padding_mode: str, layer: str, is_transposed: bool) -> str:
    modes = PADDING_MODES[:1] if is_transposed else PADDING_MODES
    if padding_mode not in modes:
        raise ArgumentError(
            f"{layer}: padding_mode must be {' or '.join(map(repr, modes))}, got "
            f"{padding_mode!r}.{did_you_mean(str(padding_mode), modes)}"
        )
    return padding_mode


class _PlainConvolution(_Convolution):
    """A convolution that is not transposed."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ):
        super().__init__()
        options = (kernel_size, stride, padding, dilation)
        self._set_up((in_channels, out_channels), options, groups, bias, padding_mode, dtype)

    def forward(self, input: Tensor) -> Tensor:
        x = as_tensor(input)
        padding: Padding = self.padding
        if self.padding_mode != "zeros" and x.ndim in (self.dims + 1, self.dims + 2):
            sides = [each for pair in reversed(self._sides) for each in pair]
            x = functional.pad(x, sides, self.padding_mode, name=self.label)
            padding = 0
        return convolution(
            self.dims,
            x,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
            self.label,
        )


class Conv1d(_PlainConvolution):
    """Sums, at each position, the numbers of a window times a weight, over all input channels.

    Shapes: input (n, in_channels, length) or (in_channels, length), output (n, out_channels,
    out_length); `weight` (out_channels, in_channels / groups, kernel_size), `bias`
    (out_channels,). `out_length` is
    (length + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1.

    The first numbers of both are uniform from -1/sqrt(f) to 1/sqrt(f), where f is
    in_channels / groups * kernel_size.

    Args:
        in_channels: the size of the input's axis 1.
        out_channels: the size of the output's axis 1.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin.
        padding: how many numbers are put before and behind the input; `"valid"` is none; `"same"`
            gives as many outputs as inputs.
        dilation: how far apart the numbers of a window are.
        groups: how many parts the channels are cut into; with `groups=in_channels` each channel has
            kernels of its own (a depthwise convolution).
        bias: whether there is a bias.
        padding_mode: what is put there: `"zeros"`, the input mirrored (`"reflect"`), its last
            number (`"replicate"`), or its other end (`"circular"`).
        dtype: the parameters' data type; float32 if `None`.

    Raises:
        ArgumentError: options that make no sense.
        ShapeError: an input of another rank or number of channels, or smaller than the kernel.
        DTypeError: an input of another data type than the weight.
    """

    dims = 1


class Conv2d(_PlainConvolution):
    """Convolves images: as `Conv1d` over height and width.

    Shapes: input (n, in_channels, height, width) or without n, output (n, out_channels,
    out_height, out_width); `weight` (out_channels, in_channels / groups, kernel_height,
    kernel_width), `bias` (out_channels,). Options are one number, or one for each of height and
    width.
    """

    dims = 2


class Conv3d(_PlainConvolution):
    """Convolves volumes: as `Conv1d` over depth, height and width.

    Shapes: input (n, in_channels, depth, height, width) or without n; `weight` (out_channels,
    in_channels / groups, kernel_depth, kernel_height, kernel_width), `bias` (out_channels,).
    Options are one number, or one for each of depth, height and width.
    """

    dims = 3


class _TransposedConvolution(_Convolution):
    """A convolution that spreads inputs over outputs."""

    is_transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ):
        super().__init__()
        own = type(self).__name__
        if isinstance(padding, str):
            raise ArgumentError(f"{own}: padding must be numbers, got {padding!r}.")
        self.output_padding = as_sizes(output_padding, self.dims, own, "output_padding", 0)
        options = (kernel_size, stride, padding, dilation)
        self._set_up((in_channels, out_channels), options, groups, bias, padding_mode, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        x = as_tensor(input)
        extra = self.output_padding
        if output_size is not None:
            extra = self._padding_for(x.shape, output_size)
        padding = tuple(low for low, _ in self._sides)
        options = (self.stride, padding, extra, self.dilation)
        return transposed_convolution(
            self.dims, x, self.weight, self.bias, options, self.groups, self.label
        )

    def _padding_for(self, shape: tuple[int, ...], output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives an output of that size."""
        dims = self.dims
        wanted = tuple(output_size)[-dims:]
        spans = map(window_span, self.kernel_size, self.dilation)
        options = zip(shape[-dims:], self.stride, self._sides, spans, strict=True)
        least = tuple(
            (length - 1) * step + span - low - high for length, step, (low, high), span in options
        )
        extra = tuple(size - low for size, low in zip(wanted, least, strict=True))
        if any(not 0 <= each < step for each, step in zip(extra, self.stride, strict=True)):
            most = tuple(low + step - 1 for low, step in zip(least, self.stride, strict=True))
            raise ShapeError(
                complaint(
                    f"{self.label}: output_size {wanted} cannot be had from input {shape}: it must "
                    f"be from {least} to {most}."
                )
            )
        return extra

    def extra_repr(self) -> str:
        extra = f", output_padding={self.output_padding}" if any(self.output_padding) else ""
        return super().extra_repr() + extra


class ConvTranspose1d(_TransposedConvolution):
    """Spreads each input over a window of outputs; the way back from `Conv1d`'s shapes.

    Shapes: input (n, in_channels, length) or (in_channels, length), output (n, out_channels,
    out_length); `weight` (in_channels, out_channels / groups, kernel_size), `bias`
    (out_channels,). `out_length` is
    (length - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1.

    The first numbers of both are uniform from -1/sqrt(f) to 1/sqrt(f), where f is
    out_channels / groups * kernel_size. `layer(input, output_size)` chooses the output padding by
    the output's size.

    Args:
        in_channels: the size of the input's axis 1.
        out_channels: the size of the output's axis 1.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin in the output.
        padding: how many numbers are cut off at both ends of the output.
        output_padding: how many numbers are added at the far end of the output; below the stride
            or the dilation.
        groups: how many parts the channels are cut into.
        bias: whether there is a bias.
        dilation: how far apart the numbers of a window are.
        padding_mode: `"zeros"`, the only one.
        dtype: the parameters' data type; float32 if `None`.

    Raises:
        ArgumentError: options that make no sense.
        ShapeError: an input of another rank or number of channels, or an impossible output size.
        DTypeError: an input of another data type than the weight.
    """

    dims = 1


class ConvTranspose2d(_TransposedConvolution):
    """As `ConvTranspose1d` over height and width.

    Shapes: input (n, in_channels, height, width) or without n; `weight` (in_channels,
    out_channels / groups, kernel_height, kernel_width), `bias` (out_channels,).
    """

    dims = 2


class ConvTranspose3d(_TransposedConvolution):
    """As `ConvTranspose1d` over depth, height and width.

    Shapes: input (n, in_channels, depth, height, width) or without n; `weight` (in_channels,
    out_channels / groups, kernel_depth, kernel_height, kernel_width), `bias` (out_channels,).
    """

    dims = 3
