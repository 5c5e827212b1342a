"""Baselines against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression, Ridge

from steepest.errors import ArgumentError, ShapeError
from steepest.report import baselines


def test_ridge_equals_scikit_learn_at_its_penalty() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(2, 1, (300, 8))
    y = x @ generator.normal(size=8) + 5 + generator.normal(0, 2, 300)
    model = baselines.fit_ridge(x[:200], y[:200])
    same = Ridge(alpha=model.penalty * 200).fit(x[:200], y[:200])
    assert np.allclose(model.weights[:, 0], same.coef_)
    assert model.bias == pytest.approx(same.intercept_)


def test_ridge_chooses_a_penalty_that_suits() -> None:
    generator = np.random.default_rng(2)
    x = generator.normal(size=(400, 5))
    noise = generator.normal(0, 1, 400)
    assert baselines.fit_ridge(x, x.sum(axis=1) + 0.01 * noise).penalty <= 0.001
    wide = generator.normal(size=(400, 150))
    assert baselines.fit_ridge(wide, wide[:, 0] * 0.1 + noise).penalty >= 0.1


def test_ridge_with_more_columns_than_rows_and_with_a_constant_column() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(30, 80))
    x[:, 0] = 1.0
    y = x[:, 1] + generator.normal(0, 0.1, 30)
    model = baselines.fit_ridge(x, y)
    assert np.isfinite(model.weights).all()


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_logistic_regression_reaches_scikit_learns_minimum(load) -> None:  # type: ignore[no-untyped-def]
    x, labels = load(return_X_y=True)
    classes = int(labels.max()) + 1
    model = baselines.fit_logistic(x[:300], labels[:300], classes)
    mean, spread = x[:300].mean(axis=0), x[:300].std(axis=0)
    spread[spread == 0] = 1.0
    scaled = (x - mean) / spread
    same = LogisticRegression(C=1 / (300 * model.penalty), max_iter=2000, tol=1e-8)
    same.fit(scaled[:300], labels[:300])
    ours = model.probabilities(x[500:])
    theirs = same.predict_proba(scaled[500:])
    assert np.allclose(ours.sum(axis=1), 1)
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.98
    assert np.abs(ours - theirs).mean() < 0.02


def test_logistic_regression_with_an_absent_class() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = baselines.fit_logistic(x, np.array([0, 0, 2, 2]), 3)
    assert np.isfinite(model.weights).all()


def test_design_matrix() -> None:
    matrix = baselines.design_matrix(np.array([[0.5], [1.5]]), np.array([[2, 0], [0, 1]]), [3, 2])
    assert np.array_equal(matrix, [[0.5, 1, 0, 0, 0, 1], [1.5, 0, 1, 1, 0, 0]])
    wide = baselines.design_matrix(np.zeros((2, 0)), np.array([[500], [3]]), [1000])
    assert wide.shape == (2, baselines.MAX_LEVELS)
    assert wide[0, -1] == 1
    with pytest.raises(ShapeError) as error:
        baselines.design_matrix(np.zeros((2, 1)), np.zeros((2, 3), dtype=int), [2])
    assert str(error.value) == (
        "design_matrix: categories (2, 3) need one number of levels for each column, but levels "
        "has 1."
    )


def test_constant_answers() -> None:
    assert np.array_equal(baselines.constant_number(np.array([1.0, 3.0]), 2), [2, 2])
    shares = baselines.constant_probabilities(np.array([0, 1, 1, 1]), 3, 2)
    assert np.array_equal(shares, [[0.25, 0.75, 0], [0.25, 0.75, 0]])


def test_wrong_sizes_are_refused() -> None:
    empty = np.zeros((0, 2))
    with pytest.raises(ArgumentError) as error:
        baselines.fit_ridge(empty, np.zeros(0))
    assert str(error.value) == "baseline: needs at least one training row."
    with pytest.raises(ShapeError) as shape_error:
        baselines.fit_ridge(np.zeros((3, 2)), np.zeros(4))
    assert str(shape_error.value) == ("baseline: x (3, 2) and y (4,) need the same number of rows.")
