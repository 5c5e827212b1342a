"""Where in the user's program an operation was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from steepest.graph.types import UNKNOWN, Origin
from steepest.trace.scope import current_scope
from steepest.trace.state import state

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def current_origin() -> Origin:
    """The nearest line outside this package, with the layer being called."""
    if state.origin is not None:
        return state.origin
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    scope = current_scope()
    if frame is None:
        return Origin(scope=scope) if scope else UNKNOWN
    return Origin(os.path.basename(frame.f_code.co_filename), frame.f_lineno, scope)


@contextmanager
def origin_of(origin: Origin) -> Iterator[None]:
    """Give every operation made inside this line, as a backward pass does for a forward line."""
    before = state.origin
    state.origin = origin
    try:
        yield
    finally:
        state.origin = before


def located(message: str) -> str:
    """Add where the user's program is, as in `"... At model.py:41 in Linear 'head'."`."""
    place = str(current_origin())
    if not place:
        return message
    word = "In" if place.startswith("in ") else "At"
    return f"{message} {word} {place.removeprefix('in ')}."
