"""Colours of the style sheet: text stands out from what is behind it (WCAG 2.2, 1.4.3, 1.4.11)."""

from __future__ import annotations

import re
from importlib import resources

import pytest

Colour = tuple[float, float, float]
STYLE = resources.files("steepest.report").joinpath("template/report.css").read_text("utf-8")


def palette(mode: str) -> dict[str, str]:
    """The custom properties of the light or the dark mode."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    light = dict(re.findall(r"--([\w-]+): ([^;]+);", blocks[0]))
    if mode == "light":
        return light
    return light | dict(re.findall(r"--([\w-]+): ([^;]+);", blocks[1]))


def colour(text: str) -> Colour:
    if text.startswith("#"):
        return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))  # type: ignore[return-value]
    return tuple(float(part) for part in text.split(","))  # type: ignore[return-value]


def blend(front: Colour, back: Colour, depth: float) -> Colour:
    return tuple(depth * f + (1 - depth) * b for f, b in zip(front, back, strict=True))  # type: ignore[return-value]


def luminance(of: Colour) -> float:
    parts = [channel / 255 for channel in of]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: Colour, second: Colour) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_and_marks_stand_out(mode: str) -> None:
    colours = palette(mode)
    for back in ("paper", "raised", "sky-top", "sky-low"):
        for text in ("ink", "quiet", "model"):
            assert contrast(colour(colours[text]), colour(colours[back])) >= 4.5, (text, back)
    for mark in ("train", "linear", "wrong", "good"):
        assert contrast(colour(colours[mark]), colour(colours["paper"])) >= 3, mark
    assert contrast(colour(colours["wrong"]), colour(colours["paper"])) >= 4.5
    assert contrast((255, 255, 255), colour(colours["slope-low"])) >= 7


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_numbers_in_the_heat_map_can_be_read(mode: str, kind: str) -> None:
    colours = palette(mode)
    depths = [float(depth) for depth in re.findall(r"--depth: ([\d.]+);", STYLE)]
    assert len(depths) == 9
    paper = colour(colours["paper"])
    for shade, depth in enumerate(depths, start=1):
        cell = blend(colour(colours[f"heat-{kind}"]), paper, depth)
        text = colours["heat-strong-text"] if shade >= 7 else colours["ink"]
        assert contrast(colour(text), cell) >= 4.5, (shade, depth)
