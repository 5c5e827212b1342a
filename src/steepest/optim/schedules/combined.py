"""Schedules made of schedules: one after another, several at once, and warm-up."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from steepest.errors import ArgumentError
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    BEFORE_START,
    LRScheduler,
    check_positive_integer,
    check_state,
    current_rates,
    refuse_trace,
)
from steepest.optim.schedules.factors import LinearLR


class _Combined(LRScheduler):
    """Base of the schedules that hold others."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
        self.optimizer = optimizer
        self.schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of this schedule and of those in it, as plain numbers."""
        return {
            "schedule": self.name,
            "last_epoch": self.last_epoch,
            "last_lr": list(self._last_lr),
            "schedulers": [each.state_dict() for each in self.schedulers],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over positions that `state_dict()` returned; the optimizer is left as it is.

        Raises:
            CheckpointError: it belongs to other schedules. Nothing is changed then.
        """
        self.check_state_dict(state_dict)
        self._take_over(state_dict)

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        check_state(self.state_dict(), state_dict, self.name)
        for each, saved in zip(self.schedulers, state_dict["schedulers"], strict=True):
            each.check_state_dict(saved)

    def _take_over(self, state_dict: Mapping[str, Any]) -> None:
        self.last_epoch = int(state_dict["last_epoch"])
        self._last_lr = [float(rate) for rate in state_dict["last_lr"]]
        for each, saved in zip(self.schedulers, state_dict["schedulers"], strict=True):
            each._take_over(saved)

    def rewind(self) -> None:
        self.last_epoch = BEFORE_START
        for each in self.schedulers:
            each.rewind()


class SequentialLR(_Combined):
    """Runs schedules one after another; each starts at its own epoch 0.

    Args:
        optimizer: whose learning rates are set.
        schedulers: in the order in which they run.
        milestones: the epochs at which the second and every later schedule takes over.
        last_epoch: where to begin counting; see `LRScheduler`.

    Raises:
        ArgumentError: no schedules, schedules of another optimizer, or milestones that do not fit.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = BEFORE_START,
    ) -> None:
        _check_members(schedulers, optimizer, "SequentialLR")
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(schedulers)} schedulers need {len(schedulers) - 1} "
                f"milestones, but there are {len(milestones)}."
            )
        if any(later <= sooner for sooner, later in itertools.pairwise(milestones)):
            raise ArgumentError(f"SequentialLR: milestones must grow, but are {list(milestones)}.")
        super().__init__(optimizer, schedulers)
        self.milestones = list(milestones)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        first = self._running(0)
        first.restart()
        self.last_epoch = last_epoch + 1
        self._last_lr = first.get_last_lr()

    def _running(self, epoch: int) -> LRScheduler:
        return self.schedulers[bisect.bisect_right(self.milestones, epoch)]

    def step(self) -> None:
        """Move on to the next epoch; at a milestone the next schedule starts over."""
        refuse_trace(self.name)
        epoch = self.last_epoch + 1
        running = self._running(epoch)
        if epoch in self.milestones:
            running.restart()
        else:
            running.step()
        self.last_epoch = epoch
        self._last_lr = running.get_last_lr()

    def restart(self) -> None:
        first = self._running(0)
        first.restart()
        self.last_epoch = 0
        self._last_lr = first.get_last_lr()


class ChainedScheduler(_Combined):
    """Steps several schedules at once; those that multiply the learning rate multiply each other.

    Args:
        schedulers: in the order in which they step.
        optimizer: whose learning rates are set. Default: that of the first schedule.

    Raises:
        ArgumentError: no schedules, or schedules of another optimizer.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if optimizer is None and schedulers:
            optimizer = getattr(schedulers[0], "optimizer", None)
        _check_members(schedulers, optimizer, "ChainedScheduler")
        assert optimizer is not None
        super().__init__(optimizer, schedulers)
        self.last_epoch = 0
        self._last_lr = current_rates(optimizer)

    def step(self) -> None:
        """Step every schedule."""
        for each in self.schedulers:
            each.step()
        self.last_epoch += 1
        self._last_lr = current_rates(self.optimizer)

    def restart(self) -> None:
        self.rewind()
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for each in self.schedulers:
            each.step()
        self.last_epoch = 0
        self._last_lr = current_rates(self.optimizer)


class WarmUp(SequentialLR):
    """Raises the learning rate in a straight line for `steps` epochs, then runs another schedule.

    >>> schedule = WarmUp(CosineAnnealingLR(optimizer, T_max=90), steps=10)

    Short for `SequentialLR(optimizer, [LinearLR(...), schedule], milestones=[steps])`.

    Args:
        schedule: what runs afterwards, from its own epoch 0 on.
        steps: number of epochs of warm-up.
        start_factor: factor on the initial learning rate in epoch 0. Default: 0.01.
    """

    def __init__(self, schedule: LRScheduler, steps: int, start_factor: float = 0.01) -> None:
        if not isinstance(schedule, LRScheduler):
            raise ArgumentError(
                f"WarmUp: schedule must be a schedule that depends on the number of steps, "
                f"but is a {type(schedule).__name__}."
            )
        check_positive_integer(steps, "WarmUp", "steps")
        rising = LinearLR(schedule.optimizer, start_factor=start_factor, total_iters=steps)
        super().__init__(schedule.optimizer, [rising, schedule], milestones=[steps])


def _check_members(schedulers: Sequence[Any], optimizer: Any, owner: str) -> None:
    if not schedulers:
        raise ArgumentError(f"{owner}: needs at least one schedule.")
    for index, each in enumerate(schedulers):
        if not isinstance(each, LRScheduler):
            raise ArgumentError(
                f"{owner}: schedule {index} is a {type(each).__name__}, but must be one that "
                f"depends on the number of steps alone."
            )
        if each.optimizer is not optimizer:
            raise ArgumentError(
                f"{owner}: schedule {index} ({each.name}) belongs to another optimizer."
            )
