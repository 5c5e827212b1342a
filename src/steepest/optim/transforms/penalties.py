"""Transforms that add or scale: sign, penalties on the weights, clipping, the learning rate."""

from __future__ import annotations

import math

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.optim.clipping import scale_to_norm
from steepest.optim.hyperparameters import is_left_out
from steepest.optim.transforms.base import Hyperparameters, Slot, State, Transform, cast

Updated = tuple[Tensor, dict[str, Tensor]]


def flip_sign(when: str) -> Transform:
    """Negate the gradient where the switch named `when` is on: climb instead of descend."""

    def update(
        gradient: Tensor, _state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        return (-gradient if hyperparameters[when] else gradient), {}

    return Transform("flip_sign", update, reads=(when,))


def add_l1() -> Transform:
    """Add `l1 * sign(parameter)`: the subgradient of the penalty `l1 * sum(|parameter|)`.

    At a weight of exactly 0 the subgradient taken is 0.
    """

    def update(
        gradient: Tensor, _state: State, parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        strength = hyperparameters["l1"]
        if is_left_out(strength):
            return gradient, {}
        return gradient + st.sign(parameter) * cast(strength, gradient), {}

    return Transform("add_l1", update, reads=("l1",))


def add_weight_decay(unless: str | None = None) -> Transform:
    """Add `weight_decay * parameter`: the gradient of `weight_decay / 2 * sum(parameter ** 2)`.

    Placed before the moments this is the L2 penalty.

    Args:
        unless: the name of a switch that turns this transform off.
    """

    def update(
        gradient: Tensor, _state: State, parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        if unless is not None and hyperparameters[unless]:
            return gradient, {}
        return _decayed(gradient, parameter, hyperparameters), {}

    reads = ("weight_decay",) if unless is None else ("weight_decay", unless)
    return Transform("add_weight_decay", update, reads=reads)


def decoupled_weight_decay(when: str | None = None) -> Transform:
    """Add `weight_decay * parameter` to a finished update, right before the learning rate.

    The weight then shrinks by `lr * weight_decay` in each step, whatever its gradients were.
    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv 1711.05101.

    Args:
        when: the name of a switch that turns this transform on; default: always on.
    """

    def update(
        gradient: Tensor, _state: State, parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        if when is not None and not hyperparameters[when]:
            return gradient, {}
        return _decayed(gradient, parameter, hyperparameters), {}

    reads = ("weight_decay",) if when is None else ("weight_decay", when)
    return Transform("decoupled_weight_decay", update, reads=reads)


def _decayed(gradient: Tensor, parameter: Tensor, hyperparameters: Hyperparameters) -> Tensor:
    strength = hyperparameters["weight_decay"]
    if is_left_out(strength):
        return gradient
    return gradient + parameter * cast(strength, gradient)


def clip_by_value(limit: float) -> Transform:
    """Bring every element of the gradient into [-limit, limit].

    Raises:
        ArgumentError: `limit` is not a finite number above 0.
    """
    _check_limit("clip_by_value", "limit", limit)

    def update(
        gradient: Tensor, _state: State, _parameter: Tensor, _hyperparameters: Hyperparameters
    ) -> Updated:
        return st.clip(gradient, -limit, limit), {}

    return Transform("clip_by_value", update)


def clip_by_global_norm(max_norm: float) -> Transform:
    """Scale all gradients by one factor so that their common 2-norm is at most `max_norm`.

    The norm is taken over every parameter of every group, as `clip_grad_norm_` does.

    Raises:
        ArgumentError: `max_norm` is not a finite number above 0.
    """
    _check_limit("clip_by_global_norm", "max_norm", max_norm)

    def update(
        gradient: Tensor, _state: State, _parameter: Tensor, _hyperparameters: Hyperparameters
    ) -> Updated:
        return gradient, {}

    def gather(gradients: list[Tensor]) -> list[Tensor]:
        return scale_to_norm(gradients, max_norm)[0]

    return Transform("clip_by_global_norm", update, gather=gather)


def _check_limit(transform: str, role: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ArgumentError(f"{transform}: {role} must be a finite number above 0, but is {value}.")


def count_steps() -> Transform:
    """Count the updates of each parameter in the 0-d float64 state `"step"`: 1 at the first."""

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, _hyperparameters: Hyperparameters
    ) -> Updated:
        return gradient, {"step": state["step"] + 1}

    return Transform("count_steps", update, slots=lambda _: {"step": Slot(scalar=True)})


def scale_by_learning_rate() -> Transform:
    """Multiply by `-lr`: what comes out is added to the parameter."""

    def update(
        gradient: Tensor, _state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        return gradient * cast(-hyperparameters["lr"], gradient), {}

    return Transform("scale_by_learning_rate", update, reads=("lr",))


def decay_over_steps() -> Transform:
    """Divide by `1 + (step - 1) * lr_decay`, so that updates shrink with their number.

    Needs `count_steps()` before it.
    """

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        decay = hyperparameters["lr_decay"]
        if is_left_out(decay):
            return gradient, {}
        return gradient * cast(1 / (1 + (state["step"] - 1) * decay), gradient), {}

    return Transform("decay_over_steps", update, reads=("lr_decay",))
