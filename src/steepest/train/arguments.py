"""The arguments of `Trainer` and of `fit`: checked, and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest import nn
from steepest.data.batches import permutation
from steepest.errors import ArgumentError, CheckpointError, DataError
from steepest.train.callbacks import LearningRateSchedule
from steepest.train.checkpoint import Checkpoint, CheckpointStore
from steepest.train.losses import Loss, loss_name, takes_logits
from steepest.train.metrics import Metric
from steepest.train.plan import SPLIT_EPOCH
from steepest.train.source import ArraySource


def check_model(model: Any, optimizer: Any) -> None:
    """Raise ArgumentError unless an optimizer updates parameters of a model."""
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"Trainer: model must be an nn.Module, got {type(model).__name__}.")
    if not callable(getattr(optimizer, "step", None)) or not hasattr(optimizer, "param_groups"):
        raise ArgumentError(
            f"Trainer: optimizer must be one of steepest.optim, such as "
            f"optim.AdamW(model.parameters()), got {type(optimizer).__name__}."
        )
    held = {id(each) for group in optimizer.param_groups for each in group["params"]}
    own = [each for each in model.parameters() if each.requires_grad]
    if not own:
        raise ArgumentError("Trainer: the model has no parameters that can be trained.")
    if not any(id(each) in held for each in own):
        raise ArgumentError(
            "Trainer: the optimizer holds none of the model's parameters. Make it after the model: "
            "optimizer = optim.AdamW(model.parameters())."
        )


def as_callback(schedule: Any) -> LearningRateSchedule | None:
    """Return what `Trainer(schedule=...)` was given as a callback."""
    if schedule is None or isinstance(schedule, LearningRateSchedule):
        return schedule
    return LearningRateSchedule(schedule)


def resolve_logits(loss: Loss, from_logits: bool | None, metrics: Sequence[Metric]) -> bool:
    """Return whether the model's output counts as logits.

    Raises:
        ArgumentError: a metric needs to know, and neither the user nor the loss tells.
    """
    if from_logits is not None:
        return from_logits
    known = takes_logits(loss)
    if known is not None:
        return known
    for metric in metrics:
        if metric.takes != "numbers":
            raise ArgumentError(
                f"Trainer: the metric {metric.name!r} needs to know what the model puts out, "
                f"which {loss_name(loss)} does not tell. Pass from_logits=True for raw scores, "
                f"from_logits=False for probabilities."
            )
    return False


def check_epochs(epochs: Any) -> int:
    """Return a number of epochs, which must be at least 1."""
    if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 1:
        raise ArgumentError(f"fit: epochs must be a whole number of at least 1, got {epochs!r}.")
    return int(epochs)


def read_pair(validation_data: Any) -> tuple[Any, Any]:
    """Return the two parts of `validation_data`."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
        raise ArgumentError("fit: validation_data must be a pair (x, y).")
    return validation_data[0], validation_data[1]


def split_off(source: ArraySource, fraction: float, seed: int) -> tuple[ArraySource, ArraySource]:
    """Set a random share of the samples aside; both parts keep the order of the samples."""
    if not 0 < fraction < 1:
        raise ArgumentError(f"fit: validation_fraction must be between 0 and 1, got {fraction!r}.")
    count = round(source.rows * fraction)
    if not 0 < count < source.rows:
        raise DataError(
            f"fit: validation_fraction {fraction} of {source.rows} samples leaves a part empty. "
            f"Pass validation_data, or more samples."
        )
    order = permutation(source.rows, seed, SPLIT_EPOCH)
    kept = source.subset(np.sort(order[count:]))
    return kept, source.subset(np.sort(order[:count])).with_weight(None)


def as_checkpoint(checkpoint: Any, resume: bool) -> Checkpoint | None:
    """Return what `fit(checkpoint=...)` was given as settings."""
    if checkpoint is None:
        if resume:
            raise ArgumentError("fit: resume=True needs checkpoint=FOLDER to resume from.")
        return None
    return checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)


def find_checkpoint(checkpoint: Checkpoint | None, resume: bool) -> dict[str, Any] | None:
    """Return the state to go on from; None to start anew."""
    if checkpoint is None:
        return None
    store = CheckpointStore(checkpoint.folder)
    if resume:
        return store.load_latest()
    if store.paths():
        raise CheckpointError(
            f"fit: {str(checkpoint.folder)!r} already holds checkpoints of a training. Pass "
            f"resume=True to go on with it, or choose another folder (or empty this one)."
        )
    return None
