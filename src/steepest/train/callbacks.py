"""What can be hooked into training: early stopping, schedules, log files, and one's own.

The hooks of all callbacks are called in the order in which the callbacks were given.
"""

# ruff: noqa: ARG002 - hooks share one signature

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steepest.errors import ArgumentError, did_you_mean
from steepest.optim import ReduceLROnPlateau
from steepest.train.files import write_atomically
from steepest.train.history import History, format_number
from steepest.train.metrics import METRICS, Metric

if TYPE_CHECKING:
    from steepest.train.trainer import Trainer


class Callback:
    """Base of all callbacks: every hook does nothing. Override the ones you need.

    `trainer.stop("reason")` in a hook ends training cleanly after it.
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Training is about to begin, or to go on from a checkpoint."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """An epoch begins; `epoch` counts from 1."""

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        """A training step is done; `batch` counts from 1 in its epoch, `loss` is the batch's."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        """An epoch is done, validation too; `record` holds its figures."""

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        """Training is over: done, stopped or interrupted, but not by an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: dicts, lists, numbers, text, Tensors, NumPy arrays."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned before the run was cut off."""


class EarlyStopping(Callback):
    """Stop when a figure has not become better for a number of epochs.

    Args:
        monitor: the figure; default `"val_loss"` with validation data, else `"loss"`.
        patience: how many epochs without improvement are waited for; at least 1.
        min_delta: an improvement counts only if larger than this.
        mode: `"min"` or `"max"`; default: what is better for the metric.
        restore_best: whether the weights and buffers of the best epoch come back at the end,
            also when training ran to its planned end or was interrupted.

    Attributes:
        best_value: the best value so far; None before the first epoch.
        best_epoch: its epoch, counted from 1.
        best_weights: with `restore_best`, a copy of the model's `state_dict` at that epoch.

    A NaN never counts as an improvement.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
        restore_best: bool = True,
    ) -> None:
        if not isinstance(patience, int) or patience < 1:
            raise ArgumentError(f"EarlyStopping: patience must be at least 1, got {patience!r}.")
        if not min_delta >= 0:
            raise ArgumentError(f"EarlyStopping: min_delta must be at least 0, got {min_delta!r}.")
        if mode not in (None, "min", "max"):
            raise ArgumentError(f"EarlyStopping: mode must be 'min' or 'max', got {mode!r}.")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best = restore_best
        self._forget()

    def _forget(self) -> None:
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self.best_weights: dict[str, Any] | None = None
        self._waited = 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._forget()
        self._name = check_monitor("EarlyStopping", self.monitor, trainer.figure_names)
        self._sign = _sign(self._name, self.mode, trainer.metrics)

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        value = record[self._name]
        if self._is_better(value):
            self.best_value = value
            self.best_epoch = epoch
            self._waited = 0
            if self.restore_best:
                self.best_weights = trainer.model.state_dict()
            return
        self._waited += 1
        if self._waited >= self.patience:
            trainer.stop(self._reason())

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        if self.best_weights is None or self.best_epoch is None:
            return
        history.best_epoch = self.best_epoch
        trainer.model.load_state_dict(self.best_weights)

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if self.best_value is None:
            return True
        return self._sign * (value - self.best_value) > self.min_delta

    def _reason(self) -> str:
        if self.best_value is None:
            return f"stopped early: {self._name} was NaN for {self.patience} epochs"
        return (
            f"stopped early: {self._name} has not improved on {format_number(self.best_value)} "
            f"(epoch {self.best_epoch}) for {self.patience} epochs"
        )

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "waited": self._waited,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best_value = state_dict["best_value"]
        self.best_epoch = state_dict["best_epoch"]
        self.best_weights = state_dict["best_weights"]
        self._waited = state_dict["waited"]


class LearningRateSchedule(Callback):
    """Call a schedule of `steepest.optim` after every epoch or every step.

    Args:
        schedule: an object with `step()`, such as `optim.CosineAnnealingLR(optimizer, T_max=10)`;
            its `state_dict` is kept in checkpoints.
        per: `"epoch"` or `"step"`.
        monitor: the figure that `schedule.step(figure)` is given, for schedules that react to
            one. Default for `ReduceLROnPlateau`: `"val_loss"` with validation data, else `"loss"`;
            for all others none.
    """

    def __init__(
        self,
        schedule: Any,
        per: Literal["epoch", "step"] = "epoch",
        monitor: str | None = None,
    ) -> None:
        if not callable(getattr(schedule, "step", None)):
            raise ArgumentError(
                f"LearningRateSchedule: schedule must have a step() method, but is a "
                f"{type(schedule).__name__}. Pass one of steepest.optim's schedules."
            )
        if per not in ("epoch", "step"):
            raise ArgumentError(
                f"LearningRateSchedule: per must be 'epoch' or 'step', got {per!r}."
            )
        self._takes_figure = monitor is not None or isinstance(schedule, ReduceLROnPlateau)
        if self._takes_figure and per == "step":
            raise ArgumentError(
                "LearningRateSchedule: figures are known once an epoch, so for a schedule that "
                "reacts to one per must be 'epoch'."
            )
        self.schedule = schedule
        self.per = per
        self.monitor = monitor

    def on_fit_begin(self, trainer: Trainer) -> None:
        if self._takes_figure:
            names = trainer.figure_names
            self._figure = check_monitor("LearningRateSchedule", self.monitor, names)

    def on_batch_end(self, trainer: Trainer, batch: int, loss: float) -> None:
        if self.per == "step":
            self.schedule.step()

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        if self.per != "epoch":
            return
        if self._takes_figure:
            self.schedule.step(record[self._figure])
        else:
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {"schedule": self.schedule.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.schedule.load_state_dict(state_dict["schedule"])


class CSVLogger(Callback):
    """Write the history as CSV after every epoch: a header, then one line an epoch.

    The file is replaced as a whole each time, so it is never torn, and after a resume it holds
    exactly the epochs that count.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        history = trainer.history
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *history.names, "seconds"])
        for number, (figures, seconds) in enumerate(_rows(history), start=1):
            writer.writerow([number, *(figures.get(name) for name in history.names), seconds])
        write_atomically(self.path, text.getvalue().encode())


