"""Lowering the learning rate when a measured quantity stops improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

from steepest.errors import ArgumentError
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    check_optimizer,
    check_state,
    current_rates,
    per_group,
    refuse_trace,
)


class ReduceLROnPlateau:
    """Multiplies the learning rate by `factor` after `patience` epochs without improvement.

    Args:
        optimizer: whose learning rates are set.
        mode: `"min"` if the quantity should fall, `"max"` if it should rise. Default: `"min"`.
        factor: from 0, below 1. Default: 0.1.
        patience: number of epochs without improvement that are let pass. Default: 10.
        threshold: how much better counts as better. Default: 1e-4.
        threshold_mode: `"rel"`: by that share of the best; `"abs"`: by that much. Default: `"rel"`.
        cooldown: number of epochs after a reduction in which none is counted. Default: 0.
        min_lr: the lowest learning rate, or a list with one for each group. Default: 0.
        eps: a reduction by no more than this is left out. Default: 1e-8.

    Attributes:
        best: the best value so far; None before the first.
        num_bad_epochs: epochs without improvement since then, or since the last reduction.
        cooldown_counter: epochs of cooldown left.
        last_epoch: number of calls of `step`.

    Raises:
        ArgumentError: an option is out of range.
    """

    name = "ReduceLROnPlateau"

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(optimizer, self.name)
        if not 0.0 <= factor < 1.0:
            raise ArgumentError(
                f"{self.name}: factor must be at least 0 and below 1, but is {factor}."
            )
        _check_choice("mode", mode, ("min", "max"))
        _check_choice("threshold_mode", threshold_mode, ("rel", "abs"))
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = [float(rate) for rate in per_group(min_lr, optimizer, self.name, "min_lr")]
        self.eps = eps
        self.best: float | None = None
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self.last_epoch = 0
        self._last_lr = current_rates(optimizer)

    def is_better(self, value: float) -> bool:
        """Whether a value improves on the best so far by more than the threshold."""
        if self.best is None:
            return not math.isnan(value)
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = self.best * (1.0 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return value > bound if self.mode == "max" else value < bound

    def step(self, metrics: SupportsFloat) -> None:
        """Note the quantity's value in this epoch, and lower the learning rates if it is time.

        Args:
            metrics: the value; NaN counts as no improvement.

        Raises:
            TraceError: called inside a compiled function.
        """
        refuse_trace(self.name)
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = current_rates(self.optimizer)

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            current = float(group["lr"])
            reduced = max(current * self.factor, lowest)
            if current - reduced > self.eps:
                group["lr"] = reduced

    def get_last_lr(self) -> list[float]:
        """The learning rates of the groups after the last call of `step`."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return the schedule's position as plain numbers; its options are not part of it."""
        return {
            "schedule": self.name,
            "last_epoch": self.last_epoch,
            "best": self.best,
            "num_bad_epochs": self.num_bad_epochs,
            "cooldown_counter": self.cooldown_counter,
            "last_lr": list(self._last_lr),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the position that `state_dict()` returned; the optimizer is left as it is.

        Raises:
            CheckpointError: it belongs to another schedule, or an entry is missing or unknown.
        """
        check_state(self.state_dict(), state_dict, self.name)
        best = state_dict["best"]
        self.last_epoch = int(state_dict["last_epoch"])
        self.best = None if best is None else float(best)
        self.num_bad_epochs = int(state_dict["num_bad_epochs"])
        self.cooldown_counter = int(state_dict["cooldown_counter"])
        self._last_lr = [float(rate) for rate in state_dict["last_lr"]]


def _check_choice(role: str, value: str, choices: tuple[str, str]) -> None:
    if value not in choices:
        raise ArgumentError(
            f"ReduceLROnPlateau: {role} must be {choices[0]!r} or {choices[1]!r}, but is {value!r}."
        )
