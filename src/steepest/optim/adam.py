"""Adam and its kin: AdamW, NAdam, RAdam, Adamax."""

from __future__ import annotations

from steepest.optim.optimizer import Optimizer, Parameters
from steepest.optim.transforms import (
    add_l1,
    add_weight_decay,
    chain,
    count_steps,
    decoupled_weight_decay,
    flip_sign,
    scale_by_adam,
    scale_by_adamax,
    scale_by_learning_rate,
    scale_by_nadam,
    scale_by_radam,
)


class Adam(Optimizer):
    """Steps along averaged gradients, each weight scaled by the size of its own gradients.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the averages of gradients and of squared gradients.
        eps: added to the denominator, above 0.
        weight_decay: L2 penalty, at least 0; with `decoupled_weight_decay` as in AdamW.
        amsgrad: divide by the largest average of squared gradients so far.
        maximize: climb instead of descend.
        decoupled_weight_decay: shrink the weights apart from the gradient.
        l1: L1 penalty, at least 0.

    State: `step`, `exp_avg`, `exp_avg_sq`, and with amsgrad `max_exp_avg_sq`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(unless="decoupled_weight_decay"),
        count_steps(),
        scale_by_adam(),
        decoupled_weight_decay(when="decoupled_weight_decay"),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
            "l1": l1,
        }
        super().__init__(params, defaults)


class AdamW(Optimizer):
    """Adam with decoupled weight decay: weights shrink by `lr * weight_decay` in each step.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv 1711.05101.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the averages of gradients and of squared gradients.
        eps: added to the denominator, above 0.
        weight_decay: decoupled weight decay, at least 0.
        amsgrad: divide by the largest average of squared gradients so far.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0; it joins the gradient.

    State: `step`, `exp_avg`, `exp_avg_sq`, and with amsgrad `max_exp_avg_sq`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        count_steps(),
        scale_by_adam(),
        decoupled_weight_decay(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the averages of gradients and of squared gradients.
        eps: added to the denominator, above 0.
        weight_decay: L2 penalty, at least 0; with `decoupled_weight_decay` as in AdamW.
        momentum_decay: how fast the momentum approaches `betas[0]`.
        decoupled_weight_decay: shrink the weights apart from the gradient.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `mu_product`, `exp_avg`, `exp_avg_sq`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(unless="decoupled_weight_decay"),
        count_steps(),
        scale_by_nadam(),
        decoupled_weight_decay(when="decoupled_weight_decay"),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)


class RAdam(Optimizer):
    """Adam that steps without scaling until the size of the gradients is known well enough.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond",
    arXiv 1908.03265.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the averages of gradients and of squared gradients.
        eps: added to the denominator, above 0.
        weight_decay: L2 penalty, at least 0; with `decoupled_weight_decay` as in AdamW.
        decoupled_weight_decay: shrink the weights apart from the gradient.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `exp_avg`, `exp_avg_sq`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(unless="decoupled_weight_decay"),
        count_steps(),
        scale_by_radam(),
        decoupled_weight_decay(when="decoupled_weight_decay"),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)


class Adamax(Optimizer):
    """Adam that divides by the largest recent gradient instead of an average size.

    Source: Kingma and Ba, arXiv 1412.6980, section 7.

    Args:
        params: parameters, (name, parameter) pairs, or group dictionaries.
        lr: learning rate, above 0.
        betas: shares kept of the average of gradients and of the largest gradient.
        eps: added to the absolute gradient, above 0.
        weight_decay: L2 penalty, at least 0.
        maximize: climb instead of descend.
        l1: L1 penalty, at least 0.

    State: `step`, `exp_avg`, `exp_inf`.
    """

    transforms = chain(
        flip_sign(when="maximize"),
        add_l1(),
        add_weight_decay(),
        count_steps(),
        scale_by_adamax(),
        scale_by_learning_rate(),
    )

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "l1": l1,
        }
        super().__init__(params, defaults)
