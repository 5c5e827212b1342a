"""Every schedule against PyTorch's, step by step."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError
from steepest.optim import schedules

STEPS = 40
RATES = (0.1, 0.02)
# Schedules that multiply the current rate gather one rounding (1.1e-16) or two in each of 40 steps.
RTOL = 1e-13

Factory = Callable[[Any, Any], Any]


def _cases() -> dict[str, Factory]:
    return {
        "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
        "lambda list": lambda s, o: s.LambdaLR(o, [lambda e: 1 / (e + 1), lambda _: 0.5]),
        "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 1 - 0.5 / epoch),
        "multiplicative list": lambda s, o: s.MultiplicativeLR(
            o, [lambda _: 0.95, lambda epoch: 0.5 if epoch % 7 == 0 else 1.0]
        ),
        "constant": lambda s, o: s.ConstantLR(o),
        "constant options": lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=13),
        "linear": lambda s, o: s.LinearLR(o),
        "linear down": lambda s, o: s.LinearLR(o, 1.0, 0.1, total_iters=17),
        "linear to zero": lambda s, o: s.LinearLR(o, 1.0, 0.0, total_iters=9),
        "step": lambda s, o: s.StepLR(o, 7),
        "step gamma": lambda s, o: s.StepLR(o, step_size=3, gamma=0.7),
        "multistep": lambda s, o: s.MultiStepLR(o, [5, 12, 30]),
        "multistep repeated": lambda s, o: s.MultiStepLR(o, [9, 4, 4], gamma=0.5),
        "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
        "polynomial": lambda s, o: s.PolynomialLR(o),
        "polynomial power": lambda s, o: s.PolynomialLR(o, total_iters=25, power=2.5),
        "cosine": lambda s, o: s.CosineAnnealingLR(o, 10),
        "cosine eta_min": lambda s, o: s.CosineAnnealingLR(o, T_max=13, eta_min=0.003),
        "cosine one": lambda s, o: s.CosineAnnealingLR(o, T_max=1, eta_min=0.003),
        "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 6),
        "restarts growing": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
        "sequential": lambda s, o: s.SequentialLR(
            o, [s.ConstantLR(o, 0.1, total_iters=20), s.ExponentialLR(o, 0.9)], [8]
        ),
        "warm-up then cosine": lambda s, o: s.SequentialLR(
            o, [s.LinearLR(o, 0.01, total_iters=10), s.CosineAnnealingLR(o, 30)], [10]
        ),
        "three in sequence": lambda s, o: s.SequentialLR(
            o,
            [
                s.LinearLR(o, total_iters=4),
                s.StepLR(o, 3, 0.5),
                s.CosineAnnealingWarmRestarts(o, 5),
            ],
            [4, 17],
        ),
        "chained": lambda s, o: s.ChainedScheduler(
            [s.ConstantLR(o, 0.1, total_iters=7), s.ExponentialLR(o, 0.9)]
        ),
        "chained cosine": lambda s, o: s.ChainedScheduler(
            [s.LinearLR(o, total_iters=8), s.CosineAnnealingLR(o, 15), s.MultiStepLR(o, [9, 20])]
        ),
    }


ONE_CYCLE: dict[str, dict[str, Any]] = {
    "defaults": {"max_lr": 0.3, "total_steps": 40},
    "epochs": {"max_lr": 0.3, "epochs": 8, "steps_per_epoch": 5},
    "per group": {
        "max_lr": [0.3, 0.7],
        "total_steps": 40,
        "base_momentum": [0.7, 0.8],
        "max_momentum": [0.9, 0.99],
    },
    "linear": {"max_lr": 0.3, "total_steps": 40, "anneal_strategy": "linear", "pct_start": 0.45},
    "three phases": {"max_lr": 0.3, "total_steps": 41, "three_phase": True},
    "no momentum": {"max_lr": 0.3, "total_steps": 40, "cycle_momentum": False},
    "factors": {"max_lr": 0.3, "total_steps": 40, "div_factor": 10.0, "final_div_factor": 50.0},
}


CYCLIC: dict[str, dict[str, Any]] = {
    "defaults": {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 5},
    "uneven": {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 3, "step_size_down": 8},
    "halving": {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 4, "mode": "triangular2"},
    "exponential": {
        "base_lr": 0.01,
        "max_lr": 0.3,
        "step_size_up": 4,
        "mode": "exp_range",
        "gamma": 0.97,
    },
    "own scale": {
        "base_lr": 0.01,
        "max_lr": 0.3,
        "step_size_up": 4,
        "scale_fn": lambda cycle: 1 / cycle,
    },
    "own scale of steps": {
        "base_lr": 0.01,
        "max_lr": 0.3,
        "step_size_up": 4,
        "scale_fn": lambda step: 1 / (1 + step),
        "scale_mode": "iterations",
    },
    "per group": {
        "base_lr": [0.01, 0.02],
        "max_lr": [0.3, 0.7],
        "step_size_up": 6,
        "base_momentum": [0.7, 0.8],
        "max_momentum": [0.9, 0.99],
    },
    "no momentum": {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 5, "cycle_momentum": False},
}


def _mine(name: str = "SGD", **options: Any) -> Any:
    groups = [{"params": [nn.Parameter(st.ones((2,)))], "lr": rate} for rate in RATES]
    return getattr(optim, name)(groups, **options)


def _theirs(name: str = "SGD", **options: Any) -> Any:
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in RATES]
    return getattr(torch.optim, name)(groups, **options)


def _rates(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def _advance(optimizer: Any, schedule: Any) -> None:
    optimizer.step()
    with warnings.catch_warnings():
        # PyTorch's SequentialLR warns of its own way of calling its schedulers.
        warnings.simplefilter("ignore")
        schedule.step()


@pytest.mark.parametrize("case", _cases())
def test_schedule_equals_pytorch(case: str) -> None:
    build = _cases()[case]
    mine, theirs = _mine(), _theirs()
    ours = build(schedules, mine)
    others = build(torch.optim.lr_scheduler, theirs)
    for _ in range(STEPS):
        np.testing.assert_allclose(_rates(mine), _rates(theirs), rtol=RTOL, atol=1e-17)
        np.testing.assert_allclose(ours.get_last_lr(), _rates(mine), rtol=0)
        np.testing.assert_allclose(ours.get_last_lr(), others.get_last_lr(), rtol=RTOL, atol=1e-17)
        _advance(mine, ours)
        _advance(theirs, others)


@pytest.mark.parametrize("case", ONE_CYCLE)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_cycle_equals_pytorch(name: str, case: str) -> None:
    options = ONE_CYCLE[case]
    extra = {"momentum": 0.9} if name == "SGD" else {}
    mine, theirs = _mine(name, **extra), _theirs(name, **extra)
    ours = schedules.OneCycleLR(mine, **options)
    others = torch.optim.lr_scheduler.OneCycleLR(theirs, **options)
    for _ in range(ours.total_steps):
        np.testing.assert_allclose(_rates(mine), _rates(theirs), rtol=RTOL)
        _assert_momenta_equal(mine, theirs)
        last = _rates(mine)
        _advance(mine, ours)
        _advance(theirs, others)
    assert _rates(mine) == last
    with pytest.raises(ArgumentError) as caught:
        ours.step()
    total = ours.total_steps
    assert str(caught.value) == (
        f"OneCycleLR: step {total + 1} is beyond the cycle's {total} steps. "
        f"Give more total_steps, or stop calling step()."
    )


def _assert_momenta_equal(mine: Any, theirs: Any) -> None:
    for left, right in zip(mine.param_groups, theirs.param_groups, strict=True):
        if "betas" in right:
            betas = [float(beta) for beta in left["betas"]]
            assert betas == pytest.approx(right["betas"], rel=RTOL)
        else:
            assert float(left["momentum"]) == pytest.approx(right["momentum"], rel=RTOL)


@pytest.mark.parametrize("case", CYCLIC)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_cyclic_equals_pytorch(name: str, case: str) -> None:
    extra = {"momentum": 0.9} if name == "SGD" else {}
    mine, theirs = _mine(name, **extra), _theirs(name, **extra)
    ours = schedules.CyclicLR(mine, **CYCLIC[case])
    others = torch.optim.lr_scheduler.CyclicLR(theirs, **CYCLIC[case])
    for _ in range(STEPS):
        # PyTorch finds the place in the cycle by floating point; here it is whole numbers.
        np.testing.assert_allclose(_rates(mine), _rates(theirs), rtol=1e-12)
        assert ours.get_last_lr() == _rates(mine)
        _assert_momenta_equal(mine, theirs)
        _advance(mine, ours)
        _advance(theirs, others)


def test_cyclic_resumes() -> None:
    options = CYCLIC["halving"]
    straight, interrupted = _mine(momentum=0.9), _mine(momentum=0.9)
    whole = schedules.CyclicLR(straight, **options)
    first = schedules.CyclicLR(interrupted, **options)
    for _ in range(7):
        whole.step()
        first.step()
    resumed = _mine(momentum=0.9)
    second = schedules.CyclicLR(resumed, **options)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    resumed.load_state_dict(interrupted.state_dict())
    for _ in range(12):
        assert _rates(resumed) == _rates(straight)
        assert float(resumed.param_groups[0]["momentum"]) == float(
            straight.param_groups[0]["momentum"]
        )
        whole.step()
        second.step()


def test_cyclic_resumes_by_last_epoch() -> None:
    """As if it had never stopped; PyTorch's first rate after resuming is a wrong one."""
    straight, resumed = _mine(), _mine()
    whole = schedules.CyclicLR(straight, 0.01, 0.3, 4, cycle_momentum=False)
    for _ in range(6):
        whole.step()
    for group in resumed.param_groups:
        group["initial_lr"] = 0.01
    second = schedules.CyclicLR(resumed, 0.01, 0.3, 4, cycle_momentum=False, last_epoch=5)
    for _ in range(10):
        assert _rates(resumed) == _rates(straight)
        whole.step()
        second.step()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2},
        {"mode": "max", "patience": 1, "factor": 0.5},
        {"patience": 1, "cooldown": 3},
        {"patience": 0, "threshold": 0.05, "threshold_mode": "abs", "min_lr": [0.01, 0.0]},
        {"mode": "max", "patience": 0, "threshold": 0.05, "threshold_mode": "abs"},
        {"patience": 0, "factor": 0.9, "eps": 5e-3},
    ],
)
def test_plateau_equals_pytorch(options: dict[str, Any]) -> None:
    mine, theirs = _mine(), _theirs()
    ours = schedules.ReduceLROnPlateau(mine, **options)
    others = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    generator = np.random.default_rng(2)
    losses = [*np.linspace(2.0, 1.0, 8), *(1.0 + generator.normal(0.0, 0.1, 40)), np.nan, 0.2]
    for loss in losses:
        mine.step()
        theirs.step()
        ours.step(loss)
        others.step(loss)
        np.testing.assert_allclose(_rates(mine), _rates(theirs), rtol=RTOL)
        assert ours.num_bad_epochs == others.num_bad_epochs
        assert ours.cooldown_counter == others.cooldown_counter
        assert ours.get_last_lr() == _rates(mine)


