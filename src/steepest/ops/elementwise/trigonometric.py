"""Trigonometric and hyperbolic functions and their inverses; angles in radians.

The square roots in the derivatives of inverse functions are, of complex numbers, found from the
output, which has chosen its side of a branch cut.
"""

from __future__ import annotations

import numpy as np

from steepest.ops.elementwise.arithmetic import sqrt
from steepest.ops.elementwise.family import binary, elementwise, unary
from steepest.ops.primitive import Primitive

sin: Primitive = elementwise(
    "sin",
    lower=lambda emit, x: emit.sin(x),
    evaluate=np.sin,
    gradient=lambda output_grad, output, x: output_grad * cos(x),
    samples=unary(),
)

cos: Primitive = elementwise(
    "cos",
    lower=lambda emit, x: emit.cos(x),
    evaluate=np.cos,
    gradient=lambda output_grad, output, x: -output_grad * sin(x),
    samples=unary(),
)

tan: Primitive = elementwise(
    "tan",
    lower=lambda emit, x: emit.library("tan", x),
    evaluate=np.tan,
    gradient=lambda output_grad, output, x: output_grad * (output * output + 1),
    samples=unary(low=-1.2, high=1.2),
)

asin: Primitive = elementwise(
    "asin",
    lower=lambda emit, x: emit.library("asin", x),
    evaluate=np.arcsin,
    gradient=lambda output_grad, output, x: (
        output_grad / (cos(output) if x.dtype.is_complex else sqrt(1 - x * x))
    ),
    samples=unary(low=-0.9, high=0.9),
)

acos: Primitive = elementwise(
    "acos",
    lower=lambda emit, x: emit.library("acos", x),
    evaluate=np.arccos,
    gradient=lambda output_grad, output, x: (
        -output_grad / (sin(output) if x.dtype.is_complex else sqrt(1 - x * x))
    ),
    samples=unary(low=-0.9, high=0.9),
)

atan: Primitive = elementwise(
    "atan",
    lower=lambda emit, x: emit.library("atan", x),
    evaluate=np.arctan,
    gradient=lambda output_grad, output, x: output_grad / (x * x + 1),
    samples=unary(),
)

atan2: Primitive = elementwise(
    "atan2",
    lower=lambda emit, y, x: emit.library("atan2", y, x),
    evaluate=np.arctan2,
    gradient=(
        lambda output_grad, output, y, x: output_grad * x / (x * x + y * y),
        lambda output_grad, output, y, x: -output_grad * y / (x * x + y * y),
    ),
    samples=binary(low=0.2),
    accepts="real floating",
    roles=("y", "x"),
)

sinh: Primitive = elementwise(
    "sinh",
    lower=lambda emit, x: emit.library("sinh", x),
    evaluate=np.sinh,
    gradient=lambda output_grad, output, x: output_grad * cosh(x),
    samples=unary(),
)

cosh: Primitive = elementwise(
    "cosh",
    lower=lambda emit, x: emit.library("cosh", x),
    evaluate=np.cosh,
    gradient=lambda output_grad, output, x: output_grad * sinh(x),
    samples=unary(),
)

asinh: Primitive = elementwise(
    "asinh",
    lower=lambda emit, x: emit.library("asinh", x),
    evaluate=np.arcsinh,
    gradient=lambda output_grad, output, x: (
        output_grad / (cosh(output) if x.dtype.is_complex else sqrt(x * x + 1))
    ),
    samples=unary(),
)

acosh: Primitive = elementwise(
    "acosh",
    lower=lambda emit, x: emit.library("acosh", x),
    evaluate=np.arccosh,
    gradient=lambda output_grad, output, x: (
        output_grad / (sinh(output) if x.dtype.is_complex else sqrt(x * x - 1))
    ),
    samples=unary(low=1.2, high=4),
)

atanh: Primitive = elementwise(
    "atanh",
    lower=lambda emit, x: emit.library("atanh", x),
    evaluate=np.arctanh,
    gradient=lambda output_grad, output, x: output_grad / (1 - x * x),
    samples=unary(low=-0.9, high=0.9),
)
