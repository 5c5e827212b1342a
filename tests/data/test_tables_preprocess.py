"""Arrays from tables: scaling, codes, missing values; learned from training rows only."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from steepest.data.tables import (
    TableArrays,
    TablePreprocessor,
    collected_notes,
    infer_schema,
    read_table,
)
from steepest.data.tables.categories import Coder
from steepest.data.tables.scaling import METHODS, Scaler, smooth_clip
from steepest.errors import ArgumentError, CheckpointError, DataError

NAN = float("nan")
SLOW_MACHINES = [HealthCheck.too_slow]


def same(left: TableArrays, right: TableArrays) -> bool:
    names = ("numbers", "categories", "missing")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


def example() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "size": [1.0, 2.0, None, 4.0, 100.0],
            "rooms": [1, 2, 3, 4, 5],
            "price": ["$1,000", "$2,000", "", "$4,000", "$5,000"],
            "kind": ["a", "b", "a", None, "c"],
            "new": [True, False, True, True, None],
            "sold": ["2020-01-05", "2020-02-05", None, "2021-03-05", "2021-04-05"],
        }
    )


def test_arrays_of_an_example() -> None:
    preprocessor = TablePreprocessor.fit(example())
    arrays = preprocessor.transform(example())
    dates = ("year", "month", "day of week", "day of year", "elapsed days")
    assert preprocessor.number_names == ("size", "rooms", "price", *(f"sold: {d}" for d in dates))
    assert preprocessor.category_names == ("kind", "new")
    assert preprocessor.cardinalities == (4, 3)
    assert preprocessor.missing_names == ("size", "price", "sold")
    assert preprocessor.input_names == ("size", "rooms", "price", "kind", "new", "sold")
    assert arrays.numbers.dtype == np.float32
    assert arrays.categories.dtype == np.int64
    assert arrays.missing.dtype == np.float32
    assert arrays.categories.tolist() == [[1, 2], [2, 1], [1, 2], [0, 2], [3, 0]]
    assert arrays.missing[2].tolist() == [1.0, 1.0, 1.0]
    assert arrays.missing.sum() == 3
    assert arrays.numbers[2, [0, 2, 3]].tolist() == [0.0, 0.0, 0.0]
    rooms = (np.arange(1, 6) - 3) / 2
    assert arrays.numbers[:, 1] == pytest.approx(rooms / np.sqrt(1 + (rooms / 3) ** 2))


def test_robust_scaling_is_that_of_the_paper() -> None:
    values = np.array([[0.0, 5.0, 0.0], [1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [9.0, 5.0, 10.0]] * 2)
    values = np.vstack([values, [[3.0, 5.0, 0.0]]])
    scaler = Scaler.fit(values)
    quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    assert scaler.centers == pytest.approx(quartiles[1])
    expected = [quartiles[2, 0] - quartiles[0, 0], 0.0, 10.0 / 2]
    assert scaler.scales.tolist() == pytest.approx(expected)
    scaled = scaler.transform(values)
    assert np.all(scaled[:, 1] == 0)
    x = (values[:, 0] - quartiles[1, 0]) / expected[0]
    assert scaled[:, 0] == pytest.approx(x / np.sqrt(1 + (x / 3) ** 2), rel=1e-6)


@pytest.mark.parametrize(
    ("rows", "method"), [(2, "standard"), (1_000, "standard"), (1_001, "log_robust")]
)
def test_few_rows_are_standardised(rows: int, method: str) -> None:
    values = np.random.default_rng(0).lognormal(size=(rows, 2))
    scaler = Scaler.fit(values, "auto")
    assert scaler.method == method
    expected = Scaler.fit(values, method).transform(values)
    assert scaler.transform(values).tolist() == expected.tolist()


def test_standard_scaling_is_scikit_learns() -> None:
    values = np.random.default_rng(0).normal(3, 5, size=(50, 4))
    values[::7, 1] = NAN
    values[:, 3] = 2.5
    expected = StandardScaler().fit_transform(values)
    expected[np.isnan(expected)] = 0
    assert Scaler.fit(values, "standard").transform(values) == pytest.approx(expected, abs=1e-6)


def test_quantile_scaling_makes_any_distribution_normal() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=(5000, 1))) ** 2
    scaled = Scaler.fit(values, "quantile").transform(values)[:, 0]
    assert abs(scaled.mean()) < 0.01
    assert scaled.std() == pytest.approx(1.0, abs=0.02)
    assert np.array_equal(np.argsort(values[:, 0]), np.argsort(scaled, kind="stable"))
    tied = np.array([[1.0]] * 50 + [[2.0]] * 50)
    low, high = np.unique(Scaler.fit(tied, "quantile").transform(tied))
    assert low == pytest.approx(-high)


def test_smooth_clip_keeps_small_values_and_limits_large_ones() -> None:
    values = np.array([0.0, 0.1, -0.1, 1e300, -1e300])
    assert smooth_clip(values) == pytest.approx([0.0, 0.1, -0.1, 3.0, -3.0], abs=1e-3)


ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(
    training=st.lists(ANY_FLOAT, min_size=1, max_size=20),
    later=st.lists(ANY_FLOAT, min_size=1, max_size=20),
    method=st.sampled_from(METHODS),
)
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW_MACHINES)
def test_no_number_becomes_nan_or_infinite(
    training: list[float], later: list[float], method: str
) -> None:
    with collected_notes():
        table = pl.DataFrame({"x": training, "k": ["a"] * len(training)})
        schema = infer_schema(table, columns={"k": "category", "x": "number"})
        preprocessor = TablePreprocessor.fit(table, schema, numeric_transform=method)
        arrays = preprocessor.transform(pl.DataFrame({"x": later, "k": ["b"] * len(later)}))
    assert np.isfinite(arrays.numbers).all()
    assert np.isfinite(arrays.missing).all()


@st.composite
def tables(draw: Callable[..., Any]) -> pl.DataFrame:
    """Small tables of any types, with at least 2 rows."""
    n_rows = draw(st.integers(2, 8))
    cells = {
        "number": st.none() | st.floats(-1e9, 1e9),
        "integer": st.none() | st.integers(-1000, 1000),
        "word": st.none() | st.sampled_from(["a", "b", "c d", "né", ""]),
        "flag": st.none() | st.booleans(),
        "day": st.none() | st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)),
    }
    types = {
        "number": pl.Float64,
        "integer": pl.Int64,
        "word": pl.String,
        "flag": pl.Boolean,
        "day": pl.Date,
    }
    columns = [
        pl.Series(name, draw(st.lists(cell, min_size=n_rows, max_size=n_rows)), dtype=types[name])
        for name, cell in cells.items()
    ]
    columns.append(pl.Series("always", [float(row) for row in range(n_rows)]))
    return pl.DataFrame(columns)


@given(table=tables(), method=st.sampled_from(METHODS))
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW_MACHINES)
def test_preprocessors_survive_json(table: pl.DataFrame, method: str) -> None:
    with collected_notes():
        preprocessor = TablePreprocessor.fit(table, numeric_transform=method)
        again = TablePreprocessor.from_dict(json.loads(json.dumps(preprocessor.to_dict())))
        assert again == preprocessor
        assert same(again.transform(table), preprocessor.transform(table))


@given(table=tables(), data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW_MACHINES)
def test_rows_are_transformed_one_by_one(table: pl.DataFrame, data: st.DataObject) -> None:
    """A row's arrays do not depend on the other rows that are transformed with it."""
    with collected_notes():
        preprocessor = TablePreprocessor.fit(table)
        whole = preprocessor.transform(table)
        rows = data.draw(st.lists(st.integers(0, table.height - 1), min_size=1, max_size=5))
        assert same(preprocessor.transform(table[rows]), whole.take(np.array(rows)))


