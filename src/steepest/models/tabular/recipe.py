"""How the network for tables is trained: sizes, folds, schedule, and which networks are kept."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.errors import ArgumentError
from steepest.train.callbacks import Callback
from steepest.train.loop import check_settings

if TYPE_CHECKING:
    from steepest.train.history import History
    from steepest.train.trainer import Trainer

LEAST_VALUES = {"members": 2, "width": 1, "depth": 0, "epochs": 1, "batch_size": 1}
"""Two members at least, because each is checked on rows that only others learn from."""

CYCLES = 15
"""The schedule's cycles end at 1/15, 3/15, 7/15 and 15/15 of the training."""


MEMBERS_BY_ROWS = ((1_000, 16), (10_000, 8))
MEMBERS_OF_LARGE_TABLES = 4
"""Members up to so many rows, and beyond: large tables gain less from more, and cost more."""

SMALL_TABLE = 1_000
SMOOTHING_OF_SMALL_TABLES, SMOOTHING_OF_LARGE_TABLES = 0.03, 0.1
"""Label smoothing up to so many rows, and beyond."""

SMALLEST_BATCH, BATCH_STEP = 32, 16

MOST_STEPS = 12_000
"""About how many steps a training takes at most."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of a training on a table. The defaults were found by experiment.

    Attributes:
        members: networks trained side by side; each leaves out another fold of the rows. `None`:
            16 for up to 1,000 rows of the table, 8 for up to 10,000, 4 beyond.
        width: size of each hidden layer.
        depth: number of hidden layers.
        learning_rate: the largest rate of weights.
        bias_rate, scale_rate: rates of biases and of the feature scale, relative to that.
        betas: of Adam.
        epochs: passes over the rows; a multiple of 15 lets cycles end with epochs.
        batch_size: rows of each member in a step, at most; small tables get fewer.
        label_smoothing: share of the target spread evenly over the classes. `None`: 0.03 for up
            to 1,000 rows of the table, 0.1 beyond.
    """

    members: int | None = None
    width: int = 128
    depth: int = 3
    learning_rate: float = 0.03
    bias_rate: float = 0.1
    scale_rate: float = 6.0
    betas: tuple[float, float] = (0.9, 0.95)
    epochs: int = 120
    batch_size: int = 256
    label_smoothing: float | None = None

    def __post_init__(self) -> None:
        for name, least in LEAST_VALUES.items():
            value = getattr(self, name)
            if name == "members" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(
                    f"Recipe: {name} must be a whole number of at least {least}, not {value!r}."
                )
        for name in ("learning_rate", "bias_rate", "scale_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(f"Recipe: {name} must be above 0, not {value!r}.")
        if self.label_smoothing is not None and not 0 <= self.label_smoothing < 1:
            raise ArgumentError(
                f"Recipe: label_smoothing must be from 0 to below 1, not {self.label_smoothing!r}."
            )

    def members_for(self, rows: int) -> int:
        """The number of members for a table of so many rows: at most one a row."""
        suitable = (members for most, members in MEMBERS_BY_ROWS if rows <= most)
        return min(rows, self.members or next(suitable, MEMBERS_OF_LARGE_TABLES))

    def smoothing_for(self, rows: int) -> float:
        """The label smoothing for a table of so many rows."""
        if self.label_smoothing is not None:
            return self.label_smoothing
        return SMOOTHING_OF_SMALL_TABLES if rows <= SMALL_TABLE else SMOOTHING_OF_LARGE_TABLES

    def batch_for(self, rows: int) -> int:
        """The batch size for so many rows of each member: a quarter of them, within bounds."""
        quarter = rows // 4 // BATCH_STEP * BATCH_STEP
        return max(1, min(max(SMALLEST_BATCH, quarter), self.batch_size, rows))

    def epochs_for(self, rows: int) -> int:
        """Fewer epochs for large tables, so that training takes a bounded number of steps."""
        steps = max(1, rows // self.batch_for(rows))
        affordable = MOST_STEPS // steps // CYCLES * CYCLES
        return max(CYCLES, min(self.epochs, affordable))


def folds(rows: int, members: int, codes: np.ndarray | None, seed: int) -> np.ndarray:
    """Return the fold of each row, from 0 to members - 1; classes are spread evenly.

    Args:
        codes: class codes of the rows; `None` for a regression.
    """
    order = np.random.default_rng([seed, 1]).permutation(rows)
    if codes is not None:
        order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(rows, np.int64)
    fold[order] = np.arange(rows) % members
    return fold


def rows_of_members(fold: np.ndarray, members: int, inside: bool, seed: int) -> np.ndarray:
    """Return the row numbers of each member as columns, (rows, members), in random order.

    Args:
        inside: the rows of the member's fold, which check it, or all others, which train it.

    Folds differ by at most one row; the longer ones lose a random one.
    """
    random = np.random.default_rng([seed, 2 + inside])
    columns = []
    for member in range(members):
        chosen = np.flatnonzero((fold == member) == inside)
        columns.append(random.permutation(chosen))
    shortest = min(len(column) for column in columns)
    return np.stack([column[:shortest] for column in columns], axis=1)


def rate_factor(progress: float) -> float:
    """The learning rate's share of its largest value after `progress` (0 to 1) of the training.

    Four cosine cycles, each twice as long as the one before: `(1 - cos(2 pi log2(1 + 15 p))) / 2`.
    """
    return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * min(progress, 1.0))))


