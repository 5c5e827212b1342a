"""Reading at positions, sorting and searching."""

from __future__ import annotations

from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.offered import NO_AXES, NotOfferedError, axis_of


def _gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    if index.ndim != input.ndim:
        raise NotOfferedError("empty indices with another number of axes")
    axis = dim % input.ndim
    same = [n for n in range(input.ndim) if n != axis]
    if any(index.shape[n] != input.shape[n] for n in same):
        raise NotOfferedError("indices smaller than the operand along another axis")
    return st.take_along_axis(input, index, axis=dim)


def _take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    if dim is None:
        return st.take_along_axis(st.reshape(input, (-1,)), st.reshape(indices, (-1,)), axis=0)
    return st.take_along_axis(input, indices, axis=dim)


def _index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    return st.take(input, index, axis=dim)


def _index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Any:
    if input.ndim == 0 or source.ndim == 0 or index.ndim == 0:
        raise NotOfferedError(NO_AXES)
    return st.scatter_add(input, index, source * alpha, axis=dim)


def _masked_select(input: Tensor, mask: Tensor) -> Tensor:
    values, chosen = st.broadcast_arrays(input, mask)
    return st.reshape(values, (-1,))[st.reshape(chosen, (-1,))]


def _sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    axis = axis_of(input, dim)
    named = {"axis": axis, "descending": descending}
    return st.sort(input, **named), st.argsort(input, **named)


def _argsort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> Tensor:
    return st.argsort(input, axis=axis_of(input, dim), descending=descending, stable=stable)


def _searchsorted(
    sorted_sequence: Tensor,
    input: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    if sorted_sequence.ndim != 1:
        raise NotOfferedError("several sorted rows at once")
    found = side or ("right" if right else "left")
    result = st.searchsorted(sorted_sequence, input, side=found, sorter=sorter)
    return result.astype(st.int32) if out_int32 else result


def _nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    if input.ndim == 0:
        raise NotOfferedError(NO_AXES)
    found = st.nonzero(input)
    return found if as_tuple else st.stack(found, axis=1)


def _unique(
    input: Tensor,
    *,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    if dim is not None:
        raise NotOfferedError("distinct rows")
    found = st.unique_all(input)
    result = [found.values]
    result += [found.inverse_indices] if return_inverse else []
    result += [found.counts] if return_counts else []
    return result[0] if len(result) == 1 else tuple(result)


INDEXING = {
    "__getitem__": lambda input, key: input[key],
    "take": lambda input, index: st.take(st.reshape(input, (-1,)), index, axis=0),
    "take_along_dim": _take_along_dim,
    "gather": _gather,
    "index_select": _index_select,
    "index_add": _index_add,
    "masked_select": _masked_select,
    "sort": _sort,
    "msort": lambda input: st.sort(input, axis=axis_of(input, 0)),
    "argsort": _argsort,
    "searchsorted": _searchsorted,
    "nonzero": _nonzero,
    "argwhere": _nonzero,
    "unique": _unique,
}
