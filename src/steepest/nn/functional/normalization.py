"""Normalization: shift and scale to mean 0 and variance 1 over some axes, then affinely."""

from __future__ import annotations

import math
from collections.abc import Sequence

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import as_tensor, complaint, require_floating
from steepest.ops.windows import windows

LONG_IMAGE = 16
"""Positions of a channel from which on an image has a mean and a variance of its own first."""


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
    *,
    name: str = "batch_norm",
) -> Tensor:
    """Normalize each channel over the batch and all positions.

    In training the batch's own mean and (biased) variance are used, and the running statistics
    move towards them: `running = (1 - momentum) * running + momentum * batch`, with the unbiased
    variance. Otherwise the running statistics are used.

    Args:
        input: (n, channels) or (n, channels, ...).
        running_mean: (channels,), changed in place during training; or `None`.
        running_var: (channels,), changed in place during training; or `None`.
        weight: (channels,), the scale after normalization; or `None`.
        bias: (channels,), the shift after normalization; or `None`.
        training: whether to use the batch's statistics.
        momentum: the share of the batch in the running statistics.
        eps: added to the variance.
        name: how error messages call the operation.

    Raises:
        ShapeError: fewer than two axes, or one single value a channel in training.
        ArgumentError: no running statistics outside training.

    Source: Ioffe and Szegedy, arXiv 1502.03167.
    """
    x = as_tensor(input)
    require_floating(x, name)
    if x.ndim < 2:
        raise ShapeError(complaint(f"{name}: needs an input (n, channels, ...), got {x.shape}."))
    axes = (0, *range(2, x.ndim))
    count = math.prod(x.shape[axis] for axis in axes)
    if training:
        _require_several(x.shape, count, name)
        mean, var, _ = _moments(st.stop_gradient(x), axes)
        if running_mean is not None and count:
            _move_towards(running_mean, _per_channel(mean), momentum)
        if running_var is not None and count:
            unbiased = _per_channel(var) * (count / (count - 1))
            _move_towards(running_var, unbiased, momentum)
        return _by_batch(x, weight, bias, axes, eps)
    if running_mean is None or running_var is None:
        raise ArgumentError(
            complaint(f"{name}: needs running_mean and running_var outside training.")
        )
    centered = x - _as_channels(running_mean, x.ndim)
    deviation = st.rsqrt(_as_channels(running_var, x.ndim) + eps)
    return _affine(centered * deviation, weight, bias)


