"""Which task a target makes: regression, or classification into two classes or more.

The task, if it is not given:

- booleans and text are classes: two make it `binary`, more `multiclass`;
- numbers, and text that reads as numbers (`$1,234`), are a `regression`, except, where they are
  written without decoration,
- integers (or whole floats) of exactly two values: `binary`; and
- integers that count 0, 1, 2, ... or 1, 2, 3, ... without a gap, take at most 20 values, and have
  at least 5 rows a value on average: `multiclass`.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from steepest.data.tables.messages import check_keyword, list_names, note
from steepest.data.tables.schema import check_target_name
from steepest.data.tables.target import TASKS, Label, Target, Task, has_value
from steepest.data.tables.text import DOUBTFUL_VALUES, NumberFormat, choose_number_format
from steepest.data.tables.values import cleaned, is_text, to_numbers
from steepest.errors import DataError

FEW_CLASSES = 20
ROWS_PER_CLASS = 5


def infer_target(frame: pl.DataFrame, name: str, task: str | None = None) -> Target:
    """Judge the column to predict; the module says by which rules.

    Args:
        frame: the whole table; classes are collected from all rows.
        name: the column.
        task: `regression`, `binary`, `multiclass`, `classification` (binary or multiclass by the
            number of classes), or None to infer it.

    Raises:
        DataError: no such column; no value; one value only; a task that the values do not allow.
    """
    check_target_name(frame, name)
    if task is not None:
        check_keyword(task, TASKS, "task")
    series = frame[name]
    if series.dtype.is_nested() or series.dtype.is_temporal() or series.dtype == pl.Binary:
        raise DataError(
            f"The target {name!r} holds values of type {series.dtype}; a target holds numbers, "
            "booleans or text."
        )
    number_format = numeric_format(series)
    if task == "regression" or (task is None and is_regression(series, number_format)):
        return regression_target(series, number_format or "plain")
    return class_target(series, task, number_format is not None)


def numeric_format(series: pl.Series) -> NumberFormat | None:
    """The format in which the target reads as numbers; None for booleans, words and codes."""
    if series.dtype == pl.Boolean:
        return None
    if not is_text(series.dtype):
        return "plain"
    texts = cleaned(series, DOUBTFUL_VALUES).drop_nulls().unique(maintain_order=True)
    if texts.is_empty() or texts.str.contains(r"^[+-]?0\d+$").any():
        return None
    number_format, numbers = choose_number_format(texts)
    return None if numbers.null_count() else number_format


def is_regression(series: pl.Series, number_format: NumberFormat | None) -> bool:
    """The module's rule for numbers; says so where whole numbers are taken for classes."""
    if number_format is None:
        return False
    numbers = finite_numbers(series, number_format)
    distinct = np.unique(numbers)
    if len(distinct) < 2 or number_format != "plain":
        return True
    if not np.all(distinct == np.floor(distinct)):
        return True
    if len(distinct) == 2:
        return False
    consecutive = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    are_few = len(distinct) <= min(FEW_CLASSES, len(numbers) // ROWS_PER_CLASS)
    if not (consecutive and are_few):
        return True
    note(
        f"The target {series.name!r} counts from {distinct[0]:g} to {distinct[-1]:g}, so its "
        f"{len(distinct)} values are read as classes. To predict a number, pass task='regression'."
    )
    return False


def finite_numbers(series: pl.Series, number_format: NumberFormat) -> np.ndarray:
    numbers = to_numbers(series, number_format, is_target=True).drop_nulls().to_numpy()
    return numbers[np.isfinite(numbers)]


def regression_target(series: pl.Series, number_format: NumberFormat) -> Target:
    name = series.name
    values = finite_numbers(series, number_format)
    if not values.size:
        raise DataError(f"The target {name!r} has no value in any row.")
    if values.size == 1:
        raise DataError(f"The target {name!r} has a value in 1 row only; training needs more rows.")
    if values.min() == values.max():
        raise DataError(
            f"The target {name!r} is {values[0]:g} in every row: there is nothing to learn."
        )
    return Target(name, "regression", number_format=number_format)


def class_target(series: pl.Series, task: str | None, is_numeric: bool) -> Target:
    name = series.name
    present = series.filter(
        pl.Series(has_value(series, "number label" if is_numeric else "word label"))
    )
    if present.is_empty():
        raise DataError(f"The target {name!r} has no value in any row.")
    classes = class_labels(present)
    if len(present) == 1:
        raise DataError(f"The target {name!r} has a value in 1 row only; training needs more rows.")
    if len(classes) == 1:
        raise DataError(
            f"The target {name!r} has one class, {classes[0]!r}, in all {len(present):,} rows; "
            "classification needs at least two."
        )
    if task is None and not is_numeric and len(classes) > 10 and 2 * len(classes) > len(present):
        raise DataError(
            f"The target {name!r} holds {len(classes):,} different texts in {len(present):,} rows, "
            f"such as {list_names(classes[:2])}: too few rows a class to learn from. Choose "
            "another target, or pass task='multiclass' to try."
        )
    if task == "binary" and len(classes) != 2:
        raise DataError(
            f"task='binary' needs two classes, but the target {name!r} has {len(classes):,}: "
            f"{list_names(classes)}. Use task='multiclass'."
        )
    chosen: Task = "multiclass" if task == "multiclass" or len(classes) > 2 else "binary"
    return Target(name, chosen, classes)


def class_labels(series: pl.Series) -> tuple[Label, ...]:
    """The distinct values, sorted, as plain Python values. Whole floats become integers."""
    if is_text(series.dtype):
        return tuple(sorted(cleaned(series).unique().to_list()))
    distinct = sorted(series.unique().to_list())
    if series.dtype == pl.Boolean:
        return tuple(distinct)
    values = [float(each) for each in distinct]
    if all(value.is_integer() for value in values):
        return tuple(int(each) for each in distinct)
    return tuple(values)
