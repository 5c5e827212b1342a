"""Inverses, linear systems and the logarithm of the determinant, eagerly, through NumPy's LAPACK.

A matrix is the last two axes of a tensor; leading axes stack several. Integers are converted to
float32. Every function raises ShapeError for an operand that is no matrix (or not square where
that is needed) and TraceError inside `steepest.compile`. Gradients are of any order, of real and
complex matrices; their rules stand beside the functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.array.conversion import as_value, common_shape, shape_of
from steepest.array.elementwise import conj, imag
from steepest.array.linalg.common import decompose, identity_like, matrix_of, turned
from steepest.array.manipulation import broadcast_to, expand_dims
from steepest.errors import ShapeError
from steepest.trace.origin import located
from steepest.trace.value import Value

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


ADVICE = " Use linalg.pinv."
"""What to do about a singular matrix."""


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


def _inv_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Of y = x^-1: dy = -y dx y."""
    transposed = turned(outputs[0])
    return -(transposed @ output_grads[0] @ transposed)


def inv(x: Any, /) -> Tensor:
    """The inverse of a square matrix."""
    value = matrix_of("inv", x, square=True)
    return decompose("inv", np.linalg.inv, value, gradient=_inv_gradient, advice=ADVICE)


def _solve_gradient(output_grads: Any, outputs: Any, matrix: Any, right: Any) -> Any:
    """Of y with matrix @ y = right, all of two axes or more and of one stack."""
    by_right: Any = solve(turned(matrix), output_grads[0])
    return -(by_right @ turned(outputs[0])), by_right


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The solution y of x1 @ y = x2.

    Args:
        x1: square matrices (..., m, m).
        x2: a vector (m,), or matrices (..., m, k).
    """
    matrix = matrix_of("solve", x1, square=True)
    right = as_value(x2)
    rows, other = shape_of(matrix), shape_of(right)
    vector = len(other) == 1
    if not other or other[-1 if vector else -2] != rows[-1]:
        raise ShapeError(located(f"linalg.solve: x1 {rows} needs {rows[-1]} rows in x2 {other}."))
    if vector:
        solved: Any = solve(matrix, expand_dims(right, axis=-1))
        return solved[..., 0]
    stacks = (rows[:-2], other[:-2])
    stack = common_shape("linalg.solve", ("stack of x1", "stack of x2"), stacks)
    operands = (
        broadcast_to(matrix, (*stack, *rows[-2:])),
        broadcast_to(right, (*stack, *other[-2:])),
    )
    by_numpy, rule = np.linalg.solve, _solve_gradient
    return decompose("solve", by_numpy, *operands, gradient=rule, advice=ADVICE)


def _slogdet_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Of log |det x|: the transposed inverse. A real sign is constant wherever that exists."""
    found = output_grads[1]
    if x.dtype.is_complex:
        found = found - 1j * imag(conj(output_grads[0]) * outputs[0])
    elif 1 not in output_grads.arrived:
        return None
    return found[..., None, None] * turned(inv(x))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its size, without overflow.

    The sign of a complex determinant is a complex number of size 1.
    """
    value = matrix_of("slogdet", x, square=True)
    return SlogdetResult(
        *decompose("slogdet", np.linalg.slogdet, value, gradient=_slogdet_gradient)
    )


def _pinv_gradient(output_grads: Any, outputs: Any, x: Any) -> Any:
    """Of the pseudo-inverse, where the rank does not change.

    Source: Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (1973), 413-432.
    """
    grad, y = turned(output_grads[0]), outputs[0]
    rows, columns = x @ y, y @ x
    left = (identity_like(rows) - rows) @ grad @ y @ turned(y)
    right = turned(y) @ y @ grad @ (identity_like(columns) - columns)
    return left + right - turned(y @ grad @ y)


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose pseudo-inverse.

    Args:
        rtol: singular values at most this part of the largest count as zero (default the larger
            size of the matrix times the precision of the data type).
    """
    value, tolerance = matrix_of("pinv", x), tolerance_of(rtol)
    return decompose("pinv", np.linalg.pinv, value, gradient=_pinv_gradient, rtol=tolerance)


def tolerance_of(rtol: Any) -> Any:
    """The numbers of a tolerance that may be a tensor."""
    return rtol.numpy() if isinstance(rtol, Value) else rtol  # type: ignore[attr-defined]
