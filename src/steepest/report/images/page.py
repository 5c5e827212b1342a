"""Writes a report on images as one HTML file that needs nothing else; the images are inside it."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steepest.report import figures, numbers
from steepest.report.charts import bars, learning
from steepest.report.charts.classification import certainty_bar
from steepest.report.charts.svg import Markup
from steepest.report.figures import Figure
from steepest.report.images.contents import ImageReport, Picture
from steepest.report.images.png import data_address
from steepest.report.reading import RULES_IN_WORDS, Finding, read_curves
from steepest.report.rendering import render_page, write_page
from steepest.report.verdict import Verdict, judge

CLASSES_UP_FRONT = 40
REFUSED_UP_FRONT = 12
PIXEL_SIDE = 48
"""Images with smaller sides are drawn with visible pixels."""

_WORDS = (
    (re.compile(r"\bthe same columns\b"), "the pixels"),
    (re.compile(r"\bthe columns\b"), "the images"),
    (re.compile(r"\brows\b"), "images"),
    (re.compile(r"\brow\b"), "image"),
    (re.compile(r"\bRows\b(?! are the truth)"), "Images"),
)
_CHART_WORDS = (
    (re.compile(r"(\d) rows (of true class|\()"), r"\1 images \2"),
    (re.compile(r"(\d) row (of true class|\()"), r"\1 image \2"),
    (re.compile(r"(\d) test rows are"), r"\1 test images are"),
    (re.compile(r"\brows learned from\b"), "images learned from"),
    (re.compile(r"\brows held out\b"), "images held out"),
)


def write_image_html(report: ImageReport, path: str | os.PathLike[str]) -> Path:
    """Write `report` to the file `path`, whole or not at all.

    Raises:
        MissingExtraError: jinja2 is not installed.
        OSError: the file cannot be written.
    """
    return write_page(render_image_html(report), Path(path))


def render_image_html(report: ImageReport) -> str:
    """The report as the text of an HTML page; every string of it is escaped."""
    return render_page("images.html", _contents(report), ("report.css", "images.css"))


def of_images(text: str) -> str:
    """Words about the rows and columns of a table as words about images."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text


def image_verdict(report: ImageReport) -> Verdict:
    """How good the network is, in words."""
    verdict = judge(report.base)
    return dataclasses.replace(
        verdict,
        before=of_images(verdict.before),
        comparison=of_images(verdict.comparison),
        caution=of_images(verdict.caution),
    )


def image_findings(report: ImageReport) -> list[Finding]:
    """What the learning curves say."""
    return [
        dataclasses.replace(finding, text=of_images(finding.text))
        for finding in read_curves(report.base)
    ]


def _contents(report: ImageReport) -> Mapping[str, Any]:
    """Everything that the template shows."""
    base = report.base
    ranked = sorted(report.class_sizes, key=lambda each: -each[1])
    return {
        "images": report,
        "report": base,
        "unit": "image",
        "title": f"{base.target} of {base.data_file}",
        "verdict": image_verdict(report),
        "facts": _facts(report),
        "slope": learning.slope(base.history),
        "metric_figures": [_reworded(each) for each in figures.metric_figures(base)],
        "metric_table": figures.metric_table(base),
        "findings": image_findings(report),
        "rules": [of_images(rule) for rule in RULES_IN_WORDS],
        "learning_figures": [_reworded(each) for each in figures.learning_figures(base)],
        "prediction_figures": [_reworded(each) for each in figures.prediction_figures(base)],
        "worst": [_picture_view(each) for each in report.worst],
        "samples": [
            (label, [_picture_view(each) for each in pictures])
            for label, pictures in report.samples
        ],
        "split_bar": Markup(_chart_words(bars.split_bar(list(base.split_sizes.items())))),
        "class_sizes": ranked[:CLASSES_UP_FRONT],
        "more_classes": ranked[CLASSES_UP_FRONT:],
        "largest_class": max(1, ranked[0][1] if ranked else 1),
        "refused": report.refused[:REFUSED_UP_FRONT],
        "more_refused": max(0, len(report.refused) - REFUSED_UP_FRONT),
        "pixelated": max(report.size) <= PIXEL_SIDE,
    }


def _facts(report: ImageReport) -> list[tuple[str, str]]:
    """The short facts below the headline: name and value."""
    base = report.base
    height, width = report.size
    facts = [
        ("images", numbers.count(base.rows)),
        ("classes", numbers.count(len(base.classes))),
        ("size", f"{height} × {width}"),
        ("test images", numbers.count(len(base.y_true))),
        ("parameters", numbers.count(base.parameters)),
        ("epochs", numbers.count(base.history.epochs)),
    ]
    if "training" in base.durations:
        facts.append(("training took", numbers.duration(base.durations["training"])))
    return facts


def _reworded(figure: Figure) -> Figure:
    table = figure.table
    if table is not None:
        table = dataclasses.replace(table, headings=[of_images(each) for each in table.headings])
    return dataclasses.replace(
        figure,
        caption=of_images(figure.caption),
        chart=Markup(_chart_words(figure.chart)),
        legend=[(style, of_images(name)) for style, name in figure.legend],
        table=table,
    )


def _chart_words(chart: str) -> str:
    """Only phrases that the charts themselves write: class names may be any word."""
    for pattern, words in _CHART_WORDS:
        chart = pattern.sub(words, chart)
    return chart


def _picture_view(picture: Picture) -> Mapping[str, Any]:
    height, width = picture.pixels.shape[:2]
    return {
        "picture": picture,
        "address": data_address(picture.pixels),
        "height": height,
        "width": width,
        "certainty": certainty_bar(picture.probability) if picture.predicted else "",
    }