@given(first=tables(), second=tables(), third=tables())
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_MACHINES)
def test_only_training_rows_are_learned_from(
    first: pl.DataFrame, second: pl.DataFrame, third: pl.DataFrame
) -> None:
    """With the kinds of columns given, the rest of the table changes nothing that is learned."""
    with collected_notes():
        fits = []
        for rest in (second, third):
            whole = pl.concat([first, rest])
            choices = {name: kind for name, kind in KINDS.items() if name in whole.columns}
            schema = infer_schema(whole, columns=choices)
            fits.append(TablePreprocessor.fit(whole[: first.height], schema))
    assert fits[0] == fits[1]


KINDS = {
    "number": "number",
    "integer": "number",
    "word": "category",
    "flag": "boolean",
    "day": "date",
    "always": "number",
}


def test_a_csv_gives_the_arrays_of_the_table_it_was_written_from(tmp_path: Any) -> None:
    table = example()
    preprocessor = TablePreprocessor.fit(table)
    table.write_csv(tmp_path / "t.csv")
    read = read_table(tmp_path / "t.csv")
    assert same(preprocessor.transform(read), preprocessor.transform(table))
    assert TablePreprocessor.fit(read).cardinalities == preprocessor.cardinalities


def test_categories_from_any_type_are_known_again() -> None:
    trained = pl.DataFrame({"code": [1, 2, 3, None], "x": [1.0, 2.0, 3.0, 4.0]})
    schema = infer_schema(trained, columns={"code": "category"})
    preprocessor = TablePreprocessor.fit(trained, schema)
    for values in ([3.0, NAN], ["3", ""], ["3 ", None]):
        arrays = preprocessor.transform(pl.DataFrame({"code": values, "x": [1.0, 2.0]}))
        assert arrays.categories.tolist() == [[3], [0]]


