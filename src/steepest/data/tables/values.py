"""One column of a table as numbers, labels or moments, or an error that names the cell.

Training and prediction both come through here, so a value is read the same way both times. Rows are
counted from 1 in messages, without the header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from steepest.data.tables.dates import as_moments, parse_dates
from steepest.data.tables.schema import Column
from steepest.data.tables.text import DOUBTFUL_VALUES, NumberFormat, clean_text, parse_numbers
from steepest.errors import DataError

BOOLEAN_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), "false"),
}
"""Lower-case words that a boolean column may hold."""

TEXT_DTYPES = (pl.String, pl.Categorical, pl.Enum)


def is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, TEXT_DTYPES)


def cleaned(series: pl.Series, missing_values: tuple[str, ...] = ()) -> pl.Series:
    """Text without surrounding blanks, null where it stands for a missing value."""
    texts = series.cast(pl.String).to_frame("text")
    texts = texts.select(clean_text(pl.col("text")).alias("text"))
    if missing_values:
        known = pl.col("text").is_in(list(missing_values))
        texts = texts.select(pl.when(~known).then(pl.col("text")).alias("text"))
    return texts.to_series().rename(series.name)


def bad_cell(series: pl.Series, bad: pl.Series, problem: str, fix: str) -> DataError:
    """The error for the first bad cell: its column, row and value, and how many more there are."""
    row = int(bad.arg_max() or 0)
    more = int(bad.sum()) - 1
    others = f" ({more:,} more like it in this column)" if more else ""
    return DataError(
        f"Column {series.name!r}, row {row + 1}: {series[row]!r} {problem}{others}. {fix}"
    )


def wrong_type(series: pl.Series, wanted: str) -> DataError:
    return DataError(
        f"Column {series.name!r} holds values of type {series.dtype}, but {wanted} are expected."
    )


def to_numbers(
    series: pl.Series,
    number_format: NumberFormat = "plain",
    missing_values: tuple[str, ...] = (),
    is_target: bool = False,
) -> pl.Series:
    """Float64; null where missing or NaN. Infinities are kept. Booleans become 0 and 1.

    Durations and times of day become seconds.

    Args:
        number_format: how text is read.
        missing_values: texts that are missing in this column.
        is_target: the column is the one to predict; the error then says what may help there.

    Raises:
        DataError: a value is not a number.
    """
    dtype = series.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Float64).fill_nan(None)
    if isinstance(dtype, pl.Duration):
        return series.dt.total_microseconds().cast(pl.Float64) / 1e6
    if dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / 1e9
    if not is_text(dtype):
        raise wrong_type(series, "numbers")
    texts = cleaned(series, (*missing_values, *DOUBTFUL_VALUES))
    numbers = parse_numbers(texts, number_format)
    if numbers.null_count() > texts.null_count():
        numbers = second_reading(texts, numbers, number_format)
    bad = numbers.is_null() & texts.is_not_null()
    if bad.any():
        other = f"train with columns={{{series.name!r}: 'category'}}"
        if is_target:
            other = "pass task='classification' if the target names classes"
        fix = f"Correct the value or leave the cell empty; or {other}."
        raise bad_cell(series, bad, "is not a number", fix)
    return numbers.fill_nan(None)


def second_reading(texts: pl.Series, numbers: pl.Series, number_format: NumberFormat) -> pl.Series:
    """Plain numbers are understood in every format, and decoration in columns of plain numbers."""
    other: NumberFormat = "point" if number_format == "plain" else "plain"
    return pl.select(pl.coalesce(numbers, parse_numbers(texts, other))).to_series()


def to_moments(
    series: pl.Series, date_format: str | None = None, missing_values: tuple[str, ...] = ()
) -> pl.Series:
    """Datetime in microseconds, UTC; null where missing.

    Args:
        date_format: how text is read; None takes dates only.

    Raises:
        DataError: a value is not a date in this format.
    """
    dtype = series.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return as_moments(series)
    if dtype == pl.Null:
        return series.cast(pl.Datetime("us"))
    if not is_text(dtype):
        raise wrong_type(series, "dates")
    texts = cleaned(series, (*missing_values, *DOUBTFUL_VALUES))
    moments = parse_dates(texts, date_format or "%Y-%m-%d")
    if date_format is None or date_format.startswith("%Y-"):
        moments = other_iso_readings(texts, moments)
    bad = moments.is_null() & texts.is_not_null()
    if bad.any():
        wanted = f"written as {date_format!r}" if date_format else "written as YYYY-MM-DD"
        raise bad_cell(series, bad, f"is not a date {wanted}", "Correct the value.")
    return moments


ISO_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"),
    *("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"),
)


def other_iso_readings(texts: pl.Series, moments: pl.Series) -> pl.Series:
    """ISO 8601 dates are unmistakable, with or without a time: read what the format left over."""
    for date_format in ISO_FORMATS:
        if moments.null_count() == texts.null_count():
            break
        moments = pl.select(pl.coalesce(moments, parse_dates(texts, date_format))).to_series()
    return moments


def to_labels(
    series: pl.Series, missing_values: tuple[str, ...] = (), boolean: bool = False
) -> pl.Series:
    """Categories as text, the same text for the same category whatever the column's type.

    An integer and a float of the same value have one label ("20"), since a missing value turns a
    column of integers into floats in pandas. Dates are labelled in ISO 8601.

    Args:
        missing_values: texts that are missing in this column.
        boolean: read the words of `BOOLEAN_WORDS` as "true" and "false".

    Raises:
        DataError: the column holds lists or structures, or a boolean column another word.
    """
    dtype = series.dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        raise wrong_type(series, "categories")
    if dtype.is_float() or dtype.is_decimal():
        labels = labels_of_floats(series.cast(pl.Float64))
    elif is_text(dtype):
        labels = cleaned(series, missing_values)
    else:
        labels = series.cast(pl.String)
    if not boolean:
        return labels
    words = labels.str.to_lowercase().replace_strict(
        list(BOOLEAN_WORDS), list(BOOLEAN_WORDS.values()), default=None, return_dtype=pl.String
    )
    bad = words.is_null() & labels.is_not_null()
    if bad.any():
        raise bad_cell(series, bad, "is not true or false", "Correct the value.")
    return words


def labels_of_floats(series: pl.Series) -> pl.Series:
    """Whole floats without a decimal point, others in Python's shortest exact form."""
    series = series.fill_nan(None)
    distinct = series.drop_nulls().unique().to_list()
    labels = [str(int(each)) if each.is_integer() else repr(each) for each in distinct]
    return series.replace_strict(distinct, labels, default=None, return_dtype=pl.String)


