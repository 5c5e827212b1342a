"""Functions of float32 numbers as straight-line arithmetic, which LLVM turns into vectors.

Errors are stated in units in the last place (ulp) of the exact result, and tested.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from steepest.graph.dtypes import int32

if TYPE_CHECKING:
    from steepest.codegen.emit import Emit, Scalar

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693359375
_LN2_LOW = -2.12194440e-4
# S. Moshier, Cephes mathematical library: expf, logf and tanhf.
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_TANH = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)


def exp(emit: Emit, x: Scalar) -> Scalar:
    """e^x: 2^n times a polynomial of the rest. At most 2 ulp; 0 below -103.98, inf above 88.73."""
    # NaN becomes 89 here, so that it never becomes an integer, and is put back at the end.
    clamped = emit.select(x < 89.0, x, emit.number(89.0, x.dtype))
    clamped = emit.select(clamped > -104.0, clamped, emit.number(-104.0, x.dtype))
    turns = emit.round_even(clamped * _LOG2_E)
    rest = emit.fma(turns, -_LN2_HIGH, clamped)
    rest = emit.fma(turns, -_LN2_LOW, rest)
    value = emit.number(_EXP[0], x.dtype)
    for coefficient in _EXP[1:]:
        value = emit.fma(value, rest, coefficient)
    value = emit.fma(value, rest * rest, rest) + 1.0
    whole = emit.convert_to_int32(turns)
    half = whole >> 1
    result = _scaled(emit, _scaled(emit, value, half), whole - half)
    return emit.select(emit.is_nan(x), x, result)


def _scaled(emit: Emit, x: Scalar, power: Scalar) -> Scalar:
    """x times 2^power, for powers that a float holds."""
    return x * emit.bitcast((power + 127) << 23, x.dtype)


def log(emit: Emit, x: Scalar) -> Scalar:
    """The natural logarithm. At most 2 ulp; NaN below 0, -inf at 0."""
    tiny = x < 1.17549435e-38
    lifted = emit.select(tiny, x * 8388608.0, x)
    bits = emit.bitcast(lifted, int32)
    exponent = (bits >> 23) - 126
    mantissa = emit.bitcast((bits & 0x007FFFFF) | 0x3F000000, x.dtype)
    small = mantissa < math.sqrt(0.5)
    exponent = emit.select(small, exponent - 1, exponent)
    mantissa = emit.select(small, mantissa + mantissa, mantissa) - 1.0
    power = emit.convert(exponent, x.dtype) - emit.select(
        tiny, emit.number(23.0, x.dtype), emit.number(0.0, x.dtype)
    )
    square = mantissa * mantissa
    value = emit.number(_LOG[0], x.dtype)
    for coefficient in _LOG[1:]:
        value = emit.fma(value, mantissa, coefficient)
    value = value * mantissa * square
    value = emit.fma(power, _LN2_LOW, value)
    value = emit.fma(square, -0.5, value)
    result = emit.fma(power, _LN2_HIGH, mantissa + value)
    infinity = emit.number(math.inf, x.dtype)
    result = emit.select(x == math.inf, infinity, result)
    result = emit.select(x == 0, -infinity, result)
    return emit.select((x < 0) | emit.is_nan(x), emit.number(math.nan, x.dtype), result)


def tanh(emit: Emit, x: Scalar) -> Scalar:
    """The hyperbolic tangent: a polynomial near 0, by exp beyond 0.625. At most 3 ulp."""
    size = emit.absolute(x)
    far = 1.0 - 2.0 / (exp(emit, size + size) + 1.0)
    square = x * x
    value = emit.number(_TANH[0], x.dtype)
    for coefficient in _TANH[1:]:
        value = emit.fma(value, square, coefficient)
    near = emit.fma(value * square, x, x)
    # Of -0.0 the sum above makes 0.0.
    return emit.copysign(emit.select(size < 0.625, near, far), x)
