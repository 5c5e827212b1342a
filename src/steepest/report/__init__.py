"""The report of a training run: one HTML page that is looked at rather than read.

`contents` is what a report says, `page` writes it, `charts/` draws it, `reading` and `verdict` put
it into words, `baselines` are what the network is held against.
"""

from steepest.report.contents import (
    ColumnFacts,
    Command,
    History,
    Importance,
    LayerRow,
    Mistake,
    Predictor,
    Report,
)
from steepest.report.page import render_html, write_html

__all__ = [
    "ColumnFacts",
    "Command",
    "History",
    "Importance",
    "LayerRow",
    "Mistake",
    "Predictor",
    "Report",
    "render_html",
    "write_html",
]
