"""Clipping against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError, NonFiniteError
from steepest.optim import transforms

SHAPES = ((3, 4), (4,), (), (2, 1, 2))


def _pair(scale: float, dtype: str) -> tuple[list[nn.Parameter], list[torch.nn.Parameter]]:
    generator = np.random.default_rng(11)
    ours, others = [], []
    for shape in SHAPES:
        numbers = np.asarray(generator.normal(0.0, scale, shape), dtype=dtype)
        mine = nn.Parameter(st.zeros(shape, dtype=getattr(st, dtype)))
        mine.grad = st.asarray(numbers)
        other = torch.nn.Parameter(torch.zeros(shape, dtype=getattr(torch, dtype)))
        other.grad = torch.from_numpy(numbers.copy())
        ours.append(mine)
        others.append(other)
    ours.append(nn.Parameter(st.zeros((2,))))
    others.append(torch.nn.Parameter(torch.zeros(2)))
    return ours, others


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [0.01, 10.0])
@pytest.mark.parametrize("norm_type", [1, 2, 2.0, 3.5, 0.5, math.inf])
def test_norm_equals_pytorch(norm_type: float, scale: float, dtype: str) -> None:
    ours, others = _pair(scale, dtype)
    rtol = 1e-12 if dtype == "float64" else 1e-5
    found = optim.clip_grad_norm_(ours, 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(others, 1.5, norm_type)
    assert found.dtype is getattr(st, dtype)
    assert found.shape == ()
    np.testing.assert_allclose(float(found), float(expected), rtol=rtol)
    for mine, other in zip(ours[:-1], others[:-1], strict=True):
        assert mine.grad.dtype is getattr(st, dtype)
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=rtol)
    assert ours[-1].grad is None


def test_gradients_already_small_keep_their_bits() -> None:
    ours, _ = _pair(0.01, "float32")
    before = [each.grad.numpy().copy() for each in ours[:-1]]
    optim.clip_grad_norm_(ours, 100.0)
    for parameter, numbers in zip(ours[:-1], before, strict=True):
        assert parameter.grad.numpy().tobytes() == numbers.tobytes()


@pytest.mark.parametrize("clip_value", [0.3, 5])
def test_value_equals_pytorch(clip_value: float) -> None:
    ours, others = _pair(1.0, "float64")
    optim.clip_grad_value_(ours, clip_value)
    torch.nn.utils.clip_grad_value_(others, clip_value)
    for mine, other in zip(ours[:-1], others[:-1], strict=True):
        np.testing.assert_array_equal(mine.grad.numpy(), other.grad.numpy())


@pytest.mark.parametrize("norm_type", [1, 2, math.inf])
def test_total_norm_equals_pytorch(norm_type: float) -> None:
    ours, others = _pair(2.0, "float64")
    found = optim.get_total_norm([each.grad for each in ours[:-1]], norm_type)
    expected = torch.nn.utils.get_total_norm([each.grad for each in others[:-1]], norm_type)
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-13)


def test_one_parameter_and_none_at_all() -> None:
    parameter = nn.Parameter(st.zeros((2,)))
    parameter.grad = st.asarray([3.0, 4.0])
    assert float(optim.clip_grad_norm_(parameter, 1.0)) == 5.0
    np.testing.assert_allclose(parameter.grad.numpy(), [0.6, 0.8], rtol=1e-6)
    optim.clip_grad_value_(parameter, 0.5)
    np.testing.assert_allclose(parameter.grad.numpy(), [0.5, 0.5])
    assert float(optim.clip_grad_norm_([], 1.0)) == 0.0
    assert float(optim.get_total_norm(st.asarray([3.0, 4.0]))) == 5.0


def test_float32_gradients_too_large_to_square() -> None:
    parameter = nn.Parameter(st.zeros((2,)))
    parameter.grad = st.asarray([3e30, 4e30])
    assert float(optim.clip_grad_norm_(parameter, 1.0)) == pytest.approx(5e30)
    np.testing.assert_allclose(parameter.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_a_norm_that_is_not_finite() -> None:
    parameter = nn.Parameter(st.zeros((2,)))
    parameter.grad = st.asarray([1.0, math.nan])
    with pytest.raises(NonFiniteError) as caught:
        optim.clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)
    assert str(caught.value) == (
        "clip_grad_norm_: the norm of the gradients is nan, so they cannot be scaled by it. "
        "Find the layer where it starts, or pass error_if_nonfinite=False."
    )
    np.testing.assert_array_equal(parameter.grad.numpy(), [1.0, math.nan])
    with pytest.raises(NonFiniteError, match=r"^get_total_norm: the norm of the gradients is inf"):
        optim.get_total_norm(st.asarray([math.inf]), error_if_nonfinite=True)
    assert math.isnan(float(optim.clip_grad_norm_(parameter, 1.0)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p: optim.clip_grad_norm_(p, 0.0),
            "clip_grad_norm_: max_norm must be a finite number above 0, but is 0.0.",
        ),
        (
            lambda p: optim.clip_grad_norm_(p, 1.0, norm_type=-1),
            "clip_grad_norm_: norm_type must be a number above 0 or infinity, but is -1.",
        ),
        (
            lambda p: optim.clip_grad_value_(p, math.nan),
            "clip_grad_value_: clip_value must be a finite number above 0, but is nan.",
        ),
        (
            lambda _: transforms.clip_by_value(-1),
            "clip_by_value: limit must be a finite number above 0, but is -1.",
        ),
        (
            lambda _: transforms.clip_by_global_norm(math.inf),
            "clip_by_global_norm: max_norm must be a finite number above 0, but is inf.",
        ),
    ],
)
def test_message(call: object, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(nn.Parameter(st.zeros((2,))))
    assert str(caught.value) == message
