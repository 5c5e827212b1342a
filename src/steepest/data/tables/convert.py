"""Tables that are already in memory -> polars: pandas, Arrow, NumPy, dictionaries, records.

Nothing is renamed or retyped silently: polars' types are the closest to the source's own, and
Python values of mixed types in one column become text, for `infer` to judge.
"""

from __future__ import annotations

import datetime
import numbers
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables.messages import count, list_names, note
from steepest.errors import ArgumentError, DataError


def table_from_memory(source: Any, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Convert a table in memory.

    Args:
        source: polars DataFrame or LazyFrame, pandas DataFrame, anything that exports an Arrow
            stream (pyarrow Table and RecordBatch among others), NumPy array (structured, or
            2-D of shape (n_rows, n_columns)), mapping of column name to values, or list of
            mappings (one a row).
        names: column names for a 2-D array; by default `column_1`, `column_2`, ...

    Raises:
        ArgumentError: the source is of a type that is not a table.
        DataError: the columns differ in length, or names repeat.
    """
    if names is not None and not isinstance(source, np.ndarray):
        raise ArgumentError(
            "read_table: names= applies to NumPy arrays only, not to "
            f"{type(source).__name__}, which names its own columns."
        )
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, pl.DataFrame):
        return source
    if is_pandas(source):
        return from_pandas(source)
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return from_arrow(source)
    if isinstance(source, np.ndarray):
        return from_numpy(source, names)
    if isinstance(source, Mapping):
        return from_columns(source)
    if isinstance(source, Sequence) and source and all(isinstance(row, Mapping) for row in source):
        return from_records(source)
    raise ArgumentError(
        f"read_table: an object of type {type(source).__name__!r} is not a table. Give a path "
        "(CSV, TSV, Parquet, Arrow/Feather), a polars or pandas DataFrame, a pyarrow Table, a "
        "NumPy array with 2 dimensions, a dictionary of columns, or a list of dictionaries (one "
        "a row)."
    )


def is_pandas(source: Any) -> bool:
    return type(source).__module__.split(".")[0] == "pandas" and hasattr(source, "columns")


def from_pandas(frame: Any) -> pl.DataFrame:
    """Convert column by column, so that pyarrow is not needed; the index is not a column."""
    names = [str(name) for name in frame.columns]
    check_unique(names, "the pandas DataFrame")
    if type(frame.index).__name__ != "RangeIndex" and frame.index.name is not None:
        note(
            f"The index {frame.index.name!r} of the pandas DataFrame is not read as a column; "
            "call reset_index() to make it one."
        )
    series = [pandas_column(frame.iloc[:, place], name) for place, name in enumerate(names)]
    return pl.DataFrame(series)


def pandas_column(column: Any, name: str) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return pl.Series(name, column.to_numpy())
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return pl.Series(name, column.to_numpy())
    if getattr(dtype, "tz", None) is not None:
        return pl.Series(name, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    missing = np.asarray(column.isna(), dtype=bool)
    values = column.astype(object).to_numpy()
    items = [None if gone else each for gone, each in zip(missing, values, strict=True)]
    return series_from_values(name, items)


def from_arrow(source: Any) -> pl.DataFrame:
    names = getattr(source, "column_names", None) or getattr(
        getattr(source, "schema", None), "names", []
    )
    check_unique([str(name) for name in names], "the Arrow table")
    converted = pl.DataFrame(source)
    if not isinstance(converted, pl.DataFrame):
        raise ArgumentError(f"read_table: {type(source).__name__} does not hold columns.")
    return converted


def from_numpy(array: np.ndarray, names: Sequence[str] | None) -> pl.DataFrame:
    """A structured array's fields, or the columns of a 2-D array, become columns."""
    if array.dtype.names is not None:
        if array.ndim != 1:
            raise ArgumentError(
                f"read_table: a structured array has shape (n_rows,), not {array.shape}."
            )
        return pl.DataFrame([numpy_column(field, array[field]) for field in array.dtype.names])
    if array.ndim != 2:
        raise ArgumentError(
            f"read_table: a NumPy table has shape (n_rows, n_columns), not {array.shape}."
        )
    if names is None:
        names = [f"column_{place}" for place in range(1, array.shape[1] + 1)]
    if len(names) != array.shape[1]:
        raise ArgumentError(
            f"read_table: {count(len(names), 'name')} for an array of shape {array.shape}, which "
            f"has {count(array.shape[1], 'column')}."
        )
    check_unique([str(name) for name in names], "names=")
    return pl.DataFrame(
        [numpy_column(str(name), array[:, place]) for place, name in enumerate(names)]
    )


def numpy_column(name: str, values: np.ndarray) -> pl.Series:
    if values.ndim != 1:
        raise ArgumentError(f"read_table: column {name!r} has shape {values.shape}, not (n_rows,).")
    kind = values.dtype.kind
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        return pl.Series(name, values.astype(np.float64))
    if kind in "biufmM":
        return pl.Series(name, np.ascontiguousarray(values))
    if kind == "c":
        raise DataError(f"Column {name!r} holds complex numbers; split it into two real columns.")
    return series_from_values(name, values.tolist())


def from_columns(columns: Mapping[Any, Any]) -> pl.DataFrame:
    """A dictionary of columns; single values are not stretched to the length of the others."""
    names = [str(name) for name in columns]
    check_unique(names, "the dictionary")
    series = [column_of(name, values) for name, values in zip(names, columns.values(), strict=True)]
    lengths = {each.name: len(each) for each in series}
    if len(set(lengths.values())) > 1:
        usual = Counter(lengths.values()).most_common(1)[0][0]
        odd = next(name for name, length in lengths.items() if length != usual)
        raise DataError(
            f"read_table: column {odd!r} has {count(lengths[odd], 'value')}, but others have "
            f"{usual:,}."
        )
    return pl.DataFrame(series)


def column_of(name: str, values: Any) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.rename(name)
    if isinstance(values, np.ndarray):
        return numpy_column(name, values)
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise ArgumentError(
            f"read_table: column {name!r} is a single value, {values!r}; give a list of "
            f"values, one a row: {{{name!r}: [{values!r}]}}."
        )
    if type(values).__module__.split(".")[0] == "pandas":
        return pandas_column(values, name)
    return series_from_values(name, list(values))


def from_records(records: Sequence[Mapping[Any, Any]]) -> pl.DataFrame:
    """A list of rows; a name that a row lacks is missing there."""
    names: dict[Any, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    columns = {name: [record.get(name) for record in records] for name in names}
    return from_columns(columns)


def series_from_values(name: str, values: list[Any]) -> pl.Series:
    """Python values -> the narrowest fitting type; mixed types become text.

    NaN and None are missing. Booleans stay booleans only if all values are. Integers beyond 64 bits
    and mixtures of numbers and text become text.
    """
    items = [None if is_missing(value) else plain_value(value) for value in values]
    kinds = {type(item) for item in items if item is not None}
    try:
        if kinds <= {bool} or kinds <= {str} or kinds <= {int}:
            return pl.Series(name, items)
        if kinds <= {int, float}:
            return pl.Series(name, items, dtype=pl.Float64, strict=False)
        if kinds <= {datetime.date} or kinds <= {datetime.timedelta} or kinds <= {datetime.time}:
            return pl.Series(name, items)
        if kinds <= {datetime.datetime, datetime.date}:
            moments = [as_datetime(item) for item in items]
            return pl.Series(name, moments, dtype=pl.Datetime("us"))
    except (OverflowError, TypeError, pl.exceptions.PolarsError):
        pass
    unsupported = [kind.__name__ for kind in kinds if kind not in TEXT_TYPES]
    if unsupported:
        place = next(
            index for index, item in enumerate(items, start=1) if type(item) not in TEXT_TYPES
        )
        raise DataError(
            f"Column {name!r}, row {place}: an object of type {unsupported[0]!r} does not "
            "fit into a table cell; give numbers, text, booleans or dates."
        )
    return pl.Series(name, [None if item is None else str(item) for item in items], dtype=pl.String)


TEXT_TYPES = {
    *(bool, int, float, str, type(None)),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
}


def is_missing(value: Any) -> bool:
    """None, NaN, and pandas' NaT and NA."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")


def plain_value(value: Any) -> Any:
    """NumPy scalars, decimals and pandas timestamps as the plain Python value."""
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, numbers.Real):
        return float(value)
    if type(value).__name__ == "Decimal":
        return float(value)
    return value


def as_datetime(value: Any) -> datetime.datetime | None:
    """Midnight of a date; a time with a zone is moved to UTC."""
    if value is None:
        return None
    if not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day)
    if value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def check_unique(names: list[str], what: str) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise DataError(
            f"read_table: {what} names {list_names(repeated)} more than once. Rename the columns."
        )
