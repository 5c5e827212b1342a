"""Schedules that multiply the learning rate: constant, linear, step, exponential, polynomial, any.

In the formulas `epoch` counts calls of `step()` from 0.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable

from steepest.errors import ArgumentError
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    BEFORE_START,
    FactorSchedule,
    LRScheduler,
    check_optimizer,
    check_positive_integer,
    per_group,
)


class LambdaLR(LRScheduler):
    """Sets `initial_lr * lr_lambda(epoch)`.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: function of the epoch, or a list with one for each parameter group.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = BEFORE_START,
    ) -> None:
        check_optimizer(optimizer, "LambdaLR")
        self.lr_lambdas = per_group(lr_lambda, optimizer, "LambdaLR", "lr_lambda")
        super().__init__(optimizer, last_epoch)

    def rate_at(self, group: int, epoch: int) -> float:
        return self.base_lrs[group] * self.lr_lambdas[group](epoch)

    def resumed_rate(self, group: int, epoch: int, current: float) -> float:
        del current
        return self.rate_at(group, epoch)


class MultiplicativeLR(LRScheduler):
    """Multiplies the learning rate by `lr_lambda(epoch)` in every epoch after the first.

    Args:
        optimizer: whose learning rates are set.
        lr_lambda: function of the epoch, or a list with one for each parameter group.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = BEFORE_START,
    ) -> None:
        check_optimizer(optimizer, "MultiplicativeLR")
        self.lr_lambdas = per_group(lr_lambda, optimizer, "MultiplicativeLR", "lr_lambda")
        super().__init__(optimizer, last_epoch)

    def rate_at(self, group: int, epoch: int) -> float:
        factors = (self.lr_lambdas[group](each) for each in range(1, epoch + 1))
        return self.base_lrs[group] * math.prod(factors)

    def next_rate(self, group: int, epoch: int, current: float) -> float:
        return current * self.lr_lambdas[group](epoch) if epoch > 0 else current


class ConstantLR(FactorSchedule):
    """Multiplies by `factor` during the first `total_iters` epochs.

    Args:
        optimizer: whose learning rates are set.
        factor: from 0 to 1. Default: 1/3.
        total_iters: number of epochs. Default: 5.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = BEFORE_START,
    ) -> None:
        if not 0.0 < factor <= 1.0:
            raise ArgumentError(
                f"ConstantLR: factor must be above 0 and at most 1, but is {factor}."
            )
        self.constant_factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.constant_factor if epoch < self.total_iters else 1.0


class LinearLR(FactorSchedule):
    """Moves the factor in a straight line from `start_factor` to `end_factor`.

    Args:
        optimizer: whose learning rates are set.
        start_factor: factor of epoch 0, above 0 and at most 1. Default: 1/3.
        end_factor: factor from epoch `total_iters` on, from 0 to 1. Default: 1.
        total_iters: number of epochs on the way. Default: 5.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = BEFORE_START,
    ) -> None:
        if not 0.0 < start_factor <= 1.0:
            raise ArgumentError(
                f"LinearLR: start_factor must be above 0 and at most 1, but is {start_factor}."
            )
        if not 0.0 <= end_factor <= 1.0:
            raise ArgumentError(f"LinearLR: end_factor must be from 0 to 1, but is {end_factor}.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = check_positive_integer(total_iters, "LinearLR", "total_iters")
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        done = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class StepLR(FactorSchedule):
    """Multiplies by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose learning rates are set.
        step_size: number of epochs between two changes.
        gamma: the factor. Default: 0.1.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = BEFORE_START,
    ) -> None:
        self.step_size = check_positive_integer(step_size, "StepLR", "step_size")
        self.gamma = check_gamma(gamma, "StepLR")
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(FactorSchedule):
    """Multiplies by `gamma` at each epoch in `milestones`.

    Args:
        optimizer: whose learning rates are set.
        milestones: epochs, in any order; one given twice counts twice.
        gamma: the factor. Default: 0.1.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = BEFORE_START,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = check_gamma(gamma, "MultiStepLR")
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma ** bisect.bisect_right(self.milestones, epoch)


class ExponentialLR(FactorSchedule):
    """Multiplies by `gamma` in every epoch.

    Args:
        optimizer: whose learning rates are set.
        gamma: the factor.
        last_epoch: see `LRScheduler`.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = BEFORE_START) -> None:
        self.gamma = check_gamma(gamma, "ExponentialLR")
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return self.gamma**epoch


class PolynomialLR(FactorSchedule):
    """Brings the factor down to 0 in `total_iters` epochs: `(1 - epoch / total_iters) ** power`.

    Args:
        optimizer: whose learning rates are set.
        total_iters: number of epochs. Default: 5.
        power: exponent; 1 is a straight line. Default: 1.
        last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = BEFORE_START,
    ) -> None:
        if not power > 0:
            raise ArgumentError(f"PolynomialLR: power must be above 0, but is {power}.")
        self.total_iters = check_positive_integer(total_iters, "PolynomialLR", "total_iters")
        self.power = power
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch: int) -> float:
        return (1.0 - min(epoch, self.total_iters) / self.total_iters) ** self.power


def check_gamma(gamma: float, owner: str) -> float:
    """Return a factor for repeated multiplication, or say what it should be."""
    if not 0.0 < gamma < float("inf"):
        raise ArgumentError(f"{owner}: gamma must be a finite number above 0, but is {gamma}.")
    return gamma
