"""Networks that give back their input through a narrow middle: `autoencoder`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import Activation, Dense, Layer
from benchmarks.workloads.workload import Optimizer, Workload


def autoencoder(
    name: str,
    *,
    layers: Sequence[int],
    batch: int,
    activation: str = "sigmoid",
    optimizer: Optimizer,
) -> Workload:
    """Dense layers, each with an activation, and the mean squared error against the input.

    Args:
        layers: widths from input to output, which are the same.
        batch: rows per step.
        activation: after every layer, the last one too.

    Raises:
        ValueError: first and last widths that differ.
    """
    if layers[0] != layers[-1]:
        raise ValueError(f"{name}: output {layers[-1]} must be as wide as input {layers[0]}.")
    made: list[Layer] = []
    for inputs, outputs in pairwise(layers):
        made += [Dense(inputs, outputs), Activation(activation)]
    return Workload(name, tuple(made), "mean_squared", batch, optimizer)
