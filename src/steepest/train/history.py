"""What training recorded, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from steepest.errors import ArgumentError, CheckpointError, did_you_mean

MOST_ROWS = 12
"""Rows of the table that `print(history)` shows; in between stand dots."""


class History:
    """The figures of each epoch of one `fit`, and how it ended.

    `history["val_loss"]` is a list with one number an epoch. Printed, it is a small table.

    Attributes:
        records: one dictionary an epoch: `"loss"` (mean over the epoch's samples, while the weights
            were moving), the metrics by name on the outputs of the same steps, `"val_loss"` and
            `"val_..."` after the epoch, and `"lr"`, the learning rate of the epoch's last step.
        seconds: how long each epoch took.
        gradient_norms: with `watch_gradients=True`, for each epoch the mean norm of each
            parameter's gradient; else empty.
        planned_epochs: how many epochs were asked for.
        best_epoch: the epoch, counted from 1, whose weights were kept; None for the last one.
        kept_epochs: where the weights of several epochs were kept, all of them; else empty.
        interrupted: whether Ctrl-C ended it.
        stopped: why it ended before the planned epochs; empty if it did not.
        notes: remarks for the user, such as vanishing gradients, with their epoch.
    """

    def __init__(self, planned_epochs: int = 0) -> None:
        self.records: list[dict[str, float]] = []
        self.seconds: list[float] = []
        self.gradient_norms: list[dict[str, float]] = []
        self.planned_epochs = planned_epochs
        self.best_epoch: int | None = None
        self.kept_epochs: list[int] = []
        self.interrupted = False
        self.stopped = ""
        self.notes: list[str] = []

    def add(self, record: Mapping[str, float], seconds: float) -> None:
        """Append the figures of one epoch."""
        self.records.append(dict(record))
        self.seconds.append(seconds)

    @property
    def epochs(self) -> int:
        """Number of epochs that were run to their end."""
        return len(self.records)

    @property
    def names(self) -> list[str]:
        """Names of the figures, in the order in which they were first recorded."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> list[float]:
        """Return one figure of every epoch; NaN where an epoch lacks it."""
        self._check_name(name)
        return [record.get(name, math.nan) for record in self.records]

    def last(self) -> dict[str, float]:
        """Return the figures of the last epoch."""
        if not self.records:
            raise ArgumentError("history: no epoch was run to its end.")
        return dict(self.records[-1])

    def best(self, monitor: str = "val_loss", *, larger_is_better: bool = False) -> int:
        """Return the epoch, counted from 1, at which a figure was best; the first of equals.

        Raises:
            ArgumentError: an unknown figure, or one that was NaN in every epoch.
        """
        values = [
            (-value if larger_is_better else value, epoch)
            for epoch, value in enumerate(self[monitor], start=1)
            if not math.isnan(value)
        ]
        if not values:
            raise ArgumentError(f"history: {monitor!r} was NaN in every epoch.")
        return min(values)[1]

    def _check_name(self, name: str) -> None:
        if name not in self.names:
            raise ArgumentError(
                f"history: {name!r} was not recorded.{did_you_mean(name, self.names)} "
                f"Recorded: {', '.join(self.names) or 'nothing'}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dictionaries, lists and numbers."""
        return {
            "records": [dict(record) for record in self.records],
            "seconds": list(self.seconds),
            "gradient_norms": [dict(norms) for norms in self.gradient_norms],
            "planned_epochs": self.planned_epochs,
            "best_epoch": self.best_epoch,
            "kept_epochs": list(self.kept_epochs),
            "interrupted": self.interrupted,
            "stopped": self.stopped,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> History:
        """Return the history that `to_dict` described.

        Raises:
            CheckpointError: an entry is missing.
        """
        history = cls()
        for name in history.to_dict():
            if name not in entries:
                raise CheckpointError(f"history: the entry {name!r} is missing.")
            setattr(history, name, entries[name])
        return history

    def __repr__(self) -> str:
        head = f"History: {self.epochs} of {self.planned_epochs} epochs"
        if self.stopped:
            head += f", {self.stopped}"
        kept = kept_weights(self.kept_epochs, self.best_epoch)
        if kept:
            head += f"; {kept} kept"
        return "\n".join([head, *self._table(), *self.notes])

    def _table(self) -> list[str]:
        if not self.records:
            return []
        names = self.names
        rows = [
            [str(epoch), *(format_number(record.get(name, math.nan)) for name in names)]
            for epoch, record in enumerate(self.records, start=1)
        ]
        if len(rows) > MOST_ROWS:
            half = MOST_ROWS // 2
            rows = [*rows[:half], ["..."] * len(rows[0]), *rows[-half:]]
        return list(_aligned([["epoch", *names], *rows]))


def kept_weights(kept_epochs: Sequence[int], best_epoch: int | None) -> str:
    """Which weights were kept, such as "weights of epochs 8, 24 and 56"; empty for the last."""
    epochs = list(kept_epochs) or ([] if best_epoch is None else [best_epoch])
    if not epochs:
        return ""
    *first, last = [f"{epoch:,}" for epoch in epochs]
    if not first:
        return f"weights of epoch {last}"
    return f"weights of epochs {', '.join(first)} and {last}"


def format_number(value: float) -> str:
    """Return a number with about four digits, as tables and progress lines show it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}" if abs(value) >= 1e4 else f"{value:.4f}"
    return f"{value:.2e}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield rows whose columns end at the same place."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
