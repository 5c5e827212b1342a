"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int, require_same_dtype
from steepest.nn.module import Module
from steepest.nn.parameter import Buffer, Parameter
from steepest.nn.spatial import POSITION_NAMES


def _image_shape(lead: str, dims: int) -> str:
    """The names of the axes of an input with so many spatial axes, for messages."""
    return f"({', '.join((lead, *POSITION_NAMES[dims]))})"


class BatchNorm1d(Module):
    """Normalizes each feature over the batch (and over the length), then scales and shifts.

    Shapes: input and output (n, num_features) or (n, num_features, length); `weight` (ones at
    first), `bias` (zeros), `running_mean` (zeros) and `running_var` (ones) are (num_features,).

    In training it uses the batch's statistics and moves the running ones towards them; in
    evaluation it uses the running ones.

    Args:
        num_features: the size of axis 1.
        eps: added to the variance.
        momentum: the share of each batch in the running statistics; `None` averages all batches.
        affine: whether there are `weight` and `bias`.
        track_running_stats: whether there are running statistics; without them evaluation uses
            the batch's too.
        bias: whether there is a `bias`, if `affine`.
        dtype: the data type of the parameters; float32 if `None`.

    Raises:
        ShapeError: an input of another rank or number of features, or one value per feature in
            training.
        DTypeError: an input of another data type.

    Source: Ioffe and Szegedy, arXiv 1502.03167.
    """

    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Buffer | None
    running_var: Buffer | None
    num_batches_tracked: Buffer | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_features = check_positive_int(num_features, type(self).__name__, "num_features")
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (self.num_features,)
        self.weight = init.constant_parameter(shape, 1.0, dtype) if affine else None
        self.bias = init.constant_parameter(shape, 0.0, dtype) if affine and bias else None
        self._make_statistics(dtype)

    def _make_statistics(self, dtype: Any) -> None:
        if not self.track_running_stats:
            self.running_mean = self.running_var = self.num_batches_tracked = None
            return
        dtype = st.float32 if dtype is None else dtype
        self.running_mean = Buffer(st.zeros((self.num_features,), dtype=dtype))
        self.running_var = Buffer(st.ones((self.num_features,), dtype=dtype))
        self.num_batches_tracked = Buffer(st.zeros((), dtype=st.int64))

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.assign(0.0)
            self.running_var.assign(1.0)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.assign(0)

    def reset_parameters(self) -> None:
        """Put all parameters and statistics back to their first numbers."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.assign(1.0)
        if self.bias is not None:
            self.bias.assign(0.0)

    def forward(self, input: Tensor) -> Tensor:
        input = as_tensor(input)
        self._check(input)
        use_batch = self.training or self.running_mean is None
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked + 1
            self.num_batches_tracked.assign(count)
            if self.momentum is None:
                momentum = 1.0 / count.astype(st.float64)
        return functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_batch,
            momentum,
            self.eps,
            name=self.label,
        )

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self.ranks:
            wanted = " or ".join(_image_shape("n, num_features", rank - 2) for rank in self.ranks)
            raise ShapeError(f"{self.label}: needs an input {wanted}, got {input.shape}.")
        if input.shape[1] != self.num_features:
            raise ShapeError(
                f"{self.label}: input {input.shape} has {input.shape[1]} features (axis 1), but "
                f"this layer takes {self.num_features}. "
                f"Did you mean {type(self).__name__}({input.shape[1]})?"
            )
        reference = self.weight if self.weight is not None else self.running_mean
        if reference is not None:
            require_same_dtype(input, reference, self.label)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(BatchNorm1d):
    """Normalizes each channel of images over the batch and all positions; see `BatchNorm1d`.

    Shapes: input and output (n, num_features, height, width).
    """

    ranks = (4,)


class BatchNorm3d(BatchNorm1d):
    """Normalizes each channel of volumes over the batch and all positions; see `BatchNorm1d`.

    Shapes: input and output (n, num_features, depth, height, width).
    """

    ranks = (5,)


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
