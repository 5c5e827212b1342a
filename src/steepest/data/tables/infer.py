"""The rules by which `infer_schema` judges columns; `schema.py` tells them in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from steepest.data.tables.dates import find_date_format, is_ambiguous
from steepest.data.tables.messages import count, list_names, note
from steepest.data.tables.schema import (
    Column,
    Kind,
    Schema,
    check_choices,
    check_target_name,
)
from steepest.data.tables.text import DOUBTFUL_VALUES, choose_number_format
from steepest.data.tables.values import cleaned, is_text, to_labels
from steepest.errors import DataError

ENOUGH_ROWS = 10
"""Below this many values, uniqueness says nothing about a column of text."""

IDENTIFIER_SHARE = 0.9
TEXT_SHARE = 0.2
TEXT_WORDS = 3.0
TEXT_LENGTH = 60.0
MIXED_SHARE = 0.8
FEW_VALUES = 20
CODE_REPEATS = 5

KEY_WORDS = frozenset(("id", "uuid", "guid", "index", "idx", "key", "rowid"))
ROW_WORDS = KEY_WORDS | {"row", "rownames", "no", "nr", "number", "unnamed", "obs", "observation"}
CODE_WORDS = frozenset(("id", "zip", "zipcode", "postcode", "postal", "code"))


def infer_schema(
    frame: pl.DataFrame,
    *,
    target: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Schema:
    """Judge what each column of a table is.

    Args:
        frame: the whole table: only the kinds of columns are learned here, no statistics.
        target: the column to predict; its kind is `target`.
        columns: kinds that the user chose, by column name: number, category, boolean, date
            or ignore.

    Returns:
        The schema. Columns left out, infinities and doubtful readings are said as `DataWarning`s.

    Raises:
        DataError: no such target; a chosen kind does not fit the column's values.
        ArgumentError: a chosen name or kind does not exist.
    """
    if target is not None:
        check_target_name(frame, target)
    choices = check_choices(frame, columns, target)
    numeric = numeric_summaries(frame)
    judged = []
    for series in frame.get_columns():
        name = series.name
        if name == target:
            column = Column(name, "target")
        elif name in choices:
            column = chosen_column(series, choices[name])
        elif name in numeric:
            column = judge_number(series, numeric[name])
        else:
            column = judge_column(series)
        judged.append(replace(column, dtype=str(series.dtype)))
    schema = Schema(tuple(judged))
    note_left_out(schema)
    note_infinities(schema, numeric)
    return schema


@dataclass(frozen=True)
class NumericSummary:
    """Of the finite values of a numeric column: how many, least and greatest; and infinities."""

    finite: int
    least: float | None
    greatest: float | None
    infinite: int


def numeric_summaries(frame: pl.DataFrame) -> dict[str, NumericSummary]:
    """Summaries of all numeric columns at once: one query however many columns there are."""
    names = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
    if not names:
        return {}
    values = frame.select(pl.col(names).cast(pl.Float64))
    every = pl.all()
    infinite = values.select(every.is_infinite().sum()).row(0)
    values = values.select(pl.when(every.is_finite()).then(every).name.keep())
    finite = values.select(every.count()).row(0)
    least = values.select(every.min()).row(0)
    greatest = values.select(every.max()).row(0)
    return {
        name: NumericSummary(*summary)
        for name, *summary in zip(names, finite, least, greatest, infinite, strict=True)
    }


def name_words(name: str) -> set[str]:
    """`storeID`, `Store_Id` -> {"store", "id"}."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    return {part.lower() for part in parts} | {name.lower()}


def judge_number(series: pl.Series, summary: NumericSummary) -> Column:
    name = series.name
    if summary.finite == 0 and summary.infinite == 0:
        return Column(name, "missing", reason="no value in any row")
    if summary.least == summary.greatest and summary.finite == len(series):
        return Column(name, "constant", reason=f"{series[0]!r} in every row")
    words = name_words(name)
    if series.dtype.is_integer() and words & (ROW_WORDS | CODE_WORDS):
        return judge_integer_code(series, words)
    if series.dtype.is_integer() and re.fullmatch(r"column_\d+|", name) and is_row_number(series):
        return Column(name, "identifier", reason="row numbers")
    return Column(name, "number")


