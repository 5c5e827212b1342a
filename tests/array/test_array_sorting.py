"""Sorting, searching, sets, and reading at positions, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import EXAMPLES, FLOATING, INTEGERS, assert_same, check, numbers, seeds, shapes
from hypothesis import given
from hypothesis import strategies as some

import steepest as st
from steepest.errors import ArgumentError, AxisError, DTypeError, ShapeError, TraceError

DTYPES = some.sampled_from(["bool", *INTEGERS, *FLOATING])


@some.composite
def arrays_with_axis(draw, dtypes=DTYPES):
    """An array with many equal numbers, and one of its axes."""
    array = numbers(draw(shapes(least=1)), draw(dtypes), draw(seeds()))
    array = np.round(array) if array.dtype.kind == "f" else array
    return array, draw(some.integers(-array.ndim, array.ndim - 1))


@EXAMPLES
@given(case=arrays_with_axis())
def test_sorting_up(case):
    array, axis = case
    check(lambda x: st.sort(x, axis=axis), lambda x: np.sort(x, axis), array)
    check(
        lambda x: st.argsort(x, axis=axis),
        lambda x: np.argsort(x, axis, kind="stable").astype("int64"),
        array,
    )


@EXAMPLES
@given(case=arrays_with_axis())
def test_sorting_down_is_stable(case):
    array, axis = case

    def down(x):
        """Stable in descending order: sort by the negative rank."""
        ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape)
        return np.argsort(-ranks, axis, kind="stable").astype("int64")

    check(lambda x: st.argsort(x, axis=axis, descending=True), down, array)
    check(
        lambda x: st.sort(x, axis=axis, descending=True),
        lambda x: np.flip(np.sort(x, axis), axis),
        array,
    )


def test_nan_is_the_largest():
    array = np.array([np.nan, 1.0, -np.inf, np.inf, np.nan, 0.0])
    check(st.sort, np.sort, array)
    assert_same(st.sort(st.asarray(array), descending=True), np.flip(np.sort(array)), tolerance=0)


def test_gradient_of_sort():
    weight = st.Tensor([3.0, 1.0, 2.0], requires_grad=True)
    (st.sort(weight) * st.asarray([1.0, 10.0, 100.0])).sum().backward()
    assert weight.grad.tolist() == [100, 1, 10]


@EXAMPLES
@given(size=some.integers(0, 9), shape=shapes(most=3), seed=seeds(), dtype=DTYPES)
def test_searchsorted(size, shape, seed, dtype):
    ordered = np.sort(numbers((size,), dtype, seed))
    values = numbers(shape, dtype, seed + 1)
    for side in ("left", "right"):
        check(
            lambda x, y, side=side: st.searchsorted(x, y, side=side),
            lambda x, y, side=side: np.asarray(np.searchsorted(x, y, side), "int64"),
            ordered,
            values,
        )
    mixed = numbers((size,), dtype, seed)
    check(
        lambda x, y, order: st.searchsorted(x, y, sorter=order),
        lambda x, y, order: np.asarray(np.searchsorted(x, y, sorter=order), "int64"),
        mixed,
        values,
        np.argsort(mixed),
    )


@EXAMPLES
@given(shape=shapes(least=1), seed=seeds(), dtype=DTYPES)
def test_nonzero(shape, seed, dtype):
    array = numbers(shape, dtype, seed, low=-1, high=2)
    check(st.nonzero, lambda x: list(np.nonzero(x)), array, compiled=False)


@EXAMPLES
@given(shape=shapes(), seed=seeds(), dtype=DTYPES)
def test_distinct_values(shape, seed, dtype):
    array = np.round(numbers(shape, dtype, seed)).astype(dtype)
    values, indices, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True
    )
    inverse = inverse.reshape(shape)
    found = st.unique_all(st.asarray(array))
    assert found._fields == ("values", "indices", "inverse_indices", "counts")
    assert_same(found, [values, indices, inverse, counts])
    assert_same(st.unique_counts(st.asarray(array)), [values, counts])
    assert_same(st.unique_inverse(st.asarray(array)), [values, inverse])
    assert_same(st.unique_values(st.asarray(array)), values)


def test_each_nan_is_distinct():
    found = st.unique_all(st.asarray([np.nan, 1.0, np.nan]))
    assert found.values.shape == (3,)
    assert found.counts.tolist() == [1, 1, 1]


def test_gradient_of_distinct_values():
    weight = st.Tensor([2.0, 1.0, 2.0], requires_grad=True)
    (st.unique_values(weight) * st.asarray([1.0, 10.0])).sum().backward()
    assert weight.grad.tolist() == [10, 1, 0]


@EXAMPLES
@given(shape=shapes(most=3), other=shapes(most=2), seed=seeds(), dtype=DTYPES)
def test_isin(shape, other, seed, dtype):
    left = np.round(numbers(shape, dtype, seed)).astype(dtype)
    right = np.round(numbers(other, dtype, seed + 1)).astype(dtype)
    check(st.isin, np.isin, left, right)
    check(
        lambda x, y: st.isin(x, y, invert=True),
        lambda x, y: np.isin(x, y, invert=True),
        left,
        right,
    )


def test_nan_is_in_nothing():
    assert st.isin(st.asarray([np.nan, 1.0]), st.asarray([np.nan, 1.0])).tolist() == [False, True]


# Reading and adding at positions


@EXAMPLES
@given(case=arrays_with_axis(), shape=shapes(most=2), seed=seeds())
def test_take(case, shape, seed):
    array, axis = case
    if array.shape[axis] == 0:
        array, axis = np.ones((3, 3)), -1
    size = array.shape[axis]
    indices = np.random.default_rng(seed).integers(-size, size, shape)
    check(lambda x, n: st.take(x, n, axis=axis), lambda x, n: np.take(x, n, axis), array, indices)


def test_take_without_axis():
    check(st.take, np.take, np.arange(4.0), np.array([[3, 0]]))
    assert st.take(st.arange(4), [1, -1]).tolist() == [1, 3]
    assert st.take(st.arange(4), st.asarray(np.uint8([1]))).tolist() == [1]


@EXAMPLES
@given(case=arrays_with_axis(), count=some.integers(0, 4), seed=seeds())
def test_take_along_axis(case, count, seed):
    array, axis = case
    size = array.shape[axis]
    shape = list(array.shape)
    shape[axis] = count if size else 0
    indices = np.random.default_rng(seed).integers(-max(size, 1), max(size, 1), shape)
    check(
        lambda x, n: st.take_along_axis(x, n, axis=axis),
        lambda x, n: np.take_along_axis(x, n, axis),
        array,
        indices,
    )


def test_take_along_axis_broadcasts():
    array = numbers((2, 3, 4), "float32")
    check(
        lambda x, n: st.take_along_axis(x, n, axis=1),
        lambda x, n: np.take_along_axis(x, n, 1),
        array,
        np.array([[[2], [0]]]),
    )


@EXAMPLES
@given(seed=seeds(), axis=some.integers(-2, 1), shape=shapes(least=0, most=2))
def test_scatter_add(seed, axis, shape):
    array = numbers((3, 4), "float64", seed)
    size = array.shape[axis]
    indices = np.random.default_rng(seed).integers(-size, size, shape)
    along = axis % 2
    updates = numbers((*array.shape[:along], *shape, *array.shape[along + 1 :]), "float64", seed)

    def theirs(x, n, y):
        result = x.copy()
        np.add.at(result, (slice(None),) * along + (n,), y)
        return result

    check(lambda x, n, y: st.scatter_add(x, n, y, axis=axis), theirs, array, indices, updates)


def test_gradients_of_positions():
    weight = st.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    st.take(weight, [0, 0, 2], axis=1).sum().backward()
    assert weight.grad.tolist() == [[2, 0, 1], [2, 0, 1]]
    weight.grad = None
    st.take_along_axis(weight, st.asarray([[1, 1], [0, 2]]), axis=1).sum().backward()
    assert weight.grad.tolist() == [[0, 2, 0], [1, 0, 1]]
    updates = st.Tensor([1.0, 2.0], requires_grad=True)
    added = st.scatter_add(st.zeros(3), [1, 1], updates)
    assert added.tolist() == [0, 3, 0]
    (added * 5).sum().backward()
    assert updates.grad.tolist() == [5, 5]


MESSAGES = [
    (lambda: st.sort(st.ones(2), axis=1), AxisError, "sort: axis 1 does not exist: the tensor has"),
    (
        lambda: st.searchsorted(st.ones(2), st.ones(2), side="up"),
        ArgumentError,
        "searchsorted: side is 'up', but must be 'left' or 'right'.",
    ),
    (
        lambda: st.searchsorted(st.ones((2, 2)), st.ones(2)),
        ShapeError,
        "searchsorted: ordered (2, 2) must have one axis.",
    ),
    (
        lambda: st.nonzero(st.asarray(1)),
        ArgumentError,
        "nonzero: a tensor without axes has no positions.",
    ),
    (
        lambda: st.take(st.ones((2, 2)), [0]),
        ArgumentError,
        "take: a tensor (2, 2) needs axis=.",
    ),
    (
        lambda: st.take(st.ones(3), [-5]),
        IndexError,
        "take: index -5 is outside axis 0, which has size 3.",
    ),
    (
        lambda: st.take(st.ones(3), st.asarray([0.5])),
        DTypeError,
        "take: indices must be integers, but are float32.",
    ),
    (
        lambda: st.take_along_axis(st.ones((2, 3)), st.asarray([0])),
        ShapeError,
        "take_along_axis: x (2, 3) and indices (1,) must have equally many axes.",
    ),
    (
        lambda: st.take_along_axis(st.ones((2, 3)), st.asarray([[0]] * 3)),
        ShapeError,
        "take_along_axis: x (2, 1), indices (3, 1) do not broadcast: axis -2 has sizes 2 and 3.",
    ),
    (
        lambda: st.scatter_add(st.ones(3), [7], 1.0),
        IndexError,
        "scatter_add: index 7 is outside axis 0, which has size 3.",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert " At test_array_sorting.py:" in str(caught.value)


@pytest.mark.parametrize("name", ["nonzero", "unique_all", "unique_values"])
def test_sizes_that_depend_on_numbers_are_refused_while_compiling(name):
    with pytest.raises(TraceError) as caught:
        st.compile(getattr(st, name))(st.ones(3))
    assert str(caught.value).startswith(
        f"{name}: runs on known numbers only, and inside steepest.compile there are none yet. "
        f"Call it outside, and pass the result in as an argument."
    )
