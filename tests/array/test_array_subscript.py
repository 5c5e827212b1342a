"""`x[key]` and `x[key] = y` against NumPy, on random keys of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import EXAMPLES, assert_equal_bits, assert_same, numbers, seeds, shapes
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import array_shapes, basic_indices, integer_array_indices

import steepest as st
from steepest.errors import GradientError, ShapeError, TraceError

MANY = settings(EXAMPLES, max_examples=150)


@some.composite
def arrays(draw, least=0, most=4):
    return numbers(draw(shapes(least, most)), "float64", draw(seeds()))


def check_key(array, key, compiled=True):
    """Compare a part with NumPy's, eagerly and compiled, and its gradient with counting."""
    expected = array[key]
    tensor = st.Tensor(array.copy(), requires_grad=True)
    part = tensor[key]
    assert_same(part.detach(), expected, f"{array.shape}[{key}]")
    if compiled:
        assert_equal_bits(st.compile(lambda x: x[key])(st.asarray(array)), part.detach())
    weights = numbers(expected.shape, "float64", 1)
    st.sum(part * weights).backward()
    counted = np.zeros_like(array)
    np.add.at(counted, key, weights)
    np.testing.assert_allclose(tensor.grad.numpy(), counted, rtol=1e-12, atol=1e-12)


@MANY
@given(data=some.data(), array=arrays())
def test_basic_keys(data, array):
    key = data.draw(basic_indices(array.shape, allow_newaxis=True, max_dims=7))
    check_key(array, key)


@MANY
@given(data=some.data(), array=arrays(least=1, most=4))
def test_integer_keys(data, array):
    if 0 in array.shape:
        array = np.ones((2, 3))
    key = data.draw(integer_array_indices(array.shape, result_shape=array_shapes(max_dims=2)))
    check_key(array, key)


@some.composite
def mixed_keys(draw, shape):
    """A key with a part of any kind for each axis, and new axes between them."""
    wide = draw(array_shapes(min_dims=0, max_dims=2, max_side=3))
    parts = []
    for size in shape:
        if draw(some.integers(0, 4)) == 0:
            parts.append(None)
        kind = draw(some.sampled_from(["integer", "slice", "array", "list", "mask"]))
        position = some.integers(-size, size - 1)
        if kind == "integer":
            parts.append(draw(position))
        elif kind == "slice":
            parts.append(draw(some.slices(size)))
        elif kind == "array":
            random = np.random.default_rng(draw(seeds()))
            parts.append(random.integers(-size, size, wide))
        elif kind == "list" and wide in ((), (1,)):
            parts.append(draw(some.lists(position, min_size=1, max_size=1)))
        elif wide in ((), (1,)):
            mask = np.zeros(size, bool)
            mask[draw(position)] = True
            parts.append(mask)
        else:
            parts.append(slice(None))
    end = draw(some.integers(0, len(parts)))
    kept = parts[:end]
    if draw(some.booleans()):
        kept.append(Ellipsis)
    return tuple(kept)


@MANY
@given(data=some.data(), shape=array_shapes(min_dims=1, max_dims=4, max_side=4), seed=seeds())
def test_mixed_keys(data, shape, seed):
    array = numbers(shape, "float64", seed)
    check_key(array, data.draw(mixed_keys(shape)))


@EXAMPLES
@given(data=some.data(), array=arrays(), seed=seeds())
def test_masks(data, array, seed):
    covered = data.draw(some.integers(0, array.ndim))
    mask = numbers(array.shape[:covered], "bool", seed)
    check_key(array, mask)
    assert_same(st.asarray(array)[st.asarray(mask)], array[mask])


@pytest.mark.parametrize("key", [True, False, np.True_, np.array(False)])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_single_truth_value(key, shape):
    check_key(numbers(shape, "float64"), key)


def test_tensors_as_keys():
    array = numbers((4, 3), "float32")
    tensor = st.asarray(array)
    rows = st.asarray([[3, -1], [0, 1]])
    assert_same(tensor[rows], array[rows.numpy()])
    assert_same(tensor[:, st.asarray(2)], array[:, 2])
    assert_same(tensor[st.asarray(np.uint8([1, 2])), 0], array[[1, 2], 0])
    assert_same(tensor[st.asarray([]).astype(st.int64)], array[[]])
    assert_same(tensor[[]], array[[]])
    assert_equal_bits(st.compile(lambda x, n: x[n, ::-1])(tensor, rows), tensor[rows, ::-1])


