"""Sums, products, quotients, powers, and which of two numbers is larger."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steepest.errors import ArgumentError
from steepest.ops.elementwise.comparison import equal, less
from steepest.ops.elementwise.complex_parts import imag, real
from steepest.ops.elementwise.exponential import log
from steepest.ops.elementwise.family import binary, elementwise, integers, unary
from steepest.ops.elementwise.selection import where
from steepest.ops.primitive import Primitive, Sample, Tensor, constant_like

negative: Primitive = elementwise(
    "negative",
    lower=lambda emit, x: -x,
    evaluate=np.negative,
    gradient=lambda output_grad, output, x: -output_grad,
    samples=unary(),
    accepts="number",
)

add: Primitive = elementwise(
    "add",
    lower=lambda emit, left, right: left + right,
    evaluate=np.add,
    gradient=(
        lambda output_grad, output, left, right: output_grad,
        lambda output_grad, output, left, right: output_grad,
    ),
    samples=binary(),
    accepts="number",
)

subtract: Primitive = elementwise(
    "subtract",
    lower=lambda emit, left, right: left - right,
    evaluate=np.subtract,
    gradient=(
        lambda output_grad, output, left, right: output_grad,
        lambda output_grad, output, left, right: -output_grad,
    ),
    samples=binary(),
    accepts="number",
)

multiply: Primitive = elementwise(
    "multiply",
    lower=lambda emit, left, right: left * right,
    evaluate=np.multiply,
    gradient=(
        lambda output_grad, output, left, right: output_grad * right,
        lambda output_grad, output, left, right: output_grad * left,
    ),
    samples=binary(),
    accepts="number",
)

divide: Primitive = elementwise(
    "divide",
    lower=lambda emit, left, right: left / right,
    evaluate=np.divide,
    gradient=(
        lambda output_grad, output, left, right: output_grad / right,
        lambda output_grad, output, left, right: -output_grad * output / right,
    ),
    samples=binary(right_low=0.5),
)


def _power_by_base(output_grad: Tensor, output: Tensor, base: Tensor, exponent: Tensor) -> Tensor:
    """d/d base = exponent * base^(exponent - 1), and 0 where the exponent is 0."""
    slope = exponent * power(base, exponent - 1)
    zero = constant_like(exponent, 0)
    return output_grad * where(equal(exponent, zero), zero, slope)


def _power_by_exponent(
    output_grad: Tensor, output: Tensor, base: Tensor, exponent: Tensor
) -> Tensor:
    """d/d exponent = base^exponent * log(base), and 0 at base 0 (with exponent >= 0)."""
    zero = constant_like(base, 0)
    flat = equal(base, zero) & _is_at_least(exponent, zero)
    safe = where(flat, constant_like(base, 1), base)
    return output_grad * output * log(safe)


def _is_at_least(x: Tensor, zero: Tensor) -> Tensor:
    """Whether x is not below zero; of complex numbers, those are on the real axis."""
    if not x.dtype.is_complex:
        return ~less(x, zero)
    return equal(imag(x), imag(zero)) & ~less(real(x), real(zero))


def _power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    if base.dtype.kind == "i" and np.any(exponent < 0):
        raise ArgumentError(
            "power: a negative exponent of an integer base gives no integer. "
            "Convert the base with .astype(...)."
        )
    return np.power(base, exponent)


def _power_samples() -> Iterable[Sample]:
    yield from binary(low=0.3, high=2.0)()
    yield Sample((np.array([0.0, 0.0, 2.0, -2.0]), np.array([0.0, 2.0, 0.0, 3.0])), smooth=False)


power: Primitive = elementwise(
    "power",
    lower=lambda emit, base, exponent: emit.power(base, exponent),
    evaluate=_power,
    gradient=(_power_by_base, _power_by_exponent),
    samples=_power_samples,
    accepts="number",
    roles=("base", "exponent"),
)

absolute: Primitive = elementwise(
    "absolute",
    lower=lambda emit, x: emit.absolute(x),
    evaluate=np.abs,
    gradient=lambda output_grad, output, x: output_grad * sign(x),
    samples=unary(),
    accepts="real",
)

sign: Primitive = elementwise(
    "sign",
    lower=lambda emit, x: emit.sign(x),
    evaluate=np.sign,
    gradient=None,
    samples=unary(),
    accepts="real",
)

sqrt: Primitive = elementwise(
    "sqrt",
    lower=lambda emit, x: emit.sqrt(x),
    evaluate=np.sqrt,
    gradient=lambda output_grad, output, x: output_grad * 0.5 / output,
    samples=unary(low=0.1, high=4),
)


def _share_of_winner(winner: Tensor, loser: Tensor) -> Tensor:
    """1 where `winner` is the larger, 1/2 in a tie, 0 elsewhere."""
    half, zero = constant_like(winner, 0.5), constant_like(winner, 0)
    behind = where(equal(loser, winner), half, zero)
    return where(less(loser, winner), constant_like(winner, 1), behind)


maximum: Primitive = elementwise(
    "maximum",
    lower=lambda emit, left, right: emit.maximum(left, right),
    evaluate=np.maximum,
    gradient=(
        lambda output_grad, output, left, right: output_grad * _share_of_winner(left, right),
        lambda output_grad, output, left, right: output_grad * _share_of_winner(right, left),
    ),
    samples=binary(),
    accepts="real",
)

minimum: Primitive = elementwise(
    "minimum",
    lower=lambda emit, left, right: emit.minimum(left, right),
    evaluate=np.minimum,
    gradient=(
        lambda output_grad, output, left, right: output_grad * _share_of_winner(-left, -right),
        lambda output_grad, output, left, right: output_grad * _share_of_winner(-right, -left),
    ),
    samples=binary(),
    accepts="real",
)


def _division_samples() -> Iterable[Sample]:
    yield from binary(low=-2.1, high=1.8, right_low=0.7)()
    for sample in integers(1)():
        yield Sample((sample.operands[0], np.asarray(3)))
        yield Sample((sample.operands[0], np.asarray(-4)))


remainder: Primitive = elementwise(
    "remainder",
    lower=lambda emit, left, right: emit.remainder(left, right),
    evaluate=np.remainder,
    gradient=(
        lambda output_grad, output, left, right: output_grad,
        lambda output_grad, output, left, right: -output_grad * floor_divide(left, right),
    ),
    samples=_division_samples,
    accepts="real",
)


def _floor_divide(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The quotient rounded down; with infinities the rounded quotient, where NumPy has NaN.

    Finite numbers are left to NumPy, which divides exactly: 1.0 // 0.1 is 9, though 1.0 / 0.1
    rounds to 10.
    """
    result = np.floor_divide(left, right)
    if left.dtype.kind != "f":
        return result
    infinite = np.isinf(left) | np.isinf(right)
    return np.where(infinite, np.floor(left / right), result) if infinite.any() else result


floor_divide: Primitive = elementwise(
    "floor_divide",
    lower=lambda emit, left, right: emit.floor_divide(left, right),
    evaluate=_floor_divide,
    gradient=None,
    samples=_division_samples,
    accepts="real",
)

hypot: Primitive = elementwise(
    "hypot",
    lower=lambda emit, left, right: emit.library("hypot", left, right),
    evaluate=np.hypot,
    gradient=(
        lambda output_grad, output, left, right: output_grad * left / output,
        lambda output_grad, output, left, right: output_grad * right / output,
    ),
    samples=binary(low=0.2),
    accepts="real floating",
)

copysign: Primitive = elementwise(
    "copysign",
    lower=lambda emit, left, right: emit.copysign(left, right),
    evaluate=np.copysign,
    gradient=(
        lambda output_grad, output, left, right: output_grad * sign(left) * sign(output),
        None,
    ),
    samples=binary(low=0.2),
    accepts="real floating",
)

nextafter: Primitive = elementwise(
    "nextafter",
    lower=lambda emit, left, right: emit.library("nextafter", left, right),
    evaluate=np.nextafter,
    gradient=None,
    samples=binary(smooth=False),
    accepts="real floating",
)
