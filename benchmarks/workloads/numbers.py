"""The numbers that every library starts from: parameters and batches, drawn by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.workloads.layers import (
    BatchNorm,
    Convolution,
    Dense,
    EmbeddedColumns,
    Flatten,
    Layer,
    TransposedConvolution,
    Weighted,
    flat,
    weighted,
)
from benchmarks.workloads.workload import Workload

DIFFERENT_BATCHES = 4
"""Steps go round these, as training goes on to the next batch."""


@dataclass(frozen=True)
class Batch:
    """One step's data.

    Attributes:
        inputs: what the network takes: numbers (batch, features) as float32; before them, where
            there are categories, row numbers (batch, columns) as int64.
        target: labels (batch,) as int64, or float32 numbers of the output's shape.
    """

    inputs: tuple[np.ndarray, ...]
    target: np.ndarray


def initial_parameters(layers: Sequence[Layer], seed: int = 0) -> list[np.ndarray]:
    """The parameters (float32) in the order of the layers: weight, then bias.

    Dense layers and convolutions are uniform in +-1/sqrt(numbers that a result sums; for transposed
    ones, numbers that one input gives to), embeddings standard normal, as PyTorch's are.
    """
    random = np.random.default_rng(seed)
    made: list[np.ndarray] = []
    for layer in flat(layers):
        if isinstance(layer, Weighted):
            shape = weight_shape(layer)
            bound = float(np.prod(shape[1:])) ** -0.5
            made.append(random.uniform(-bound, bound, shape))
            if isinstance(layer, Dense) or layer.bias:
                made.append(random.uniform(-bound, bound, layer.outputs))
        elif isinstance(layer, BatchNorm):
            made += [np.ones(layer.features), np.zeros(layer.features)]
        elif isinstance(layer, EmbeddedColumns):
            made.append(random.standard_normal((layer.columns * layer.values, layer.width)))
    return [each.astype(np.float32) for each in made]


def weight_shape(layer: Weighted) -> tuple[int, ...]:
    """The shape of a layer's weight, as the layer's class states it."""
    match layer:
        case Dense():
            return (layer.outputs, layer.inputs)
        case Convolution():
            return (layer.outputs, layer.inputs // layer.groups, layer.kernel, layer.kernel)
        case TransposedConvolution():
            return (layer.inputs, layer.outputs, layer.kernel, layer.kernel)


def make_batches(workload: Workload, seed: int = 1) -> list[Batch]:
    """Different batches of random data."""
    random = np.random.default_rng(seed)
    return [_batch(workload, random) for _ in range(DIFFERENT_BATCHES)]


def _batch(workload: Workload, random: np.random.Generator) -> Batch:
    layers = workload.layers
    first = layers[0]
    rows = workload.batch
    inputs: list[np.ndarray] = []
    if isinstance(first, EmbeddedColumns):
        values = random.integers(0, first.values, (rows, first.columns))
        inputs.append(values + np.arange(first.columns) * first.values)
    taken, given = (rows, *input_shape(layers)), (rows, *output_shape(layers))
    if workload.loss == "mean_squared":
        inputs.append(random.random(taken, dtype=np.float32))
        target = inputs[-1] if given == taken else random.random(given, dtype=np.float32)
        return Batch(tuple(inputs), target)
    inputs.append(random.standard_normal(taken, dtype=np.float32))
    if workload.loss == "cross_entropy":
        return Batch(tuple(inputs), random.integers(0, given[1], rows))
    return Batch(tuple(inputs), random.integers(0, 2, given).astype(np.float32))


def input_shape(layers: Sequence[Layer]) -> tuple[int, ...]:
    """The shape of the numbers that one row gives to the network."""
    first = layers[0]
    if isinstance(first, EmbeddedColumns):
        return (first.numbers,)
    if not isinstance(first, Weighted):
        raise TypeError(f"a network cannot begin with {first}.")
    if isinstance(first, Dense):
        return (first.inputs,)
    return (first.inputs, first.size, first.size)


def output_shape(layers: Sequence[Layer]) -> tuple[int, ...]:
    """The shape of what the network gives for one row."""
    last = list(weighted(layers))[-1]
    if isinstance(last, Dense):
        return (last.outputs,)
    shape = (last.outputs, last.output_size, last.output_size)
    return (int(np.prod(shape)),) if isinstance(layers[-1], Flatten) else shape
