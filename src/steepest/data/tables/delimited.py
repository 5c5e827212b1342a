"""Delimited text (CSV, TSV and kin) -> a polars table, without ever half-reading a file.

Polars parses fast but fills short lines with nulls without a word, so the structure of the file is
checked first (`structure.py`): every record must have as many fields as the header. Where a quote
stands somewhere that RFC 4180 does not foresee (`5" pipe`, or a blank before an opening quote), the
slower `csv` module reads the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter

import numpy as np
import polars as pl

from steepest.data.tables.messages import count, list_names, note
from steepest.data.tables.structure import scan
from steepest.data.tables.text import convert_text_columns
from steepest.errors import ArgumentError, DataError

DELIMITERS = (",", "\t", ";", "|")
"""The delimiters that are tried, in this order, when none is given."""

SAMPLE_BYTES = 1 << 17
DELIMITER_NAMES = {"\t": "tab", ",": "','", ";": "';'", "|": "'|'"}


def read_delimited(
    data: bytes,
    name: str,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    has_header: bool = True,
    rename_duplicates: bool = False,
    missing_values: tuple[str, ...] | None = None,
) -> pl.DataFrame:
    """Read delimited text from memory.

    Args:
        data: the file's bytes; gzip-compressed bytes are unpacked.
        name: how the text is called in messages, such as its path.
        delimiter: one character; None tries `,`, tab, `;` and `|`.
        encoding: any Python codec; a byte-order mark overrides it.
        has_header: whether the first line names the columns; otherwise they are `column_1`, ...
        rename_duplicates: name repeated columns `x`, `x_2`, `x_3` instead of raising.
        missing_values: what stands for a missing value; None means `text.MISSING_VALUES`.

    Returns:
        A table whose columns are Int64 or Float64 where every value is a plain number,
        String otherwise. Blanks around values are removed.

    Raises:
        DataError: the text is empty, is not text, or its lines do not have the same fields.
    """
    data = to_utf8(data, name, encoding)
    start, stated_delimiter = find_separator_line(data)
    delimiter = delimiter or stated_delimiter or sniff_delimiter(data)
    check_delimiter(delimiter)
    header_end, header = read_header(data, name, delimiter, start)
    if not has_header:
        header = [""] * len(header)
        header_end = start
    names = column_names(header, name, rename_duplicates, has_header)
    check_one_column(names, name, delimiter)
    body = data[header_end:]
    if not body or body.isspace():
        raise DataError(
            f"{name}: the file has a header ({count(len(names), 'column')}) but no rows below it."
        )
    frame = read_body(body, name, delimiter, names, data.count(b"\n", 0, header_end) + 1)
    return convert_text_columns(frame, missing_values)


def to_utf8(data: bytes, name: str, encoding: str) -> bytes:
    """Unpack, decode and normalise the bytes: UTF-8, no byte-order mark, newlines as `\\n`."""
    if data.startswith(b"\x1f\x8b"):
        data = unpack_gzip(data, name)
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
        encoding = "utf-8"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError as error:
        raise ArgumentError(f"encoding: Python knows no encoding named {encoding!r}.") from error
    if not is_utf8:
        data = decode(data, name, encoding).encode("utf-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise DataError(
            f"{name}: line {line} holds a zero byte, so this is not a text table. steepest reads "
            "CSV, TSV, Parquet and Arrow/Feather files; save the table as one of these, or name "
            "the text's encoding, such as encoding='utf-16-le'."
        )
    if is_utf8 and not data.isascii():
        decode(data, name, encoding)
    if has_bare_returns(data) and (b'"' not in data or b"\n" not in data):
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data or data.isspace():
        raise DataError(f"{name}: the file is empty.")
    return data


def has_bare_returns(data: bytes) -> bool:
    """Whether a carriage return stands without a newline after it: old line ends, or text."""
    return b"\r" in data and data.count(b"\r") != data.count(b"\r\n")


def unpack_gzip(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: the gzip data is damaged or cut short ({error}).") from error


def decode(data: bytes, name: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}: line {line} is not {encoding} text: byte 0x{data[error.start]:02x} at "
            f"position {error.start}. Older files are often Latin-1: pass encoding='latin-1', "
            "or save the file as UTF-8."
        ) from error


def find_separator_line(data: bytes) -> tuple[int, str | None]:
    """Spreadsheets may write `sep=;` above the header: where the header starts, and its `;`."""
    first, _, _ = data[:16].partition(b"\n")
    line = first.strip().decode("utf-8", "replace")
    if line.lower().startswith("sep=") and len(line) == 5:
        return len(first) + 1, line[4]
    return 0, None


def check_delimiter(delimiter: str) -> None:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise ArgumentError(
            f"delimiter: expected one ASCII character such as ',' or '\\t', not {delimiter!r}."
        )


def sniff_delimiter(data: bytes) -> str:
    """The delimiter that splits the first records into the same number of fields, and the most.

    Each candidate is scored by the share of records that have as many fields as the first one.
    A candidate that never splits the first record scores zero; if all do, the text has one column.
    """
    sample = data[:SAMPLE_BYTES]
    if len(data) > SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    text = sample.decode("utf-8", "ignore")
    best = (0.0, 0)
    chosen = DELIMITERS[0]
    for candidate in DELIMITERS:
        widths = sample_widths(text, candidate)
        if not widths or widths[0] < 2:
            continue
        share = widths.count(widths[0]) / len(widths)
        score = (round(share, 2), widths[0])
        if score > best:
            best = score
            chosen = candidate
    return chosen


def sample_widths(text: str, delimiter: str) -> list[int]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        return [len(record) for record in reader if record]
    except csv.Error:
        return []


def read_header(data: bytes, name: str, delimiter: str, start: int) -> tuple[int, list[str]]:
    """Parse the first record from `start` that is not blank: where it ends, and its fields."""
    while data[start : start + 1] in (b"\n", b"\r"):
        start += 1
    end = start
    while True:
        newline = data.find(b"\n", end)
        end = len(data) if newline < 0 else newline + 1
        record = data[start:end]
        if end == len(data) or record.count(b'"') % 2 == 0:
            break
    text = record.decode("utf-8")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    line = data.count(b"\n", 0, start) + 1
    try:
        records = list(reader)
        if len(records) > 1:
            raise DataError(
                f"{name}: the header in line {line} holds a bare carriage return; the file mixes "
                "kinds of line ends. Save it with one kind."
            )
        return end, [field.strip() for field in records[0]]
    except csv.Error as error:
        raise DataError(
            f"{name}: the header in line {line} cannot be read ({error}). Is a quote left open?"
        ) from error


def column_names(
    header: list[str], name: str, rename_duplicates: bool, has_header: bool = True
) -> list[str]:
    """Give blank names a number, and refuse or rename repeated names."""
    names = [field or f"column_{position}" for position, field in enumerate(header, start=1)]
    blank = [names[position] for position, field in enumerate(header) if not field]
    if blank and has_header:
        note(
            f"{name}: {count(len(blank), 'column')} without a name in the header "
            f"{'is' if len(blank) == 1 else 'are'} called {list_names(blank)}."
        )
    repeated = [each for each, times in Counter(names).items() if times > 1]
    if not repeated:
        return names
    if not rename_duplicates:
        first = repeated[0]
        places = [str(index) for index, each in enumerate(names, start=1) if each == first]
        raise DataError(
            f"{name}: the header names {list_names(repeated)} more than once ({first!r} in columns "
            f"{' and '.join(places)}). Rename the columns, or pass rename_duplicates=True to call "
            f"them {first!r}, {first + '_2'!r}, ..."
        )
    return renamed(names, name)


def renamed(names: list[str], name: str) -> list[str]:
    """`x, x, x` -> `x, x_2, x_3`, avoiding names that are taken."""
    taken = set(names)
    seen: Counter[str] = Counter()
    result = []
    for each in names:
        seen[each] += 1
        if seen[each] == 1:
            result.append(each)
            continue
        number = seen[each]
        while f"{each}_{number}" in taken:
            number += 1
        taken.add(f"{each}_{number}")
        result.append(f"{each}_{number}")
    changed = [new for old, new in zip(names, result, strict=True) if old != new]
    note(f"{name}: repeated column names were renamed: {list_names(changed)}.")
    return result


def check_one_column(names: list[str], name: str, delimiter: str) -> None:
    """One column whose name holds another delimiter means that the wrong one was given."""
    if len(names) != 1:
        return
    for other in DELIMITERS:
        if other != delimiter and other in names[0]:
            raise DataError(
                f"{name}: with the delimiter {describe(delimiter)} the table has one column, named "
                f"{names[0]!r}. Did you mean delimiter={other!r}?"
            )


def describe(delimiter: str) -> str:
    return DELIMITER_NAMES.get(delimiter, repr(delimiter))


def read_body(
    body: bytes, name: str, delimiter: str, names: list[str], lines_above: int
) -> pl.DataFrame:
    """Read the records below the header; `lines_above` makes messages name the file's lines."""
    structure = None if has_bare_returns(body) else scan(body, delimiter)
    if structure is None or not structure.quotes_are_regular:
        return read_with_csv_module(body, name, delimiter, names, lines_above)
    blank = structure.blank(body)
    keep = ~blank
    if len(names) == 1:
        last = int(np.flatnonzero(~blank)[-1])
        keep = np.arange(len(blank)) <= last
        structure.fields[blank] = 1
    wrong = np.flatnonzero(keep & (structure.fields != len(names)))
    if wrong.size:
        starts = [0 if index == 0 else int(structure.ends[index - 1]) + 1 for index in wrong[:5]]
        lines = [lines_above + body.count(b"\n", 0, start) for start in starts]
        raise_ragged(name, delimiter, names, lines, int(structure.fields[wrong[0]]), wrong.size)
    note_blank_lines(name, keep)
    frame = read_with_polars(body, delimiter, names)
    if frame is None or frame.height != len(keep):
        return read_with_csv_module(body, name, delimiter, names, lines_above)
    return frame if keep.all() else frame.filter(pl.Series(keep))


