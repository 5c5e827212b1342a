"""The loop of `Trainer.fit`: epochs of batches, with validation, callbacks and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from steepest.errors import CheckpointError
from steepest.optim import LRScheduler
from steepest.train.callbacks import Callback, LearningRateSchedule
from steepest.train.checkpoint import Checkpoint, CheckpointStore
from steepest.train.faults import FaultGuard, Position
from steepest.train.figures import EpochFigures, kept_output, metric_values
from steepest.train.gradients import gradient_notes
from steepest.train.history import History
from steepest.train.interrupt import InterruptWatch
from steepest.train.losses import loss_share
from steepest.train.plan import EpochBatches
from steepest.train.progress import Progress
from steepest.train.source import ArraySource, Batch
from steepest.train.state import TrainingState, capture, generators, put_generator, restore
from steepest.train.step import (
    STRETCH_SECONDS,
    StepResults,
    TrainingStep,
    step_arguments,
    trainable,
)
from steepest.train.step_schedules import StepSchedules

if TYPE_CHECKING:
    from steepest.train.trainer import Trainer


@dataclass(frozen=True)
class Run:
    """What one call of `fit` is about.

    Attributes:
        source: the training samples.
        validation: the validation samples, or None.
        plan: which samples make up which batch.
        epochs: how many epochs this fit runs.
        first_epoch: epochs that the trainer ran before this fit.
        callbacks: all callbacks, in the order in which they are called.
        step: the training step.
        progress: the display.
        checkpoint: where and how often to save, or None.
        watches_gradients: whether gradient norms are recorded.
        settings: what a checkpoint must agree with to be resumed.
    """

    source: ArraySource
    validation: ArraySource | None
    plan: EpochBatches
    epochs: int
    first_epoch: int
    callbacks: Sequence[Callback]
    step: TrainingStep
    progress: Progress
    checkpoint: Checkpoint | None
    watches_gradients: bool
    settings: dict[str, Any]


class FitLoop:
    """Runs one `fit`, from the start or from a checkpoint.

    Args:
        trainer: whose model is trained; its `history` is this loop's.
        run: what to do.
        resumed: the state in a checkpoint, or None.
    """

    def __init__(self, trainer: Trainer, run: Run, resumed: dict[str, Any] | None) -> None:
        self.trainer = trainer
        self.run_settings = run
        self.history = History(run.epochs)
        self.epoch = 0
        self.batch = 0
        self.figures = EpochFigures()
        self.stop_reason = ""
        self._first_epoch = run.first_epoch
        self._resumed = resumed
        self._interrupt = InterruptWatch()
        self._store = (
            CheckpointStore(run.checkpoint.folder, run.checkpoint.keep) if run.checkpoint else None
        )
        self._saved_at = time.monotonic()
        self._saved_position: Position | None = None
        self._schedules = StepSchedules(trainer.optimizer, run.callbacks)
        self._guard = FaultGuard(
            trainer.model, trainer.optimizer, run.step, self._batch_at, self._schedules
        )
        self._pace = 1
        alone = any(map(_sees_batches, run.callbacks)) or not run.step.is_compiled
        whole = None if alone else run.source.whole()
        self._data = None if whole is None else step_arguments(whole)

    def run(self) -> History:
        """Train, and return the history."""
        run = self.run_settings
        with self._interrupt:
            try:
                self._begin()
                while self._goes_on():
                    self._run_epoch()
                self._finish()
            finally:
                run.progress.end()
        return self.history

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interrupt.requested

    def _position(self) -> Position:
        return Position(self.epoch, self.batch, self.trainer.steps)

    def _goes_on(self) -> bool:
        has_more = self.epoch < self.run_settings.epochs
        return has_more and not self.stop_reason and not self.is_interrupted

    def _batch_at(self, epoch: int, batch: int) -> Batch:
        plan = self.run_settings.plan
        number = self._first_epoch + epoch
        return self.run_settings.source.batch(plan.selection(number, batch), number)

    def _begin(self) -> None:
        run = self.run_settings
        for each in run.callbacks:
            each.on_fit_begin(self.trainer)
        if self._resumed is not None:
            self._take_up(self._resumed)
        self._guard.mark(self._position())
        run.progress.begin(run.epochs, run.plan.batches, self.epoch, self.batch)
        if self._resumed is not None:
            run.progress.say(f"resumed after epoch {self.epoch}, batch {self.batch}")

    def _run_epoch(self) -> None:
        """Run the epoch from the next batch to its end, or to an interruption."""
        self.figures.start_clock()
        if self.batch == 0:
            for each in self.run_settings.callbacks:
                each.on_epoch_begin(self.trainer, self.epoch + 1)
        self.trainer.model.train()
        while self.batch < self.run_settings.plan.batches:
            count = self._stretch()
            if count > 1:
                self._run_batches(count)
            else:
                self._run_batch()
            if self.is_interrupted or self.stop_reason:
                return
        self._close_epoch()

    def _stretch(self) -> int:
        """How many of the next batches may be run together, with no look in between.

        All that is due after a certain number of steps (a checkpoint, a look at the weights) ends a
        stretch, and it takes about as long as `STRETCH_SECONDS`, so that Ctrl-C is heard.
        """
        run = self.run_settings
        if self._data is None:
            return 1
        until_look = self._guard.steps_left(self.trainer.steps)
        full = run.source.rows // run.plan.plan.batch_size
        most = min(until_look, full - self.batch, self._pace)
        if run.checkpoint is not None and run.checkpoint.every_batches:
            every = run.checkpoint.every_batches
            most = min(most, every - self.trainer.steps % every)
        return max(most, 1)

    def _run_batches(self, count: int) -> None:
        """Run some batches in one call; from now on one by one, where schedules need that."""
        assert self._data is not None
        plan = self.run_settings.plan
        rows = plan.rows(self._first_epoch + self.epoch, self.batch, count)
        began = time.perf_counter()
        before = self._schedules.state()
        scheduled = self._schedules.ahead(count)
        if scheduled is None:
            self._data = None
            return
        try:
            results = self.run_settings.step.many(self._data, rows, scheduled)
        except BaseException:
            self._schedules.restore(before)
            raise
        seconds = max(time.perf_counter() - began, 1e-6)
        self._pace = max(1, int(count * STRETCH_SECONDS / seconds))
        target = self.run_settings.source.target if self.trainer.metrics else None
        self._note(results, rows.shape[1], None if target is None else target[rows.reshape(-1)])
        self._look()

    def _run_batch(self) -> None:
        batch = self._batch_at(self.epoch, self.batch)
        began = time.perf_counter()
        results = self.run_settings.step(batch)
        self._pace = int(STRETCH_SECONDS / max(time.perf_counter() - began, 1e-6))
        self._note(results, batch.size, batch.target)
        for each in self.run_settings.callbacks:
            each.on_batch_end(self.trainer, self.batch, results.losses[0])
        self._look()

    def _note(self, results: StepResults, size: int, target: npt.NDArray | None) -> None:
        """Take in what steps gave; `target` is that of all samples of their batches."""
        for loss in results.losses:
            if not math.isfinite(loss):
                raise self._guard.loss_fault(self._position(), loss)
            self.batch += 1
            self.trainer.steps += 1
        share = loss_share(self.trainer.loss, size)
        self.figures.add(results, size, share, self._kept(target, results))
        samples = size * len(results.losses)
        self.run_settings.progress.batch(self.epoch, self.batch, samples, self.figures.loss)

    def _look(self) -> None:
        """Save or look at the weights, if it is time."""
        if self.batch == self.run_settings.plan.batches:
            return
        if self._is_save_due():
            self._save()
        elif self._guard.steps_left(self.trainer.steps) <= 0:
            self._guard.mark(self._position())

    def _kept(self, target: npt.NDArray | None, results: StepResults) -> npt.NDArray | None:
        """What of the steps' outputs is needed for the metrics of the epoch."""
        if results.output is None:
            return None
        assert target is not None
        return kept_output(self.trainer.metrics, target, results.output)

    def _close_epoch(self) -> None:
        """Compute the epoch's figures, tell the callbacks, and save."""
        run = self.run_settings
        self._guard.check(self._position())
        record = self._training_figures()
        if run.validation is not None:
            randomness = _random_states(self.trainer)
            values = self.trainer._evaluate_source(
                run.validation, run.plan.plan.batch_size, prefix="val_", watch=self._interrupt
            )
            if values is None:
                _put_random_states(self.trainer, randomness)
                return
            record |= values
        record["lr"] = float(self.trainer.optimizer.param_groups[0]["lr"])
        seconds = self.figures.seconds
        self._note_gradients()
        self.history.add(record, seconds)
        run.progress.epoch(self.epoch + 1, record, seconds)
        for each in run.callbacks:
            each.on_epoch_end(self.trainer, self.epoch + 1, record)
        self.epoch += 1
        self.batch = 0
        self.figures = EpochFigures()
        self.trainer.epochs = self._first_epoch + self.epoch
        if self._is_epoch_save_due():
            self._save()
        else:
            self._guard.mark(self._position(), checked=not run.callbacks)

    def _training_figures(self) -> dict[str, float]:
        run = self.run_settings
        record = {"loss": self.figures.loss}
        if self.trainer.metrics:
            target = run.source.target
            assert target is not None
            used = run.plan.used(self._first_epoch + self.epoch)
            record |= metric_values(
                self.trainer.metrics,
                target[used],
                self.figures.outputs,
                from_logits=self.trainer.from_logits,
            )
        return record

    def _note_gradients(self) -> None:
        norms = self.figures.gradient_norms
        if norms is None:
            return
        parameters = trainable(self.trainer.model)
        named = {name: float(norm) for (name, _), norm in zip(parameters, norms, strict=True)}
        self.history.gradient_norms.append(named)
        shapes = {name: parameter.shape for name, parameter in parameters}
        known = {note.split(": ", 1)[1].split(":")[0] for note in self.history.notes}
        for note in gradient_notes(named, shapes):
            if note.split(":")[0] not in known:
                text = f"epoch {self.epoch + 1}: {note}"
                self.history.notes.append(text)
                self.run_settings.progress.say(text)

    def _finish(self) -> None:
        if self.is_interrupted:
            self.history.interrupted = True
            self.history.stopped = (
                f"interrupted in epoch {min(self.epoch + 1, self.run_settings.epochs)} after "
                f"batch {self.batch}"
            )
            self.run_settings.progress.say(self.history.stopped)
        elif self.stop_reason:
            self.history.stopped = self.stop_reason
            self.run_settings.progress.say(self.stop_reason)
        if self._store is not None and self._saved_position != self._position():
            self._save()
        for each in self.run_settings.callbacks:
            each.on_fit_end(self.trainer, self.history)

    # Saving and resuming

    def _is_save_due(self) -> bool:
        """Whether to save within an epoch."""
        settings = self.run_settings.checkpoint
        if settings is None:
            return False
        if settings.every_batches and self.trainer.steps % settings.every_batches == 0:
            return True
        since = time.monotonic() - self._saved_at
        return settings.every_seconds is not None and since >= settings.every_seconds

    def _is_epoch_save_due(self) -> bool:
        settings = self.run_settings.checkpoint
        if settings is None:
            return False
        by_epochs = settings.every_epochs is not None and self.epoch % settings.every_epochs == 0
        return by_epochs or self._is_save_due()

    def _save(self) -> None:
        """Write a checkpoint of this moment."""
        assert self._store is not None
        training = self._guard.mark(self._position())
        self._store.save(
            {
                "settings": self.run_settings.settings,
                "training": vars(training),
                "epoch": self.epoch,
                "batch": self.batch,
                "steps": self.trainer.steps,
                "first_epoch": self._first_epoch,
                "stop_reason": self.stop_reason,
                "figures": self.figures.state_dict(),
                "history": self.history.to_dict(),
                "callbacks": [each.state_dict() for each in self.run_settings.callbacks],
            }
        )
        self._saved_at = time.monotonic()
        self._saved_position = self._position()

    def _take_up(self, state: dict[str, Any]) -> None:
        """Go on from the state in a checkpoint, after checking that it is of this run."""
        trainer = self.trainer
        check_settings(state["settings"], self.run_settings.settings)
        before = capture(trainer.model, trainer.optimizer)
        restore(trainer.model, trainer.optimizer, TrainingState(**state["training"]))
        try:
            for each, saved in zip(self.run_settings.callbacks, state["callbacks"], strict=True):
                each.load_state_dict(saved)
        except Exception:
            restore(trainer.model, trainer.optimizer, before)
            raise
        self.epoch = state["epoch"]
        self.batch = state["batch"]
        self.stop_reason = state["stop_reason"]
        self.figures = EpochFigures.from_state(state["figures"])
        self._first_epoch = state["first_epoch"]
        trainer.steps = state["steps"]
        trainer.epochs = self._first_epoch + self.epoch
        self._saved_position = self._position()
        self._resume_history(History.from_dict(state["history"]))

    def _resume_history(self, history: History) -> None:
        history.planned_epochs = self.run_settings.epochs
        history.interrupted = False
        history.stopped = ""
        self.history = history
        self.trainer.history = history


