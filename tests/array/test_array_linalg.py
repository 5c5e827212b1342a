"""The `linalg` extension against NumPy; gradients of what is made of primitives."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import COMPLEX, FLOATING, assert_same, check, numbers

import steepest as st
from steepest import linalg
from steepest.errors import ArgumentError, ShapeError, TraceError

SHAPES = [(1, 1), (3, 3), (2, 3, 3), (0, 2, 2), (0, 0)]
TALL = [(4, 2), (2, 4), (2, 3, 2), (0, 3)]
ALL_DTYPES = FLOATING + COMPLEX
LOOSE = {"float32": 2e-4, "complex64": 2e-4, "float64": 1e-9, "complex128": 1e-9}


def _square(shape, dtype, seed=0):
    """Matrices that are far from singular."""
    matrix = numbers(shape, dtype, seed, -1, 1)
    return matrix + 3 * np.eye(shape[-1], dtype=dtype)


def _positive(shape, dtype):
    """Positive definite matrices."""
    matrix = numbers(shape, dtype, 0, -1, 1)
    turned = np.swapaxes(matrix, -1, -2).conj()
    return (matrix @ turned + np.eye(shape[-1])).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_of_square_matrices(shape, dtype):
    square, positive = _square(shape, dtype), _positive(shape, dtype)
    named = {"tolerance": LOOSE[dtype], "compiled": False}
    check(linalg.inv, np.linalg.inv, square, **named)
    check(linalg.det, np.linalg.det, square, **named)
    check(linalg.slogdet, np.linalg.slogdet, square, **named)
    check(linalg.cholesky, np.linalg.cholesky, positive, **named)
    check(
        lambda x: linalg.cholesky(x, upper=True),
        lambda x: np.swapaxes(np.linalg.cholesky(x), -1, -2).conj(),
        positive,
        **named,
    )
    check(linalg.eigvalsh, np.linalg.eigvalsh, positive, **named)
    check(linalg.eigh, np.linalg.eigh, positive, **named)
    for power in (-2, 0, 1, 3):
        check(
            lambda x, n=power: linalg.matrix_power(x, n),
            lambda x, n=power: np.linalg.matrix_power(x, n),
            square,
            **named,
        )


@pytest.mark.parametrize("shape", SHAPES + TALL)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_of_any_matrices(shape, dtype):
    array = numbers(shape, dtype, 1, -1, 1)
    named = {"tolerance": LOOSE[dtype], "compiled": False}
    check(linalg.svdvals, lambda x: np.linalg.svd(x, compute_uv=False), array, **named)
    check(linalg.pinv, np.linalg.pinv, array, **named)
    check(linalg.matrix_rank, np.linalg.matrix_rank, array, **named)
    for mode in ("reduced", "complete"):
        check(
            lambda x, mode=mode: linalg.qr(x, mode=mode),
            lambda x, mode=mode: np.linalg.qr(x, mode),
            array,
            **named,
        )
    for full in (True, False):
        check(
            lambda x, full=full: linalg.svd(x, full_matrices=full),
            lambda x, full=full: np.linalg.svd(x, full),
            array,
            **named,
        )


def test_results_have_names():
    matrix = st.asarray(_positive((2, 2), "float64"))
    assert linalg.svd(matrix)._fields == ("U", "S", "Vh")
    assert linalg.qr(matrix)._fields == ("Q", "R")
    assert linalg.eigh(matrix)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.slogdet(matrix)._fields == ("sign", "logabsdet")


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 1)), ((0, 0), (0, 2))],
)
def test_solve(left, right):
    check(
        linalg.solve,
        np.linalg.solve,
        _square(left, "float64"),
        numbers(right, "float64"),
        tolerance=1e-10,
        compiled=False,
    )


def test_rank_and_pseudo_inverse_by_tolerance():
    matrix = st.asarray(np.diag([1.0, 1e-3, 0.0]))
    assert linalg.matrix_rank(matrix).item() == 2
    assert linalg.matrix_rank(matrix, rtol=0.1).item() == 1
    assert linalg.matrix_rank(matrix, rtol=st.asarray(0.1)).item() == 1
    assert_same(linalg.pinv(matrix, rtol=0.1), np.diag([1.0, 0, 0]), tolerance=1e-12)


def test_integers_are_solved_in_float32():
    assert linalg.inv(st.asarray([[2, 0], [0, 4]])).tolist() == [[0.5, 0], [0, 0.25]]
    assert linalg.inv(st.asarray([[2, 0], [0, 4]])).dtype is st.float32
    narrow = linalg.inv(st.asarray([[2.0, 0], [0, 4]]).astype(st.bfloat16))
    assert narrow.dtype is st.bfloat16


# Made of primitives: differentiable, and compiled like anything else


@pytest.mark.parametrize("ord", [0, 0.5, 1, 2, 3, -1, -2, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_vector_norm(ord, axis, dtype):
    array = numbers((3, 4, 2), dtype)
    counted = array.size if axis is None else np.prod(np.take(array.shape, axis))

    def theirs(x):
        if axis is None:
            return np.linalg.norm(x.reshape(-1), ord)
        moved = np.moveaxis(x, axis, np.arange(-np.size(axis), 0))
        return np.linalg.norm(moved.reshape(*moved.shape[: -np.size(axis)], counted), ord, -1)

    check(lambda x: linalg.vector_norm(x, axis=axis, ord=ord), theirs, array, tolerance=1e-12)
    kept = linalg.vector_norm(st.asarray(array), axis=axis, ord=ord, keepdims=True)
    assert kept.ndim == 3
    if dtype == "float64" and ord != 0:
        st.check_gradients(
            lambda x: linalg.vector_norm(x, axis=axis, ord=ord), [st.asarray(array)], order=1
        )


@pytest.mark.parametrize("ord", [2, 3, 0.5])
def test_gradient_of_a_norm_at_zero_is_zero(ord):
    weight = st.Tensor(np.zeros(3), requires_grad=True)
    linalg.vector_norm(weight, ord=ord).backward()
    assert weight.grad.tolist() == [0, 0, 0]
    assert np.isnan(linalg.vector_norm(st.asarray([np.nan, 0.0]), ord=ord).item())


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
@pytest.mark.parametrize("keepdims", [True, False])
def test_matrix_norm(ord, keepdims):
    check(
        lambda x: linalg.matrix_norm(x, ord=ord, keepdims=keepdims),
        lambda x: np.linalg.norm(x, ord, (-2, -1), keepdims=keepdims),
        numbers((2, 3, 4), "float64"),
        tolerance=1e-12,
        compiled=ord not in ("nuc", 2, -2),
    )


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))])
def test_cross(shapes):
    left, right = (numbers(shape, "float64", n) for n, shape in enumerate(shapes))
    check(linalg.cross, np.cross, left, right, tolerance=1e-12)
    st.check_gradients(linalg.cross, [st.asarray(left), st.asarray(right)], order=1)


def test_cross_along_another_axis():
    left, right = numbers((3, 4), "float64"), numbers((3, 4), "float64", 1)
    check(
        lambda x, y: linalg.cross(x, y, axis=-2),
        lambda x, y: np.cross(x, y, axis=0),
        left,
        right,
        tolerance=1e-12,
    )


def test_outer():
    check(linalg.outer, np.outer, numbers((3,), "float32"), numbers((0,), "float32"))
    check(linalg.outer, np.outer, numbers((3,), "int8"), numbers((2,), "int8"))


@pytest.mark.parametrize("offset", range(-4, 5))
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 4), (4, 2), (0, 3)])
def test_diagonal_and_trace(offset, shape):
    array = numbers(shape, "float64")
    check(
        lambda x: linalg.diagonal(x, offset=offset),
        lambda x: np.diagonal(x, offset, -2, -1),
        array,
    )
    check(
        lambda x: linalg.trace(x, offset=offset),
        lambda x: np.trace(x, offset, -2, -1),
        array,
        tolerance=1e-12,
    )
    st.check_gradients(lambda x: linalg.trace(x, offset=offset), [st.asarray(array)], order=1)


def test_matrix_power_is_differentiable_and_compiled():
    matrix = st.asarray(_square((2, 2), "float64"))
    st.check_gradients(lambda x: linalg.matrix_power(x, 3), [matrix])
    check(
        lambda x: linalg.matrix_power(x, 5),
        lambda x: np.linalg.matrix_power(x, 5),
        matrix.numpy(),
        tolerance=1e-10,
    )


# What cannot be had is said, not given wrong

DECOMPOSITIONS = [
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "matrix_rank",
    "pinv",
    "qr",
    "slogdet",
    "svd",
    "svdvals",
]


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_decompositions_refuse_compiling(name):
    function = getattr(linalg, name)
    with pytest.raises(TraceError) as caught:
        st.compile(function)(st.eye(2))
    assert str(caught.value).startswith(
        f"linalg.{name}: runs on known numbers only, and inside steepest.compile there are "
        f"none yet. Call it outside, and pass the result in as an argument."
    )


MESSAGES = [
    (
        lambda: linalg.inv(st.ones((2, 2))),
        ArgumentError,
        "linalg.inv: Singular matrix. Use linalg.pinv.",
    ),
    (
        lambda: linalg.cholesky(st.asarray([[1.0, 2.0], [2.0, 1.0]])),
        ArgumentError,
        "linalg.cholesky: Matrix is not positive definite. A small multiple of the identity, "
        "added to it, may make it so.",
    ),
    (
        lambda: linalg.det(st.ones((2, 3))),
        ShapeError,
        "linalg.det: the last two axes of (2, 3) must have equal sizes.",
    ),
    (lambda: linalg.svd(st.ones(3)), ShapeError, "linalg.svd: the tensor (3,) is no matrix."),
    (
        lambda: linalg.solve(st.eye(3), st.ones((2, 1))),
        ShapeError,
        "linalg.solve: x1 (3, 3) needs 3 rows in x2 (2, 1).",
    ),
    (
        lambda: linalg.solve(st.ones((2, 3, 3)), st.ones((4, 3, 1))),
        ShapeError,
        "linalg.solve: stack of x1 (2,), stack of x2 (4,) do not broadcast: axis -1 has sizes 2 "
        "and 4.",
    ),
    (
        lambda: linalg.qr(st.eye(2), mode="r"),
        ArgumentError,
        "linalg.qr: mode is 'r', but must be 'reduced' or 'complete'.",
    ),
    (
        lambda: linalg.cross(st.ones(2), st.ones(2)),
        ShapeError,
        "linalg.cross: left (2,) and right (2,) need 3 numbers along axis -1.",
    ),
    (
        lambda: linalg.cross(st.ones(3), st.ones(3), axis=0),
        ShapeError,
        "linalg.cross: axis 0 must be within [-1, -1].",
    ),
    (
        lambda: linalg.outer(st.ones((2, 2)), st.ones(2)),
        ShapeError,
        "linalg.outer: left (2, 2) and right (2,) must be vectors.",
    ),
    (lambda: linalg.trace(st.ones(2)), ShapeError, "linalg.trace: the tensor (2,) is no matrix."),
    (
        lambda: linalg.matrix_power(st.ones((2, 3)), 2),
        ShapeError,
        "linalg.matrix_power: the last two axes of (2, 3) must have equal sizes.",
    ),
    (
        lambda: linalg.matrix_norm(st.eye(2), ord=3),
        ArgumentError,
        "linalg.matrix_norm: ord is 3, but must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert " At test_array_linalg.py:" in str(caught.value)
