"""Dropout layers."""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.nn import functional
from steepest.nn.checks import check_probability
from steepest.nn.module import Module


class Dropout(Module):
    """In training zeroes each number with probability `p` and divides the others by 1 - p.

    In evaluation (`model.eval()`) it returns its input.

    Args:
        p: the probability of a zero, from 0 to 1.
        generator: the source of randomness; the default generator if `None`.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014).
    """

    def __init__(self, p: float = 0.5, *, generator: st.random.Generator | None = None):
        super().__init__()
        check_probability(p, "Dropout")
        self.p = p
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return functional.dropout(
            input, self.p, self.training, generator=self.generator, name=self.label
        )

    def extra_repr(self) -> str:
        return f"p={self.p}"
