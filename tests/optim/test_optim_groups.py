"""Parameter groups, hyperparameters, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError, DTypeError, SteepestError


def _weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(st.ones(shape or (2, 3)))


class _HasParameters:
    def parameters(self) -> list[nn.Parameter]:
        return [_weight()]


W = _weight()

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: optim.SGD(W),
        "SGD: params must be an iterable of parameters, but is one tensor of shape (2, 3). "
        "Pass [parameter].",
    ),
    (
        lambda: optim.SGD(_HasParameters()),
        "SGD: params must be an iterable of parameters, but is a _HasParameters. "
        "Pass model.parameters().",
    ),
    (
        lambda: optim.SGD({"weight": W}),
        "SGD: params must be an iterable of parameters, but is a dictionary. Pass a list: "
        "[{'params': ...}] for groups, or mapping.items() for named parameters.",
    ),
    (
        lambda: optim.SGD(3),
        "SGD: params must be an iterable of parameters, but is 3. Pass model.parameters().",
    ),
    (
        lambda: optim.SGD([]),
        "SGD: params is empty, so there is nothing to optimize. A generator such as "
        "model.parameters() can be used only once: call it again for each optimizer.",
    ),
    (
        lambda: optim.SGD([{"params": []}]),
        "SGD: a parameter group is empty.",
    ),
    (
        lambda: optim.SGD([{"parms": [W]}]),
        "SGD: a parameter group needs an entry 'params', but has only 'parms'. "
        "Did you mean 'parms'?",
    ),
    (
        lambda: optim.SGD([{"params": [W]}, _weight()]),
        "SGD: params mixes group dictionaries with Parameter. "
        "Wrap the loose parameters in a group: {'params': [...]}.",
    ),
    (
        lambda: optim.SGD([W, 3.0]),
        "SGD: a parameter must be a steepest.Tensor, but one is a float.",
    ),
    (
        lambda: optim.SGD([("weight", W), _weight()]),
        "SGD: some parameters come with a name and some without. "
        "Pass model.parameters() or model.named_parameters().",
    ),
    (
        lambda: optim.SGD([{"params": [("weight", W)]}, {"params": [_weight()]}]),
        "SGD: some parameter groups come with names and some without. "
        "Name the parameters of all groups, or of none.",
    ),
    (
        lambda: optim.SGD([W, _weight(), W]),
        "SGD: parameter of shape (2, 3) is given twice (as number 0 and number 2), so it would be "
        "updated twice in each step. Leave one out.",
    ),
    (
        lambda: optim.SGD([{"params": [("head.weight", W)]}, {"params": [("tied", W)]}]),
        "SGD: parameter 'tied' (2, 3) is given twice (as number 0 and number 1), so it would be "
        "updated twice in each step. Leave one out.",
    ),
    (
        lambda: optim.SGD([("index", st.asarray([1, 2]))]),
        "SGD: parameter 'index' (2,) is int64, and only floating-point parameters have a gradient.",
    ),
    (
        lambda: optim.Adam([{"params": [W], "beta": 0.9}]),
        "Adam: 'beta' is not an option of a parameter group. Did you mean 'betas'? The options are "
        "lr, betas, eps, weight_decay, amsgrad, maximize, decoupled_weight_decay, l1, params, "
        "param_names, initial_lr.",
    ),
    (
        lambda: optim.Adam([{"params": [W]}, {"params": [_weight()], "lr": -1}]),
        "Adam, parameter group 1: lr must be a finite number above 0, but is -1.",
    ),
    (
        lambda: optim.SGD([W], lr=0.0),
        "SGD: lr must be a finite number above 0, but is 0.0.",
    ),
    (
        lambda: optim.SGD([W], lr=math.nan),
        "SGD: lr must be a finite number above 0, but is nan.",
    ),
    (
        lambda: optim.SGD([W], lr=math.inf),
        "SGD: lr must be a finite number above 0, but is inf.",
    ),
    (
        lambda: optim.SGD([W], lr="0.1"),  # type: ignore[arg-type]
        "SGD: lr must be a finite number above 0, but is '0.1' (str).",
    ),
    (
        lambda: optim.SGD([W], lr=st.ones((2,))),  # type: ignore[arg-type]
        "SGD: lr must be one number, but is an array of shape (2,).",
    ),
    (
        lambda: optim.SGD([W], momentum=1.5),
        "SGD: momentum must be a number from 0 to 1, but is 1.5.",
    ),
    (
        lambda: optim.SGD([W], nesterov=True),
        "SGD: nesterov needs momentum above 0 and dampening 0, but momentum is 0.0 and dampening "
        "is 0.0.",
    ),
    (
        lambda: optim.SGD([{"params": [W], "dampening": 0.5}], momentum=0.9, nesterov=True),
        "SGD: nesterov needs momentum above 0 and dampening 0, but momentum is 0.9 and dampening "
        "is 0.5.",
    ),
    (
        lambda: optim.SGD([W], nesterov=1),  # type: ignore[arg-type]
        "SGD: nesterov must be True or False, but is 1.",
    ),
    (
        lambda: optim.Adam([W], betas=(1.0, 0.9)),
        "Adam: betas[0] must be at least 0 and below 1, but is 1.0.",
    ),
    (
        lambda: optim.Adam([W], betas=0.9),  # type: ignore[arg-type]
        "Adam: betas must be two numbers, each at least 0 and below 1, but is 0.9.",
    ),
    (
        lambda: optim.Adam([W], weight_decay=-0.1),
        "Adam: weight_decay must be a finite number that is at least 0, but is -0.1.",
    ),
    (
        lambda: optim.Adam([W], eps=0.0),
        "Adam: eps must be a finite number above 0, but is 0.0: it keeps the step from dividing "
        "0 by 0 where a gradient is 0.",
    ),
    (
        lambda: optim.Adam([("weight", W)], eps=1e-50),
        "Adam: eps 1e-50 counts as 0 in float32, the data type of parameter 'weight' (2, 3). "
        "Use at least 1.18e-38.",
    ),
    (
        lambda: optim.SGD([W]).add_param_group([_weight()]),  # type: ignore[arg-type]
        "SGD: a parameter group must be a dictionary with an entry 'params', but is a list.",
    ),
]


@pytest.mark.parametrize(("build", "message"), REFUSED, ids=[text[:60] for _, text in REFUSED])
def test_refused(build: Callable[[], Any], message: str) -> None:
    with pytest.raises((ArgumentError, DTypeError)) as caught:
        build()
    assert str(caught.value) == message


def test_unknown_option_of_the_constructor() -> None:
    with pytest.raises(TypeError, match="foreach"):
        optim.Adam([W], foreach=True)  # type: ignore[call-arg]


def test_group_reads_and_writes_like_a_dictionary() -> None:
    optimizer = optim.AdamW([("weight", _weight())], lr=0.1)
    group = optimizer.param_groups[0]
    rate = group["lr"]
    assert rate.shape == ()
    assert rate.dtype is st.float64
    assert float(rate) == 0.1
    group["lr"] = 0.25
    assert group["lr"] is rate
    assert float(rate) == 0.25
    first, second = group["betas"]
    group["betas"] = (0.5, 0.75)
    assert group["betas"][0] is first
    assert (float(first), float(second)) == (0.5, 0.75)
    assert group["amsgrad"] is False
    assert group["param_names"] == ["weight"]
    assert len(group["params"]) == 1
    assert group.get("momentum") is None
    assert list(group) == [
        "params",
        "param_names",
        "lr",
        "betas",
        "eps",
        "weight_decay",
        "amsgrad",
        "maximize",
        "l1",
    ]
    assert len(group) == 9
    assert "lr=0.25" in repr(group)
    assert repr(optimizer).startswith("AdamW(ParameterGroup(1 parameters, lr=0.25, betas=(0.5")


def test_group_takes_numbers_of_any_kind() -> None:
    group = optim.Adam([_weight()], lr=np.float32(0.5)).param_groups[0]
    assert float(group["lr"]) == 0.5
    for value in (1, np.float64(1.0), np.array(1.0), np.array([1.0]), st.asarray(1.0)):
        group["lr"] = 0.5
        group["lr"] = value
        assert float(group["lr"]) == 1.0


def test_group_refuses() -> None:
    group = optim.SGD([_weight()]).param_groups[0]
    calls: list[tuple[Callable[[], Any], str]] = [
        (
            lambda: group.__setitem__("learning_rate", 0.1),
            "SGD: 'learning_rate' is not an option. The options are lr, momentum, dampening, "
            "weight_decay, nesterov, maximize, l1.",
        ),
        (
            lambda: group.__setitem__("momentun", 0.1),
            "SGD: 'momentun' is not an option. Did you mean 'momentum'? The options are lr, "
            "momentum, dampening, weight_decay, nesterov, maximize, l1.",
        ),
        (
            lambda: group.__setitem__("lr", -0.1),
            "SGD: lr must be a finite number that is at least 0, but is -0.1.",
        ),
        (
            lambda: group.__setitem__("params", []),
            "SGD: the parameters of a group cannot be replaced. "
            "Add a group with add_param_group, or build a new optimizer.",
        ),
        (
            lambda: group.__delitem__("lr"),
            "SGD: 'lr' cannot be removed from a parameter group.",
        ),
    ]
    for call, message in calls:
        with pytest.raises(ArgumentError) as caught:
            call()
        assert str(caught.value) == message
    with pytest.raises(KeyError):
        group["learning_rate"]
    assert float(group["lr"]) == 1e-3


def test_a_rate_of_zero_is_for_schedules() -> None:
    weight = _weight()
    optimizer = optim.SGD([weight], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.0
    weight.grad = st.ones((2, 3))
    optimizer.step()
    np.testing.assert_array_equal(weight.numpy(), np.ones((2, 3)))


def test_optional_terms_come_and_stay() -> None:
    group = optim.SGD([_weight()]).param_groups[0]
    assert group["momentum"] == 0.0
    assert isinstance(group["momentum"], float)
    group["momentum"] = 0.5
    momentum = group["momentum"]
    assert isinstance(momentum, st.Tensor)
    group["momentum"] = 0.0
    assert group["momentum"] is momentum


def test_frozen_parameters_and_those_without_gradient_stay() -> None:
    frozen, idle, moving = _weight(), _weight(), _weight()
    for weight in (frozen, moving):
        weight.grad = st.ones((2, 3))
    frozen.requires_grad = False
    optimizer = optim.AdamW([frozen, idle, moving], lr=0.1)
    optimizer.step()
    np.testing.assert_array_equal(frozen.numpy(), np.ones((2, 3)))
    np.testing.assert_array_equal(idle.numpy(), np.ones((2, 3)))
    assert (moving.numpy() < 1).all()
    assert float(optimizer.state[idle]["step"]) == 0.0
    assert float(optimizer.state[moving]["step"]) == 1.0
    assert frozen not in optimizer.state


def test_zero_grad() -> None:
    weight, other = _weight(), _weight()
    optimizer = optim.SGD([weight, other])
    weight.grad = st.ones((2, 3))
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(weight.grad.numpy(), np.zeros((2, 3)))
    assert other.grad is None
    optimizer.zero_grad()
    assert weight.grad is None


def test_closure() -> None:
    weight = nn.Parameter(st.asarray([3.0]))
    optimizer = optim.SGD([weight], lr=0.25)

    def closure() -> st.Tensor:
        optimizer.zero_grad()
        loss = st.sum(weight * weight)
        loss.backward()
        return loss

    assert float(optimizer.step(closure)) == 9.0
    assert weight.tolist() == [1.5]
    assert optimizer.step() is None


def test_a_refused_group_leaves_the_optimizer_as_it_was() -> None:
    optimizer = optim.Adam([_weight()])
    for bad in ({"params": [_weight()], "eps": 0}, {"params": [_weight(), 3]}, {"params": []}):
        with pytest.raises(SteepestError):
            optimizer.add_param_group(bad)
        assert len(optimizer.param_groups) == 1
        assert len(optimizer.state) == 1


def test_step_leaves_no_history() -> None:
    weight = nn.Parameter(st.asarray([3.0]))
    optimizer = optim.Adam([weight])
    for _ in range(2):
        optimizer.zero_grad()
        loss = st.sum(weight * weight)
        loss.backward()
        optimizer.step()
    assert weight.requires_grad
    assert not any(value.requires_grad for value in optimizer.state[weight].values())
