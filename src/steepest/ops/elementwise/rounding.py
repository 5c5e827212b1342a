"""Rounding to whole numbers; the derivative is zero."""

from __future__ import annotations

import numpy as np

from steepest.ops.elementwise.family import elementwise, unary

floor = elementwise(
    "floor",
    lower=lambda emit, x: emit.floor(x),
    evaluate=np.floor,
    gradient=None,
    samples=unary(),
    accepts="real floating",
)
ceil = elementwise(
    "ceil",
    lower=lambda emit, x: emit.ceil(x),
    evaluate=np.ceil,
    gradient=None,
    samples=unary(),
    accepts="real floating",
)
trunc = elementwise(
    "trunc",
    lower=lambda emit, x: emit.trunc(x),
    evaluate=np.trunc,
    gradient=None,
    samples=unary(),
    accepts="real floating",
)
round_ = elementwise(
    "round",
    lower=lambda emit, x: emit.round_even(x),
    evaluate=np.rint,
    gradient=None,
    samples=unary(),
    accepts="real floating",
)
