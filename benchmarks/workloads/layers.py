"""A network as data, from which every library builds the same thing.

Images are square, (batch, channels, height, width), and each layer knows the sizes that it meets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh")
LEAKY_SLOPE = 0.2


@dataclass(frozen=True)
class Dense:
    """`x @ weight.T + bias`; weight (outputs, inputs), bias (outputs,)."""

    inputs: int
    outputs: int

    @property
    def multiply_adds(self) -> int:
        """For one row."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class Convolution:
    """A square convolution over square images of a known size.

    Weight (outputs, inputs / groups, kernel, kernel), bias (outputs,) where there is one.

    Attributes:
        inputs, outputs: channels.
        size: height and width of what it takes.
        padding: zeros on each side.
        groups: parts of the channels that do not mix; `inputs` of them is a depthwise convolution.
    """

    inputs: int
    outputs: int
    kernel: int
    size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    bias: bool = True

    @property
    def output_size(self) -> int:
        """Height and width of what it gives."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def multiply_adds(self) -> int:
        """For one image, with those on the zeros of the padding."""
        places = (self.kernel * self.output_size) ** 2
        return self.inputs // self.groups * self.outputs * places


@dataclass(frozen=True)
class TransposedConvolution:
    """What maps output to input in a convolution, as a layer: it enlarges by its stride.

    Weight (inputs, outputs, kernel, kernel), bias (outputs,) where there is one.

    Attributes:
        inputs, outputs: channels.
        size: height and width of what it takes.
        padding: what is cut off from each side of the result.
    """

    inputs: int
    outputs: int
    kernel: int
    size: int
    stride: int = 1
    padding: int = 0
    bias: bool = True

    @property
    def output_size(self) -> int:
        """Height and width of what it gives."""
        return (self.size - 1) * self.stride - 2 * self.padding + self.kernel

    @property
    def multiply_adds(self) -> int:
        """For one image, with those whose results are cut off."""
        return self.inputs * self.outputs * (self.kernel * self.size) ** 2


@dataclass(frozen=True)
class MaxPool:
    """The largest of each square of numbers.

    Attributes:
        size: height and width of a square.
        stride: from square to square; `None` for the size, so that they do not overlap.
        padding: places on each side that are never the largest.
    """

    size: int
    stride: int | None = None
    padding: int = 0

    @property
    def step(self) -> int:
        """The stride as a number."""
        return self.size if self.stride is None else self.stride


@dataclass(frozen=True)
class GlobalAveragePool:
    """The mean of each channel: images (batch, channels, height, width) to (batch, channels)."""


@dataclass(frozen=True)
class Flatten:
    """Images (batch, channels, height, width) as rows."""


@dataclass(frozen=True)
class Activation:
    """An elementwise function: one of `ACTIVATIONS`; `leaky_relu` has a slope of `LEAKY_SLOPE`."""

    name: str


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation with PyTorch's defaults: momentum 0.1, epsilon 1e-5, affine.

    Attributes:
        features: numbers of a row, or channels of an image.
        of_images: whether it takes images, or else rows.
    """

    features: int
    of_images: bool = False


@dataclass(frozen=True)
class Dropout:
    """Zeroes each number with this probability while training."""

    probability: float


@dataclass(frozen=True)
class Residual:
    """`layers(x) + shortcut(x)`; without layers of its own the shortcut gives x itself."""

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class ChannelFill:
    """A shortcut without parameters: every `stride`-th place, and channels of zeros.

    Attributes:
        extra: channels of zeros, half of them (rounded down) before the others.
    """

    extra: int
    stride: int


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


Weighted: TypeAlias = Dense | Convolution | TransposedConvolution
"""Layers that contract what they take with a weight."""

Layer: TypeAlias = (
    Weighted
    | MaxPool
    | GlobalAveragePool
    | Flatten
    | Activation
    | BatchNorm
    | Dropout
    | Residual
    | ChannelFill
    | EmbeddedColumns
)


def flat(layers: Sequence[Layer]) -> Iterator[Layer]:
    """All layers in order; a residual block's are in its place, the shortcut's last."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from flat(layer.layers)
            yield from flat(layer.shortcut)
        else:
            yield layer


def weighted(layers: Sequence[Layer]) -> Iterator[Weighted]:
    """All layers that contract with a weight, in order."""
    return (layer for layer in flat(layers) if isinstance(layer, Weighted))


def multiply_adds(layers: Sequence[Layer], *, training: bool) -> int:
    """Multiply-adds of all contractions for one row of a batch.

    Training takes two more contractions for each layer: the gradient of its weight, and that of
    its input, which a layer that reads the data itself does not need.
    """
    each = [layer.multiply_adds for layer in weighted(layers)]
    if not training:
        return sum(each)
    unneeded = 0 if isinstance(layers[0], EmbeddedColumns) else each[0]
    return 3 * sum(each) - unneeded