def cycle_ends(epochs: int) -> list[int]:
    """The epochs (from 1) at which a cycle of `rate_factor` ends and the rate is 0."""
    ends = {max(1, round(epochs * share / CYCLES)) for share in (1, 3, 7, CYCLES)}
    return sorted(ends)


FIRST_STOP = 3
"""The cycle, from 1, after which training may stop early."""


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """The network at the end of a cycle.

    Attributes:
        epoch: when, from 1.
        value: how bad it is on the rows that each member left out.
        outputs: (rows, outputs) for those rows, each by the member that left it out.
        weights: the state of the network.
    """

    epoch: int
    value: float
    outputs: np.ndarray
    weights: dict[str, Any]


class CycleSnapshots(Callback):
    """Keeps the network of every cycle; stops when a cycle ends worse than the one before.

    It does not stop before the third cycle: the first ones are short, and on a small table the
    very first hardly moves the weights.

    Args:
        epochs: the planned epochs.
        judge: returns the outputs for the rows left out, and how bad they are.
        identity: what a run that was cut off must agree with to be resumed, by name.

    Attributes:
        snapshots: in the order of the cycles; after Ctrl-C also that of the moment.
    """

    def __init__(
        self,
        epochs: int,
        judge: Callable[[], tuple[np.ndarray, float]],
        identity: Mapping[str, Any] | None = None,
    ):
        self._ends = cycle_ends(epochs)
        self._judge = judge
        self._identity = dict(identity or {})
        self.snapshots: list[Snapshot] = []

    @property
    def best(self) -> Snapshot:
        """The snapshot that is least bad."""
        return min(self.snapshots, key=lambda each: each.value)

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Mapping[str, float]) -> None:
        del record
        if epoch not in self._ends:
            return
        self._take(trainer, epoch)
        is_worse = len(self.snapshots) > 1 and self.snapshots[-1].value > self.snapshots[-2].value
        if is_worse and epoch in self._ends[FIRST_STOP - 1 : -1]:
            trainer.stop(
                f"stopped early: the cycle that ended with epoch {epoch} was worse on the rows "
                f"left out than the one before"
            )

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        if not self.snapshots or (history.interrupted and trainer.epochs not in self._ends):
            self._take(trainer, trainer.epochs)
        history.best_epoch = self.best.epoch

    def _take(self, trainer: Trainer, epoch: int) -> None:
        outputs, value = self._judge()
        self.snapshots.append(Snapshot(epoch, value, outputs, trainer.model.state_dict()))

    def state_dict(self) -> dict[str, Any]:
        fields = [
            {field.name: getattr(each, field.name) for field in dataclasses.fields(Snapshot)}
            for each in self.snapshots
        ]
        return {"snapshots": fields, "identity": self._identity}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        check_settings(state_dict["identity"], self._identity)
        self.snapshots = [Snapshot(**each) for each in state_dict["snapshots"]]
