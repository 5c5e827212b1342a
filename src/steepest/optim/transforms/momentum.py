"""Transforms that average gradients over steps: momentum, and Lion's sign of an average."""

from __future__ import annotations

from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.graph.dtypes import float64
from steepest.optim.hyperparameters import is_left_out
from steepest.optim.transforms.base import Hyperparameters, Slot, State, Transform, cast

Updated = tuple[Tensor, dict[str, Tensor]]


def moving_average(average: Tensor, value: Tensor, decay: Any) -> Tensor:
    """Return `decay * average + (1 - decay) * value`; `decay` is a 0-d float64 tensor or a number.

    Computed as `average + (1 - decay) * (value - average)`, which PyTorch calls lerp.
    """
    return average + (value - average) * cast(1 - decay, average)


def moving_average_of_squares(average: Tensor, value: Tensor, decay: Any) -> Tensor:
    """Return `decay * average + (1 - decay) * value ** 2`, which never becomes negative."""
    return average * cast(decay, average) + value * value * cast(1 - decay, average)


def trace_momentum() -> Transform:
    """Follow a running sum of gradients, the momentum buffer, instead of the gradient.

        buffer = momentum * buffer + (1 - dampening) * gradient
        update = buffer, or gradient + momentum * buffer with `nesterov`

    The first gradient enters the buffer whole. State: `"momentum_buffer"`, and with dampening also
    `"momentum_step"`, which tells the first step from the others. Left out where momentum is 0.
    Hyperparameters: `momentum`; `dampening` (0) and `nesterov` (False) if the optimizer has them.
    Source: Sutskever et al., "On the importance of initialization and momentum", ICML 2013.
    """

    def slots(hyperparameters: Hyperparameters) -> dict[str, Slot]:
        if is_left_out(hyperparameters["momentum"]):
            return {}
        if is_left_out(hyperparameters.get("dampening", 0.0)):
            return {"momentum_buffer": Slot()}
        return {"momentum_buffer": Slot(), "momentum_step": Slot(scalar=True)}

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        if is_left_out(hyperparameters["momentum"]):
            return gradient, {}
        momentum = cast(hyperparameters["momentum"], gradient)
        joining, changed = _dampened(gradient, state, hyperparameters)
        buffer = state["momentum_buffer"] * momentum + joining
        changed["momentum_buffer"] = buffer
        if hyperparameters.get("nesterov", False):
            return gradient + buffer * momentum, changed
        return buffer, changed

    return Transform(
        "trace_momentum",
        update,
        slots,
        reads=("momentum",),
        may_read=("dampening", "nesterov"),
    )


def _dampened(
    gradient: Tensor, state: State, hyperparameters: Hyperparameters
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the part of the gradient that enters the momentum buffer."""
    dampening = hyperparameters.get("dampening", 0.0)
    if is_left_out(dampening):
        return gradient, {}
    step = state["momentum_step"] + 1
    share = 1.0 - dampening * (step > 1).astype(float64)
    return gradient * cast(share, gradient), {"momentum_step": step}


def scale_by_lion() -> Transform:
    """The sign of an average of gradients, so that every weight moves by the same amount.

        update  = sign(beta1 * exp_avg + (1 - beta1) * gradient)
        exp_avg = beta2 * exp_avg + (1 - beta2) * gradient

    State: `"exp_avg"`. Hyperparameters: `betas`.
    Source: Chen et al., "Symbolic discovery of optimization algorithms", arXiv 2302.06675.
    """

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        beta1, beta2 = hyperparameters["betas"]
        average = state["exp_avg"]
        direction = st.sign(moving_average(average, gradient, beta1))
        return direction, {"exp_avg": moving_average(average, gradient, beta2)}

    return Transform("scale_by_lion", update, lambda _: {"exp_avg": Slot()}, reads=("betas",))
