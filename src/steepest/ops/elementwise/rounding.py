"""Rounding to whole numbers; the derivative is zero."""

from __future__ import annotations

import numpy as np

from steepest.ops.elementwise.family import elementwise, unary

floor = elementwise(
    "floor", evaluate=np.floor, gradient=None, samples=unary(), accepts="real floating"
)
ceil = elementwise(
    "ceil", evaluate=np.ceil, gradient=None, samples=unary(), accepts="real floating"
)
trunc = elementwise(
    "trunc", evaluate=np.trunc, gradient=None, samples=unary(), accepts="real floating"
)
round_ = elementwise(
    "round", evaluate=np.rint, gradient=None, samples=unary(), accepts="real floating"
)
