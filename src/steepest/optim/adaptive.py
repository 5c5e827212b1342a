"""Optimizers that scale each weight by its past gradients alone: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from steepest.optim.optimizer import Optimizer, Parameters
from steepest.optim.transforms import (
    add_l1,
    add_weight_decay,
    chain,
    count_steps,
    decay_over_steps,
    flip_sign,
    scale_by_adadelta,
    scale_by_adagrad,
    scale_by_learning_rate,
    scale_by_rms,
    trace_momentum,
)


class Adagrad(Optimizer):
    """Divides by the root of the sum of all squared gradients, so steps shrink with time.

    Source: Duchi et al., "Adaptive subgradient methods", JMLR 12 (2011), pages 2121-2159.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        lr_decay: the learning rate is divided by `1 + (step - 1) * lr_decay`; at least 0.
        weight_decay: L2 penalty, at least 0.
        initial_accumulator_value: where the sums start, at least 0.
        eps: added to the denominator, above 0.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `sum`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(),
        count_steps(),
        scale_by_adagrad(),
        decay_over_steps(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)


class Adadelta(Optimizer):
    """Scales gradients by the ratio of recent updates to recent gradients.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", arXiv 1212.5701.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: factor on the finished update, above 0.
        rho: share kept of the two averages, from 0 to 1.
        eps: added under both roots, above 0.
        weight_decay: L2 penalty, at least 0.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `square_avg`, `acc_delta`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(),
        count_steps(),
        scale_by_adadelta(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)


class RMSprop(Optimizer):
    """Divides by the root of a moving average of squared gradients.

    Source: Hinton, "Neural networks for machine learning", lecture 6e, 2012.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        alpha: share kept of the average, from 0 to 1.
        eps: added to the denominator, above 0.
        weight_decay: L2 penalty, at least 0.
        momentum: share of the momentum buffer kept from step to step, from 0 to 1.
        centered: divide by the spread around the average gradient instead.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `square_avg`, `grad_avg` if centered, `momentum_buffer` with momentum.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(),
        count_steps(),
        scale_by_rms(),
        trace_momentum(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)
