"""Compiled functions that run on the NumPy evaluator, whatever back end the options choose.

The evaluator gives the bits of eager mode, so tests of tracing, differentiation and passes can ask
for equality; what native code computes is compared with it in `tests/native`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest.compile import Compiled
from steepest.graph.evaluate import Evaluator


def compiled(function: Callable[..., Any]) -> Compiled[..., Any]:
    """Like `steepest.compile`, with the evaluator as back end."""
    return Compiled(function, Evaluator)


def assert_same_bits(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Arrays or tensors that are equal to the bit, but for which NaN a NaN is."""
    for left, right in zip(found, expected, strict=True):
        left, right = np.asarray(left), np.asarray(right)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
        if left.dtype.kind == "f":
            numbers = ~np.isnan(left)
            np.testing.assert_array_equal(np.signbit(left)[numbers], np.signbit(right)[numbers])


Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)
"""Runs a test eagerly, and compiled."""


def array(*numbers: Any) -> st.Tensor:
    return st.asarray(np.array(numbers, "float64"))


def here() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno
