"""A network of layers as PyTorch's modules; imported where they are made, as it needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.workloads.layers import (
    LEAKY_SLOPE,
    Activation,
    BatchNorm,
    ChannelFill,
    Convolution,
    Dense,
    Dropout,
    EmbeddedColumns,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Residual,
    TransposedConvolution,
)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
"""In place where PyTorch can: steps of `resnet20` and of `dcgan-discriminator` take 8 % less."""


def make_network(layers: tuple[Layer, ...]) -> nn.Module:
    """Modules that take a batch's inputs; parameters are in the order of the layers."""
    return Network(module(layers[0]), sequence(layers[1:]))


def sequence(layers: tuple[Layer, ...]) -> nn.Module:
    """Layers one after the other."""
    return nn.Sequential(*map(module, layers))


def module(layer: Layer) -> nn.Module:
    """One layer."""
    match layer:
        case Dense(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case Convolution(inputs, outputs, kernel, _, stride, padding, groups, bias):
            return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)
        case TransposedConvolution(inputs, outputs, kernel, _, stride, padding, bias):
            return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, bias=bias)
        case MaxPool(size, stride, padding):
            return nn.MaxPool2d(size, stride, padding)
        case GlobalAveragePool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Flatten():
            return nn.Flatten()
        case Activation(name):
            return ACTIVATIONS[name]()
        case BatchNorm(features, of_images):
            return nn.BatchNorm2d(features) if of_images else nn.BatchNorm1d(features)
        case Dropout(probability):
            return nn.Dropout(probability)
        case Residual(inside, shortcut):
            return Block(sequence(inside), sequence(shortcut))
        case ChannelFill(extra, stride):
            return Fill(extra, stride)
        case EmbeddedColumns(columns, values, width, _):
            return Columns(columns * values, width)


class Block(nn.Module):
    """A residual block: two ways side by side, and their sum."""

    def __init__(self, inside: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.inside = inside
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside(x) + self.shortcut(x)


class Fill(nn.Module):
    """A shortcut without parameters; see `ChannelFill`."""

    def __init__(self, extra: int, stride: int):
        super().__init__()
        self.sides = (0, 0, 0, 0, extra // 2, extra - extra // 2)
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = x[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(kept, self.sides)


class Columns(nn.Module):
    """Looked-up categories beside numbers; see `EmbeddedColumns`."""

    def __init__(self, rows: int, width: int):
        super().__init__()
        self.table = nn.Embedding(rows, width)

    def forward(self, rows: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.table(rows).flatten(1), numbers], dim=1)


class Network(nn.Module):
    """Layers of which the first may take several inputs."""

    def __init__(self, first: nn.Module, rest: nn.Module):
        super().__init__()
        self.first = first
        self.rest = rest

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.rest(self.first(*inputs))
