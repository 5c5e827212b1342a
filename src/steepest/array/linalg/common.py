"""What the functions of matrices share: they run eagerly, through NumPy's LAPACK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.array.conversion import as_value, shape_of, type_of
from steepest.array.creation import eye
from steepest.array.eager import Rule, through_numpy
from steepest.array.elementwise import conj
from steepest.autodiff.reverse import OutputGrads, conjugated
from steepest.errors import ArgumentError, ShapeError
from steepest.trace.origin import located
from steepest.trace.value import Value


def matrix_of(name: str, x: Any, *, square: bool = False) -> Value:
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


def decompose(
    name: str,
    function: Callable[..., Any],
    *operands: Value,
    gradient: Rule | None = None,
    advice: str = "",
    **options: Any,
) -> Any:
    """Apply a NumPy function; a matrix that has no such decomposition raises ArgumentError.

    Args:
        gradient: the rule, see `through_numpy`; but of complex matrices it takes and gives
            gradients as users see them, so that its transposes are conjugated ones (`turned`).
        advice: what to add to NumPy's reason.
    """
    if gradient is not None and any(type_of(each).dtype.is_complex for each in operands):
        gradient = _of_complex(gradient)
    try:
        return through_numpy(f"linalg.{name}", function, *operands, gradient=gradient, **options)
    except np.linalg.LinAlgError as error:
        reason = str(error).removesuffix(".")
        raise ArgumentError(located(f"linalg.{name}: {reason}.{advice}")) from None


def _of_complex(gradient: Rule) -> Rule:
    """A rule for gradients as users see them as one for the reverse pass (see `conjugated`)."""

    def rule(output_grads: OutputGrads, outputs: Any, *operands: Any) -> Any:
        seen = OutputGrads(conjugated(each) for each in output_grads)
        seen.arrived = output_grads.arrived
        found = gradient(seen, outputs, *operands)
        if found is None:
            return None
        return tuple(conjugated(each) for each in (found if isinstance(found, tuple) else (found,)))

    return rule


def turned(x: Any) -> Any:
    """Each matrix transposed, and conjugated if it is complex."""
    return conj(x.mT)


def diagonal_matrix(numbers: Any) -> Any:
    """The matrices (..., n, n) with `numbers` (..., n) on the diagonal, and zeros elsewhere."""
    return numbers[..., None] * identity_like(numbers)


def identity_like(x: Any) -> Any:
    """The identity of the size of the last axis of `x`, and of its data type."""
    return eye(x.shape[-1], dtype=x.dtype)
