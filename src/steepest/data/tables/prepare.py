"""From any table to arrays ready for training, in one call; each step can be called on its own.

    prepared = prepare_table("houses.csv", target="Price", seed=1)
    x, y = prepared.train.arrays, prepared.train.targets

The order of the steps keeps the parts apart: what a column is, is judged on the whole table;
medians, scales, categories, the target's mean and transform are learned from the training rows
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables.infer import infer_schema
from steepest.data.tables.leaks import find_leaks
from steepest.data.tables.messages import collected_notes, count, note
from steepest.data.tables.preprocess import TableArrays, TablePreprocessor
from steepest.data.tables.read import read_table
from steepest.data.tables.schema import Schema
from steepest.data.tables.split import Split, split_rows
from steepest.data.tables.target import Target
from steepest.data.tables.task import infer_target

FEW_ROWS = 50


@dataclass(frozen=True, eq=False)
class TablePart:
    """The training, validation or test rows.

    Attributes:
        rows: (n,) int64 row numbers in `PreparedTable.frame`.
        arrays: the inputs of the network.
        targets: (n,) float32 standardised, or int64 class codes.
    """

    rows: np.ndarray
    arrays: TableArrays
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """A table split and preprocessed.

    Attributes:
        frame: the rows that have a target.
        source_rows: (n_rows,) int64: which row of the source, from 1, each row of `frame` was.
        schema: the kinds of the columns.
        target: the column to predict, fitted.
        preprocessor: fitted on the training rows.
        train, validation, test: the parts; a part of fraction 0 is None (never `train`).
        leaks: columns that give the target away, and how.
        notes: everything that was said as a `DataWarning` on the way.
    """

    frame: pl.DataFrame
    source_rows: np.ndarray
    schema: Schema
    target: Target
    preprocessor: TablePreprocessor
    train: TablePart
    validation: TablePart | None
    test: TablePart | None
    leaks: Mapping[str, str]
    notes: tuple[str, ...]


def prepare_table(
    source: Any,
    target: str,
    *,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    time_column: str | None = None,
    group_column: str | None = None,
    numeric_transform: str = "robust",
    target_transform: str = "auto",
) -> PreparedTable:
    """Read, judge, split and preprocess a table.

    Args:
        source: anything that `read_table` takes.
        target: the column to predict.
        task: see `infer_target`; None infers it.
        columns: kinds chosen by the user; see `infer_schema`.
        validation, test, seed, time_column, group_column: see `split_rows`. The group column is
            not shown to the network.
        numeric_transform: see `scaling`.
        target_transform: see `Target.fit`.

    Returns:
        The prepared table. What was decided on the way is in its `notes`, and not also said as
        warnings.
    """
    with collected_notes() as notes:
        source_frame = read_table(source)
        guess = infer_target(source_frame, target, task)
        present = guess.has_value(source_frame)
        frame = guess.drop_missing(source_frame)
        schema = infer_schema(frame, target=target, columns=columns)
        schema = without_group(schema, group_column)
        leaks = find_leaks(frame, schema, guess)
        split = split_rows(
            frame,
            target=guess,
            schema=schema,
            validation=validation,
            test=test,
            seed=seed,
            time_column=time_column,
            group_column=group_column,
        )
        note_few_rows(len(split.train))
        training = frame[split.train]
        fitted = guess.fit(training, target_transform)
        preprocessor = TablePreprocessor.fit(training, schema, numeric_transform=numeric_transform)
        parts = make_parts(frame, split, fitted, preprocessor)
    return PreparedTable(
        frame=frame,
        source_rows=np.flatnonzero(present) + 1,
        schema=schema,
        target=fitted,
        preprocessor=preprocessor,
        train=parts[0],
        validation=parts[1] if len(parts[1]) else None,
        test=parts[2] if len(parts[2]) else None,
        leaks=leaks,
        notes=tuple(notes),
    )


def without_group(schema: Schema, group_column: str | None) -> Schema:
    """Hide the group from the network: the groups to predict for are not those of training."""
    if group_column is None or group_column not in schema or not schema[group_column].is_used:
        return schema
    note(f"Left out column {group_column!r}, by which the rows are grouped.")
    hidden = replace(schema[group_column], kind="ignored", reason="the column of groups")
    return Schema(
        tuple(hidden if column.name == group_column else column for column in schema.columns)
    )


def note_few_rows(n_training: int) -> None:
    if n_training < FEW_ROWS:
        note(
            f"{count(n_training, 'training row')}: too few for a network to learn much; expect "
            "poor predictions."
        )


def make_parts(
    frame: pl.DataFrame, split: Split, target: Target, preprocessor: TablePreprocessor
) -> list[TablePart]:
    """Training, validation and test parts. One pass over the table transforms all rows."""
    arrays = preprocessor.transform(frame)
    targets = target.encode(frame)
    return [
        TablePart(rows, arrays.take(rows), targets[rows])
        for rows in (split.train, split.validation, split.test)
    ]
