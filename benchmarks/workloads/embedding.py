"""Tables of categories and numbers with a yes-or-no target: `embedding`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import Activation, Dense, EmbeddedColumns, Layer
from benchmarks.workloads.workload import Optimizer, Workload


def embedding(
    name: str,
    *,
    layers: Sequence[int],
    batch: int,
    columns: int = 26,
    values: int = 1000,
    width: int = 16,
    numbers: int = 13,
    activation: str = "relu",
    optimizer: Optimizer,
) -> Workload:
    """Embedded columns beside numbers, dense layers, binary cross-entropy on one logit.

    Args:
        layers: widths after the embeddings: hidden, ..., 1.
        batch: rows per step.
        columns: of categories.
        values: that each column takes.
        width: of each embedding.
        numbers: columns of numbers.
        activation: after each hidden layer.
    """
    first = EmbeddedColumns(columns, values, width, numbers)
    widths = (first.outputs, *layers)
    made: list[Layer] = [first]
    for inputs, outputs in pairwise(widths[:-1]):
        made += [Dense(inputs, outputs), Activation(activation)]
    made.append(Dense(widths[-2], widths[-1]))
    return Workload(name, tuple(made), "binary_cross_entropy", batch, optimizer)
