"""Fifty steps of every optimizer equal PyTorch's, option by option."""

from __future__ import annotations

from typing import Any

import numpy as np
import optim_oracle as oracle
import pytest
import torch

import steepest as st
from steepest import nn, optim

# One step rounds some ten times, by at most 1.1e-16 relative each; over 50 steps of a problem that
# damps old errors this stays below 1e-14, and for RAdam, whose rectification subtracts nearly equal
# numbers, at 1e-13 (both measured). RTOL leaves one more digit, and no more.
RTOL = 1e-12
ATOL = 1e-13

GRID: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.3}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": -0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.01, "maximize": True, "momentum": 0.5, "weight_decay": 0.2}),
    *[
        (name, options)
        for name in ("Adam", "AdamW")
        for options in (
            {},
            {"lr": 0.05},
            {"lr": 0.05, "betas": (0.8, 0.95)},
            {"lr": 0.05, "betas": (0.0, 0.0)},
            {"lr": 0.05, "eps": 1e-3},
            {"lr": 0.05, "weight_decay": 0.0},
            {"lr": 0.05, "weight_decay": 0.2},
            {"lr": 0.05, "amsgrad": True},
            {"lr": 0.05, "amsgrad": True, "weight_decay": 0.2, "maximize": True},
            {"lr": 0.05, "maximize": True},
        )
    ],
    ("Adam", {"lr": 0.05, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    *[
        (name, options)
        for name in ("NAdam", "RAdam")
        for options in (
            {},
            {"lr": 0.05},
            {"lr": 0.05, "betas": (0.8, 0.95)},
            {"lr": 0.05, "betas": (0.8, 0.6)},
            {"lr": 0.05, "eps": 1e-3},
            {"lr": 0.05, "weight_decay": 0.2},
            {"lr": 0.05, "weight_decay": 0.2, "decoupled_weight_decay": True},
            {"lr": 0.05, "weight_decay": 0.2, "maximize": True},
        )
    ],
    ("NAdam", {"lr": 0.05, "momentum_decay": 0.05}),
    ("NAdam", {"lr": 0.05, "momentum_decay": 0.0}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.95)}),
    ("Adamax", {"lr": 0.05, "betas": (0.8, 0.5)}),
    ("Adamax", {"lr": 0.05, "eps": 1e-2, "weight_decay": 0.2}),
    ("Adamax", {"lr": 0.05, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.05}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.2}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "eps": 1e-2, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7}),
    ("Adadelta", {"eps": 1e-3, "weight_decay": 0.2}),
    ("Adadelta", {"rho": 0.0}),
    ("Adadelta", {"maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.02, "weight_decay": 0.2}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "maximize": True}),
]


def _label(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    return ",".join(f"{key}={value}" for key, value in entry.items()) or "defaults"


@pytest.mark.parametrize(("name", "options"), GRID, ids=_label)
def test_trajectory_equals_pytorch(name: str, options: dict[str, Any]) -> None:
    mine, theirs = oracle.both(name, options)
    for first in range(0, oracle.STEPS, 10):
        oracle.run_steepest(mine, 10, first)
        oracle.run_torch(theirs, 10, first)
        oracle.assert_same_parameters(mine, theirs, RTOL, ATOL)


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop"]
)
def test_defaults_are_those_of_pytorch(name: str) -> None:
    mine, theirs = oracle.both(name, {})
    ours = mine.state_dict()["param_groups"][0]
    for key, value in theirs.defaults.items():
        if key in ours:
            assert ours[key] == (list(value) if isinstance(value, tuple) else value), key
    extra = set(ours) - set(theirs.defaults)
    assert extra == {"params", "l1"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}),
        ("AdamW", {"lr": 0.05}),
        ("NAdam", {"lr": 0.05}),
        ("RAdam", {"lr": 0.05}),
        ("Adamax", {"lr": 0.05}),
        ("Adagrad", {"lr": 0.1, "lr_decay": 0.05}),
        ("Adadelta", {}),
        ("RMSprop", {"lr": 0.02, "momentum": 0.8}),
    ],
    ids=_label,
)
def test_float32_stays_within_its_rounding(name: str, options: dict[str, Any]) -> None:
    # As above with 6e-8 for 1.1e-16: the parameters, of size 1, drift apart by a few 1e-6.
    mine, theirs = oracle.both(name, options, "float32")
    oracle.run_steepest(mine)
    oracle.run_torch(theirs)
    oracle.assert_same_parameters(mine, theirs, rtol=1e-5, atol=1e-5)
    for parameter in mine.param_groups[0]["params"]:
        assert parameter.dtype is st.float32


def test_groups_with_their_own_options() -> None:
    options = [{"lr": 0.05}, {"weight_decay": 0.3, "betas": (0.5, 0.9)}, {"amsgrad": True}]
    ours = oracle.steepest_parameters()
    others = oracle.torch_parameters()
    mine = optim.Adam(
        [{"params": [each], **extra} for each, extra in zip(ours, options, strict=True)], lr=0.01
    )
    theirs = torch.optim.Adam(
        [{"params": [each], **extra} for each, extra in zip(others, options, strict=True)],
        lr=0.01,
        foreach=False,
    )
    oracle.run_steepest(mine)
    oracle.run_torch(theirs)
    oracle.assert_same_parameters(mine, theirs, RTOL, ATOL)


