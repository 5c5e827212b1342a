"""The two networks of a generative adversarial pair: `dcgan-generator`, `dcgan-discriminator`.

Source: A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep
convolutional generative adversarial networks", arXiv 1511.06434. Each is trained alone, against
images or labels that are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import (
    Activation,
    BatchNorm,
    Convolution,
    Flatten,
    Layer,
    TransposedConvolution,
)
from benchmarks.workloads.residual import LOSS_TOLERANCE
from benchmarks.workloads.workload import Optimizer, Workload

KERNEL = 4
"""Height and width of all kernels but the one from or to a single place."""


def generator(
    name: str, *, image: int, channels: Sequence[int], batch: int, optimizer: Optimizer
) -> Workload:
    """Transposed convolutions with batch norm and ReLU, then tanh; the mean squared error.

    The first makes the smallest images from one place, each other one doubles the sides.

    Args:
        image: height and width of what it makes.
        channels: of the noise, and of each convolution's result.
        batch: images per step.

    Raises:
        ValueError: an image that cannot be halved so often.
    """
    size = _smallest(name, image, channels)
    made: list[Layer] = [TransposedConvolution(channels[0], channels[1], size, 1, bias=False)]
    for inputs, outputs in pairwise(channels[1:]):
        made += [BatchNorm(inputs, of_images=True), Activation("relu")]
        made.append(
            TransposedConvolution(inputs, outputs, KERNEL, size, stride=2, padding=1, bias=False)
        )
        size *= 2
    made.append(Activation("tanh"))
    return Workload(name, tuple(made), "mean_squared", batch, optimizer, LOSS_TOLERANCE)


def discriminator(
    name: str, *, image: int, channels: Sequence[int], batch: int, optimizer: Optimizer
) -> Workload:
    """Strided convolutions with batch norm and leaky ReLU, then one logit.

    Each halves the sides but the last, which takes all that is left. The first has no batch norm.

    Args:
        image: height and width.
        channels: of the image, and of each convolution's result, the last one 1.
        batch: images per step.

    Raises:
        ValueError: an image that cannot be halved so often.
    """
    smallest = _smallest(name, image, channels)
    made: list[Layer] = []
    size = image
    for place, (inputs, outputs) in enumerate(pairwise(channels[:-1])):
        made.append(Convolution(inputs, outputs, KERNEL, size, stride=2, padding=1, bias=False))
        if place > 0:
            made.append(BatchNorm(outputs, of_images=True))
        made.append(Activation("leaky_relu"))
        size //= 2
    made += [Convolution(channels[-2], channels[-1], smallest, smallest, bias=False), Flatten()]
    return Workload(name, tuple(made), "binary_cross_entropy", batch, optimizer, LOSS_TOLERANCE)


def _smallest(name: str, image: int, channels: Sequence[int]) -> int:
    """The sides of the smallest images, two convolutions' channels from the other end."""
    halvings = len(channels) - 2
    smallest, rest = divmod(image, 2**halvings)
    if rest or not smallest:
        raise ValueError(
            f"{name}: image {image} must be a multiple of {2**halvings}, because "
            f"{len(channels) - 1} convolutions halve or double its sides {halvings} times."
        )
    return smallest
