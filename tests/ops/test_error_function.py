"""erf against the C library's, over its whole range."""

from __future__ import annotations

import math

import numpy as np

import steepest as st


def test_float64() -> None:
    seams = [0.46875, 0.5, 4.0, 5.9, 6.0, 30.0]
    near_seams = [np.nextafter(seam, side) for seam in seams for side in (0, 100)]
    numbers = np.concatenate(
        [np.linspace(-7, 7, 20001), np.logspace(-320, 2, 2000), seams, near_seams]
    )
    found = st.erf(st.asarray(numbers)).numpy()
    expected = np.array([math.erf(number) for number in numbers])
    spacing = np.spacing(np.abs(expected))
    assert np.max(np.abs(found - expected) / spacing) <= 4  # units in the last place


def test_float32_is_rounded_from_float64() -> None:
    numbers = np.linspace(-5, 5, 5001, dtype="float32")
    found = st.erf(st.asarray(numbers)).numpy()
    expected = np.array([math.erf(number) for number in numbers.tolist()]).astype("float32")
    assert np.max(np.abs(found - expected) / np.spacing(np.abs(expected))) <= 1


def test_special_numbers() -> None:
    found = st.erf(st.asarray(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308]))).numpy()
    np.testing.assert_array_equal(found, [1.0, -1.0, np.nan, 0.0, -0.0, 1.0])
    assert np.signbit(found[4])
    assert not np.signbit(found[3])


def test_odd() -> None:
    numbers = st.asarray(np.linspace(0, 8, 999))
    np.testing.assert_array_equal(st.erf(-numbers).numpy(), -st.erf(numbers).numpy())
