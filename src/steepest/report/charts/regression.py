"""Figures for predicted numbers: predicted against true, and the misses."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.report.charts.axes import WIDTH, Frame, Scale, frame, round_bounds
from steepest.report.charts.svg import (
    Markup,
    circle,
    dots,
    label,
    line,
    picture,
    polyline,
    rectangle,
)
from steepest.report.numbers import count, exact, short

Array = np.ndarray[Any, Any]
MAX_DOTS = 2000
NAMED_DOTS = 12
BINS = 31


def drawn_rows(y_true: Array, y_pred: Array) -> Array:
    """Positions of the rows that the scatter draws: all, or a fixed sample with the worst kept."""
    if len(y_true) <= MAX_DOTS:
        return np.arange(len(y_true))
    worst = np.argsort(-np.abs(y_pred - y_true), kind="stable")[:NAMED_DOTS]
    sample = np.random.default_rng(0).choice(len(y_true), MAX_DOTS - NAMED_DOTS, replace=False)
    return np.unique(np.concatenate([worst, sample]))


def scatter(y_true: Array, y_pred: Array, target: str) -> Markup:
    """Predicted against true, with the line where both are equal.

    Args:
        y_true: true numbers, shape `(rows,)`.
        y_pred: predicted numbers, shape `(rows,)`.
        target: name of the target, for the axes.
    """
    rows = drawn_rows(y_true, y_pred)
    true, predicted = y_true[rows], y_pred[rows]
    height = 430.0
    together = np.concatenate([true, predicted])
    bounds = round_bounds(float(together.min()), float(together.max()))
    plot = frame(bounds, bounds, (f"true {target}", f"predicted {target}"), height)
    drawn = plot.grid(x_grid=True)
    drawn.append(
        line(plot.x.start, plot.y.start, plot.x.end, plot.y.end, "identity"),
    )
    drawn.append(
        label(plot.x.end - 6, plot.y.end + 14, "predicted = true", "identity-label", "end")
    )
    misses = np.abs(predicted - true)
    order = np.argsort(-misses, kind="stable")
    named, plain = order[:NAMED_DOTS], order[NAMED_DOTS:]
    style = "dots dense" if len(rows) > 400 else "dots"
    drawn.append(dots(_places(plot, true[plain], predicted[plain]), style))
    for position in reversed(named.tolist()):
        hint = f"true {exact(true[position])}, predicted {short(predicted[position], 4)}"
        drawn.append(
            circle(plot.x(true[position]), plot.y(predicted[position]), 4.5, "worst", hint)
        )
    description = (
        f"{count(len(rows), 'test row')}; the points lie along the diagonal where the prediction "
        f"is right; the {len(named)} largest misses are ringed."
    )
    return picture(WIDTH, height, f"Predicted against true {target}", description, drawn)


def _places(plot: Frame, true: Array, predicted: Array) -> list[tuple[float, float]]:
    return [(plot.x(x), plot.y(y)) for x, y in zip(true.tolist(), predicted.tolist(), strict=True)]


def miss_histogram(y_true: Array, y_pred: Array) -> Markup:
    """How often the prediction misses by how much: predicted minus true.

    The outermost bins hold everything beyond the 1st and 99th percentile of the size of the miss.
    """
    misses = y_pred - y_true
    reach = float(np.percentile(np.abs(misses), 99)) or float(np.abs(misses).max()) or 1.0
    edges = np.linspace(-reach, reach, BINS + 1)
    counts, _ = np.histogram(np.clip(misses, -reach, reach), bins=edges)
    height = 300.0
    top = round_bounds(0.0, float(counts.max()), 4)[1]
    plot = frame((-reach, reach), (0.0, top), ("predicted − true", "test rows"), height)
    drawn = plot.grid(x_ticks=4, y_ticks=4)
    for left, right, rows in zip(edges[:-1], edges[1:], counts, strict=True):
        hint = f"{count(int(rows), 'row')} missed by {short(left)} to {short(right)}"
        start = plot.x(float(left)) + 0.75
        width = plot.x(float(right)) - plot.x(float(left)) - 1.5
        above = plot.y.start - plot.y(float(rows))
        drawn.append(rectangle(start, plot.y(float(rows)), width, above, "bar model", hint))
    drawn.append(line(plot.x(0.0), plot.y.start, plot.x(0.0), plot.y.end, "identity"))
    middle = float(np.median(misses))
    description = (
        f"Half of the misses are below {short(middle)}; 98 in 100 rows lie within "
        f"{short(reach)} of the truth."
    )
    return picture(WIDTH, height, "Size of the misses", description, drawn)


def dumbbell(true: float, predicted: float, low: float, high: float) -> Markup:
    """One mistake on a common scale: a ring at the truth, a disc at the prediction."""
    scale = Scale(low, high, 8.0, 252.0)
    start, end = scale(true), scale(predicted)
    drawn = [
        line(8.0, 12.0, 252.0, 12.0, "axis"),
        polyline([(start, 12.0), (end, 12.0)], "miss"),
        circle(start, 12.0, 5.0, "ring"),
        circle(end, 12.0, 5.0, "worst"),
    ]
    story = f"true {exact(true)}, predicted {short(predicted, 4)}"
    return picture(260.0, 24.0, "Miss", story, drawn, "dumbbell")
