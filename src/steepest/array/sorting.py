"""Functions that order numbers, find them, and count distinct ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.array.conversion import as_value, normal_axis, promoted, type_of
from steepest.array.elementwise import logical_not
from steepest.array.manipulation import expand_dims, reshape
from steepest.array.reductions import any as any_
from steepest.errors import ArgumentError, TraceError
from steepest.graph.types import TensorType
from steepest.ops import indexing
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that sort `x` along `axis`; always stable, NaN last when ascending."""
    value = as_value(x)
    along = normal_axis(axis, type_of(value).ndim, "argsort")
    return indexing.argsort(value, axis=along, descending=descending)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The numbers of `x` in order along `axis`."""
    value = as_value(x)
    along = normal_axis(axis, type_of(value).ndim, "sort")
    order = indexing.argsort(value, axis=along, descending=descending)
    return indexing.take_along_axis(value, order, axis=along)


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """Where each number of `x2` would enter the ascending `x1`, before or after equal ones."""
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side is {side!r}, but must be 'left' or 'right'.")
    ordered, values = promoted(x1, x2)
    if sorter is not None:
        ordered = indexing.take(ordered, as_value(sorter), axis=0)
    return indexing.searchsorted(ordered, values, side=side)


def _known_numbers(x: Any, name: str) -> np.ndarray:
    """The numbers of a tensor, for functions whose result's shape depends on them."""
    value = as_value(x)
    if value.is_symbolic or state.trace is not None:
        raise TraceError(
            located(
                f"{name}: the size of the result depends on the numbers, which are not known "
                f"inside steepest.compile. Call it outside."
            )
        )
    return value._stored()


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The positions of the numbers that are not zero, one tensor for each axis."""
    array = _known_numbers(x, "nonzero")
    if array.ndim == 0:
        raise ArgumentError(located("nonzero: a tensor without axes has no positions."))
    return tuple(make_constant(found.astype("int64")) for found in np.nonzero(array))  # type: ignore


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def _unique(x: Any, name: str) -> dict[str, Any]:
    array = _known_numbers(x, name)
    values, indices, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    dtype = as_value(x)._type.dtype  # type: ignore[union-attr]
    return {
        "values": Value._from_storage(values, TensorType(values.shape, dtype)),
        "indices": make_constant(indices.astype("int64")),
        "inverse_indices": make_constant(inverse.reshape(array.shape).astype("int64")),
        "counts": make_constant(counts.astype("int64")),
    }


def unique_all(x: Any, /) -> UniqueAll:
    """The distinct numbers in ascending order, where each first stands, and how often.

    Each NaN is distinct from every other.
    """
    return UniqueAll(**_unique(x, "unique_all"))


def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct numbers in ascending order, and how often each stands."""
    found = _unique(x, "unique_counts")
    return UniqueCounts(found["values"], found["counts"])


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct numbers in ascending order, and the position among them of each number."""
    found = _unique(x, "unique_inverse")
    return UniqueInverse(found["values"], found["inverse_indices"])


def unique_values(x: Any, /) -> Tensor:
    """The distinct numbers in ascending order."""
    return _unique(x, "unique_values")["values"]


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Whether each number of `x1` stands in `x2`."""
    left, right = promoted(x1, x2)
    found = any_(expand_dims(left, axis=-1) == reshape(right, (-1,)), axis=-1)
    return logical_not(found) if invert else found
