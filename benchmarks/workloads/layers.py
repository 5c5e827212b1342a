"""A network as data, from which every library builds the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Dense:
    """`x @ weight.T + bias`; weight (outputs, inputs), bias (outputs,)."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Convolution:
    """A square convolution of stride 1 over images of a known size.

    Weight (outputs, inputs, kernel, kernel), bias (outputs,).

    Attributes:
        inputs, outputs: channels.
        size: height and width of what it gives.
        padding: zeros on each side.
    """

    inputs: int
    outputs: int
    kernel: int
    padding: int
    size: int


@dataclass(frozen=True)
class MaxPool:
    """The largest of each square of numbers that do not overlap."""

    size: int


@dataclass(frozen=True)
class Flatten:
    """Images (batch, channels, height, width) as rows."""


@dataclass(frozen=True)
class Activation:
    """An elementwise function: `relu`, `sigmoid` or `tanh`."""

    name: str


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation with PyTorch's defaults: momentum 0.1, epsilon 1e-5, affine."""

    features: int


@dataclass(frozen=True)
class Dropout:
    """Zeroes each number with this probability while training."""

    probability: float


@dataclass(frozen=True)
class Residual:
    """`x + layers(x)`."""

    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class EmbeddedColumns:
    """Looks up categories and puts numbers beside them; only as a network's first layer.

    Takes row numbers (batch, columns) of one table (columns * values, width), and numbers
    (batch, numbers); gives (batch, columns * width + numbers). The row numbers already say which
    column they belong to, so that no library loses time on one table per column.
    """

    columns: int
    values: int
    width: int
    numbers: int

    @property
    def outputs(self) -> int:
        return self.columns * self.width + self.numbers


Layer: TypeAlias = (
    Dense
    | Convolution
    | MaxPool
    | Flatten
    | Activation
    | BatchNorm
    | Dropout
    | Residual
    | EmbeddedColumns
)


def flat(layers: Sequence[Layer]) -> Iterator[Layer]:
    """All layers in order, with those inside residual blocks in their place."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from flat(layer.layers)
        else:
            yield layer


def multiply_adds(layers: Sequence[Layer], *, training: bool) -> int:
    """Multiply-adds of all contractions for one row of a batch.

    Training takes two more contractions for each layer: the gradient of its weight, and that of
    its input, which a layer that reads the data itself does not need.
    """
    total = 0
    reads_data = True
    for layer in flat(layers):
        if isinstance(layer, EmbeddedColumns):
            reads_data = False
        if isinstance(layer, (Dense, Convolution)):
            times = 1 if not training else 2 if reads_data else 3
            own = layer.inputs * layer.outputs
            if isinstance(layer, Convolution):
                own *= (layer.kernel * layer.size) ** 2
            total += times * own
            reads_data = False
    return total
