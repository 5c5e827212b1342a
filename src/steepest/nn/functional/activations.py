"""Activation functions.

Every function takes a tensor of any shape and returns one of the same shape, unless it says
otherwise, with PyTorch's names, defaults and values. A piece of a piecewise function that is not
taken never sees numbers on which its gradient would overflow, so no NaN leaks from it.
"""

from __future__ import annotations

import math
from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import as_tensor, complaint, normalize_axis, require_floating

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return st.sigmoid(_floating(input, "sigmoid"))


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return st.tanh(_floating(input, "tanh"))


def relu(input: Tensor) -> Tensor:
    """max(x, 0), with gradient 0 at 0; NaN stays NaN."""
    x = as_tensor(input)
    return st.where(x <= 0, 0, x)


def relu6(input: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Clip x to [min_val, max_val], with gradient 0 at both ends."""
    x = _floating(input, "hardtanh")
    if not min_val <= max_val:
        raise ArgumentError(
            complaint(f"hardtanh: min_val must not be above max_val, got {min_val} and {max_val}.")
        )
    below_top = st.where(x >= max_val, max_val, x)
    return st.where(x <= min_val, min_val, below_top)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x."""
    x = _floating(input, "leaky_relu")
    return st.where(x > 0, x, x * negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x: a leaky ReLU whose slope is learnt.

    Args:
        input: (n, channels, ...), or any shape when there is a single weight.
        weight: (1,) or (channels,).

    Raises:
        ShapeError: several weights that do not match axis 1 of the input.

    Source: He et al., "Delving deep into rectifiers", arXiv 1502.01852.
    """
    x = _floating(input, "prelu")
    weight = as_tensor(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size != 1 and (weight.ndim != 1 or weight.size != channels):
        raise ShapeError(
            complaint(
                f"prelu: input {x.shape} has {channels} channels (axis 1), but weight "
                f"{weight.shape} must have 1 or {channels} slopes. Did you mean PReLU({channels})?"
            )
        )
    slope_shape = (1, -1) + (1,) * (x.ndim - 2) if x.ndim > 1 else (1,) * x.ndim
    slope = st.reshape(weight, slope_shape)
    return st.where(x > 0, x, x * slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1). Source: arXiv 1511.07289."""
    x = _floating(input, "elu")
    return st.where(x > 0, x, st.expm1(_negative_part(x)) * alpha)


def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)). Source: arXiv 1704.07483."""
    x = _floating(input, "celu")
    if alpha == 0:
        raise ArgumentError(complaint("celu: alpha must not be 0."))
    return st.where(x > 0, x, st.expm1(_negative_part(x) / alpha) * alpha)


def selu(input: Tensor) -> Tensor:
    """scale * elu(x, alpha), with the constants that keep mean 0 and variance 1.

    Source: Klambauer et al., "Self-normalizing neural networks", arXiv 1706.02515.
    """
    return elu(input, SELU_ALPHA) * SELU_SCALE


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x.

    Args:
        approximate: `"none"` for the exact 0.5 x (1 + erf(x / sqrt 2)), `"tanh"` for
            0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).

    Raises:
        ArgumentError: another value of `approximate`.

    Source: Hendrycks and Gimpel, arXiv 1606.08415.
    """
    x = _floating(input, "gelu")
    if approximate == "none":
        return x * 0.5 * (1.0 + st.erf(x * math.sqrt(0.5)))
    if approximate == "tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (1.0 + st.tanh(inner))
    raise ArgumentError(
        complaint(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}.")
    )


def silu(input: Tensor) -> Tensor:
    """x * sigmoid(x), also called Swish. Source: arXiv 1606.08415, 1710.05941."""
    x = _floating(input, "silu")
    return x * st.sigmoid(x)


def mish(input: Tensor) -> Tensor:
    """x * tanh(softplus(x)). Source: Misra, arXiv 1908.08681."""
    x = _floating(input, "mish")
    return x * st.tanh(softplus_of(x))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    x = _floating(input, "softplus")
    scaled = x * beta
    is_linear = scaled > threshold
    curved = st.where(is_linear, 0.0, scaled)
    return st.where(is_linear, x, softplus_of(curved) / beta)


def softplus_of(x: Tensor) -> Tensor:
    """log(1 + exp(x)) without overflow; derivatives of every order are right, at 0 too."""
    is_positive = x > 0
    minus_distance = st.where(is_positive, -x, x)
    return st.where(is_positive, x, 0.0) + st.log1p(st.exp(minus_distance))


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    x = _floating(input, "softsign")
    return x / (1.0 + st.abs(x))


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow."""
    x = _floating(input, "logsigmoid")
    return -softplus_of(-x)


def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(x + 3, 0), 6) / 6, with gradient 0 at both ends."""
    return hardtanh(_floating(input, "hardsigmoid") + 3.0, 0.0, 6.0) / 6.0


