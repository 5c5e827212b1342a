"""Curves and counts behind the figures, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from steepest.report import measures
from steepest.report.charts.axes import Scale, log_ticks, round_bounds, ticks


def test_confusion_and_pooling() -> None:
    generator = np.random.default_rng(0)
    names = [f"c{number}" for number in range(6)]
    true = np.array(names)[generator.integers(0, 6, 200)]
    predicted = np.array(names)[generator.integers(0, 6, 200)]
    counts = measures.confusion(true, predicted, names)
    assert np.array_equal(counts, confusion_matrix(true, predicted, labels=names))
    pooled, pooled_names = measures.pool_classes(counts, names, 4)
    assert pooled.sum() == 200
    assert pooled_names[-1] == "3 others"
    kept = [names.index(name) for name in pooled_names[:-1]]
    assert np.array_equal(pooled[:3, :3], counts[np.ix_(kept, kept)])
    assert counts.sum(axis=1)[kept].min() >= np.delete(counts.sum(axis=1), kept).max()


def test_roc_curve_with_ties() -> None:
    generator = np.random.default_rng(1)
    positive = generator.random(500) < 0.3
    score = np.round(positive * 0.2 + generator.random(500), 1)
    curve = measures.roc_curve(positive, score)
    false_rate, true_rate, _ = sklearn_roc_curve(positive, score, drop_intermediate=False)
    assert np.allclose(curve.false_positive_rate, false_rate)
    assert np.allclose(curve.true_positive_rate, true_rate)
    assert curve.area == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_roc_curve_of_one_class() -> None:
    curve = measures.roc_curve(np.ones(3, dtype=bool), np.arange(3.0))
    assert np.isnan(curve.area)
    assert len(curve.true_positive_rate) == 0


def test_calibration() -> None:
    generator = np.random.default_rng(2)
    probability = generator.random(400)
    positive = generator.random(400) < probability
    bins = measures.calibration(positive, probability)
    observed, predicted = calibration_curve(positive, probability, n_bins=10)
    assert np.allclose([each.observed for each in bins], observed)
    assert np.allclose([each.predicted for each in bins], predicted)
    assert sum(each.rows for each in bins) == 400
    assert measures.calibration(np.array([True]), np.array([1.0]))[0].rows == 1


def test_bootstrap_of_a_mean_matches_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    interval = measures.bootstrap(lambda rows: float(values[rows].mean()), 400, repeats=2000)
    half = 1.96 * values.std() / 20
    assert interval.estimate == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)


def test_metric_texts() -> None:
    assert measures.metric_facts("mae").text(13912.4) == "13,912"
    assert measures.metric_facts("accuracy").text(0.9561) == "95.6%"
    assert measures.metric_facts("r2").text(-0.0001) == "0.000"
    assert measures.metric_facts("accuracy").higher_is_better
    assert not measures.metric_facts("log_loss").higher_is_better
    assert measures.metric_facts("own_metric").label == "own metric"


def test_ticks_are_round_and_cover() -> None:
    assert ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    assert round_bounds(13, 87) == (0, 100)
    assert round_bounds(5, 5) == (2.0, 8.0)
    assert log_ticks(0.03, 1.2, 5) == pytest.approx([0.05, 0.1, 0.2, 0.5, 1])
    assert log_ticks(1e-8, 1e8, 5)[0] >= 1e-8


def test_scale_clamps_and_centres() -> None:
    scale = Scale(0, 10, 100, 200)
    assert [scale(-5), scale(5), scale(50)] == [100, 150, 200]
    assert Scale(3, 3, 0, 10)(3) == 5
    assert Scale(1, 100, 0, 2, logarithmic=True)(10) == pytest.approx(1)
