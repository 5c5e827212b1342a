"""Initialisers: their distributions, special structure, determinism, messages."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import init
from steepest.nn.normal_quantile import normal_quantile

SHAPE = (300, 200)


def _drawn(function, *arguments, shape=SHAPE, **options):
    st.random.seed(0)
    return function(nn.Parameter(st.zeros(shape)), *arguments, **options).numpy()


def _is_uniform(numbers, low, high):
    assert numbers.min() >= low
    assert numbers.max() <= high
    fractions = np.sort((numbers.ravel() - low) / (high - low))
    expected = (np.arange(fractions.size) + 0.5) / fractions.size
    assert np.abs(fractions - expected).max() < 1.7 / math.sqrt(fractions.size)


def _is_normal(numbers, mean, std):
    standard = statistics.NormalDist(mean, std)
    ordered = np.sort(numbers.ravel().astype("float64"))
    picked = ordered[:: max(1, ordered.size // 2000)]
    expected = (np.arange(ordered.size) + 0.5)[:: max(1, ordered.size // 2000)] / ordered.size
    actual = np.array([standard.cdf(each) for each in picked])
    assert np.abs(actual - expected).max() < 1.7 / math.sqrt(ordered.size)


def test_uniform_and_normal():
    _is_uniform(_drawn(init.uniform_, -2.0, 3.0), -2.0, 3.0)
    _is_normal(_drawn(init.normal_, 1.0, 0.5), 1.0, 0.5)


def test_constants():
    assert (_drawn(init.constant_, 0.3, shape=(2, 3)) == np.float32(0.3)).all()
    assert (_drawn(init.ones_, shape=(2,)) == 1).all()
    assert (_drawn(init.zeros_, shape=(2,)) == 0).all()
    np.testing.assert_array_equal(_drawn(init.eye_, shape=(2, 3)), np.eye(2, 3))


def test_dirac_equals_torch():
    for shape, groups in [((4, 3, 3), 1), ((4, 2, 3, 3), 2), ((2, 4, 1, 3, 5), 1)]:
        expected = torch.nn.init.dirac_(torch.empty(shape), groups).numpy()
        np.testing.assert_array_equal(_drawn(init.dirac_, groups, shape=shape), expected)


@pytest.mark.parametrize("shape", [(300, 200), (40, 30, 5, 5)])
def test_xavier(shape):
    field = math.prod(shape[2:])
    std = 2.0 * math.sqrt(2.0 / ((shape[0] + shape[1]) * field))
    bound = math.sqrt(3.0) * std
    _is_uniform(_drawn(init.xavier_uniform_, 2.0, shape=shape), -bound, bound)
    _is_normal(_drawn(init.xavier_normal_, 2.0, shape=shape), 0.0, std)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(("nonlinearity", "a"), [("relu", 0.0), ("leaky_relu", 0.2), ("tanh", 0)])
def test_kaiming(mode, nonlinearity, a):
    fan = SHAPE[1] if mode == "fan_in" else SHAPE[0]
    gain = torch.nn.init.calculate_gain(nonlinearity, a)
    std = gain / math.sqrt(fan)
    bound = math.sqrt(3.0) * std
    options = {"a": a, "mode": mode, "nonlinearity": nonlinearity}
    _is_uniform(_drawn(init.kaiming_uniform_, **options), -bound, bound)
    _is_normal(_drawn(init.kaiming_normal_, **options), 0.0, std)


def test_lecun():
    std = 1.0 / math.sqrt(SHAPE[1])
    bound = math.sqrt(3.0) * std
    _is_uniform(_drawn(init.lecun_uniform_), -bound, bound)
    _is_normal(_drawn(init.lecun_normal_), 0.0, std)


def test_other_names():
    assert init.glorot_uniform_ is init.xavier_uniform_
    assert init.glorot_normal_ is init.xavier_normal_
    assert init.he_uniform_ is init.kaiming_uniform_
    assert init.he_normal_ is init.kaiming_normal_


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0.0, 1.0, -2.0, 2.0), (0.5, 0.1, 0.45, 9.0), (0.0, 1.0, 4.0, 5.0)]
)
def test_truncated_normal(mean, std, a, b):
    numbers = _drawn(init.trunc_normal_, mean, std, a, b)
    assert numbers.min() >= np.float32(a)
    assert numbers.max() <= np.float32(b)
    whole = statistics.NormalDist(mean, std)
    low, high = whole.cdf(a), whole.cdf(b)
    ordered = np.sort(numbers.ravel().astype("float64"))[::50]
    actual = np.array([(whole.cdf(each) - low) / (high - low) for each in ordered])
    expected = (np.arange(numbers.size) + 0.5)[::50] / numbers.size
    assert np.abs(actual - expected).max() < 1.7 / math.sqrt(numbers.size)


def test_normal_quantile_inverts_the_distribution():
    probabilities = np.concatenate([10.0 ** -np.arange(1.0, 300.0, 7.0), np.linspace(0.001, 0.999)])
    exact = [statistics.NormalDist().inv_cdf(each) for each in probabilities]
    np.testing.assert_allclose(normal_quantile(probabilities), exact, rtol=1e-14, atol=1e-15)
    assert normal_quantile(np.array([0.0, 0.5, 1.0])).tolist() == [-np.inf, 0.0, np.inf]


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 3, 2), (5, 5)])
def test_orthogonal(shape):
    st.random.seed(0)
    weight = init.orthogonal_(nn.Parameter(st.zeros(shape, dtype="float64")), 1.5).numpy()
    matrix = weight.reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 2.25 * np.eye(len(product)), atol=1e-12)


def test_sparse():
    numbers = _drawn(init.sparse_, 0.3, 0.5)
    assert ((numbers == 0).sum(axis=0) == math.ceil(0.3 * SHAPE[0])).all()
    _is_normal(numbers[numbers != 0], 0.0, 0.5)


@pytest.mark.parametrize(
    "name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
)
def test_gains_equal_torch(name):
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.3)
    )


def test_seed_and_generator_decide_the_numbers():
    first = _drawn(init.normal_)
    np.testing.assert_array_equal(_drawn(init.normal_), first)
    generator = st.random.Generator(7)
    other = init.normal_(nn.Parameter(st.zeros(SHAPE)), generator=generator).numpy()
    assert (other != first).any()
    st.random.seed(1)
    weights = nn.Linear(5, 4).weight.numpy()
    st.random.seed(1)
    np.testing.assert_array_equal(nn.Linear(5, 4).weight.numpy(), weights)


def test_first_numbers_of_layers_follow_torchs_scheme():
    st.random.seed(0)
    linear = nn.Linear(400, 300)
    _is_uniform(linear.weight.numpy(), -0.05, 0.05)
    _is_uniform(linear.bias.numpy(), -0.05, 0.05)
    _is_normal(nn.Embedding(300, 200).weight.numpy(), 0.0, 1.0)
    assert linear.weight.dtype is st.float32


def test_messages():
    bias = nn.Parameter(st.zeros((3,)))
    with pytest.raises(ShapeError) as error:
        init.xavier_uniform_(bias)
    assert str(error.value) == (
        "xavier_uniform_: needs a weight (out, in, ...), got (3,). "
        "Biases are usually initialised with zeros_."
    )
    weight = nn.Parameter(st.zeros((3, 2)))
    with pytest.raises(ArgumentError) as error:
        init.kaiming_normal_(weight, mode="fan-in")
    assert str(error.value) == (
        "kaiming_normal_: mode must be 'fan_in' or 'fan_out', got 'fan-in'. Did you mean 'fan_in'?"
    )
    with pytest.raises(ArgumentError) as error:
        init.calculate_gain("rleu")
    assert str(error.value) == (
        "calculate_gain: nonlinearity 'rleu' is not known. Did you mean 'relu'?"
    )
    with pytest.raises(ShapeError, match=r"eye_: needs a matrix, got \(3,\)\."):
        init.eye_(bias)
    with pytest.raises(ArgumentError, match="trunc_normal_: needs std > 0 and a < b, got std=1"):
        init.trunc_normal_(weight, 0.0, 1.0, 2.0, 1.0)
    with pytest.raises(ArgumentError, match="sparse_: sparsity must be from 0 to 1, got 2"):
        init.sparse_(weight, 2)
