"""Learning curves: the slope at the head of the page, and the loss by epoch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from steepest.report.charts.axes import WIDTH, Frame, frame, log_bounds, round_bounds, wants_log
from steepest.report.charts.svg import Markup, area, circle, element, label, line, picture, polyline
from steepest.report.contents import History
from steepest.report.numbers import short

SLOPE_WIDTH, SLOPE_HEIGHT = 1000.0, 220.0
SLOPE_TOP, SLOPE_FALL = 14.0, 130.0
STRATA = 7
MAX_POINTS = 400

Series = tuple[str, str, Sequence[float]]
"""A style of the style sheet, the name in words, and one number per epoch."""


@dataclasses.dataclass(frozen=True)
class Slope:
    """The picture at the head of the page and the flag planted at its best epoch.

    Attributes:
        chart: the picture, which stretches with the page.
        flag_x, flag_y: where the flag stands, in percent of the picture's width and height.
        start, best: what the loss was in the first and in the best epoch, in words.
    """

    chart: Markup
    flag_x: float
    flag_y: float
    start: str
    best: str


def slope(history: History) -> Slope | None:
    """The descent of the loss as a mountain slope, without lettering; None for one epoch.

    Epochs run along their square root, because most of the descent lies in the first ones. The
    picture repeats the figure of the loss, so it is hidden from screen readers.
    """
    part = "validation" if history.validation_loss else "training"
    values = list(history.validation_loss or history.train_loss)
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    points = _slope_points(values)
    layers = [_slope_shading(), area(points, SLOPE_HEIGHT, "slope-fill")]
    for stratum in range(1, STRATA):
        sunk = [(x, y + stratum * stratum * 3.2 + 6 * stratum) for x, y in points]
        layers.append(polyline(sunk, f"slope-stratum slope-stratum-{stratum}"))
    attributes = {
        "class": "slope",
        "viewBox": f"0 0 {SLOPE_WIDTH:g} {SLOPE_HEIGHT:g}",
        "preserveAspectRatio": "none",
        "aria_hidden": "true",
        "focusable": "false",
    }
    best = history.best_epoch or history.epochs
    x = math.sqrt((best - 1) / (len(values) - 1))
    y = min(points, key=lambda point: abs(point[0] - x * SLOPE_WIDTH))[1]
    return Slope(
        element("svg", attributes, layers),
        min(100 * x, 99.8),
        100 * y / SLOPE_HEIGHT,
        f"{part} loss {short(values[0])} after the first epoch",
        f"{short(values[best - 1])} after epoch {best}",
    )


def _slope_shading() -> Markup:
    """The gradient that fills the slope, coloured by the style sheet."""
    stops = [
        element("stop", {"offset": 0, "class": "slope-light"}),
        element("stop", {"offset": 1, "class": "slope-deep"}),
    ]
    gradient = element("linearGradient", {"id": "slope-shading", "x2": 0, "y2": 1}, stops)
    return element("defs", {}, [gradient])


def _slope_points(values: Sequence[float]) -> list[tuple[float, float]]:
    """The line of the slope in the picture's coordinates."""
    heights = [math.log(value) for value in values] if min(values) > 0 else list(values)
    low, high = min(heights), max(heights)
    span = high - low or 1.0
    last = len(values) - 1
    return [
        (
            SLOPE_WIDTH * math.sqrt(epoch / last),
            SLOPE_TOP + SLOPE_FALL * (high - heights[epoch]) / span,
        )
        for epoch in thin(len(values), MAX_POINTS)
    ]


def loss_curves(history: History) -> Markup:
    """Training and validation loss by epoch, with the best epoch marked."""
    series = [("train", "rows learned from", history.train_loss)]
    if history.validation_loss:
        series.append(("model", "rows held out", history.validation_loss))
    return _curves(history, series, "Loss")


def metric_curve(history: History, name: str, title: str) -> Markup:
    """One measure on the validation part by epoch, with the best epoch marked."""
    return _curves(history, [("model", "rows held out", history.validation_metrics[name])], title)


def rate_curve(history: History) -> Markup:
    """The learning rate by epoch."""
    return _curves(history, [("rate", "learning rate", history.learning_rate)], "Learning rate")


def _curves(history: History, series: Sequence[Series], title: str) -> Markup:
    height = 300.0
    every = [value for _, _, values in series for value in _finite(values)]
    if not every:
        every = [0.0, 1.0]
    log_y = wants_log(every) and series[0][0] != "rate"
    bounds = log_bounds(min(every), max(every)) if log_y else round_bounds(min(every), max(every))
    last = max(2, history.epochs)
    name = "logarithmic scale" if log_y else ""
    plot = frame((1, last), bounds, ("epoch", name), height, log_y)
    drawn = plot.grid()
    if history.best_epoch is not None:
        drawn += _best_epoch(plot, history.best_epoch)
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


def _best_epoch(plot: Frame, epoch: int) -> list[Markup]:
    """A dotted line at the best epoch, named above the plot area, clear of the axis title."""
    place = plot.x(epoch)
    to_the_right = place < WIDTH * 0.6
    first = plot.x.start + 78 if plot.y_title else plot.x.start
    return [
        line(place, plot.y.start, place, plot.y.end - 14, "best"),
        label(
            max(place + 6, first) if to_the_right else place - 6,
            plot.y.end - 6,
            f"best: epoch {epoch}",
            "best-label",
            "start" if to_the_right else "end",
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
