"""Normalization layers with running statistics: batch and instance norm."""

from __future__ import annotations

from typing import Any, ClassVar

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ShapeError
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int, require_same_dtype
from steepest.nn.module import Module
from steepest.nn.parameter import Buffer, Parameter
from steepest.nn.spatial import POSITION_NAMES, batched, unbatched


def _image_shape(lead: str, dims: int) -> str:
    """The names of the axes of an input with so many spatial axes, for messages."""
    return f"({', '.join((lead, *POSITION_NAMES[dims]))})"


class _StatisticsNorm(Module):
    """What batch and instance norm share: parameters and running statistics."""

    ranks: ClassVar[tuple[int, ...]]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Buffer | None
    running_var: Buffer | None
    num_batches_tracked: Buffer | None

    def _set_up(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: Any,
    ) -> None:
        """Keep the options, and make the parameters and statistics."""
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

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_StatisticsNorm):
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
        options = (num_features, eps, momentum, affine, track_running_stats, bias, dtype)
        self._set_up(*options)

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


class InstanceNorm1d(_StatisticsNorm):
    """Normalizes each channel of each sample over its positions, then scales and shifts.

    Shapes: input and output (n, num_features, length) or (num_features, length); `weight` (ones at
    first) and `bias` (zeros), if `affine`, and `running_mean` (zeros) and `running_var` (ones), if
    `track_running_stats`, are (num_features,).

    Args:
        num_features: the number of channels.
        eps: added to the variance.
        momentum: the share of each batch in the running statistics.
        affine: whether there are `weight` and `bias`.
        track_running_stats: whether there are running statistics, which evaluation then uses.
        bias: whether there is a `bias`, if `affine`.
        dtype: the data type of the parameters; float32 if `None`.

    Raises:
        ShapeError: an input of another rank or number of channels, or with one position.
        DTypeError: an input of another data type.

    Source: Ulyanov et al., arXiv 1607.08022.
    """

    ranks: ClassVar[tuple[int, ...]] = (3,)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = None,
    ):
        super().__init__()
        options = (num_features, eps, momentum, affine, track_running_stats, bias, dtype)
        self._set_up(*options)

    def forward(self, input: Tensor) -> Tensor:
        x, had_batch = batched(input, self.ranks[0] - 2, self.label, "num_features")
        if x.shape[1] != self.num_features:
            raise ShapeError(
                f"{self.label}: input {x.shape} has {x.shape[1]} features (axis 1), but this layer "
                f"takes {self.num_features}. Did you mean {type(self).__name__}({x.shape[1]})?"
            )
        reference = self.weight if self.weight is not None else self.running_mean
        if reference is not None:
            require_same_dtype(x, reference, self.label)
        output = functional.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
            name=self.label,
        )
        return unbatched(output, had_batch)


class InstanceNorm2d(InstanceNorm1d):
    """As `InstanceNorm1d` for images; input (n, num_features, height, width) or without n."""

    ranks = (4,)


class InstanceNorm3d(InstanceNorm1d):
    """As `InstanceNorm1d` for volumes (n, num_features, depth, height, width), or without n."""

    ranks = (5,)
