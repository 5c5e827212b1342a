"""A search for a good learning rate: train briefly with a growing rate and watch the loss."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import SupportsFloat

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.optim.optimizer import Optimizer
from steepest.optim.schedules.base import current_rates


@dataclasses.dataclass(frozen=True)
class LearningRateSearch:
    """What a search found.

    Attributes:
        rates: the learning rates tried, growing by a constant factor.
        losses: the loss measured at each, before the step with that rate.
        smoothed: the losses, averaged over the steps before.
        suggestion: the rate at which the smoothed loss falls fastest against the logarithm of the
            rate; None if it never falls.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    suggestion: float | None


def find_learning_rate(
    step: Callable[[], SupportsFloat],
    optimizer: Optimizer,
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    stop_factor: float = 4.0,
    buffers: Iterable[Tensor] = (),
) -> LearningRateSearch:
    """Run training steps with a growing learning rate, and suggest one; everything is restored.

    Parameters, the optimizer's state and learning rates, the default random generator and the
    tensors in `buffers` are afterwards as they were; gradients are cleared. The batches that `step`
    took from an iterator are gone. Source: Smith, "Cyclical learning rates", arXiv 1506.01186.

    Args:
        step: runs one training step on the next batch (also a compiled one) and returns its loss.
        optimizer: the optimizer that `step` uses; all its groups get the same rate.
        lowest: the first learning rate, above 0.
        highest: the last, above `lowest`.
        steps: number of rates, at least 10.
        smoothing: share of the old average kept with each loss, from 0, below 1.
        stop_factor: stop when the smoothed loss is this many times its lowest, above 1.
        buffers: further tensors that `step` changes, such as `model.buffers()`.

    Returns:
        The rates, the losses and a suggestion.

    Raises:
        ArgumentError: an argument is out of range, or the first loss is not finite.
    """
    _check_arguments(lowest, highest, steps, smoothing, stop_factor)
    factor = (highest / lowest) ** (1.0 / (steps - 1))
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    with _restored(optimizer, buffers):
        for position in range(steps):
            rate = lowest * factor**position
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = float(step())
            if not math.isfinite(loss):
                break
            average = smoothing * average + (1.0 - smoothing) * loss
            rates.append(rate)
            losses.append(loss)
            smoothed.append(average / (1.0 - smoothing ** (position + 1)))
            if smoothed[-1] - min(losses) > (stop_factor - 1.0) * abs(min(smoothed)):
                break
    if not rates:
        raise ArgumentError(
            "find_learning_rate: the loss of the first step is not finite. "
            "Look at the model and its data before the learning rate."
        )
    return LearningRateSearch(
        tuple(rates), tuple(losses), tuple(smoothed), _steepest(rates, smoothed)
    )


def _steepest(rates: list[float], smoothed: list[float]) -> float | None:
    """The rate at which the smoothed loss falls fastest, up to its lowest point."""
    bottom = int(np.argmin(smoothed))
    if bottom < 2:
        return None
    slopes = np.gradient(np.array(smoothed[: bottom + 1]), np.log(rates[: bottom + 1]))
    return rates[int(np.argmin(slopes))]


@contextmanager
def _restored(optimizer: Optimizer, buffers: Iterable[Tensor]) -> Iterator[None]:
    """Put back every number that a training step may change, whatever happens."""
    generator = st.random.default_generator
    tensors = [parameter for group in optimizer.param_groups for parameter in group.parameters]
    tensors += [tensor for state in optimizer.state.values() for tensor in state.values()]
    tensors += [generator.key, generator.counter, *buffers]
    before = [tensor.numpy().copy() for tensor in tensors]
    rates = current_rates(optimizer)
    try:
        yield
    finally:
        for tensor, numbers in zip(tensors, before, strict=True):
            tensor.assign(numbers)
        optimizer.zero_grad()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


def _check_arguments(
    lowest: float, highest: float, steps: int, smoothing: float, stop_factor: float
) -> None:
    if not 0.0 < lowest < highest < math.inf:
        raise ArgumentError(
            f"find_learning_rate: needs 0 < lowest < highest, "
            f"but lowest is {lowest} and highest is {highest}."
        )
    if steps < 10:
        raise ArgumentError(f"find_learning_rate: steps must be at least 10, but is {steps}.")
    if not 0.0 <= smoothing < 1.0:
        raise ArgumentError(
            f"find_learning_rate: smoothing must be at least 0 and below 1, but is {smoothing}."
        )
    if not stop_factor > 1.0:
        raise ArgumentError(
            f"find_learning_rate: stop_factor must be above 1, but is {stop_factor}."
        )
