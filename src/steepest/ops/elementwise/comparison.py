"""Comparisons; greater is less with the operands swapped."""

from __future__ import annotations

import numpy as np

from steepest.ops.elementwise.family import compare

equal = compare("equal", np.equal, lambda emit, left, right: left == right, accepts="any")
not_equal = compare(
    "not_equal", np.not_equal, lambda emit, left, right: left != right, accepts="any"
)
less = compare("less", np.less, lambda emit, left, right: left < right)
less_equal = compare("less_equal", np.less_equal, lambda emit, left, right: left <= right)
