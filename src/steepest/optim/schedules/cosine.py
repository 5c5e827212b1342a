"""Schedules along a cosine: once, with warm restarts, and one cycle up and down."""

from __future__ import annotations

import math

from steepest.errors import ArgumentError
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    BEFORE_START,
    LRScheduler,
    check_positive_integer,
)


def half_cosine(start: float, end: float, done: float) -> float:
    """Return the point between `start` (at `done` = 0) and `end` (at 1) on half a cosine wave."""
    return end + (start - end) * (1.0 + math.cos(math.pi * done)) / 2.0


def check_eta_min(eta_min: float, owner: str) -> float:
    """Return the lowest learning rate, or say what it should be."""
    if not 0.0 <= eta_min < float("inf"):
        raise ArgumentError(
            f"{owner}: eta_min must be a finite number that is at least 0, but is {eta_min}."
        )
    return float(eta_min)


class CosineAnnealingLR(LRScheduler):
    """Goes down from the initial learning rate to `eta_min` along half a cosine, then up again.

        eta_min + (initial_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Source: Loshchilov and Hutter, "SGDR", arXiv 1608.03983 (without the restarts).

    Args:
        optimizer: whose learning rates are set.
        T_max: number of epochs down to the minimum.
        eta_min: the lowest rate. Default: 0.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 (PyTorch's name)
        eta_min: float = 0.0,
        last_epoch: int = BEFORE_START,
    ) -> None:
        self.T_max = check_positive_integer(T_max, "CosineAnnealingLR", "T_max")
        self.eta_min = check_eta_min(eta_min, "CosineAnnealingLR")
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        """The factor on `initial_lr - eta_min`."""
        return half_cosine(1.0, 0.0, epoch / self.T_max)

    def rate_at(self, group: int, epoch: int) -> float:
        return self.eta_min + (self.base_lrs[group] - self.eta_min) * self._height(epoch)

    def next_rate(self, group: int, epoch: int, current: float) -> float:
        if epoch == 0:
            return current
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The epoch before was at the minimum: nothing is left there to multiply.
            return current + (self.base_lrs[group] - self.eta_min) * self._height(epoch)
        ratio = self._height(epoch) / self._height(epoch - 1)
        return self.eta_min + (current - self.eta_min) * ratio


class CosineAnnealingWarmRestarts(LRScheduler):
    """Goes down to `eta_min` along half a cosine, jumps back up, and starts over.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts",
    arXiv 1608.03983.

    Args:
        optimizer: whose learning rates are set.
        T_0: number of epochs until the first restart.
        T_mult: each cycle is this many times longer than the one before. Default: 1.
        eta_min: the lowest rate. Default: 0.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 (PyTorch's name)
        T_mult: int = 1,  # noqa: N803 (PyTorch's name)
        eta_min: float = 0.0,
        last_epoch: int = BEFORE_START,
    ) -> None:
        self.T_0 = check_positive_integer(T_0, "CosineAnnealingWarmRestarts", "T_0")
        self.T_mult = check_positive_integer(T_mult, "CosineAnnealingWarmRestarts", "T_mult")
        self.eta_min = check_eta_min(eta_min, "CosineAnnealingWarmRestarts")
        super().__init__(optimizer, last_epoch)

    def position(self, epoch: int) -> tuple[int, int]:
        """Return (epochs since the last restart, length of this cycle)."""
        length = self.T_0
        while epoch >= length and self.T_mult > 1:
            epoch -= length
            length *= self.T_mult
        return epoch % length, length

    def rate_at(self, group: int, epoch: int) -> float:
        since, length = self.position(epoch)
        return half_cosine(self.base_lrs[group], self.eta_min, since / length)

    def resumed_rate(self, group: int, epoch: int, current: float) -> float:
        del current
        return self.rate_at(group, epoch)
