"""Gradient rules where a naive one gives NaN: zeros, ties, infinities, the branch not taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import steepest as st

INF = math.inf
NAN = math.nan


def gradient(function: Callable[..., Any], *points: Any) -> list[Any]:
    """The gradient of the sum of a function's numbers by each argument, in float64."""
    tensors = [st.asarray(np.array(point, "float64")) for point in points]
    found = st.grad(lambda *x: st.sum(function(*x)), argnums=range(len(points)))(*tensors)
    return [each.tolist() for each in found]


def derivatives(function: Callable[[st.Tensor], st.Tensor], point: float, order: int) -> list[Any]:
    """The first derivatives of a function of one number."""
    found = []
    for _ in range(order):
        function = st.grad(function)
        found.append(function(st.asarray(np.array(point))).item())
    return found


@pytest.mark.parametrize(
    ("base", "exponent", "by_base", "by_exponent"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0),
        (2.0, 0.0, 0.0, math.log(2)),
        (2.0, 3.0, 12.0, 8 * math.log(2)),
        (-2.0, 3.0, 12.0, NAN),
        (-2.0, 0.0, 0.0, NAN),
        (INF, 0.0, 0.0, INF),
        (INF, 2.0, INF, INF),
        (0.0, -1.0, -INF, -INF),
    ],
)
def test_power(base: float, exponent: float, by_base: float, by_exponent: float) -> None:
    found = gradient(st.pow, base, exponent)
    np.testing.assert_allclose(found, [by_base, by_exponent], rtol=1e-15)


def test_powers_of_zero_to_fourth_order() -> None:
    assert derivatives(lambda x: x**3.0, 0.0, 4) == [0.0, 0.0, 6.0, 0.0]
    assert derivatives(lambda x: x**1.0, 0.0, 2) == [1.0, 0.0]
    assert derivatives(lambda x: x**2, 0.0, 3) == [0.0, 2.0, 0.0]


@pytest.mark.parametrize("function", [st.maximum, st.minimum])
def test_larger_and_smaller_of_two(function: Callable[..., Any]) -> None:
    lower = function is st.minimum
    assert gradient(function, 1.0, 2.0) == [float(lower), float(not lower)]
    assert gradient(function, 2.0, 2.0) == [0.5, 0.5]
    assert gradient(function, -INF, 2.0) == [float(lower), float(not lower)]
    assert gradient(function, INF, 2.0) == [float(not lower), float(lower)]
    assert gradient(function, 2.0, INF) == [float(lower), float(not lower)]
    assert gradient(function, INF, INF) == [0.5, 0.5]
    assert derivatives(lambda x: function(x, x * x), 1.0, 2) == [1.5, 1.0]


def test_extreme_numbers_share_in_ties() -> None:
    assert gradient(st.max, [1.0, 3.0, 3.0, 2.0]) == [[0.0, 0.5, 0.5, 0.0]]
    assert gradient(st.min, [[1.0, 3.0], [1.0, 1.0]]) == [[[1 / 3, 0.0], [1 / 3, 1 / 3]]]
    assert gradient(st.max, [-INF, -INF]) == [[0.5, 0.5]]
    assert gradient(st.max, [INF, 1.0]) == [[1.0, 0.0]]


def test_absolute_value_at_zero() -> None:
    assert gradient(st.abs, [0.0, -0.0, -2.0, INF]) == [[0.0, 0.0, -1.0, 1.0]]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
        ([INF, 2.0, 3.0], [6.0, INF, INF]),
        ([], []),
        ([5.0], [1.0]),
    ],
)
def test_product(numbers: list[float], expected: list[float]) -> None:
    assert gradient(st.prod, numbers) == [expected]


def test_second_derivative_of_a_product_with_zeros() -> None:
    """The derivative by x_i and x_j is the product of all the others."""
    point = st.asarray(np.array([0.0, 0.0, 4.0]))
    rows = [st.grad(lambda x, n=n: st.grad(st.prod)(x)[n])(point).tolist() for n in range(3)]
    assert rows == [[0.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_running_product_with_zeros() -> None:
    assert gradient(st.cumulative_prod, [2.0, 0.0, 3.0]) == [[1.0, 8.0, 0.0]]
    assert gradient(st.cumulative_prod, [0.0, 0.0]) == [[1.0, 0.0]]


def test_the_branch_not_chosen_gets_zero() -> None:
    def safe_log(x: st.Tensor) -> st.Tensor:
        return st.where(x > 0, st.log(st.where(x > 0, x, 1.0)), 0.0)

    assert gradient(safe_log, [2.0, 0.0, -1.0]) == [[0.5, 0.0, 0.0]]
    output_grad = st.asarray(np.array([INF, NAN]))
    condition = st.asarray([True, False])
    _, pullback = st.vjp(lambda x, y: st.where(condition, x, y), output_grad, output_grad)
    by_x, by_y = (each.tolist() for each in pullback(output_grad))
    assert by_x == [INF, 0.0]
    assert by_y[0] == 0.0


def test_clipped_numbers_get_zero() -> None:
    found = gradient(lambda x: st.clip(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0, INF])
    assert found == [[0.0, 1.0, 1.0, 1.0, 0.0]]


@pytest.mark.parametrize("function", [st.sigmoid, st.tanh, st.erf], ids=lambda f: f.__name__)
def test_flat_ends(function: Callable[..., Any]) -> None:
    assert gradient(function, [-INF, -1e30, 1e30, INF]) == [[0.0, 0.0, 0.0, 0.0]]


def test_logaddexp_in_a_tie() -> None:
    assert derivatives(lambda x: st.logaddexp(x, st.asarray(np.array(2.0))), 2.0, 2) == [0.5, 0.25]


def test_logaddexp_at_infinity() -> None:
    assert gradient(st.logaddexp, -INF, 1.0) == [0.0, 1.0]
    assert gradient(st.logaddexp, INF, 1.0) == [1.0, 0.0]


def test_remainder_counts_the_quotient_that_it_left_out() -> None:
    """1 % 0.1 leaves 0.0999..., so 0.1 went into 1 nine times, though 1 / 0.1 rounds to 10."""
    assert gradient(st.remainder, 1.0, 0.1) == [1.0, -9.0]
    assert gradient(st.remainder, -7.0, 3.0) == [1.0, 3.0]


def test_positions_that_occur_twice_add_up() -> None:
    assert gradient(lambda x: st.take(x, st.asarray([0, 2, 2])), [1.0, 2.0, 3.0]) == [
        [1.0, 0.0, 2.0]
    ]


def test_no_gradient_through_whole_numbers() -> None:
    found = gradient(lambda x: x.astype(st.int64).astype(st.float64) * x, [1.5, 2.5])
    assert found == [[1.0, 2.0]]


def test_sum_of_nothing() -> None:
    assert gradient(st.sum, np.zeros((0, 3)).tolist()) == [[]]
    assert gradient(lambda x: st.mean(x, axis=1), np.zeros((0, 3)).reshape(0, 3)) == [[]]
