"""The running figures of one epoch, and what becomes of them when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.train.metrics import Metric, compute
from steepest.train.step import StepResults


class EpochFigures:
    """Collects losses, outputs and gradient norms of the steps of an epoch.

    All of it can be saved in the middle of an epoch and taken up again without a bit of difference.
    """

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._sizes: list[int] = []
        self._shares: list[float] = []
        self._outputs: list[npt.NDArray] = []
        self._norm_sum: npt.NDArray[np.float64] | None = None
        self._seconds = 0.0
        self._started: float | None = None
        self._loss_sum = 0.0
        self._rows = 0

    def add(
        self, results: StepResults, size: int, share: float, kept: npt.NDArray | None = None
    ) -> None:
        """Add some steps.

        Args:
            results: what the steps gave back.
            size: samples in each batch.
            share: how often each loss counts.
            kept: what `kept_output` keeps of the outputs.
        """
        steps = len(results.losses)
        self._losses += results.losses
        self._sizes += [size] * steps
        self._shares += [share] * steps
        for loss in results.losses:
            self._loss_sum += loss * share
        self._rows += size * steps
        if kept is not None:
            self._outputs.append(kept)
        if results.gradient_norms is not None:
            for norms in results.gradient_norms:
                self._norm_sum = norms + (0.0 if self._norm_sum is None else self._norm_sum)

    def start_clock(self) -> None:
        """The epoch begins, or goes on."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time the epoch has taken so far, also in processes that were cut off."""
        running = 0.0 if self._started is None else time.monotonic() - self._started
        return self._seconds + running

    @property
    def loss(self) -> float:
        """Mean loss over the samples of the epoch so far."""
        return self._loss_sum / max(self._rows, 1)

    @property
    def gradient_norms(self) -> npt.NDArray[np.float64] | None:
        """`(parameters,)` mean over the steps so far."""
        return None if self._norm_sum is None else self._norm_sum / len(self._losses)

    @property
    def outputs(self) -> list[npt.NDArray]:
        """What was kept of the outputs of all steps so far, in the order of the batches."""
        return self._outputs

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain lists and arrays."""
        return {
            "losses": np.array(self._losses, dtype=np.float64),
            "sizes": np.array(self._sizes, dtype=np.int64),
            "shares": np.array(self._shares, dtype=np.float64),
            "output": np.concatenate(self._outputs) if self._outputs else None,
            "norm_sum": self._norm_sum,
            "seconds": self.seconds,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EpochFigures:
        """Return the figures that `state_dict` described."""
        figures = cls()
        columns = (state[name].tolist() for name in ("losses", "sizes", "shares"))
        for loss, size, share in zip(*columns, strict=True):
            figures.add(StepResults([loss], None, None), size, share)
        if state["output"] is not None:
            figures._outputs = [state["output"]]
        figures._norm_sum = state["norm_sum"]
        figures._seconds = state["seconds"]
        return figures


NO_LABEL = -1
"""Stands for the class number of a row of scores that holds NaN."""


def kept_output(metrics: Sequence[Metric], target: npt.NDArray, output: npt.NDArray) -> npt.NDArray:
    """Return what has to be kept of a batch's output until the metrics of the set are computed.

    Where all metrics take labels, class numbers stand for the scores they are the largest of: with
    50,000 classes that is a 50,000th of the memory.
    """
    takes_labels = all(each.takes == "labels" for each in metrics)
    has_class_axis = output.ndim == target.ndim + 1 and output.shape[1] > 1
    if not (takes_labels and has_class_axis and target.dtype.kind in "iu"):
        return output
    labels = output.argmax(axis=1)
    labels[np.isnan(output).any(axis=1)] = NO_LABEL
    return labels


def metric_values(
    metrics: Sequence[Metric],
    target: npt.NDArray,
    kept: Sequence[npt.NDArray],
    *,
    from_logits: bool,
    prefix: str = "",
) -> dict[str, float]:
    """Return `{prefix + name: value}` over all samples.

    Args:
        metrics: what to compute.
        target: targets of all samples.
        kept: what `kept_output` returned for each batch, in the order of the samples.
        from_logits: whether scores are logits.
        prefix: begins every name.
    """
    output = np.concatenate(kept)
    is_labels = output.dtype.kind in "iu"
    if is_labels and (output == NO_LABEL).any():
        return {prefix + each.name: math.nan for each in metrics}
    return {
        prefix + each.name: compute(each, target, output, from_logits=from_logits and not is_labels)
        for each in metrics
    }