def hardswish(input: Tensor) -> Tensor:
    """x * hardsigmoid(x): 0 up to -3, x from 3 on. Source: arXiv 1905.02244."""
    x = _floating(input, "hardswish")
    inside = hardtanh(x, -3.0, 3.0)
    curved = x * (inside + 3.0) / 6.0
    return st.where(x <= -3.0, 0.0, st.where(x >= 3.0, x, curved))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |x| <= lambd, else x."""
    x = _floating(input, "hardshrink")
    return st.where((x >= -lambd) & (x <= lambd), 0.0, x)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd above lambd, x + lambd below -lambd, else 0."""
    x = _floating(input, "softshrink")
    if lambd < 0:
        raise ArgumentError(complaint(f"softshrink: lambd must not be negative, got {lambd}."))
    below = st.where(x < -lambd, x + lambd, x * 0.0)
    return st.where(x > lambd, x - lambd, below)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    x = _floating(input, "tanhshrink")
    return x - st.tanh(x)


def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """x where x > threshold, else value."""
    x = _floating(input, "threshold")
    return st.where(x <= threshold, value, x)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Halve the input along an axis and gate one half by the other: a * sigmoid(b).

    Args:
        input: the size of axis `dim` must be even; the result has half of it.

    Raises:
        ShapeError: that size is odd.

    Source: Dauphin et al., arXiv 1612.08083.
    """
    x = _floating(input, "glu")
    axis = normalize_axis(dim, x.ndim, "glu")
    size = x.shape[axis] if x.ndim else 1
    if size % 2:
        raise ShapeError(
            complaint(
                f"glu: input {x.shape} has {size} numbers along axis {dim}, but needs an even "
                f"count to be halved into values and gates."
            )
        )
    values = x[(slice(None),) * axis + (slice(None, size // 2),)]
    gates = x[(slice(None),) * axis + (slice(size // 2, None),)]
    return values * st.sigmoid(gates)


def maxout(input: Tensor, pieces: int, dim: int = -1, *, name: str = "maxout") -> Tensor:
    """The largest of every `pieces` neighbouring numbers along an axis.

    Args:
        input: the size of axis `dim` must be a multiple of `pieces`; the result has a
            `pieces`-th of it.
        name: how error messages call the operation.

    Raises:
        ShapeError: that size is no multiple of `pieces`.

    Source: Goodfellow et al., "Maxout networks", arXiv 1302.4389.
    """
    x = _floating(input, name)
    axis = normalize_axis(dim, x.ndim, name)
    size = x.shape[axis] if x.ndim else 1
    if pieces < 1 or size % pieces:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} has {size} numbers along axis {dim}, which cannot be cut "
                f"into groups of {pieces}."
            )
        )
    grouped = (*x.shape[:axis], size // pieces, pieces, *x.shape[axis + 1 :])
    return st.max(st.reshape(x, grouped), axis=axis + 1)


def softmax(input: Tensor, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """exp(x) divided by its sum along an axis, computed without overflow.

    Args:
        dim: the axis.
        dtype: the data type to compute in and return; that of the input if `None`.
    """
    x = _floating(input if dtype is None else as_tensor(input).astype(dtype), "softmax")
    axis = normalize_axis(dim, x.ndim, "softmax")
    if x.ndim == 0:
        return st.reshape(softmax(st.reshape(x, (1,)), 0), ())
    powers = st.exp(_shifted(x, axis))
    return powers / st.sum(powers, axis=axis, keepdims=True)


def log_softmax(input: Tensor, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """log(softmax(x)), computed from x less its maximum so that nothing overflows.

    Args:
        dim: the axis.
        dtype: the data type to compute in and return; that of the input if `None`.
    """
    x = _floating(input if dtype is None else as_tensor(input).astype(dtype), "log_softmax")
    axis = normalize_axis(dim, x.ndim, "log_softmax")
    if x.ndim == 0:
        return st.reshape(log_softmax(st.reshape(x, (1,)), 0), ())
    shifted = _shifted(x, axis)
    return shifted - st.log(st.sum(st.exp(shifted), axis=axis, keepdims=True))


def softmin(input: Tensor, dim: int = -1, *, dtype: Any = None) -> Tensor:
    """softmax(-x)."""
    return softmax(-as_tensor(input), dim, dtype=dtype)


def _shifted(x: Tensor, axis: int) -> Tensor:
    """x less its maximum along an axis; the maximum counts as a constant for the gradient."""
    if x.shape[axis] == 0:
        return x
    return x - st.stop_gradient(st.max(x, axis=axis, keepdims=True))


def _negative_part(x: Tensor) -> Tensor:
    """x where x <= 0, else 0, so that exp cannot overflow on the side that is not taken."""
    return st.where(x > 0, 0.0, x)


def _floating(input: Tensor, operation: str) -> Tensor:
    x = as_tensor(input)
    require_floating(x, operation)
    return x
