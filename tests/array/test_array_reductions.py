"""Functions that reduce axes, and running totals, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import COMPLEX, EXAMPLES, FLOATING, INTEGERS, check, numbers, seeds, shapes
from hypothesis import given
from hypothesis import strategies as some

import steepest as st

ALL_DTYPES = ("bool", *INTEGERS, *FLOATING)


@some.composite
def reductions(draw, dtypes, least_axes=0, sizes=(0, 4), several=True):
    """An array, and `axis` and `keepdims` to reduce it by."""
    shape = draw(shapes(least=least_axes))
    if sizes[0] > 0:
        shape = tuple(max(size, sizes[0]) for size in shape)
    axes = some.integers(-len(shape), len(shape) - 1) if shape else some.none()
    if several:
        chosen = some.lists(axes, max_size=3, unique_by=lambda axis: axis % len(shape))
        axes = some.none() | axes | (chosen.map(tuple) if shape else some.just(()))
    array = numbers(shape, draw(some.sampled_from(dtypes)), draw(seeds()))
    return array, {"axis": draw(axes), "keepdims": draw(some.booleans())}


def _wide(dtype):
    """The data type in which the standard adds up: 64 bits for integers."""
    kinds = {"b": "int64", "i": "int64", "u": "uint64"}
    return kinds.get(np.dtype(dtype).kind, dtype)


@pytest.mark.parametrize("name", ["sum", "prod"])
@EXAMPLES
@given(case=reductions(INTEGERS + FLOATING + COMPLEX))
def test_totals(name, case):
    array, options = case
    wide = _wide(array.dtype)
    tolerance = 1e-5 if array.dtype.name in ("float32", "complex64") else 1e-12
    check(
        lambda x: getattr(st, name)(x, **options),
        lambda x: getattr(np, name)(x, dtype=wide, **options),
        array,
        tolerance=0 if array.dtype.kind in "iu" else tolerance,
    )


@EXAMPLES
@given(case=reductions(FLOATING))
def test_mean(case):
    array, options = case
    if 0 in array.shape:
        array = np.ones((2, 2), array.dtype)
        options = {"axis": None, "keepdims": True}
    check(lambda x: st.mean(x, **options), lambda x: np.mean(x, **options), array, tolerance=1e-5)


@pytest.mark.parametrize("name", ["var", "std"])
@EXAMPLES
@given(
    case=reductions(FLOATING + COMPLEX, sizes=(2, 4)),
    correction=some.sampled_from([0, 0.0, 1, 0.5]),
)
def test_spread(name, case, correction):
    array, options = case
    if array.ndim == 0 or options["axis"] == ():
        correction = 0
    check(
        lambda x: getattr(st, name)(x, correction=correction, **options),
        lambda x: getattr(np, name)(x, ddof=correction, **options),
        array,
        tolerance=1e-5,
    )


def test_no_numbers():
    nothing = st.zeros((0, 2))
    assert np.isnan(st.mean(nothing).item())
    assert np.isnan(st.var(nothing, axis=0).numpy()).all()
    assert np.isnan(st.var(st.ones(1), correction=1).item())
    assert st.sum(nothing, axis=0).tolist() == [0, 0]
    assert st.prod(nothing).item() == 1
    assert st.any(nothing).item() is False
    assert st.all(nothing).item() is True


@pytest.mark.parametrize("name", ["max", "min"])
@EXAMPLES
@given(case=reductions(ALL_DTYPES, sizes=(1, 4)))
def test_extremes(name, case):
    array, options = case
    check(
        lambda x: getattr(st, name)(x, **options),
        lambda x: getattr(np, name)(x, **options),
        array,
    )


@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_wins(name):
    check(getattr(st, name), getattr(np, name), np.array([1.0, np.nan, 3.0]))


@pytest.mark.parametrize("name", ["any", "all"])
@EXAMPLES
@given(case=reductions(ALL_DTYPES + COMPLEX))
def test_truth(name, case):
    array, options = case
    check(
        lambda x: getattr(st, name)(x, **options),
        lambda x: getattr(np, name)(x, **options),
        array,
    )


@EXAMPLES
@given(case=reductions(ALL_DTYPES + COMPLEX))
def test_count_nonzero(case):
    array, options = case
    check(
        lambda x: st.count_nonzero(x, **options),
        lambda x: np.asarray(np.count_nonzero(x, **options), "int64"),
        array,
    )


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@EXAMPLES
@given(case=reductions(ALL_DTYPES, sizes=(1, 4), several=False))
def test_positions_of_extremes(name, case):
    array, options = case
    check(
        lambda x: getattr(st, name)(x, **options),
        lambda x: np.asarray(getattr(np, name)(x, **options), "int64"),
        array,
    )


@EXAMPLES
@given(case=reductions(FLOATING, sizes=(1, 4)))
def test_logsumexp(case):
    array, options = case
    check(
        lambda x: st.logsumexp(x, **options),
        lambda x: np.log(np.sum(np.exp(x), **options)),
        array,
        tolerance=1e-5,
    )


def test_logsumexp_without_overflow():
    array = np.array([[1000.0, 1000.0], [-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 1.0]])
    expected = [1000 + np.log(2), -np.inf, np.inf, np.nan]
    np.testing.assert_allclose(st.logsumexp(st.asarray(array), axis=1).numpy(), expected)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@EXAMPLES
@given(case=reductions(INTEGERS + FLOATING, least_axes=1, several=False), initial=some.booleans())
def test_running_totals(name, case, initial):
    array, options = case
    options = {"axis": options["axis"], "include_initial": initial, "dtype": _wide(array.dtype)}
    check(
        lambda x: getattr(st, name)(x, axis=options["axis"], include_initial=initial),
        lambda x: getattr(np, name)(x, **options),
        array,
        tolerance=0 if array.dtype.kind in "iu" else 1e-5,
    )


@EXAMPLES
@given(case=reductions(FLOATING + INTEGERS, least_axes=1, several=False), n=some.integers(0, 3))
def test_diff(case, n):
    array, options = case
    axis = options["axis"]
    check(lambda x: st.diff(x, axis=axis, n=n), lambda x: np.diff(x, axis=axis, n=n), array)


def test_diff_with_ends():
    array, before, after = (numbers((2, size), "float64", size) for size in (4, 1, 2))
    check(
        lambda x, prepend, append: st.diff(x, axis=1, prepend=prepend, append=append),
        lambda x, prepend, append: np.diff(x, axis=1, prepend=prepend, append=append),
        array,
        before,
        after,
    )


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum"])
def test_data_type_can_be_chosen(name):
    array = numbers((3,), "int16")
    theirs = getattr(np, name)
    check(lambda x: getattr(st, name)(x, dtype=st.float64), lambda x: theirs(x, dtype="f8"), array)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "max", "min", "var", "std", "any", "all", "argmax", "argmin"]
)
def test_methods_equal_functions(name):
    tensor = st.asarray(numbers((3, 4), "float64"))
    method, function = getattr(tensor, name), getattr(st, name)
    np.testing.assert_array_equal(
        method(axis=1, keepdims=True).numpy(), function(tensor, axis=1, keepdims=True).numpy()
    )
    assert method().shape == ()
