"""Normalization layers without running statistics; those with them are in `batch_normalization`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int, require_same_dtype
from steepest.nn.module import Module
from steepest.nn.parameter import Parameter


def _as_shape(normalized_shape: int | Sequence[int], layer: str) -> tuple[int, ...]:
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not sizes:
        raise ArgumentError(f"{layer}: normalized_shape must name at least one axis.")
    return tuple(check_positive_int(size, layer, "normalized_shape") for size in sizes)


class LayerNorm(Module):
    """Normalizes each sample over its last axes, then scales and shifts.

    Shapes: input and output (..., *normalized_shape); `weight` (ones at first) and `bias` (zeros)
    are `normalized_shape`.

    Args:
        normalized_shape: the sizes of the last axes, or the size of the last one.
        eps: added to the variance.
        elementwise_affine: whether there are `weight` and `bias`.
        bias: whether there is a `bias`, if `elementwise_affine`.
        dtype: the data type of the parameters; float32 if `None`.

    Raises:
        ShapeError: an input that does not end with `normalized_shape`.
        DTypeError: an input of another data type.

    Source: Ba et al., arXiv 1607.06450.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape, "LayerNorm")
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        with_bias = elementwise_affine and bias
        self.weight = init.constant_parameter(shape, 1.0, dtype) if elementwise_affine else None
        self.bias = init.constant_parameter(shape, 0.0, dtype) if with_bias else None

    def reset_parameters(self) -> None:
        """Put the parameters back to their first numbers."""
        if self.weight is not None:
            self.weight.assign(1.0)
        if self.bias is not None:
            self.bias.assign(0.0)

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        if self.weight is not None and input.dtype.is_floating:
            require_same_dtype(input, self.weight, self.label)
        return functional.layer_norm(
            input, self.normalized_shape, self.weight, self.bias, self.eps, name=self.label
        )

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class RMSNorm(Module):
    """Divides each sample by the root of the mean square over its last axes, then scales.

    Shapes: input and output (..., *normalized_shape); `weight` (ones at first) is
    `normalized_shape`.

    Args:
        normalized_shape: the sizes of the last axes, or the size of the last one.
        eps: added to the mean square; the smallest step above 1 of the data type if `None`.
        elementwise_affine: whether there is a `weight`.
        dtype: the data type of the weight; float32 if `None`.

    Raises:
        ShapeError: an input that does not end with `normalized_shape`.
        DTypeError: an input of another data type.

    Source: Zhang and Sennrich, arXiv 1910.07467.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape, "RMSNorm")
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = init.constant_parameter(shape, 1.0, dtype) if elementwise_affine else None

    def reset_parameters(self) -> None:
        """Put the weight back to ones."""
        if self.weight is not None:
            self.weight.assign(1.0)

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        if self.weight is not None and input.dtype.is_floating:
            require_same_dtype(input, self.weight, self.label)
        return functional.rms_norm(
            input, self.normalized_shape, self.weight, self.eps, name=self.label
        )

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Module):
    """Normalizes groups of neighbouring channels of each sample, then scales and shifts.

    Shapes: input and output (n, num_channels, ...); `weight` (ones at first) and `bias` (zeros)
    are (num_channels,).

    Args:
        num_groups: how many groups; it must divide `num_channels`.
        num_channels: the size of axis 1.
        eps: added to the variance.
        affine: whether there are `weight` and `bias`.
        bias: whether there is a `bias`, if `affine`.
        dtype: the data type of the parameters; float32 if `None`.

    Raises:
        ArgumentError: groups that do not divide the channels.
        ShapeError: an input of another number of channels.
        DTypeError: an input of another data type.

    Source: Wu and He, arXiv 1803.08494.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_groups = check_positive_int(num_groups, "GroupNorm", "num_groups")
        self.num_channels = check_positive_int(num_channels, "GroupNorm", "num_channels")
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_channels {num_channels} cannot be divided into "
                f"{num_groups} groups."
            )
        self.eps = eps
        self.affine = affine
        shape = (self.num_channels,)
        self.weight = init.constant_parameter(shape, 1.0, dtype) if affine else None
        self.bias = init.constant_parameter(shape, 0.0, dtype) if affine and bias else None

    def reset_parameters(self) -> None:
        """Put the parameters back to their first numbers."""
        if self.weight is not None:
            self.weight.assign(1.0)
        if self.bias is not None:
            self.bias.assign(0.0)

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ShapeError(
                f"{self.label}: input {input.shape} must be (n, {self.num_channels}, ...)."
            )
        if self.weight is not None and input.dtype.is_floating:
            require_same_dtype(input, self.weight, self.label)
        return functional.group_norm(
            input, self.num_groups, self.weight, self.bias, self.eps, name=self.label
        )

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Divides each number by a power of the mean square of its neighbouring channels.

    y = x / (k + alpha * mean(x ** 2 over `size` channels)) ** beta

    Shapes: input and output (n, channels, ...).

    Args:
        size: how many neighbouring channels count; beyond the first and last there are zeros.
        alpha, beta, k: as in the formula.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (2012).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size = check_positive_int(size, "LocalResponseNorm", "size")
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return functional.local_response_norm(
            input, self.size, self.alpha, self.beta, self.k, name=self.label
        )

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
