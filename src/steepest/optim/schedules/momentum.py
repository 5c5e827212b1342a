"""Which option of an optimizer is its momentum, for schedules that move it too."""

from __future__ import annotations

from steepest.errors import ArgumentError
from steepest.optim.groups import ParameterGroup
from steepest.optim.hyperparameters import plain
from steepest.optim.optimizer import Optimizer


def momentum_option(optimizer: Optimizer, owner: str) -> str:
    """The option that plays the part of momentum: `"betas"` or `"momentum"`.

    Raises:
        ArgumentError: the optimizer has neither.
    """
    for name in ("betas", "momentum"):
        if name in optimizer.defaults:
            return name
    raise ArgumentError(
        f"{owner}: {optimizer.name} has neither momentum nor betas to cycle. "
        f"Pass cycle_momentum=False."
    )


def set_momentum(group: ParameterGroup, option: str, value: float) -> None:
    """Set the momentum, or the first of the betas."""
    group[option] = (value, plain(group[option])[1]) if option == "betas" else value
