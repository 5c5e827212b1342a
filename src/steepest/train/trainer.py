"""Trainer: training, evaluation and prediction in one object."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import steepest as st
from steepest import nn
from steepest.data.batches import BatchPlan
from steepest.errors import ArgumentError
from steepest.graph.dtypes import DType, float32
from steepest.trace.containers import flatten, unflatten
from steepest.train.arguments import (
    as_callback,
    as_checkpoint,
    check_epochs,
    check_model,
    find_checkpoint,
    read_pair,
    resolve_logits,
    split_off,
)
from steepest.train.callbacks import Callback, EarlyStopping
from steepest.train.checkpoint import Checkpoint
from steepest.train.figures import kept_output, metric_values
from steepest.train.history import History
from steepest.train.interrupt import InterruptWatch
from steepest.train.loop import FitLoop, Run
from steepest.train.losses import Loss, check_loss, loss_name, loss_share
from steepest.train.metrics import Metric, find_metrics
from steepest.train.plan import EpochBatches, check_batch_size
from steepest.train.preflight import preflight
from steepest.train.progress import Progress, ProgressKind, make_progress
from steepest.train.source import ArraySource, Prepare, class_weights
from steepest.train.state import modes_kept, randomness_from
from steepest.train.step import EvaluationStep, TrainingStep


class Trainer:
    """Trains a network, evaluates it and predicts with it.

        trainer = st.Trainer(model, loss=nn.CrossEntropyLoss(), optimizer=optimizer,
                             metrics=["accuracy"])
        history = trainer.fit(x, y, epochs=10, batch_size=128, validation_fraction=0.1)
        print(history, trainer.evaluate(x_test, y_test))

    Args:
        model: the network.
        loss: `loss(output, target)`, a 0-d tensor: one of nn's losses or a function.
        optimizer: over the model's parameters.
        metrics: names in `steepest.train.METRICS`, or `Metric` objects; computed over the whole
            set, for training on the outputs that the steps themselves produced.
        schedule: one of optim's learning-rate schedules, stepped after every epoch, or a
            `LearningRateSchedule(schedule, per="step")`.
        clip_norm: largest common norm of all gradients; larger ones are scaled down to it.
        clip_value: largest absolute value of a gradient; applied before `clip_norm`.
        seed: of shuffling, of validation splits, and of what the model draws in training
            (dropout). One seed on one machine gives the same bits every time. (The first weights
            were drawn when the model was built: `st.random.seed`.)
        compile: whether steps run as compiled programs; False to debug the model with prints.
        back_end: what runs the programs: `"evaluator"` or `"native"`; see `steepest.compile`.
        from_logits: what the model's output means to metrics of labels and probabilities;
            default: what the loss tells (logits for `nn.CrossEntropyLoss`, probabilities for
            `nn.BCELoss`).

    Attributes:
        history: the figures of the last `fit`, while it runs too.
        epochs: epochs trained by this object over all calls of `fit`.
        steps: training steps over all calls of `fit`.

    Raises:
        ArgumentError: arguments that cannot work together.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Loss,
        optimizer: Any,
        metrics: Sequence[str | Metric] = (),
        schedule: Any = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        seed: int = 0,
        compile: bool = True,
        back_end: str | None = None,
        from_logits: bool | None = None,
    ) -> None:
        check_model(model, optimizer)
        check_loss(loss)
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise ArgumentError(f"Trainer: {name} must be above 0 or None, got {limit!r}.")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            raise ArgumentError(
                f"Trainer: seed must be a whole number of at least 0, got {seed!r}."
            )
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.metrics = find_metrics(metrics)
        self.schedule = as_callback(schedule)
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.seed = seed
        self.compile = compile
        self.back_end = back_end
        self.from_logits = resolve_logits(loss, from_logits, self.metrics)
        self.history = History()
        self.epochs = 0
        self.steps = 0
        self.figure_names: tuple[str, ...] = ()
        self._generator = st.random.Generator(seed)
        self._training_steps: dict[tuple[Any, ...], TrainingStep] = {}
        self._evaluation_step = EvaluationStep(model, loss, compiled=compile, back_end=back_end)
        self._prediction_step = EvaluationStep(model, None, compiled=compile, back_end=back_end)
        self._loop: FitLoop | None = None

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: tuple[Any, Any] | None = None,
        validation_fraction: float | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        callbacks: Sequence[Callback] = (),
        early_stopping: EarlyStopping | None = None,
        patience: int | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: bool = False,
        watch_gradients: bool = False,
        progress: ProgressKind | Progress = "auto",
        prepare: Prepare | None = None,
    ) -> History:
        """Train the model. Another call trains it further.

        Args:
            x: an array whose first axis runs over samples; or a tuple of arrays for `model(*x)`,
                or a dict for `model(**x)`. Floating-point numbers are converted to the type of
                the model's parameters.
            y: targets, `(n,)` or `(n, ...)`, as the loss takes them.
            epochs: how often all samples are gone through.
            batch_size: samples in a training step; `n` for full-batch, 1 for single samples.
            validation_data: `(x, y)` to compute `val_` figures on after every epoch.
            validation_fraction: share of the samples to set aside for that instead, at random.
            sample_weight: `(n,)` weight of each sample's loss. Weights are scaled to mean 1.
            class_weight: weight of each class, `{class: weight}`, or `"balanced"`.
            shuffle: whether each epoch goes through the samples in an order of its own.
            drop_last: whether a last batch that is smaller than the others is left out.
            callbacks: more hooks.
            early_stopping: when to stop; `patience=5` is short for `EarlyStopping(patience=5)`.
            patience: see `early_stopping`.
            checkpoint: folder to save to after every epoch, or a `Checkpoint`.
            resume: whether to go on from the newest checkpoint there, if there is one. The
                result is bitwise equal to that of a run that was never cut off. `epochs` counts
                those before, too.
            watch_gradients: whether the norms of all gradients are recorded in the history, and
                vanishing or exploding ones remarked on.
            progress: `"bar"`, `"lines"` or `"none"`; `"auto"` chooses by the terminal.
            prepare: `prepare(batch, epoch)` makes of every `steepest.train.Batch` the one that the
                model takes: images of their numbers in a file, changed a little in every epoch. For
                validation, `epoch` is None.

        Returns:
            The history. Ctrl-C ends training after the current batch: then the weights are kept,
            a checkpoint is saved, and `history.interrupted` is True.

        Raises:
            ArgumentError, ShapeError, DTypeError, DataError: arguments and data that do not fit.
            TrainingFaultError: the loss or a weight became NaN or infinite.
            CheckpointError: the checkpoints cannot be used, or are of another training.
        """
        epochs = check_epochs(epochs)
        if y is None:
            raise ArgumentError("fit: y is None, but the loss needs targets.")
        source, validation = self._sources(
            x, y, validation_data, validation_fraction, sample_weight, class_weight, prepare
        )
        check_batch_size("fit", batch_size)
        plan = EpochBatches(BatchPlan(source.rows, int(batch_size), self.seed, shuffle, drop_last))
        settings = as_checkpoint(checkpoint, resume)
        resumed = find_checkpoint(settings, resume)
        self.figure_names = self._names(validation is not None)
        run = Run(
            source=source,
            validation=validation,
            plan=plan,
            epochs=epochs,
            first_epoch=self.epochs,
            callbacks=self._callbacks(callbacks, early_stopping, patience),
            step=self._training_step(source.weight is not None, watch_gradients),
            progress=make_progress(progress),
            checkpoint=settings,
            watches_gradients=watch_gradients,
            settings={},
        )
        run.settings.update(self._settings(run))
        preflight(self, source.batch(plan.selection(self.epochs, 0)), source, validation)
        self._loop = FitLoop(self, run, resumed)
        self.history = self._loop.history
        try:
            with modes_kept(self.model), randomness_from(self._generator):
                return self._loop.run()
        finally:
            self._loop = None

    def evaluate(
        self, x: Any, y: Any, *, batch_size: int = 256, prepare: Prepare | None = None
    ) -> dict[str, float]:
        """Return the loss (mean over samples) and every metric, in evaluation mode.

        Args:
            x: inputs, as `fit` takes them.
            y: targets.
            batch_size: samples computed at once; it changes no metric beyond rounding. (A loss
                that divides by something else than the number of samples, such as one with class
                weights, is a mean of the batches' values.)
            prepare: as for `fit`.
        """
        check_batch_size("evaluate", batch_size)
        if y is None:
            raise ArgumentError("evaluate: y is None, but the loss needs targets.")
        source = ArraySource(x, y, dtype=self._dtype(), owner="evaluate", prepare=prepare)
        with modes_kept(self.model):
            values = self._evaluate_source(source, batch_size)
        assert values is not None
        return values

    def predict(
        self, x: Any, *, batch_size: int = 256, prepare: Prepare | None = None
    ) -> npt.NDArray:
        """Return the model's raw output for every sample, in evaluation mode.

        Args:
            x: inputs, as `fit` takes them.
            batch_size: samples computed at once.

        Returns:
            An array `(n, ...)`; a container of such arrays if the model puts out several.
        """
        check_batch_size("predict", batch_size)
        source = ArraySource(x, dtype=self._dtype(), owner="predict", prepare=prepare)
        with modes_kept(self.model):
            self.model.eval()
            parts = [output for _, _, output in self._prediction_step.over(source, batch_size)]
        return _join(parts)

    def stop(self, reason: str) -> None:
        """End the running `fit` cleanly; for callbacks. The reason appears in the history."""
        if self._loop is None:
            raise ArgumentError("Trainer.stop: no fit is running.")
        self._loop.stop_reason = reason

    def _evaluate_source(
        self,
        source: ArraySource,
        batch_size: int,
        prefix: str = "",
        watch: InterruptWatch | None = None,
    ) -> dict[str, float] | None:
        """Return loss and metrics over all samples; None if Ctrl-C came while computing."""
        self.model.eval()
        total = 0.0
        kept = []
        for selection, loss, output in self._evaluation_step.over(source, batch_size):
            total += loss * loss_share(self.loss, selection.stop - selection.start)
            if self.metrics:
                assert source.target is not None
                kept.append(kept_output(self.metrics, source.target[selection], output))
            if watch is not None and watch.requested:
                return None
        values = {f"{prefix}loss": total / source.rows}
        if self.metrics:
            assert source.target is not None
            values |= metric_values(
                self.metrics,
                source.target,
                kept,
                from_logits=self.from_logits,
                prefix=prefix,
            )
        return values

    def _sources(
        self,
        x: Any,
        y: Any,
        validation_data: tuple[Any, Any] | None,
        validation_fraction: float | None,
        sample_weight: Any,
        class_weight: Any,
        prepare: Prepare | None,
    ) -> tuple[ArraySource, ArraySource | None]:
        """Check all data; return the training and the validation part."""
        if validation_data is not None and validation_fraction is not None:
            raise ArgumentError("fit: give validation_data or validation_fraction, not both.")
        dtype = self._dtype()
        source = ArraySource(x, y, sample_weight, dtype=dtype, owner="fit", prepare=prepare)
        validation = None
        if validation_data is not None:
            x_val, y_val = read_pair(validation_data)
            validation = ArraySource(
                x_val, y_val, dtype=dtype, owner="fit", suffix="_val", prepare=prepare
            )
        elif validation_fraction is not None:
            source, validation = split_off(source, validation_fraction, self.seed)
        weight = source.weight
        if class_weight is not None:
            assert source.target is not None
            by_class = class_weights(source.target, class_weight)
            weight = by_class if weight is None else weight * by_class
        if weight is not None:
            source = source.with_weight(weight / weight.mean())
        return source, validation

    def _callbacks(
        self,
        callbacks: Sequence[Callback],
        early_stopping: EarlyStopping | None,
        patience: int | None,
    ) -> list[Callback]:
        """All callbacks: first those that decide and change, then the user's, who see it."""
        for each in callbacks:
            if not isinstance(each, Callback):
                raise ArgumentError(
                    f"fit: a callback must be a steepest.train.Callback, got {type(each).__name__}."
                )
        if early_stopping is not None and patience is not None:
            raise ArgumentError("fit: give early_stopping or patience, not both.")
        if patience is not None:
            early_stopping = EarlyStopping(patience=patience)
        first = [each for each in (early_stopping, self.schedule) if each is not None]
        return [*first, *callbacks]

    def _training_step(self, weighted: bool, watch: bool) -> TrainingStep:
        """Return the training step of a kind; made, and compiled, once."""
        key = (weighted, watch, bool(self.metrics))
        if key not in self._training_steps:
            self._training_steps[key] = TrainingStep(
                self.model,
                self.loss,
                self.optimizer,
                clip_norm=self.clip_norm,
                clip_value=self.clip_value,
                weighted=weighted,
                keeps_output=bool(self.metrics),
                watches_gradients=watch,
                compiled=self.compile,
                back_end=self.back_end,
            )
        return self._training_steps[key]

    def _settings(self, run: Run) -> dict[str, Any]:
        """What a checkpoint must agree with to be resumed."""
        settings: dict[str, Any] = {
            "seed": self.seed,
            "batch_size": run.plan.plan.batch_size,
            "shuffle": run.plan.plan.shuffle,
            "drop_last": run.plan.plan.drop_last,
            "loss": loss_name(self.loss),
            "optimizer": type(self.optimizer).__name__,
            "metrics": [each.name for each in self.metrics],
            "clip_norm": self.clip_norm,
            "clip_value": self.clip_value,
            "watch_gradients": run.watches_gradients,
            "callbacks": [type(each).__name__ for each in run.callbacks],
        }
        for name, value in run.source.fingerprint().items():
            settings[f"data {name}"] = value
        if run.validation is not None:
            for name, value in run.validation.fingerprint().items():
                settings[f"validation data {name}"] = value
        return settings

    def _names(self, with_validation: bool) -> tuple[str, ...]:
        names = ["loss", *(each.name for each in self.metrics)]
        validation = [f"val_{name}" for name in names] if with_validation else []
        return (*names, *validation, "lr")

    def _dtype(self) -> DType:
        """The floating-point type for data: that of the first floating parameter."""
        for parameter in self.model.parameters():
            if parameter.dtype.is_floating:
                return parameter.dtype
        return float32


def _join(parts: Sequence[Any]) -> Any:
    """Join outputs of batches, which may be containers of arrays, along the first axis."""
    flat = [flatten(part) for part in parts]
    structure = flat[0][1]
    columns = zip(*(leaves for leaves, _ in flat), strict=True)
    return unflatten(structure, [np.concatenate(column) for column in columns])
