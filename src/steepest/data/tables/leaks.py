"""Columns that give the target away: a network that sees them learns nothing else.

Looked for: a number that is the target itself or rises (or falls) with it without exception; a
category that names the target's classes one to one; a column that is missing in exactly the rows of
one class. Such a column is used all the same, with a warning, since only the user knows whether it
will be there when predictions are made.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from steepest.data.batches import permutation
from steepest.data.tables.messages import note
from steepest.data.tables.schema import Column, Schema
from steepest.data.tables.target import Target
from steepest.data.tables.values import label_columns, number_columns

ENOUGH_ROWS = 10
SAMPLE_ROWS = 20_000
BLOCK_COLUMNS = 256
FIRST_ROWS = 500
LEAK_CORRELATION = 0.9999


def find_leaks(frame: pl.DataFrame, schema: Schema, target: Target) -> dict[str, str]:
    """The used columns that give the target away, with what is wrong; said as `DataWarning`s too.

    Args:
        frame: the whole table; every row has a target. At most 20,000 of its rows are looked at.
        schema: the kinds of its columns.
        target: the column to predict.
    """
    if frame.height < ENOUGH_ROWS:
        return {}
    if frame.height > SAMPLE_ROWS:
        frame = frame[np.sort(permutation(frame.height, seed=0)[:SAMPLE_ROWS])]
    numbers = [column for column in schema.used if column.kind == "number"]
    categories = [column for column in schema.used if column.kind in ("category", "boolean")]
    if target.is_classification:
        codes = target.encode(frame)
        leaks = class_leaks(frame, [*numbers, *categories], codes)
        leaks.update(missing_leaks(frame, schema.used, codes))
    else:
        leaks = monotone_leaks(frame, numbers, target.values(frame))
    for name, problem in leaks.items():
        note(
            f"Column {name!r} {problem}. If it is not known when predictions are made, leave it "
            f"out: columns={{{name!r}: 'ignore'}}."
        )
    return leaks


def monotone_leaks(
    frame: pl.DataFrame, columns: list[Column], target: np.ndarray
) -> dict[str, str]:
    """Numbers whose rank correlation with the target is 1 or -1 (to 0.0001)."""
    leaks = {}
    for start in range(0, len(columns), BLOCK_COLUMNS):
        block = columns[start : start + BLOCK_COLUMNS]
        values = number_columns(frame, block)
        for place, column in enumerate(block):
            present = np.isfinite(values[:, place])
            if np.count_nonzero(present) < ENOUGH_ROWS:
                continue
            numbers, targets = values[present, place], target[present]
            if np.array_equal(numbers, targets):
                leaks[column.name] = "is a copy of the target"
            elif abs(rank_correlation(numbers, targets)) >= LEAK_CORRELATION:
                leaks[column.name] = "rises or falls with the target almost without exception"
    return leaks


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's coefficient; 0 if either is constant."""
    ranks = [average_ranks(values) for values in (first, second)]
    centred = [each - each.mean() for each in ranks]
    size = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / size if size else 0.0


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the middle of their ranks."""
    _, places, numbers = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(numbers)
    return (ends - (numbers + 1) / 2)[places]


def class_leaks(frame: pl.DataFrame, columns: list[Column], codes: np.ndarray) -> dict[str, str]:
    """Columns whose values and the classes correspond one to one."""
    n_classes = len(np.unique(codes))
    distinct = frame.select(pl.col(column.name).n_unique() for column in columns).row(0)
    candidates = [
        column
        for column, number in zip(columns, distinct, strict=True)
        if n_classes <= number <= n_classes + 1
    ]
    enough = max(ENOUGH_ROWS, frame.height // 2)
    return {
        column.name: "names the target's classes one to one"
        for column, labels in zip(candidates, label_columns(frame, candidates), strict=True)
        if labels.count() >= enough and is_one_to_one(labels, codes, n_classes)
    }


def is_one_to_one(labels: pl.Series, codes: np.ndarray, n_classes: int) -> bool:
    """Whether each of `n_classes` labels goes with one class, and each class with one label."""
    for rows in (FIRST_ROWS, len(labels)):
        part = labels.head(rows)
        present = part.is_not_null().to_numpy()
        classes = codes[:rows][present].tolist()
        pairs = set(zip(part.drop_nulls().to_list(), classes, strict=True))
        if len({label for label, _ in pairs}) < len(pairs):
            return False
    return len(pairs) == n_classes == len({code for _, code in pairs})


def missing_leaks(
    frame: pl.DataFrame, columns: tuple[Column, ...], codes: np.ndarray
) -> dict[str, str]:
    """Columns that are missing in all rows of one class, and in no other row."""
    names = [column.name for column in columns]
    numbers = frame.select(pl.col(names).null_count()).row(0)
    class_rows = np.bincount(codes)
    leaks = {}
    for name, number in zip(names, numbers, strict=True):
        if number < 2 or number not in class_rows:
            continue
        missing = frame[name].is_null().to_numpy()
        label = codes[missing][0]
        if np.array_equal(missing, codes == label):
            leaks[name] = "is missing in exactly the rows of one class of the target"
    return leaks
