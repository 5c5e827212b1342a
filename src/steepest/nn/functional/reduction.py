"""How the losses of the elements become one number."""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.nn.checks import check_reduction


def reduce_loss(losses: Tensor, reduction: str, operation: str) -> Tensor:
    """Return the losses' mean (`"mean"`), their sum (`"sum"`), or all of them (`"none"`).

    Raises:
        ArgumentError: another reduction.
    """
    check_reduction(reduction, operation)
    if reduction == "mean":
        return st.mean(losses)
    if reduction == "sum":
        return st.sum(losses)
    return losses


def clamp_min(x: Tensor, lowest: float) -> Tensor:
    """max(x, lowest), with gradient 0 up to `lowest`; NaN stays NaN."""
    return st.where(x <= lowest, lowest, x)
