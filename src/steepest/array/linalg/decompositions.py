"""Decompositions of matrices and what is made of them, eagerly, through NumPy's LAPACK.

A matrix is the last two axes of a tensor; leading axes stack several. Integers are converted to
float32. Every function raises ShapeError for an operand that is no matrix (or not square where
that is needed) and TraceError inside `steepest.compile`. Gradients are of any order, of real and
complex matrices; their rules stand beside the functions. Those of eigenvectors and singular vectors
exist where the eigenvalues or singular values all differ (elsewhere they are NaN or infinite), and
belong to functions that do not depend on the vectors' signs (of complex ones their phases), which
are LAPACK's choice.
"""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.array.creation import tril, triu
from steepest.array.dtypes import finfo
from steepest.array.elementwise import conj, real, where
from steepest.array.linalg.common import (
    decompose,
    diagonal_matrix,
    identity_like,
    matrix_of,
    turned,
)
from steepest.array.linalg.systems import inv, solve, tolerance_of
from steepest.array.manipulation import concat
from steepest.array.reductions import all, count_nonzero, max, prod
from steepest.errors import ArgumentError, GradientError
from steepest.trace.origin import located

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _cholesky_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Of the lower triangle L; symmetric. Source: Murray, arXiv 1602.07527, section 3."""
    lower = outputs[0]
    inner = turned(lower) @ output_grads[0]
    half = tril(inner) - 0.5 * inner * identity_like(inner)
    once = solve(turned(lower), half)
    both: Any = solve(turned(lower), turned(once))
    return 0.5 * (both + turned(both))


def _upper_cholesky_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    return _cholesky_gradient([turned(output_grads[0])], [turned(outputs[0])], x)


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The triangle L with L @ L^H = x, for a symmetric positive definite matrix.

    Args:
        upper: return U = L^H instead.
    """
    advice = " A small multiple of the identity, added to it, may make it so."
    value = matrix_of("cholesky", x, square=True)
    rule = _upper_cholesky_gradient if upper else _cholesky_gradient
    return decompose(
        "cholesky", np.linalg.cholesky, value, gradient=rule, advice=advice, upper=upper
    )


def _det_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """The matrix of cofactors: by the inverse, or near a singular matrix by singular values."""
    if _far_from_singular(x.detach()):
        return (output_grads[0] * conj(outputs[0]))[..., None, None] * turned(inv(x))
    if x.dtype.is_complex:
        return output_grads[0][..., None, None] * _cofactors_by_shifts(x)
    u, sizes, vh = svd(x, full_matrices=False)
    sign: Any = det(u.detach()) * det(vh.detach())
    is_other = 1 - identity_like(sizes)
    others = prod(sizes[..., None, :] * is_other + identity_like(sizes), axis=-1)
    cofactors = (u * others[..., None, :]) @ vh
    return (output_grads[0] * sign)[..., None, None] * cofactors


def _cofactors_by_shifts(x: Any) -> Any:
    """The conjugated cofactors of complex matrices that may be singular: a mean over regular ones.

    With z added to k singular values, cofactors are polynomials in z of degree k at most, so that
    of z = 0 is the mean over k + 1 points around it. Those of the singular values themselves have
    phases, which have no derivative where one is zero.
    """
    u, sizes, vh = svd(x.detach(), full_matrices=False)
    largest: Any = sizes[..., :1]
    is_small = sizes <= math.sqrt(finfo(x.dtype).eps) * largest
    shift = (u * where(is_small, where(largest == 0, 1.0, largest), 0.0)[..., None, :]) @ vh
    points = int(max(count_nonzero(is_small, axis=-1))) + 1
    total: Any = 0
    for n in range(points):
        regular = x + cmath.exp(2j * math.pi * n / points) * shift
        determinant: Any = conj(det(regular))
        total = total + determinant[..., None, None] * turned(inv(regular))
    return total / points


def _far_from_singular(x: Any) -> bool:
    """Whether half the digits of an inverse are right, for each matrix."""
    if 0 in x.shape:
        return True
    sizes: Any = svdvals(x)
    return bool(all(sizes[..., -1] > math.sqrt(finfo(x.dtype).eps) * sizes[..., 0]))


def det(x: Any, /) -> Tensor:
    """The determinant of a square matrix."""
    value = matrix_of("det", x, square=True)
    return decompose("det", np.linalg.det, value, gradient=_det_gradient)


def _eigh_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Source: Giles, "An extended collection of matrix derivative results" (2008), section 3.1."""
    values, vectors = outputs
    inner: Any = diagonal_matrix(output_grads[0])
    if 1 in output_grads.arrived:
        apart = values[..., None, :] - values[..., :, None] + identity_like(values)
        turn = turned(vectors) @ output_grads[1]
        inner = inner + (turn - turn * identity_like(values)) / apart
    found = vectors @ inner @ turned(vectors)
    return 0.5 * (found + turned(found))


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues in ascending order and eigenvectors (columns) of a symmetric matrix.

    Only the lower triangle is read.
    """
    value = matrix_of("eigh", x, square=True)
    return EighResult(*decompose("eigh", np.linalg.eigh, value, gradient=_eigh_gradient))


def _eigvalsh_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    vectors: Any = eigh(x).eigenvectors
    return (vectors * output_grads[0][..., None, :]) @ turned(vectors)


