"""What all losses share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steepest.nn.checks import REDUCTIONS, as_tensor, check_reduction
from steepest.nn.module import Module
from steepest.nn.parameter import Buffer


class Loss(Module):
    """A module that says how far an input is from a target.

    Args:
        reduction: `"mean"`, `"sum"` or `"none"` (one loss per element or sample).
        allowed: the reductions that this loss has.

    Raises:
        ArgumentError: another reduction.
    """

    def __init__(self, reduction: str = "mean", allowed: Sequence[str] = REDUCTIONS):
        super().__init__()
        check_reduction(reduction, type(self).__name__, allowed)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


def weight_buffer(weight: Any) -> Buffer | None:
    """A loss's weights, which belong to its state as in PyTorch."""
    return None if weight is None else Buffer(as_tensor(weight))
