"""What a person sees while a network trains.

A live bar (package `rich`) on a terminal; plain lines in a file, a pipe or where rich is missing;
nothing on request. All goes to standard error, so that a program's own output stays clean.
"""

# ruff: noqa: ARG002 - displays share one signature

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, TextIO, get_args

from steepest.errors import ArgumentError, did_you_mean, require
from steepest.train.history import format_number

ProgressKind = Literal["auto", "bar", "lines", "none"]

MOST_LINES = 50
"""A run of more epochs prints only every n-th, so that about this many lines appear."""

HEARTBEAT_SECONDS = 30.0
"""A plain line appears at least this often, also within a long epoch."""

REDRAW_SECONDS = 0.1


class Progress:
    """Shows nothing; base of the displays that do.

    Attributes:
        epochs: number of epochs planned.
        batches: number of batches in an epoch.
    """

    def __init__(self) -> None:
        self.epochs = 0
        self.batches = 0
        self._first_epoch = 0
        self._first_batch = 0
        self._started = 0.0
        self._samples = 0

    def begin(self, epochs: int, batches: int, epoch: int = 0, batch: int = 0) -> None:
        """Training starts, at an epoch and batch other than 0 when it is resumed."""
        self.epochs = epochs
        self.batches = batches
        self._first_epoch = epoch
        self._first_batch = batch
        self._samples = 0
        self._started = time.monotonic()

    def batch(self, epoch: int, batch: int, samples: int, loss: float) -> None:
        """One or more batches are done.

        Args:
            epoch: counts from 0.
            batch: the last of them, counts from 1.
            samples: how many were in them.
            loss: the mean of the epoch so far.
        """
        self._samples += samples

    def epoch(self, epoch: int, record: Mapping[str, float], seconds: float) -> None:
        """One epoch is done, with its figures; `epoch` counts from 1."""

    def say(self, text: str) -> None:
        """Show a remark."""

    def end(self) -> None:
        """Training is over, however it ended."""

    def samples_per_second(self) -> float:
        """Training samples a second since the start."""
        return self._samples / max(time.monotonic() - self._started, 1e-9)

    def seconds_left(self, epoch: int, batch: int) -> float:
        """Estimate the rest from the speed so far; `epoch` from 0, `batch` from 1."""
        done = (epoch - self._first_epoch) * self.batches + batch - self._first_batch
        left = (self.epochs - epoch) * self.batches - batch
        return (time.monotonic() - self._started) / max(done, 1) * left

    def _is_shown(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, gets its line."""
        every = -(-self.epochs // MOST_LINES)
        return epoch == 1 or epoch == self.epochs or epoch % every == 0


class LineProgress(Progress):
    """A line an epoch, and one every half minute within long ones.

    Args:
        stream: where to; default: standard error as it is when training starts.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._last_line = 0.0

    def begin(self, epochs: int, batches: int, epoch: int = 0, batch: int = 0) -> None:
        super().begin(epochs, batches, epoch, batch)
        self._last_line = self._started

    def batch(self, epoch: int, batch: int, samples: int, loss: float) -> None:
        super().batch(epoch, batch, samples, loss)
        if time.monotonic() - self._last_line < HEARTBEAT_SECONDS:
            return
        share = 100 * batch // self.batches
        self.say(
            f"epoch {epoch + 1}/{self.epochs}  {share:3d} %  loss {format_number(loss)}  "
            f"{self.samples_per_second():,.0f} samples/s  "
            f"{format_seconds(self.seconds_left(epoch, batch))} left"
        )

    def epoch(self, epoch: int, record: Mapping[str, float], seconds: float) -> None:
        if self._is_shown(epoch):
            self.say(epoch_line(epoch, self.epochs, record, seconds))

    def say(self, text: str) -> None:
        self._last_line = time.monotonic()
        print(text, file=self._stream or sys.stderr, flush=True)


class BarProgress(Progress):
    """A live bar with loss, samples a second and the time left; finished epochs stand above it.

    Args:
        console: a rich Console; default: one on standard error.

    Raises:
        MissingExtraError: the package rich is not installed.
    """

    def __init__(self, console: Any = None) -> None:
        super().__init__()
        self._bars = require("rich.progress", extra="progress")
        self._console = console or require("rich.console", extra="progress").Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._last_draw = 0.0

    def begin(self, epochs: int, batches: int, epoch: int = 0, batch: int = 0) -> None:
        super().begin(epochs, batches, epoch, batch)
        self._bar = self._bars.Progress(
            self._bars.TextColumn("{task.description}"),
            self._bars.BarColumn(),
            self._bars.TextColumn("{task.percentage:>3.0f} %"),
            self._bars.TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
        )
        done = epoch * batches + batch
        self._task = self._bar.add_task(
            f"epoch {min(epoch + 1, epochs)}/{epochs}",
            total=epochs * batches,
            completed=done,
            figures="",
        )
        self._bar.start()

    def batch(self, epoch: int, batch: int, samples: int, loss: float) -> None:
        super().batch(epoch, batch, samples, loss)
        now = time.monotonic()
        if now - self._last_draw < REDRAW_SECONDS and batch < self.batches:
            return
        self._last_draw = now
        self._bar.update(
            self._task,
            description=f"epoch {epoch + 1}/{self.epochs}",
            completed=epoch * self.batches + batch,
            figures=f"loss {format_number(loss)}  {self.samples_per_second():,.0f} samples/s  "
            f"{format_seconds(self.seconds_left(epoch, batch))} left",
        )

    def epoch(self, epoch: int, record: Mapping[str, float], seconds: float) -> None:
        if self._is_shown(epoch):
            self.say(epoch_line(epoch, self.epochs, record, seconds))

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def make_progress(kind: ProgressKind | Progress) -> Progress:
    """Return a display.

    Args:
        kind: `"bar"`, `"lines"`, `"none"`; `"auto"` is a bar on a terminal that has rich, else
            lines; or a `Progress` of one's own.

    Raises:
        ArgumentError: an unknown kind.
        MissingExtraError: `"bar"` without rich.
    """
    if isinstance(kind, Progress):
        return kind
    if kind not in get_args(ProgressKind):
        raise ArgumentError(
            f"fit: progress {kind!r} is unknown.{did_you_mean(str(kind), get_args(ProgressKind))} "
            f"Choose from: {', '.join(get_args(ProgressKind))}."
        )
    if kind == "auto":
        kind = "bar" if _is_live() else "lines"
    if kind == "bar":
        return BarProgress()
    return LineProgress() if kind == "lines" else Progress()


def epoch_line(epoch: int, epochs: int, record: Mapping[str, float], seconds: float) -> str:
    """Return the line of a finished epoch."""
    counter = f"epoch {epoch:>{len(str(epochs))}}/{epochs}"
    figures = "  ".join(f"{name} {format_number(value)}" for name, value in record.items())
    return f"{counter}  {figures}  {format_seconds(seconds)}"


def format_seconds(seconds: float) -> str:
    """Return a duration in the unit that a person would choose."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _is_live() -> bool:
    """Whether standard error can redraw a line, and rich is there to do it."""
    if importlib.util.find_spec("rich") is None:
        return False
    return _in_notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
