"""The linear models that are mixed with the networks, against scikit-learn and by their rules."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from steepest.models.tabular import linear
from steepest.models.tabular.linear import linear_members
from steepest.models.tabular.mixture import log_loss, mix, softmax
from steepest.models.tabular.recipe import folds, rows_of_members

MEMBERS = 3


def member_rows(rows: int) -> tuple[np.ndarray, np.ndarray]:
    fold = folds(rows, MEMBERS, None, seed=0)
    return (
        rows_of_members(fold, MEMBERS, inside=False, seed=0),
        rows_of_members(fold, MEMBERS, inside=True, seed=0),
    )


def inputs(rows: int) -> np.ndarray:
    """Columns of different sizes, one of them constant."""
    x = np.random.default_rng(0).normal(size=(rows, 5)) * [1.0, 10.0, 0.1, 1.0, 0.0] + 3.0
    return x.astype(np.float32)


def test_members_are_ridge_regressions() -> None:
    x = inputs(90)
    noise = np.random.default_rng(1).normal(size=90)
    answers = (x @ [1.0, 0.2, 5.0, 0.0, 0.0] + noise).astype(np.float32)
    train, check = member_rows(90)
    found = linear_members(x, answers, 0, train, check)
    assert found is not None
    for member, model in enumerate(found.models):
        rows = train[:, member]
        spread = np.where(x.std(axis=0) > 1e-6, x[rows].astype(np.float64).std(axis=0), 1.0)
        same = Ridge(alpha=model.penalty * len(rows)).fit(x[rows] / spread, answers[rows])
        expected = same.predict(x[check[:, member]] / spread)
        np.testing.assert_allclose(found.outputs[member::MEMBERS, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_members_are_logistic_regressions(classes: int) -> None:
    x = inputs(150)
    scores = np.random.default_rng(1).normal(size=150) + x[:, 0] - 0.2 * x[:, 1]
    codes = np.digitize(scores, np.quantile(scores, np.arange(1, classes) / classes))
    train, check = member_rows(150)
    found = linear_members(x, codes, classes, train, check)
    assert found is not None
    for member, model in enumerate(found.models):
        rows = train[:, member]
        spread = np.where(x.std(axis=0) > 1e-6, x[rows].astype(np.float64).std(axis=0), 1.0)
        # A softmax over two classes has two columns of weights, penalised both: scikit-learn's
        # single column of differences then has half the penalty.
        strength = len(rows) * model.penalty * (0.5 if classes == 2 else 1.0)
        same = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=10_000)
        same.fit((x[rows] - x[rows].mean(axis=0)) / spread, codes[rows])
        expected = same.predict_proba((x[check[:, member]] - x[rows].mean(axis=0)) / spread)
        outputs = found.outputs[member::MEMBERS]
        np.testing.assert_allclose(softmax(outputs), expected, atol=2e-3)


def test_the_penalty_is_the_best_on_the_rows_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs(60)
    codes = np.random.default_rng(2).integers(0, 2, 60)
    train, check = member_rows(60)
    chosen = linear_members(x, codes, 2, train, check)
    assert chosen is not None
    least = log_loss(chosen.outputs, codes[check].reshape(-1))
    for penalty in (10.0, 0.1, 0.0001):
        monkeypatch.setattr(linear, "MEMBER_PENALTIES", (penalty,))
        other = linear_members(x, codes, 2, train, check)
        assert other is not None
        assert other.models[0].penalty == penalty
        assert log_loss(other.outputs, codes[check].reshape(-1)) >= least - 1e-12


def test_what_is_too_large_gets_no_linear_models(monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs(60)
    train, check = member_rows(60)
    answers = x[:, 0]
    assert linear_members(x[:, :0], answers, 0, train, check) is None
    assert linear_members(np.zeros((60, 1001), np.float32), answers, 0, train, check) is None
    monkeypatch.setattr(linear, "MOST_NUMBERS", 60 * 5 * 2)
    assert linear_members(x, np.arange(60) % 2, 2, train, check) is not None
    assert linear_members(x, np.arange(60) % 3, 3, train, check) is None


def test_linear_models_that_help_get_a_weight() -> None:
    random = np.random.default_rng(3)
    answers = random.normal(size=400)
    network = (answers + random.normal(size=400))[None, :, None]
    line = (answers + random.normal(size=400))[:, None]
    weights, linear_weight = mix(network, line, answers, is_classification=False)
    assert weights[0] == pytest.approx(1 / 3, abs=0.05)
    assert linear_weight == pytest.approx(1 / 3, abs=0.05)


def test_linear_models_that_know_the_opposite_get_none() -> None:
    random = np.random.default_rng(3)
    answers = random.normal(size=400)
    network = (answers + random.normal(size=400))[None, :, None]
    line = (random.normal(size=400) - answers)[:, None]
    weights, linear_weight = mix(network, line, answers, is_classification=False)
    assert linear_weight == 0.0
    alone, _ = mix(network, None, answers, is_classification=False)
    np.testing.assert_allclose(weights, alone, rtol=1e-6)


def test_linear_models_calibrate_classes_too() -> None:
    random = np.random.default_rng(4)
    network, line = random.normal(size=(2, 20_000, 2))
    true = 2.0 * network + 0.5 * line
    codes = (random.uniform(size=20_000) > softmax(true)[:, 0]).astype(np.int64)
    weights, linear_weight = mix(network[None], line, codes, is_classification=True)
    assert weights[0] == pytest.approx(2.0, rel=0.05)
    assert linear_weight == pytest.approx(0.5, abs=0.05)


def test_a_model_is_never_linear_alone() -> None:
    answers = np.arange(30.0)
    noise = np.random.default_rng(0).normal(size=30)
    useless = (noise - answers)[None, :, None]
    _, linear_weight = mix(useless, answers[:, None], answers, is_classification=False)
    assert linear_weight == 0.0
