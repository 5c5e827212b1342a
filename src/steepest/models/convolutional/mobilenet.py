"""MobileNetV2: inverted residuals with depthwise convolutions.

Source: M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals
and linear bottlenecks", arXiv 1801.04381.
"""

from __future__ import annotations

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.models.convolutional.parts import check_images, initialize, normalized_convolution

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride of each stage."""


class InvertedResidual(nn.Module):
    """Widen by a 1x1, filter each channel by a 3x3, narrow by a 1x1; a shortcut where it fits.

    Args:
        in_channels, channels: of input and output.
        stride: of the 3x3 convolution.
        expansion: how much wider the middle is; 1 leaves the first part out.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int):
        super().__init__()
        wide = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(normalized_convolution(in_channels, wide, 1, activation=nn.ReLU6()))
        layers += [
            normalized_convolution(wide, wide, 3, stride, groups=wide, activation=nn.ReLU6()),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        self.conv = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 with torchvision's parameter names and shapes.

    Args:
        num_classes: outputs.
        in_channels: 1 for grey images, 3 for colour.
        width_mult: how wide all layers are; widths are rounded to multiples of 8.
        dropout: share of the units dropped before the dense layer.

    Shapes: input (n, in_channels, height, width), output (n, num_classes) logits. The sides are
    divided by 32.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        width_mult: float = 1.0,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.in_channels = in_channels
        channels = rounded_width(32 * width_mult)
        last = rounded_width(1280 * max(1.0, width_mult))
        layers: list[nn.Module] = [
            normalized_convolution(in_channels, channels, 3, 2, activation=nn.ReLU6())
        ]
        for expansion, width, amount, first_stride in STAGES:
            for place in range(amount):
                stride = first_stride if place == 0 else 1
                wide = rounded_width(width * width_mult)
                layers.append(InvertedResidual(channels, wide, stride, expansion))
                channels = wide
        layers.append(normalized_convolution(channels, last, 1, activation=nn.ReLU6()))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        check_images(x, self.in_channels, "MobileNetV2")
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def rounded_width(width: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, but not less than nine tenths of `width`."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded
