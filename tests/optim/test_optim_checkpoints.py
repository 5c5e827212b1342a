"""Saving and loading an optimizer's state."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import optim_oracle as oracle
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import CheckpointError

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    ("Lion", {"lr": 0.01}),
    ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("AdamW", {"lr": 0.05}),
    ("NAdam", {"lr": 0.05}),
    ("RAdam", {"lr": 0.05}),
    ("Adamax", {"lr": 0.05}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("Adadelta", {"lr": 0.5}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True}),
]


def _through_files(state: dict[str, Any]) -> dict[str, Any]:
    """Flatten a state as the documentation says, and build it up again."""
    tensors = {
        f"state.{number}.{name}": value.numpy().copy()
        for number, entries in state["state"].items()
        for name, value in entries.items()
    }
    rest = json.loads(json.dumps({key: state[key] for key in ("optimizer", "param_groups")}))
    rest["state"] = {}
    for key, array in tensors.items():
        _, number, name = key.split(".")
        rest["state"].setdefault(number, {})[name] = array
    return rest


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_resumed_run_continues_bit_by_bit(name: str, options: dict[str, Any], dtype: str) -> None:
    straight = getattr(optim, name)(oracle.steepest_parameters(dtype), **options)
    oracle.run_steepest(straight, 8)
    saved = _through_files(straight.state_dict())
    weights = [each.numpy().copy() for each in straight.param_groups[0]["params"]]
    resumed = getattr(optim, name)([nn.Parameter(st.asarray(each)) for each in weights], **options)
    resumed.load_state_dict(saved)
    oracle.run_steepest(straight, 5, 8)
    oracle.run_steepest(resumed, 5, 8)
    oracle.assert_bitwise_equal(straight, resumed)


def test_the_loaded_state_is_a_copy() -> None:
    first = optim.Adam(oracle.steepest_parameters())
    oracle.run_steepest(first, 3)
    second = optim.Adam(oracle.steepest_parameters())
    second.load_state_dict(first.state_dict())
    before = oracle.numbers_of(first)
    oracle.run_steepest(second, 3)
    for key, numbers in oracle.numbers_of(first).items():
        np.testing.assert_array_equal(numbers, before[key])


def test_layout() -> None:
    parameters = oracle.steepest_parameters()
    named = [("weight", parameters[0]), ("bias", parameters[1])]
    optimizer = optim.Adam(
        [{"params": named}, {"params": [("tail", parameters[2])], "lr": 0.5}], weight_decay=0.25
    )
    state = optimizer.state_dict()
    assert list(state) == ["optimizer", "state", "param_groups"]
    assert state["optimizer"] == "Adam"
    assert list(state["state"]) == ["0", "1", "2"]
    assert list(state["state"]["0"]) == ["step", "exp_avg", "exp_avg_sq"]
    assert state["state"]["0"]["step"].shape == ()
    assert state["state"]["0"]["step"].dtype is st.float64
    assert state["param_groups"][1] == {
        "params": [2],
        "param_names": ["tail"],
        "lr": 0.5,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.25,
        "amsgrad": False,
        "maximize": False,
        "decoupled_weight_decay": False,
        "l1": 0.0,
    }
    assert state["param_groups"][0]["params"] == [0, 1]


def test_the_same_entries_before_the_first_step_and_after() -> None:
    for name, options in CASES:
        optimizer = getattr(optim, name)(oracle.steepest_parameters(), **options)
        before = {key: list(value) for key, value in optimizer.state_dict()["state"].items()}
        oracle.run_steepest(optimizer, 1)
        after = {key: list(value) for key, value in optimizer.state_dict()["state"].items()}
        assert before == after


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": 0.05, "momentum": 0.9}),
        ("Adam", {"lr": 0.05, "amsgrad": True}),
        ("AdamW", {"lr": 0.05}),
        ("NAdam", {"lr": 0.05}),
        ("RAdam", {"lr": 0.05}),
        ("Adamax", {"lr": 0.05}),
        ("Adagrad", {"lr": 0.1}),
        ("Adadelta", {}),
        ("RMSprop", {"lr": 0.02, "momentum": 0.8, "centered": True}),
    ],
)
def test_state_saved_by_pytorch_continues(name: str, options: dict[str, Any]) -> None:
    mine, theirs = oracle.both(name, options)
    oracle.run_torch(theirs, 10)
    for ours, other in zip(
        mine.param_groups[0]["params"], theirs.param_groups[0]["params"], strict=True
    ):
        ours.assign(other.detach().numpy().copy())
    mine.load_state_dict(theirs.state_dict())
    oracle.run_steepest(mine, 10, 10)
    oracle.run_torch(theirs, 10, 10)
    oracle.assert_same_parameters(mine, theirs, rtol=1e-12, atol=1e-13)


def test_hyperparameters_are_loaded() -> None:
    first = optim.SGD(oracle.steepest_parameters(), lr=0.05, momentum=0.5)
    first.param_groups[0]["lr"] = 0.007
    optim.ExponentialLR(first, 0.5)
    second = optim.SGD(oracle.steepest_parameters(), lr=0.9)
    rate = second.param_groups[0]["lr"]
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] is rate
    assert float(rate) == 0.007
    assert float(second.param_groups[0]["momentum"]) == 0.5
    assert second.param_groups[0]["initial_lr"] == 0.007
    assert list(second.state[second.param_groups[0]["params"][0]]) == ["momentum_buffer"]


def test_a_term_scheduled_down_to_zero_keeps_its_state() -> None:
    first = optim.SGD(oracle.steepest_parameters(), lr=0.05, momentum=0.5)
    oracle.run_steepest(first, 3)
    first.param_groups[0]["momentum"] = 0.0
    second = optim.SGD(oracle.steepest_parameters(), lr=0.05, momentum=0.5)
    second.load_state_dict(first.state_dict())
    assert float(second.param_groups[0]["momentum"]) == 0.0
    buffer = second.state[second.param_groups[0]["params"][0]]["momentum_buffer"]
    assert (buffer.numpy() != 0).all()


def test_frozen_parameters_have_no_state_until_they_are_needed() -> None:
    parameters = oracle.steepest_parameters()
    parameters[0].requires_grad = False
    optimizer = optim.Adam(parameters)
    saved = optimizer.state_dict()
    assert list(saved["state"]) == ["1", "2"]
    again = oracle.steepest_parameters()
    again[0].requires_grad = False
    other = optim.Adam(again)
    other.load_state_dict(saved)
    again[0].requires_grad = True
    assert list(other.state_dict()["state"]) == ["0", "1", "2"]


def _changed(state: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    copy = {
        "optimizer": state["optimizer"],
        "state": {key: dict(value) for key, value in state["state"].items()},
        "param_groups": [dict(group) for group in state["param_groups"]],
    }
    change(copy)
    return copy


def _set(path: tuple[Any, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return change


def _delete(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    return change


BAD = [
    (_delete("state"), "the entry 'state' is missing. Did you mean 'stat'? "),
    (
        _set(("optimizer",), "RMSprop"),
        "this is the state of RMSprop. Build optim.RMSprop to load it.",
    ),
    (
        _set(("param_groups",), []),
        "the state has 0 parameter groups, but this optimizer has 1.",
    ),
    (
        _set(("param_groups", 0, "params"), [0, 1]),
        "parameter group 0: the state has 2 parameters, but this optimizer has 3.",
    ),
    (
        _set(("param_groups", 0, "amsgard"), True),
        "parameter group 0: option 'amsgard' is unknown. Did you mean 'amsgrad'?",
    ),
    (_delete("param_groups", 0, "lr"), "parameter group 0: option 'lr' is missing."),
    (
        _set(("param_groups", 0, "lr"), -1.0),
        "parameter group 0: lr must be a finite number that is at least 0, but is -1.0.",
    ),
    (
        _set(("state", "7"), {}),
        "the state of parameter 7 belongs to no group.",
    ),
    (
        _delete("state", "1", "exp_avg"),
        "parameter of shape (4,): state 'exp_avg' is missing. Was the parameter frozen, or another "
        "option set, when the state was saved?",
    ),
    (
        _set(("state", "1", "exp_average"), np.zeros(4)),
        "parameter of shape (4,): state 'exp_average' is unknown. Did you mean 'exp_avg'?",
    ),
    (
        _set(("state", "0", "exp_avg"), np.zeros((4, 3))),
        "parameter of shape (3, 4): state 'exp_avg' has shape (4, 3), but must have (3, 4).",
    ),
    (
        _set(("state", "2", "exp_avg_sq"), np.zeros((2, 1, 3), dtype=np.float32)),
        "parameter of shape (2, 1, 3): state 'exp_avg_sq' is float32, but must be float64.",
    ),
    (
        _set(("state", "2", "exp_avg_sq"), np.full((2, 1, 3), "x")),
        "parameter of shape (2, 1, 3): state 'exp_avg_sq' is <U1, but must be float64.",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[text[:60] for _, text in BAD])
def test_a_state_that_does_not_fit_changes_nothing(
    change: Callable[[dict[str, Any]], None], message: str
) -> None:
    source = optim.Adam(oracle.steepest_parameters(), lr=0.5)
    oracle.run_steepest(source, 3)
    target = optim.Adam(oracle.steepest_parameters(), lr=0.05)
    oracle.run_steepest(target, 2)
    before = oracle.numbers_of(target)
    bad = _changed(source.state_dict(), change)
    if "state" not in bad:
        bad["stat"] = {}
        message += "Pass what Adam.state_dict() returned."
    with pytest.raises(CheckpointError) as caught:
        target.load_state_dict(bad)
    assert str(caught.value) == f"Adam.load_state_dict: {message}"
    assert float(target.param_groups[0]["lr"]) == 0.05
    for key, numbers in oracle.numbers_of(target).items():
        np.testing.assert_array_equal(numbers, before[key])


def test_names_must_agree() -> None:
    first = optim.SGD([("weight", oracle.steepest_parameters()[0])])
    second = optim.SGD([("kernel", oracle.steepest_parameters()[0])])
    with pytest.raises(CheckpointError) as caught:
        second.load_state_dict(first.state_dict())
    assert str(caught.value) == (
        "SGD.load_state_dict: parameter group 0: the state is of parameter 'weight' where this "
        "optimizer has 'kernel'."
    )
    with pytest.raises(CheckpointError) as caught:
        second.load_state_dict([1])  # type: ignore[arg-type]
    assert str(caught.value) == (
        "SGD.load_state_dict: the state must be a dictionary, but is a list."
    )
