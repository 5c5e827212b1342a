"""Convolutions, pooling and dense layers that classify images: `cnn` and `lenet`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import (
    Activation,
    Convolution,
    Dense,
    Flatten,
    Layer,
    MaxPool,
)
from benchmarks.workloads.workload import Optimizer, Workload


def convolutional(
    name: str,
    *,
    image: int,
    channels: Sequence[int],
    pools: Sequence[int],
    kernel: int,
    paddings: Sequence[int],
    layers: Sequence[int],
    batch: int,
    activation: str = "relu",
    optimizer: Optimizer,
) -> Workload:
    """Convolutions with an activation, some of them pooled, then dense layers, on square images.

    Args:
        image: height and width.
        channels: of the image, and of each convolution's result.
        pools: after each convolution, the side of the squares that are pooled; 1 for none.
        kernel: height and width of all kernels.
        paddings: of each convolution.
        layers: widths of the dense layers, the last one the classes.
        batch: images per step.
        activation: after each layer but the last.
    """
    made: list[Layer] = []
    size = image
    for (inputs, outputs), pool, padding in zip(pairwise(channels), pools, paddings, strict=True):
        convolution = Convolution(inputs, outputs, kernel, size, padding=padding)
        made += [convolution, Activation(activation)]
        size = convolution.output_size
        if pool > 1:
            made.append(MaxPool(pool))
            size //= pool
    made.append(Flatten())
    for inputs, outputs in pairwise((channels[-1] * size**2, *layers)):
        made += [Dense(inputs, outputs), Activation(activation)]
    return Workload(name, tuple(made[:-1]), "cross_entropy", batch, optimizer)
