"""Learning curves: the slope at the head of the page, and the loss by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.report.charts.axes import WIDTH, Frame, frame, log_bounds, round_bounds, wants_log
from steepest.report.charts.svg import Markup, area, circle, label, line, picture, polyline
from steepest.report.contents import History
from steepest.report.numbers import short

SLOPE_WIDTH, SLOPE_HEIGHT = 1000.0, 220.0
STRATA = 7
MAX_POINTS = 400

Series = tuple[str, str, Sequence[float]]
"""A style of the style sheet, the name in words, and one number per epoch."""


def slope(history: History) -> Markup:
    """The descent of the loss as a mountain slope, without lettering.

    The picture stretches with the page. It repeats the validation loss (or the training loss
    without one) of the figure below, so it is hidden from screen readers.
    """
    values = _finite(history.validation_loss or history.train_loss)
    if len(values) < 2:
        return Markup("")
    if wants_log(values):
        values = [math.log(value) for value in values]
    low, high = min(values), max(values)
    span = high - low or 1.0
    columns = thin(len(values), MAX_POINTS)
    points = [
        (
            SLOPE_WIDTH * column / (len(values) - 1),
            12 + 0.62 * SLOPE_HEIGHT * (high - values[column]) / span,
        )
        for column in columns
    ]
    layers = [area(points, SLOPE_HEIGHT, "slope-fill")]
    for stratum in range(1, STRATA):
        sunk = [(x, y + stratum * stratum * 3.2 + 6 * stratum) for x, y in points]
        layers.append(polyline(sunk, f"slope-stratum slope-stratum-{stratum}"))
    layers.append(polyline(points, "slope-edge"))
    opening = (
        f'<svg class="slope" viewBox="0 0 {SLOPE_WIDTH:.0f} {SLOPE_HEIGHT:.0f}" '
        'preserveAspectRatio="none" aria-hidden="true" focusable="false">'
    )
    return Markup(opening + "".join(layers) + "</svg>")


def loss_curves(history: History) -> Markup:
    """Training and validation loss by epoch, with the best epoch marked."""
    series = [("train", "training", history.train_loss)]
    if history.validation_loss:
        series.append(("model", "validation", history.validation_loss))
    return _curves(history, series, "Loss")


def metric_curve(history: History, name: str, title: str) -> Markup:
    """One measure on the validation part by epoch, with the best epoch marked."""
    return _curves(history, [("model", "validation", history.validation_metrics[name])], title)


def _curves(history: History, series: Sequence[Series], title: str) -> Markup:
    height = 300.0
    every = [value for _, _, values in series for value in _finite(values)]
    if not every:
        every = [0.0, 1.0]
    log_y = wants_log(every)
    bounds = log_bounds(min(every), max(every)) if log_y else round_bounds(min(every), max(every))
    last = max(2, history.epochs)
    name = f"{title} (logarithmic)" if log_y else title
    plot = frame((1, last), bounds, ("epoch", name), height, log_y)
    drawn = plot.grid()
    if history.best_epoch is not None:
        drawn += _best_epoch(plot.x(history.best_epoch), plot.y.start, plot.y.end, history)
    for style, _, values in series:
        points = [
            (plot.x(column + 1), plot.y(values[column]))
            for column in thin(len(values), MAX_POINTS)
            if math.isfinite(values[column])
        ]
        if points:
            drawn.append(polyline(points, f"curve {style}"))
    drawn += _marks(history, series, plot)
    description = "; ".join(_story(name, values, history) for _, name, values in series)
    return picture(WIDTH, height, f"{title} by epoch", description, drawn)


def _best_epoch(place: float, bottom: float, top: float, history: History) -> list[Markup]:
    right = place < WIDTH * 0.6
    return [
        line(place, bottom, place, top, "best"),
        label(
            place + (6 if right else -6),
            top + 10,
            f"best: epoch {history.best_epoch}",
            "best-label",
            "start" if right else "end",
        ),
    ]


def _marks(history: History, series: Sequence[Series], plot: Frame) -> list[Markup]:
    marks = []
    epoch = history.best_epoch or history.epochs
    for style, name, values in series:
        value = values[epoch - 1]
        if math.isfinite(value):
            hint = f"{name}: {short(value)} in epoch {epoch}"
            marks.append(circle(plot.x(epoch), plot.y(value), 4.5, f"mark {style}", hint))
    return marks


def _story(name: str, values: Sequence[float], history: History) -> str:
    best = history.best_epoch or history.epochs
    return (
        f"{name} from {short(values[0])} in epoch 1 to {short(values[best - 1])} in epoch {best} "
        f"and {short(values[-1])} in epoch {history.epochs}"
    )


def _finite(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values if math.isfinite(value)]


def thin(length: int, limit: int) -> list[int]:
    """At most `limit` of `length` positions, evenly spread, the first and last among them."""
    if length <= limit:
        return list(range(length))
    return [round(step * (length - 1) / (limit - 1)) for step in range(limit)]
