"""Scales, ticks and the frame that charts share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from steepest.report.charts.svg import Markup, label, line
from steepest.report.numbers import compact

WIDTH = 460.0
DECADES_FOR_LOG = 1.3


@dataclasses.dataclass(frozen=True)
class Scale:
    """Maps numbers from `low`..`high` to coordinates from `start`..`end`."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, wanted: int) -> list[float]:
        """About `wanted` round numbers within the scale."""
        if self.logarithmic:
            return log_ticks(self.low, self.high, wanted)
        return [tick for tick in ticks(self.low, self.high, wanted) if self._holds(tick)]

    def label_step(self, found: Sequence[float], tick: float) -> float:
        """How fine the label of `tick` must be: by its neighbours, or by itself if logarithmic."""
        if self.logarithmic:
            return tick
        return min((abs(other - tick) for other in found if other != tick), default=abs(tick) or 1)

    def _holds(self, tick: float) -> bool:
        slack = 1e-9 * (self.high - self.low)
        return self.low - slack <= tick <= self.high + slack


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover `low`..`high`."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Powers of ten within `low`..`high`, with their 2- and 5-fold where there is room."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [tick for tick in found if low <= tick <= high]
        if len(inside) <= wanted + 2:
            return inside
    every = math.ceil(len(inside) / wanted)
    return inside[::every]


def round_bounds(low: float, high: float, wanted: int = 5) -> tuple[float, float]:
    """Widen `low`..`high` to the next round numbers; a single value gets some room around it."""
    if not high > low:
        room = abs(low) / 2 or 1.0
        low, high = low - room, high + room
    found = ticks(low, high, wanted)
    return found[0], found[-1]


def log_bounds(low: float, high: float) -> tuple[float, float]:
    """Widen positive `low`..`high` a little, evenly in the logarithm."""
    room = (high / low) ** 0.05
    return low / room, high * room


def wants_log(values: Sequence[float]) -> bool:
    """Whether positive values spread so widely that a logarithmic scale shows them better."""
    low, high = min(values), max(values)
    return low > 0 and math.log10(high / low) > DECADES_FOR_LOG


@dataclasses.dataclass(frozen=True)
class Frame:
    """A plot area with its two scales.

    Attributes:
        x, y: the scales; `y.start` is the bottom of the plot area.
        x_title, y_title: what the axes show.
    """

    x: Scale
    y: Scale
    x_title: str
    y_title: str

    def grid(self, x_ticks: int = 5, y_ticks: int = 5, x_grid: bool = False) -> list[Markup]:
        """Grid lines, tick labels and axis titles."""
        return [
            *self._rows(y_ticks),
            *self._columns(x_ticks, x_grid),
            label(self.x.end, self.y.start + 36, self.x_title, "axis-title", "end"),
            label(self.x.start - 44, self.y.end - 12, self.y_title, "axis-title"),
        ]

    def _rows(self, wanted: int) -> list[Markup]:
        found = self.y.ticks(wanted)
        step = self.y.label_step
        drawn: list[Markup] = []
        for tick in found:
            height = self.y(tick)
            drawn.append(line(self.x.start, height, self.x.end, height, "grid"))
            drawn.append(
                label(self.x.start - 8, height + 4, compact(tick, step(found, tick)), "", "end")
            )
        return drawn

    def _columns(self, wanted: int, grid: bool) -> list[Markup]:
        found = self.x.ticks(wanted)
        step = self.x.label_step
        drawn: list[Markup] = []
        for tick in found:
            place = self.x(tick)
            if grid:
                drawn.append(line(place, self.y.start, place, self.y.end, "grid"))
            drawn.append(
                label(place, self.y.start + 18, compact(tick, step(found, tick)), "", "middle")
            )
        drawn.append(line(self.x.start, self.y.start, self.x.end, self.y.start, "axis"))
        return drawn


def frame(
    x_bounds: tuple[float, float],
    y_bounds: tuple[float, float],
    titles: tuple[str, str],
    height: float,
    log_y: bool = False,
    log_x: bool = False,
) -> Frame:
    """A frame of the usual margins in a picture `WIDTH` wide and `height` high."""
    x = Scale(*x_bounds, 52.0, WIDTH - 14.0, log_x)
    y = Scale(*y_bounds, height - 44.0, 26.0, log_y)
    return Frame(x, y, *titles)