def test_plateau_takes_a_tensor() -> None:
    mine = _mine()
    schedule = schedules.ReduceLROnPlateau(mine, patience=0)
    schedule.step(st.asarray(1.0))
    schedule.step(st.asarray(2.0))
    np.testing.assert_allclose(_rates(mine), [0.01, 0.002])


def test_warm_up_is_linear_then_hands_over() -> None:
    mine = _mine()
    schedule = schedules.WarmUp(schedules.CosineAnnealingLR(mine, T_max=20), steps=5)
    rates = []
    for _ in range(25):
        rates.append(_rates(mine)[0])
        schedule.step()
    expected = 0.1 * (0.01 + 0.99 * np.arange(5) / 5)
    np.testing.assert_allclose(rates[:5], expected, rtol=1e-13)
    np.testing.assert_allclose(rates[5:], 0.05 * (1 + np.cos(np.pi * np.arange(20) / 20)), 1e-12)


def test_warm_up_around_a_chain() -> None:
    mine = _mine()
    chained = schedules.ChainedScheduler(
        [schedules.ConstantLR(mine, 0.5, total_iters=3), schedules.ExponentialLR(mine, 0.9)]
    )
    schedule = schedules.WarmUp(chained, steps=4, start_factor=0.25)
    rates = []
    for _ in range(9):
        rates.append(_rates(mine)[0])
        schedule.step()
    rising = [0.1 * (0.25 + 0.75 * step / 4) for step in range(4)]
    falling = [0.1 * (0.5 if step < 3 else 1.0) * 0.9**step for step in range(5)]
    np.testing.assert_allclose(rates, rising + falling, rtol=1e-13)


