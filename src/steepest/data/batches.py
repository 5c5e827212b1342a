"""Which rows make up each mini-batch: a pure function of (seed, epoch, batch).

The order of the rows is a function of the seed and the epoch alone, so a run resumed at any batch
sees the same rows as one that was never stopped, on any machine and with any version of NumPy: it
is made of the raw output of the Philox counter-based generator (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", 2011), which NumPy promises never to change.

    plan = BatchPlan(n_rows=1000, batch_size=128, seed=7)
    for rows in plan.batches(epoch=0):
        step(x[rows], y[rows])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from steepest.errors import ArgumentError

LARGEST_KEY = 1 << 64


def permutation(n_rows: int, seed: int, epoch: int = 0) -> np.ndarray:
    """(n_rows,) int64: the numbers 0 to n_rows - 1 in an order given by the seed and the epoch.

    Every row draws 64 random bits, whose low bits are then replaced by the row's number; sorting
    these and keeping the low bits gives the order. The high bits of two rows are equal, and the
    rows then in their old order, with probability 2^-44 a pair for a million rows.

    Args:
        n_rows: how many rows.
        seed: from 0 to 2^64 - 1.
        epoch: from 0 to 2^64 - 1.
    """
    for name, value in (("n_rows", n_rows), ("seed", seed), ("epoch", epoch)):
        if not 0 <= value < LARGEST_KEY:
            raise ArgumentError(f"permutation: {name} must be from 0 to 2^64 - 1, not {value}.")
    generator = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64))
    bits = generator.random_raw(n_rows) if n_rows else np.empty(0, dtype=np.uint64)
    row_bits = np.uint64((1 << max(n_rows - 1, 1).bit_length()) - 1)
    keys = (bits & ~row_bits) | np.arange(n_rows, dtype=np.uint64)
    keys.sort()
    return (keys & row_bits).astype(np.int64)


@dataclass(frozen=True)
class BatchPlan:
    """The mini-batches of every epoch.

    Attributes:
        n_rows: rows of the training data, at least 1.
        batch_size: rows of a batch; the last batch of an epoch holds what is left. At most
            `n_rows`; a greater one counts as `n_rows`.
        seed: of the order of the rows, from 0 to 2^64 - 1.
        shuffle: a new order every epoch; False takes the rows as they come.
        drop_last: leave out a last batch that is smaller than the others.
    """

    n_rows: int
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    drop_last: bool = False

    def __post_init__(self) -> None:
        for name in ("n_rows", "batch_size"):
            if getattr(self, name) < 1:
                raise ArgumentError(
                    f"BatchPlan: {name} must be at least 1, not {getattr(self, name)}."
                )
        if not 0 <= self.seed < LARGEST_KEY:
            raise ArgumentError(f"BatchPlan: seed must be from 0 to 2^64 - 1, not {self.seed}.")
        object.__setattr__(self, "batch_size", min(self.batch_size, self.n_rows))

    @property
    def n_batches(self) -> int:
        """Batches of one epoch; at least 1."""
        if self.drop_last:
            return self.n_rows // self.batch_size
        return -(-self.n_rows // self.batch_size)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The different sizes that batches have: one or two, the common one first."""
        rest = self.n_rows % self.batch_size
        if self.drop_last or rest == 0:
            return (self.batch_size,)
        return (self.batch_size, rest)

    def order(self, epoch: int) -> np.ndarray:
        """(n_rows,) int64: the order of the rows in an epoch."""
        if not self.shuffle:
            return np.arange(self.n_rows, dtype=np.int64)
        return permutation(self.n_rows, self.seed, epoch)

    def batches(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """The rows of each batch of an epoch, from batch `start` on.

        Args:
            epoch: counted from 0.
            start: the first batch to give, counted from 0; `n_batches` gives none.

        Yields:
            (batch_size,) int64 row numbers; the last may be shorter.
        """
        if not 0 <= start <= self.n_batches:
            raise ArgumentError(
                f"BatchPlan: batch {start} of an epoch of {self.n_batches} batches; "
                f"start is from 0 to {self.n_batches}."
            )
        order = self.order(epoch)
        for batch in range(start, self.n_batches):
            yield order[batch * self.batch_size : (batch + 1) * self.batch_size]
