"""Functions that reduce axes, and running totals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.offered import axis_of


def _reduction(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return function(input, axis=axis_of(input, dim), keepdims=keepdim)

    return call


def _total(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        return function(input, axis=axis_of(input, dim), keepdims=keepdim, dtype=dtype)

    return call


def _running(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        return function(input, axis=axis_of(input, dim), dtype=dtype)

    return call


def _spread(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(
        input: Tensor,
        dim: Any = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 0 if unbiased is False else 1
        return function(input, axis=axis_of(input, dim), correction=correction, keepdims=keepdim)

    return call


def _with_mean(function: Callable[..., Tensor]) -> Callable[..., Any]:
    def call(
        input: Tensor, dim: Any = None, *rest: Any, keepdim: bool = False, **named: Any
    ) -> Any:
        axis = None if isinstance(dim, bool) else axis_of(input, dim)
        spread = _spread(function)(input, dim, *rest, keepdim=keepdim, **named)
        return spread, st.mean(input, axis=axis, keepdims=keepdim)

    return call


def _diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return st.diff(input, axis=dim, n=n, prepend=prepend, append=append)


REDUCTIONS = {
    "all": _reduction(st.all),
    "any": _reduction(st.any),
    "argmax": _reduction(st.argmax),
    "argmin": _reduction(st.argmin),
    "logsumexp": _reduction(st.logsumexp),
    "mean": _total(
        lambda x, dtype, **named: st.mean(x if dtype is None else x.astype(dtype), **named)
    ),
    "sum": _total(st.sum),
    "prod": _total(st.prod),
    "amax": _reduction(st.max),
    "amin": _reduction(st.min),
    "count_nonzero": lambda input, dim=None: st.count_nonzero(input, axis=axis_of(input, dim)),
    "cumsum": _running(st.cumulative_sum),
    "cumprod": _running(st.cumulative_prod),
    "var": _spread(st.var),
    "std": _spread(st.std),
    "var_mean": _with_mean(st.var),
    "std_mean": _with_mean(st.std),
    "diff": _diff,
}
