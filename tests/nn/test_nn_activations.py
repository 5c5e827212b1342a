"""Activations against PyTorch: values and gradients, ordinary and special numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from against_torch import check_function, check_module, numbers, to_steepest
from hypothesis import given, settings
from hypothesis import strategies as hs
from hypothesis.extra import numpy as hnp

import steepest as st
from steepest import nn

OPTIONS = {
    "Sigmoid": [{}],
    "Tanh": [{}],
    "ReLU": [{}],
    "ReLU6": [{}],
    "LeakyReLU": [{}, {"negative_slope": 0.3}],
    "ELU": [{}, {"alpha": 0.5}, {"alpha": 2.0}],
    "CELU": [{}, {"alpha": 0.5}, {"alpha": 2.0}],
    "SELU": [{}],
    "GELU": [{}, {"approximate": "tanh"}],
    "SiLU": [{}],
    "Mish": [{}],
    "Softplus": [{}, {"beta": 2.0}, {"beta": 0.5, "threshold": 1.0}],
    "Softsign": [{}],
    "Softmax": [{"dim": 0}, {"dim": -1}],
    "LogSoftmax": [{"dim": 0}, {"dim": -1}],
    "Softmin": [{"dim": 1}],
    "LogSigmoid": [{}],
    "Hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5}],
    "Hardsigmoid": [{}],
    "Hardswish": [{}],
    "Hardshrink": [{}, {"lambd": 1.0}],
    "Softshrink": [{}, {"lambd": 1.0}],
    "Tanhshrink": [{}],
    "Threshold": [{"threshold": 0.5, "value": -3.0}],
    "GLU": [{"dim": -1}, {"dim": 0}],
    "PReLU": [{}, {"num_parameters": 6, "init": 0.1}],
}
CASES = [(name, options) for name, each in OPTIONS.items() for options in each]

KINKS = np.array([-6.0, -3.0, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0])
HUGE = np.array([-1e30, -1e4, -200.0, -90.0, 90.0, 200.0, 1e4, 1e30])


def _pair(name, options, dtype):
    ours = getattr(nn, name)
    kind = {"dtype": dtype} if name == "PReLU" else {}
    return ours(**options, **kind), getattr(torch.nn, name)(**options).to(getattr(torch, dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_equals_torch(name, options, dtype):
    ours, theirs = _pair(name, options, dtype)
    # PyTorch multiplies Hardsigmoid's gradient by 1/6 rounded to float32, even in float64.
    accuracy = "float32" if name == "Hardsigmoid" else dtype
    check_module(ours, theirs, [numbers((4, 6), 1, dtype)], dtype=dtype, accuracy=accuracy)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_kinks_and_huge_numbers(name, options):
    """Values and one-sided choices of the gradient where pieces meet; nothing overflows to NaN."""
    ours, theirs = _pair(name, options, "float64")
    if name == "GELU" and options:
        points = KINKS
    else:
        points = np.concatenate([KINKS, HUGE])
    points = np.repeat(points, 6).reshape(-1, 6) if name == "PReLU" else points.reshape(-1, 4)
    points = points[: len(points) // 2 * 2]
    accuracy = "float32" if name == "Hardsigmoid" else "float64"
    check_module(ours, theirs, [points], accuracy=accuracy)


INFINITE_SAFE = [
    case
    for case in CASES
    if case[0]
    in (
        "Sigmoid",
        "Tanh",
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "ELU",
        "CELU",
        "SELU",
        "Softplus",
        "LogSigmoid",
        "Hardtanh",
        "Hardsigmoid",
        "Hardshrink",
        "Threshold",
    )
]


@pytest.mark.parametrize(("name", "options"), INFINITE_SAFE)
def test_infinities_and_nan(name, options):
    ours, theirs = _pair(name, options, "float64")
    points = np.array([-np.inf, np.inf, np.nan, 1.0])
    actual = ours(st.asarray(points)).numpy()
    expected = theirs(torch.from_numpy(points)).numpy()
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize(
    "function", [nn.functional.elu, nn.functional.softplus, nn.functional.selu, nn.functional.celu]
)
def test_gradient_is_finite_at_infinity(function):
    x = to_steepest(np.array([-np.inf, np.inf, 1e308]))
    st.sum(function(x)).backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_relu_gradient_at_zero_is_zero():
    x = to_steepest(np.array([-1.0, 0.0, 1.0]))
    st.sum(nn.functional.relu(x)).backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5),
        elements=hs.floats(-700, 700),
    ),
    hs.integers(-1, 0),
)
def test_softmax_properties(x, dim):
    """Probabilities: positive, of sum 1, unmoved by a shift; the logarithm agrees."""
    probabilities = nn.functional.softmax(st.asarray(x), dim).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=dim), 1.0, rtol=1e-12)
    assert (probabilities >= 0).all()
    shifted = nn.functional.softmax(st.asarray(x + 1000.0), dim).numpy()
    np.testing.assert_allclose(shifted, probabilities, rtol=1e-9, atol=1e-12)
    logarithms = nn.functional.log_softmax(st.asarray(x), dim).numpy()
    np.testing.assert_allclose(np.exp(logarithms), probabilities, rtol=1e-9, atol=1e-300)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    hs.sampled_from([case for case in CASES if case[0] not in ("GLU", "PReLU")]),
    hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4),
    hs.integers(0, 1000),
)
def test_any_shape_equals_torch(case, shape, seed):
    ours, theirs = _pair(*case, "float64")
    accuracy = "float32" if case[0] == "Hardsigmoid" else "float64"
    check_function(ours, theirs, [numbers(shape, seed)], accuracy=accuracy, compiled=False)


def test_second_derivatives():
    for function, reference in [
        (nn.functional.gelu, torch.nn.functional.gelu),
        (nn.functional.silu, torch.nn.functional.silu),
        (nn.functional.softplus, torch.nn.functional.softplus),
        (lambda x: nn.functional.log_softmax(x, 0), lambda x: torch.log_softmax(x, 0)),
    ]:
        points = numbers((5,), seed=3)
        weights = st.asarray(numbers((5,), seed=4))

        def total(x, function=function, weights=weights):
            return st.sum(function(x) * weights)

        def slope(x, total=total):
            return st.sum(st.grad(total)(x) ** 2)

        actual = st.grad(slope)(st.asarray(points))
        x = torch.from_numpy(points).requires_grad_()
        first = torch.autograd.grad(
            (reference(x) * torch.from_numpy(weights.numpy())).sum(), x, create_graph=True
        )[0]
        expected = torch.autograd.grad((first**2).sum(), x)[0]
        np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-8, atol=1e-10)


def test_maxout_takes_the_largest_of_each_group():
    x = st.asarray(np.array([[1.0, 5.0, -2.0, -3.0, 0.0, 0.5]]))
    assert nn.functional.maxout(x, 2).tolist() == [[5.0, -2.0, 0.5]]
    assert nn.functional.maxout(x, 3).tolist() == [[5.0, 0.5]]


def test_swish_is_silu_at_ten():
    value = nn.functional.silu(st.asarray(np.array(10.0)))
    assert float(value) == pytest.approx(10.0 / (1.0 + np.exp(-10.0)))
