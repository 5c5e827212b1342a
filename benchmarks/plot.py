"""A plot of curves over a logarithmic axis, as SVG text; needs no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 110, 40, 50
COLOURS = ("#0b6e4f", "#c0392b", "#2c5aa0", "#8e6c00", "#777777", "#6c3483")


@dataclass(frozen=True)
class Curve:
    """A named curve of (x, y) points, x above 0."""

    name: str
    points: Sequence[tuple[float, float]]


def line_plot(title: str, x_label: str, y_label: str, curves: Sequence[Curve]) -> str:
    """Draw curves: x in powers of two, y from 0."""
    all_points = [point for curve in curves for point in curve.points]
    low = math.log2(min(x for x, _ in all_points))
    high = max(math.log2(max(x for x, _ in all_points)), low + 1)
    top = max(y for _, y in all_points) * 1.05 or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log2(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return LEFT + across, HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 12}" text-anchor="end">{escape(x_label)}</text>',
        f'<text x="8" y="{TOP - 6}">{escape(y_label)}</text>',
    ]
    for power in range(math.ceil(low), math.floor(high) + 1):
        x, y = place(2.0**power, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{2**power}</text>')
    for tick in _ticks(top):
        x, y = place(2.0**low, tick)
        parts.append(
            f'<line x1="{x:.1f}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        )
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for number, curve in enumerate(curve for curve in curves if curve.points):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(*point) for point in curve.points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        x, y = places[-1]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{x + 6:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(curve.name)}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _ticks(top: float) -> list[float]:
    """About five round numbers from 0 to `top`."""
    step = 10.0 ** math.floor(math.log10(top))
    while top / step < 4:
        step /= 2
    return [n * step for n in range(math.floor(top / step) + 1)]
