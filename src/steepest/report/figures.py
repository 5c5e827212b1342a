"""Chooses the figures of a report: which charts for which task, with captions and numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.report.charts import bars, classification, learning, regression
from steepest.report.charts.svg import Markup
from steepest.report.contents import History, Report
from steepest.report.measures import (
    Interval,
    bootstrap,
    calibration,
    confusion,
    metric_facts,
    pool_classes,
    roc_curve,
)
from steepest.report.numbers import count, exact, percent, short
from steepest.train.history import kept_weights
from steepest.train.metrics import compute

Array = np.ndarray[Any, Any]
MAX_CLASSES = 12
MAX_TABLE_EPOCHS = 60


@dataclasses.dataclass(frozen=True)
class Table:
    """The numbers of a figure, for those who would rather read, or cannot see it."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A chart with its heading, one sentence of caption, and its numbers."""

    heading: str
    chart: Markup
    caption: str
    table: Table | None = None
    legend: Sequence[tuple[str, str]] = ()


def metric_figures(report: Report) -> list[Figure]:
    """One small bar chart for each metric of the network, against the baselines."""
    figures = []
    for metric in report.model.metrics:
        facts = metric_facts(metric)
        measured = [each for each in report.predictors if metric in each.metrics]
        values = [float(each.metrics[metric]) for each in measured]
        if not np.isfinite(values).all():
            continue
        chart = bars.metric_bars(facts, [each.name for each in measured], values)
        better = "More is better." if facts.higher_is_better else "Less is better."
        figures.append(Figure(facts.label, chart, f"{facts.explanation} {better}".strip()))
    return figures


def metric_table(report: Report) -> Table:
    """Every metric of every predictor; the network's with a 95 % interval where that is cheap."""
    names = [each.name for each in report.predictors]
    rows = []
    for metric in report.model.metrics:
        facts = metric_facts(metric)
        cells = [
            facts.text(each.metrics[metric]) if metric in each.metrics else ""
            for each in report.predictors
        ]
        interval = metric_interval(report, metric)
        bounds = f"{facts.text(interval.low)} to {facts.text(interval.high)}" if interval else ""
        rows.append([facts.label, *cells, bounds])
    return Table(["Metric", *names, "95% interval"], rows)


def metric_interval(report: Report, metric: str) -> Interval | None:
    """The network's 95 % bootstrap interval over test rows for MAE, RMSE and accuracy."""
    if report.task == "regression":
        misses = np.abs(report.predictions.astype(float) - report.y_true.astype(float))
        statistics = {
            "mae": lambda rows: float(misses[rows].mean()),
            "rmse": lambda rows: compute("rmse", np.zeros(len(rows)), misses[rows]),
        }
    else:
        right = report.predictions.astype(str) == report.y_true.astype(str)
        statistics = {"accuracy": lambda rows: float(right[rows].mean())}
    if metric not in statistics:
        return None
    return bootstrap(statistics[metric], len(report.y_true))


def learning_figures(report: Report) -> list[Figure]:
    """The loss by epoch, and the validation measure that the report leads with."""
    history = report.history
    legend = [("train", "rows learned from")]
    if history.validation_loss:
        legend.append(("model", "rows held out"))
    caption = "The loss that training brought down."
    kept = kept_weights(history.kept_epochs, history.best_epoch)
    if kept:
        caption += f" The {kept} were kept."
    figures = [
        Figure("Loss", learning.loss_curves(history), caption, _history_table(history), legend)
    ]
    for metric in list(history.validation_metrics)[:1]:
        label = metric_facts(metric).label
        better = "More" if metric_facts(metric).higher_is_better else "Less"
        figures.append(
            Figure(
                label,
                learning.metric_curve(history, metric, label),
                f"{better} is better.",
                legend=[("model", "rows held out")],
            )
        )
    if len(figures) == 1 and len(set(history.learning_rate)) > 1:
        chart = learning.rate_curve(history)
        caption = "How large the steps were: large ones explore, small ones settle."
        figures.append(Figure("Learning rate", chart, caption, legend=[("rate", "step size")]))
    return figures


def _history_table(history: History) -> Table:
    headings = ["Epoch", "Training loss"]
    series = [history.train_loss]
    if history.validation_loss:
        headings.append("Validation loss")
        series.append(history.validation_loss)
    for name, values in history.validation_metrics.items():
        headings.append(f"Validation {metric_facts(name).label}")
        series.append(values)
    epochs = set(learning.thin(history.epochs, MAX_TABLE_EPOCHS))
    if history.best_epoch is not None:
        epochs.add(history.best_epoch - 1)
    rows = [
        [str(epoch + 1), *(short(values[epoch], 4) for values in series)]
        for epoch in sorted(epochs)
    ]
    return Table(headings, rows)


def prediction_figures(report: Report) -> list[Figure]:
    """How predictions and truth compare, row by row."""
    if report.task == "regression":
        return _regression_figures(report)
    figures = [_confusion_figure(report)]
    if report.task == "binary" and report.probabilities is not None:
        figures += _binary_figures(report)
    return figures


