"""What the curves are said to show, rule by rule, and the verdict in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from report_samples import EPOCHS, binary_report, descent, history, regression_report

from steepest.report import History, Predictor
from steepest.report.reading import read_curves
from steepest.report.verdict import gain_over_linear, judge


def names(train: Sequence[float], validation: Sequence[float], **changes: object) -> list[str]:
    report = regression_report(history=history(list(train), list(validation)), **changes)
    return [finding.name for finding in read_curves(report)]


def test_healthy() -> None:
    assert names(descent(0.09), descent(0.1)) == ["Healthy"]


def test_overfitting_starts_at_its_bound() -> None:
    fall = descent(0.1)[:20]
    for rise, expected in ((0.0085, "Healthy"), (0.0115, "Overfitting")):
        assert names(descent(0.09), [*fall, *[fall[-1] + rise] * 20]) == [expected]


def test_gap_and_too_little_data_differ_by_rows_per_column() -> None:
    assert names(descent(0.068), descent(0.1)) == ["Gap"]
    few = {"train": 59, "validation": 20, "test": 200}
    assert names(descent(0.068), descent(0.1), split_sizes=few) == ["Too little data"]
    assert names(descent(0.072), descent(0.1)) == ["Healthy"]


def test_underfitting_needs_a_linear_model_that_is_clearly_better() -> None:
    report = regression_report()
    as_good = dataclasses.replace(report, linear=dataclasses.replace(report.model, name="Linear"))
    assert [finding.name for finding in read_curves(as_good)] == ["As good as a line"]
    near = Predictor("Linear", {"mae": 100.0}, report.y_true + 100.0)
    better = dataclasses.replace(report, linear=near)
    assert [finding.name for finding in read_curves(better)] == ["Underfitting"]


def test_still_improving_unless_stopped_early() -> None:
    slow = [1 / (1 + epoch / 5) for epoch in range(EPOCHS)]
    planned = History(slow, slow, {}, EPOCHS, EPOCHS)
    assert [f.name for f in read_curves(regression_report(history=planned))] == ["Still improving"]
    assert names(slow, slow) == ["Healthy"]


def test_an_interrupted_run_is_not_finished() -> None:
    curves = History(descent(0.09), descent(0.1), {}, EPOCHS, 100, interrupted=True)
    (finding,) = read_curves(regression_report(history=curves))
    assert finding.name == "Not finished"
    assert finding.text == (
        "Training was ended by hand after 40 epochs of 100. Resume it for a better model."
    )


def test_unsteady() -> None:
    jumps = [0.5 if epoch % 2 else 1.0 for epoch in range(EPOCHS)]
    assert "Unsteady" in names(jumps, jumps)


def test_not_learning() -> None:
    assert names([1.0] * 10, [1.0 + epoch for epoch in range(10)]) == ["Not learning"]


def test_too_short_and_no_validation() -> None:
    assert names([3.0, 2.0], [3.0, 2.0]) == ["Too short to tell"]
    assert names(descent(), []) == ["No validation part"]


def test_diverged_names_the_epoch() -> None:
    report = regression_report(history=history([1.0, 0.5, float("nan")], [1.0, 0.6, 0.5]))
    (finding,) = read_curves(report)
    assert finding.text == (
        "The loss stopped being a number in epoch 3. Lower the learning rate, and look for extreme "
        "values in the data."
    )


def test_negative_losses_are_read_by_their_descent() -> None:
    falling = [0.5 - epoch / 10 for epoch in range(20)]
    assert names(falling, [*falling, *[falling[-1] + 1.0] * 20][:20]) == ["Healthy"]
    rising = [*falling, *[falling[-1] + 1.0] * 20]
    assert names([*falling, *falling], rising) == ["Overfitting"]


def test_overfitting_says_which_weights_were_kept() -> None:
    fall = descent(0.1)[:20]
    validation = [*fall, *[fall[-1] * 1.3] * 20]
    curves = History(descent(0.09), validation, {}, 20, 40, kept_epochs=[5, 20])
    (finding,) = read_curves(regression_report(history=curves))
    assert finding.text.startswith("After epoch 20 the network went on memorising ")
    assert "The weights of epochs 5 and 20 were kept, so the saved model is not harmed." in (
        finding.text
    )


def test_verdict_of_numbers() -> None:
    verdict = judge(regression_report())
    assert verdict.sentence == (
        "On rows it has never seen, the prediction misses by 7,705 on average."
    )
    assert verdict.comparison.startswith("A linear model on the same columns misses by ")
    assert "always giving the same answer misses by 75,000." in verdict.comparison
    assert "less error than the linear model (95% interval" in verdict.caution


def test_verdict_of_classes() -> None:
    verdict = judge(binary_report())
    assert verdict.sentence == "On rows it has never seen, 92.7% of the answers are right."
    assert verdict.comparison == ("A linear model on the same columns is right in 60.0% of cases.")


def test_verdict_is_honest_about_chance_and_about_failure() -> None:
    report = regression_report()
    same = dataclasses.replace(report.model, name="Linear model")
    verdict = judge(dataclasses.replace(report, linear=same))
    assert verdict.caution == "On 200 test rows the linear model makes just as many errors."
    near = Predictor("Linear", {"mae": 1.0}, 2 * report.y_true - report.predictions + 300.0)
    within = judge(dataclasses.replace(report, linear=near)).caution
    assert within.startswith("On 200 test rows the difference to the linear model is within chance")
    exact = Predictor("Linear model", {"mae": 1.0}, report.y_true + 1.0)
    assert "use that one." in judge(dataclasses.replace(report, linear=exact)).caution
    useless = Predictor("Always the mean", {"mae": 1.0})
    assert judge(dataclasses.replace(report, trivial=useless)).caution == (
        "It has not learned anything useful: giving one and the same answer does as well."
    )


def test_gain_is_the_share_of_error_avoided() -> None:
    report = regression_report()
    double = report.y_true + 2 * (report.predictions - report.y_true)
    halved = dataclasses.replace(report, linear=Predictor("Linear", {"mae": 1.0}, double))
    gain = gain_over_linear(halved)
    assert gain is not None
    assert np.allclose([gain.estimate, gain.low, gain.high], 0.5)


@pytest.mark.parametrize("make", [regression_report, binary_report])
def test_verdict_without_baselines(make) -> None:  # type: ignore[no-untyped-def]
    verdict = judge(make(linear=None, trivial=None))
    assert verdict.comparison == ""
    assert verdict.caution == ""
