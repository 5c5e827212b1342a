"""What columns are judged to be, and how text is read as numbers and dates."""

from __future__ import annotations

import datetime
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.tables import Column, Schema, collected_notes, infer_schema
from steepest.data.tables.dates import DATE_FORMATS, FEATURES, date_features, find_date_format
from steepest.data.tables.text import NumberFormat, choose_number_format, parse_numbers
from steepest.data.tables.values import to_labels, to_moments, to_numbers
from steepest.errors import CheckpointError

ROWS = range(40)


def judge(values: Any, name: str = "x", **choices: str) -> Column:
    table = pl.DataFrame({name: pl.Series(values)})
    with collected_notes():
        return infer_schema(table, columns=choices)[name]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3], "number"),
        ([0, 1] * 20, "number"),
        ([1.5, None, float("nan")], "number"),
        ([float("inf"), 1.0, 2.0], "number"),
        ([7, 7, None], "number"),
        ([True, False, None], "boolean"),
        (["TRUE", "false", None], "boolean"),
        (["a", "b", None], "category"),
        (["a", None, None], "category"),
        (["1", "2", "?"], "number"),
        (["$1,234", "$5"] * 20, "number"),
        (["02139", "10115"] * 20, "category"),
        ([str(row) for row in ROWS], "number"),
        (["1", "2", "x"] * 10, "category"),
        ([f"name{row}" for row in ROWS], "identifier"),
        ([f"the house with number {row}" for row in ROWS], "text"),
        (["x" * 80 + str(row) for row in ROWS], "text"),
        (["a b c d", "e f g h"] * 20, "category"),
        ([5, 5, 5], "constant"),
        (["a", "a"], "constant"),
        ([True, True], "constant"),
        ([None, None], "missing"),
        (["", "NA", " "], "missing"),
        ([float("nan"), None], "missing"),
        ([[1], [2]], "unsupported"),
        ([{"a": 1}, {"a": 2}], "unsupported"),
        ([b"a", b"b"], "unsupported"),
        ([datetime.date(2020, 1, 1), None], "date"),
        ([datetime.datetime(2020, 1, 1, 5), None], "date"),
        ([datetime.timedelta(days=1), datetime.timedelta(hours=5)], "number"),
        ([datetime.time(5), datetime.time(6)], "number"),
        (["2020-01-31", "2020-02-01"], "date"),
        (["31.1.2020", "1.2.2020", "?"], "date"),
        (["1.2.3", "1.2.4"], "category"),
    ],
    ids=repr,
)
def test_kinds(values: Any, kind: str) -> None:
    assert judge(values).kind == kind


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("id", list(ROWS), "identifier"),
        ("customerID", [row * 7 for row in ROWS], "identifier"),
        ("column_1", list(ROWS), "identifier"),
        ("row", list(ROWS), "identifier"),
        ("store_id", [row % 4 for row in ROWS], "category"),
        ("Zip", [10115 + row % 4 for row in ROWS], "category"),
        ("zip", [10115 + row for row in ROWS], "number"),
        ("t", list(ROWS), "number"),
        ("width", [row % 4 for row in ROWS], "number"),
        ("number of rooms", [row % 4 for row in ROWS], "number"),
    ],
)
def test_integers_named_as_keys_and_codes(name: str, values: list[int], kind: str) -> None:
    assert judge(values, name).kind == kind


def test_the_user_decides() -> None:
    assert judge([1, 2, 3], x="category").kind == "category"
    assert judge([1, 2, 3], x="ignore").kind == "ignored"
    assert judge([1, 0, 1], x="boolean").kind == "boolean"
    assert judge([f"name{row}" for row in ROWS], x="category").kind == "category"
    assert judge(["1.234,5", "2,5"], x="number").number_format == "comma"
    assert judge(["2020-01-31"], x="date").date_format == "%Y-%m-%d"


@pytest.mark.parametrize(
    ("texts", "number_format", "numbers"),
    [
        (["1", "-2.5", "+3e2"], "plain", [1.0, -2.5, 300.0]),
        (["1,234", "12,345,678.5"], "point", [1234.0, 12345678.5]),
        (["$5", "-$6.50", "$-7", "€ 8", "9 USD"], "point", [5.0, -6.5, -7.0, 8.0, 9.0]),
        (["12%", "7.5 %", "0.5"], "point", [0.12, 0.075, 0.5]),
        (["(1,000)", "2"], "point", [-1000.0, 2.0]),
        (["1 234", "1\u00a0234.5", "1'234"], "point", [1234.0, 1234.5, 1234.0]),
        (["\u2212 5", "1,000"], "point", [-5.0, 1000.0]),
        (["1.234,5", "12,5 %", "3"], "comma", [1234.5, 0.125, 3.0]),
        (["1,5", "1,234"], "comma", [1.5, 1.234]),
    ],
)
def test_number_formats(texts: list[str], number_format: str, numbers: list[float]) -> None:
    chosen, read = choose_number_format(pl.Series(texts))
    assert chosen == number_format
    assert read.to_list() == pytest.approx(numbers)


