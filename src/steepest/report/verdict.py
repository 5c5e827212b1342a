"""The report's first sentences: how good the network is, and against what."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from steepest.report.contents import Predictor, Report
from steepest.report.measures import Interval, bootstrap, metric_facts
from steepest.report.numbers import percent


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How good the network is, in words.

    Attributes:
        before, figure, after: the headline, whose `figure` is set large.
        comparison: one or two sentences against the baselines.
        caution: what to make of the uncertainty, or an empty string.
    """

    before: str
    figure: str
    after: str
    comparison: str
    caution: str

    @property
    def sentence(self) -> str:
        """The headline as one sentence."""
        return f"{self.before}{self.figure}{self.after}"


def headline_metric(report: Report) -> str:
    """The measure that the report leads with: the average miss, or the share of right answers."""
    preferred = ("mae", "rmse") if report.task == "regression" else ("accuracy", "log_loss")
    for metric in preferred:
        if metric in report.model.metrics:
            return metric
    return next(iter(report.model.metrics), "")


def is_better(report: Report, baseline: Predictor) -> bool:
    """Whether the network beats `baseline` in the headline metric."""
    metric = headline_metric(report)
    if metric not in report.model.metrics or metric not in baseline.metrics:
        return False
    gain = report.model.metrics[metric] - baseline.metrics[metric]
    return gain > 0 if metric_facts(metric).higher_is_better else gain < 0


def judge(report: Report) -> Verdict:
    """Put the network's quality into words, by the headline metric and its uncertainty."""
    if report.task == "regression":
        before, after = "On rows it has never seen, the prediction misses by ", " on average."
        figure = _in_units(report, report.model)
    else:
        before, after = "On rows it has never seen, ", " of the answers are right."
        figure = _in_units(report, report.model)
    metric = headline_metric(report)
    if metric not in ("mae", "accuracy"):
        before, after = f"On rows it has never seen, {metric_facts(metric).label} is ", "."
    return Verdict(before, figure, after, _comparison(report), _caution(report))


def _in_units(report: Report, predictor: Predictor) -> str:
    metric = headline_metric(report)
    if metric not in predictor.metrics:
        return "not measured"
    return metric_facts(metric).text(predictor.metrics[metric])


def _comparison(report: Report) -> str:
    metric = headline_metric(report)
    known = [each for each in (report.linear, report.trivial) if each and metric in each.metrics]
    if not known:
        return ""
    verb = {"mae": "misses by", "accuracy": "is right in"}.get(metric, "reaches")
    tail = " of cases" if metric == "accuracy" else ""
    parts = [f"{_subject(report, each)} {verb} {_in_units(report, each)}{tail}" for each in known]
    sentence = ", and ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _subject(report: Report, baseline: Predictor) -> str:
    if baseline is report.linear:
        return "a linear model on the same columns"
    if report.task == "regression":
        return "always giving the same answer"
    return "always answering the commonest class"


def _caution(report: Report) -> str:
    if report.trivial is not None and not is_better(report, report.trivial):
        return "It has not learned anything useful: giving one and the same answer does as well."
    if report.linear is None:
        return ""
    gain = gain_over_linear(report)
    if gain is None:
        return ""
    bounds = f"95% interval {percent(gain.low)} to {percent(gain.high)}"
    rows = f"{len(report.y_true):,} test rows"
    plural = "" if report.task == "regression" else "s"
    if gain.low == gain.high == 0:
        return f"On {rows} the linear model makes just as many errors."
    less, more = ("less", "more") if report.task == "regression" else ("fewer", "more")
    share = percent(abs(gain.estimate))
    if gain.low > 0:
        return f"The network makes {share} {less} error{plural} than the linear model ({bounds})."
    if gain.high < 0:
        return (
            f"The network makes {share} {more} error{plural} than the linear model: use that one."
        )
    return f"On {rows} the difference to the linear model is within chance ({bounds})."


def gain_over_linear(report: Report) -> Interval | None:
    """Share of the linear model's error that the network avoids, over paired test rows.

    The error is the absolute miss, or one for a wrong class. None where the linear model's
    predictions were not kept or make no error.
    """
    if report.linear is None or report.linear.predictions is None:
        return None
    ours = _errors(report, report.predictions)
    theirs = _errors(report, report.linear.predictions)
    if theirs.sum() == 0 or not np.isfinite(ours).all() or not np.isfinite(theirs).all():
        return None

    def share_avoided(rows: np.ndarray[Any, Any]) -> float:
        total = float(theirs[rows].sum())
        return 1 - float(ours[rows].sum()) / total if total > 0 else 0.0

    return bootstrap(share_avoided, len(ours))


def _errors(report: Report, predictions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if report.task == "regression":
        return np.abs(predictions.astype(np.float64) - report.y_true.astype(np.float64))
    return (predictions.astype(str) != report.y_true.astype(str)).astype(np.float64)
