"""What schedules refuse, word for word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError, CheckpointError
from steepest.optim import schedules


def _optimizer(name: str = "SGD") -> optim.Optimizer:
    groups = [{"params": [nn.Parameter(st.ones((2,)))], "lr": rate} for rate in (0.1, 0.02)]
    return getattr(optim, name)(groups)


MESSAGES: list[tuple[Callable[[Any], Any], str]] = [
    (
        lambda o: schedules.StepLR(o, 0),
        "StepLR: step_size must be an integer above 0, but is 0.",
    ),
    (
        lambda _: schedules.StepLR("Adam", 3),
        "StepLR: optimizer must be a steepest optimizer, but is a str.",
    ),
    (
        lambda o: schedules.ExponentialLR(o, -0.5),
        "ExponentialLR: gamma must be a finite number above 0, but is -0.5.",
    ),
    (
        lambda o: schedules.ConstantLR(o, 1.5),
        "ConstantLR: factor must be above 0 and at most 1, but is 1.5.",
    ),
    (
        lambda o: schedules.LinearLR(o, 0.0),
        "LinearLR: start_factor must be above 0 and at most 1, but is 0.0.",
    ),
    (
        lambda o: schedules.LinearLR(o, 0.5, 1.5),
        "LinearLR: end_factor must be from 0 to 1, but is 1.5.",
    ),
    (
        lambda o: schedules.PolynomialLR(o, power=0),
        "PolynomialLR: power must be above 0, but is 0.",
    ),
    (
        lambda o: schedules.CosineAnnealingLR(o, 10, eta_min=-1),
        "CosineAnnealingLR: eta_min must be a finite number that is at least 0, but is -1.",
    ),
    (
        lambda o: schedules.LambdaLR(o, [abs]),
        "LambdaLR: lr_lambda has 1 entries, but the optimizer has 2 parameter groups. "
        "Give one entry for each, or a single value for all.",
    ),
    (
        lambda o: schedules.LambdaLR(o, lambda _: -1.0),
        "SGD: lr must be a finite number that is at least 0, but is -0.1.",
    ),
    (
        lambda o: schedules.OneCycleLR(o, 0.1),
        "OneCycleLR: give total_steps, or both epochs and steps_per_epoch.",
    ),
    (
        lambda o: schedules.OneCycleLR(o, 0.1, 10, anneal_strategy="coz"),
        "OneCycleLR: anneal_strategy must be 'cos' or 'linear', but is 'coz'. Did you mean 'cos'?",
    ),
    (
        lambda o: schedules.OneCycleLR(o, 0.1, 10, pct_start=1.5),
        "OneCycleLR: pct_start must be from 0 to 1, but is 1.5.",
    ),
    (
        lambda _: schedules.OneCycleLR(_optimizer("Adagrad"), 0.1, 10),
        "OneCycleLR: Adagrad has neither momentum nor betas to cycle. Pass cycle_momentum=False.",
    ),
    (
        lambda o: schedules.CyclicLR(o, 0.1, 0.5, 0),
        "CyclicLR: step_size_up must be an integer above 0, but is 0.",
    ),
    (
        lambda o: schedules.CyclicLR(o, 0.1, 0.5, mode="triangle"),
        "CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', but is 'triangle'. "
        "Did you mean 'triangular'?",
    ),
    (
        lambda o: schedules.CyclicLR(o, 0.1, 0.5, scale_fn=abs, scale_mode="cycles"),
        "CyclicLR: scale_mode must be 'cycle' or 'iterations', but is 'cycles'. "
        "Did you mean 'cycle'?",
    ),
    (
        lambda _: schedules.CyclicLR(_optimizer("Adagrad"), 0.1, 0.5),
        "CyclicLR: Adagrad has neither momentum nor betas to cycle. Pass cycle_momentum=False.",
    ),
    (
        lambda o: schedules.CyclicLR(o, [0.1], 0.5),
        "CyclicLR: base_lr has 1 entries, but the optimizer has 2 parameter groups. "
        "Give one entry for each, or a single value for all.",
    ),
    (
        lambda o: schedules.MultiplicativeLR(o, [abs]),
        "MultiplicativeLR: lr_lambda has 1 entries, but the optimizer has 2 parameter groups. "
        "Give one entry for each, or a single value for all.",
    ),
    (
        lambda o: schedules.ReduceLROnPlateau(o, factor=1.0),
        "ReduceLROnPlateau: factor must be at least 0 and below 1, but is 1.0.",
    ),
    (
        lambda o: schedules.ReduceLROnPlateau(o, mode="lowest"),
        "ReduceLROnPlateau: mode must be 'min' or 'max', but is 'lowest'.",
    ),
    (
        lambda o: schedules.SequentialLR(o, [], []),
        "SequentialLR: needs at least one schedule.",
    ),
    (
        lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 3)], [5]),
        "SequentialLR: 1 schedulers need 0 milestones, but there are 1.",
    ),
    (
        lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 3) for _ in range(3)], [5, 5]),
        "SequentialLR: milestones must grow, but are [5, 5].",
    ),
    (
        lambda o: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(o)]),
        "ChainedScheduler: schedule 0 is a ReduceLROnPlateau, but must be one that depends on the "
        "number of steps alone.",
    ),
    (
        lambda o: schedules.ChainedScheduler([schedules.StepLR(_optimizer(), 3)], o),
        "ChainedScheduler: schedule 0 (StepLR) belongs to another optimizer.",
    ),
    (
        lambda o: schedules.WarmUp(schedules.ReduceLROnPlateau(o), 5),
        "WarmUp: schedule must be a schedule that depends on the number of steps, "
        "but is a ReduceLROnPlateau.",
    ),
    (
        lambda o: schedules.StepLR(o, 3, last_epoch=5),
        "StepLR: last_epoch is 5, so this resumes a run, but parameter group 0 has no "
        "'initial_lr'. Load the optimizer's state first, or leave last_epoch out.",
    ),
]


@pytest.mark.parametrize(("build", "message"), MESSAGES, ids=[text[:50] for _, text in MESSAGES])
def test_message(build: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        build(_optimizer())
    assert str(caught.value) == message


def test_loading_messages() -> None:
    mine = _optimizer()
    schedule = schedules.StepLR(mine, 3)
    state = schedule.state_dict()
    before = dict(state)
    wrong = [
        ({**state, "schedule": "LinearLR"}, "this is the state of LinearLR."),
        ({**state, "last_epok": 3}, "the entry 'last_epok' is unknown. Did you mean 'last_epoch'?"),
        (
            {key: value for key, value in state.items() if key != "last_lr"},
            "the entry 'last_lr' is missing.",
        ),
        ({**state, "last_lr": [0.1]}, "'last_lr' has 1 entries, but this schedule needs 2."),
    ]
    for bad, message in wrong:
        with pytest.raises(CheckpointError) as caught:
            schedule.load_state_dict(bad)
        assert str(caught.value) == f"StepLR.load_state_dict: {message}"
    assert schedule.state_dict() == before
