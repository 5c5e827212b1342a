"""Layers that resize, and that move numbers between channels and positions."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.array.tensor import Tensor
from steepest.nn import functional
from steepest.nn.checks import check_positive_int
from steepest.nn.module import Module
from steepest.nn.spatial import Sizes


class Upsample(Module):
    """Resizes the spatial axes of (n, channels, *positions).

    Args:
        size: the new sizes; or
        scale_factor: by how much each is multiplied (rounded down).
        mode: `"nearest"`, `"nearest-exact"`, `"linear"`, `"bilinear"`, `"trilinear"`,
            `"bicubic"` or `"area"`; see `functional.interpolate`.
        align_corners: whether the middles of the corner pixels stay where they are.
        recompute_scale_factor: whether pixels are placed by the sizes, after rounding.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return functional.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
            name=self.label,
        )

    def extra_repr(self) -> str:
        by = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{by}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Resizes images by repeating pixels.

    Args:
        size: the new height and width; or
        scale_factor: by how much each is multiplied.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Resizes images bilinearly, the middles of the corner pixels staying where they are.

    Args:
        size: the new height and width; or
        scale_factor: by how much each is multiplied.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """(..., channels * r * r, height, width) becomes (..., channels, height * r, width * r).

    Args:
        upscale_factor: r.

    Source: Shi et al., arXiv 1609.05158.
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = check_positive_int(upscale_factor, "PixelShuffle", "upscale_factor")

    def forward(self, input: Tensor) -> Tensor:
        return functional.pixel_shuffle(input, self.upscale_factor, name=self.label)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., channels, height * r, width * r) becomes (..., channels * r * r, height, width).

    Args:
        downscale_factor: r.
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = check_positive_int(
            downscale_factor, "PixelUnshuffle", "downscale_factor"
        )

    def forward(self, input: Tensor) -> Tensor:
        return functional.pixel_unshuffle(input, self.downscale_factor, name=self.label)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Deals the channels of each group out to all groups.

    Args:
        groups: how many groups of neighbouring channels there are.

    Source: Zhang et al., arXiv 1707.01083.
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = check_positive_int(groups, "ChannelShuffle", "groups")

    def forward(self, input: Tensor) -> Tensor:
        return functional.channel_shuffle(input, self.groups, name=self.label)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """Every window of an image as a column.

    Shapes: input (n, channels, height, width) or without n, output (n, channels * kernel_height *
    kernel_width, windows).

    Args:
        kernel_size: how high and wide a window is.
        dilation: how far apart the numbers of a window are.
        padding: how many zeros stand around the image.
        stride: how far apart windows begin.
    """

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return functional.unfold(
            input, self.kernel_size, self.dilation, self.padding, self.stride, name=self.label
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Adds columns up as windows of an image: the adjoint of `Unfold`.

    Shapes: input (n, channels * kernel_height * kernel_width, windows) or without n, output (n,
    channels, height, width).

    Args:
        output_size: the height and width of the image.
        kernel_size: how high and wide a window is.
        dilation: how far apart the numbers of a window are.
        padding: how many zeros stood around the image.
        stride: how far apart windows begin.
    """

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ):
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return functional.fold(
            input,
            self.output_size,
            self.kernel_size,
            self.dilation,
            self.padding,
            self.stride,
            name=self.label,
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
