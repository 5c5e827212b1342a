"""The parts of the recipe: folds, the schedule, the cycles and their networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steepest.errors import CheckpointError
from steepest.models.tabular.recipe import (
    CYCLES,
    CycleSnapshots,
    Recipe,
    cycle_ends,
    folds,
    rate_factor,
    rows_of_members,
)
from steepest.train import History


@pytest.mark.parametrize(("rows", "members"), [(2, 2), (3, 3), (10, 4), (101, 4), (400, 8)])
def test_folds_are_even(rows: int, members: int) -> None:
    fold = folds(rows, members, None, seed=0)
    sizes = np.bincount(fold, minlength=members)
    assert sizes.sum() == rows
    assert sizes.max() - sizes.min() <= 1
    assert fold.tolist() == folds(rows, members, None, seed=0).tolist()
    if rows > 4:
        assert fold.tolist() != folds(rows, members, None, seed=1).tolist()
        assert fold.tolist() != sorted(fold.tolist())


def test_folds_spread_every_class() -> None:
    codes = np.array([0] * 61 + [1] * 22 + [2] * 4 + [3])
    fold = folds(len(codes), 4, codes, seed=2)
    for code in range(4):
        sizes = np.bincount(fold[codes == code], minlength=4)
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("rows", "members"), [(2, 2), (12, 4), (103, 4)])
def test_each_row_checks_one_member_and_trains_the_others(rows: int, members: int) -> None:
    fold = folds(rows, members, None, seed=0)
    train = rows_of_members(fold, members, inside=False, seed=0)
    check = rows_of_members(fold, members, inside=True, seed=0)
    assert train.shape[1] == check.shape[1] == members
    for member in range(members):
        assert len(set(train[:, member])) == len(train)
        assert not set(train[:, member]) & set(check[:, member])
    left_out = rows % members
    checked = check.reshape(-1).tolist()
    assert len(set(checked)) == len(checked) == rows - left_out
    if not left_out:
        assert sorted(checked) == list(range(rows))
        assert len(train) == rows - rows // members


def test_rate_at_the_ends_and_tops_of_the_cycles() -> None:
    for end in (0, 1 / 15, 3 / 15, 7 / 15, 1):
        assert rate_factor(end) == pytest.approx(0.0, abs=1e-12)
    for power in range(4):
        top = (2 ** (power + 0.5) - 1) / 15
        assert rate_factor(top) == pytest.approx(1.0)
    assert rate_factor(1.5) == rate_factor(1.0)
    factors = [rate_factor(share) for share in np.linspace(0, 1, 1001)]
    assert min(factors) >= 0
    assert max(factors) <= 1


@pytest.mark.parametrize(
    ("epochs", "ends"),
    [
        (120, [8, 24, 56, 120]),
        (15, [1, 3, 7, 15]),
        (45, [3, 9, 21, 45]),
        (4, [1, 2, 4]),
        (1, [1]),
    ],
)
def test_cycle_ends(epochs: int, ends: list[int]) -> None:
    assert cycle_ends(epochs) == ends


@pytest.mark.parametrize("multiple", [1, 3, 8])
def test_the_rate_is_zero_where_a_cycle_ends(multiple: int) -> None:
    epochs = CYCLES * multiple
    for end in cycle_ends(epochs):
        assert rate_factor(end / epochs) == pytest.approx(0.0, abs=1e-12)


def test_large_tables_get_fewer_epochs() -> None:
    recipe = Recipe(epochs=120, batch_size=256)
    assert recipe.epochs_for(500) == 120
    affordable = recipe.epochs_for(1_000_000)
    assert affordable == CYCLES
    for rows in (30_000, 60_000, 100_000):
        epochs = recipe.epochs_for(rows)
        assert epochs % CYCLES == 0
        assert CYCLES <= epochs <= 120


@pytest.mark.parametrize(
    ("rows", "members"),
    [(2, 2), (16, 16), (1_000, 16), (1_001, 8), (10_000, 8), (10_001, 4), (1_000_000, 4)],
)
def test_large_tables_get_fewer_members(rows: int, members: int) -> None:
    assert Recipe().members_for(rows) == members
    assert Recipe(members=6).members_for(rows) == min(6, rows)


@pytest.mark.parametrize(("rows", "smoothing"), [(2, 0.03), (1_000, 0.03), (1_001, 0.1)])
def test_small_tables_get_less_label_smoothing(rows: int, smoothing: float) -> None:
    assert Recipe().smoothing_for(rows) == smoothing
    assert Recipe(label_smoothing=0.0).smoothing_for(rows) == 0.0
    assert Recipe(label_smoothing=0.2).smoothing_for(rows) == 0.2


@pytest.mark.parametrize(
    ("rows", "batch"),
    [(1, 1), (20, 20), (32, 32), (191, 32), (192, 48), (500, 112), (1024, 256), (90_000, 256)],
)
def test_small_tables_get_small_batches(rows: int, batch: int) -> None:
    assert Recipe().batch_for(rows) == batch
    assert Recipe(batch_size=16).batch_for(rows) == min(16, rows)


class FakeTrainer:
    """Its weights say how far it is, so that a test sees which were kept."""

    def __init__(self) -> None:
        self.model = self
        self.epochs = 0
        self.reason = ""

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.epochs}

    def stop(self, reason: str) -> None:
        self.reason = reason


def cycles_with(values: list[float], identity: dict[str, Any] | None = None) -> CycleSnapshots:
    """Cycles of 15 epochs, of which each ends as bad as the next of `values`."""
    remaining = iter(values)

    def judge() -> tuple[np.ndarray, float]:
        value = next(remaining)
        return np.full((3, 1), value), value

    return CycleSnapshots(15, judge, identity)


def run_epochs(cycles: CycleSnapshots, trainer: FakeTrainer, last: int) -> None:
    """Run epochs until the last one or a stop."""
    while trainer.epochs < last and not trainer.reason:
        trainer.epochs += 1
        cycles.on_epoch_end(trainer, trainer.epochs, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "best", "last"),
    [
        ([4.0, 3.0, 2.0, 1.0], 15, 15),
        ([4.0, 3.0, 2.0, 2.5], 7, 15),
        ([4.0, 3.0, 3.5], 3, 7),
        ([2.0, 3.0, 2.5, 1.0], 15, 15),
        ([2.0, 3.0, 3.5], 1, 7),
        ([2.0, 2.0, 2.0, 2.0], 1, 15),
    ],
)
def test_every_cycle_is_kept_and_a_worse_one_ends_training(
    values: list[float], best: int, last: int
) -> None:
    cycles, trainer, history = cycles_with(values), FakeTrainer(), History()
    run_epochs(cycles, trainer, 15)
    cycles.on_fit_end(trainer, history)  # type: ignore[arg-type]
    assert trainer.epochs == last
    assert [each.epoch for each in cycles.snapshots] == [1, 3, 7, 15][: len(values)]
    assert [each.value for each in cycles.snapshots] == values
    assert [each.weights["weights"] for each in cycles.snapshots] == [1, 3, 7, 15][: len(values)]
    assert history.best_epoch == cycles.best.epoch == best
    stopped = (
        "stopped early: the cycle that ended with epoch 7 was worse on the rows left out than the "
        "one before"
    )
    assert trainer.reason == (stopped if last == 7 else "")


@pytest.mark.parametrize(("moment", "kept"), [(0, [0]), (2, [1, 2]), (3, [1, 3]), (5, [1, 3, 5])])
def test_interrupted_training_keeps_the_network_of_that_moment(
    moment: int, kept: list[int]
) -> None:
    cycles, trainer, history = cycles_with([3.0, 2.0, 1.0]), FakeTrainer(), History()
    run_epochs(cycles, trainer, moment)
    history.interrupted = True
    cycles.on_fit_end(trainer, history)  # type: ignore[arg-type]
    assert [each.epoch for each in cycles.snapshots] == kept
    assert history.best_epoch == kept[-1]


def test_cycles_go_on_where_they_were() -> None:
    whole, trainer = cycles_with([4.0, 3.0, 3.5]), FakeTrainer()
    run_epochs(whole, trainer, 15)
    first, trainer = cycles_with([4.0, 3.0]), FakeTrainer()
    run_epochs(first, trainer, 4)
    second = cycles_with([3.5])
    second.load_state_dict(first.state_dict())
    run_epochs(second, trainer, 15)
    assert trainer.reason
    assert repr(second.state_dict()) == repr(whole.state_dict())


def test_cycles_refuse_another_training() -> None:
    saved = cycles_with([], {"width": 8}).state_dict()
    with pytest.raises(CheckpointError, match="width was 8, but is 16 now"):
        cycles_with([], {"width": 16}).load_state_dict(saved)