def _regression_figures(report: Report) -> list[Figure]:
    true = report.y_true.astype(np.float64)
    predicted = report.predictions.astype(np.float64)
    misses = predicted - true
    shown = len(regression.drawn_rows(true, predicted))
    sample = "" if shown == len(true) else f" A sample of {shown:,} of {len(true):,} rows is drawn."
    above = percent(float((misses > 0).mean()))
    quantiles = np.percentile(misses, [1, 5, 25, 50, 75, 95, 99])
    names = ["1%", "5%", "25%", "50%", "75%", "95%", "99%"]
    table = Table(
        ["Share of rows below", "predicted − true"],
        [[name, short(value, 4)] for name, value in zip(names, quantiles, strict=True)],
    )
    return [
        Figure(
            "Predicted against true",
            regression.scatter(true, predicted, classification.cut(report.target, 24)),
            "Each point is a test row; on the line, the prediction is right. The largest misses "
            f"are ringed: rest the pointer on one.{sample}",
        ),
        Figure(
            "How large the misses are",
            regression.miss_histogram(true, predicted),
            f"{above} of the predictions are too high. The outermost bars hold all that lies "
            "beyond.",
            table,
        ),
    ]


def _confusion_figure(report: Report) -> Figure:
    counts = confusion(report.y_true, report.predictions, report.classes)
    pooled, names = pool_classes(counts, report.classes, MAX_CLASSES)
    caption = (
        "Rows are the truth, columns the answer; right answers lie on the diagonal. The deeper "
        "the colour, the larger the share of that true class (mistakes by the square root)."
    )
    return Figure(
        "Who is taken for whom",
        classification.confusion_map(pooled, names),
        caption,
        _class_table(counts, report.classes),
    )


def _class_table(counts: Array, classes: Sequence[str]) -> Table:
    rows = []
    for place, name in enumerate(classes):
        right = int(counts[place, place])
        true, answered = int(counts[place].sum()), int(counts[:, place].sum())
        found = percent(right / true) if true else "none in the test part"
        trusted = percent(right / answered) if answered else "never answered"
        rows.append([name, f"{true:,}", found, trusted])
    headings = ["Class", "Test rows", "Found (recall)", "Right when answered (precision)"]
    return Table(headings, rows)


def _binary_figures(report: Report) -> list[Figure]:
    assert report.probabilities is not None
    positive = str(report.classes[1])
    is_positive = report.y_true.astype(str) == positive
    probability = report.probabilities[:, 1].astype(np.float64)
    bins = calibration(is_positive, probability)
    figures = []
    curve = roc_curve(is_positive, probability)
    if len(curve.true_positive_rate):
        figures.append(
            Figure(
                "Ranking",
                classification.roc(curve, positive),
                f"How many rows of “{positive}” are found for how many false alarms, as the "
                "threshold falls.",
            )
        )
    table = Table(
        ["Test rows", "Mean predicted probability", "Observed share"],
        [[f"{b.rows:,}", percent(b.predicted), percent(b.observed)] for b in bins],
    )
    figures.append(
        Figure(
            "Are the probabilities honest?",
            classification.calibration_chart(bins, positive),
            "Of the rows given 80%, about 80% should be so: points on the line are honest.",
            table,
        )
    )
    return figures


@dataclasses.dataclass(frozen=True)
class MistakeView:
    """One mistake as it is shown: a sentence, a picture and the row's values."""

    row: str
    true: str
    predicted: str
    picture: Markup
    remarks: Sequence[str]
    features: Sequence[tuple[str, str]]
    more_features: Sequence[tuple[str, str]]


def mistake_views(report: Report, first: int = 6) -> list[MistakeView]:
    """The worst mistakes, each with its `first` most telling values up front."""
    views = []
    bounds = _mistake_bounds(report)
    for mistake in report.mistakes:
        values = [(name, value_text(value)) for name, value in mistake.features.items()]
        if report.task == "regression":
            true, predicted = exact(float(mistake.true)), short(float(mistake.predicted), 4)
            drawn = regression.dumbbell(float(mistake.true), float(mistake.predicted), *bounds)
        else:
            true, predicted = str(mistake.true), str(mistake.predicted)
            certainty = mistake.probability if mistake.probability is not None else 0.0
            drawn = classification.certainty_bar(certainty)
            predicted += f" ({percent(certainty)} sure)" if mistake.probability is not None else ""
        views.append(
            MistakeView(
                f"{mistake.row:,}",
                true,
                predicted,
                drawn,
                mistake.remarks,
                values[:first],
                values[first:],
            )
        )
    return views


def _mistake_bounds(report: Report) -> tuple[float, float]:
    if report.task != "regression" or not report.mistakes:
        return (0.0, 1.0)
    values = [float(each.true) for each in report.mistakes]
    values += [float(each.predicted) for each in report.mistakes]
    return min(values), max(values)


def value_text(value: object) -> str:
    """A value of the table as the report writes it."""
    if value is None:
        return "missing"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.integer | np.floating):
        return "missing" if value != value else exact(float(value))
    text = str(value)
    return text if len(text) <= 200 else text[:200] + "…"


def importance_figure(report: Report) -> Figure | None:
    """The bars of permutation importance, if it was measured."""
    if not report.importance:
        return None
    ranked = sorted(report.importance, key=lambda each: -each.increase)
    unit = metric_facts(report.importance_unit).label.lower() if report.importance_unit else "error"
    idle = sum(1 for each in ranked if each.increase <= each.spread)
    caption = (
        f"How much worse the {unit} becomes on the test part when one column is shuffled among "
        "the rows. Columns that say the same thing share their importance."
    )
    if idle:
        caption += f" {count(idle, 'column')} made no difference beyond chance."
    table = Table(
        ["Column", f"{unit} worse by", "±"],
        [[each.column, short(each.increase), short(each.spread)] for each in ranked[:200]],
    )
    return Figure("Importance of the columns", bars.importance_bars(ranked, unit), caption, table)
