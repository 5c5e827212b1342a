"""Residual networks on images: `resnet20` as for CIFAR, `resnet18` as for photographs.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", arXiv
1512.03385.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import (
    Activation,
    BatchNorm,
    ChannelFill,
    Convolution,
    Dense,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
)
from benchmarks.workloads.residual import LOSS_TOLERANCE
from benchmarks.workloads.workload import Optimizer, Workload


def small_resnet(
    name: str,
    *,
    image: int,
    channels: Sequence[int],
    blocks: Sequence[int],
    classes: int,
    batch: int,
    optimizer: Optimizer,
) -> Workload:
    """A 3x3 convolution, then stages; shortcuts that change the shape have no parameters.

    Args:
        image: height and width.
        channels: of the image, and of each stage; every stage but the first halves the sides.
        blocks: of two 3x3 convolutions, in each stage.
        batch: images per step.

    Raises:
        ValueError: not one number of blocks for each stage.
    """
    _check_stages(name, channels, blocks)
    made = normalized(Convolution(channels[0], channels[1], 3, image, padding=1, bias=False))
    made += _stages(image, channels[1:], blocks, projects=False)
    made += [GlobalAveragePool(), Dense(channels[-1], classes)]
    return Workload(name, tuple(made), "cross_entropy", batch, optimizer, LOSS_TOLERANCE)


def large_resnet(
    name: str,
    *,
    image: int,
    channels: Sequence[int],
    blocks: Sequence[int],
    classes: int,
    batch: int,
    optimizer: Optimizer,
) -> Workload:
    """A 7x7 convolution and pooling quarter the sides, then stages; 1x1 convolutions in shortcuts.

    Args and errors: as those of `small_resnet`.
    """
    _check_stages(name, channels, blocks)
    first = Convolution(channels[0], channels[1], 7, image, stride=2, padding=3, bias=False)
    pooled = (first.output_size - 1) // 2 + 1
    made = [*normalized(first), MaxPool(3, stride=2, padding=1)]
    made += _stages(pooled, channels[1:], blocks, projects=True)
    made += [GlobalAveragePool(), Dense(channels[-1], classes)]
    return Workload(name, tuple(made), "cross_entropy", batch, optimizer, LOSS_TOLERANCE)


def normalized(convolution: Convolution, activation: str | None = "relu") -> list[Layer]:
    """A convolution, batch normalisation and, where one is named, an activation."""
    made: list[Layer] = [convolution, BatchNorm(convolution.outputs, of_images=True)]
    return made if activation is None else [*made, Activation(activation)]


def _check_stages(name: str, channels: Sequence[int], blocks: Sequence[int]) -> None:
    if len(blocks) != len(channels) - 1:
        raise ValueError(
            f"{name}: blocks {blocks} must be {len(channels) - 1} numbers, one for each stage of "
            f"channels {channels}."
        )


def _stages(
    size: int, channels: Sequence[int], blocks: Sequence[int], *, projects: bool
) -> list[Layer]:
    """The blocks of all stages: the first block of each stage but the first halves the sides."""
    made: list[Layer] = []
    for (before, after), amount in zip(pairwise((channels[0], *channels)), blocks, strict=True):
        for place in range(amount):
            stride = 2 if place == 0 and len(made) > 0 else 1
            inputs = before if place == 0 else after
            made += _block(inputs, after, size, stride, projects=projects)
            size = (size - 1) // stride + 1
    return made


def _block(inputs: int, outputs: int, size: int, stride: int, *, projects: bool) -> list[Layer]:
    """Two 3x3 convolutions beside a shortcut, and the activation after their sum."""
    first = Convolution(inputs, outputs, 3, size, stride, padding=1, bias=False)
    second = Convolution(outputs, outputs, 3, first.output_size, padding=1, bias=False)
    shortcut: list[Layer] = []
    if projects and (stride != 1 or inputs != outputs):
        projection = Convolution(inputs, outputs, 1, size, stride, bias=False)
        shortcut = normalized(projection, activation=None)
    elif stride != 1 or inputs != outputs:
        shortcut = [ChannelFill(outputs - inputs, stride)]
    inside = (*normalized(first), *normalized(second, activation=None))
    return [Residual(inside, tuple(shortcut)), Activation("relu")]
