"""The network for tables: several small networks side by side, computed as one.

Weights are used divided by the square root of their input's width (neural tangent
parametrisation), so that one learning rate fits every width. Source of the parts: Holzmuller,
Grinsztajn and Steinwart, "Better by default", arXiv 2407.04491.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

import steepest as st
from steepest import nn
from steepest.array.tensor import Tensor


class MemberScale(nn.Module):
    """Multiplies every feature by a learned number, for each member. Starts at 1.

    It does so in the weights that read the features: the table needs no gradient then, which would
    be a third of the first layer's work.

    Shapes: input and output (members, features, outputs).
    """

    def __init__(self, members: int, features: int):
        super().__init__()
        self.weight = nn.Parameter(np.ones((members, 1, features), np.float32))

    def forward(self, weight: Tensor) -> Tensor:
        return st.matrix_transpose(self.weight) * weight


class MemberLinear(nn.Module):
    """A dense layer of its own for each member: `x @ weight / sqrt(in_features) + bias`.

    Args:
        members: how many networks there are.
        in_features, out_features: sizes of one member's layer.
        generator: draws weights and biases from the normal distribution; `None` starts at zero.

    Shapes: input (members or 1, rows, in_features), output (members, rows, out_features).
    """

    def __init__(
        self,
        members: int,
        in_features: int,
        out_features: int,
        generator: st.random.Generator | None = None,
    ):
        super().__init__()
        self.in_features = in_features
        weight, bias = (members, in_features, out_features), (members, 1, out_features)
        if generator is None:
            self.weight = nn.Parameter(np.zeros(weight, np.float32))
            self.bias = nn.Parameter(np.zeros(bias, np.float32))
        else:
            self.weight = nn.Parameter(st.random.normal(weight, generator=generator))
            self.bias = nn.Parameter(st.random.normal(bias, generator=generator))

    def forward(self, x: Tensor, scale: MemberScale | None = None) -> Tensor:
        weight = self.weight if scale is None else scale(self.weight)
        return (x @ weight) * (1.0 / math.sqrt(self.in_features)) + self.bias


class TabularNetwork(nn.Module):
    """Scale, hidden layers with ReLU, and an output layer that starts at zero; for each member.

    Args:
        features: columns of the input.
        outputs: 1 for a number, or the number of classes.
        members: how many networks are trained side by side.
        width: size of each hidden layer.
        depth: number of hidden layers.
        generator: where the first weights are drawn from; `None` starts at zero, to be loaded.

    Shapes: input (members or 1, rows, features), output (members, rows, outputs).
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        members: int,
        width: int,
        depth: int,
        generator: st.random.Generator | None = None,
    ):
        super().__init__()
        sizes = [features] + [width] * depth
        self.scale = MemberScale(members, features)
        self.hidden = nn.ModuleList(
            [
                MemberLinear(members, wide, narrow, generator)
                for wide, narrow in itertools.pairwise(sizes)
            ]
        )
        self.output = MemberLinear(members, width if depth else features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = [*self.hidden, self.output]
        x = first(x, self.scale)
        for layer in others:
            x = layer(nn.functional.relu(x))
        return x


class MixedNetwork(nn.Module):
    """What predicts: the networks of every kept cycle and linear models, weighed, for each member.

    Args:
        features, outputs, members, width, depth: as for `TabularNetwork`.
        cycle_weights: the weight of each kept cycle.
        linear_weight: the weight of the linear models; 0 leaves them out.

    Shapes: input (members or 1, rows, features), output (members, rows, outputs).
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        members: int,
        width: int,
        depth: int,
        cycle_weights: Sequence[float],
        linear_weight: float = 0.0,
    ):
        super().__init__()
        self.members = members
        self.cycle_weights = tuple(cycle_weights)
        self.linear_weight = linear_weight
        self.cycles = nn.ModuleList(
            [TabularNetwork(features, outputs, members, width, depth) for _ in cycle_weights]
        )
        if linear_weight > 0:
            self.linear = MemberLinear(members, features, outputs)

    def forward(self, x: Tensor) -> Tensor:
        parts = [
            weight * network(x)
            for weight, network in zip(self.cycle_weights, self.cycles, strict=True)
        ]
        if self.linear_weight > 0:
            parts.append(self.linear_weight * self.linear(x))
        return sum(parts[1:], start=parts[0])


class RowFeeder(nn.Module):
    """Feeds a network by row numbers, so that each member sees rows of its own.

    Args:
        network: the network to feed.
        matrix: (rows, features) the table, kept out of the state.

    Shapes: input (batch, members) int64 row numbers, output (batch, members, outputs).
    """

    def __init__(self, network: TabularNetwork, matrix: np.ndarray):
        super().__init__()
        self.network = network
        self.register_buffer("matrix", st.asarray(matrix), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        fed = st.take(self.matrix, st.permute_dims(rows, (1, 0)), axis=0)
        return st.permute_dims(self.network(fed), (1, 0, 2))
