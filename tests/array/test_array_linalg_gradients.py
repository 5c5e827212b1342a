"""Gradients of the functions of matrices, against finite differences and PyTorch.

PyTorch's own samples of most of them are in `test_array_torch_samples.py`.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest as st
from steepest import linalg
from steepest.errors import ArgumentError, GradientError

SQUARE = [(3, 3), (2, 3, 3), (1, 1), (0, 2, 2)]
ANY = [(3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 3)]


DTYPES = pytest.mark.parametrize("dtype", ["float64", "complex128"])


def matrices(shape, seed=0, dtype="float64"):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=shape)
    return st.asarray(numbers + 1j * random.normal(size=shape) if dtype[0] == "c" else numbers)


def adjoint(x):
    return st.conj(x.mT)


def positive(x):
    """Symmetric (or Hermitian), with eigenvalues above 1/2."""
    return x @ adjoint(x) + 0.5 * st.eye(x.shape[-1], dtype=x.dtype)


def without_signs(result):
    """Of eigenvectors, what does not depend on their signs or phases."""
    values, vectors = result
    powers = (vectors * values[..., None, :] ** 2) @ adjoint(vectors)
    return [values, st.abs(vectors) ** 2, powers]


OF_SQUARE = {
    "inv": linalg.inv,
    "det": linalg.det,
    "slogdet": lambda x: list(linalg.slogdet(x)),
    "matrix_power": lambda x: linalg.matrix_power(x, -2),
    "cholesky": lambda x: linalg.cholesky(positive(x)),
    "upper cholesky": lambda x: linalg.cholesky(positive(x), upper=True),
    "eigvalsh": lambda x: linalg.eigvalsh(positive(x)),
    "eigh": lambda x: without_signs(linalg.eigh(positive(x))),
}


@DTYPES
@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("name", OF_SQUARE)
def test_of_square_matrices(name, shape, dtype):
    st.check_gradients(OF_SQUARE[name], [matrices(shape, dtype=dtype)])


def singular_vectors(x):
    u, sizes, vh = linalg.svd(x, full_matrices=False)
    return [sizes, st.abs(u) ** 2, st.abs(vh) ** 2, u @ vh]


OF_ANY = {
    "pinv": linalg.pinv,
    "qr": linalg.qr,
    "svd": singular_vectors,
    "svdvals": linalg.svdvals,
    "sum of singular values": lambda x: linalg.matrix_norm(x, ord="nuc"),
    "largest singular value": lambda x: linalg.matrix_norm(x, ord=2),
}


@DTYPES
@pytest.mark.parametrize("shape", ANY)
@pytest.mark.parametrize("name", OF_ANY)
def test_of_any_matrices(name, shape, dtype):
    st.check_gradients(OF_ANY[name], [matrices(shape, dtype=dtype)])


@pytest.mark.parametrize("dtypes", [("float64",) * 2, ("complex128",) * 2, ("float64", "complex")])
@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 1)), ((2, 2, 2), (2,))],
)
def test_of_solutions(left, right, dtypes):
    """Of real and complex operands, and of one of each."""
    shapes = zip((left, right), (0, 1), dtypes, strict=True)
    st.check_gradients(linalg.solve, [matrices(*each) for each in shapes])


@DTYPES
def test_of_a_pseudo_inverse_of_lower_rank(dtype):
    factors = [matrices((4, 2), 0, dtype), matrices((2, 3), 1, dtype)]
    st.check_gradients(lambda x, y: linalg.pinv(x @ y), factors, order=1)


@DTYPES
def test_of_the_determinant_of_singular_matrices(dtype):
    """The cofactors exist where the inverse does not."""
    low_rank = matrices((3, 2), 0, dtype) @ matrices((2, 3), 1, dtype)
    st.check_gradients(linalg.det, [low_rank])


def test_of_the_determinant_of_singular_matrices_in_figures():
    exactly = np.array([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0]] * 2])
    gradient = st.grad(lambda x: st.sum(linalg.det(x)))(st.asarray(exactly))
    cofactors = [[[4, -2], [-2, 1]], [[2, 0], [0, 2]], [[0, 0], [0, 0]]]
    np.testing.assert_allclose(gradient.numpy(), cofactors, atol=1e-14)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_of_the_determinant_of_singular_complex_matrices(rank):
    """Of any rank, beside regular ones, to second order: against the formula by minors."""

    def by_minors(x):
        a = [[x[..., row, column] for column in range(3)] for row in range(3)]
        total = 0
        for first, second, third in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            minor = a[1][second] * a[2][third] - a[1][third] * a[2][second]
            total = total + a[0][first] * minor
        return total

    low_rank = matrices((3, rank), 0, "complex") @ matrices((rank, 3), 1, "complex")
    x = st.stack([low_rank, matrices((3, 3), 2, "complex")])
    direction = matrices((2, 3, 3), 3, "complex")

    def derivatives(determinant):
        first = st.grad(lambda x: st.imag(st.sum(determinant(x) * st.asarray([1 + 2j, 1j]))))
        return first(x), st.grad(lambda x: st.real(st.sum(first(x) * direction)))(x)

    for found, expected in zip(derivatives(linalg.det), derivatives(by_minors), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)


def test_at_equal_eigenvalues():
    """The eigenvalues' own sum is smooth there, and so is that of the singular values."""
    matrix = st.asarray(np.diag([2.0, 2.0, 3.0]))
    assert st.grad(lambda x: st.sum(linalg.eigvalsh(x)))(matrix).tolist() == np.eye(3).tolist()
    assert st.grad(lambda x: st.sum(linalg.eigh(x)[0]))(matrix).tolist() == np.eye(3).tolist()
    found = st.grad(lambda x: st.sum(linalg.svd(x).S))(matrix)
    np.testing.assert_allclose(found.numpy(), np.eye(3), atol=1e-15)