class JSONLinesLogger(Callback):
    """Write the history after every epoch, one JSON object a line; see `CSVLogger`.

    Figures that JSON cannot hold (NaN, infinity) become `null`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        lines = []
        for number, (figures, seconds) in enumerate(_rows(trainer.history), start=1):
            plain = {name: _plain(value) for name, value in figures.items()}
            lines.append(json.dumps({"epoch": number, **plain, "seconds": seconds}) + "\n")
        write_atomically(self.path, "".join(lines).encode())


def check_monitor(owner: str, monitor: str | None, known: Iterable[str]) -> str:
    """Return the figure to watch; None becomes the validation loss, or the loss without one.

    Raises:
        ArgumentError: a figure that this training does not record.
    """
    names = list(known)
    if monitor is None:
        return "val_loss" if "val_loss" in names else "loss"
    if monitor in names:
        return monitor
    needs_validation = monitor.startswith("val_") and "val_loss" not in names
    hint = (
        " Pass validation_data or validation_fraction to fit."
        if needs_validation
        else did_you_mean(monitor, names)
    )
    raise ArgumentError(
        f"{owner}: monitor {monitor!r} is not recorded.{hint} Recorded: {', '.join(names)}."
    )


def is_larger_better(figure: str, metrics: Iterable[Metric] = ()) -> bool:
    """Return whether a figure such as `"val_accuracy"` should grow; losses should not."""
    name = figure.removeprefix("val_")
    own = {each.name: each for each in metrics}
    metric = own.get(name) or METRICS.get(name)
    return metric is not None and metric.larger_is_better


def _sign(figure: str, mode: str | None, metrics: Iterable[Metric]) -> float:
    if mode is None:
        return 1.0 if is_larger_better(figure, metrics) else -1.0
    return 1.0 if mode == "max" else -1.0


def _rows(history: History) -> Iterable[tuple[dict[str, float], float]]:
    return zip(history.records, history.seconds, strict=True)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
