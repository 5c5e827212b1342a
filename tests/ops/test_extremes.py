"""Extremes over few numbers, which go number by number, are those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.ops import REGISTRY
from steepest.ops.reduction import FEW

CASES = [((40, 30, 2, 2), 2), ((900, 1), 1), ((700, 3), 1), ((64, 64, FEW), 1), ((9, 99, 33), 1)]


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
@pytest.mark.parametrize(("shape", "trailing"), CASES)
def test_extremes_over_trailing_axes(
    name: str, dtype: str, shape: tuple[int, ...], trailing: int
) -> None:
    numbers = np.random.default_rng(0).normal(size=shape) * 9
    if dtype.startswith("float"):
        numbers[np.random.default_rng(1).random(shape) < 0.1] = np.nan
        numbers[np.random.default_rng(2).random(shape) < 0.1] = -np.inf
    numbers = np.abs(numbers).astype(dtype) if dtype == "uint8" else numbers.astype(dtype)
    axes = tuple(range(len(shape) - trailing, len(shape)))
    before = numbers.copy()
    for operand in (numbers, np.asfortranarray(numbers)):
        found = REGISTRY[name].evaluate(operand, axes=axes)
        np.testing.assert_array_equal(found, getattr(np, name)(numbers, axis=axes))
        assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(numbers, before)
