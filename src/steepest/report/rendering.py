"""Turns the contents of a report into its page; what all kinds of reports have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from steepest.errors import require
from steepest.report import figures, numbers
from steepest.report.charts.svg import Markup
from steepest.train.files import write_atomically

UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)


def render_page(template: str, contents: Mapping[str, Any], styles: Sequence[str]) -> str:
    """The text of an HTML page that needs nothing else.

    Every string of the contents is escaped. Characters that cannot be shown, or that turn the
    direction of the text around, are replaced by `�`.

    Args:
        template: the file in the folder `template` to fill; it extends `page.html`.
        contents: everything that the template shows, by name.
        styles: files in the folder `template`; they go into the page in this order.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra="report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("steepest.report", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=numbers.exact,
        short=numbers.short,
        percent=numbers.percent,
        count=numbers.count,
        duration=numbers.duration,
        value=figures.value_text,
    )
    folder = resources.files("steepest.report").joinpath("template")
    style = "\n".join(folder.joinpath(file).read_text("utf-8") for file in styles)
    text = environment.get_template(template).render(contents, style=Markup(style))
    return UNPRINTABLE.sub("\ufffd", text)


def write_page(text: str, path: Path) -> Path:
    """Write the text of a page to a file, whole or not at all; returns `path`."""
    write_atomically(path, text.encode("utf-8"))
    return path
