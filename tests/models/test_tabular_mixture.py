"""How snapshots are weighed, on constructed outputs."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from steepest.models.tabular import mixture
from steepest.models.tabular.mixture import (
    ROWS_OF_ALL_CLASSES,
    class_shares,
    classification_weights,
    log_loss,
    regression_weights,
    softmax,
)


def draw(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    """Classes drawn by the probabilities of logits."""
    draws = np.random.default_rng(seed).uniform(size=(len(logits), 1))
    return (draws > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(0, logits.shape[1] - 1)


def softened_log_loss(weights: np.ndarray, logits: np.ndarray, codes: np.ndarray) -> float:
    """The log-loss with half a row, spread over all, as of every class alike; by another route."""
    classes = logits.shape[-1]
    mixed = np.tensordot(weights, logits, 1)
    of_each_class = [log_loss(mixed, np.full(len(codes), each)) for each in range(classes)]
    even = 0.5 / len(codes)
    return (1 - even) * log_loss(mixed, codes) + even * float(np.mean(of_each_class))


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0, 4.0, 20.0])
def test_one_snapshot_gets_the_factor_that_its_logits_lack(factor: float) -> None:
    true = 2.0 * np.random.default_rng(1).normal(size=(20_000, 3))
    (weight,) = classification_weights((true / factor)[None], draw(true))
    assert weight == pytest.approx(factor, rel=0.03)


def test_what_says_the_opposite_gets_no_weight() -> None:
    parts = np.random.default_rng(1).normal(size=(2, 5_000, 3))
    weights = classification_weights(parts, draw(parts[1] - 0.5 * parts[0]))
    assert weights[0] == 0.0
    assert weights[1] > 0.5


def test_each_of_two_halves_gets_its_weight() -> None:
    random = np.random.default_rng(1)
    parts = random.normal(size=(2, 40_000, 2))
    codes = draw(3.0 * parts[0] + 0.5 * parts[1])
    np.testing.assert_allclose(classification_weights(parts, codes), [3.0, 0.5], rtol=0.1)


def test_no_weights_nearby_are_better() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(4, 300, 3))
    codes = random.integers(0, 3, 300)
    logits[2, np.arange(300), codes] += 1.0
    weights = classification_weights(logits, codes)
    least = softened_log_loss(weights, logits, codes)
    for _ in range(200):
        other = np.maximum(weights + 0.02 * random.normal(size=4), 0.0)
        assert softened_log_loss(other, logits, codes) >= least - 1e-9


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(2, 30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_regression_weights_are_least_squares_without_negative_ones(
    seed: int, snapshots: int, rows: int
) -> None:
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(snapshots, rows))
    answers = random.normal(size=rows)
    _, least = nnls(outputs.T, answers)
    weights = regression_weights(outputs, answers)
    assert weights.min() >= 0
    assert np.linalg.norm(weights @ outputs - answers) <= least * (1 + 1e-4) + 1e-6


def test_weights_of_useless_outputs_are_finite() -> None:
    zeros = np.zeros((2, 6))
    answers = np.arange(6.0)
    assert np.isfinite(regression_weights(zeros, answers)).all()
    same = np.stack([answers, answers])
    np.testing.assert_allclose(regression_weights(same, answers).sum(), 1.0, rtol=1e-6)
    even = classification_weights(np.zeros((2, 4, 2)), np.array([0, 1, 0, 0]))
    assert np.isfinite(even).all()


@pytest.mark.parametrize(("rows", "classes"), [(4, 2), (30, 3), (142, 3), (1_000, 2)])
def test_separable_classes_are_believed_up_to_half_a_row(rows: int, classes: int) -> None:
    codes = np.arange(rows) % classes
    right = 10.0 * np.eye(classes)[codes]
    (weight,) = classification_weights(right[None], codes)
    doubt = 0.5 / rows * (classes - 1) / classes
    probabilities = softmax(weight * right)
    np.testing.assert_allclose(probabilities[np.arange(rows), codes], 1 - doubt, rtol=1e-5)
    wrong = classification_weights(right[None], (codes + 1) % classes)
    assert wrong[0] == 0.0


def test_a_surprise_after_separable_classes_costs_a_bounded_amount() -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 3, 150)
    parts = random.normal(size=(3, 150, 3))
    parts[:, np.arange(150), codes] += 8.0
    assert (parts.argmax(axis=-1) == codes).all()
    mixed = np.tensordot(classification_weights(parts, codes), parts, 1)
    surprises = [log_loss(mixed, (codes + shift) % 3) for shift in (1, 2)]
    assert min(surprises) > 4.0
    assert max(surprises) < 12.0


def test_half_a_row_is_of_every_class_alike() -> None:
    codes = np.array([0, 2, 1, 1, 0])
    shares = class_shares(codes, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    others = 1.0 - shares[np.arange(5), codes]
    np.testing.assert_allclose(others.sum(), ROWS_OF_ALL_CLASSES * 2 / 3)
    assert (shares.argmax(axis=1) == codes).all()


def test_half_a_row_says_nothing_among_thousands() -> None:
    random = np.random.default_rng(6)
    parts = random.normal(size=(2, 5_000, 2))
    codes = draw(3.0 * parts[0] + 0.5 * parts[1])
    weights = classification_weights(parts, codes)
    with mock.patch.object(mixture, "ROWS_OF_ALL_CLASSES", 0.0):
        without = classification_weights(parts, codes)
    np.testing.assert_allclose(weights, without, rtol=2e-3)
    assert weights[0] < without[0]


def test_softmax_and_log_loss_of_huge_logits() -> None:
    logits = np.array([[1e4, 0.0], [-1e4, 1e4], [0.0, 0.0]])
    np.testing.assert_allclose(softmax(logits), [[1, 0], [0, 1], [0.5, 0.5]])
    assert log_loss(logits, np.array([0, 1, 1])) == pytest.approx(np.log(2) / 3)
    assert log_loss(logits, np.array([1, 1, 1])) == pytest.approx((1e4 + np.log(2)) / 3)
    random = np.random.default_rng(0)
    logits = random.normal(size=(50, 4))
    codes = random.integers(0, 4, 50)
    expected = -np.log(softmax(logits)[np.arange(50), codes]).mean()
    assert log_loss(logits, codes) == pytest.approx(expected)
