"""Bars: metrics against the baselines, importance of columns, and small histograms."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.report.charts.axes import WIDTH, Scale
from steepest.report.charts.classification import cut
from steepest.report.charts.svg import (
    Markup,
    element,
    label,
    line,
    picture,
    rectangle,
    tooltip,
)
from steepest.report.contents import Importance
from steepest.report.measures import MetricFacts
from steepest.report.numbers import percent, short

STYLES = ("model", "linear", "trivial")


def metric_bars(facts: MetricFacts, names: Sequence[str], values: Sequence[float]) -> Markup:
    """One metric of the network and the baselines as bars from zero.

    Args:
        facts: how the metric is read.
        names: the network's name first, then the baselines'.
        values: their scores; at most as many as there are `STYLES`.
    """
    row = 34.0
    low = min(0.0, *values)
    scale = Scale(low, max(*values, 0.0) or 1.0, 0.0, 220.0)
    drawn = []
    for position, (name, value) in enumerate(zip(names, values, strict=True)):
        top = position * row
        start, end = sorted((scale(0.0), scale(value)))
        style = STYLES[min(position, len(STYLES) - 1)]
        drawn.append(label(0.0, top + 12.0, name, f"bar-name {style}"))
        drawn.append(rectangle(start, top + 17.0, max(1.5, end - start), 8.0, f"bar {style}"))
        drawn.append(label(232.0, top + 26.0, facts.text(value), f"bar-value {style}"))
    story = ", ".join(
        f"{name} {facts.text(value)}" for name, value in zip(names, values, strict=True)
    )
    return picture(300.0, row * len(names), facts.label, story, drawn, "chart bars")


def importance_bars(importance: Sequence[Importance], unit: str, limit: int = 15) -> Markup:
    """The `limit` most important columns, longest bar first, with their spread."""
    shown = sorted(importance, key=lambda each: -each.increase)[:limit]
    row, left = 24.0, 170.0
    most = max(max(each.increase + each.spread for each in shown), 1e-12)
    scale = Scale(0.0, most, left, WIDTH - 58.0)
    drawn = []
    for position, each in enumerate(shown):
        middle = position * row + row / 2
        end = scale(max(0.0, each.increase))
        name = element(
            "text",
            {"x": left - 10.0, "y": middle + 4.5, "text_anchor": "end"},
            [cut(each.column, 22), tooltip(each.column)],
        )
        hint = f"{each.column}: {unit} worse by {short(each.increase)} ± {short(each.spread)}"
        drawn.append(name)
        drawn.append(rectangle(left, middle - 6, max(1.0, end - left), 12.0, "bar model", hint))
        spread = (scale(each.increase - each.spread), scale(each.increase + each.spread))
        drawn.append(line(spread[0], middle, spread[1], middle, "spread"))
        drawn.append(label(spread[1] + 8.0, middle + 4.5, short(each.increase), "bar-value"))
    story = ", ".join(f"{each.column} {short(each.increase)}" for each in shown[:5])
    title = "Importance of the columns"
    return picture(WIDTH, row * len(shown) + 4.0, title, story, drawn)


def sparkline(counts: Sequence[int], is_category: bool) -> Markup:
    """A histogram the size of a word, beside the column's name."""
    if not counts or max(counts) == 0:
        return Markup("")
    width, height = 96.0, 22.0
    step = width / max(len(counts), 8 if is_category else 1)
    gap = 1.0 if is_category else 0.4
    most = max(counts)
    drawn = [
        rectangle(
            place * step,
            height - max(0.8, height * rows / most),
            step - gap,
            max(0.8, height * rows / most),
            "spark-bar",
        )
        for place, rows in enumerate(counts)
    ]
    attributes = {"viewBox": f"0 0 {width:g} {height:g}", "class": "spark", "aria_hidden": "true"}
    return element("svg", attributes, drawn)


def split_bar(parts: Sequence[tuple[str, int]]) -> Markup:
    """The rows of each part as one bar, in proportion."""
    total = sum(rows for _, rows in parts) or 1
    width, place = 1000.0, 0.0
    drawn = []
    for position, (name, rows) in enumerate(parts):
        extent = width * rows / total
        hint = f"{name}: {rows:,} rows ({percent(rows / total)})"
        drawn.append(rectangle(place, 0.0, extent - 3.0, 14.0, f"part part-{position}", hint))
        place += extent
    story = ", ".join(f"{name} {rows:,}" for name, rows in parts)
    attributes = {
        "viewBox": f"0 0 {width:g} 14",
        "preserveAspectRatio": "none",
        "class": "split",
        "role": "img",
        "aria_label": f"Rows by part: {story}",
    }
    return element("svg", attributes, drawn)