def judge_integer_code(series: pl.Series, words: set[str]) -> Column:
    """Integers whose name says that they number something rather than measure it."""
    name = series.name
    if words & ROW_WORDS and is_row_number(series):
        return Column(name, "identifier", reason="row numbers")
    present = series.drop_nulls()
    distinct = present.n_unique()
    if words & KEY_WORDS and distinct == len(present) >= 3:
        return Column(name, "identifier", reason="a different key in every row")
    if words & CODE_WORDS and distinct * CODE_REPEATS <= len(present):
        return Column(name, "category", reason="integers named as a code")
    return Column(name, "number")


def is_row_number(series: pl.Series) -> bool:
    """Whether the values are consecutive integers from 0 or 1, in order."""
    if len(series) < 3 or series.null_count() or series[0] not in (0, 1):
        return False
    return bool((series.cast(pl.Int64).diff().drop_nulls() == 1).all())


def judge_column(series: pl.Series) -> Column:
    """A column that is not numeric."""
    name, dtype = series.name, series.dtype
    if series.null_count() == len(series):
        return Column(name, "missing", reason="no value in any row")
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return Column(name, "unsupported", reason=f"values of type {dtype}")
    if is_text(dtype):
        return judge_text(series)
    if series.n_unique() == 1:
        return Column(name, "constant", reason=f"{series[0]} in every row")
    if dtype == pl.Boolean:
        return Column(name, "boolean")
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return Column(name, "date")
    return Column(name, "number")


def judge_text(series: pl.Series) -> Column:
    name = series.name
    texts = cleaned(series)
    distinct = texts.drop_nulls().unique(maintain_order=True)
    if distinct.is_empty():
        return Column(name, "missing", reason="no value in any row")
    if len(distinct) == 1 and not texts.null_count():
        return Column(name, "constant", reason=f"{distinct[0]!r} in every row")
    if distinct.str.to_lowercase().is_in(["true", "false"]).all():
        return Column(name, "boolean")
    if distinct.str.contains(r"\d").any():
        certain = distinct.filter(~distinct.is_in(list(DOUBTFUL_VALUES)))
        column = judge_text_number(name, texts, certain) or judge_text_date(name, certain)
        if column is not None:
            return column
    return judge_words(name, texts, distinct)


def judge_text_number(name: str, texts: pl.Series, certain: pl.Series) -> Column | None:
    """Text that reads as numbers, wholly or nearly; None if it does not.

    A leading zero means a code. Where some values are not numbers, the column is a number if at
    least four fifths of its rows are and the numbers take more than `FEW_VALUES` values.
    """
    if certain.str.contains(r"^[+-]?(0\d+|\d{19,})$").any():
        return None
    number_format, numbers = choose_number_format(certain)
    if numbers.null_count() == 0:
        return Column(name, "number", number_format=number_format, reason="numbers kept as text")
    if numbers.count() <= FEW_VALUES:
        return None
    words = certain.filter(numbers.is_null())
    others = int(texts.is_in(words.to_list()).sum())
    present = texts.count()
    if present - others < MIXED_SHARE * present or len(words) > FEW_VALUES:
        return None
    row = int(texts.is_in(words.to_list()).arg_max() or 0) + 1
    note(
        f"Column {name!r} mixes numbers and text: {count(others, 'value')} such as "
        f"{list_names(words.to_list(), 3)} (first in row {row}) {'is' if others == 1 else 'are'} "
        f"read as missing. To keep them, pass columns={{{name!r}: 'category'}}."
    )
    return Column(
        name,
        "number",
        number_format=number_format,
        missing_values=tuple(words.to_list()),
        reason="mostly numbers; other texts are missing values",
    )


