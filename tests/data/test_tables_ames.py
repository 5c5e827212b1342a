"""The real house prices that ship in examples/data, end to end."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.data.tables import (
    PreparedTable,
    TablePreprocessor,
    Target,
    collected_notes,
    prepare_table,
    read_table,
)

FOLDER = Path(__file__).parents[2] / "examples" / "data"
AMES = FOLDER / "ames.csv"


@pytest.fixture(scope="module")
def prepared() -> PreparedTable:
    return prepare_table(AMES, "Sale_Price", seed=1)


def test_the_file_is_the_one_that_its_readme_describes() -> None:
    data = AMES.read_bytes()
    assert len(data) < 2_000_000
    assert hashlib.sha256(data).hexdigest() in (FOLDER / "README.md").read_text()
    assert "MIT" in (FOLDER / "LICENSE.ames").read_text()


def test_ames_is_read_whole() -> None:
    table = read_table(AMES)
    assert table.shape == (2930, 74)
    assert sum(table.null_count().row(0)) == 0
    assert table["Sale_Price"].sum() == 529_732_456
    assert table["Sale_Type"].to_list()[0] == "WD"
    plain = pl.read_csv(AMES)
    numbers = [name for name, dtype in plain.schema.items() if dtype.is_numeric()]
    assert table.select(numbers).equals(plain.select(numbers))


def test_ames_is_prepared(prepared: PreparedTable) -> None:
    assert (len(prepared.train), len(prepared.validation or ()), len(prepared.test or ())) == (
        2050,
        440,
        440,
    )
    assert prepared.target.task == "regression"
    assert prepared.target.transform == "log"
    assert prepared.leaks == {}
    assert [column.kind for column in prepared.schema.left_out] == ["target"]
    arrays = prepared.train.arrays
    assert arrays.numbers.shape == (2050, 33)
    assert arrays.categories.shape == (2050, 40)
    assert arrays.missing.shape == (2050, 0)
    assert np.all(arrays.categories < np.array(prepared.preprocessor.cardinalities))
    assert np.all(np.abs(arrays.numbers) <= 3)
    assert prepared.train.targets.std() == pytest.approx(1.0, abs=1e-5)


def test_prices_come_back(prepared: PreparedTable) -> None:
    assert prepared.test is not None
    prices = prepared.frame["Sale_Price"].to_numpy()[prepared.test.rows]
    assert np.allclose(prepared.target.decode(prepared.test.targets), prices, rtol=1e-6)


def test_preparing_twice_gives_the_same_bits(prepared: PreparedTable) -> None:
    again = prepare_table(AMES, "Sale_Price", seed=1)
    assert np.array_equal(again.train.rows, prepared.train.rows)
    assert again.train.arrays.numbers.tobytes() == prepared.train.arrays.numbers.tobytes()
    assert again.train.targets.tobytes() == prepared.train.targets.tobytes()
    assert again.notes == prepared.notes


def test_a_saved_preprocessor_predicts_for_single_rows(prepared: PreparedTable) -> None:
    saved = json.dumps([prepared.preprocessor.to_dict(), prepared.target.to_dict()])
    preprocessor = TablePreprocessor.from_dict(json.loads(saved)[0])
    assert Target.from_dict(json.loads(saved)[1]) == prepared.target
    row = int(prepared.train.rows[7])
    record = prepared.frame.drop("Sale_Price").row(row, named=True)
    with collected_notes() as notes:
        arrays = preprocessor.transform(read_table([record]))
    assert notes == []
    assert np.array_equal(arrays.numbers[0], prepared.train.arrays.numbers[7])
    assert np.array_equal(arrays.categories[0], prepared.train.arrays.categories[7])
