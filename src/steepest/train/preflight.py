"""A look at the first batch before training begins, so that what cannot work fails at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError, ShapeError
from steepest.train.figures import metric_values
from steepest.train.metrics import check_targets
from steepest.train.source import ArraySource, Batch
from steepest.train.state import modes_kept, randomness_kept
from steepest.train.step import batch_loss, step_arguments, to_arrays

if TYPE_CHECKING:
    from steepest.train.trainer import Trainer


def preflight(
    trainer: Trainer, batch: Batch, source: ArraySource, validation: ArraySource | None
) -> None:
    """Run the model, the loss and the metrics on a batch, eagerly, and change nothing.

    Eager operations check their numbers too, which a compiled program does not.

    Raises:
        ArgumentError, ShapeError, DTypeError: what the model, the loss or a metric refuse.
    """
    for metric in trainer.metrics:
        assert source.target is not None
        check_targets(metric, source.target)
    output = _try(trainer, batch)
    plain = to_arrays(output)
    if isinstance(plain, np.ndarray):
        for part, name in ((source, "y"), (validation, "y_val")):
            if part is not None and part.target is not None:
                _check_classes(trainer.loss, plain, part.target, name)
    elif trainer.metrics:
        raise ArgumentError(
            f"fit: metrics compare one array of outputs with y, but the model puts out a "
            f"{type(plain).__name__}. Leave metrics out."
        )
    if trainer.metrics:
        _check_rows(plain, batch.size)
        assert batch.target is not None
        metric_values(trainer.metrics, batch.target, [plain], from_logits=trainer.from_logits)


def _try(trainer: Trainer, batch: Batch) -> Any:
    """Return the model's output in evaluation mode, after computing the loss of it."""
    inputs, named, target, weight = step_arguments(batch)
    with modes_kept(trainer.model), randomness_kept(trainer.model), st.no_grad():
        trainer.model.eval()
        output = trainer.model(*inputs, **named)
        loss = batch_loss(trainer.loss, weight is not None)(output, target, weight)
    if loss.shape != ():
        raise ShapeError(
            f"fit: the loss must be one number, of shape (), but has the shape {loss.shape}. "
            f"Reduce it, for example with .mean()."
        )
    return output


def _check_rows(output: npt.NDArray, size: int) -> None:
    if output.ndim == 0 or output.shape[0] != size:
        raise ShapeError(
            f"fit: the model's output {output.shape} must have one row for each of the {size} "
            f"samples of the batch, so that metrics can be computed."
        )


def _check_classes(loss: Any, output: npt.NDArray, target: npt.NDArray, name: str) -> None:
    """Check class numbers against the number of outputs, over all samples."""
    if not isinstance(loss, (nn.CrossEntropyLoss, nn.NLLLoss)):
        return
    if output.ndim < 2 or target.dtype.kind not in "iu" or target.ndim != output.ndim - 1:
        return
    class_count = output.shape[1]
    counted = target[target != loss.ignore_index]
    if counted.size and (counted.min() < 0 or counted.max() >= class_count):
        wrong = int(counted.min() if counted.min() < 0 else counted.max())
        raise ArgumentError(
            f"fit: {name} holds the class {wrong}, but the model has {class_count} outputs: "
            f"classes are numbers from 0 to {class_count - 1}."
        )
