"""Reading tables: every source gives the same table, and no file is ever half-read."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steepest.data.tables import DataWarning, collected_notes, read_table
from steepest.data.tables import structure as structure_module
from steepest.data.tables.delimited import read_delimited, sniff_delimiter
from steepest.data.tables.structure import scan
from steepest.errors import ArgumentError, DataError

EXPECTED = {"size": [1, 2, None], "kind": ["a", "b,c", None], "price": [1.5, None, -2.0]}
CSV = 'size,kind,price\n1,a,1.5\n2,"b,c",\n,NA,-2\n'


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def frame() -> pl.DataFrame:
    return pl.DataFrame(EXPECTED)


def test_reads_csv(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", CSV))
    assert table.to_dict(as_series=False) == EXPECTED
    assert table.dtypes == [pl.Int64, pl.String, pl.Float64]


@pytest.mark.parametrize(
    ("delimiter", "name"), [(",", "a.csv"), ("\t", "a.tsv"), (";", "a.csv"), ("|", "a.txt")]
)
def test_finds_the_delimiter(tmp_path: Path, delimiter: str, name: str) -> None:
    text = CSV.replace('"b,c"', "b_c").replace(",", delimiter).replace("b_c", '"b,c"')
    path = write(tmp_path, name, text)
    assert read_table(path).equals(frame())
    assert read_table(path, delimiter=delimiter).equals(frame())


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: gzip.compress(text.encode()),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: ("sep=,\n" + text).encode(),
        lambda text: ("\n\n" + text + "\n\n").encode(),
    ],
    ids=["gzip", "bom", "utf-16", "crlf", "cr", "no last newline", "sep line", "blank ends"],
)
def test_reads_every_disguise_of_a_csv(tmp_path: Path, encode: Callable[[str], bytes]) -> None:
    assert read_table(write(tmp_path, "a.csv", encode(CSV))).equals(frame())


def test_reads_binary_tables_by_content(tmp_path: Path) -> None:
    table = frame()
    table.write_parquet(tmp_path / "a.csv")
    table.write_ipc(tmp_path / "a.feather")
    table.write_ipc_stream(tmp_path / "a.arrows")
    for name in ("a.csv", "a.feather", "a.arrows"):
        assert read_table(tmp_path / name).equals(table)
        assert read_table(str(tmp_path / name)).equals(table)


@pytest.mark.parametrize(
    "convert",
    [
        lambda: frame(),
        lambda: frame().lazy(),
        lambda: dict(EXPECTED),
        lambda: {name: iter(values) for name, values in EXPECTED.items()},
        lambda: frame().to_dicts(),
        lambda: [{"size": 1, "kind": "a", "price": 1.5}, {"size": 2, "kind": "b,c"}, {"price": -2}],
        lambda: pa.table(EXPECTED),
        lambda: pa.RecordBatch.from_pydict(EXPECTED),
        lambda: pd.DataFrame({**EXPECTED, "size": pd.array([1, 2, None], dtype="Int64")}),
    ],
    ids=["polars", "lazy", "dict", "iterables", "rows", "uneven rows", "arrow", "batch", "pandas"],
)
def test_reads_tables_in_memory(convert: Callable[[], Any]) -> None:
    table = read_table(convert()).with_columns(pl.col("price").fill_nan(None))
    assert table.equals(frame())


def test_reads_numpy_arrays() -> None:
    numbers = read_table(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert numbers.to_dict(as_series=False) == {"column_1": [1.0, 3.0], "column_2": [2.0, 4.0]}
    named = read_table(np.array([["a", 1], ["b", 2.5]], dtype=object), names=["kind", "size"])
    assert named.to_dict(as_series=False) == {"kind": ["a", "b"], "size": [1.0, 2.5]}
    records = np.array([(1, "x", True)], dtype=[("a", "i4"), ("b", "U3"), ("c", "?")])
    assert read_table(records).to_dicts() == [{"a": 1, "b": "x", "c": True}]
    half = read_table({"a": np.array([1.5], dtype=np.float16)})
    assert half.schema == {"a": pl.Float64}


def test_reads_pandas_types() -> None:
    table = read_table(
        pd.DataFrame(
            {
                "category": pd.Categorical(["u", None, "u"]),
                "flag": [True, False, None],
                "mixed": [1, "x", 2.5],
                "day": pd.date_range("2020-01-01", periods=3),
                "zoned": pd.date_range("2020-01-01", periods=3, tz="Europe/Paris"),
            }
        )
    )
    assert table["category"].to_list() == ["u", None, "u"]
    assert table["flag"].to_list() == [True, False, None]
    assert table["mixed"].to_list() == ["1", "x", "2.5"]
    assert str(table["day"][1]) == "2020-01-02 00:00:00"
    assert str(table["zoned"][1]) == "2020-01-01 23:00:00"


def test_a_named_pandas_index_is_not_dropped_silently() -> None:
    table = pd.DataFrame({"a": [1]}, index=pd.Index([5], name="key"))
    with pytest.warns(DataWarning, match=r"The index 'key' .* is not read as a column"):
        read_table(table)


def test_codes_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "zip,long\n02139,12345678901234567890\n10115,1\n")
    assert read_table(path).to_dicts()[0] == {"zip": "02139", "long": "12345678901234567890"}


def test_missing_values_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n-999,x\n3,NA\n")
    table = read_table(path, missing_values=["-999"])
    assert table.to_dicts() == [{"a": None, "b": "x"}, {"a": 3, "b": "NA"}]


def test_header_can_be_absent(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", "1,2\n3,4\n"), has_header=False)
    assert table.to_dict(as_series=False) == {"column_1": [1, 3], "column_2": [2, 4]}


def test_odd_quotes_take_the_slow_reader(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'size,what\n3,5" pipe\n4, "a, b"\n')
    assert read_table(path)["what"].to_list() == ['5" pipe', "a, b"]


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"^a.csv: 2 blank lines between the rows skipped\.$"):
        table = read_table(write(tmp_path, "a.csv", "a,b\n1,2\n\n\r\n3,4\n\n"))
    assert table.to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}
    single = read_table(write(tmp_path, "b.csv", "a\n1\n\n3\n\n"))
    assert single["a"].to_list() == [1, None, 3]


CELL = st.text(alphabet=st.sampled_from(list("ab1 .,;\t|\"'\n\ré€#")), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    delimiter=st.sampled_from(",\t;|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(3, 40),
)
def test_what_csv_writes_is_read_back(
    rows: list[list[str]], delimiter: str, newline: str, block: int
) -> None:
    """Any table that the csv module writes comes back cell for cell, however the scan is cut."""
    names = [f"name{place}" for place in range(len(rows[0]))]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    old, structure_module.BLOCK_BYTES = structure_module.BLOCK_BYTES, block
    try:
        table = read_delimited(
            text.getvalue().encode(), "t.csv", delimiter=delimiter, missing_values=("",)
        )
    finally:
        structure_module.BLOCK_BYTES = old
    assert table.height == len(rows)
    for place, name in enumerate(names):
        for row, cell in enumerate(rows):
            found = table[name][row]
            expected = cell[place].strip()
            if isinstance(found, str | None):
                assert (found or "") == expected
            else:
                assert float(found) == float(expected)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.text(alphabet=st.sampled_from(list('ab1,\n\r"; ')), max_size=40))
def test_any_text_is_read_whole_or_refused(data: str) -> None:
    """The fast reader never sees other cells than the csv module does."""
    try:
        with collected_notes():
            table = read_delimited(data.encode(), "t.csv", delimiter=",", rename_duplicates=True)
    except (DataError, ArgumentError):
        return
    text = data if "\n" in data else data.replace("\r", "\n")
    records = [
        record
        for record in csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        if record
    ]
    if table.width == 1:
        return
    assert table.height == len(records) - 1
    for place, series in enumerate(table.get_columns()):
        if series.dtype == pl.String:
            cells = [record[place].strip() for record in records[1:]]
            assert [value or "" for value in series.to_list()] == cells


def test_scan_sees_through_quotes() -> None:
    found = scan(b'a,"b\n,""c",d\n\n1,2\n', ",")
    assert found is not None
    assert found.fields.tolist() == [3, 1, 2]
    assert found.quotes_are_regular
    assert scan(b'a,"b\n', ",") is None


def test_sniffing_prefers_the_delimiter_that_fits_every_line() -> None:
    assert sniff_delimiter(b"a;b\n1,5;2,5\n3,5;4,5\n") == ";"
    assert sniff_delimiter(b"name|note\nx|a,b,c\ny|d,e\n") == "|"
    assert sniff_delimiter(b"one\ntwo\n") == ","


def test_a_wide_header_longer_than_the_sample_is_sniffed() -> None:
    names = ";".join(f"a_rather_long_name_of_a_column_{place}" for place in range(5000))
    data = f"{names}\n{';'.join(['1'] * 5000)}\n".encode()
    assert read_delimited(data, "wide.csv").shape == (1, 5000)
