"""Dropout layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import steepest as st
from steepest.array.tensor import Tensor
from steepest.nn import functional
from steepest.nn.checks import check_probability
from steepest.nn.module import Module


class _DropoutBase(Module):
    """What the dropout layers share."""

    drop: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, *, generator: st.random.Generator | None = None):
        super().__init__()
        check_probability(p, type(self).__name__)
        self.p = p
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return type(self).drop(
            input, self.p, self.training, generator=self.generator, name=self.label
        )

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_DropoutBase):
    """In training zeroes each number with probability `p` and divides the others by 1 - p.

    In evaluation (`model.eval()`) it returns its input.

    Args:
        p: the probability of a zero, from 0 to 1.
        generator: the source of randomness; the default generator if `None`.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014).
    """

    drop = staticmethod(functional.dropout)


class Dropout1d(_DropoutBase):
    """In training zeroes whole channels with probability `p` and divides the others by 1 - p.

    Shapes: input (n, channels, length) or (channels, length).

    Args:
        p: the probability of a zero, from 0 to 1.
        generator: the source of randomness; the default generator if `None`.

    Source: Tompson et al., arXiv 1411.4280.
    """

    drop = staticmethod(functional.dropout1d)


class Dropout2d(_DropoutBase):
    """As `Dropout1d`, for images (n, channels, height, width)."""

    drop = staticmethod(functional.dropout2d)


class Dropout3d(_DropoutBase):
    """As `Dropout1d`, for volumes (n, channels, depth, height, width), or without n."""

    drop = staticmethod(functional.dropout3d)


class AlphaDropout(_DropoutBase):
    """Dropout for networks with SELU: it keeps mean 0 and variance 1.

    In training numbers become SELU's lowest value with probability `p`; then all are scaled and
    shifted. In evaluation it returns its input.

    Args:
        p: the probability, from 0 to 1.
        generator: the source of randomness; the default generator if `None`.

    Source: Klambauer et al., arXiv 1706.02515.
    """

    drop = staticmethod(functional.alpha_dropout)


class FeatureAlphaDropout(_DropoutBase):
    """As `AlphaDropout`, for whole channels of an input (n, channels, ...)."""

    drop = staticmethod(functional.feature_alpha_dropout)
