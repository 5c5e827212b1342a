"""Finding the samples of any batch of any epoch, which `steepest.data.batches` lays down.

A batch is a function of the seed, the epoch and its number, so an epoch can be entered at any
batch, in any process, and a step can be repeated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from steepest.data.batches import BatchPlan
from steepest.errors import ArgumentError
from steepest.train.source import Selection

SPLIT_EPOCH = 2**64 - 1
"""The number that stands in an epoch's place when rows are set aside for validation."""


class EpochBatches:
    """The batches of a plan by their number; keeps the order of the epoch it was asked for last.

    Args:
        plan: which samples make up each batch.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self.plan = plan
        self._known: tuple[int, npt.NDArray[np.int64]] | None = None

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        return self.plan.n_batches

    def used(self, epoch: int) -> Selection:
        """Return all samples of an epoch, in the order of its batches."""
        return self._range(epoch, 0, min(self.plan.n_rows, self.batches * self.plan.batch_size))

    def selection(self, epoch: int, batch: int) -> Selection:
        """Return the samples of one batch; both numbers count from 0."""
        start = batch * self.plan.batch_size
        return self._range(epoch, start, min(start + self.plan.batch_size, self.plan.n_rows))

    def rows(self, epoch: int, batch: int, count: int) -> npt.NDArray[np.int64]:
        """Return `(count, batch_size)`: the samples of batches that are of full size."""
        size = self.plan.batch_size
        start = batch * size
        selected = self._range(epoch, start, start + count * size)
        if isinstance(selected, slice):
            selected = np.arange(selected.start, selected.stop, dtype=np.int64)
        return selected.reshape(count, size)

    def _range(self, epoch: int, start: int, stop: int) -> Selection:
        """Return some samples by their places in an epoch; a slice where they lie in order."""
        if not self.plan.shuffle:
            return slice(start, stop)
        if self._known is None or self._known[0] != epoch:
            self._known = (epoch, self.plan.order(epoch))
        return self._known[1][start:stop]


def slices(rows: int, batch_size: int) -> list[slice]:
    """Return the consecutive parts of `batch_size` rows that cover all rows."""
    return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]


def check_batch_size(owner: str, batch_size: int) -> None:
    """Raise ArgumentError unless a batch size is a whole number of at least 1."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise ArgumentError(f"{owner}: batch_size must be a whole number, got {batch_size!r}.")
    if batch_size < 1:
        raise ArgumentError(f"{owner}: batch_size must be at least 1, got {batch_size}.")
