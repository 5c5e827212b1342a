"""Which samples make up which batch: a function of the seed, the epoch and the batch alone.

So an epoch can be entered at any batch, in any process, and a step can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError
from steepest.train.source import Selection

SPLIT_STREAM = 2**64 - 1
"""The number that stands in an epoch's place when rows are set aside for validation."""


def random_order(rows: int, seed: int, stream: int) -> npt.NDArray[np.int64]:
    """Return the numbers 0 to rows - 1 in the order of pseudo-random keys.

    The keys are raw 64-bit numbers of the counter-based Philox generator, which NumPy keeps the
    same in all versions (unlike its own `permutation`), so a run can be resumed years later.

    Args:
        rows: how many.
        seed: of the training.
        stream: the epoch.
    """
    key = np.array([seed, stream], dtype=np.uint64)
    keys = np.random.Philox(key=key).random_raw(rows)
    return np.argsort(keys, kind="stable")


@dataclass
class BatchPlan:
    """The batches of every epoch.

    Attributes:
        rows: number of samples.
        batch_size: samples in a batch; the last one of an epoch may be smaller.
        shuffle: whether each epoch has its own random order.
        drop_last: whether a smaller last batch is left out.
        seed: of the order.
    """

    rows: int
    batch_size: int
    shuffle: bool
    drop_last: bool
    seed: int
    _known: tuple[int, npt.NDArray[np.int64]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_batch_size("fit", self.batch_size)
        if self.drop_last and self.batch_size > self.rows:
            raise ArgumentError(
                f"fit: with drop_last=True there is no batch at all: batch_size is "
                f"{self.batch_size}, but there are only {self.rows} samples."
            )

    @property
    def batches(self) -> int:
        """Number of batches in an epoch."""
        if self.drop_last:
            return self.rows // self.batch_size
        return -(-self.rows // self.batch_size)

    @property
    def used_rows(self) -> int:
        """Number of samples in an epoch."""
        return min(self.rows, self.batches * self.batch_size)

    def order(self, epoch: int) -> npt.NDArray[np.int64] | None:
        """Return the samples of an epoch in their order; None for the order they lie in."""
        if not self.shuffle:
            return None
        if self._known is None or self._known[0] != epoch:
            self._known = (epoch, random_order(self.rows, self.seed, epoch))
        return self._known[1]

    def selection(self, epoch: int, batch: int) -> Selection:
        """Return the samples of one batch; both numbers count from 0."""
        places = slice(batch * self.batch_size, min((batch + 1) * self.batch_size, self.rows))
        order = self.order(epoch)
        return places if order is None else order[places]


def slices(rows: int, batch_size: int) -> list[slice]:
    """Return the consecutive parts of `batch_size` rows that cover all rows."""
    return [slice(start, min(start + batch_size, rows)) for start in range(0, rows, batch_size)]


def check_batch_size(owner: str, batch_size: int) -> None:
    """Raise ArgumentError unless a batch size is a whole number of at least 1."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
        raise ArgumentError(f"{owner}: batch_size must be a whole number, got {batch_size!r}.")
    if batch_size < 1:
        raise ArgumentError(f"{owner}: batch_size must be at least 1, got {batch_size}.")