def test_dates_are_read_in_the_format_of_training() -> None:
    days = ["31/12/2019", "01/02/2020", "05/03/2020"]
    preprocessor = TablePreprocessor.fit(pl.DataFrame({"day": days, "x": [1, 2, 3]}))
    later = pl.DataFrame({"day": ["01/02/2020"], "x": [1]})
    typed = pl.DataFrame({"day": [datetime.date(2020, 2, 1)], "x": [1]})
    assert same(preprocessor.transform(later), preprocessor.transform(typed))
    with pytest.raises(DataError) as caught:
        preprocessor.transform(pl.DataFrame({"day": ["12/31/2020"], "x": [1]}))
    assert str(caught.value) == (
        "Column 'day', row 1: '12/31/2020' is not a date written as '%d/%m/%Y'. Correct the value."
    )


def test_words_that_were_missing_in_training_are_missing_later() -> None:
    sizes = [str(row) for row in range(60)] + ["huge"]
    with collected_notes():
        preprocessor = TablePreprocessor.fit(pl.DataFrame({"size": sizes}))
    arrays = preprocessor.transform(pl.DataFrame({"size": ["30", "huge", "?", ""]}))
    assert arrays.missing[:, 0].tolist() == [0.0, 1.0, 1.0, 1.0]
    with pytest.raises(DataError, match=r"^Column 'size', row 1: 'tiny' is not a number\."):
        preprocessor.transform(pl.DataFrame({"size": ["tiny"]}))


def test_rare_categories_share_the_code_of_the_unknown() -> None:
    common = [f"c{row % 60}" for row in range(180)]
    coder = Coder.fit(pl.Series([*common, "rare"]), max_categories=1000)
    assert coder.cardinality == 61
    assert coder.rare == ("rare",)
    codes, unseen = coder.transform(pl.Series(["rare", "new", "c0", None]))
    assert codes.tolist() == [0, 0, 1, 0]
    assert unseen == ["new"]
    few = Coder.fit(pl.Series(["a", "a", "b", "b", "c"]), max_categories=2)
    assert few.labels == ("a", "b")
    assert few.rare == ("c",)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        TablePreprocessor.fit(example(), numeric_transform="robuts")
    assert str(caught.value) == (
        "numeric_transform: 'robuts' is not one of 'auto', 'robust', 'log_robust', 'standard' and "
        "'quantile'. Did you mean 'robust'?"
    )
    with pytest.raises(ArgumentError, match=r"^max_categories must be at least 1, not 0\.$"):
        TablePreprocessor.fit(example(), max_categories=0)
    with pytest.raises(DataError, match="the training part has no rows"):
        TablePreprocessor.fit(example()[:0])


def damage(document: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 9, "table_preprocessor: the document has version 9, but this steepest"),
        (("extra",), 9, "table_preprocessor: unknown key 'extra'."),
        (("scaler", "method"), "x", "table scaler: no method 'x'."),
        (("scaler", "centers"), [1.0], "table scaler: centers, scales and quantiles do not fit"),
        (("scaler", "scales"), ["a"], "table scaler scales: expected a finite number, not 'a'."),
        (("with_missing",), ["?"], "table preprocessor: the scaler does not fit the schema."),
        (("coders", "kind", "labels"), ["a", "a"], "table categories: a label repeats."),
        (
            ("coders", "kind", "labels"),
            [1],
            "table categories: labels: expected a list of strings.",
        ),
        (
            ("coders", "kin"),
            {},
            "table preprocessor: coders: unknown key 'kin'. Did you mean 'kind'",
        ),
        (("date_features", "sold"), ["era"], "table preprocessor: no date feature 'era'."),
    ],
)
def test_damaged_preprocessors_are_refused(path: Any, value: Any, message: str) -> None:
    document = json.loads(json.dumps(TablePreprocessor.fit(example()).to_dict()))
    with pytest.raises(CheckpointError) as caught:
        TablePreprocessor.from_dict(damage(document, path, value))
    assert str(caught.value).startswith(message)