def _affine(normalized: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """A scale and a shift for each channel."""
    if weight is not None:
        normalized = normalized * _as_channels(weight, normalized.ndim)
    if bias is not None:
        normalized = normalized + _as_channels(bias, normalized.ndim)
    return normalized


def _by_batch(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, axes: tuple[int, ...], eps: float
) -> Tensor:
    """Numbers of mean 0 and variance 1 over some axes, and then `_affine`.

    The rule says with two sums, which are the gradients of the shift and the scale, what the chain
    rule would say with six: `dx = weight / deviation * (dy - mean(dy) - n * mean(dy * n))`, where n
    is what stands before the scale.
    """
    names = [name for name, each in (("weight", weight), ("bias", bias)) if each is not None]

    def normalized(x: Tensor) -> tuple[Tensor, Tensor]:
        _, var, centered = _moments(x, axes)
        inverse = st.rsqrt(var + eps)
        return centered * inverse, inverse

    def by_two_sums(
        output_grad: Tensor, _: Tensor, x: Tensor, *affine: Tensor
    ) -> tuple[Tensor, ...]:
        # Made of x again, so that it can be differentiated again.
        found, inverse = normalized(x)
        level = st.sum(output_grad, axis=axes, keepdims=True)
        slope = st.sum(output_grad * found, axis=axes, keepdims=True)
        count = x.size // max(level.size, 1)
        given = dict(zip(names, affine, strict=True))
        scale = _as_channels(given["weight"], x.ndim) * inverse if "weight" in given else inverse
        along = (output_grad - level / count - found * (slope / count)) * scale
        sums = {"weight": slope, "bias": level}
        return (
            along.astype(x.dtype),
            *(_per_channel(sums[name]).astype(given[name].dtype) for name in names),
        )

    @st.custom_gradient(gradient=by_two_sums)
    def normalize(x: Tensor, *affine: Tensor) -> Tensor:
        given = dict(zip(names, affine, strict=True))
        return _affine(normalized(x)[0], given.get("weight"), given.get("bias"))

    return normalize(x, *(each for each in (weight, bias) if each is not None))


def _require_several(shape: tuple[int, ...], count: int, name: str) -> None:
    if count == 1:
        raise ShapeError(
            complaint(
                f"{name}: input {shape} has one value per channel, whose variance is 0, so it "
                f"cannot be normalized in training. Use a batch of at least 2, drop the last "
                f"incomplete batch, or call .eval()."
            )
        )


def _moments(x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance over axes (kept with size 1), and x less its mean.

    Over a batch of images, those of each image come first: they take one pass over an image, while
    it is in cache, where the mean of all would have to be known before a second pass could begin.
    The variance is then the mean of the images' variances and the variance of their means.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances" (1979).
    """
    inner = tuple(axis for axis in axes if axis != 0)
    if 0 not in axes or math.prod(x.shape[axis] for axis in inner) < LONG_IMAGE:
        mean, var = _plain_moments(x, tuple(axes))
        return mean, var, x - mean
    means, variances = _plain_moments(x, inner)
    mean, of_means = _plain_moments(means, (0,))
    return mean, st.mean(variances, axis=0, keepdims=True) + of_means, x - mean


def _plain_moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over axes, which stay with size 1."""
    mean = st.mean(x, axis=axes, keepdims=True)
    centered = x - mean
    return mean, st.mean(centered * centered, axis=axes, keepdims=True)


def _move_towards(running: Tensor, batch: Tensor, momentum: float | Tensor) -> None:
    batch = st.stop_gradient(batch).astype(running.dtype)
    if isinstance(momentum, Tensor):
        momentum = momentum.astype(running.dtype)
    running.assign(running * (1.0 - momentum) + batch * momentum)


def _per_channel(statistic: Tensor) -> Tensor:
    """(1, channels, 1, ...) to (channels,)."""
    return st.reshape(statistic, (statistic.size,))


def _as_channels(vector: Tensor, ndim: int) -> Tensor:
    """(channels,) to (1, channels, 1, ...), ready to meet an input with `ndim` axes."""
    vector = as_tensor(vector)
    return st.reshape(vector, (1, vector.size) + (1,) * (ndim - 2))


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    name: str = "layer_norm",
) -> Tensor:
    """Normalize each sample over its last axes.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the sizes of the last axes.
        weight: `normalized_shape`, the scale after normalization; or `None`.
        bias: `normalized_shape`, the shift after normalization; or `None`.
        eps: added to the (biased) variance.
        name: how error messages call the operation.

    Raises:
        ShapeError: the input does not end with `normalized_shape`.

    Source: Ba et al., arXiv 1607.06450.
    """
    x = as_tensor(input)
    axes = _trailing_axes(x, normalized_shape, name)
    _, var, centered = _moments(x, axes)
    normalized = centered * st.rsqrt(var + eps)
    if weight is not None:
        normalized = normalized * as_tensor(weight)
    if bias is not None:
        normalized = normalized + as_tensor(bias)
    return normalized


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
    *,
    name: str = "rms_norm",
) -> Tensor:
    """Divide each sample by the root of the mean square over its last axes.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the sizes of the last axes.
        weight: `normalized_shape`, the scale after normalization; or `None`.
        eps: added to the mean square; the smallest step above 1 of the data type if `None`.
        name: how error messages call the operation.

    Raises:
        ShapeError: the input does not end with `normalized_shape`.

    Source: Zhang and Sennrich, arXiv 1910.07467.
    """
    x = as_tensor(input)
    axes = _trailing_axes(x, normalized_shape, name)
    if eps is None:
        eps = float(st.finfo(x.dtype).eps)
    mean_square = st.mean(x * x, axis=axes, keepdims=True)
    normalized = x * st.rsqrt(mean_square + eps)
    return normalized if weight is None else normalized * as_tensor(weight)