def compare_with_torch(ours, theirs, *arrays):
    """Compare the gradients of the real part of a weighted sum of all results."""
    mine = [st.Tensor(each, requires_grad=True) for each in arrays]
    others = [torch.tensor(each, requires_grad=True) for each in arrays]
    total, expected = 0.0, 0.0
    for n, (result, wanted) in enumerate(zip(ours(*mine), theirs(*others), strict=True)):
        weights = np.random.default_rng(n).uniform(0.5, 1.5, result.shape) * (1 + 0.5j)
        total = total + st.real(st.sum(result * st.asarray(weights)))
        expected = expected + (wanted * torch.from_numpy(weights)).sum().real
    total.backward()
    expected.backward()
    for result, wanted in zip(mine, others, strict=True):
        np.testing.assert_allclose(result.grad.numpy(), wanted.grad.numpy(), rtol=1e-9, atol=1e-11)


@DTYPES
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3)])
def test_qr_and_svd_are_pytorchs(shape, dtype):
    array = matrices(shape, dtype=dtype).numpy()
    compare_with_torch(linalg.qr, torch.linalg.qr, array)

    def products(u, sizes, vh):
        return [sizes, abs(u) ** 2, abs(vh) ** 2, u @ vh]

    compare_with_torch(
        lambda x: products(*linalg.svd(x, full_matrices=False)),
        lambda x: products(*torch.linalg.svd(x, full_matrices=False)),
        array,
    )


@DTYPES
def test_eigh_and_slogdet_are_pytorchs(dtype):
    array = positive(matrices((2, 4, 4), dtype=dtype)).numpy()

    def theirs(x):
        values, vectors = torch.linalg.eigh(x)
        return [values, abs(vectors) ** 2, (vectors * values[..., None, :] ** 2) @ vectors.mH]

    compare_with_torch(lambda x: without_signs(linalg.eigh(x)), theirs, array)
    array = array @ matrices((4, 4), 1, dtype).numpy()
    compare_with_torch(linalg.slogdet, torch.linalg.slogdet, array)


def test_in_float32():
    x = st.asarray(np.eye(3, dtype="float32") * 2)
    gradient = st.grad(lambda x: st.sum(linalg.inv(x)))(x)
    assert gradient.dtype is st.float32
    assert gradient.tolist() == [[-0.25] * 3] * 3


def test_signs_and_ranks_are_constant():
    weight = st.Tensor(np.eye(2), requires_grad=True)
    assert not linalg.matrix_rank(weight).requires_grad
    st.sum(linalg.slogdet(weight).sign + st.sum(weight)).backward()
    assert weight.grad.tolist() == [[1, 1], [1, 1]]


def test_a_likelihood_is_learned_through_a_decomposition():
    """A Gaussian's covariance, fitted through its Cholesky factor, comes to that of the data."""
    data = matrices((200, 2)).numpy() @ np.array([[1.0, 0.5], [0.0, 0.7]])
    covariance = data.T @ data / len(data)
    factor = st.Tensor(np.eye(2), requires_grad=True)

    def loss():
        lower = linalg.cholesky(factor @ factor.mT)
        scaled = linalg.solve(lower, st.asarray(data.T))
        return st.sum(scaled**2) / (2 * len(data)) + st.sum(st.log(linalg.diagonal(lower)))

    for _ in range(300):
        factor.grad = None
        loss().backward()
        factor.assign((factor - 0.2 * factor.grad).detach())
    np.testing.assert_allclose((factor @ factor.mT).numpy(), covariance, atol=1e-6)


NOT_DETERMINED = [
    (
        lambda x: linalg.svd(x).U,
        GradientError,
        "linalg.svd: the columns of U and rows of Vh beyond the 2 singular values of (3, 2) are "
        "not determined, so they have no gradient. Use full_matrices=False. At test_array_linalg_",
    ),
    (
        lambda x: linalg.svd(x.mT).Vh,
        GradientError,
        "linalg.svd: the columns of U and rows of Vh beyond the 2 singular values of (2, 3) are "
        "not determined, so they have no gradient. Use full_matrices=False. At test_array_linalg_",
    ),
    (
        lambda x: linalg.qr(x, mode="complete").R,
        GradientError,
        "linalg.qr: the columns of Q beyond the 2 of (3, 2) are not determined, so they have no "
        "gradient. Use mode='reduced'. At test_array_linalg_",
    ),
    (
        lambda x: linalg.slogdet(x[:2] * 0).logabsdet,
        ArgumentError,
        "linalg.inv: Singular matrix. Use linalg.pinv. At test_array_linalg_",
    ),
]


@pytest.mark.parametrize(("function", "error", "message"), NOT_DETERMINED)
def test_what_is_not_determined_is_said(function, error, message):
    x = st.Tensor(matrices((3, 2)), requires_grad=True)
    with pytest.raises(error) as caught:
        st.sum(function(x)).backward()
    assert str(caught.value).startswith(f"in the backward pass of custom_gradient: {message}")


def test_what_is_determined_of_full_matrices():
    tall = matrices((3, 2))
    st.check_gradients(lambda x: [linalg.svd(x).S, linalg.svd(x).Vh ** 2], [tall], order=1)
    st.check_gradients(lambda x: linalg.svd(x.mT).U ** 2, [tall], order=1)
    st.check_gradients(lambda x: linalg.qr(x.mT, mode="complete"), [tall])
