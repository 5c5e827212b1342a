"""The numbers that every library starts from: parameters and batches, drawn by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.workloads.layers import BatchNorm, Convolution, Dense, EmbeddedColumns, Layer, flat
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

    Dense layers and convolutions are uniform in +-1/sqrt(numbers that a result sums), embeddings
    standard normal, as PyTorch's are.
    """
    random = np.random.default_rng(seed)
    made: list[np.ndarray] = []
    for layer in flat(layers):
        if isinstance(layer, Dense):
            bound = layer.inputs**-0.5
            made.append(random.uniform(-bound, bound, (layer.outputs, layer.inputs)))
            made.append(random.uniform(-bound, bound, layer.outputs))
        elif isinstance(layer, Convolution):
            shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
            bound = (layer.inputs * layer.kernel**2) ** -0.5
            made.append(random.uniform(-bound, bound, shape))
            made.append(random.uniform(-bound, bound, layer.outputs))
        elif isinstance(layer, BatchNorm):
            made += [np.ones(layer.features), np.zeros(layer.features)]
        elif isinstance(layer, EmbeddedColumns):
            made.append(random.standard_normal((layer.columns * layer.values, layer.width)))
    return [each.astype(np.float32) for each in made]


def make_batches(workload: Workload, seed: int = 1) -> list[Batch]:
    """Different batches of random data."""
    random = np.random.default_rng(seed)
    return [_batch(workload, random) for _ in range(DIFFERENT_BATCHES)]


def _batch(workload: Workload, random: np.random.Generator) -> Batch:
    first = workload.layers[0]
    rows = workload.batch
    inputs: list[np.ndarray] = []
    if isinstance(first, EmbeddedColumns):
        values = random.integers(0, first.values, (rows, first.columns))
        inputs.append(values + np.arange(first.columns) * first.values)
        width = first.numbers
    else:
        width = input_width(workload.layers)
    if workload.loss == "mean_squared":
        inputs.append(random.random((rows, width), dtype=np.float32))
        return Batch(tuple(inputs), inputs[-1])
    shape: tuple[int, ...] = (rows, width)
    if isinstance(first, Convolution):
        side = first.size + first.kernel - 1 - 2 * first.padding
        shape = (rows, first.inputs, side, side)
    inputs.append(random.standard_normal(shape, dtype=np.float32))
    outputs = output_width(workload.layers)
    if workload.loss == "cross_entropy":
        return Batch(tuple(inputs), random.integers(0, outputs, rows))
    return Batch(tuple(inputs), random.integers(0, 2, (rows, outputs)).astype(np.float32))


def input_width(layers: Sequence[Layer]) -> int:
    """The numbers that the first dense layer takes."""
    return next(layer.inputs for layer in flat(layers) if isinstance(layer, Dense))


def output_width(layers: Sequence[Layer]) -> int:
    """The numbers that the last dense layer gives."""
    return [layer.outputs for layer in flat(layers) if isinstance(layer, Dense)][-1]
