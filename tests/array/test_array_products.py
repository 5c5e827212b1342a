"""matmul, tensordot, vecdot and einsum against NumPy and PyTorch, on random equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from against_numpy import EXAMPLES, FLOATING, check, numbers, seeds
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import steepest as st
from steepest.errors import ArgumentError, ShapeError

DTYPES = some.sampled_from([*FLOATING, "int32", "int64", "complex128"])


def _tolerance(array):
    return {"float32": 1e-4, "complex64": 1e-4}.get(array.dtype.name, 1e-11)


MATMUL = mutually_broadcastable_shapes(
    signature=np.matmul.signature, max_dims=3, min_side=0, max_side=4
)


@settings(EXAMPLES, max_examples=100)
@given(case=MATMUL, seed=seeds(), dtype=DTYPES)
def test_matmul(case, seed, dtype):
    left, right = (numbers(shape, dtype, seed + n) for n, shape in enumerate(case.input_shapes))
    check(st.matmul, np.matmul, left, right, tolerance=_tolerance(left))
    check(lambda x, y: x @ y, np.matmul, left, right, tolerance=_tolerance(left))


@EXAMPLES
@given(data=some.data(), seed=seeds(), dtype=DTYPES)
def test_tensordot(data, seed, dtype):
    sizes = some.integers(0, 3)
    shared = data.draw(some.lists(sizes, max_size=2))
    left_shape = (*data.draw(some.lists(sizes, max_size=2)), *shared)
    right_shape = (*shared, *data.draw(some.lists(sizes, max_size=2)))
    left, right = numbers(left_shape, dtype, seed), numbers(right_shape, dtype, seed + 1)
    count = len(shared)
    check(
        lambda x, y: st.tensordot(x, y, axes=count),
        lambda x, y: np.tensordot(x, y, count),
        left,
        right,
        tolerance=_tolerance(left),
    )
    pairs = (tuple(range(-count, 0)), tuple(range(count)))
    check(
        lambda x, y: st.tensordot(x, y, axes=pairs),
        lambda x, y: np.tensordot(x, y, pairs),
        left,
        right,
        tolerance=_tolerance(left),
    )


@EXAMPLES
@given(
    case=mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3),
    seed=seeds(),
    dtype=DTYPES,
)
def test_vecdot(case, seed, dtype):
    size = 3
    left, right = (
        numbers((*shape[:-1], size), dtype, seed + n) for n, shape in enumerate(case.input_shapes)
    )
    check(st.vecdot, np.vecdot, left, right, tolerance=_tolerance(left))


# einsum

KNOWN = [
    ("i->", [(3,)]),
    ("i->i", [(3,)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iij->ij", [(3, 3, 2)]),
    ("iijj->j", [(2, 2, 3, 3)]),
    ("iii->i", [(3, 3, 3)]),
    ("i,i->", [(3,), (3,)]),
    ("i,j->ij", [(3,), (2,)]),
    ("i,j->ji", [(3,), (2,)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,kj->ik", [(2, 3), (4, 3)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("ij,ij->ij", [(2, 3), (2, 3)]),
    ("ij,ij->i", [(2, 3), (2, 3)]),
    ("ij,j->", [(2, 3), (3,)]),
    ("i,ij,j->", [(2,), (2, 3), (3,)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
    ("...i->...", [(2, 4, 3)]),
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
    ("...ij,...jk", [(5, 1, 2, 3), (2, 3, 4)]),
    ("i...,i->...", [(3, 2), (3,)]),
    ("ij...,jk...->ik...", [(2, 3, 4), (3, 2, 4)]),
    ("...,...->...", [(2, 3), (3,)]),
    ("ij , jk -> ik", [(2, 3), (3, 4)]),
    ("ab,ba->", [(2, 3), (3, 2)]),
    ("ii,ij->j", [(3, 3), (3, 2)]),
    ("Zz,zA->ZA", [(2, 3), (3, 2)]),
    ("i,->i", [(3,), ()]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
]


@pytest.mark.parametrize(("equation", "shapes"), KNOWN)
def test_einsum_equations(equation, shapes):
    arrays = [numbers(shape, "float64", n) for n, shape in enumerate(shapes)]
    _check_einsum(equation, arrays)


def _check_einsum(equation, arrays):
    """Compare values with NumPy's, and gradients with PyTorch's."""
    check(
        lambda *x: st.einsum(equation, *x),
        lambda *x: np.einsum(equation, *x),
        *arrays,
        tolerance=1e-11,
    )
    ours = [st.Tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    weights = numbers(np.einsum(equation, *arrays).shape, "float64", 9)
    st.sum(st.einsum(equation, *ours) * weights).backward()
    (torch.einsum(equation, *theirs) * torch.from_numpy(np.asarray(weights))).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-10, atol=1e-10)


@some.composite
def equations(draw):
    """A random equation, with letters repeated within and between operands, and its shapes."""
    letters = "abcde"
    sizes = {letter: draw(some.integers(1, 3)) for letter in letters}
    count = draw(some.integers(1, 4))
    term = some.text(some.sampled_from(letters), max_size=3)
    terms = [draw(term) for _ in range(count)]
    present = sorted(set("".join(terms)))
    output = draw(some.permutations(present)) if present else []
    output = "".join(output[: draw(some.integers(0, len(output)))])
    equation = ",".join(terms) + "->" + output
    return equation, [tuple(sizes[letter] for letter in each) for each in terms]


@settings(EXAMPLES, max_examples=150)
@given(case=equations(), seed=seeds())
def test_einsum_of_random_equations(case, seed):
    equation, shapes = case
    _check_einsum(equation, [numbers(shape, "float64", seed + n) for n, shape in enumerate(shapes)])


def test_einsum_of_integers():
    left, right = numbers((2, 3), "int32"), numbers((3, 2), "int32", 1)
    check(lambda x, y: st.einsum("ij,jk", x, y), lambda x, y: x @ y, left, right)


MESSAGES = [
    (
        lambda: st.matmul(st.ones((2, 3)), st.ones((4, 5))),
        ShapeError,
        "matmul: left (2, 3) needs 3 rows on the right, but right is (4, 5).",
    ),
    (
        lambda: st.ones((2, 2, 3)) @ st.ones((3, 3, 4)),
        ShapeError,
        "matmul: left (2, 2, 3) and right (3, 3, 4) have leading axes of sizes 2 and 3, which do "
        "not broadcast.",
    ),
    (
        lambda: st.matmul(st.ones(()), st.ones(2)),
        ShapeError,
        "matmul: left () or right (2,) has no axis.",
    ),
    (
        lambda: st.tensordot(st.ones((2, 3)), st.ones((4, 5)), axes=1),
        ShapeError,
        "tensordot: left (2, 3) axis 1 and right (4, 5) axis 0 differ in size.",
    ),
    (
        lambda: st.vecdot(st.ones(3), st.ones(4)),
        ShapeError,
        "vecdot: left (3,) and right (4,) differ in axis -1.",
    ),
    (
        lambda: st.vecdot(st.ones(3), st.ones(3), axis=0),
        ShapeError,
        "vecdot: axis 0 must be within [-1, -1].",
    ),
    (
        lambda: st.einsum("ij,jk->ik", st.ones((2, 3))),
        ArgumentError,
        "einsum: 'ij,jk->ik' names 2 operands, but got 1.",
    ),
    (
        lambda: st.einsum("ij->i", st.ones(3)),
        ShapeError,
        "einsum: operand (3,) does not have the axes of 'ij'.",
    ),
    (
        lambda: st.einsum("ij,jk->ik", st.ones((2, 3)), st.ones((4, 5))),
        ShapeError,
        "einsum: 'ij,jk->ik': axis 'j' has sizes 3 and 4.",
    ),
    (
        lambda: st.einsum("ij->ik", st.ones((2, 3))),
        ArgumentError,
        "einsum: 'k' of the result is in no operand.",
    ),
    (
        lambda: st.einsum("ij->ii", st.ones((2, 3))),
        ArgumentError,
        "einsum: 'i' stands twice in the result of 'ij->ii'.",
    ),
    (
        lambda: st.einsum("i1->i", st.ones((2, 3))),
        ArgumentError,
        "einsum: '1' of 'i1->i' is no letter.",
    ),
    (
        lambda: st.einsum("ii->i", st.ones((2, 3))),
        ShapeError,
        "einsum: 'ii->i': axis 'i' has sizes 2 and 3.",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert " At test_array_products.py:" in str(caught.value)
