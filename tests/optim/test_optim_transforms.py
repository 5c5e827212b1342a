"""Transforms one by one, and optimizers chained from them."""

from __future__ import annotations

import numpy as np
import optim_oracle as oracle
import pytest
import torch

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError
from steepest.optim import transforms


def _apply(transform: transforms.Transform, gradient: list[float], **hyperparameters: object):
    parameter = st.asarray(np.array([1.0, -2.0]))
    joined = transforms.chain(transform)
    state = {name: slot.create(parameter) for name, slot in joined.slots(hyperparameters).items()}
    before = {name: value.numpy().copy() for name, value in state.items()}
    update, changed = joined.update(
        st.asarray(np.array(gradient)), state, parameter, hyperparameters
    )
    for name, value in state.items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    np.testing.assert_array_equal(parameter.numpy(), [1.0, -2.0])
    return update.numpy(), {name: value.numpy() for name, value in changed.items()}


def test_penalties() -> None:
    update, changed = _apply(transforms.add_l1(), [0.5, 0.5], l1=0.25)
    np.testing.assert_array_equal(update, [0.75, 0.25])
    assert changed == {}
    update, _ = _apply(transforms.add_weight_decay(), [0.5, 0.5], weight_decay=0.5)
    np.testing.assert_array_equal(update, [1.0, -0.5])
    update, _ = _apply(
        transforms.add_weight_decay(unless="apart"), [0.5, 0.5], weight_decay=0.5, apart=True
    )
    np.testing.assert_array_equal(update, [0.5, 0.5])
    update, _ = _apply(
        transforms.decoupled_weight_decay(when="apart"), [0.5, 0.5], weight_decay=0.5, apart=True
    )
    np.testing.assert_array_equal(update, [1.0, -0.5])


def test_scaling_and_clipping() -> None:
    update, _ = _apply(transforms.scale_by_learning_rate(), [0.5, -1.0], lr=0.5)
    np.testing.assert_array_equal(update, [-0.25, 0.5])
    update, _ = _apply(transforms.flip_sign(when="up"), [0.5, -1.0], up=True)
    np.testing.assert_array_equal(update, [-0.5, 1.0])
    update, _ = _apply(transforms.clip_by_value(0.75), [0.5, -1.0])
    np.testing.assert_array_equal(update, [0.5, -0.75])
    update, _ = _apply(transforms.clip_by_global_norm(1.0), [3.0, -4.0])
    np.testing.assert_allclose(update, [0.6, -0.8], rtol=1e-6)
    update, changed = _apply(transforms.count_steps(), [0.5, -1.0])
    assert changed["step"] == 1.0
    assert changed["step"].dtype == np.float64


def test_momentum_state_has_its_name() -> None:
    update, changed = _apply(transforms.trace_momentum(), [0.5, -1.0], momentum=0.5)
    np.testing.assert_array_equal(update, [0.5, -1.0])
    assert set(changed) == {"momentum_buffer"}
    update, changed = _apply(transforms.trace_momentum(), [0.5, -1.0], momentum=0.0)
    assert changed == {}
    update, changed = _apply(transforms.trace_momentum(), [0.5, -1.0], momentum=0.5, dampening=0.5)
    np.testing.assert_array_equal(update, [0.5, -1.0])
    assert set(changed) == {"momentum_buffer", "momentum_step"}


def test_custom_optimizer_equals_the_one_it_spells_out() -> None:
    spelled = transforms.chain(
        transforms.add_weight_decay(),
        transforms.trace_momentum(),
        transforms.scale_by_learning_rate(),
    )
    mine = optim.Custom(
        oracle.steepest_parameters(), spelled, {"lr": 0.05, "weight_decay": 0.1, "momentum": 0.9}
    )
    theirs = optim.SGD(oracle.steepest_parameters(), lr=0.05, weight_decay=0.1, momentum=0.9)
    oracle.run_steepest(mine, 10)
    oracle.run_steepest(theirs, 10)
    oracle.assert_bitwise_equal(mine, theirs)


def test_global_norm_is_over_all_groups() -> None:
    clipped = transforms.chain(
        transforms.clip_by_value(2.0),
        transforms.clip_by_global_norm(0.5),
        transforms.count_steps(),
        transforms.scale_by_adam(),
        transforms.scale_by_learning_rate(),
    )
    options = {"lr": 0.05, "betas": (0.9, 0.99), "eps": 1e-3, "amsgrad": False}
    ours = oracle.steepest_parameters()
    mine = optim.Custom([{"params": [each]} for each in ours], clipped, options)
    others = oracle.torch_parameters()
    theirs = torch.optim.Adam(others, lr=0.05, betas=(0.9, 0.99), eps=1e-3, foreach=False)
    for step in range(20):
        oracle.run_steepest(mine, 1, step)
        for position, parameter in enumerate(others):
            slope = oracle.gradient(parameter.detach().numpy(), position, step)
            parameter.grad = torch.from_numpy(slope)
        torch.nn.utils.clip_grad_value_(others, 2.0)
        torch.nn.utils.clip_grad_norm_(others, 0.5)
        theirs.step()
    oracle.assert_same_parameters(mine, theirs, rtol=1e-12, atol=1e-13)


def _twice(
    gradient: st.Tensor, _state: object, _parameter: object, _hyperparameters: object
) -> tuple[st.Tensor, dict[str, st.Tensor]]:
    return gradient * 2.0, {}


def test_a_transform_of_ones_own() -> None:
    doubled = transforms.chain(
        transforms.Transform("twice", _twice), transforms.scale_by_learning_rate()
    )
    weight = nn.Parameter(st.asarray(np.array([1.0])))
    optimizer = optim.Custom([weight], doubled, {"lr": 0.25})
    weight.grad = st.asarray(np.array([1.0]))
    optimizer.step()
    assert weight.tolist() == [0.5]
    assert optimizer.name == "Custom"


def test_messages() -> None:
    weight = nn.Parameter(st.ones((2,)))
    calls = [
        (lambda: transforms.chain(), "chain: needs at least one transform."),
        (
            lambda: transforms.chain(len),
            "chain: every argument must be a Transform, but one is <built-in function len>. "
            "Call the function that makes it: trace_momentum(), not trace_momentum.",
        ),
        (
            lambda: transforms.chain(transforms.count_steps(), transforms.count_steps()).slots({}),
            "chain: count_steps keeps 'step' in the state, and so does a transform before it. "
            "Give one of them another name.",
        ),
        (
            lambda: optim.Custom([weight], transforms.add_l1(), {}),
            "Custom: transforms must be a chain, but is a Transform. Pass chain(...).",
        ),
        (
            lambda: optim.Custom([weight], transforms.chain(transforms.add_l1()), {}),
            "Custom: the transforms need the hyperparameter 'l1', which is not given.",
        ),
        (
            lambda: optim.Custom(
                [weight], transforms.chain(transforms.add_l1()), {"l1": 1, "lr": 1}
            ),
            "Custom: no transform reads the hyperparameter 'lr'.",
        ),
    ]
    for call, message in calls:
        with pytest.raises(ArgumentError) as caught:
            call()
        assert str(caught.value) == message