def _trailing_axes(x: Tensor, normalized_shape: Sequence[int], name: str) -> tuple[int, ...]:
    require_floating(x, name)
    sizes = tuple(normalized_shape)
    if not sizes or x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must end with {sizes}, the shape that is normalized. "
                f"Did you mean {x.shape[-max(len(sizes), 1) :]}?"
            )
        )
    return tuple(range(x.ndim - len(sizes), x.ndim))


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *,
    name: str = "group_norm",
) -> Tensor:
    """Normalize groups of neighbouring channels of each sample, over the group and all positions.

    Args:
        input: (n, channels, ...).
        num_groups: how many groups; it must divide the channels.
        weight: (channels,), the scale after normalization; or `None`.
        bias: (channels,), the shift after normalization; or `None`.
        eps: added to the (biased) variance.
        name: how error messages call the operation.

    Raises:
        ShapeError: the groups do not divide the channels.

    Source: Wu and He, arXiv 1803.08494.
    """
    x = as_tensor(input)
    require_floating(x, name)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must be (n, channels, ...) with channels divisible "
                f"by {num_groups} groups."
            )
        )
    n, channels = x.shape[:2]
    positions = math.prod(x.shape[2:])
    grouped = st.reshape(x, (n, num_groups, channels // num_groups * positions))
    _, var, centered = _moments(grouped, (2,))
    normalized = st.reshape(centered * st.rsqrt(var + eps), x.shape)
    if weight is not None:
        normalized = normalized * _as_channels(weight, x.ndim)
    if bias is not None:
        normalized = normalized + _as_channels(bias, x.ndim)
    return normalized


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    name: str = "instance_norm",
) -> Tensor:
    """Normalize each channel of each sample over its positions.

    Args:
        input: (n, channels, ...) with at least one axis of positions.
        running_mean: (channels,), moved towards the batch's mean of means where
            `use_input_stats`; or `None`.
        running_var: (channels,), moved likewise towards the mean of unbiased variances; or `None`.
        weight: (channels,), the scale after normalization; or `None`.
        bias: (channels,), the shift after normalization; or `None`.
        use_input_stats: whether to normalize by each sample's own statistics, or the running ones.
        momentum: the share of the batch in the running statistics.
        eps: added to the (biased) variance.
        name: how error messages call the operation.

    Raises:
        ShapeError: no positions, or a single one where they are normalized.
        ArgumentError: no running statistics where they are used.

    Source: Ulyanov et al., arXiv 1607.08022.
    """
    if not use_input_stats:
        return batch_norm(
            input, running_mean, running_var, weight, bias, False, momentum, eps, name=name
        )
    x = as_tensor(input)
    require_floating(x, name)
    count = math.prod(x.shape[2:])
    if x.ndim < 3 or count == 1:
        raise ShapeError(
            complaint(
                f"{name}: needs an input (n, channels, ...) with more than one position, got "
                f"{x.shape}."
            )
        )
    mean, var, centered = _moments(x, range(2, x.ndim))
    if running_mean is not None and x.size:
        _move_towards(running_mean, _mean_of_samples(mean), momentum)
    if running_var is not None and x.size:
        _move_towards(running_var, _mean_of_samples(var) * (count / (count - 1)), momentum)
    normalized = centered * st.rsqrt(var + eps)
    if weight is not None:
        normalized = normalized * _as_channels(weight, x.ndim)
    if bias is not None:
        normalized = normalized + _as_channels(bias, x.ndim)
    return normalized


def _mean_of_samples(statistic: Tensor) -> Tensor:
    """(n, channels, 1, ...) to (channels,)."""
    return st.mean(st.reshape(statistic, statistic.shape[:2]), axis=0)


def local_response_norm(
    input: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    name: str = "local_response_norm",
) -> Tensor:
    """x / (k + alpha * mean(x ** 2 over `size` neighbouring channels)) ** beta.

    Args:
        input: (n, channels, ...).
        size: how many channels count, half of them before each one; beyond the first and last
            there are zeros.
        alpha, beta, k: as in the formula.
        name: how error messages call the operation.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (2012).
    """
    x = as_tensor(input)
    require_floating(x, name)
    if x.ndim < 3:
        raise ShapeError(
            complaint(
                f"{name}: needs an input (n, channels, ...) of at least 3 axes, got {x.shape}."
            )
        )
    if not x.size:
        return x
    sides = [(0, 0)] * x.ndim
    sides[1] = (size // 2, (size - 1) // 2)
    padded = st.pad(x * x, sides)
    seen = windows(padded, axes=(1,), sizes=(size,), steps=(1,), dilations=(1,))
    mean = st.sum(seen, axis=-1) / size
    return x / (k + alpha * mean) ** beta
