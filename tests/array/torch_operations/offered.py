"""How the tables say what steepest does not have, and how they translate arguments."""

from __future__ import annotations

from typing import Any

import torch

import steepest as st
from steepest import Tensor


class NotOfferedError(Exception):
    """What a sample asks for that steepest does not have: the reason for skipping it."""


NO_AXES = "PyTorch lets a tensor without axes have an axis 0"

DTYPES = {
    torch.bool: st.bool,
    torch.uint8: st.uint8,
    torch.int8: st.int8,
    torch.int16: st.int16,
    torch.int32: st.int32,
    torch.int64: st.int64,
    torch.bfloat16: st.bfloat16,
    torch.float32: st.float32,
    torch.float64: st.float64,
    torch.complex64: st.complex64,
    torch.complex128: st.complex128,
}


def axis_of(x: Tensor, dim: Any) -> Any:
    """An axis, or several, as steepest takes them; none given in PyTorch means all."""
    if dim is None or dim in ((), []):
        return None
    if x.ndim == 0:
        raise NotOfferedError(NO_AXES)
    return tuple(dim) if isinstance(dim, list) else dim


def swapped(function: Any) -> Any:
    """The function of a reflected infix operator."""

    def call(input: Any, other: Any) -> Tensor:
        return function(other, input)

    return call