def read_with_polars(body: bytes, delimiter: str, names: list[str]) -> pl.DataFrame | None:
    """The fast reader; None where polars finds another structure than `scan` did."""
    try:
        return pl.read_csv(
            body,
            has_header=False,
            separator=delimiter,
            infer_schema=False,
            schema=dict.fromkeys(names, pl.String),
        )
    except pl.exceptions.PolarsError:
        return None


def note_blank_lines(name: str, keep: np.ndarray) -> None:
    """Say how many blank lines between rows were skipped; those at the end go without saying."""
    last = int(np.flatnonzero(keep)[-1])
    skipped = int(np.count_nonzero(~keep[:last]))
    if skipped:
        note(f"{name}: {count(skipped, 'blank line')} between the rows skipped.")


def raise_ragged(
    name: str, delimiter: str, names: list[str], lines: list[int], fields: int, total: int
) -> None:
    more = ""
    if total > 1:
        shown = ", ".join(str(line) for line in lines)
        more = f" {total:,} lines differ: {shown}{', ...' if total > len(lines) else ''}."
    raise DataError(
        f"{name}: line {lines[0]} has {count(fields, 'field')}, but the header has {len(names)} "
        f"(delimiter {describe(delimiter)}).{more} A value that holds the delimiter needs double "
        "quotes around it; a missing value still needs its delimiter."
    )


def read_with_csv_module(
    body: bytes, name: str, delimiter: str, names: list[str], lines_above: int
) -> pl.DataFrame:
    """The slow, tolerant reader, for files whose quoting polars and RFC 4180 do not foresee."""
    text = io.StringIO(body.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True, skipinitialspace=True)
    records: list[list[str]] = []
    ragged: list[tuple[int, int]] = []
    skipped = 0
    line = lines_above
    try:
        for record in reader:
            if not record:
                skipped += 1
            elif len(record) != len(names):
                ragged.append((line, len(record)))
            else:
                records.append(record)
            line = lines_above + reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{name}: the record that starts in line {line} cannot be read ({error}). "
            "Is a double quote left open, or one not doubled inside a quoted value?"
        ) from error
    if ragged:
        lines = [each for each, _ in ragged[:5]]
        raise_ragged(name, delimiter, names, lines, ragged[0][1], len(ragged))
    if skipped:
        note(f"{name}: {count(skipped, 'blank line')} skipped.")
    columns = zip(names, zip(*records, strict=True), strict=True)
    return pl.DataFrame([pl.Series(each, values, dtype=pl.String) for each, values in columns])