def number_columns(frame: pl.DataFrame, columns: Sequence[Column]) -> np.ndarray:
    """(n_rows, n_columns) float64 of number columns; NaN is missing. Infinities are kept.

    Raises:
        DataError: a value is not a number.
    """
    values = np.empty((frame.height, len(columns)), dtype=np.float64, order="F")
    types = frame.schema
    plain = [place for place, column in enumerate(columns) if types[column.name].is_numeric()]
    if plain:
        names = [columns[place].name for place in plain]
        values[:, plain] = frame.select(pl.col(names).cast(pl.Float64)).to_numpy()
    for place in sorted(set(range(len(columns))).difference(plain)):
        column = columns[place]
        numbers = to_numbers(frame[column.name], column.number_format, column.missing_values)
        values[:, place] = numbers.to_numpy()
    return values


def label_columns(frame: pl.DataFrame, columns: Sequence[Column]) -> Iterator[pl.Series]:
    """The labels of category columns, one after another, as `to_labels` gives them."""
    types = frame.schema
    plain = [
        column.name
        for column in columns
        if types[column.name] == pl.String
        and column.kind == "category"
        and not column.missing_values
    ]
    texts = frame.select(clean_text(pl.col(plain))) if plain else pl.DataFrame()
    clean = {series.name: series for series in texts.get_columns()}
    for column in columns:
        labels = clean.get(column.name)
        if labels is None:
            is_boolean = column.kind == "boolean"
            labels = to_labels(frame[column.name], column.missing_values, is_boolean)
        yield labels


def date_column(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The moments of a date column, as `to_moments` gives them."""
    return to_moments(frame[column.name], column.date_format, column.missing_values)