def eigvalsh(x: Any, /) -> Tensor:
    """The eigenvalues of a symmetric matrix in ascending order."""
    value = matrix_of("eigvalsh", x, square=True)
    return decompose("eigvalsh", np.linalg.eigvalsh, value, gradient=_eigvalsh_gradient)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are not zero (int64).

    Args:
        rtol: see `pinv`.
    """
    value = matrix_of("matrix_rank", x)._detached()
    return decompose("matrix_rank", np.linalg.matrix_rank, value, rtol=tolerance_of(rtol))


def _qr_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Of a reduced Q and R. Of a wide matrix, the square part on the left determines Q.

    Source: Walter and Lehmann, arXiv 1001.1654; Liao et al., arXiv 1903.09650.
    """
    (q, r), (by_q, by_r) = outputs, output_grads
    rows, columns = x.shape[-2:]
    if q.shape[-1] > columns:
        raise GradientError(
            located(
                f"linalg.qr: the columns of Q beyond the {columns} of {x.shape} are not "
                f"determined, so they have no gradient. Use mode='reduced'."
            )
        )
    if rows >= columns:
        return _tall_qr_gradient(by_q, by_r, q, r)
    by_rest = by_r[..., rows:]
    by_q = by_q + x[..., rows:] @ turned(by_rest)
    by_square = _tall_qr_gradient(by_q, by_r[..., :rows], q, r[..., :rows])
    return concat([by_square, q @ by_rest], axis=-1)


def _tall_qr_gradient(by_q: Any, by_r: Any, q: Any, r: Any) -> Any:
    inner = r @ turned(triu(by_r)) - turned(by_q) @ q
    below = tril(inner, k=-1)
    symmetric = below + turned(below) + real(inner) * identity_like(inner)
    return turned(solve(r, turned(by_q + q @ symmetric)))


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and a triangle R, with Q @ R = x.

    Args:
        mode: `"reduced"` for as many columns as the smaller size, `"complete"` for a square Q,
            which has no gradient where the matrix has more rows than columns.
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError(
            located(f"linalg.qr: mode is {mode!r}, but must be 'reduced' or 'complete'.")
        )
    value = matrix_of("qr", x)
    return QRResult(*decompose("qr", np.linalg.qr, value, gradient=_qr_gradient, mode=mode))


def _svd_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Source: Townsend, "Differentiating the singular value decomposition" (2016)."""
    rows, columns = x.shape[-2:]
    size = min(rows, columns)
    (u, sizes, vh), (by_u, by_sizes, by_vh) = outputs, output_grads
    has_u, has_vh = 0 in output_grads.arrived, 2 in output_grads.arrived
    if (has_u and u.shape[-1] > size) or (has_vh and vh.shape[-2] > size):
        raise GradientError(
            located(
                f"linalg.svd: the columns of U and rows of Vh beyond the {size} singular values of "
                f"{x.shape} are not determined, so they have no gradient. Use full_matrices=False."
            )
        )
    u, by_u = u[..., :size], by_u[..., :size]
    v, by_v = turned(vh)[..., :size], turned(by_vh)[..., :size]
    across, down = sizes[..., None, :], sizes[..., :, None]
    apart = (across - down) * (across + down) + identity_like(sizes)
    inner: Any = diagonal_matrix(by_sizes)
    if has_u:
        turning = _turning(u, by_u)
        inner = inner + _off_diagonal(turning) / apart * across
        if x.dtype.is_complex:
            inner = inner + turning * identity_like(sizes) / (2 * across)
    if has_vh:
        inner = inner + _off_diagonal(_turning(v, by_v)) / apart * down
    found = u @ inner @ turned(v)
    if has_u and rows > size:
        found = found + (_outside(u, by_u) / across) @ turned(v)
    if has_vh and columns > size:
        found = found + (u / across) @ turned(_outside(v, by_v))
    return found


def _outside(vectors: Any, grads: Any) -> Any:
    """The part of gradients at right angles to all vectors."""
    return grads - vectors @ (turned(vectors) @ grads)


def _turning(vectors: Any, grads: Any) -> Any:
    """The antisymmetric part (twice) of how gradients turn orthonormal vectors."""
    inner = turned(vectors) @ grads
    return inner - turned(inner)


def _off_diagonal(turning: Any) -> Any:
    """Turns of one vector towards another; the diagonal, zero if real, are changes of phase."""
    return turning - turning * identity_like(turning) if turning.dtype.is_complex else turning


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """U, the singular values S in descending order, and Vh, with U * S @ Vh = x.

    Args:
        full_matrices: whether U and Vh are square; otherwise they have as many columns and rows
            as there are singular values. With square ones of a matrix that is not square, only
            what is determined by the matrix has a gradient, and of first order only.
    """
    value = matrix_of("svd", x)
    found = decompose(
        "svd", np.linalg.svd, value, gradient=_svd_gradient, full_matrices=full_matrices
    )
    return SVDResult(*found)


def _svdvals_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    found: Any = svd(x, full_matrices=False)
    return (found.U * output_grads[0][..., None, :]) @ found.Vh


def svdvals(x: Any, /) -> Tensor:
    """The singular values in descending order."""
    value = matrix_of("svdvals", x)
    return decompose("svdvals", np.linalg.svd, value, gradient=_svdvals_gradient, compute_uv=False)
