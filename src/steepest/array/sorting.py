"""Functions that order numbers, find them, and count distinct ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest.array.conversion import as_value, normal_axis, promoted, shape_of, type_of
from steepest.array.creation import full
from steepest.array.eager import known_numbers
from steepest.array.elementwise import equal, minimum, not_equal
from steepest.array.manipulation import reshape
from steepest.errors import ArgumentError
from steepest.graph.dtypes import bool_
from steepest.ops import indexing
from steepest.trace.origin import located
from steepest.trace.value import make_constant

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
        raise ArgumentError(
            located(f"searchsorted: side is {side!r}, but must be 'left' or 'right'.")
        )
    ordered, values = promoted(x1, x2)
    if sorter is not None:
        ordered = indexing.take(ordered, as_value(sorter), axis=0)
    return indexing.searchsorted(ordered, values, side=side)


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The positions of the numbers that are not zero, one tensor for each axis."""
    array = known_numbers("nonzero", as_value(x))
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
    value = as_value(x)
    array = known_numbers(name, value)
    _, indices, inverse, counts = np.unique(
        array, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    positions = make_constant(indices.astype("int64"))
    return {
        "values": indexing.take(reshape(value, (-1,)), positions, axis=0),
        "indices": positions,
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
    """Whether each number of `x1` stands in `x2` (or does not, with `invert`); NaN never does."""
    left, right = promoted(x1, x2)
    candidates = sort(reshape(right, (-1,)))
    size = candidates.size
    if size == 0:
        return full(shape_of(left), invert, dtype=bool_)
    place = minimum(searchsorted(candidates, left), size - 1)
    nearest = indexing.take(candidates, place, axis=0)
    return not_equal(nearest, left) if invert else equal(nearest, left)
