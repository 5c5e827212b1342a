"""Splits without leaks, and columns that give the target away."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.tables import (
    Split,
    collected_notes,
    find_leaks,
    infer_schema,
    infer_target,
    prepare_table,
    split_rows,
)
from steepest.data.tables.leaks import rank_correlation
from steepest.data.tables.split import class_quotas, join_units, numbered_by_first_row


def quietly(table: pl.DataFrame, **options: Any) -> Split:
    with collected_notes():
        return split_rows(table, **options)


def numbers(n_rows: int) -> pl.DataFrame:
    return pl.DataFrame({"x": np.random.default_rng(0).normal(size=n_rows)})


def part_of_rows(split: Split, n_rows: int) -> np.ndarray:
    parts = np.full(n_rows, -1)
    for part, rows in enumerate((split.train, split.validation, split.test)):
        assert np.all(np.diff(rows) > 0)
        assert np.all(parts[rows] == -1)
        parts[rows] = part
    assert np.all(parts >= 0)
    return parts


@given(
    n_rows=st.integers(10, 200),
    validation=st.sampled_from([0.0, 0.1, 0.15, 0.3]),
    test=st.sampled_from([0.0, 0.1, 0.2, 0.5]),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_row_is_in_one_part_of_the_right_size(
    n_rows: int, validation: float, test: float, seed: int
) -> None:
    table = numbers(n_rows)
    split = split_rows(table, validation=validation, test=test, seed=seed)
    part_of_rows(split, n_rows)
    expected = [max(1, round(n_rows * share)) if share else 0 for share in (validation, test)]
    assert list(split.sizes[1:]) == expected
    again = split_rows(table, validation=validation, test=test, seed=seed)
    assert np.array_equal(split.test, again.test)


def test_seeds_give_different_splits() -> None:
    first, second = (split_rows(numbers(1000), seed=seed) for seed in (0, 1))
    overlap = len(np.intersect1d(first.test, second.test))
    assert 5 < overlap < 50


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_classes_keep_their_shares(counts: list[int], seed: int) -> None:
    labels = np.repeat([f"c{place}" for place in range(len(counts))], counts)
    n_rows = len(labels)
    if n_rows < 10:
        return
    table = numbers(n_rows).with_columns(y=pl.Series(labels))
    with collected_notes():
        target = infer_target(table, "y", "classification")
        split = split_rows(table, target=target, seed=seed, validation=0.2, test=0.2)
    parts = part_of_rows(split, n_rows)
    codes = target.encode(table)
    for code, number in enumerate(counts):
        inside = np.bincount(parts[codes == code], minlength=3)
        assert inside[0] >= 1
        assert abs(inside[1] - 0.2 * number) <= 1 + 1e-9 or number < 5
        assert abs(inside[2] - 0.2 * number) <= 1 + 1e-9 or number < 5


def test_quotas_add_up() -> None:
    quotas = class_quotas(np.array([50, 30, 20, 3, 1]), (0.15, 0.15))
    assert quotas.sum(axis=1).tolist() == [16, 16]
    assert quotas[:, 4].tolist() == [0, 0]


@given(
    copies=st.lists(st.integers(1, 4), min_size=8, max_size=40),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_duplicates_never_straddle_the_split(copies: list[int], seed: int) -> None:
    values = np.repeat(np.random.default_rng(seed).normal(size=len(copies)), copies)
    table = pl.DataFrame({"x": values, "z": -values})
    split = quietly(table, seed=seed)
    parts = part_of_rows(split, len(values))
    for value in np.unique(values):
        assert len(set(parts[values == value])) == 1


def test_the_split_does_not_depend_on_hashes() -> None:
    keys = np.array([9, 4, 9, 7, 4], dtype=np.uint64)
    assert numbered_by_first_row(keys).tolist() == [0, 1, 0, 2, 1]
    table = pl.DataFrame({"x": [0.5, 1.5, 0.5, *range(7)]})
    assert quietly(table, seed=3).test.tolist() == [0, 2]


def test_duplicates_are_judged_by_the_columns_that_are_used() -> None:
    table = pl.DataFrame(
        {
            "id": [f"row {row}" for row in range(60)],
            "x": np.repeat(np.random.default_rng(0).normal(size=30), 2),
            "y": np.repeat(np.random.default_rng(1).normal(size=30), 2),
        }
    )
    prepared = prepare_table(table, "y")
    note = "30 rows repeat an earlier row; duplicates stay in the same part of the split."
    assert note in prepared.notes
    x = table["x"].to_numpy()
    assert prepared.test is not None
    assert not set(x[prepared.train.rows]) & set(x[prepared.test.rows])


def test_inevitable_duplicates_are_split_one_by_one() -> None:
    table = pl.DataFrame({"a": [True, False] * 100, "b": [True, True, False, False] * 50})
    target = table.with_columns(y=pl.Series((table["a"] ^ table["b"]).to_list()))
    prepared = prepare_table(target, "y")
    assert not any("repeat" in note for note in prepared.notes)
    assert {tuple(row) for row in prepared.train.arrays.categories} == {
        *((1, 1), (1, 2), (2, 1), (2, 2)),
    }


@given(groups=st.lists(st.integers(0, 12), min_size=20, max_size=80), seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_groups_never_straddle_the_split(groups: list[int], seed: int) -> None:
    if len(set(groups)) < 3:
        return
    table = numbers(len(groups)).with_columns(g=pl.Series(groups))
    split = quietly(table, group_column="g", seed=seed)
    parts = part_of_rows(split, len(groups))
    assert min(split.sizes) >= 1
    for group in set(groups):
        assert len(set(parts[np.array(groups) == group])) == 1


def test_the_group_column_is_not_shown_to_the_network() -> None:
    table = numbers(60).with_columns(
        g=pl.Series([f"g{row % 12}" for row in range(60)]), y=pl.col("x")
    )
    table = table.with_columns(x=pl.Series(np.random.default_rng(3).normal(size=60)))
    prepared = prepare_table(table, "y", group_column="g")
    assert prepared.preprocessor.input_names == ("x",)
    assert "Left out column 'g', by which the rows are grouped." in prepared.notes


def test_groups_and_duplicates_join() -> None:
    joined = join_units(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 7]))
    assert joined.tolist() == [0, 0, 0, 1, 1]


@given(times=st.lists(st.integers(0, 30), min_size=10, max_size=60))
@settings(max_examples=60, deadline=None)
def test_time_splits_train_on_the_past(times: list[int]) -> None:
    if len(set(times)) < 3:
        return
    moments = np.array(times)
    split = split_rows(pl.DataFrame({"t": times}), time_column="t")
    part_of_rows(split, len(times))
    assert min(split.sizes) >= 1
    assert moments[split.train].max() < moments[split.validation].min()
    assert moments[split.validation].max() < moments[split.test].min()


def test_time_splits_read_dates() -> None:
    days = [f"{row % 28 + 1}.{row % 12 + 1}.2020" for row in range(100)] + ["31.12.2020"]
    table = pl.DataFrame({"day": days})
    split = split_rows(table, time_column="day", validation=0)
    dates = table["day"].str.to_date("%d.%m.%Y")
    assert dates[split.train.tolist()].max() < dates[split.test.tolist()].min()
    assert len(split.test) == pytest.approx(15, abs=3)
    with collected_notes() as notes:
        split = split_rows(pl.DataFrame({"t": [None, 1, 2, 3]}), time_column="t")
    assert split.train.tolist() == [0, 1]
    assert notes == ["1 row without a time in 't' are in the training part."]


# --- leaks ---------------------------------------------------------------------------------------


def leaks_of(table: pl.DataFrame) -> dict[str, str]:
    with collected_notes():
        target = infer_target(table, "y")
        return find_leaks(table, infer_schema(table, target="y"), target)


def test_columns_that_give_a_number_away() -> None:
    y = np.random.default_rng(0).normal(size=200)
    table = pl.DataFrame(
        {
            "copy": y,
            "log": np.exp(y),
            "rounded": np.round(-y, 3),
            "strong": y + 0.1 * np.random.default_rng(1).normal(size=200),
            "y": y,
        }
    )
    assert leaks_of(table) == {
        "copy": "is a copy of the target",
        "log": "rises or falls with the target almost without exception",
        "rounded": "rises or falls with the target almost without exception",
    }


def test_columns_that_give_a_class_away() -> None:
    y = np.random.default_rng(0).integers(0, 2, size=100)
    table = pl.DataFrame(
        {
            "word": np.where(y == 1, "yes", "no"),
            "number": y * 5.0,
            "reason": pl.Series([None if each else "given" for each in y]),
            "fair": np.random.default_rng(1).integers(0, 2, size=100),
            "y": y,
        }
    )
    assert leaks_of(table) == {
        "word": "names the target's classes one to one",
        "number": "names the target's classes one to one",
        "reason": "is missing in exactly the rows of one class of the target",
    }


def test_rank_correlation_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, size=100), rng.normal(size=100)
    expected = stats.spearmanr(first, second).statistic
    assert rank_correlation(first, second) == pytest.approx(expected, rel=1e-12)
    assert rank_correlation(np.ones(5), second[:5]) == 0.0
