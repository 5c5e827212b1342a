"""Bad input gets a clear error or a stated handling, word for word."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from steepest.data.tables import collected_notes, infer_schema, prepare_table, read_table
from steepest.errors import ArgumentError, DataError, SteepestError

N_ROWS = 60


def houses(**columns: Any) -> pl.DataFrame:
    """60 rows with a number, a category and a target, some columns replaced."""
    table = {
        "size": list(range(N_ROWS)),
        "kind": ["hut", "villa", "flat"] * 20,
        "price": [10.0 + row + row % 7 for row in range(N_ROWS)],
    }
    return pl.DataFrame({**table, **columns}, strict=False)


def refusal(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(SteepestError) as caught, collected_notes():
        function(*arguments, **options)
    assert isinstance(caught.value, DataError | ArgumentError)
    return str(caught.value)


def refused_file(folder: Path, content: str | bytes, name: str = "t.csv", **options: Any) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return refusal(read_table, path, **options)


# --- files ---------------------------------------------------------------------------------------


def test_empty_file(tmp_path: Path) -> None:
    assert refused_file(tmp_path, "") == "t.csv: the file is empty."
    assert refused_file(tmp_path, "\n \n") == "t.csv: the file is empty."
    assert refused_file(tmp_path, gzip.compress(b"")) == "t.csv: the file is empty."


def test_header_without_rows(tmp_path: Path) -> None:
    message = "t.csv: the file has a header (2 columns) but no rows below it."
    assert refused_file(tmp_path, "a,b\n") == message
    assert refused_file(tmp_path, "a,b\n\n") == message


def test_duplicate_headers(tmp_path: Path) -> None:
    assert refused_file(tmp_path, "a,b,a\n1,2,3\n") == (
        "t.csv: the header names 'a' more than once ('a' in columns 1 and 3). Rename the columns, "
        "or pass rename_duplicates=True to call them 'a', 'a_2', ..."
    )
    with collected_notes() as notes:
        table = read_table(tmp_path / "t.csv", rename_duplicates=True)
    assert table.columns == ["a", "b", "a_2"]
    assert notes == ["t.csv: repeated column names were renamed: 'a_2'."]


def test_blank_headers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",b\n1,2\n")
    with collected_notes() as notes:
        assert read_table(path).columns == ["column_1", "b"]
    assert notes == ["t.csv: 1 column without a name in the header is called 'column_1'."]


def test_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_table(path).columns == ["a", "b"]


def test_wrong_delimiter(tmp_path: Path) -> None:
    assert refused_file(tmp_path, "a,b\n1,2\n", delimiter=";") == (
        "t.csv: with the delimiter ';' the table has one column, named 'a,b'. Did you mean "
        "delimiter=','?"
    )
    assert refusal(read_table, tmp_path / "t.csv", delimiter="::") == (
        "delimiter: expected one ASCII character such as ',' or '\\t', not '::'."
    )


def test_ragged_lines(tmp_path: Path) -> None:
    assert refused_file(tmp_path, 'a,b\n"1\n2",3\n4\n5,6,7\n') == (
        "t.csv: line 4 has 1 field, but the header has 2 (delimiter ','). 2 lines differ: 4, 5. A "
        "value that holds the delimiter needs double quotes around it; a missing value still needs "
        "its delimiter."
    )
    assert refused_file(tmp_path, 'a,b\n5" pipe,2\n4\n').startswith(
        "t.csv: line 3 has 1 field, but"
    )


def test_open_quotes(tmp_path: Path) -> None:
    assert refused_file(tmp_path, 'a,b\n1,2\n"x,2\n3,4\n') == (
        "t.csv: the record that starts in line 3 cannot be read (unexpected end of data). Is a "
        "double quote left open, or one not doubled inside a quoted value?"
    )
    assert refused_file(tmp_path, 'a,"b\n1,2\n') == (
        "t.csv: the header in line 1 cannot be read (unexpected end of data). Is a quote left open?"
    )


def test_wrong_encoding(tmp_path: Path) -> None:
    assert refused_file(tmp_path, "a,b\nx,1\né,2\n".encode("latin-1")) == (
        "t.csv: line 3 is not utf-8 text: byte 0xe9 at position 8. Older files are often Latin-1: "
        "pass encoding='latin-1', or save the file as UTF-8."
    )
    assert read_table(tmp_path / "t.csv", encoding="latin-1")["a"].to_list() == ["x", "é"]
    assert refusal(read_table, tmp_path / "t.csv", encoding="latin-99") == (
        "encoding: Python knows no encoding named 'latin-99'."
    )


def test_not_a_text_table(tmp_path: Path) -> None:
    assert refused_file(tmp_path, b"a,b\n1,\x002\n") == (
        "t.csv: line 2 holds a zero byte, so this is not a text table. steepest reads CSV, TSV, "
        "Parquet and Arrow/Feather files; save the table as one of these, or name the text's "
        "encoding, such as encoding='utf-16-le'."
    )
    assert refused_file(tmp_path, b"PK\x03\x04...", "t.xlsx") == (
        "t.xlsx is a zip archive or an Excel workbook, which steepest does not read. Save the "
        "table as CSV, TSV, Parquet or Arrow/Feather."
    )


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("t.parquet", "t.parquet: the Parquet file is damaged or cut short ("),
        ("t.arrow", "t.arrow: the Arrow IPC file is damaged or cut short ("),
        ("t.csv.gz", "t.csv.gz: the gzip data is damaged or cut short ("),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, start: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        houses().write_parquet(path)
    elif name.endswith("arrow"):
        houses().write_ipc(path)
    else:
        path.write_bytes(gzip.compress(houses().write_csv().encode()))
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 3):
        assert refused_file(tmp_path, whole[:length], name).startswith(start)


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("a\n1\n")
    path = tmp_path / "house.csv"
    assert refusal(read_table, path) == (
        f"{path}: there is no such file. Did you mean 'houses.csv'?"
    )
    assert refusal(read_table, tmp_path) == (
        f"{tmp_path} is a folder; give the path of a table in it. It holds 'houses.csv'."
    )
    path = tmp_path / "data" / "houses.csv"
    assert refusal(read_table, path) == (
        f"{path}: there is no such file. There is no folder {str(path.parent)!r} either."
    )
    assert refusal(read_table, "https://example.org/a.csv") == (
        "https://example.org/a.csv is an address; download the file first and give its path."
    )


# --- tables in memory ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            5,
            "read_table: an object of type 'int' is not a table. Give a path (CSV, TSV, Parquet, "
            "Arrow/Feather), a polars or pandas DataFrame, a pyarrow Table, a NumPy array with 2 "
            "dimensions, a dictionary of columns, or a list of dictionaries (one a row).",
        ),
        (
            {"a": [1, 2], "b": [1, 2], "c": [1]},
            "read_table: column 'c' has 1 value, but others have 2.",
        ),
        (
            {"a": "text"},
            "read_table: column 'a' is a single value, 'text'; give a list of values, one a row: "
            "{'a': ['text']}.",
        ),
        (
            {"a": [1, object]},
            "Column 'a', row 2: an object of type 'type' does not fit into a table cell; give "
            "numbers, text, booleans or dates.",
        ),
        (
            {"a": np.array([1j])},
            "Column 'a' holds complex numbers; split it into two real columns.",
        ),
        (np.zeros(3), "read_table: a NumPy table has shape (n_rows, n_columns), not (3,)."),
        (pl.DataFrame({"a": []}), "The DataFrame: the table has 1 column but no rows."),
        (pl.DataFrame(), "The DataFrame: the table has no columns."),
    ],
    ids=["int", "lengths", "scalar", "object", "complex", "1-d", "no rows", "no columns"],
)
def test_what_is_not_a_table(source: Any, message: str) -> None:
    assert refusal(read_table, source) == message


def test_wrong_names() -> None:
    assert refusal(read_table, np.zeros((3, 2)), names=["a"]) == (
        "read_table: 1 name for an array of shape (3, 2), which has 2 columns."
    )
    assert refusal(read_table, np.zeros((3, 2)), names=["a", "a"]) == (
        "read_table: names= names 'a' more than once. Rename the columns."
    )
    assert refusal(read_table, {"a": [1]}, names=["b"]) == (
        "read_table: names= applies to NumPy arrays only, not to dict, which names its own columns."
    )


# --- targets -------------------------------------------------------------------------------------


def test_missing_target() -> None:
    assert refusal(prepare_table, houses(), "Price") == (
        "The table has no target column 'Price'. Did you mean 'price'? Its columns are 'size', "
        "'kind' and 'price'."
    )
    assert refusal(prepare_table, houses(price=[None] * N_ROWS), "price") == (
        "The target 'price' has no value in any row."
    )


def test_rows_without_a_target_are_left_out() -> None:
    prices = [None, float("nan"), float("inf"), *range(N_ROWS - 3)]
    prepared = prepare_table(houses(price=prices), "price")
    assert prepared.frame.height == N_ROWS - 3
    assert prepared.source_rows.tolist() == list(range(4, N_ROWS + 1))
    assert prepared.notes[0] == "Left out 3 rows of 60 without a target 'price'."


def test_constant_target() -> None:
    assert refusal(prepare_table, houses(price=[2.5] * N_ROWS), "price") == (
        "The target 'price' is 2.5 in every row: there is nothing to learn."
    )


def test_one_class() -> None:
    assert refusal(prepare_table, houses(price=["spam"] * N_ROWS), "price") == (
        "The target 'price' has one class, 'spam', in all 60 rows; classification needs "
        "at least two."
    )


def test_one_row_and_two_rows() -> None:
    assert refusal(prepare_table, houses()[:1], "price") == (
        "The target 'price' has a value in 1 row only; training needs more rows."
    )
    assert refusal(prepare_table, houses()[:2], "price") == (
        "2 rows cannot be split into 3 parts (training, validation, test); at least 3 rows are "
        "needed, and far more to learn anything."
    )
    prepared = prepare_table(houses()[:3], "price")
    parts = (prepared.train, prepared.validation, prepared.test)
    assert [len(part) for part in parts if part is not None] == [1, 1, 1]
    assert prepared.notes[0] == (
        "1 training row: too few for a network to learn much; expect poor predictions."
    )


def test_unsuitable_targets() -> None:
    names = [f"name {row}" for row in range(N_ROWS)]
    assert refusal(prepare_table, houses(price=names), "price") == (
        "The target 'price' holds 60 different texts in 60 rows, such as 'name 0' and 'name 1': "
        "too few rows a class to learn from. Choose another target, or pass "
        "task='multiclass' to try."
    )
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 29), eager=True)
    assert refusal(prepare_table, houses(price=days), "price") == (
        "The target 'price' holds values of type Date; a target holds numbers, booleans or text."
    )


def test_tasks_that_do_not_fit() -> None:
    assert refusal(prepare_table, houses(), "price", task="regresion") == (
        "task: 'regresion' is not one of 'regression', 'binary', 'multiclass' and "
        "'classification'. Did you mean 'regression'?"
    )
    assert refusal(prepare_table, houses(), "kind", task="binary") == (
        "task='binary' needs two classes, but the target 'kind' has 3: 'flat', 'hut' and 'villa'. "
        "Use task='multiclass'."
    )
    assert refusal(prepare_table, houses(), "kind", task="regression").startswith(
        "Column 'kind', row 1: 'hut' is not a number (59 more like it in this column)."
    )
    assert refusal(prepare_table, houses(), "price", target_transform="log1").startswith(
        "target_transform: 'log1' is not one of 'auto', 'none', 'log' and 'log1p'. "
        "Did you mean 'log"
    )
    negative = houses(price=[-3.0, *range(N_ROWS - 1)])
    assert refusal(prepare_table, negative, "price", target_transform="log", seed=1) == (
        "target_transform='log': the target 'price' must be above 0, but its least training value "
        "is -3. Use target_transform='none'."
    )


def test_rare_and_uneven_classes_are_said() -> None:
    prepared = prepare_table(houses(price=["no"] * 57 + ["yes"] * 2 + ["so"]), "price")
    assert prepared.notes == (
        "42 training rows: too few for a network to learn much; expect poor predictions.",
        "The target 'price' has a single training row of class 'so'.",
        "The classes of 'price' are uneven: 'no' has 39 training rows (92.9%), 'so' 1 (2.4%). "
        "Accuracy alone says little here; Target.class_weights holds weights that even them out.",
    )


def test_integers_read_as_classes_are_said() -> None:
    prepared = prepare_table(houses(price=[row % 4 for row in range(N_ROWS)]), "price")
    assert prepared.target.task == "multiclass"
    assert prepared.notes[0] == (
        "The target 'price' counts from 0 to 3, so its 4 values are read as classes. To predict a "
        "number, pass task='regression'."
    )


# --- columns -------------------------------------------------------------------------------------


def test_choices_of_columns_are_checked() -> None:
    assert refusal(prepare_table, houses(), "price", columns={"sise": "number"}) == (
        "columns: the table has no column 'sise'. Did you mean 'size'?"
    )
    assert refusal(prepare_table, houses(), "price", columns={"size": "categorie"}) == (
        "columns['size']: 'categorie' is not one of 'number', 'category', 'boolean', 'date' and "
        "'ignore'. Did you mean 'category'?"
    )
    assert refusal(prepare_table, houses(), "price", columns={"price": "number"}) == (
        "columns: 'price' is the target; say what it is with task='regression', 'binary' or "
        "'multiclass'."
    )
    assert refusal(prepare_table, houses(), "price", columns={"kind": "number"}) == (
        "Column 'kind', row 1: 'hut' is not a number (59 more like it in this column). Correct the "
        "value or leave the cell empty; or train with columns={'kind': 'category'}."
    )
    assert refusal(prepare_table, houses(), "price", columns={"kind": "date"}) == (
        "Column 'kind' was chosen to be a date, but values such as 'hut' are in no known date "
        "format. Write dates as YYYY-MM-DD."
    )
    assert refusal(prepare_table, houses(), "price", columns={"kind": "boolean"}) == (
        "Column 'kind', row 1: 'hut' is not true or false (59 more like it in this column). "
        "Correct the value."
    )


def test_nothing_left_to_learn_from() -> None:
    choices = {"size": "ignore", "kind": "ignore"}
    assert refusal(prepare_table, houses(), "price", columns=choices) == (
        "No column is left to learn from: 'size' (ignored), 'kind' (ignored), 'price' (target). "
        "Use columns= to say what a column is, such as columns={'Zip': 'category'}."
    )


def test_columns_left_out_are_said() -> None:
    table = houses(
        story=[f"a long story about number {row}" for row in range(N_ROWS)],
        key=[f"u{row}" for row in range(N_ROWS)],
        same=[1] * N_ROWS,
        empty=[None] * N_ROWS,
        lists=[[1, 2]] * N_ROWS,
    )
    with collected_notes() as notes:
        schema = infer_schema(table, target="price")
    assert [column.name for column in schema.used] == ["size", "kind"]
    assert notes == [
        "Left out 1 column: 'story'. Free text is not read yet. To use one all the same: "
        "columns={'story': 'category'}.",
        "Left out 1 column: 'key'. What differs from row to row says nothing about new rows. To "
        "use one all the same: columns={'key': 'category'}.",
        "Left out 1 column: 'same'. One value in every row says nothing.",
        "Left out 1 column: 'empty'. There is no value in any row.",
        "Left out 1 column: 'lists'. Lists, structures and binary data are not read.",
    ]


def test_infinities() -> None:
    sizes = [float("inf"), float("-inf"), *map(float, range(N_ROWS - 2))]
    prepared = prepare_table(houses(size=sizes), "price")
    assert "2 infinite values in 'size' are read as missing." in prepared.notes
    with collected_notes() as notes:
        arrays = prepared.preprocessor.transform(houses(size=sizes)[:2])
    assert arrays.numbers.tolist() == [[0.0], [0.0]]
    assert notes == ["2 infinite values in 'size' are read as missing."]


def test_mixed_types() -> None:
    sizes = [str(row) for row in range(N_ROWS - 3)] + ["huge", "12 kg", "huge"]
    with collected_notes() as notes:
        schema = infer_schema(houses(size=sizes), target="price")
    assert schema["size"].kind == "number"
    assert notes == [
        "Column 'size' mixes numbers and text: 3 values such as 'huge' and '12 kg' (first in row "
        "58) are read as missing. To keep them, pass columns={'size': 'category'}."
    ]
    few = infer_schema(houses(size=["1", "2", "x"] * 20), target="price")
    assert few["size"].kind == "category"


def test_ambiguous_dates_are_said() -> None:
    days = [f"0{row % 9 + 1}/0{row % 5 + 1}/2020" for row in range(N_ROWS)]
    with collected_notes() as notes:
        infer_schema(houses(day=days), target="price")
    assert notes == [
        "Column 'day': dates such as '01/01/2020' are read with the month first (%m/%d/%Y); no "
        "value settles it. Write dates as YYYY-MM-DD if that is wrong."
    ]


def test_ten_thousand_columns() -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(rng.normal(size=(50, 10_000)), schema=[f"x{i}" for i in range(10_000)])
    prepared = prepare_table(table.with_columns(price=pl.col("x7") * 2 + pl.col("x8")), "price")
    assert prepared.train.arrays.numbers.shape == (34, 10_000)
    assert prepared.leaks == {}


# --- prediction ----------------------------------------------------------------------------------


def test_unseen_categories_at_prediction() -> None:
    preprocessor = prepare_table(houses(), "price").preprocessor
    with collected_notes() as notes:
        arrays = preprocessor.transform(houses(kind=["tent", "hut", "barn"] * 20))
    assert arrays.categories[:3, 0].tolist() == [0, 2, 0]
    assert notes == [
        "40 values of categories that training never saw are treated as unknown ('kind': 'barn' "
        "and 'tent')."
    ]


def test_missing_and_extra_columns_at_prediction() -> None:
    preprocessor = prepare_table(houses(), "price").preprocessor
    assert refusal(preprocessor.transform, houses().rename({"kind": "Kind"})) == (
        "The table lacks 1 column that training used: 'kind'. For 'kind', did you mean 'Kind'?"
    )
    assert refusal(preprocessor.transform, houses().select("price")) == (
        "The table lacks 2 columns that training used: 'size' and 'kind'."
    )
    with collected_notes() as notes:
        preprocessor.transform(houses(extra=[1] * N_ROWS).drop("price"))
    assert notes == ["Ignored 1 column that training did not have: 'extra'."]


def test_wrong_types_at_prediction() -> None:
    preprocessor = prepare_table(houses(), "price").preprocessor
    assert refusal(preprocessor.transform, houses(size=["1", "two", "3"] * 20)) == (
        "Column 'size', row 2: 'two' is not a number (19 more like it in this column). Correct the "
        "value or leave the cell empty; or train with columns={'size': 'category'}."
    )
    assert refusal(preprocessor.transform, houses(size=[[1]] * N_ROWS)) == (
        "Column 'size' holds values of type List(Int64), but numbers are expected."
    )
    assert refusal(preprocessor.transform, houses(kind=[[1]] * N_ROWS)) == (
        "Column 'kind' holds values of type List(Int64), but categories are expected."
    )


# --- splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"validation": 0.5, "test": 0.5},
            "validation=0.5 and test=0.5 leave no rows to train on; their sum must be below 1.",
        ),
        ({"test": 1}, "test must be a share from 0 to below 1, not 1."),
        (
            {"time_column": "Size"},
            "time_column: the table has no column 'Size'. Did you mean 'size'?",
        ),
        (
            {"time_column": "size", "group_column": "kind"},
            "split_rows: give time_column or group_column, not both.",
        ),
        (
            {"time_column": "kind"},
            "time_column 'kind' holds text in no known date format, such as 'hut' and 'villa'. "
            "Write dates as YYYY-MM-DD.",
        ),
        (
            {"time_column": "half"},
            "time_column 'half' has 2 different moments only; 3 parts (training, validation, test) "
            "need at least 3.",
        ),
        (
            {"group_column": "half"},
            "2 groups of rows in 'half' cannot be split into 3 parts (training, validation, test).",
        ),
    ],
    ids=["shares", "share", "name", "both", "text time", "moments", "groups"],
)
def test_splits_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    table = houses(half=[0, 1] * 30)
    assert refusal(prepare_table, table, "price", **options) == message


def test_leaks_are_said() -> None:
    table = houses().with_columns(
        copy=pl.col("price"), cube=-(pl.col("price") ** 3), fair=pl.col("price") % 5
    )
    prepared = prepare_table(table, "price")
    assert set(prepared.leaks) == {"copy", "cube"}
    assert prepared.notes[0] == (
        "Column 'copy' is a copy of the target. If it is not known when predictions are made, "
        "leave it out: columns={'copy': 'ignore'}."
    )
    assert prepared.notes[1] == (
        "Column 'cube' rises or falls with the target almost without exception. If it is not known "
        "when predictions are made, leave it out: columns={'cube': 'ignore'}."
    )
