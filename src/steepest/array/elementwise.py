"""Functions of each number by itself; operands broadcast and take a common data type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from steepest.array.conversion import (
    as_value,
    comparable,
    floating,
    is_scalar,
    promoted,
    scalar_value,
    type_of,
)
from steepest.array.creation import asarray, check_device, zeros_like
from steepest.errors import DTypeError
from steepest.graph.dtypes import as_dtype, bool_
from steepest.ops.elementwise import (
    arithmetic,
    comparison,
    complex_parts,
    exponential,
    logical,
    rounding,
    selection,
    trigonometric,
)
from steepest.ops.primitive import Primitive
from steepest.trace.origin import located
from steepest.trace.value import Value

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

Prepare = Callable[..., list[Value]]


def _unary(primitive: Primitive, prepare: Prepare, doc: str, name: str = "") -> Callable[..., Any]:
    def function(x: Any, /) -> Any:
        return primitive(*prepare(x))

    return _documented(function, name or primitive.name, doc)


def _binary(primitive: Primitive, prepare: Prepare, doc: str, name: str = "") -> Callable[..., Any]:
    def function(x1: Any, x2: Any, /) -> Any:
        return primitive(*prepare(x1, x2))

    return _documented(function, name or primitive.name, doc)


def _documented(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = name
    function.__qualname__ = name
    function.__doc__ = doc
    return function


negative = _unary(arithmetic.negative, promoted, "-x.")
exp = _unary(exponential.exp, floating, "e to the power x.")
expm1 = _unary(exponential.expm1, floating, "exp(x) - 1, accurate near 0.")
log = _unary(exponential.log, floating, "The natural logarithm.")
log1p = _unary(exponential.log1p, floating, "log(1 + x), accurate near 0.")
sigmoid = _unary(exponential.sigmoid, floating, "1 / (1 + exp(-x)).")
tanh = _unary(exponential.tanh, floating, "The hyperbolic tangent.")
erf = _unary(exponential.erf, floating, "The error function.")
sqrt = _unary(arithmetic.sqrt, floating, "The square root; NaN below 0.")
sin = _unary(trigonometric.sin, floating, "The sine of x radians.")
cos = _unary(trigonometric.cos, floating, "The cosine of x radians.")
tan = _unary(trigonometric.tan, floating, "The tangent of x radians.")
asin = _unary(trigonometric.asin, floating, "The angle in [-pi/2, pi/2] whose sine is x.")
acos = _unary(trigonometric.acos, floating, "The angle in [0, pi] whose cosine is x.")
atan = _unary(trigonometric.atan, floating, "The angle in (-pi/2, pi/2) whose tangent is x.")
sinh = _unary(trigonometric.sinh, floating, "The hyperbolic sine.")
cosh = _unary(trigonometric.cosh, floating, "The hyperbolic cosine.")
asinh = _unary(trigonometric.asinh, floating, "The inverse of sinh.")
acosh = _unary(trigonometric.acosh, floating, "The inverse of cosh; NaN below 1.")
atanh = _unary(trigonometric.atanh, floating, "The inverse of tanh; NaN outside [-1, 1].")
bitwise_invert = _unary(logical.bitwise_invert, promoted, "Every bit flipped.")

add = _binary(arithmetic.add, promoted, "x1 + x2.")
subtract = _binary(arithmetic.subtract, promoted, "x1 - x2.")
multiply = _binary(arithmetic.multiply, promoted, "x1 * x2.")
divide = _binary(arithmetic.divide, floating, "x1 / x2, always a floating type.")
maximum = _binary(arithmetic.maximum, promoted, "The larger of two; NaN if either is NaN.")
minimum = _binary(arithmetic.minimum, promoted, "The smaller of two; NaN if either is NaN.")
floor_divide = _binary(arithmetic.floor_divide, promoted, "x1 / x2 rounded down.")
remainder = _binary(arithmetic.remainder, promoted, "x1 - x2 * floor(x1 / x2).")
hypot = _binary(arithmetic.hypot, floating, "sqrt(x1^2 + x2^2) without overflow.")
copysign = _binary(arithmetic.copysign, floating, "The size of x1 with the sign of x2.")
nextafter = _binary(arithmetic.nextafter, floating, "The next number after x1 towards x2.")
logaddexp = _binary(exponential.logaddexp, floating, "log(exp(x1) + exp(x2)) without overflow.")
atan2 = _binary(trigonometric.atan2, floating, "The angle of the point (x2, x1) in [-pi, pi].")
equal = _binary(comparison.equal, comparable, "Whether x1 == x2.")
not_equal = _binary(comparison.not_equal, comparable, "Whether x1 != x2.")
less = _binary(comparison.less, comparable, "Whether x1 < x2.")
less_equal = _binary(comparison.less_equal, comparable, "Whether x1 <= x2.")
bitwise_and = _binary(logical.bitwise_and, promoted, "The bits set in both.")
bitwise_or = _binary(logical.bitwise_or, promoted, "The bits set in either.")
bitwise_xor = _binary(logical.bitwise_xor, promoted, "The bits set in one only.")
bitwise_left_shift = _binary(logical.bitwise_left_shift, promoted, "x1 shifted left by x2 bits.")
bitwise_right_shift = _binary(logical.bitwise_right_shift, promoted, "x1 shifted right by x2 bits.")


def greater(x1: Any, x2: Any, /) -> Tensor:
    """Whether x1 > x2."""
    return less(x2, x1)


def greater_equal(x1: Any, x2: Any, /) -> Tensor:
    """Whether x1 >= x2."""
    return less_equal(x2, x1)


def abs(x: Any, /) -> Tensor:
    """The size of x without its sign."""
    value = as_value(x)
    dtype = type_of(value).dtype
    if dtype.is_complex:
        return complex_parts.magnitude(value)
    return value if dtype.is_bool else arithmetic.absolute(value)  # type: ignore[return-value]


def sign(x: Any, /) -> Tensor:
    """-1, 0 or 1; NaN stays NaN. For a complex number x / abs(x), and 0 for 0."""
    value = as_value(x)
    is_complex = type_of(value).dtype.is_complex
    return complex_parts.direction(value) if is_complex else arithmetic.sign(value)


def positive(x: Any, /) -> Tensor:
    """x itself."""
    return selection.identity(as_value(x))


def square(x: Any, /) -> Tensor:
    """x * x."""
    value = as_value(x)
    return arithmetic.multiply(value, value)


def reciprocal(x: Any, /) -> Tensor:
    """1 / x."""
    return divide(1.0, x)


def rsqrt(x: Any, /) -> Tensor:
    """1 / sqrt(x)."""
    return divide(1.0, sqrt(x))


def pow(x1: Any, x2: Any, /) -> Tensor:
    """x1 to the power x2; an integer to a negative power is an error."""
    if is_scalar(x2) and x2 == 2 and not is_scalar(x1):
        return square(promoted(x1, x2)[0])
    base, exponent = promoted(x1, x2)
    return arithmetic.power(base, exponent)


def log2(x: Any, /) -> Tensor:
    """The logarithm to base 2."""
    return divide(log(x), math.log(2.0))


def log10(x: Any, /) -> Tensor:
    """The logarithm to base 10."""
    return divide(log(x), math.log(10.0))


def _rounding(primitive: Primitive, doc: str) -> Callable[..., Any]:
    def function(x: Any, /) -> Any:
        value = as_value(x)
        return primitive(value) if value._type.dtype.is_floating else value  # type: ignore

    return _documented(function, primitive.name, doc)


floor = _rounding(rounding.floor, "The largest whole number not above x.")
ceil = _rounding(rounding.ceil, "The smallest whole number not below x.")
trunc = _rounding(rounding.trunc, "The whole number next to x towards 0.")
round = _rounding(rounding.round_, "The nearest whole number; halves go to the even one.")


def isnan(x: Any, /) -> Tensor:
    """Whether x is not a number."""
    value = as_value(x)
    return comparison.not_equal(value, value)


def isinf(x: Any, /) -> Tensor:
    """Whether x is an infinity of either sign; for a complex number, whether a part of it is."""
    value = as_value(x)
    dtype = type_of(value).dtype
    if dtype.is_complex:
        return logical_or(isinf(real(value)), isinf(imag(value)))
    if not dtype.is_floating:
        return comparison.not_equal(value, value)
    return equal(abs(value), math.inf)


def isfinite(x: Any, /) -> Tensor:
    """Whether x is neither NaN nor an infinity; for a complex number, both parts of it."""
    value = as_value(x)
    dtype = type_of(value).dtype
    if dtype.is_complex:
        return logical_and(isfinite(real(value)), isfinite(imag(value)))
    if not dtype.is_floating:
        return comparison.equal(value, value)
    return less(abs(value), math.inf)


def real(x: Any, /) -> Tensor:
    """The real part of a complex number; any other number is its own."""
    value = as_value(x)
    is_complex = type_of(value).dtype.is_complex
    return complex_parts.real(value) if is_complex else value  # type: ignore[return-value]


def imag(x: Any, /) -> Tensor:
    """The imaginary part of a complex number; zero for any other number."""
    value = as_value(x)
    is_complex = type_of(value).dtype.is_complex
    return complex_parts.imag(value) if is_complex else zeros_like(value)


def conj(x: Any, /) -> Tensor:
    """The complex conjugate: the imaginary part changes its sign; other numbers stay."""
    value = as_value(x)
    is_complex = type_of(value).dtype.is_complex
    return complex_parts.conj(value) if is_complex else value  # type: ignore[return-value]


def signbit(x: Any, /) -> Tensor:
    """Whether the sign bit is set, as it is for -0.0."""
    value = as_value(x)
    return less(copysign(scalar_value(1.0, value._type.dtype), value), 0.0)  # type: ignore


def as_bool(x: Any) -> Value:
    """Whether each number is not zero."""
    value = as_value(x)
    return not_equal(value, 0) if type_of(value).dtype.is_complex else as_value(value, bool_)


def logical_not(x: Any, /) -> Tensor:
    """Whether x is zero (or False)."""
    return logical.bitwise_invert(as_bool(x))


def logical_and(x1: Any, x2: Any, /) -> Tensor:
    """Whether both are true."""
    return logical.bitwise_and(as_bool(x1), as_bool(x2))


def logical_or(x1: Any, x2: Any, /) -> Tensor:
    """Whether either is true."""
    return logical.bitwise_or(as_bool(x1), as_bool(x2))


def logical_xor(x1: Any, x2: Any, /) -> Tensor:
    """Whether exactly one is true."""
    return logical.bitwise_xor(as_bool(x1), as_bool(x2))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x, but no less than `min` and no more than `max` (`None` for no bound).

    The result has the data type of `x`. The gradient is 1 within the bounds, ends included.
    """
    value = as_value(x)
    dtype = type_of(value).dtype
    result = value
    if min is not None:
        low = scalar_value(min, dtype) if is_scalar(min) else as_value(min, dtype)
        result = selection.where(comparison.less(result, low), low, result)
    if max is not None:
        high = scalar_value(max, dtype) if is_scalar(max) else as_value(max, dtype)
        result = selection.where(comparison.less(high, result), high, result)
    return result  # type: ignore[return-value]


def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """x1 where `condition` holds, else x2. No gradient flows to the one not chosen."""
    chosen = as_value(condition)
    if not chosen._type.dtype.is_bool:  # type: ignore[union-attr]
        raise DTypeError(located(f"where: condition is {chosen._type}, but it must be bool."))
    return selection.where(chosen, *promoted(x1, x2))


def stop_gradient(x: Any, /) -> Tensor:
    """x itself, but no gradient flows back through it."""
    return selection.stop_gradient(as_value(x))


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """x with another data type. Fractions are cut off towards 0; nonzero becomes True.

    Args:
        copy: whether to return new memory even when the data type is already right.
    """
    value = as_value(x)
    wanted = as_dtype(dtype)
    check_device(device)
    if value._type.dtype is wanted:  # type: ignore[union-attr]
        return asarray(value, copy=True) if copy and not value._requires_grad else value  # type: ignore
    if wanted is bool_:
        return as_bool(value)  # type: ignore[return-value]
    return selection.convert(value, dtype=wanted)
