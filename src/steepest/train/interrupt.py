"""Ctrl-C that ends training cleanly: after the batch that runs, with all work kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class InterruptWatch:
    """Turns the first Ctrl-C (SIGINT) into a flag; the second one interrupts at once.

    Used by `with`. Signals can be caught in the main thread only: in another thread this does
    nothing, as it does where Ctrl-C is ignored (a program in the background).

    Attributes:
        requested: whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: Any = None
        self._watching = False

    def __enter__(self) -> InterruptWatch:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGINT)
            if self._previous not in (None, signal.SIG_IGN):
                signal.signal(signal.SIGINT, self._note)
                self._watching = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            self._restore()
            raise KeyboardInterrupt
        self.requested = True

    def _restore(self) -> None:
        if self._watching:
            signal.signal(signal.SIGINT, self._previous)
            self._watching = False
