"""Functions that rearrange numbers against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from against_numpy import EXAMPLES, assert_same, check, numbers, seeds, shapes
from hypothesis import assume, given
from hypothesis import strategies as some
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import steepest as st

DTYPES = some.sampled_from(["bool", "int8", "uint32", "float32", "float64", "complex64"])


@some.composite
def arrays(draw, least=0, most=4):
    return numbers(draw(shapes(least, most)), draw(DTYPES), draw(seeds()))


@EXAMPLES
@given(array=arrays(), data=some.data())
def test_reshape(array, data):
    factors = [n for n in range(1, 13) if array.size % n == 0] if array.size else [0, 1, 3]
    first = data.draw(some.sampled_from(factors))
    assume(first)
    check(lambda x: st.reshape(x, (first, -1)), lambda x: x.reshape((first, -1)), array)
    check(lambda x: st.reshape(x, (-1,)), lambda x: x.reshape(-1), array)
    check(lambda x: x.reshape(array.size, 1), lambda x: x.reshape(array.size, 1), array)


def test_reshape_copies_only_if_it_must():
    tensor = st.asarray(np.arange(6.0))
    assert np.shares_memory(st.reshape(tensor, (2, 3)).numpy(), tensor.numpy())
    assert not np.shares_memory(st.reshape(tensor, (2, 3), copy=True).numpy(), tensor.numpy())
    turned = st.reshape(tensor, (2, 3)).T
    with pytest.raises(ValueError, match="reshape: this needs a copy, but copy=False was asked"):
        st.reshape(turned, (6,), copy=False)
    assert st.reshape(tensor, (2, 3), copy=False).shape == (2, 3)


@EXAMPLES
@given(array=arrays(), data=some.data())
def test_permute_dims(array, data):
    order = data.draw(some.permutations(range(array.ndim)))
    signed = [axis - array.ndim if data.draw(some.booleans()) else axis for axis in order]
    check(lambda x: st.permute_dims(x, signed), lambda x: np.transpose(x, order), array)
    check(lambda x: x.permute(*order), lambda x: np.transpose(x, order), array)


@EXAMPLES
@given(array=arrays(least=1), data=some.data())
def test_moveaxis(array, data):
    places = some.lists(
        some.integers(-array.ndim, array.ndim - 1),
        min_size=1,
        max_size=array.ndim,
        unique_by=lambda axis: axis % array.ndim,
    )
    source = tuple(data.draw(places))
    target = tuple(data.draw(some.permutations(range(array.ndim))))[: len(source)]
    check(lambda x: st.moveaxis(x, source, target), lambda x: np.moveaxis(x, source, target), array)
    check(lambda x: st.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), array)


@EXAMPLES
@given(array=arrays(least=2))
def test_matrix_transpose(array):
    check(st.matrix_transpose, lambda x: np.swapaxes(x, -1, -2), array)
    check(lambda x: x.mT, lambda x: np.swapaxes(x, -1, -2), array)
    check(lambda x: x.transpose(0, -1), lambda x: np.swapaxes(x, 0, -1), array)


@EXAMPLES
@given(array=arrays(most=3), data=some.data())
def test_expand_and_squeeze(array, data):
    axis = data.draw(some.integers(-array.ndim - 1, array.ndim))
    check(lambda x: st.expand_dims(x, axis=axis), lambda x: np.expand_dims(x, axis), array)
    check(
        lambda x: st.squeeze(st.expand_dims(x, axis=axis), axis),
        lambda x: np.squeeze(np.expand_dims(x, axis), axis),
        array,
    )
    check(lambda x: st.expand_dims(x, axis=(0, -1)), lambda x: x[None][..., None], array)


@EXAMPLES
@given(array=arrays(most=3), lead=some.lists(some.integers(0, 3), max_size=2))
def test_broadcast_to(array, lead):
    shape = (*lead, *(3 if size == 1 else size for size in array.shape))
    check(lambda x: st.broadcast_to(x, shape), lambda x: np.broadcast_to(x, shape), array)


@EXAMPLES
@given(case=mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3), seed=seeds())
def test_broadcast_arrays(case, seed):
    parts = [numbers(shape, "float32", seed) for shape in case.input_shapes]
    check(lambda *x: st.broadcast_arrays(*x), lambda *x: np.broadcast_arrays(*x), *parts)


@EXAMPLES
@given(array=arrays(least=1), data=some.data())
def test_concat(array, data):
    axis = data.draw(some.integers(-array.ndim, array.ndim - 1))
    size = data.draw(some.integers(0, 3))
    shape = list(array.shape)
    shape[axis] = size
    other = numbers(tuple(shape), array.dtype.name, 1)
    check(
        lambda *x: st.concat(x, axis=axis), lambda *x: np.concatenate(x, axis), array, other, array
    )
    check(lambda *x: st.concat(x, axis=None), lambda *x: np.concatenate(x, None), array, other)


@EXAMPLES
@given(array=arrays(most=3), data=some.data())
def test_stack_and_unstack(array, data):
    axis = data.draw(some.integers(-array.ndim - 1, array.ndim))
    check(lambda *x: st.stack(x, axis=axis), lambda *x: np.stack(x, axis), array, array[...])
    if array.ndim:
        axis = data.draw(some.integers(-array.ndim, array.ndim - 1))
        check(lambda x: st.unstack(x, axis=axis), lambda x: list(np.moveaxis(x, axis, 0)), array)


def test_joining_promotes():
    assert st.concat([st.asarray([1]), st.asarray([1.5])]).dtype is st.float32
    assert st.stack([st.asarray([1.5]), st.asarray(np.ones(1))]).dtype is st.float64


@EXAMPLES
@given(array=arrays(), data=some.data())
def test_flip(array, data):
    axes = some.none()
    if array.ndim:
        one = some.integers(-array.ndim, array.ndim - 1)
        axes |= one | some.lists(one, unique_by=lambda axis: axis % array.ndim).map(tuple)
    axis = data.draw(axes)
    check(lambda x: st.flip(x, axis=axis), lambda x: np.flip(x, axis), array)


@EXAMPLES
@given(array=arrays(least=1), data=some.data())
def test_roll(array, data):
    axis = data.draw(some.integers(-array.ndim, array.ndim - 1))
    shift = data.draw(some.integers(-9, 9))
    check(lambda x: st.roll(x, shift), lambda x: np.roll(x, shift), array)
    check(lambda x: st.roll(x, shift, axis=axis), lambda x: np.roll(x, shift, axis), array)
    check(
        lambda x: st.roll(x, (shift, 1), axis=(axis, 0)),
        lambda x: np.roll(x, (shift, 1), (axis, 0)),
        array,
    )


@EXAMPLES
@given(array=arrays(most=3), counts=some.lists(some.integers(0, 3), max_size=4).map(tuple))
def test_tile(array, counts):
    check(lambda x: st.tile(x, counts), lambda x: np.tile(x, counts), array)


@EXAMPLES
@given(array=arrays(least=1, most=3), data=some.data())
def test_repeat(array, data):
    axis = data.draw(some.none() | some.integers(-array.ndim, array.ndim - 1))
    count = data.draw(some.integers(0, 3))
    size = array.size if axis is None else array.shape[axis]
    each = numbers((size,), "int64", 3, low=0, high=3)
    check(lambda x: st.repeat(x, count, axis=axis), lambda x: np.repeat(x, count, axis), array)
    check(lambda x: st.repeat(x, each, axis=axis), lambda x: np.repeat(x, each, axis), array)


@EXAMPLES
@given(array=arrays(most=3), data=some.data())
def test_pad(array, data):
    sizes = some.integers(0, 3)
    pairs = [data.draw(some.tuples(sizes, sizes)) for _ in range(array.ndim)]
    value = data.draw(some.sampled_from([0, 1]))
    if array.ndim:
        check(
            lambda x: st.pad(x, pairs, value),
            lambda x: np.pad(x, pairs, constant_values=value),
            array,
        )


def test_pad_with_one_width():
    array = numbers((2, 3), "float32")
    check(lambda x: st.pad(x, 2, -1.5), lambda x: np.pad(x, 2, constant_values=-1.5), array)
    check(
        lambda x: st.pad(x, (1, 0), np.nan),
        lambda x: np.pad(x, (1, 0), constant_values=np.nan),
        array,
    )


@EXAMPLES
@given(array=arrays(least=2), k=some.integers(-4, 4))
def test_triangles(array, k):
    check(lambda x: st.tril(x, k=k), lambda x: np.tril(x, k), array)
    check(lambda x: st.triu(x, k=k), lambda x: np.triu(x, k), array)


@EXAMPLES
@given(array=arrays(least=1), data=some.data())
def test_flatten(array, data):
    start = data.draw(some.integers(0, array.ndim - 1))
    end = data.draw(some.integers(start, array.ndim - 1))
    joined = math.prod(array.shape[start : end + 1])
    shape = (*array.shape[:start], joined, *array.shape[end + 1 :])
    check(lambda x: x.flatten(start, end), lambda x: x.reshape(shape), array)


def test_flatten_of_one_number():
    assert st.asarray(3.0).flatten().shape == (1,)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("sizes", [(), (3,), (3, 2), (2, 3, 4)])
def test_meshgrid(indexing, sizes):
    axes = [numbers((size,), "float64", size) for size in sizes]
    check(
        lambda *x: st.meshgrid(*x, indexing=indexing),
        lambda *x: list(np.meshgrid(*x, indexing=indexing)),
        *axes,
    )


def test_a_part_is_not_changed_with_the_whole():
    tensor = st.asarray([1.0, 2.0])
    for part in (tensor[:], st.reshape(tensor, (2,)), +tensor):
        kept = part.tolist()
        tensor[0] = tensor[0] + 1
        assert part.tolist() == kept
        part[1] = 9
        assert tensor[1].item() == 2
    assert_same(tensor, np.float32([4, 2]))
