"""Any table -> polars: files by their content, tables in memory by their type.

    frame = read_table("houses.csv")
    frame = read_table(pandas_frame)
    frame = read_table(array, names=["height", "weight"])

A file is recognised by its first bytes, so a Parquet file named `.csv` is read as Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from steepest.data.tables.convert import check_unique, table_from_memory
from steepest.data.tables.delimited import check_delimiter, read_delimited
from steepest.data.tables.messages import count, list_names
from steepest.errors import ArgumentError, DataError, did_you_mean

TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".tab", ".txt", ".csv.gz", ".tsv.gz"),
    *(".parquet", ".arrow", ".feather", ".ipc"),
)

FOREIGN_FORMATS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a NumPy file (read it with numpy.load, then pass the array)"),
)


def read_table(
    source: Any,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    has_header: bool = True,
    rename_duplicates: bool = False,
    missing_values: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Read a table from a file or from memory.

    Args:
        source: a path to CSV, TSV or other delimited text (plain or gzip), Parquet, or
            Arrow/Feather IPC; or a table in memory (see `convert.table_from_memory`).
        delimiter: of delimited text; None tries `,`, tab, `;` and `|`.
        encoding: of delimited text; a byte-order mark overrides it.
        has_header: whether the first line of delimited text names the columns.
        rename_duplicates: rename repeated column names (`x`, `x_2`) instead of raising.
        missing_values: what delimited text writes for a missing value, in place of the
            default `text.MISSING_VALUES`.
        names: column names for a 2-D NumPy array.

    Returns:
        A table of at least one column and one row. Columns of delimited text are Int64 or
        Float64 where every value is a plain number, String otherwise.

    Raises:
        DataError: the file is missing, empty, damaged or not a table.
        ArgumentError: the source or an option is of the wrong kind.
    """
    if delimiter is not None:
        check_delimiter(delimiter)
    if isinstance(missing_values, str):
        raise ArgumentError(
            f"missing_values: give a list of texts, such as [{missing_values!r}], not one text."
        )
    if not isinstance(source, str | Path):
        return check_size(table_from_memory(source, names), f"The {type(source).__name__}")
    if names is not None:
        raise ArgumentError("read_table: names= applies to NumPy arrays, not to files.")
    path = Path(source).expanduser()
    data = read_bytes(path, str(source))
    name = path.name
    binary = read_binary(data, name)
    if binary is not None:
        return check_size(binary, name)
    frame = read_delimited(
        data,
        name,
        delimiter=delimiter,
        encoding=encoding,
        has_header=has_header,
        rename_duplicates=rename_duplicates,
        missing_values=None if missing_values is None else tuple(missing_values),
    )
    return check_size(frame, name)


def read_bytes(path: Path, given: str) -> bytes:
    """The file's bytes, or an error that names the file that was probably meant."""
    if "://" in given:
        raise DataError(f"{given} is an address; download the file first and give its path.")
    if path.is_dir():
        tables = sorted(each.name for each in path.iterdir() if is_table_name(each.name))
        found = f" It holds {list_names(tables)}." if tables else ""
        raise DataError(f"{given} is a folder; give the path of a table in it.{found}")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{given}: there is no such file.{similar_file(path)}") from error
    except OSError as error:
        raise DataError(f"{given}: the file cannot be read ({error.strerror}).") from error


def is_table_name(name: str) -> bool:
    return name.lower().endswith(TABLE_SUFFIXES)


def similar_file(path: Path) -> str:
    """A hint at a file with a similar name, or at the nearest folder that exists."""
    if path.parent.is_dir():
        return did_you_mean(path.name, sorted(each.name for each in path.parent.iterdir()))
    return f" There is no folder {str(path.parent)!r} either."


def read_binary(data: bytes, name: str) -> pl.DataFrame | None:
    """Parquet and Arrow, known by their first bytes; None if the data may be text."""
    for magic, what in FOREIGN_FORMATS:
        if data.startswith(magic):
            raise DataError(
                f"{name} is {what}, which steepest does not read. Save the table as CSV, TSV, "
                "Parquet or Arrow/Feather."
            )
    reader: Callable[[io.BytesIO], pl.DataFrame] | None = None
    what = ""
    if data.startswith(b"PAR1"):
        what, reader = "Parquet", pl.read_parquet
    elif data.startswith(b"ARROW1"):
        what, reader = "Arrow IPC", pl.read_ipc
    elif data.startswith(b"\xff\xff\xff\xff"):
        what, reader = "Arrow IPC stream", pl.read_ipc_stream
    elif data.startswith(b"FEA1"):
        raise DataError(f"{name} is a Feather file of version 1; save it as version 2 or Parquet.")
    if reader is None:
        return None
    try:
        frame = reader(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        raise DataError(
            f"{name}: the {what} file is damaged or cut short ({str(error).splitlines()[0]})."
        ) from error
    check_unique(list(frame.columns), name)
    return frame


def check_size(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Refuse tables without columns or rows."""
    if frame.width == 0:
        raise DataError(f"{name}: the table has no columns.")
    if frame.height == 0:
        raise DataError(f"{name}: the table has {count(frame.width, 'column')} but no rows.")
    return frame
