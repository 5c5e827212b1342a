"""Multilayer perceptrons that classify: `tabular`, `mlp` and its variants, `wide`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.workloads.layers import Activation, Dense, Dropout, Layer
from benchmarks.workloads.workload import Optimizer, Workload


def perceptron(
    name: str,
    *,
    layers: Sequence[int],
    batch: int,
    activation: str = "relu",
    dropout: float = 0.0,
    optimizer: Optimizer,
) -> Workload:
    """Dense layers of the given widths, from input to output, with softmax cross-entropy.

    Args:
        layers: widths: input, hidden, ..., classes.
        batch: rows per step.
        activation: after each hidden layer.
        dropout: after each hidden activation; 0 for none.
    """
    made: list[Layer] = []
    for inputs, outputs in pairwise(layers[:-1]):
        made += [Dense(inputs, outputs), Activation(activation)]
        if dropout:
            made.append(Dropout(dropout))
    made.append(Dense(layers[-2], layers[-1]))
    return Workload(name, tuple(made), "cross_entropy", batch, optimizer)
