"""Exponentials, logarithms, and the S-shaped functions made of them."""

from __future__ import annotations

import math

import numpy as np

from steepest.ops.elementwise.error_function import error_function
from steepest.ops.elementwise.family import binary, elementwise, unary

exp = elementwise(
    "exp",
    lower=lambda emit, x: emit.exp(x),
    evaluate=np.exp,
    gradient=lambda output_grad, output, x: output_grad * output,
    samples=unary(),
)


def _expm1(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1; for complex numbers with the standard's values at infinities and at -0 (where
    the real part is 0, hence `+ 0.0`), from which NumPy's differ."""
    if x.dtype.kind != "c":
        return np.expm1(x)
    sine = np.sin(x.imag)
    half_sine = np.sin(x.imag / 2)
    result = np.empty_like(x)
    result.real = np.expm1(x.real) * np.cos(x.imag) - 2 * half_sine * half_sine + 0.0
    result.imag = np.where(x.imag == 0, x.imag, np.exp(x.real) * sine)
    undirected = np.isinf(x.real) & ~np.isfinite(x.imag)
    result[undirected & (x.real < 0)] = -1
    result.real[undirected & (x.real > 0)] = np.inf
    return result


expm1 = elementwise(
    "expm1",
    lower=lambda emit, x: emit.expm1(x),
    evaluate=_expm1,
    gradient=lambda output_grad, output, x: output_grad * (output + 1),
    samples=unary(),
)

log = elementwise(
    "log",
    lower=lambda emit, x: emit.log(x),
    evaluate=np.log,
    gradient=lambda output_grad, output, x: output_grad / x,
    samples=unary(low=0.1, high=4),
)

log1p = elementwise(
    "log1p",
    lower=lambda emit, x: emit.log1p(x),
    evaluate=np.log1p,
    gradient=lambda output_grad, output, x: output_grad / (x + 1),
    samples=unary(low=-0.9, high=4),
)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow and with full relative accuracy on both sides."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


sigmoid = elementwise(
    "sigmoid",
    lower=lambda emit, x: emit.sigmoid(x),
    evaluate=_sigmoid,
    gradient=lambda output_grad, output, x: output_grad * (output * (1 - output)),
    samples=unary(low=-6, high=6),
    accepts="real floating",
)

logaddexp = elementwise(
    "logaddexp",
    lower=lambda emit, left, right: emit.logaddexp(left, right),
    evaluate=np.logaddexp,
    gradient=(
        lambda output_grad, output, left, right: output_grad * sigmoid(left - right),
        lambda output_grad, output, left, right: output_grad * sigmoid(right - left),
    ),
    samples=binary(),
    accepts="real floating",
)


def _tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent; at infinity a complex one has an imaginary part of 0 with the sign
    of the operand's, as the standard has it (in NumPy its sign varies)."""
    if x.dtype.kind != "c":
        return np.tanh(x)
    result = np.asarray(np.tanh(x))
    settled = np.isinf(x.real) & np.isfinite(x.imag)
    result.imag[settled] = np.copysign(0.0, x.imag[settled])
    return result


tanh = elementwise(
    "tanh",
    lower=lambda emit, x: emit.tanh(x),
    evaluate=_tanh,
    gradient=lambda output_grad, output, x: output_grad * (1 - output * output),
    samples=unary(low=-3, high=3),
)

erf = elementwise(
    "erf",
    lower=lambda emit, x: emit.erf(x),
    evaluate=error_function,
    gradient=lambda output_grad, output, x: output_grad * (exp(-x * x) * (2 / math.sqrt(math.pi))),
    samples=unary(low=-3, high=3),
    accepts="real floating",
)
