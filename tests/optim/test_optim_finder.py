"""The learning-rate finder."""

from __future__ import annotations

import numpy as np
import optim_oracle as oracle
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError


def _problem() -> tuple[nn.Parameter, optim.Optimizer]:
    weight = nn.Parameter(st.asarray(np.array([3.0, -2.0])))
    return weight, optim.SGD([weight], lr=0.01, momentum=0.5)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_it_suggests_a_rate_that_works_and_restores_everything(is_compiled: bool) -> None:
    weight, optimizer = _problem()
    curvature = st.asarray(np.array([1.0, 10.0]))

    def step() -> st.Tensor:
        noise = st.random.normal((2,), dtype=st.float64) * 1e-3
        loss = st.sum(curvature * (weight + noise) ** 2) / 2.0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if is_compiled:
        step = st.compile(step)
    step()
    before = oracle.numbers_of(optimizer)
    generator = st.random.default_generator
    position = int(generator.counter)
    found = optim.find_learning_rate(step, optimizer, lowest=1e-5, highest=10.0, steps=60)
    assert int(generator.counter) == position
    assert float(optimizer.param_groups[0]["lr"]) == 0.01
    assert weight.grad is None
    for key, numbers in oracle.numbers_of(optimizer).items():
        np.testing.assert_array_equal(numbers, before[key])
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 60
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e6) / 59)
    # The largest curvature, 10, diverges at rates above (1 + momentum) * 2 / 10 = 0.3.
    assert found.suggestion is not None
    assert 1e-3 < found.suggestion < 0.3


def test_it_restores_even_after_an_error() -> None:
    weight, optimizer = _problem()

    def step() -> float:
        weight.assign(weight * 0.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optim.find_learning_rate(step, optimizer)
    assert weight.tolist() == [3.0, -2.0]
    assert float(optimizer.param_groups[0]["lr"]) == 0.01


def test_no_suggestion_where_the_loss_never_falls() -> None:
    _, optimizer = _problem()
    losses = iter(np.linspace(1.0, 2.0, 20))
    found = optim.find_learning_rate(lambda: next(losses), optimizer, steps=20, smoothing=0.0)
    assert found.suggestion is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"lowest": 0.0},
            "find_learning_rate: needs 0 < lowest < highest, "
            "but lowest is 0.0 and highest is 10.0.",
        ),
        ({"steps": 3}, "find_learning_rate: steps must be at least 10, but is 3."),
        (
            {"smoothing": 1.0},
            "find_learning_rate: smoothing must be at least 0 and below 1, but is 1.0.",
        ),
        ({"stop_factor": 1.0}, "find_learning_rate: stop_factor must be above 1, but is 1.0."),
        (
            {},
            "find_learning_rate: the loss of the first step is not finite. "
            "Look at the model and its data before the learning rate.",
        ),
    ],
)
def test_message(options: dict, message: str) -> None:
    _, optimizer = _problem()
    with pytest.raises(ArgumentError) as caught:
        optim.find_learning_rate(lambda: np.nan, optimizer, **options)
    assert str(caught.value) == message
