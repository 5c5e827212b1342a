"""The running figures of one epoch, and what becomes of them when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.train.metrics import Metric, compute
from steepest.train.step import StepResult


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

    def add(self, result: StepResult, size: int, share: float) -> None:
        """Add one step of a batch of `size` samples, whose loss counts `share` times."""
        self._losses.append(result.loss)
        self._sizes.append(size)
        self._shares.append(share)
        self._loss_sum += result.loss * share
        self._rows += size
        if result.output is not None:
            self._outputs.append(result.output)
        if result.gradient_norms is not None:
            before = 0.0 if self._norm_sum is None else self._norm_sum
            self._norm_sum = before + result.gradient_norms

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

    def output(self) -> npt.NDArray:
        """The outputs of all steps so far, in the order of the batches."""
        return np.concatenate(self._outputs)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in plain lists and arrays."""
        return {
            "losses": np.array(self._losses, dtype=np.float64),
            "sizes": np.array(self._sizes, dtype=np.int64),
            "shares": np.array(self._shares, dtype=np.float64),
            "output": self.output() if self._outputs else None,
            "norm_sum": self._norm_sum,
            "seconds": self.seconds,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EpochFigures:
        """Return the figures that `state_dict` described."""
        figures = cls()
        columns = (state[name].tolist() for name in ("losses", "sizes", "shares"))
        for loss, size, share in zip(*columns, strict=True):
            figures.add(StepResult(loss, None, None), size, share)
        if state["output"] is not None:
            figures._outputs = [state["output"]]
        figures._norm_sum = state["norm_sum"]
        figures._seconds = state["seconds"]
        return figures


def metric_values(
    metrics: Sequence[Metric], target: Any, output: Any, *, from_logits: bool, prefix: str = ""
) -> dict[str, float]:
    """Return `{prefix + name: value}` over all samples."""
    return {
        prefix + each.name: compute(each, target, output, from_logits=from_logits)
        for each in metrics
    }
