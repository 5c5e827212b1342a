"""Writes a report as one HTML file that needs nothing else: no network, no fonts, no scripts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steepest.report import figures, numbers
from steepest.report.charts import bars, learning
from steepest.report.contents import ColumnFacts, Report
from steepest.report.reading import RULES_IN_WORDS, read_curves
from steepest.report.rendering import render_page, write_page
from steepest.report.verdict import judge

COLUMNS_UP_FRONT = 24
MAX_COLUMNS = 240


def write_html(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write `report` to the file `path`, whole or not at all.

    Raises:
        MissingExtraError: jinja2 is not installed.
        OSError: the file cannot be written.
    """
    return write_page(render_html(report), Path(path))


def render_html(report: Report) -> str:
    """The report as the text of an HTML page.

    Every string of the report is escaped. Characters that cannot be shown, or that turn the
    direction of the text around, are replaced by `�`.
    """
    return render_page("report.html", _contents(report), ("report.css",))


def _contents(report: Report) -> Mapping[str, Any]:
    """Everything that the template shows."""
    used = report.used_columns
    return {
        "report": report,
        "unit": "row",
        "title": f"{report.target} from {report.data_file}",
        "verdict": judge(report),
        "facts": _facts(report),
        "slope": learning.slope(report.history),
        "metric_figures": figures.metric_figures(report),
        "metric_table": figures.metric_table(report),
        "findings": read_curves(report),
        "rules": RULES_IN_WORDS,
        "learning_figures": figures.learning_figures(report),
        "prediction_figures": figures.prediction_figures(report),
        "mistakes": figures.mistake_views(report),
        "importance": figures.importance_figure(report),
        "split_bar": bars.split_bar(list(report.split_sizes.items())),
        "columns": [_column_view(column) for column in used[:COLUMNS_UP_FRONT]],
        "more_columns": [_column_view(column) for column in used[COLUMNS_UP_FRONT:MAX_COLUMNS]],
        "hidden_columns": max(0, len(used) - MAX_COLUMNS),
        "kinds": _kinds(used),
        "layers": _layer_views(report),
    }


def _facts(report: Report) -> list[tuple[str, str]]:
    """The short facts below the headline: name and value."""
    used = len(report.used_columns)
    epochs = report.history.epochs
    best = report.history.best_epoch
    facts = [
        ("rows", numbers.count(report.rows)),
        ("columns used", f"{used:,} of {used + len(report.left_out_columns):,}"),
        ("test rows", numbers.count(len(report.y_true))),
    ]
    if report.parameters:
        facts.append(("parameters", numbers.count(report.parameters)))
    facts.append(("epochs", f"{epochs:,}" + (f", best {best:,}" if best else "")))
    if "training" in report.durations:
        facts.append(("training took", numbers.duration(report.durations["training"])))
    return facts


def _column_view(column: ColumnFacts) -> Mapping[str, Any]:
    details = []
    if column.distinct is not None and column.kind != "number":
        details.append(numbers.count(column.distinct, "value"))
    if column.missing:
        details.append(f"{column.missing:,} missing")
    if column.note:
        details.append(column.note)
    return {
        "name": column.name,
        "kind": column.kind,
        "details": ", ".join(details),
        "spark": bars.sparkline(column.histogram, column.kind != "number"),
    }


def _kinds(columns: list[ColumnFacts]) -> list[str]:
    """How many columns of each kind, in words, the commonest kind first."""
    counts: dict[str, int] = {}
    for column in columns:
        counts[column.kind] = counts.get(column.kind, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return [f"{amount:,} × {kind}" for kind, amount in ranked]


def _layer_views(report: Report) -> list[Mapping[str, Any]]:
    most = max((layer.parameters for layer in report.layers), default=0) or 1
    return [
        {
            "layer": layer,
            "share": f"{100 * layer.parameters / most:.1f}",
            "multiply_adds": "" if layer.multiply_adds is None else f"{layer.multiply_adds:,}",
        }
        for layer in report.layers
    ]