def test_hyperparameters_changed_on_the_way() -> None:
    mine, theirs = oracle.both("AdamW", {"lr": 0.05})
    for first, (lr, betas, decay) in enumerate(
        [(0.05, (0.9, 0.999), 0.01), (0.01, (0.8, 0.99), 0.0), (0.2, (0.0, 0.9), 0.3)]
    ):
        for optimizer in (mine, theirs):
            optimizer.param_groups[0]["lr"] = lr
            optimizer.param_groups[0]["betas"] = betas
            optimizer.param_groups[0]["weight_decay"] = decay
        oracle.run_steepest(mine, 10, 10 * first)
        oracle.run_torch(theirs, 10, 10 * first)
        oracle.assert_same_parameters(mine, theirs, RTOL, ATOL)


def test_group_added_on_the_way() -> None:
    ours = oracle.steepest_parameters()
    others = oracle.torch_parameters()
    mine = optim.Adam(ours[:2], lr=0.05)
    theirs = torch.optim.Adam(others[:2], lr=0.05, foreach=False)
    oracle.run_steepest(mine, 10)
    oracle.run_torch(theirs, 10)
    mine.add_param_group({"params": ours[2], "lr": 0.01})
    theirs.add_param_group({"params": others[2], "lr": 0.01})
    oracle.run_steepest(mine, 10, 10)
    oracle.run_torch(theirs, 10, 10)
    oracle.assert_same_parameters(mine, theirs, RTOL, ATOL)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.2}, {"maximize": True}], ids=_label)
def test_lion_follows_its_paper(options: dict[str, Any]) -> None:
    mine = optim.Lion(oracle.steepest_parameters(), lr=0.01, betas=(0.8, 0.95), **options)
    oracle.run_steepest(mine)
    climbing = -1.0 if options.get("maximize") else 1.0
    decay = options.get("weight_decay", 0.0)
    for position, start in enumerate(oracle.starting_points()):
        weight = start
        average = np.zeros_like(start)
        for step in range(oracle.STEPS):
            slope = climbing * oracle.gradient(weight, position, step)
            direction = np.sign(0.8 * average + 0.2 * slope)
            average = 0.95 * average + 0.05 * slope
            weight = weight - 0.01 * (direction + decay * weight)
        found = mine.param_groups[0]["params"][position].numpy()
        np.testing.assert_allclose(found, weight, rtol=RTOL, atol=ATOL)


ALL_NAMES = [
    "SGD",
    "Lion",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "Adagrad",
    "Adadelta",
    "RMSprop",
]


@pytest.mark.parametrize("name", ALL_NAMES)
def test_l1_adds_its_subgradient(name: str) -> None:
    with_option = getattr(optim, name)(oracle.steepest_parameters(), lr=0.05, l1=0.3)
    by_hand = getattr(optim, name)(oracle.steepest_parameters(), lr=0.05)
    for step in range(10):
        for position, parameter in enumerate(with_option.param_groups[0]["params"]):
            slope = oracle.gradient(parameter.numpy(), position, step)
            parameter.grad = st.asarray(slope)
        for position, parameter in enumerate(by_hand.param_groups[0]["params"]):
            slope = oracle.gradient(parameter.numpy(), position, step)
            parameter.grad = st.asarray(slope + 0.3 * np.sign(parameter.numpy()))
        with_option.step()
        by_hand.step()
    oracle.assert_bitwise_equal(with_option, by_hand)


def test_l1_brings_useless_weights_to_zero() -> None:
    weight = nn.Parameter(st.asarray(np.array([1.0, 1.0])))
    optimizer = optim.SGD([weight], lr=0.01, l1=0.5)
    for _ in range(1000):
        weight.grad = st.asarray(np.array([1.0, 0.0])) * (weight - 3.0)
        optimizer.step()
    np.testing.assert_allclose(weight.numpy(), [2.5, 0.0], atol=0.006)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_gradient_of_zero_divides_nothing_by_zero(name: str) -> None:
    weight = nn.Parameter(st.asarray(np.array([1.0, -2.0], dtype=np.float32)))
    optimizer = getattr(optim, name)([weight])
    for _ in range(3):
        weight.grad = st.zeros((2,))
        optimizer.step()
    assert np.isfinite(weight.numpy()).all()


@pytest.mark.parametrize("name", ALL_NAMES)
def test_bfloat16_parameters_keep_float32_state(name: str) -> None:
    weight = nn.Parameter(st.asarray(np.array([1.0, -2.0, 0.5]), dtype=st.bfloat16))
    optimizer = getattr(optim, name)([weight], lr=0.5)
    weight.grad = st.asarray(np.array([1.0, -1.0, 2.0]), dtype=st.bfloat16)
    before = np.array(weight.tolist())
    optimizer.step()
    assert weight.dtype is st.bfloat16
    assert (np.array(weight.tolist()) != before).any()
    for value in optimizer.state[weight].values():
        assert value.dtype is (st.float64 if value.shape == () else st.float32)


def test_centered_rmsprop_survives_rounding_below_zero() -> None:
    # With equal gradients the spread tends to 0, and rounding brings some of these below.
    slopes = np.random.default_rng(0).uniform(0.01, 3.0, 200)
    weight = nn.Parameter(st.ones((200,), dtype=st.float64))
    optimizer = optim.RMSprop([weight], centered=True, alpha=0.5)
    was_below = False
    for _ in range(80):
        weight.grad = st.asarray(slopes)
        optimizer.step()
        state = {name: value.numpy() for name, value in optimizer.state[weight].items()}
        was_below |= bool((state["square_avg"] < state["grad_avg"] ** 2).any())
    assert was_below
    assert np.isfinite(weight.numpy()).all()