@pytest.mark.parametrize("number_format", ["plain", "point", "comma"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "12 kg",
        "1,23,4",
        "1..2",
        "--5",
        "5-",
        "0x10",
        "1_000",
        "$",
        "%",
        "()",
        "1 2",
        "e5",
    ],
)
def test_what_is_not_a_number(text: str, number_format: NumberFormat) -> None:
    assert parse_numbers(pl.Series([text]), number_format).to_list() == [None]


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=5))
@settings(deadline=None)
def test_floats_written_as_text_come_back_exactly(numbers: list[float]) -> None:
    texts = pl.Series([repr(number) for number in numbers])
    assert to_numbers(texts).to_list() == numbers
    assert judge(texts.to_list(), x="number").number_format == "plain"


@given(st.integers(-(10**15), 10**15), st.integers(0, 99))
@settings(deadline=None)
def test_grouped_numbers_come_back(whole: int, hundredths: int) -> None:
    sign = -1 if whole < 0 else 1
    expected = whole + sign * hundredths / 100
    point = f"{whole:,}.{hundredths:02d}"
    comma = point.translate(str.maketrans(",.", ".,"))
    assert parse_numbers(pl.Series([point]), "point")[0] == pytest.approx(expected)
    assert parse_numbers(pl.Series([comma]), "comma")[0] == pytest.approx(expected)


@pytest.mark.parametrize("date_format", [each for each in DATE_FORMATS if "z" not in each])
def test_every_date_format_is_found_again(date_format: str) -> None:
    moments = [datetime.datetime(1999, 12, 31, 23, 59, 58), datetime.datetime(2020, 2, 28, 0, 0, 0)]
    texts = pl.Series([each.strftime(date_format.replace("%.f", ".250")) for each in moments])
    found = find_date_format(texts)
    assert found is not None
    read = to_moments(texts, found)
    assert [each.date() for each in read.to_list()] == [each.date() for each in moments]
    if "%H" in date_format:
        assert read[0].hour == 23


def test_zones_are_moved_to_utc() -> None:
    texts = pl.Series(["2020-01-01T00:30:00+02:00", "2020-01-01T10:00:00Z"])
    found = find_date_format(texts)
    assert found is not None
    assert to_moments(texts, found).to_list() == [
        datetime.datetime(2019, 12, 31, 22, 30),
        datetime.datetime(2020, 1, 1, 10),
    ]
    zoned = pl.Series([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)])
    assert to_moments(zoned).to_list() == [datetime.datetime(2020, 1, 1)]


def test_date_features() -> None:
    moments = pl.Series([datetime.datetime(2020, 3, 1, 6, 30), None])
    features = date_features(moments, tuple(FEATURES))
    assert features.row(0, named=True) == {
        "year": 2020,
        "month": 3,
        "day of month": 1,
        "day of week": 7,
        "day of year": 61,
        "elapsed days": 18322 + 6.5 / 24,
        "hour": 6.5,
    }
    assert features.row(1) == (None,) * len(FEATURES)


def test_labels_do_not_depend_on_the_type() -> None:
    assert to_labels(pl.Series([1, None, 20])).to_list() == ["1", None, "20"]
    assert to_labels(pl.Series([1.0, float("nan"), 20.0])).to_list() == ["1", None, "20"]
    assert to_labels(pl.Series(["1", " NA", " 20 "])).to_list() == ["1", None, "20"]
    assert to_labels(pl.Series(["a", "b"], dtype=pl.Categorical)).to_list() == ["a", "b"]
    booleans = [pl.Series([True, False]), pl.Series([1, 0]), pl.Series(["YES", "f"])]
    for series in booleans:
        assert to_labels(series, boolean=True).to_list() == ["true", "false"]


def test_schema_survives_json() -> None:
    table = pl.DataFrame({"a": ["1,5", "2,5"], "b": ["x", "y"], "d": ["2020-01-01", "2020-01-02"]})
    schema = infer_schema(table, target="b")
    document = json.loads(json.dumps(schema.to_dict()))
    assert Schema.from_dict(document) == schema
    assert schema["a"].number_format == "comma"
    assert schema["b"].kind == "target"
    assert "a" in schema
    with pytest.raises(KeyError, match="no column 'A'"):
        schema["A"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"version": 2},
            "table_schema: the document has version 2, but this steepest reads version 1. Use the "
            "steepest that wrote it, or train again.",
        ),
        (
            {"format": "other"},
            "table_schema: the document's format is 'other', not 'steepest.table_schema'.",
        ),
        ({"column": []}, "table_schema: unknown key 'column'. Did you mean 'columns'?"),
        ({"columns": None}, "table schema: columns is not a list."),
        ({"columns": [{}]}, "table schema column: the document lacks 'name', 'kind', 'dtype', "),
    ],
)
def test_damaged_schemas_are_refused(change: dict[str, Any], message: str) -> None:
    document = infer_schema(pl.DataFrame({"a": [1, 2]})).to_dict()
    with pytest.raises(CheckpointError) as caught:
        Schema.from_dict({**document, **change})
    assert str(caught.value).startswith(message)
