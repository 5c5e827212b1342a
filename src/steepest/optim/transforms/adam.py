"""Transforms of the Adam family: an average of gradients over an average of their size.

All need `count_steps()` before them, for the bias corrections: both averages start at 0, so after
`step` updates they hold only the share `1 - beta ** step` of what they stand for.
"""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.optim.transforms.base import Hyperparameters, Slot, State, Transform, cast
from steepest.optim.transforms.momentum import moving_average, moving_average_of_squares

Updated = tuple[Tensor, dict[str, Tensor]]


def _averages(
    gradient: Tensor, state: State, hyperparameters: Hyperparameters
) -> dict[str, Tensor]:
    """Return the two moving averages after this gradient."""
    beta1, beta2 = hyperparameters["betas"]
    return {
        "exp_avg": moving_average(state["exp_avg"], gradient, beta1),
        "exp_avg_sq": moving_average_of_squares(state["exp_avg_sq"], gradient, beta2),
    }


def scale_by_adam() -> Transform:
    """Adam's direction; with the switch `amsgrad`, over the largest `exp_avg_sq` so far.

        exp_avg    = beta1 * exp_avg    + (1 - beta1) * gradient
        exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * gradient ** 2
        update     = (exp_avg / (1 - beta1 ** step))
                     / (sqrt(exp_avg_sq / (1 - beta2 ** step)) + eps)

    State: `"exp_avg"`, `"exp_avg_sq"` and with `amsgrad` `"max_exp_avg_sq"`.
    Sources: Kingma and Ba, arXiv 1412.6980; Reddi et al., arXiv 1904.09237 (AMSGrad).
    """

    def slots(hyperparameters: Hyperparameters) -> dict[str, Slot]:
        names = ["exp_avg", "exp_avg_sq"]
        if hyperparameters["amsgrad"]:
            names.append("max_exp_avg_sq")
        return {name: Slot() for name in names}

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        beta1, beta2 = hyperparameters["betas"]
        changed = _averages(gradient, state, hyperparameters)
        size = changed["exp_avg_sq"]
        if hyperparameters["amsgrad"]:
            size = st.maximum(state["max_exp_avg_sq"], size)
            changed["max_exp_avg_sq"] = size
        correction1 = cast(1 / (1 - beta1 ** state["step"]), gradient)
        correction2 = cast(1 / st.sqrt(1 - beta2 ** state["step"]), gradient)
        denominator = st.sqrt(size) * correction2 + hyperparameters["eps"]
        return changed["exp_avg"] * correction1 / denominator, changed

    return Transform("scale_by_adam", update, slots, reads=("betas", "eps", "amsgrad"))


def scale_by_nadam() -> Transform:
    """Adam with Nesterov's momentum: looks one step ahead along the average of gradients.

        mu(t)      = beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)
        mu_product = mu(1) * ... * mu(step)
        update     = (gradient * (1 - mu(step)) / (1 - mu_product)
                      + exp_avg * mu(step + 1) / (1 - mu_product * mu(step + 1)))
                     / (sqrt(exp_avg_sq / (1 - beta2 ** step)) + eps)

    State: `"exp_avg"`, `"exp_avg_sq"` and the 0-d `"mu_product"`.
    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    def slots(_: Hyperparameters) -> dict[str, Slot]:
        return {
            "mu_product": Slot(fill=1.0, scalar=True),
            "exp_avg": Slot(),
            "exp_avg_sq": Slot(),
        }

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        beta1, beta2 = hyperparameters["betas"]
        decay = hyperparameters["momentum_decay"]
        step = state["step"]
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * decay))
        mu_product = state["mu_product"] * mu
        changed = _averages(gradient, state, hyperparameters)
        now = cast((1 - mu) / (1 - mu_product), gradient)
        ahead = cast(mu_next / (1 - mu_product * mu_next), gradient)
        correction = cast(1 / (1 - beta2**step), gradient)
        denominator = st.sqrt(changed["exp_avg_sq"] * correction) + hyperparameters["eps"]
        direction = (gradient * now + changed["exp_avg"] * ahead) / denominator
        return direction, {**changed, "mu_product": mu_product}

    return Transform("scale_by_nadam", update, slots, reads=("betas", "eps", "momentum_decay"))


def scale_by_radam() -> Transform:
    """Adam whose adaptive step is rectified while its variance is still unknown.

        longest  = 2 / (1 - beta2) - 1
        length   = longest - 2 * step * beta2 ** step / (1 - beta2 ** step)
        averaged = exp_avg / (1 - beta1 ** step)
        update   = averaged                                              while length <= 5, then
                   averaged * sqrt((length - 4) * (length - 2) * longest
                                   / ((longest - 4) * (longest - 2) * length))
                            * sqrt(1 - beta2 ** step) / (sqrt(exp_avg_sq) + eps)

    State: `"exp_avg"`, `"exp_avg_sq"`.
    Source: Liu et al., "On the variance of the adaptive learning rate", arXiv 1908.03265.
    """

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        beta1, beta2 = hyperparameters["betas"]
        step = state["step"]
        changed = _averages(gradient, state, hyperparameters)
        averaged = changed["exp_avg"] * cast(1 / (1 - beta1**step), gradient)
        correction2 = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction2
        is_rectified = length > 5
        factor = _rectification(
            st.where(is_rectified, length, 6.0), st.where(is_rectified, longest, 6.0)
        )
        scale = cast(factor * st.sqrt(correction2), gradient)
        adaptive = averaged * scale / (st.sqrt(changed["exp_avg_sq"]) + hyperparameters["eps"])
        return st.where(is_rectified, adaptive, averaged), changed

    return Transform(
        "scale_by_radam",
        update,
        lambda _: {"exp_avg": Slot(), "exp_avg_sq": Slot()},
        reads=("betas", "eps"),
    )


def _rectification(length: Tensor, longest: Tensor) -> Tensor:
    """RAdam's factor; the caller puts in harmless numbers where the factor is not used."""
    above = (length - 4) * (length - 2) * longest
    below = (longest - 4) * (longest - 2) * length
    return st.sqrt(above / below)


def scale_by_adamax() -> Transform:
    """Adam with the largest recent gradient in place of the root of the average square.

        exp_inf = max(beta2 * exp_inf, |gradient| + eps)
        update  = exp_avg / (1 - beta1 ** step) / exp_inf

    State: `"exp_avg"`, `"exp_inf"`. Source: Kingma and Ba, arXiv 1412.6980, section 7.
    """

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        beta1, beta2 = hyperparameters["betas"]
        average = moving_average(state["exp_avg"], gradient, beta1)
        largest = st.maximum(
            state["exp_inf"] * cast(beta2, gradient),
            st.abs(gradient) + hyperparameters["eps"],
        )
        correction = cast(1 / (1 - beta1 ** state["step"]), gradient)
        return average * correction / largest, {"exp_avg": average, "exp_inf": largest}

    return Transform(
        "scale_by_adamax",
        update,
        lambda _: {"exp_avg": Slot(), "exp_inf": Slot()},
        reads=("betas", "eps"),
    )
