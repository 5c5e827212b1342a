"""VGG: stacks of 3x3 convolutions.

Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", arXiv 1409.1556.
"""

from __future__ import annotations

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.models.convolutional.parts import check_choice, check_images, initialize

FORMS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions before each of the five poolings, by depth."""

WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """A VGG network with torchvision's parameter names and shapes.

    Args:
        depth: layers with weights: 11, 13, 16 or 19.
        num_classes: outputs.
        in_channels: 1 for grey images, 3 for colour.
        batch_norm: normalise after each convolution, without which deep forms hardly learn.
        dropout: share of the units dropped in the dense layers.

    Shapes: input (n, in_channels, height, width) with sides of at least 32, output
    (n, num_classes) logits.
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
    ):
        super().__init__()
        check_choice(depth, tuple(FORMS), "VGG", "depth")
        self.in_channels = in_channels
        layers: list[nn.Module] = []
        channels = in_channels
        for amount, width in zip(FORMS[depth], WIDTHS, strict=True):
            for _ in range(amount):
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        check_images(x, self.in_channels, "VGG")
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
