"""The one-cycle policy: the learning rate up and down once, the momentum the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from steepest.errors import ArgumentError, did_you_mean
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import (
    BEFORE_START,
    LRScheduler,
    check_optimizer,
    check_positive_integer,
    per_group,
)
from steepest.optim.schedules.cosine import half_cosine
from steepest.optim.schedules.momentum import momentum_option, set_momentum


class Phase(NamedTuple):
    """One leg of the cycle: where it ends, and between which rates and momenta it runs."""

    end: float
    rates: tuple[str, str]
    momenta: tuple[str, str]


def _straight_line(start: float, end: float, done: float) -> float:
    return (end - start) * done + start


_SHAPES: dict[str, Callable[[float, float, float], float]] = {
    "cos": half_cosine,
    "linear": _straight_line,
}


class OneCycleLR(LRScheduler):
    """Raises the learning rate to `max_lr`, then lowers it far below its start; call it per batch.

    Source: Smith and Topin, "Super-convergence", arXiv 1708.07120.

    Args:
        optimizer: whose learning rates (and momenta) are set.
        max_lr: the highest learning rate; a list has one for each parameter group.
        total_steps: number of steps of the cycle; or give `epochs` and `steps_per_epoch`.
        epochs: number of epochs.
        steps_per_epoch: number of batches in an epoch.
        pct_start: share of the cycle spent going up. Default: 0.3.
        anneal_strategy: `"cos"` or `"linear"`. Default: `"cos"`.
        cycle_momentum: also move momentum, or the first beta, from `max_momentum` to
            `base_momentum` and back. Default: True.
        base_momentum: the lowest momentum, or a list. Default: 0.85.
        max_momentum: the highest momentum, or a list. Default: 0.95.
        div_factor: the rate starts at `max_lr / div_factor`. Default: 25.
        final_div_factor: it ends at its start divided by this. Default: 1e4.
        three_phase: go down as slowly as up, then on to the end. Default: False.
        last_epoch: see `LRScheduler`.

    Raises:
        ArgumentError: an option is out of range, or the optimizer has no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = BEFORE_START,
    ) -> None:
        check_optimizer(optimizer, "OneCycleLR")
        self.total_steps = _count_steps(total_steps, epochs, steps_per_epoch)
        if not 0.0 <= pct_start <= 1.0:
            raise ArgumentError(f"OneCycleLR: pct_start must be from 0 to 1, but is {pct_start}.")
        if anneal_strategy not in _SHAPES:
            raise ArgumentError(
                f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', "
                f"but is {anneal_strategy!r}.{did_you_mean(anneal_strategy, _SHAPES)}"
            )
        self._shape = _SHAPES[anneal_strategy]
        self._phases = _plan(self.total_steps, pct_start, three_phase)
        highest = per_group(max_lr, optimizer, "OneCycleLR", "max_lr")
        self._rates = [
            {"start": each / div_factor, "max": each, "min": each / div_factor / final_div_factor}
            for each in highest
        ]
        self._momentum_option = momentum_option(optimizer, self.name) if cycle_momentum else None
        self._momenta = [
            {"base": base, "max": high}
            for base, high in zip(
                per_group(base_momentum, optimizer, "OneCycleLR", "base_momentum"),
                per_group(max_momentum, optimizer, "OneCycleLR", "max_momentum"),
                strict=True,
            )
        ]
        if last_epoch == BEFORE_START:
            for group, rates in zip(optimizer.param_groups, self._rates, strict=True):
                group["initial_lr"] = rates["start"]
        super().__init__(optimizer, last_epoch)

    def rate_at(self, group: int, epoch: int) -> float:
        phase, done = self._locate(epoch)
        start, end = (self._rates[group][name] for name in phase.rates)
        return self._shape(start, end, done)

    def resumed_rate(self, group: int, epoch: int, current: float) -> float:
        del current
        return self.rate_at(group, epoch)

    def momentum_at(self, group: int, epoch: int) -> float:
        """Return the momentum, or the first beta, of a group at a step."""
        phase, done = self._locate(epoch)
        start, end = (self._momenta[group][name] for name in phase.momenta)
        return self._shape(start, end, done)

    def _locate(self, epoch: int) -> tuple[Phase, float]:
        """Return the phase of a step, and which share of the phase is done."""
        if epoch > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {epoch} is beyond the cycle's {self.total_steps} steps. "
                f"Give more total_steps, or stop calling step()."
            )
        begin = 0.0
        for phase in self._phases[:-1]:
            if epoch <= phase.end:
                return phase, _share(epoch, begin, phase.end)
            begin = phase.end
        last = self._phases[-1]
        return last, _share(epoch, begin, last.end)

    def _enter(self, epoch: int, rates: Sequence[float]) -> None:
        super()._enter(epoch, rates)
        if self._momentum_option is None:
            return
        for index, group in enumerate(self.optimizer.param_groups):
            set_momentum(group, self._momentum_option, self.momentum_at(index, epoch))


def _share(epoch: int, begin: float, end: float) -> float:
    """Which share of a phase is done; a phase without length is over at once.

    The call of `step()` after the last batch goes beyond the end: the rate then stays at its last
    value (PyTorch extrapolates, with `"linear"` to below 0).
    """
    return min((epoch - begin) / (end - begin), 1.0) if end > begin else 1.0


def _count_steps(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    if total_steps is not None:
        return check_positive_integer(total_steps, "OneCycleLR", "total_steps")
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch.")
    return check_positive_integer(epochs, "OneCycleLR", "epochs") * check_positive_integer(
        steps_per_epoch, "OneCycleLR", "steps_per_epoch"
    )


def _plan(total_steps: int, pct_start: float, three_phase: bool) -> list[Phase]:
    """Lay out the phases; ends are step numbers and may be fractions."""
    up = Phase(pct_start * total_steps - 1, ("start", "max"), ("max", "base"))
    if not three_phase:
        return [up, Phase(total_steps - 1, ("max", "min"), ("base", "max"))]
    down = Phase(2 * pct_start * total_steps - 2, ("max", "start"), ("base", "max"))
    return [up, down, Phase(total_steps - 1, ("start", "min"), ("max", "max"))]