def _sees_batches(callback: Callback) -> bool:
    """Whether a callback does something after every batch that cannot be done before it."""
    own = type(callback).on_batch_end
    if isinstance(callback, LearningRateSchedule) and own is LearningRateSchedule.on_batch_end:
        return callback.per == "step" and not isinstance(callback.schedule, LRScheduler)
    return own is not Callback.on_batch_end


def check_settings(saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse to resume a run that was about something else.

    Raises:
        CheckpointError: data, seed, batch size or the like differ; all differences are listed.
    """
    differences = [
        f"{name} was {saved.get(name)!r}, but is {current.get(name)!r} now"
        for name in {**saved, **current}
        if saved.get(name) != current.get(name)
    ]
    if differences:
        raise CheckpointError(
            "fit: the checkpoint is of another training and cannot be resumed: "
            + "; ".join(differences)
            + ". Use what it was trained with, or another checkpoint folder."
        )


def _random_states(trainer: Trainer) -> list[dict[str, Any]]:
    return [
        {"key": each.key.clone(), "counter": each.counter.clone()}
        for each in generators(trainer.model)
    ]


def _put_random_states(trainer: Trainer, states: Sequence[dict[str, Any]]) -> None:
    for generator, saved in zip(generators(trainer.model), states, strict=True):
        put_generator(generator, saved)