WRONG_KEYS = [
    (5, IndexError, "x[...]: index 5 is outside axis 0, which has size 2."),
    ((0, -4), IndexError, "x[...]: index -4 is outside axis 1, which has size 3."),
    ([0, 2], IndexError, "x[...]: index 2 is outside axis 0, which has size 2."),
    ([-3], IndexError, "x[...]: index -3 is outside axis 0, which has size 2."),
    ((0, 0, 0), IndexError, "x[...]: 3 indices for a tensor (2, 3) of 2 axes."),
    ((..., 0, ...), IndexError, "x[...]: an index can hold only one '...'."),
    ("name", IndexError, "x[...]: str is no index; use integers, slices or tensors."),
    (0.5, IndexError, "x[...]: float is no index; use integers, slices or tensors."),
    ([0.5], IndexError, "x[...]: indices must be integers, but are float32."),
    ((True, 0), IndexError, "x[...]: a single truth value must be the whole index."),
    (
        np.ones((2, 2), bool),
        IndexError,
        "x[mask]: mask (2, 2) does not have the sizes of the axes that it stands for, (2, 3).",
    ),
    (
        ([0, 1], [0, 1, 2]),
        IndexError,
        "x[...]: indices 0 (2,), indices 1 (3,) do not broadcast: axis -1 has sizes 2 and 3.",
    ),
]


@pytest.mark.parametrize(("key", "error", "message"), WRONG_KEYS)
def test_wrong_keys(key, error, message):
    with pytest.raises(error) as caught:
        st.zeros((2, 3))[key]
    assert str(caught.value).startswith(message)
    assert "At test_array_subscript.py:" in str(caught.value)


def test_masks_are_refused_while_compiling():
    with pytest.raises(TraceError) as caught:
        st.compile(lambda x: x[x > 0])(st.ones(3))
    assert str(caught.value).startswith(
        "x[mask]: how many numbers a boolean index picks is not known inside steepest.compile. "
        "Use steepest.where, or index outside. At test_array_subscript.py:"
    )


# Writing


@MANY
@given(data=some.data(), shape=array_shapes(min_dims=1, max_dims=3, max_side=4), seed=seeds())
def test_writing(data, shape, seed):
    array = numbers(shape, "float64", seed)
    key = data.draw(mixed_keys(shape))
    update = numbers(array[key].shape, "float64", seed + 1)
    for value in (update, 7, st.asarray(update)):
        tensor, changed = st.asarray(array.copy()), array.copy()
        tensor[key] = value
        changed[key] = value.numpy() if isinstance(value, st.Tensor) else value
        assert_same(tensor, changed)


def test_writing_at_a_mask_and_into_bfloat16():
    tensor = st.asarray([1.0, 2.0, 3.0])
    tensor[tensor > 1.5] = 0
    assert tensor.tolist() == [1, 0, 0]
    narrow = st.zeros(2, dtype=st.bfloat16)
    narrow[0] = 1.5
    assert narrow.tolist() == [1.5, 0]


def test_writing_changes_neither_the_source_nor_arrays_handed_out():
    source = np.zeros(2)
    tensor = st.asarray(source)
    before = tensor.numpy()
    tensor[0] = 1
    assert source.tolist() == before.tolist() == [0, 0]


def test_writing_that_would_lose_a_gradient():
    weight = st.Tensor([1.0, 2.0], requires_grad=True)
    computed = weight * 2
    target = st.zeros(2)
    with pytest.raises(GradientError) as caught:
        computed[0] = 0
    assert str(caught.value).startswith(
        "x[...] = y: x was computed from tensors that require a gradient. Use steepest.where or "
        "steepest.scatter_add, or x.detach(). At test_array_subscript.py:"
    )
    with pytest.raises(GradientError) as caught:
        target[0] = computed[0]
    assert str(caught.value).startswith(
        "x[...] = y: y requires a gradient, which would be lost. Use steepest.where or "
        "steepest.scatter_add, or y.detach(). At test_array_subscript.py:"
    )


def test_writing_what_does_not_fit():
    with pytest.raises(ShapeError) as caught:
        st.zeros((2, 3))[0] = st.ones(2)
    assert str(caught.value).startswith("x[...] = y: y (2,) does not fit x[...] (3,). At test_")
    with pytest.raises(IndexError, match="is out of bounds for axis 0 with size 2"):
        st.zeros(2)[5] = 1


def test_writing_is_refused_while_compiling():
    @st.compile
    def write(x):
        x[0] = 1

    with pytest.raises(TraceError) as caught:
        write(st.ones(3))
    assert str(caught.value).startswith(
        "x[...] = y: inside steepest.compile a tensor changes as a whole. Use x = "
        "steepest.where(...), steepest.scatter_add, or x.assign(...). At test_array_subscript.py:"
    )


def test_a_gradient_through_what_was_overwritten_is_refused():
    weight = st.Tensor([1.0, 2.0], requires_grad=True)
    state = st.asarray([3.0, 4.0])
    loss = (weight * state).sum()
    state[0] = 0
    with pytest.raises(GradientError, match="was changed by"):
        loss.backward()
