"""Deep networks of residual blocks with batch normalisation: `deep`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.workloads.layers import Activation, BatchNorm, Dense, Layer, Residual
from benchmarks.workloads.workload import Optimizer, Workload

LOSS_TOLERANCE = 5e-3
"""Batch norms in a row magnify rounding: at the third step of `deep` PyTorch's float32 loss on two
threads is 1.2e-3 from its own float64 loss, that of the others 2e-5."""


def residual(
    name: str,
    *,
    layers: Sequence[int],
    batch: int,
    activation: str = "relu",
    optimizer: Optimizer,
) -> Workload:
    """A dense layer up to the hidden width, then one block for each hidden width, then classes.

    A block is `x + activation(norm(dense(x)))`, so all hidden widths are the same.

    Args:
        layers: widths: input, hidden for each block, classes.
        batch: rows per step.
        activation: in each block.

    Raises:
        ValueError: hidden widths that differ.
    """
    width = layers[1]
    if any(each != width for each in layers[1:-1]):
        raise ValueError(f"{name}: hidden widths must be the same, but are {layers[1:-1]}.")
    body: tuple[Layer, ...] = (Dense(width, width), BatchNorm(width), Activation(activation))
    stem = (Dense(layers[0], width), BatchNorm(width), Activation(activation))
    blocks = (Residual(body),) * (len(layers) - 2)
    made = (*stem, *blocks, Dense(width, layers[-1]))
    return Workload(name, made, "cross_entropy", batch, optimizer, LOSS_TOLERANCE)
