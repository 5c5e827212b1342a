"""Numbers as the report writes them."""

from __future__ import annotations

import math

import pytest

from steepest.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (13912.4, "13,912"),
        (0.08312, "0.0831"),
        (0.0000123, "1.23 × 10⁻⁵"),
        (-4.5678, "−4.57"),
        (0, "0"),
        (12, "12"),
        (99.96, "100"),
        (9.999, "10.0"),
        (2.5e13, "2.50 × 10¹³"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
    ],
)
def test_short(value: float, text: str) -> None:
    assert numbers.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (184750.0, "184,750"),
        (1.25, "1.25"),
        (-93.619754, "−93.619754"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1.000 × 10⁻⁹"),
        (12345678901.0, "12,345,678,901"),
    ],
)
def test_exact(value: float, text: str) -> None:
    assert numbers.exact(value) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.9561, "95.6%"),
        (1.0, "100%"),
        (0.0, "0%"),
        (0.99996, "99.996%"),
        (0.0004, "0.04%"),
        (-0.123, "−12.3%"),
    ],
)
def test_percent(fraction: float, text: str) -> None:
    assert numbers.percent(fraction) == text


def test_fixed_has_no_negative_zero() -> None:
    assert numbers.fixed(-0.00004, 3) == "0.000"
    assert numbers.fixed(-0.125, 2) == "−0.12"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0042, "4.2 ms"),
        (0.42, "0.42 s"),
        (24.4, "24 s"),
        (59.7, "1 min 0 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (200_000, 200_000, "200k"),
        (1_500_000, 500_000, "1.5M"),
        (0.25, 0.05, "0.25"),
        (-50_000, 50_000, "−50k"),
        (0, 50_000, "0"),
        (2000, 500, "2,000"),
        (1990, 10, "1,990"),
    ],
)
def test_compact(value: float, step: float, text: str) -> None:
    assert numbers.compact(value, step) == text


def test_count() -> None:
    assert numbers.count(1, "row") == "1 row"
    assert numbers.count(2930, "row") == "2,930 rows"
    assert numbers.count(2930) == "2,930"
