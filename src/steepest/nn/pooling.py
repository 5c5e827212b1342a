"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.nn import functional
from steepest.nn.module import Module
from steepest.nn.spatial import Sizes


class _MaxPool(Module):
    """What the max poolings share."""

    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
            name=self.label,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest number of each window, channel by channel.

    Shapes: input (n, channels, length) or (channels, length), output (n, channels, out_length).

    Args:
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        padding: how many numbers, smaller than all others, stand before and behind the input; at
            most half of the kernel.
        dilation: how far apart the numbers of a window are.
        return_indices: whether to return where the numbers stood, too (int64).
        ceil_mode: whether there is a last window that reaches beyond the padding.

    Raises:
        ShapeError: an input of another rank, or smaller than the kernel.
        ArgumentError: options that make no sense.
    """

    pool = staticmethod(functional.max_pool1d)


class MaxPool2d(_MaxPool):
    """As `MaxPool1d` over height and width; input (n, channels, height, width) or without n."""

    pool = staticmethod(functional.max_pool2d)


class MaxPool3d(_MaxPool):
    """As `MaxPool1d` over depth, height and width."""

    pool = staticmethod(functional.max_pool3d)


class AvgPool1d(Module):
    """The mean of each window, channel by channel.

    Shapes: input (n, channels, length) or (channels, length), output (n, channels, out_length).

    Args:
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        padding: how many zeros stand before and behind the input; at most half of the kernel.
        ceil_mode: whether there is a last window that reaches beyond the padding.
        count_include_pad: whether the zeros of the padding count in the mean.

    Raises:
        ShapeError: an input of another rank, or smaller than the kernel.
        ArgumentError: options that make no sense.
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return functional.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            name=self.label,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of an image, channel by channel.

    Shapes: input (n, channels, height, width) or without n. Sizes are one number, or one for each
    of height and width.

    Args:
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        padding: how many zeros stand around the input; at most half of the kernel.
        ceil_mode: whether there are last windows that reach beyond the padding.
        count_include_pad: whether the zeros of the padding count in the mean.
        divisor_override: what each sum is divided by, instead of the count; `None` for the count.
    """

    pool: ClassVar[Callable[..., Tensor]] = staticmethod(functional.avg_pool2d)

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self).pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
            name=self.label,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """As `AvgPool2d` over depth, height and width."""

    pool = staticmethod(functional.avg_pool3d)


class _LPPool(Module):
    """What the power-average poolings share."""

    pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ):
        super().__init__()
        if norm_type == 0:
            raise ArgumentError(f"{type(self).__name__}: norm_type must not be 0.")
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self).pool(
            input,
            float(self.norm_type),
            self.kernel_size,
            self.stride,
            self.ceil_mode,
            name=self.label,
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The p-th root of the sum of p-th powers of each window, channel by channel.

    Args:
        norm_type: the power p; 1 gives sums, and large ones nearly the largest number.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        ceil_mode: whether there is a last window that reaches beyond the input.
    """

    pool = staticmethod(functional.lp_pool1d)


class LPPool2d(_LPPool):
    """As `LPPool1d` over height and width."""

    pool = staticmethod(functional.lp_pool2d)


class LPPool3d(_LPPool):
    """As `LPPool1d` over depth, height and width."""

    pool = staticmethod(functional.lp_pool3d)


class _AdaptiveAvgPool(Module):
    """What the adaptive average poolings share."""

    pool: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).pool(input, self.output_size, name=self.label)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of `output_size` parts that cover the input, channel by channel.

    Shapes: input (n, channels, length) or (channels, length), output (n, channels, output_size).

    Args:
        output_size: how many parts there are; 1 is global average pooling.
    """

    pool = staticmethod(functional.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """As `AdaptiveAvgPool1d` over height and width.

    Args:
        output_size: one number, or one for each of height and width; `None` keeps an axis.
    """

    pool = staticmethod(functional.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """As `AdaptiveAvgPool2d` over depth, height and width."""

    pool = staticmethod(functional.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    """What the adaptive max poolings share."""

    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).pool(input, self.output_size, self.return_indices, name=self.label)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest numbers of `output_size` parts that cover the input, channel by channel.

    Args:
        output_size: how many parts there are; 1 is global max pooling.
        return_indices: whether to return where the numbers stood, too (int64).
    """

    pool = staticmethod(functional.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """As `AdaptiveMaxPool1d` over height and width."""

    pool = staticmethod(functional.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """As `AdaptiveMaxPool1d` over depth, height and width."""

    pool = staticmethod(functional.adaptive_max_pool3d)
