"""Runs a steepest function and NumPy's on the same numbers, eagerly and compiled, and compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as some_numpy

import steepest as st

EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""How often a property is tried: always on the same inputs."""

FLOATING = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")

TOLERANCE = {"float32": 2e-6, "float64": 1e-13, "complex64": 2e-6, "complex128": 1e-12}
"""Allowed relative error by data type: a few units in the last place."""

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)


def numbers(
    shape: tuple[int, ...], dtype: str, seed: int = 0, low: float = -4, high: float = 4
) -> np.ndarray:
    """Reproducible numbers of any data type within [low, high)."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        lowest = max(int(low), 0) if dtype.startswith("u") else int(low)
        return random.integers(lowest, max(int(high), lowest + 1), shape).astype(dtype)
    drawn = random.uniform(low, high, shape)
    if dtype in COMPLEX:
        drawn = drawn + 1j * random.uniform(low, high, shape)
    return np.asarray(drawn).astype(dtype)


def with_specials(array: np.ndarray, seed: int) -> np.ndarray:
    """Replace about a third of the numbers by zeros, infinities and NaN."""
    random = np.random.default_rng(seed + 1)
    chosen = random.uniform(size=array.shape) < 0.3
    special = random.choice(SPECIAL, size=array.shape).astype(array.dtype)
    return np.where(chosen, special, array)


def shapes(least: int = 0, most: int = 4) -> some.SearchStrategy[tuple[int, ...]]:
    """Shapes of few axes, some of size 0 or 1."""
    return some_numpy.array_shapes(min_dims=least, max_dims=most, min_side=0, max_side=4)


def seeds() -> some.SearchStrategy[int]:
    return some.integers(0, 10_000)


def assert_same(ours: Any, expected: Any, what: str = "", tolerance: float | None = None) -> None:
    """Compare a result with NumPy's: shape, data type and numbers; NaN equals NaN."""
    if isinstance(expected, list | tuple):
        assert len(ours) == len(expected), what
        for mine, other in zip(ours, expected, strict=True):
            assert_same(mine, other, what, tolerance)
        return
    expected = np.asarray(expected)
    assert isinstance(ours, st.Tensor), what
    assert ours.shape == expected.shape, f"{what}: {ours.shape} against {expected.shape}"
    assert ours.dtype.name == expected.dtype.name, f"{what}: {ours.dtype}, {expected.dtype}"
    if tolerance is None:
        tolerance = TOLERANCE.get(expected.dtype.name, 0)
    if expected.dtype.kind not in "fc" or tolerance == 0:
        np.testing.assert_array_equal(ours.numpy(), expected, err_msg=what)
        return
    np.testing.assert_allclose(ours.numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=what)


def check(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: Any,
    tolerance: float | None = None,
    compiled: bool = True,
) -> None:
    """Compare a function of tensors with one of arrays, and its compiled form with both.

    Args:
        arrays: NumPy arrays become tensors; anything else is handed on as it is.
        tolerance: allowed relative error (default by data type).
    """
    with np.errstate(all="ignore"):
        expected = theirs(*arrays)
    tensors = [st.asarray(each) if isinstance(each, np.ndarray) else each for each in arrays]
    what = f"{[getattr(each, 'shape', each) for each in arrays]}"
    eager = ours(*tensors)
    assert_same(eager, expected, what, tolerance)
    if compiled:
        assert_equal_bits(st.compile(ours)(*tensors), eager, what)


def assert_equal_bits(left: Any, right: Any, what: str = "") -> None:
    """Compare results of one function run in two ways: not a bit may differ."""
    if isinstance(left, list | tuple):
        for mine, other in zip(left, right, strict=True):
            assert_equal_bits(mine, other, what)
        return
    assert left.dtype is right.dtype, what
    np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=what, strict=True)