@pytest.mark.parametrize("case", _cases())
def test_state_survives_json(case: str) -> None:
    build = _cases()[case]
    straight, interrupted = _mine(), _mine()
    whole = build(schedules, straight)
    first = build(schedules, interrupted)
    for _ in range(11):
        whole.step()
        first.step()
    saved = json.loads(json.dumps(first.state_dict()))
    optimizer_state = interrupted.state_dict()
    resumed = _mine()
    second = build(schedules, resumed)
    second.load_state_dict(saved)
    resumed.load_state_dict(optimizer_state)
    for _ in range(12):
        assert _rates(resumed) == _rates(straight)
        assert second.get_last_lr() == whole.get_last_lr()
        whole.step()
        second.step()


def test_plateau_state_survives_json() -> None:
    straight, resumed = _mine(), _mine()
    whole = schedules.ReduceLROnPlateau(straight, patience=1)
    assert json.loads(json.dumps(whole.state_dict()))["best"] is None
    for loss in (1.0, 2.0):
        whole.step(loss)
    second = schedules.ReduceLROnPlateau(resumed, patience=1)
    second.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    resumed.load_state_dict(straight.state_dict())
    for loss in (1.5, 0.9, 2.0, 2.0, 2.0):
        whole.step(loss)
        second.step(loss)
        assert _rates(resumed) == _rates(straight)


