"""Figures for predicted classes: who is taken for whom, ranking, and honest probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.report.charts.axes import WIDTH, frame
from steepest.report.charts.svg import (
    Markup,
    area,
    circle,
    label,
    line,
    picture,
    polyline,
    rectangle,
    tooltip,
)
from steepest.report.charts.svg import element as element_of
from steepest.report.measures import CalibrationBin, RocCurve
from steepest.report.numbers import count, percent, short

Array = np.ndarray[Any, Any]
MAX_ROC_POINTS = 500
SHADES = 9
FIRST_DARK_SHADE = 7


def confusion_map(counts: Array, classes: Sequence[str]) -> Markup:
    """Heat map of a confusion matrix; each row is shaded by share of its true class.

    Args:
        counts: rows by true (first axis) and predicted class, shape `(classes, classes)`.
        classes: the names of both axes.
    """
    size = len(classes)
    left, top = 118.0, 74.0
    cell = (WIDTH - left - 8.0) / size
    tall = min(cell, 260.0 / size + 12.0)
    drawn = [
        label(left, 14.0, "predicted class →", "axis-title"),
        label(left - 10.0, top - 8.0, "true class ↓", "axis-title", "end"),
    ]
    for column, name in enumerate(classes):
        drawn.append(_column_name(name, left + (column + 0.5) * cell, top - 8.0, cell))
    for row, name in enumerate(classes):
        middle = top + (row + 0.5) * tall
        drawn.append(_fitted(name, left - 10.0, middle + 4.0, "end", 15))
        total = int(counts[row].sum())
        for column in range(size):
            corner = (left + column * cell, top + row * tall)
            drawn += _cell(
                int(counts[row, column]),
                total,
                row == column,
                corner,
                (cell, tall),
                (name, classes[column]),
            )
    right = int(np.trace(counts))
    description = (
        f"{right:,} of {int(counts.sum()):,} test rows are on the diagonal: right answers."
    )
    return picture(WIDTH, top + size * tall + 8.0, "Confusion matrix", description, drawn)


def _cell(
    rows: int,
    total: int,
    right: bool,
    corner: tuple[float, float],
    extent: tuple[float, float],
    names: tuple[str, str],
) -> list[Markup]:
    share = rows / total if total else 0.0
    depth = share if right else share**0.5
    shade = 0 if rows == 0 else 1 + min(SHADES - 1, int(depth * SHADES))
    hint = f"{count(rows, 'row')} of true class {names[0]} predicted as {names[1]}"
    hint += f" ({percent(share)} of that class)" if total else ""
    kind = "right" if right else "wrong"
    x, y = corner
    box = rectangle(
        x + 1, y + 1, extent[0] - 2, extent[1] - 2, f"heat {kind} shade-{shade}", hint, 2.0
    )
    if extent[0] < 24 or (rows == 0 and extent[0] < 40):
        return [box]
    style = "heat-text strong" if shade >= FIRST_DARK_SHADE else "heat-text"
    style += " nil" if rows == 0 else ""
    return [box, label(x + extent[0] / 2, y + extent[1] / 2 + 4.5, f"{rows:,}", style, "middle")]


def _column_name(name: str, x: float, y: float, room: float) -> Markup:
    if room >= 60:
        return _fitted(name, x, y, "middle", int(room / 7.5))
    attributes = {
        "x": x,
        "y": y,
        "transform": f"rotate(-40 {x:.1f} {y:.1f})",
        "text_anchor": "start",
    }
    return element_of("text", attributes, [cut(name, 9), tooltip(name)])


def _fitted(name: str, x: float, y: float, anchor: str, letters: int) -> Markup:
    attributes = {"x": x, "y": y, "text_anchor": anchor}
    return element_of("text", attributes, [cut(name, letters), tooltip(name)])


def cut(text: str, letters: int) -> str:
    """Shorten `text` to `letters` letters, with an ellipsis in place of what is cut."""
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def roc(curve: RocCurve, positive: str, linear: RocCurve | None = None) -> Markup:
    """The ROC curve, with the linear baseline's where it is known."""
    height = 400.0
    titles = ("false alarms", f"{cut(positive, 24)} found")
    plot = frame((0.0, 1.0), (0.0, 1.0), titles, height)
    drawn = plot.grid(x_grid=True)
    drawn.append(line(plot.x(0), plot.y(0), plot.x(1), plot.y(1), "identity"))
    drawn.append(label(plot.x(0.62), plot.y(0.56), "guessing", "identity-label"))
    if linear is not None and len(linear.true_positive_rate):
        drawn.append(polyline(_roc_points(linear, plot), "curve train"))
    points = _roc_points(curve, plot)
    drawn.append(area(points, plot.y(0), "under"))
    drawn.append(polyline(points, "curve model"))
    drawn.append(label(plot.x(0.98), plot.y(0.06), f"area {short(curve.area, 4)}", "big", "end"))
    description = f"The area under the curve is {short(curve.area, 4)}; guessing has 0.5."
    return picture(WIDTH, height, "ROC curve", description, drawn)


def _roc_points(curve: RocCurve, plot: Any) -> list[tuple[float, float]]:
    length = len(curve.true_positive_rate)
    kept = np.unique(np.linspace(0, length - 1, min(length, MAX_ROC_POINTS)).round().astype(int))
    return [
        (
            plot.x(float(curve.false_positive_rate[place])),
            plot.y(float(curve.true_positive_rate[place])),
        )
        for place in kept
    ]


def calibration_chart(bins: Sequence[CalibrationBin], positive: str) -> Markup:
    """Predicted probability against observed share; the discs' areas are row counts."""
    height = 400.0
    titles = (f"predicted probability of {cut(positive, 20)}", "observed share")
    plot = frame((0.0, 1.0), (0.0, 1.0), titles, height)
    drawn = plot.grid(x_grid=True)
    drawn.append(line(plot.x(0), plot.y(0), plot.x(1), plot.y(1), "identity"))
    drawn.append(label(plot.x(0.62), plot.y(0.56), "honest", "identity-label"))
    points = [(plot.x(each.predicted), plot.y(each.observed)) for each in bins]
    drawn.append(polyline(points, "curve model thin"))
    most = max(each.rows for each in bins)
    for each, (x, y) in zip(bins, points, strict=True):
        hint = (
            f"{count(each.rows, 'row')}: predicted {percent(each.predicted)}, "
            f"observed {percent(each.observed)}"
        )
        drawn.append(circle(x, y, 3.0 + 9.0 * (each.rows / most) ** 0.5, "bubble", hint))
    description = "; ".join(
        f"predicted {percent(each.predicted)}, observed {percent(each.observed)} "
        f"({count(each.rows, 'row')})"
        for each in bins
    )
    return picture(WIDTH, height, "Calibration", description, drawn)


def certainty_bar(probability: float) -> Markup:
    """How sure the network was of a wrong class, as a bar from 0 to 1."""
    drawn = [
        rectangle(0.0, 8.0, 260.0, 8.0, "track", radius=4.0),
        rectangle(0.0, 8.0, 260.0 * probability, 8.0, "worst", radius=4.0),
    ]
    return picture(260.0, 24.0, "Certainty", percent(probability), drawn, "dumbbell")
