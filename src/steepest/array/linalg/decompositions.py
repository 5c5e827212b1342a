"""Decompositions of matrices and what is made of them, eagerly, through NumPy's LAPACK.

A matrix is the last two axes of a tensor; leading axes stack several. Integers are converted to
float32. Every function raises ShapeError for an operand that is no matrix (or not square where
that is needed), TraceError inside `steepest.compile` and GradientError for an operand that
requires a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.array.conversion import as_value, common_shape, shape_of
from steepest.array.eager import through_numpy
from steepest.errors import ArgumentError, ShapeError
from steepest.trace.origin import located
from steepest.trace.value import Value

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


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _matrix(name: str, x: Any, *, square: bool = False) -> Value:
    """Return `x` as a tensor of matrices.

    Raises:
        ShapeError: it has no two axes, or they differ where a square matrix is needed.
    """
    value = as_value(x)
    shape = shape_of(value)
    if len(shape) < 2:
        raise ShapeError(located(f"linalg.{name}: the tensor {shape} is no matrix."))
    if square and shape[-1] != shape[-2]:
        raise ShapeError(
            located(f"linalg.{name}: the last two axes of {shape} must have equal sizes.")
        )
    return value


def _decompose(
    name: str, function: Callable[..., Any], *operands: Value, advice: str = "", **options: Any
) -> Any:
    """Apply a NumPy function; a matrix that has no such decomposition raises ArgumentError."""
    try:
        return through_numpy(f"linalg.{name}", function, *operands, **options)
    except np.linalg.LinAlgError as error:
        reason = str(error).removesuffix(".")
        raise ArgumentError(located(f"linalg.{name}: {reason}.{advice}")) from None


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The triangle L with L @ L^H = x, for a symmetric positive definite matrix.

    Args:
        upper: return U = L^H instead.
    """
    advice = " A small multiple of the identity, added to it, may make it so."
    value = _matrix("cholesky", x, square=True)
    return _decompose("cholesky", np.linalg.cholesky, value, upper=upper, advice=advice)


def det(x: Any, /) -> Tensor:
    """The determinant of a square matrix."""
    return _decompose("det", np.linalg.det, _matrix("det", x, square=True))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its size, without overflow."""
    value = _matrix("slogdet", x, square=True)
    return SlogdetResult(*_decompose("slogdet", np.linalg.slogdet, value))


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues in ascending order and eigenvectors (columns) of a symmetric matrix.

    Only the lower triangle is read.
    """
    return EighResult(*_decompose("eigh", np.linalg.eigh, _matrix("eigh", x, square=True)))


def eigvalsh(x: Any, /) -> Tensor:
    """The eigenvalues of a symmetric matrix in ascending order."""
    return _decompose("eigvalsh", np.linalg.eigvalsh, _matrix("eigvalsh", x, square=True))


def inv(x: Any, /) -> Tensor:
    """The inverse of a square matrix."""
    value = _matrix("inv", x, square=True)
    return _decompose("inv", np.linalg.inv, value, advice=" Use linalg.pinv.")


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose pseudo-inverse.

    Args:
        rtol: singular values at most this part of the largest count as zero (default the larger
            size of the matrix times the precision of the data type).
    """
    return _decompose("pinv", np.linalg.pinv, _matrix("pinv", x), rtol=_tolerance(rtol))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are not zero (int64).

    Args:
        rtol: see `pinv`.
    """
    value = _matrix("matrix_rank", x)
    return _decompose("matrix_rank", np.linalg.matrix_rank, value, rtol=_tolerance(rtol))


def _tolerance(rtol: Any) -> Any:
    return rtol.numpy() if isinstance(rtol, Value) else rtol  # type: ignore[attr-defined]


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and a triangle R, with Q @ R = x.

    Args:
        mode: `"reduced"` for as many columns as the smaller size, `"complete"` for a square Q.
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError(
            located(f"linalg.qr: mode is {mode!r}, but must be 'reduced' or 'complete'.")
        )
    return QRResult(*_decompose("qr", np.linalg.qr, _matrix("qr", x), mode=mode))


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The solution y of x1 @ y = x2.

    Args:
        x1: square matrices (..., m, m).
        x2: a vector (m,), or matrices (..., m, k).
    """
    matrix = _matrix("solve", x1, square=True)
    right = as_value(x2)
    rows, other = shape_of(matrix), shape_of(right)
    vector = len(other) == 1
    if not other or other[-1 if vector else -2] != rows[-1]:
        raise ShapeError(located(f"linalg.solve: x1 {rows} needs {rows[-1]} rows in x2 {other}."))
    if not vector:
        common_shape("linalg.solve", ("stack of x1", "stack of x2"), (rows[:-2], other[:-2]))
    return _decompose("solve", np.linalg.solve, matrix, right, advice=" Use linalg.pinv.")


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """U, the singular values S in descending order, and Vh, with U * S @ Vh = x.

    Args:
        full_matrices: whether U and Vh are square; otherwise they have as many columns and rows
            as there are singular values.
    """
    value = _matrix("svd", x)
    return SVDResult(*_decompose("svd", np.linalg.svd, value, full_matrices=full_matrices))


def svdvals(x: Any, /) -> Tensor:
    """The singular values in descending order."""
    return _decompose("svdvals", np.linalg.svd, _matrix("svdvals", x), compute_uv=False)
