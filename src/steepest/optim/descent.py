"""Optimizers that follow the gradient or its sign: SGD with momentum, and Lion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steepest.errors import ArgumentError
from steepest.optim.hyperparameters import is_left_out
from steepest.optim.optimizer import Optimizer, Parameters
from steepest.optim.transforms import (
    add_l1,
    add_weight_decay,
    chain,
    decoupled_weight_decay,
    flip_sign,
    scale_by_learning_rate,
    scale_by_lion,
    trace_momentum,
)


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        momentum: share of the momentum buffer kept from step to step, from 0 to 1.
        dampening: share of each gradient, after the first, kept out of the buffer.
        weight_decay: L2 penalty, at least 0.
        nesterov: look one step ahead along the buffer; needs momentum and no dampening.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `momentum_buffer` with momentum, `momentum_step` with momentum and dampening.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(),
        trace_momentum(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)

    def check_together(self, options: Mapping[str, Any]) -> None:
        """Nesterov's momentum needs momentum, and is undone by dampening."""
        if not options["nesterov"]:
            return
        if is_left_out(options["momentum"]) or options["dampening"] != 0.0:
            raise ArgumentError(
                f"SGD: nesterov needs momentum above 0 and dampening 0, but momentum is "
                f"{options['momentum']} and dampening is {options['dampening']}."
            )


class Lion(Optimizer):
    """Moves every weight by the same amount, in the direction of an averaged gradient's sign.

    Use a learning rate 3 to 10 times smaller, and a weight decay 3 to 10 times larger, than with
    AdamW. Source: Chen et al., "Symbolic discovery of optimization algorithms", arXiv 2302.06675.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the average in the update, and in the average itself.
        weight_decay: decoupled weight decay, at least 0.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `exp_avg`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        scale_by_lion(),
        decoupled_weight_decay(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)
