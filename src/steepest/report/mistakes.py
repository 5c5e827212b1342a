"""The rows on which a network is most wrong, and what is unusual about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables import Column, Schema, collected_notes
from steepest.report.columns import labels_of, numbers_of, raw_values
from steepest.report.numbers import count, percent

Array = np.ndarray[Any, Any]
RARE_SHARE = 0.005
RARE_ROWS = 3
MAX_REMARKS = 2
MAX_FEATURES = 60


def worst_rows(true: Array, predicted: Array, certainty: Array | None, amount: int) -> Array:
    """Positions of the worst mistakes, worst first.

    Args:
        true, predicted: numbers or classes, shape `(rows,)`.
        certainty: probability of the predicted class, shape `(rows,)`; None for numbers, whose
            worst mistakes are the largest misses.
        amount: at most so many.
    """
    if certainty is None:
        misses = np.abs(predicted.astype(np.float64) - true.astype(np.float64))
        return np.argsort(-misses, kind="stable")[:amount]
    wrong = np.flatnonzero(predicted != true)
    return wrong[np.argsort(-certainty[wrong], kind="stable")][:amount]


def describe_rows(
    frame: pl.DataFrame,
    rows: Array,
    schema: Schema,
    train_rows: Array,
    names: Sequence[str],
) -> list[tuple[dict[str, object], tuple[str, ...]]]:
    """The values of some rows, and remarks on what is unusual about them.

    Args:
        frame: the whole table.
        rows: positions in it, shape `(amount,)`.
        schema: how its columns are read.
        train_rows: positions of the training rows, which say what is usual.
        names: used columns, the most telling ones first; at most `MAX_FEATURES` are described.
    """
    shown = list(names[:MAX_FEATURES])
    positions = rows.tolist()
    with collected_notes():
        remarks = _remarks(frame, positions, [schema[name] for name in shown], train_rows)
    return [
        (raw_values(frame, row, shown), tuple(remark))
        for row, remark in zip(positions, remarks, strict=True)
    ]


def _remarks(
    frame: pl.DataFrame, rows: Sequence[int], columns: Sequence[Column], train_rows: Array
) -> list[list[str]]:
    """For each of `rows`, at most `MAX_REMARKS` on values that are rare in training."""
    remarks: list[list[str]] = [[] for _ in rows]
    for column in columns:
        series = frame[column.name]
        if column.kind in ("number", "date"):
            found = _unusual_numbers(numbers_of(series, column), rows, column.name, train_rows)
        else:
            found = _unusual_labels(labels_of(series, column), rows, column.name, train_rows)
        for remark, text in zip(remarks, found, strict=True):
            if text and len(remark) < MAX_REMARKS:
                remark.append(text)
    return remarks


def _unusual_numbers(values: Array, rows: Sequence[int], name: str, train_rows: Array) -> list[str]:
    training = values[train_rows]
    training = np.sort(training[np.isfinite(training)])
    texts = []
    for row in rows:
        value = values[row]
        if not np.isfinite(value) or len(training) == 0:
            texts.append("")
            continue
        below = np.searchsorted(training, value, side="left") / len(training)
        above = 1 - np.searchsorted(training, value, side="right") / len(training)
        if below >= 1 - RARE_SHARE:
            texts.append(f"{name} is larger than in {percent(below)} of the training rows")
        elif above >= 1 - RARE_SHARE:
            texts.append(f"{name} is smaller than in {percent(above)} of the training rows")
        else:
            texts.append("")
    return texts


def _unusual_labels(
    labels: pl.Series, rows: Sequence[int], name: str, train_rows: Array
) -> list[str]:
    training = labels.gather(train_rows).drop_nulls().value_counts()
    counts = dict(zip(training[labels.name].to_list(), training["count"].to_list(), strict=True))
    texts = []
    for row in rows:
        label = labels[row]
        seen = counts.get(label, 0)
        if label is None or seen > RARE_ROWS:
            texts.append("")
        elif seen == 0:
            texts.append(f"no training row has {name} = {label}")
        else:
            texts.append(f"only {count(seen, 'training row')} with {name} = {label}")
    return texts
