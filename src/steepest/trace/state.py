"""What recording knows of the moment, per Python thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from steepest.graph.types import Origin

if TYPE_CHECKING:
    from steepest.trace.recorder import Trace
    from steepest.trace.runs import FirstRun, SecondRun


class RecordingState(threading.local):
    """Per-thread state.

    Attributes:
        trace: the trace that records a graph; `None` when operations run at once.
        gradients_enabled: whether operations are recorded for `backward`.
        first_run: notes what a function uses that will run again (see `trace.runs`).
        second_run: what tensors stand for in a function that runs again.
        scopes: the layers being called, outermost first.
        origin: the line to give to every operation, during a backward pass.
    """

    def __init__(self) -> None:
        self.trace: Trace | None = None
        self.gradients_enabled = True
        self.first_run: FirstRun | None = None
        self.second_run: SecondRun | None = None
        self.scopes: list[str] = []
        self.origin: Origin | None = None


state = RecordingState()
