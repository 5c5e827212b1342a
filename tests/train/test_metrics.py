"""Metrics against scikit-learn, and their degenerate cases."""

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steepest.errors import ArgumentError, DTypeError, ShapeError
from steepest.train.metrics import METRICS, Metric, compute, compute_all, find_metrics

QUICK = settings(max_examples=60, deadline=None)


def quietly(function, *args, **kwargs):
    """Call scikit-learn without its warnings about the undefined cases compared here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@st.composite
def label_pairs(draw, largest=4):
    """Two label arrays of one length, over a few classes."""
    rows = draw(st.integers(1, 30))
    class_count = draw(st.integers(1, largest))
    labels = arrays.arrays(np.int64, rows, elements=st.integers(0, class_count - 1))
    return draw(labels), draw(labels)


@st.composite
def scored_binary(draw):
    """Labels of both classes and scores with many ties."""
    rows = draw(st.integers(2, 40))
    true = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 1)))
    true[:2] = [0, 1]
    scores = draw(arrays.arrays(np.int64, rows, elements=st.integers(-6, 6)))
    return true, scores / 2.0


@st.composite
def scored_classes(draw):
    """Labels that hold every class, and logits."""
    class_count = draw(st.integers(3, 5))
    rows = draw(st.integers(class_count + 1, 30))
    true = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, class_count - 1)))
    true[:class_count] = np.arange(class_count)
    logits = draw(
        arrays.arrays(np.float64, (rows, class_count), elements=st.integers(-8, 8).map(float))
    )
    return true, logits


@st.composite
def number_pairs(draw):
    rows = draw(st.integers(2, 20))
    shape = draw(st.sampled_from([(rows,), (rows, 3)]))
    numbers = arrays.arrays(np.float64, shape, elements=st.floats(-1e3, 1e3, width=32))
    return draw(numbers), draw(numbers)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class TestLabels:
    @QUICK
    @given(label_pairs())
    def test_accuracies(self, pair):
        true, predicted = pair
        assert compute("accuracy", true, predicted) == reference.accuracy_score(true, predicted)
        assert compute("balanced_accuracy", true, predicted) == pytest.approx(
            quietly(reference.balanced_accuracy_score, true, predicted)
        )

    @QUICK
    @given(label_pairs())
    @pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
    @pytest.mark.parametrize("name", ["precision", "recall", "f1"])
    def test_averages(self, name, average, pair):
        true, predicted = pair
        expected = quietly(
            getattr(reference, f"{name}_score"), true, predicted, average=average, zero_division=0
        )
        assert compute(f"{name}_{average}", true, predicted) == pytest.approx(expected)

    @QUICK
    @given(label_pairs(largest=2))
    @pytest.mark.parametrize("name", ["precision", "recall", "f1"])
    def test_of_the_positive_class(self, name, pair):
        true, predicted = pair
        expected = quietly(getattr(reference, f"{name}_score"), true, predicted, zero_division=0)
        assert compute(name, true, predicted) == pytest.approx(expected)

    def test_strings(self):
        true = np.array(["ham", "spam", "spam", "ham"])
        predicted = np.array(["ham", "spam", "ham", "spam"], dtype=object)
        assert compute("accuracy", true, predicted) == 0.5
        assert compute("recall", true, predicted) == 0.5

    def test_booleans_are_classes_0_and_1(self):
        true = np.array([True, False, True])
        assert compute("precision", true, np.array([True, True, True])) == pytest.approx(2 / 3)

    def test_three_classes_have_no_positive_one(self):
        with pytest.raises(ArgumentError) as caught:
            compute("f1", np.array([0, 1, 2]), np.array([0, 1, 2]))
        assert str(caught.value) == (
            "f1: is about two classes, but there are 3. For more classes choose 'f1_macro', "
            "'f1_micro' or 'f1_weighted'."
        )


class TestScores:
    @QUICK
    @given(scored_binary())
    def test_binary_logits(self, pair):
        true, logits = pair
        probability = 1 / (1 + np.exp(-logits))
        expected = {
            "accuracy": reference.accuracy_score(true, logits > 0),
            "roc_auc": reference.roc_auc_score(true, logits),
            "log_loss": reference.log_loss(true, probability),
            "brier": reference.brier_score_loss(true, probability),
        }
        got = compute_all(expected, true, logits, from_logits=True)
        assert got == pytest.approx(expected)
        assert compute_all(expected, true, probability) == pytest.approx(expected)

    @QUICK
    @given(scored_classes())
    def test_logits_of_many_classes(self, pair):
        true, logits = pair
        probability = softmax(logits)
        expected = {
            "accuracy": reference.accuracy_score(true, logits.argmax(axis=1)),
            "log_loss": reference.log_loss(true, probability),
            "brier": reference.brier_score_loss(true, probability),
        }
        assert compute_all(expected, true, logits, from_logits=True) == pytest.approx(expected)
        assert compute_all(expected, true, probability) == pytest.approx(expected)
        area = reference.roc_auc_score(true, probability, multi_class="ovr")
        assert compute("roc_auc", true, probability) == pytest.approx(area)

    def test_two_columns_mean_the_same_as_one(self):
        true = np.array([0, 1, 1, 0, 1])
        margin = np.array([-1.0, 2.0, 0.5, 1.0, 3.0])
        rows = np.stack([np.zeros(5), margin], axis=1)
        names = ["accuracy", "roc_auc", "log_loss", "brier", "f1"]
        one = compute_all(names, true, margin, from_logits=True)
        assert compute_all(names, true, rows, from_logits=True) == pytest.approx(one)
        assert compute_all(names, true, margin[:, None], from_logits=True) == one
        assert compute_all(names, true[:, None], margin[:, None], from_logits=True) == one

    def test_classes_on_axis_1_of_sequences(self):
        logits = np.random.default_rng(0).normal(size=(4, 3, 5))
        true = np.random.default_rng(1).integers(0, 3, size=(4, 5))
        expected = np.mean(logits.argmax(axis=1) == true)
        assert compute("accuracy", true, logits, from_logits=True) == expected

    def test_rows_that_are_distributions_name_their_largest(self):
        true = np.array([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]])
        logits = np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
        assert compute("accuracy", true, logits, from_logits=True) == 0.5

    def test_several_labels_a_row_are_decisions_of_their_own(self):
        true = np.array([[1, 1, 0], [0, 0, 0]])
        logits = np.array([[2.0, -1.0, -1.0], [-1.0, -1.0, -1.0]])
        assert compute("accuracy", true, logits, from_logits=True) == pytest.approx(5 / 6)

    def test_saturated_logits_still_rank(self):
        true = np.array([0, 0, 1, 1])
        logits = np.array([100.0, 101.0, 102.0, 103.0])
        assert compute("roc_auc", true, logits, from_logits=True) == 1.0

    def test_log_loss_of_confident_mistakes(self):
        logits = np.array([[1000.0, 0.0], [0.0, 1000.0]])
        assert compute("log_loss", np.array([1, 1]), logits, from_logits=True) == 500.0
        certain = compute("log_loss", np.array([1]), np.array([0.0]))
        assert certain == pytest.approx(reference.log_loss([1], [0.0], labels=[0, 1]))

    def test_one_class_cannot_be_ranked(self):
        assert math.isnan(compute("roc_auc", np.ones(3, int), np.array([0.1, 0.2, 0.3])))
        rows = np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1]])
        assert math.isnan(compute("roc_auc", np.array([1, 1]), rows))

    def test_a_class_that_never_occurs_is_left_out(self):
        true = np.array([0, 1, 0, 1])
        rows = softmax(np.random.default_rng(0).normal(size=(4, 3)))
        areas = [reference.roc_auc_score(true == number, rows[:, number]) for number in (0, 1)]
        assert compute("roc_auc", true, rows) == pytest.approx(np.mean(areas))

    def test_nan_predictions_give_nan(self):
        for name, metric in METRICS.items():
            shape = () if metric.takes == "numbers" else (2,)
            predicted = np.full((3, *shape), 0.5)
            predicted[1] = math.nan
            assert math.isnan(compute(name, np.array([0, 1, 1]), predicted)), name


class TestNumbers:
    @QUICK
    @given(number_pairs())
    def test_against_reference(self, pair):
        true, predicted = pair
        expected = {
            "mse": reference.mean_squared_error(true, predicted),
            "rmse": reference.root_mean_squared_error(true, predicted),
            "mae": reference.mean_absolute_error(true, predicted),
            "median_absolute_error": reference.median_absolute_error(true, predicted),
            "mape": reference.mean_absolute_percentage_error(true, predicted),
        }
        if true.ndim == 1:
            expected["max_error"] = reference.max_error(true, predicted)
        if not np.any(np.ptp(true.reshape(len(true), -1), axis=0) < 1e-3):
            expected["r2"] = reference.r2_score(true, predicted)
        assert compute_all(expected, true, predicted) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("size", [1e-200, 1e200, 1e307])
    def test_squares_that_float64_cannot_hold(self, size):
        true, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
        found = compute_all(["rmse", "r2", "mae"], size * true, size * predicted)
        plain = compute_all(["rmse", "r2", "mae"], true, predicted)
        assert found["rmse"] == pytest.approx(size * plain["rmse"], rel=1e-12)
        assert found["mae"] == pytest.approx(size * plain["mae"], rel=1e-12)
        assert found["r2"] == pytest.approx(plain["r2"], rel=1e-12)
        assert compute("mse", 1e200 * true, 1e200 * predicted) == math.inf

    def test_constant_target_has_no_variance_to_explain(self):
        assert math.isnan(compute("r2", np.full(4, 2.0), np.array([1.0, 2.0, 3.0, 4.0])))
        assert math.isnan(compute("r2", np.array([1.0]), np.array([1.0])))

    def test_column_against_row(self):
        with pytest.raises(ShapeError) as caught:
            compute("rmse", np.zeros(5), np.zeros((5, 1)))
        assert str(caught.value) == (
            "rmse: y_true (5,) and y_pred (5, 1) must be of one shape. "
            "Reshape one of them: they would pair every row with every other."
        )


class TestMessages:
    def test_unknown_name(self):
        with pytest.raises(ArgumentError, match=r"metric 'acuracy' is unknown. Did you mean 'accu"):
            compute("acuracy", [0], [0])

    def test_twice(self):
        with pytest.raises(ArgumentError, match=r"metric 'mae' is given twice"):
            find_metrics(["mae", "rmse", "mae"])

    def test_empty(self):
        with pytest.raises(ArgumentError, match=r"mae: needs at least one row, but y_true is \(0,"):
            compute("mae", [], [])

    def test_logits_taken_for_probabilities(self):
        with pytest.raises(ArgumentError) as caught:
            compute("log_loss", np.array([0, 1]), np.array([-1.5, 2.0]))
        assert str(caught.value) == (
            "log_loss: y_pred holds -1.5, which is no probability. If it is a network's raw "
            "output, pass from_logits=True; if it holds labels, make them integers."
        )

    def test_rows_that_do_not_add_up(self):
        with pytest.raises(ArgumentError, match=r"probabilities of row 1 add up to 0.9, not 1"):
            compute("brier", np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.4]]))

    def test_label_outside_the_columns(self):
        with pytest.raises(ArgumentError, match=r"y_true holds 3, but .* from 0 to 1"):
            compute("accuracy", np.array([0, 3]), np.zeros((2, 2)), from_logits=True)

    def test_labels_metric_of_a_numeric_target(self):
        with pytest.raises(DTypeError, match=r"accuracy: takes labels, but y_true holds 0.5"):
            compute("accuracy", np.array([0.5, 1.0]), np.array([0, 1]))

    def test_numbers_metric_of_strings(self):
        with pytest.raises(DTypeError, match=r"rmse: takes numbers, but y_true holds <U1"):
            compute("rmse", np.array(["a"]), np.array([1.0]))

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ShapeError, match=r"accuracy: predictions \(4, 2\) fit targets \(5,\)"):
            compute("accuracy", np.zeros(5, int), np.zeros((4, 2)), from_logits=True)


def test_every_metric_states_itself():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.takes in ("labels", "probabilities", "numbers")
        assert metric.meaning


def test_own_metric():
    worst = Metric("worst", "numbers", False, lambda t, p: float(np.max(p - t)), "largest excess")
    assert compute(worst, [1.0, 2.0], [1.5, 1.0]) == 0.5
