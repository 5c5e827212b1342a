"""Mini-batches are a pure function of (seed, epoch, batch), whatever NumPy's version."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data import BatchPlan, permutation
from steepest.errors import ArgumentError


@settings(deadline=None)
@given(
    n_rows=st.integers(0, 300),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**64 - 1),
)
def test_permutation_holds_every_row_once_and_repeats(n_rows: int, seed: int, epoch: int) -> None:
    order = permutation(n_rows, seed, epoch)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n_rows))
    assert np.array_equal(order, permutation(n_rows, seed, epoch))


def test_permutation_is_fixed_for_ever() -> None:
    assert permutation(10, seed=7, epoch=3).tolist() == [2, 5, 9, 7, 3, 0, 6, 8, 4, 1]


def test_permutation_is_made_of_philox_output_alone() -> None:
    bits = np.random.Philox(key=np.array([5, 2], dtype=np.uint64)).random_raw(8)
    expected = sorted(range(8), key=lambda row: (int(bits[row]) >> 3, row))
    assert permutation(8, seed=5, epoch=2).tolist() == expected


def test_permutations_are_uniform() -> None:
    counts = np.zeros((6, 6))
    for seed in range(3000):
        counts[np.arange(6), permutation(6, seed)] += 1
    chi_squared = ((counts - 500) ** 2 / 500).sum()
    assert chi_squared < 60, (
        "36 cells, 25 degrees of freedom: 60 is far beyond the 99.9th percentile"
    )


@settings(deadline=None)
@given(
    n_rows=st.integers(1, 100),
    batch_size=st.integers(1, 120),
    shuffle=st.booleans(),
    epoch=st.integers(0, 5),
    data=st.data(),
)
def test_a_resumed_epoch_gives_the_batches_that_were_left(
    n_rows: int, batch_size: int, shuffle: bool, epoch: int, data: st.DataObject
) -> None:
    plan = BatchPlan(n_rows, batch_size, seed=1, shuffle=shuffle)
    whole = list(plan.batches(epoch))
    assert len(whole) == plan.n_batches
    assert np.array_equal(np.sort(np.concatenate(whole)), np.arange(n_rows))
    assert {len(batch) for batch in whole} == set(plan.sizes)
    start = data.draw(st.integers(0, plan.n_batches))
    resumed = list(plan.batches(epoch, start))
    assert len(resumed) == plan.n_batches - start
    for left, right in zip(whole[start:], resumed, strict=True):
        assert np.array_equal(left, right)


def test_epochs_and_seeds_differ() -> None:
    plan = BatchPlan(1000, 100, seed=1)
    assert not np.array_equal(plan.order(0), plan.order(1))
    assert not np.array_equal(plan.order(0), BatchPlan(1000, 100, seed=2).order(0))


def test_drop_last_leaves_out_the_short_batch_only() -> None:
    plan = BatchPlan(10, 4, drop_last=True)
    assert [len(batch) for batch in plan.batches(0)] == [4, 4]
    assert plan.sizes == (4,)
    assert BatchPlan(10, 5, drop_last=True).n_batches == 2
    assert BatchPlan(3, 8, drop_last=True).n_batches == 1


def test_without_shuffling_rows_come_in_order() -> None:
    plan = BatchPlan(5, 2, shuffle=False)
    assert [batch.tolist() for batch in plan.batches(9)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_rows": 0, "batch_size": 1}, "BatchPlan: n_rows must be at least 1, not 0."),
        ({"n_rows": 1, "batch_size": 0}, "BatchPlan: batch_size must be at least 1, not 0."),
        (
            {"n_rows": 1, "batch_size": 1, "seed": -1},
            "BatchPlan: seed must be from 0 to 2^64 - 1, not -1.",
        ),
    ],
)
def test_wrong_plans_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        BatchPlan(**arguments)
    assert str(caught.value) == message


def test_a_batch_beyond_the_epoch_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        list(BatchPlan(10, 4).batches(0, start=4))
    message = "BatchPlan: batch 4 of an epoch of 3 batches; start is from 0 to 3."
    assert str(caught.value) == message
