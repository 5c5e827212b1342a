"""What all learning-rate schedules share.

A schedule owns a counter, `last_epoch`, that `step()` moves on by one: call it after each epoch, or
after each batch, as the schedule's options are meant. It writes `group["lr"]`, a 0-d tensor, so a
compiled training step sees the new rate without being traced again. Call `step()` outside of
compiled functions.

Schedules that only multiply (constant, linear, step, exponential, polynomial, cosine) start from
the current rate, so several of them on one optimizer multiply each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steepest.errors import ArgumentError, CheckpointError, TraceError, did_you_mean
from steepest.optim.optimizer import Optimizer
from steepest.trace.state import state

BEFORE_START = -1
"""`last_epoch` of a schedule that has not set a rate yet."""


class LRScheduler:
    """Base of the schedules that depend on the number of steps alone.

    A subclass gives `rate_at`, and `next_rate` if it continues from the current rate.

    Args:
        optimizer: whose groups' `"lr"` the schedule sets.
        last_epoch: the last epoch that was run, to resume without a saved schedule; then every
            group must have `"initial_lr"`. Default: -1, a new run.

    Attributes:
        base_lrs: the learning rate of each group from which the schedule starts.

    Raises:
        ArgumentError: not an optimizer; or no `"initial_lr"` to resume from.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = BEFORE_START) -> None:
        check_optimizer(optimizer, self.name)
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        if last_epoch == BEFORE_START:
            note_initial_rates(optimizer)
        self.base_lrs = self._initial_rates()
        self._start(resumed=last_epoch != BEFORE_START)

    @property
    def name(self) -> str:
        """The name of the schedule's class; messages begin with it."""
        return type(self).__name__

    def rate_at(self, group: int, epoch: int) -> float:
        """Return the learning rate of a group in an epoch, from `base_lrs`."""
        raise NotImplementedError

    def next_rate(self, group: int, epoch: int, current: float) -> float:
        """Return the learning rate of a group in an epoch, given the rate of the epoch before."""
        del current
        return self.rate_at(group, epoch)

    def resumed_rate(self, group: int, epoch: int, current: float) -> float:
        """Return the learning rate with which a run resumes in an epoch: the one it had saved."""
        del group, epoch
        return current

    def step(self) -> None:
        """Move on to the next epoch and set the learning rates.

        Raises:
            TraceError: called inside a compiled function.
        """
        refuse_trace(self.name)
        epoch = self.last_epoch + 1
        rates = [
            self.next_rate(group, epoch, current)
            for group, current in enumerate(current_rates(self.optimizer))
        ]
        self._enter(epoch, rates)

    def restart(self) -> None:
        """Go to epoch 0 and set the learning rates from `base_lrs`."""
        self._enter(0, [self.rate_at(group, 0) for group in range(len(self.base_lrs))])

    def rewind(self) -> None:
        """Go back to before the first step, which came with construction."""
        self.last_epoch = BEFORE_START

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups that this schedule set last."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return the schedule's position as plain numbers; its options are not part of it."""
        return {
            "schedule": self.name,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "last_lr": list(self._last_lr),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the position that `state_dict()` returned; the optimizer is left as it is.

        Raises:
            CheckpointError: it belongs to another schedule, or an entry is missing or unknown.
        """
        self.check_state_dict(state_dict)
        self._take_over(state_dict)

    def check_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Refuse a state that is not of this schedule, and change nothing."""
        check_state(self.state_dict(), state_dict, self.name)

    def _take_over(self, state_dict: Mapping[str, Any]) -> None:
        self.last_epoch = int(state_dict["last_epoch"])
        self.base_lrs = [float(rate) for rate in state_dict["base_lrs"]]
        self._last_lr = [float(rate) for rate in state_dict["last_lr"]]

    def _initial_rates(self) -> list[float]:
        rates = []
        for index, group in enumerate(self.optimizer.param_groups):
            if group.initial_lr is None:
                raise ArgumentError(
                    f"{self.name}: last_epoch is {self.last_epoch}, so this resumes a run, but "
                    f"parameter group {index} has no 'initial_lr'. Load the optimizer's state "
                    f"first, or leave last_epoch out."
                )
            rates.append(group.initial_lr)
        return rates

    def _start(self, resumed: bool) -> None:
        """Set the rates of the first epoch, or of the epoch in which a run resumes."""
        epoch = self.last_epoch + 1
        rate = self.resumed_rate if resumed else self.next_rate
        rates = [
            rate(group, epoch, current)
            for group, current in enumerate(current_rates(self.optimizer))
        ]
        self._enter(epoch, rates)

    def _enter(self, epoch: int, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self.last_epoch = epoch
        self._last_lr = list(rates)


class FactorSchedule(LRScheduler):
    """Base of the schedules that multiply the learning rate by a factor of the epoch."""

    def factor(self, epoch: int) -> float:
        """Return the factor on the initial learning rate in an epoch."""
        raise NotImplementedError

    def rate_at(self, group: int, epoch: int) -> float:
        return self.base_lrs[group] * self.factor(epoch)

    def next_rate(self, group: int, epoch: int, current: float) -> float:
        del group
        before = self.factor(epoch - 1) if epoch > 0 else 1.0
        if before == 0.0:
            return current
        return current * (self.factor(epoch) / before)


def check_optimizer(optimizer: Any, owner: str) -> None:
    """Refuse anything but an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            f"{owner}: optimizer must be a steepest optimizer, but is a {type(optimizer).__name__}."
        )


def refuse_trace(owner: str) -> None:
    """Refuse to run inside a compiled function, where the rate would become part of the program."""
    if state.trace is not None:
        raise TraceError(
            f"{owner}.step: a schedule cannot step inside a compiled function. Call it after the "
            f"function: the compiled step reads the new rate without being traced again."
        )


def note_initial_rates(optimizer: Optimizer) -> None:
    """Write down each group's learning rate as the one schedules start from, the first time."""
    for group in optimizer.param_groups:
        if group.initial_lr is None:
            group.initial_lr = float(group["lr"])


def current_rates(optimizer: Optimizer) -> list[float]:
    """The learning rate that each group has now."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def per_group(value: Any, optimizer: Optimizer, owner: str, role: str) -> list[Any]:
    """Return one value for each group: the same for all, or the items of a list.

    Raises:
        ArgumentError: a list whose length is not the number of groups.
    """
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ArgumentError(
            f"{owner}: {role} has {len(value)} entries, but the optimizer has {count} parameter "
            f"groups. Give one entry for each, or a single value for all."
        )
    return list(value)


def check_positive_integer(value: Any, owner: str, role: str) -> int:
    """Return a count, or say what it should be."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{owner}: {role} must be an integer above 0, but is {value!r}.")
    return value


def check_state(expected: Mapping[str, Any], given: Mapping[str, Any], owner: str) -> None:
    """Refuse a saved state whose entries are not those of this schedule.

    Raises:
        CheckpointError: saying what differs.
    """
    saved_name = given.get("schedule", owner)
    if saved_name != owner:
        raise CheckpointError(f"{owner}.load_state_dict: this is the state of {saved_name}.")
    for key in given:
        if key not in expected:
            raise CheckpointError(
                f"{owner}.load_state_dict: the entry {key!r} is unknown."
                f"{did_you_mean(key, expected)}"
            )
    for key, value in expected.items():
        if key not in given:
            raise CheckpointError(f"{owner}.load_state_dict: the entry {key!r} is missing.")
        if isinstance(value, list) and len(given[key]) != len(value):
            raise CheckpointError(
                f"{owner}.load_state_dict: {key!r} has {len(given[key])} entries, "
                f"but this schedule needs {len(value)}."
            )
