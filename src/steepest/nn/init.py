"""How parameters get their first numbers.

Every function changes its tensor in place and returns it. Random ones draw from the default
generator, or from `generator`, so that `steepest.random.seed` makes a network reproducible.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError, did_you_mean
from steepest.nn.normal_quantile import normal_distribution, normal_quantile
from steepest.nn.parameter import Parameter

GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}

Generator = Any


def empty_parameter(shape: tuple[int, ...], dtype: Any = None) -> Parameter:
    """A parameter of zeros, float32 unless `dtype` says otherwise, to be initialised next."""
    return constant_parameter(shape, 0.0, dtype)


def constant_parameter(shape: tuple[int, ...], value: float, dtype: Any = None) -> Parameter:
    """A parameter filled with one number, float32 unless `dtype` says otherwise."""
    return Parameter(st.full(shape, value, dtype=st.float32 if dtype is None else dtype))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before an activation should be larger.

    Args:
        nonlinearity: `"linear"`, `"sigmoid"`, `"tanh"`, `"relu"`, `"leaky_relu"`, `"selu"` or a
            convolution such as `"conv2d"`.
        param: the negative slope of `"leaky_relu"`; 0.01 if `None`.

    Raises:
        ArgumentError: another name.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in GAINS:
        names = [*GAINS, "leaky_relu"]
        raise ArgumentError(
            f"calculate_gain: nonlinearity {nonlinearity!r} is not known."
            f"{did_you_mean(nonlinearity, names)}"
        )
    return GAINS[nonlinearity]


def fans(tensor: Tensor, operation: str = "fans") -> tuple[int, int]:
    """How many inputs each output of a weight has, and how many outputs each input.

    Args:
        tensor: (out, in, ...); further axes are the receptive field of a convolution.

    Raises:
        ShapeError: fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ShapeError(
            f"{operation}: needs a weight (out, in, ...), got {tensor.shape}. "
            f"Biases are usually initialised with zeros_."
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Draw from the uniform distribution on [a, b)."""
    drawn = st.random.uniform(tensor.shape, a, b, dtype=tensor.dtype, generator=generator)
    return _put(tensor, drawn)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None
) -> Tensor:
    """Draw from the normal distribution."""
    if std < 0:
        raise ArgumentError(f"normal_: std must not be negative, got {std}.")
    drawn = st.random.normal(tensor.shape, mean, std, dtype=tensor.dtype, generator=generator)
    return _put(tensor, drawn)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = None,
) -> Tensor:
    """Draw from the normal distribution, cut off outside [a, b].

    The draws are quantiles of uniform numbers, so none is ever rejected.

    Raises:
        ArgumentError: `std` is not positive, or `a` is not below `b`.
    """
    if std <= 0 or not a < b:
        raise ArgumentError(f"trunc_normal_: needs std > 0 and a < b, got std={std}, a={a}, b={b}.")
    low = normal_distribution((a - mean) / std)
    high = normal_distribution((b - mean) / std)
    drawn = st.random.uniform(tensor.shape, 0.0, 1.0, dtype=st.float64, generator=generator)
    quantiles = normal_quantile(low + (high - low) * drawn.numpy())
    return _put(tensor, st.asarray(np.clip(quantiles * std + mean, a, b)))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    return _put(tensor, st.full(tensor.shape, val, dtype=tensor.dtype))


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Make a matrix the identity, so that a linear layer keeps its input.

    Raises:
        ShapeError: the tensor does not have two axes.
    """
    _require_matrix(tensor, "eye_")
    return _put(tensor, st.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's weight keep as many channels as possible.

    Args:
        tensor: (out, in, ...) with one to three further axes.
        groups: the convolution's groups.

    Raises:
        ShapeError: another number of axes, or groups that do not divide the outputs.
    """
    if tensor.ndim not in (3, 4, 5) or tensor.shape[0] % groups:
        raise ShapeError(
            f"dirac_: needs a weight (out, in, ...) with 3 to 5 axes and outputs divisible by "
            f"{groups} groups, got {tensor.shape}."
        )
    weight = np.zeros(tensor.shape)
    outputs = tensor.shape[0] // groups
    center = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(outputs, tensor.shape[1])):
            weight[(group * outputs + channel, channel, *center)] = 1.0
    return _put(tensor, st.asarray(weight))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Uniform with variance 2 gain^2 / (fan_in + fan_out), also called Glorot.

    Source: Glorot and Bengio, AISTATS 2010.
    """
    fan_in, fan_out = fans(tensor, "xavier_uniform_")
    return _centered_uniform(tensor, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Normal with variance 2 gain^2 / (fan_in + fan_out), also called Glorot.

    Source: Glorot and Bengio, AISTATS 2010.
    """
    fan_in, fan_out = fans(tensor, "xavier_normal_")
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan, also called He.

    Args:
        a: the negative slope of the leaky ReLU that follows; 0 for a ReLU.
        mode: `"fan_in"` keeps the size of activations, `"fan_out"` that of gradients.
        nonlinearity: what follows; see `calculate_gain`.

    Source: He et al., arXiv 1502.01852.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return _centered_uniform(tensor, std, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Normal with variance gain^2 / fan, also called He; arguments as `kaiming_uniform_`.

    Source: He et al., arXiv 1502.01852.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return normal_(tensor, 0.0, std, generator)


def lecun_uniform_(tensor: Tensor, generator: Generator = None) -> Tensor:
    """Uniform with variance 1 / fan_in. Source: LeCun et al., "Efficient backprop", 1998."""
    std = _kaiming_std(tensor, 0.0, "fan_in", "linear", "lecun_uniform_")
    return _centered_uniform(tensor, std, generator)


def lecun_normal_(tensor: Tensor, generator: Generator = None) -> Tensor:
    """Normal with variance 1 / fan_in, for SELU. Source: LeCun et al., 1998."""
    std = _kaiming_std(tensor, 0.0, "fan_in", "linear", "lecun_normal_")
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, operation: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode not in modes:
        raise ArgumentError(
            f"{operation}: mode must be 'fan_in' or 'fan_out', got {mode!r}."
            f"{did_you_mean(mode, modes)}"
        )
    fan = fans(tensor, operation)[modes.index(mode)]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def _centered_uniform(tensor: Tensor, std: float, generator: Generator) -> Tensor:
    """Uniform numbers around 0 with a given standard deviation."""
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Make the rows (or columns, if there are fewer) of a weight orthogonal, of length `gain`.

    Args:
        tensor: (out, ...); all axes but the first count as columns.

    Raises:
        ShapeError: fewer than two axes.

    Source: Saxe et al., arXiv 1312.6120.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: needs a weight (out, in, ...), got {tensor.shape}.")
    if tensor.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    tall = (max(rows, columns), min(rows, columns))
    drawn = st.random.normal(tall, 0.0, 1.0, dtype=st.float64, generator=generator)
    basis, upper = np.linalg.qr(drawn.numpy())
    basis = basis * np.sign(np.diagonal(upper))
    matrix = basis if rows >= columns else basis.T
    return _put(tensor, st.asarray(np.ascontiguousarray(gain * matrix).reshape(tensor.shape)))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator = None
) -> Tensor:
    """Normal numbers, of which a share of each column is 0.

    Args:
        tensor: (rows, columns).
        sparsity: the share of zeros in each column, from 0 to 1.

    Raises:
        ShapeError: the tensor does not have two axes.
        ArgumentError: `sparsity` outside 0 to 1.

    Source: Martens, "Deep learning via Hessian-free optimization", ICML 2010.
    """
    _require_matrix(tensor, "sparse_")
    if not 0.0 <= sparsity <= 1.0:
        raise ArgumentError(f"sparse_: sparsity must be from 0 to 1, got {sparsity}.")
    drawn = st.random.normal(tensor.shape, 0.0, std, dtype=st.float64, generator=generator)
    order = st.random.uniform(tensor.shape, 0.0, 1.0, dtype=st.float64, generator=generator)
    zeros = math.ceil(sparsity * tensor.shape[0])
    rank = np.argsort(np.argsort(order.numpy(), axis=0), axis=0)
    return _put(tensor, st.asarray(np.where(rank < zeros, 0.0, drawn.numpy())))


def _require_matrix(tensor: Tensor, operation: str) -> None:
    if tensor.ndim != 2:
        raise ShapeError(f"{operation}: needs a matrix, got {tensor.shape}.")


def _put(tensor: Tensor, numbers: Tensor) -> Tensor:
    """Give `tensor` new numbers in its own data type."""
    tensor.assign(st.astype(numbers, tensor.dtype))
    return tensor


glorot_uniform_ = xavier_uniform_
glorot_normal_ = xavier_normal_
he_uniform_ = kaiming_uniform_
he_normal_ = kaiming_normal_
