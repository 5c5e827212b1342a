"""A compiled step gives the same bits as an eager one, and is traced only when it must be."""

from __future__ import annotations

from typing import Any

import numpy as np
import optim_oracle as oracle
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import TraceError

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "l1": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Lion", {"lr": 0.01, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.05, "betas": (0.9, 0.9)}),
    ("Adamax", {"lr": 0.05}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adadelta", {"lr": 0.5}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True}),
]


def _data(dtype: str) -> tuple[st.Tensor, st.Tensor]:
    generator = np.random.default_rng(3)
    inputs = generator.normal(size=(8, 4)).astype(dtype)
    targets = generator.normal(size=(8, 1)).astype(dtype)
    return st.asarray(inputs), st.asarray(targets)


class Problem:
    """A regression with two layers' worth of parameters, and a count of how often it is traced."""

    def __init__(self, name: str, options: dict[str, Any], dtype: str = "float32") -> None:
        generator = np.random.default_rng(5)
        self.first = nn.Parameter(st.asarray(generator.normal(size=(4, 3)).astype(dtype)))
        self.second = nn.Parameter(st.asarray(generator.normal(size=(3, 1)).astype(dtype)))
        self.optimizer = getattr(optim, name)([self.first, self.second], **options)
        self.inputs, self.targets = _data(dtype)
        self.times_run = 0

    def step(self, inputs: st.Tensor, targets: st.Tensor) -> st.Tensor:
        self.times_run += 1
        predicted = st.tanh(inputs @ self.first) @ self.second
        loss = st.mean((predicted - targets) ** 2)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_compiled_equals_eager(name: str, options: dict[str, Any], dtype: str) -> None:
    eager = Problem(name, options, dtype)
    traced = Problem(name, options, dtype)
    compiled = st.compile(traced.step)
    for _ in range(7):
        expected = eager.step(eager.inputs, eager.targets)
        found = compiled(traced.inputs, traced.targets)
        assert found.numpy().tobytes() == expected.numpy().tobytes()
        oracle.assert_bitwise_equal(traced.optimizer, eager.optimizer)
    assert traced.times_run == 1


def test_a_schedule_changes_a_compiled_step_without_tracing_again() -> None:
    eager = Problem("AdamW", {"lr": 0.05})
    traced = Problem("AdamW", {"lr": 0.05})
    compiled = st.compile(traced.step)
    schedules = [
        optim.OneCycleLR(problem.optimizer, max_lr=0.1, total_steps=12)
        for problem in (eager, traced)
    ]
    for _ in range(10):
        eager.step(eager.inputs, eager.targets)
        compiled(traced.inputs, traced.targets)
        oracle.assert_bitwise_equal(traced.optimizer, eager.optimizer)
        for schedule in schedules:
            schedule.step()
    assert traced.times_run == 1


@pytest.mark.parametrize(
    ("option", "value"), [("amsgrad", True), ("weight_decay", 0.5), ("eps", 0.1), ("l1", 0.2)]
)
def test_a_structural_change_is_noticed(option: str, value: Any) -> None:
    eager = Problem("Adam", {"lr": 0.05})
    traced = Problem("Adam", {"lr": 0.05})
    compiled = st.compile(traced.step)
    for step in range(6):
        if step == 3:
            eager.optimizer.param_groups[0][option] = value
            traced.optimizer.param_groups[0][option] = value
        eager.step(eager.inputs, eager.targets)
        compiled(traced.inputs, traced.targets)
        oracle.assert_bitwise_equal(traced.optimizer, eager.optimizer)
    assert traced.times_run == 2


def test_freezing_is_noticed() -> None:
    traced = Problem("Adam", {"lr": 0.05})
    compiled = st.compile(traced.step)
    compiled(traced.inputs, traced.targets)
    traced.first.requires_grad = False
    frozen = traced.first.numpy().copy()
    moving = traced.second.numpy().copy()
    compiled(traced.inputs, traced.targets)
    np.testing.assert_array_equal(traced.first.numpy(), frozen)
    assert (traced.second.numpy() != moving).any()
    assert traced.times_run == 2


def test_unfreezing_inside_a_compiled_step_creates_the_state() -> None:
    eager = Problem("Adam", {"lr": 0.05})
    traced = Problem("Adam", {"lr": 0.05})
    for problem in (eager, traced):
        problem.first.requires_grad = False
        problem.optimizer = optim.Adam([problem.first, problem.second], lr=0.05)
        assert problem.first not in problem.optimizer.state
        problem.first.requires_grad = True
    compiled = st.compile(traced.step)
    for _ in range(4):
        eager.step(eager.inputs, eager.targets)
        compiled(traced.inputs, traced.targets)
        oracle.assert_bitwise_equal(traced.optimizer, eager.optimizer)


def test_clipping_inside_a_compiled_step() -> None:
    class Clipped(Problem):
        def step(self, inputs: st.Tensor, targets: st.Tensor) -> st.Tensor:
            loss = st.mean((st.tanh(inputs @ self.first) @ self.second - targets) ** 2)
            self.optimizer.zero_grad()
            loss.backward()
            norm = optim.clip_grad_norm_([self.first, self.second], 0.1)
            self.optimizer.step()
            return norm

    eager = Clipped("SGD", {"lr": 0.05})
    traced = Clipped("SGD", {"lr": 0.05})
    compiled = st.compile(traced.step)
    for _ in range(4):
        expected = eager.step(eager.inputs, eager.targets)
        found = compiled(traced.inputs, traced.targets)
        assert found.numpy().tobytes() == expected.numpy().tobytes()
        assert float(found) > 0.1
        oracle.assert_bitwise_equal(traced.optimizer, eager.optimizer)


def test_a_schedule_cannot_step_inside_a_compiled_function() -> None:
    problem = Problem("SGD", {"lr": 0.05})
    schedule = optim.ExponentialLR(problem.optimizer, gamma=0.9)

    @st.compile
    def step(inputs: st.Tensor) -> st.Tensor:
        schedule.step()
        return inputs

    with pytest.raises(TraceError) as caught:
        step(problem.inputs)
    assert str(caught.value) == (
        "ExponentialLR.step: a schedule cannot step inside a compiled function. Call it after the "
        "function: the compiled step reads the new rate without being traced again."
    )
    assert schedule.last_epoch == 0
    assert float(problem.optimizer.param_groups[0]["lr"]) == 0.05
