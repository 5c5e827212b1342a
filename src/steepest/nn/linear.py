"""Fully connected layers and layers that change only the shape."""

from __future__ import annotations

import math
from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int, normalize_axis
from steepest.nn.module import Module
from steepest.nn.parameter import Parameter


class Identity(Module):
    """Returns its input, to stand in for another layer."""

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """y = x weight.T + bias.

    Shapes: input (..., in_features), output (..., out_features), `weight`
    (out_features, in_features), `bias` (out_features,).

    The first numbers of both are uniform from -1/sqrt(in_features) to 1/sqrt(in_features).

    Args:
        in_features: the size of the input's last axis.
        out_features: the size of the output's last axis.
        bias: whether there is a bias.
        dtype: the parameters' data type; float32 if `None`.

    Raises:
        ShapeError: an input of another width, with the layer that would take it.
        DTypeError: an input of another data type than the weight.
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ):
        super().__init__()
        self.in_features = check_positive_int(in_features, "Linear", "in_features", 0)
        self.out_features = check_positive_int(out_features, "Linear", "out_features", 0)
        self.weight = init.empty_parameter((self.out_features, self.in_features), dtype)
        self.bias = init.empty_parameter((self.out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))
        if self.bias is not None:
            bound = 1.0 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input, self.weight, self.bias, name=self.label)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y[o] = left weight[o] right + bias[o].

    Shapes: left (..., in1_features), right (..., in2_features), output (..., out_features),
    `weight` (out_features, in1_features, in2_features), `bias` (out_features,).

    The first numbers of both are uniform from -1/sqrt(in1_features) to 1/sqrt(in1_features).

    Args:
        in1_features: the size of the first input's last axis.
        in2_features: the size of the second input's last axis.
        out_features: the size of the output's last axis.
        bias: whether there is a bias.
        dtype: the parameters' data type; float32 if `None`.
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
    ):
        super().__init__()
        self.in1_features = check_positive_int(in1_features, "Bilinear", "in1_features")
        self.in2_features = check_positive_int(in2_features, "Bilinear", "in2_features")
        self.out_features = check_positive_int(out_features, "Bilinear", "out_features")
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = init.empty_parameter(shape, dtype)
        self.bias = init.empty_parameter((self.out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return functional.bilinear(input1, input2, self.weight, self.bias, name=self.label)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Maxout(Module):
    """The largest of several linear maps, per output: a learnt convex activation.

    Shapes: input (..., in_features), output (..., out_features), `weight`
    (out_features * pieces, in_features), `bias` (out_features * pieces,); the pieces of an output
    are neighbouring rows. First numbers as in `Linear`.

    Args:
        in_features: the size of the input's last axis.
        out_features: the size of the output's last axis.
        pieces: how many linear maps each output chooses from.
        bias: whether there is a bias.
        dtype: the parameters' data type; float32 if `None`.

    Source: Goodfellow et al., "Maxout networks", arXiv 1302.4389.
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pieces: int = 2,
        bias: bool = True,
        *,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_features = check_positive_int(in_features, "Maxout", "in_features")
        self.out_features = check_positive_int(out_features, "Maxout", "out_features")
        self.pieces = check_positive_int(pieces, "Maxout", "pieces")
        rows = self.out_features * self.pieces
        self.weight = init.empty_parameter((rows, self.in_features), dtype)
        self.bias = init.empty_parameter((rows,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.in_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        if input.ndim == 0 or input.shape[-1] != self.in_features:
            width = input.shape[-1] if input.ndim else 1
            raise ShapeError(
                f"{self.label}: input {input.shape} has {width} features, but this layer takes "
                f"{self.in_features} (weight {self.weight.shape}). "
                f"Did you mean Maxout({width}, {self.out_features}, {self.pieces})?"
            )
        rows = functional.linear(input, self.weight, self.bias, name=self.label)
        return functional.maxout(rows, self.pieces)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"pieces={self.pieces}, bias={self.bias is not None}"
        )


class MaxoutChannels(Module):
    """The largest of every `pieces` neighbouring channels: maxout behind a convolution.

    `Sequential(Conv2d(3, 32 * 2, 3), MaxoutChannels(2))` has 32 output channels, each the larger
    of two convolutions.

    Shapes: input (n, channels, ...), output (n, channels / pieces, ...).

    Args:
        pieces: how many channels each output chooses from.
        dim: the axis of channels.

    Raises:
        ShapeError: channels that are no multiple of `pieces`.

    Source: Goodfellow et al., "Maxout networks", arXiv 1302.4389.
    """

    def __init__(self, pieces: int = 2, dim: int = 1):
        super().__init__()
        self.pieces = check_positive_int(pieces, "MaxoutChannels", "pieces")
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.maxout(input, self.pieces, self.dim, name=self.label)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}"


class Flatten(Module):
    """Joins axes `start_dim` to `end_dim` into one: (n, 28, 28) becomes (n, 784).

    Args:
        start_dim: the first axis that is joined; 1 keeps the batch.
        end_dim: the last axis that is joined.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        first = normalize_axis(self.start_dim, input.ndim, self.label)
        last = normalize_axis(self.end_dim, input.ndim, self.label)
        if first > last:
            raise ShapeError(
                f"{self.label}: input {input.shape} has no axes from start_dim "
                f"{self.start_dim} to end_dim {self.end_dim}."
            )
        joined = math.prod(input.shape[first : last + 1])
        return st.reshape(input, (*input.shape[:first], joined, *input.shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one axis into several: (n, 784) becomes (n, 28, 28).

    Args:
        dim: the axis that is split.
        unflattened_size: the sizes it is split into; one of them may be -1.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]):
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)
        if sum(size < 0 for size in self.unflattened_size) > 1:
            raise ArgumentError(
                f"Unflatten: at most one of the sizes may be -1, got {self.unflattened_size}."
            )

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        axis = normalize_axis(self.dim, input.ndim, self.label)
        size = input.shape[axis] if input.ndim else 1
        known = math.prod(each for each in self.unflattened_size if each >= 0)
        wildcard = any(each < 0 for each in self.unflattened_size)
        fits = (known > 0 and size % known == 0) if wildcard else known == size
        if not fits:
            raise ShapeError(
                f"{self.label}: axis {self.dim} of input {input.shape} has {size} numbers, which "
                f"cannot be split into {self.unflattened_size}."
            )
        sizes = tuple(size // known if each < 0 else each for each in self.unflattened_size)
        return st.reshape(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
