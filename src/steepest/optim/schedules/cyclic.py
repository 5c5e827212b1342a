"""Cycles without end: the learning rate up and down, the momentum the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steepest.errors import ArgumentError, did_you_mean
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    BEFORE_START,
    LRScheduler,
    check_optimizer,
    check_positive_integer,
    per_group,
)
from steepest.optim.schedules.factors import check_gamma
from steepest.optim.schedules.momentum import momentum_option, set_momentum

MODES = ("triangular", "triangular2", "exp_range")
SCALE_MODES = ("cycle", "iterations")


class CyclicLR(LRScheduler):
    """Moves the learning rate between `base_lr` and `max_lr` in straight lines; call it per batch.

    The height of a cycle above `base_lr` is `max_lr - base_lr` times a scale: 1 (`"triangular"`),
    half of the cycle before (`"triangular2"`), or `gamma ** step` (`"exp_range"`).

    Source: Smith, "Cyclical learning rates for training neural networks", arXiv 1506.01186.

    Args:
        optimizer: whose learning rates (and momenta) are set.
        base_lr: the lowest learning rate; a list has one for each parameter group.
        max_lr: the highest learning rate, or a list.
        step_size_up: number of steps up. Default: 2000.
        step_size_down: number of steps down. Default: as many as up.
        mode: `"triangular"`, `"triangular2"` or `"exp_range"`. Default: `"triangular"`.
        gamma: of `"exp_range"`. Default: 1.
        scale_fn: a scale of your own, in place of `mode`: takes the number of the cycle, from 1,
            or of the step, from 0.
        scale_mode: which of the two `scale_fn` takes: `"cycle"` or `"iterations"`. Default:
            `"cycle"`.
        cycle_momentum: also move momentum, or the first beta, from `max_momentum` to
            `base_momentum` and back. Default: True.
        base_momentum: the lowest momentum, or a list. Default: 0.8.
        max_momentum: the highest momentum, or a list. Default: 0.9.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: an option is out of range, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[int], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = BEFORE_START,
    ) -> None:
        check_optimizer(optimizer, self.name)
        self._up = check_positive_integer(step_size_up, self.name, "step_size_up")
        down = step_size_up if step_size_down is None else step_size_down
        self._length = self._up + check_positive_integer(down, self.name, "step_size_down")
        self._scale = scale_fn or _scale_of(mode, check_gamma(gamma, self.name))
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        elif scale_mode not in SCALE_MODES:
            raise ArgumentError(
                f"CyclicLR: scale_mode must be 'cycle' or 'iterations', "
                f"but is {scale_mode!r}.{did_you_mean(scale_mode, SCALE_MODES)}"
            )
        self._scales_cycles = scale_mode == "cycle"
        self._lowest = per_group(base_lr, optimizer, self.name, "base_lr")
        self._highest = per_group(max_lr, optimizer, self.name, "max_lr")
        self._momentum_option = momentum_option(optimizer, self.name) if cycle_momentum else None
        self._base_momenta = per_group(base_momentum, optimizer, self.name, "base_momentum")
        self._max_momenta = per_group(max_momentum, optimizer, self.name, "max_momentum")
        if last_epoch == BEFORE_START:
            for group, lowest in zip(optimizer.param_groups, self._lowest, strict=True):
                group["initial_lr"] = lowest
        super().__init__(optimizer, last_epoch)

    def rate_at(self, group: int, epoch: int) -> float:
        lowest, highest = self._lowest[group], self._highest[group]
        return lowest + (highest - lowest) * self._height(epoch)

    def resumed_rate(self, group: int, epoch: int, current: float) -> float:
        del current
        return self.rate_at(group, epoch)

    def momentum_at(self, group: int, epoch: int) -> float:
        """Return the momentum, or the first beta, of a group at a step."""
        lowest, highest = self._base_momenta[group], self._max_momenta[group]
        return highest - (highest - lowest) * self._height(epoch)

    def _height(self, epoch: int) -> float:
        """Where between the lowest rate (0) and the highest (1) a step is."""
        cycles_done, position = divmod(epoch, self._length)
        if position <= self._up:
            share = position / self._up
        else:
            share = (self._length - position) / (self._length - self._up)
        return share * self._scale(cycles_done + 1 if self._scales_cycles else epoch)

    def _enter(self, epoch: int, rates: Sequence[float]) -> None:
        super()._enter(epoch, rates)
        if self._momentum_option is None:
            return
        for index, group in enumerate(self.optimizer.param_groups):
            set_momentum(group, self._momentum_option, self.momentum_at(index, epoch))


def _scale_of(mode: str, gamma: float) -> Callable[[int], float]:
    """The scale of a cycle's height: of the cycle's number, or of the step for `"exp_range"`."""
    if mode not in MODES:
        raise ArgumentError(
            f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', "
            f"but is {mode!r}.{did_you_mean(mode, MODES)}"
        )
    if mode == "triangular":
        return lambda _: 1.0
    if mode == "triangular2":
        return lambda cycle: 0.5 ** (cycle - 1)
    return lambda step: gamma**step
