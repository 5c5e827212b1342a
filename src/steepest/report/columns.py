"""What a table's columns hold, for the report: kinds, missing values and small histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables import Column, Schema, collected_notes
from steepest.data.tables.values import to_labels, to_moments, to_numbers
from steepest.report.contents import ColumnFacts

BINS = 24
MAX_PICTURES = 240
TAIL = 0.5


def column_facts(frame: pl.DataFrame, schema: Schema) -> list[ColumnFacts]:
    """Describe every column of the table; the first `MAX_PICTURES` used ones get a picture.

    Args:
        frame: the whole table.
        schema: how its columns are read.
    """
    facts = []
    pictures = 0
    with collected_notes():
        for column in schema.columns:
            if column.is_used and pictures < MAX_PICTURES:
                pictures += 1
                facts.append(_drawn(frame[column.name], column))
            else:
                facts.append(_plain(frame[column.name], column))
    return facts


def _plain(series: pl.Series, column: Column) -> ColumnFacts:
    return ColumnFacts(column.name, column.kind, column.is_used, column.reason, series.null_count())


def _drawn(series: pl.Series, column: Column) -> ColumnFacts:
    if column.kind in ("number", "date"):
        values = numbers_of(series, column)
        finite = values[np.isfinite(values)]
        missing = len(values) - len(finite)
        return ColumnFacts(
            column.name, column.kind, True, column.reason, missing, None, _bins(finite)
        )
    labels = labels_of(series, column)
    counts = labels.drop_nulls().value_counts(sort=True)["count"].to_list()
    return ColumnFacts(
        column.name,
        column.kind,
        True,
        column.reason,
        labels.null_count(),
        len(counts),
        tuple(counts[:BINS]),
    )


def _bins(values: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """Row counts of equal-width bins; the outer half percents share the outermost bins."""
    if len(values) == 0:
        return ()
    low, high = np.percentile(values, [TAIL, 100 - TAIL])
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low or not np.isfinite(high - low):
        return (len(values),)
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
    return tuple(counts.tolist())


def numbers_of(series: pl.Series, column: Column) -> np.ndarray[Any, Any]:
    """A number or date column as float64, NaN where missing; dates in days since 1970."""
    if column.kind == "date":
        moments = to_moments(series, column.date_format, column.missing_values)
        days = moments.dt.timestamp("ms").cast(pl.Float64) / 86_400_000
        return days.to_numpy().astype(np.float64)
    read = to_numbers(series, column.number_format, column.missing_values)
    return read.cast(pl.Float64).to_numpy().astype(np.float64)


def labels_of(series: pl.Series, column: Column) -> pl.Series:
    """A category or boolean column as text, null where missing."""
    return to_labels(series, column.missing_values, column.kind == "boolean")


def raw_values(frame: pl.DataFrame, row: int, names: Sequence[str]) -> dict[str, object]:
    """One row's values as they stand in the table, by column, in the order of `names`."""
    return dict(zip(names, frame.select(names).row(row), strict=True))