def judge_text_date(name: str, certain: pl.Series) -> Column | None:
    date_format = find_date_format(certain)
    if date_format is None:
        return None
    if is_ambiguous(certain, date_format):
        note(
            f"Column {name!r}: dates such as {certain[0]!r} are read with the month first "
            f"({date_format}); no value settles it. Write dates as YYYY-MM-DD if that is wrong."
        )
    return Column(name, "date", date_format=date_format, reason="dates kept as text")


def judge_words(name: str, texts: pl.Series, distinct: pl.Series) -> Column:
    """Text that is neither number nor date: text, identifier or category."""
    present = texts.count()
    share = len(distinct) / present
    if len(distinct) > ENOUGH_ROWS and share > TEXT_SHARE:
        sample = distinct.head(1000)
        words = (sample.str.count_matches(r"\s+") + 1).to_numpy().mean()
        length = sample.str.len_chars().to_numpy().mean()
        if words >= TEXT_WORDS or length >= TEXT_LENGTH:
            return Column(name, "text", reason=f"{words:.1f} words on average")
    if present >= ENOUGH_ROWS and share > IDENTIFIER_SHARE:
        return Column(
            name, "identifier", reason=f"{len(distinct):,} different texts in {present:,} rows"
        )
    return Column(name, "category")


def chosen_column(series: pl.Series, kind: str) -> Column:
    """A column whose kind the user chose; its values must fit."""
    name, reason = series.name, "chosen by the user"
    if kind == "ignore":
        return Column(name, "ignored", reason=reason)
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        raise DataError(
            f"Column {name!r} holds values of type {series.dtype}; it can only be ignored."
        )
    if kind == "date" and is_text(series.dtype):
        return chosen_date(series, reason)
    if kind == "number" and is_text(series.dtype):
        texts = cleaned(series, DOUBTFUL_VALUES)
        number_format, _ = choose_number_format(texts.drop_nulls().unique(maintain_order=True))
        return Column(name, "number", number_format=number_format, reason=reason)
    if kind == "boolean":
        to_labels(series, boolean=True)
    used: dict[str, Kind] = {
        "number": "number",
        "category": "category",
        "boolean": "boolean",
        "date": "date",
    }
    return Column(name, used[kind], reason=reason)


def chosen_date(series: pl.Series, reason: str) -> Column:
    texts = cleaned(series, DOUBTFUL_VALUES).drop_nulls()
    date_format = find_date_format(texts)
    if date_format is None and not texts.is_empty():
        raise DataError(
            f"Column {series.name!r} was chosen to be a date, but values such as {texts[0]!r} are "
            "in no known date format. Write dates as YYYY-MM-DD."
        )
    return Column(series.name, "date", date_format=date_format, reason=reason)


LEFT_OUT_NOTES = {
    "text": "Free text is not read yet.",
    "identifier": "What differs from row to row says nothing about new rows.",
    "constant": "One value in every row says nothing.",
    "missing": "There is no value in any row.",
    "unsupported": "Lists, structures and binary data are not read.",
}


def note_left_out(schema: Schema) -> None:
    """One note for each reason, however many columns it concerns."""
    for kind, reason in LEFT_OUT_NOTES.items():
        names = [column.name for column in schema.columns if column.kind == kind]
        if not names:
            continue
        fix = ""
        if kind in ("text", "identifier"):
            fix = f" To use one all the same: columns={{{names[0]!r}: 'category'}}."
        note(f"Left out {count(len(names), 'column')}: {list_names(names)}. {reason}{fix}")


def note_infinities(schema: Schema, numeric: dict[str, NumericSummary]) -> None:
    names = [
        column.name
        for column in schema.used
        if column.name in numeric and numeric[column.name].infinite
    ]
    if names:
        total = sum(numeric[name].infinite for name in names)
        verb = "is" if total == 1 else "are"
        note(f"{count(total, 'infinite value')} in {list_names(names)} {verb} read as missing.")
