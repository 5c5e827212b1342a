"""Which network suits which images, and what it sees of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import steepest as st
from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, did_you_mean
from steepest.models.convolutional import VGG, EfficientNet, LeNet, MobileNetV2, ResNet


@dataclass(frozen=True)
class NetworkForm:
    """A network that can be chosen by name.

    Attributes:
        build: makes it from classes, channels and size.
        smallest: the smallest side of images that it takes.
        about: what it is, in words.
    """

    build: Callable[[int, int, tuple[int, int]], nn.Module]
    smallest: int
    about: str


def _resnet(depth: int) -> Callable[[int, int, tuple[int, int]], nn.Module]:
    def build(classes: int, channels: int, size: tuple[int, int]) -> nn.Module:
        return ResNet(depth, classes, channels, small_start=max(size) <= SMALL_PHOTO)

    return build


SMALL_PHOTO = 64
"""Up to this side, ResNet-18, -34 and -50 begin without dividing it by 4."""

NETWORKS: Mapping[str, NetworkForm] = {
    "lenet": NetworkForm(
        lambda classes, channels, size: LeNet(classes, channels, size), 12, "LeNet-5"
    ),
    "resnet20": NetworkForm(_resnet(20), 4, "ResNet-20, the small form for CIFAR"),
    "resnet56": NetworkForm(_resnet(56), 4, "ResNet-56, the small form for CIFAR"),
    "resnet18": NetworkForm(_resnet(18), 16, "ResNet-18"),
    "resnet34": NetworkForm(_resnet(34), 16, "ResNet-34"),
    "resnet50": NetworkForm(_resnet(50), 16, "ResNet-50"),
    "vgg11": NetworkForm(
        lambda classes, channels, _: VGG(11, classes, channels, batch_norm=True), 32, "VGG-11"
    ),
    "mobilenet_v2": NetworkForm(
        lambda classes, channels, _: MobileNetV2(classes, channels), 32, "MobileNetV2"
    ),
    "efficientnet_lite0": NetworkForm(
        lambda classes, channels, _: EfficientNet("lite0", classes, channels),
        32,
        "EfficientNet-lite0",
    ),
}
"""The networks by name."""

FEW_IMAGES = 1000
SMALL_SIDE = 32
MIDDLE_SIDE = 64


def choose_network(size: tuple[int, int], channels: int, images: int) -> str:
    """The network for images of a size: small ones get small networks.

    Args:
        size: height and width.
        channels: 1 for grey, 3 for colour.
        images: how many there are to learn from.
    """
    is_small = max(size) <= SMALL_SIDE and min(size) >= NETWORKS["lenet"].smallest
    if is_small and channels == 1 and images < FEW_IMAGES:
        return "lenet"
    if max(size) <= MIDDLE_SIDE or min(size) < NETWORKS["resnet18"].smallest:
        return "resnet20"
    return "resnet18"


def build_network(name: str, classes: int, channels: int, size: tuple[int, int]) -> nn.Module:
    """Make a network by name, with weights drawn from the default generator.

    Raises:
        ArgumentError: an unknown name, or images that are too small for the network.
    """
    form = NETWORKS.get(name)
    if form is None:
        raise ArgumentError(
            f"network={name!r} is not known.{did_you_mean(name, NETWORKS)} "
            f"Choose from: {', '.join(NETWORKS)}."
        )
    if min(size) < form.smallest:
        raise ArgumentError(
            f"network={name!r} takes images with sides of at least {form.smallest} pixels, but "
            f"these have {size[0]} x {size[1]}."
        )
    return form.build(classes, channels, size)


class NormalizedInput(nn.Module):
    """A network behind the scaling of its input: bytes in, logits out.

    Args:
        network: takes float32 images of about mean 0 and deviation 1.
        mean, deviation: of each channel, from 0 to 255.

    Shapes: input (n, channels, height, width) bytes, output what the network puts out.
    """

    def __init__(self, network: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]):
        super().__init__()
        self.network = network
        scale = 1.0 / np.array(deviation, np.float64)
        self.register_buffer("scale", _per_channel(scale))
        self.register_buffer("shift", _per_channel(-np.array(mean, np.float64) * scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.astype(st.float32) * self.scale + self.shift)


def _per_channel(values: Any) -> Tensor:
    return st.asarray(np.asarray(values, np.float32).reshape(1, -1, 1, 1))
