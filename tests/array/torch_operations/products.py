"""Products of tensors and linear algebra."""

from __future__ import annotations

from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.manipulation import diagonal
from torch_operations.offered import NO_AXES, NotOfferedError, axis_of, swapped


def _vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    value = x if dtype is None else x.astype(dtype)
    return st.linalg.vector_norm(value, axis=axis_of(value, dim), keepdims=keepdim, ord=ord)


def _matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    value = A if dtype is None else A.astype(dtype)
    axes = tuple(axis % A.ndim for axis in dim)
    norm = st.linalg.matrix_norm(st.moveaxis(value, axes, (-2, -1)), ord=ord)
    return st.expand_dims(norm, axis=tuple(sorted(axes))) if keepdim else norm


def _norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """PyTorch's `linalg.norm`: of a vector, or of a matrix, by what is given."""
    if ord is None:
        return _vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes = dim if isinstance(dim, tuple | list) else range(A.ndim) if dim is None else [dim]
    if len(axes) == 2:
        return _matrix_norm(A, ord, tuple(axes), keepdim, dtype=dtype)
    return _vector_norm(A, ord, dim, keepdim, dtype=dtype)


def _cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    ndim = max(input.ndim, other.ndim)
    if dim is None:
        dim = -1 if input.shape[-1] == 3 else 0
    return st.linalg.cross(input, other, axis=dim if dim < 0 else dim - ndim)


def _vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    if min(x.ndim, y.ndim) == 0:
        raise NotOfferedError(NO_AXES)
    return st.vecdot(x, y, axis=dim if dim < 0 else dim - max(x.ndim, y.ndim))


def _solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    if not left:
        raise NotOfferedError("solving from the right")
    if B.ndim > 1 and B.shape == A.shape[:-1]:
        raise NotOfferedError("a stack of vectors, which the standard reads as a matrix")
    return st.linalg.solve(A, B)


def _inner(input: Tensor, other: Tensor) -> Tensor:
    if min(input.ndim, other.ndim) == 0:
        return input * other
    return st.tensordot(input, other, axes=((-1,), (-1,)))


def _matrix_rank(
    A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False
) -> Tensor:
    if atol is not None or hermitian:
        raise NotOfferedError("an absolute tolerance, or reading one triangle only")
    return st.linalg.matrix_rank(A, rtol=rtol)


def _pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Tensor:
    if atol is not None or hermitian:
        raise NotOfferedError("an absolute tolerance, or reading one triangle only")
    return st.linalg.pinv(A, rtol=rtol)


def _eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    if UPLO == "U":
        raise NotOfferedError("reading the upper triangle")
    return st.linalg.eigvalsh(A)


def _tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    pairs = [] if isinstance(dims, int) else zip(*dims, strict=True)
    if any(a.shape[left] != b.shape[right] for left, right in pairs):
        raise NotOfferedError("summed axes that broadcast")
    return st.tensordot(a, b, axes=dims)


PRODUCTS = {
    "matmul": st.matmul,
    "__rmatmul__": swapped(st.matmul),
    "mm": st.matmul,
    "bmm": st.matmul,
    "mv": st.matmul,
    "dot": lambda input, other: st.tensordot(input, other, axes=1),
    "vdot": st.vecdot,
    "linalg.vecdot": _vecdot,
    "inner": _inner,
    "outer": st.linalg.outer,
    "einsum": lambda operands, equation: st.einsum(equation, *operands),
    "tensordot": _tensordot,
    "cross": _cross,
    "linalg.cross": _cross,
    "trace": st.linalg.trace,
    "linalg.diagonal": lambda A, *, offset=0, dim1=-2, dim2=-1: diagonal(A, offset, dim1, dim2),
    "linalg.vector_norm": _vector_norm,
    "linalg.matrix_norm": _matrix_norm,
    "linalg.norm": _norm,
    "linalg.matrix_power": st.linalg.matrix_power,
    "linalg.det": st.linalg.det,
    "linalg.slogdet": st.linalg.slogdet,
    "linalg.inv": st.linalg.inv,
    "linalg.solve": _solve,
    "linalg.cholesky": lambda A, *, upper=False: st.linalg.cholesky(A, upper=upper),
    "linalg.eigvalsh": _eigvalsh,
    "linalg.svdvals": st.linalg.svdvals,
    "linalg.matrix_rank": _matrix_rank,
    "linalg.pinv": _pinv,
}