@pytest.mark.parametrize(
    "case",
    [
        "lambda",
        "multiplicative",
        "step gamma",
        "exponential",
        "linear",
        "cosine",
        "restarts growing",
    ],
)
def test_resuming_by_last_epoch_equals_pytorch(case: str) -> None:
    results = []
    for library, make in ((schedules, _mine), (torch.optim.lr_scheduler, _theirs)):
        optimizer = make()
        for group, rate in zip(optimizer.param_groups, RATES, strict=True):
            group["initial_lr"] = rate
            group["lr"] = rate * 0.7
        name = {
            "lambda": lambda o, s=library: s.LambdaLR(o, lambda e: 0.9**e, last_epoch=4),
            "multiplicative": lambda o, s=library: s.MultiplicativeLR(
                o, lambda e: 1 - 0.1 / e, last_epoch=4
            ),
            "step gamma": lambda o, s=library: s.StepLR(o, 3, 0.7, last_epoch=4),
            "exponential": lambda o, s=library: s.ExponentialLR(o, 0.9, last_epoch=4),
            "linear": lambda o, s=library: s.LinearLR(o, total_iters=9, last_epoch=4),
            "cosine": lambda o, s=library: s.CosineAnnealingLR(o, 10, last_epoch=4),
            "restarts growing": lambda o, s=library: s.CosineAnnealingWarmRestarts(
                o, 3, 2, last_epoch=4
            ),
        }
        schedule = name[case](optimizer)
        found = []
        for _ in range(8):
            found.append(_rates(optimizer))
            _advance(optimizer, schedule)
        results.append(found)
    np.testing.assert_allclose(results[0], results[1], rtol=RTOL)
