"""Transforms that divide by the size of past gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.optim.transforms.base import Hyperparameters, Slot, State, Transform
from steepest.optim.transforms.momentum import moving_average, moving_average_of_squares

Updated = tuple[Tensor, dict[str, Tensor]]


def scale_by_adagrad() -> Transform:
    """Divide by the root of the sum of all squared gradients so far.

        sum    = sum + gradient ** 2, starting at initial_accumulator_value
        update = gradient / (sqrt(sum) + eps)

    State: `"sum"`. Source: Duchi et al., JMLR 12 (2011), pages 2121-2159.
    """

    def slots(hyperparameters: Hyperparameters) -> dict[str, Slot]:
        return {"sum": Slot(fill=hyperparameters["initial_accumulator_value"])}

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        total = state["sum"] + gradient * gradient
        return gradient / (st.sqrt(total) + hyperparameters["eps"]), {"sum": total}

    return Transform("scale_by_adagrad", update, slots, reads=("eps", "initial_accumulator_value"))


def scale_by_adadelta() -> Transform:
    """Divide by the size of recent gradients and multiply by that of recent updates.

        square_avg = rho * square_avg + (1 - rho) * gradient ** 2
        update     = gradient * sqrt(acc_delta + eps) / sqrt(square_avg + eps)
        acc_delta  = rho * acc_delta + (1 - rho) * update ** 2

    State: `"square_avg"`, `"acc_delta"`. Source: Zeiler, arXiv 1212.5701.
    """

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        rho = hyperparameters["rho"]
        eps = hyperparameters["eps"]
        square_avg = moving_average_of_squares(state["square_avg"], gradient, rho)
        delta = st.sqrt(state["acc_delta"] + eps) / st.sqrt(square_avg + eps) * gradient
        acc_delta = moving_average_of_squares(state["acc_delta"], delta, rho)
        return delta, {"square_avg": square_avg, "acc_delta": acc_delta}

    return Transform(
        "scale_by_adadelta",
        update,
        lambda _: {"square_avg": Slot(), "acc_delta": Slot()},
        reads=("rho", "eps"),
    )


def scale_by_rms() -> Transform:
    """Divide by the root of a moving average of squared gradients.

        square_avg = alpha * square_avg + (1 - alpha) * gradient ** 2
        update     = gradient / (st.sqrt(square_avg) + eps)

    With the switch `centered` the square of the average gradient, `grad_avg`, is first subtracted
    from `square_avg`; a difference that rounding made negative counts as 0.
    State: `"square_avg"`, and `"grad_avg"` with `centered`.
    Sources: Hinton, "Neural networks for machine learning", lecture 6e; Graves, arXiv 1308.0850.
    """

    def slots(hyperparameters: Hyperparameters) -> dict[str, Slot]:
        names = ["square_avg", "grad_avg"] if hyperparameters["centered"] else ["square_avg"]
        return {name: Slot() for name in names}

    def update(
        gradient: Tensor, state: State, _parameter: Tensor, hyperparameters: Hyperparameters
    ) -> Updated:
        alpha = hyperparameters["alpha"]
        spread = moving_average_of_squares(state["square_avg"], gradient, alpha)
        changed = {"square_avg": spread}
        if hyperparameters["centered"]:
            average = moving_average(state["grad_avg"], gradient, alpha)
            changed["grad_avg"] = average
            spread = st.maximum(spread - average * average, 0.0)
        return gradient / (st.sqrt(spread) + hyperparameters["eps"]), changed

    return Transform("scale_by_rms", update, slots, reads=("alpha", "eps", "centered"))
