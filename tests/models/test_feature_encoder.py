"""`FeatureEncoder`: any arrays of a table become a finite matrix of the stated width."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from steepest.data.tables import TableArrays
from steepest.errors import CheckpointError
from steepest.models.tabular.features import BIN_SIZE, FEWEST_BINS, FeatureEncoder

PROFILE = settings(max_examples=60, deadline=None, derandomize=True)

NUMBERS = st.one_of(
    st.floats(-3, 3, width=32),
    st.sampled_from([0.0, -0.0, 1.0, 1e-30, 3.0]),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[TableArrays, tuple[int, ...]]:
    """Arrays as `TablePreprocessor` makes them, and the cardinalities of their categories."""
    rows = draw(st.integers(1, 40))
    numbers = draw(arrays.arrays(np.float32, (rows, draw(st.integers(0, 4))), elements=NUMBERS))
    missing = draw(
        arrays.arrays(
            np.float32, (rows, draw(st.integers(0, 2))), elements=st.sampled_from([0.0, 1.0])
        )
    )
    cardinalities = tuple(draw(st.lists(st.integers(1, 6), max_size=3)))
    codes = [
        draw(arrays.arrays(np.int64, rows, elements=st.integers(0, most - 1)))
        for most in cardinalities
    ]
    categories = np.stack(codes, axis=1) if codes else np.empty((rows, 0), np.int64)
    return TableArrays(numbers, categories, missing), cardinalities


@given(tables())
@PROFILE
def test_matrix_is_finite_bounded_and_as_wide_as_stated(
    table: tuple[TableArrays, tuple[int, ...]],
) -> None:
    encoder = FeatureEncoder.fit(*table)
    matrix = encoder.transform(table[0])
    assert matrix.shape == (len(table[0]), encoder.width)
    assert matrix.dtype == np.float32
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max(initial=0.0) <= 3.0


@given(tables(), st.data())
@PROFILE
def test_other_rows_have_the_same_width(
    table: tuple[TableArrays, tuple[int, ...]], data: st.DataObject
) -> None:
    """Rows that training never saw: other numbers, and code 0 for unseen categories."""
    seen, cardinalities = table
    encoder = FeatureEncoder.fit(seen, cardinalities)
    rows = data.draw(st.integers(1, 5))
    shape = (rows, seen.numbers.shape[1])
    other = TableArrays(
        data.draw(arrays.arrays(np.float32, shape, elements=NUMBERS)),
        np.zeros((rows, len(cardinalities)), np.int64),
        np.ones((rows, seen.missing.shape[1]), np.float32),
    )
    matrix = encoder.transform(other)
    assert matrix.shape == (rows, encoder.width)
    assert np.isfinite(matrix).all()


@given(tables())
@PROFILE
def test_round_trip_through_json(table: tuple[TableArrays, tuple[int, ...]]) -> None:
    encoder = FeatureEncoder.fit(*table)
    text = json.dumps(encoder.to_dict())
    again = FeatureEncoder.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    assert again.width == encoder.width
    assert again.transform(table[0]).tobytes() == encoder.transform(table[0]).tobytes()


@given(tables())
@PROFILE
def test_a_row_depends_on_itself_alone(table: tuple[TableArrays, tuple[int, ...]]) -> None:
    encoder = FeatureEncoder.fit(*table)
    matrix = encoder.transform(table[0])
    order = np.arange(len(table[0]))[::-1]
    assert encoder.transform(table[0].take(order)).tobytes() == matrix[order].tobytes()


def encode(numbers: Any = (), categories: Any = (), cardinalities: Any = (), missing: Any = ()):
    """The encoder and the matrix of columns given one by one."""
    rows = max(len(each[0]) for each in (numbers, categories, missing) if len(each))
    table = TableArrays(
        np.array(numbers, np.float32).reshape(len(numbers), rows).T,
        np.array(categories, np.int64).reshape(len(categories), rows).T,
        np.array(missing, np.float32).reshape(len(missing), rows).T,
    )
    encoder = FeatureEncoder.fit(table, cardinalities)
    return encoder, encoder.transform(table)


def test_two_values_need_neither_spike_nor_bins() -> None:
    encoder, matrix = encode(numbers=[[1, 2, 1, 2, 1, 1]])
    assert (encoder.spikes, encoder.edges, encoder.width) == ((), (), 1)
    assert matrix[:, 0].tolist() == [1, 2, 1, 2, 1, 1]


def test_spike_at_a_quarter_of_the_rows() -> None:
    encoder, matrix = encode(numbers=[[0, 0, 1, 2, 3, 4, 5, 6]])
    assert encoder.spikes == ((0, 0.0),)
    assert matrix[:, 1].tolist() == [1, 1, -1, -1, -1, -1, -1, -1]
    without, _ = encode(numbers=[[0, 0, 1, 2, 3, 4, 5, 6, 7]])
    assert without.spikes == ()


def test_bins_say_how_far_a_number_has_gone() -> None:
    values = np.linspace(0, 1, 17)
    encoder, matrix = encode(numbers=[values])
    assert encoder.width == 1 + FEWEST_BINS
    bins = matrix[:, 1:] / BIN_SIZE
    assert bins[0].tolist() == [0.0] * FEWEST_BINS
    assert bins[-1].tolist() == [1.0] * FEWEST_BINS
    np.testing.assert_allclose(bins[3], [1, 0.5, 0, 0, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(bins.sum(axis=1), values * FEWEST_BINS, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "bins"), [(100, 8), (2_249, 8), (2_250, 9), (4_000, 16), (9_000, 16)]
)
def test_larger_tables_get_more_bins(rows: int, bins: int) -> None:
    encoder, _ = encode(numbers=[np.linspace(0, 1, rows)])
    assert encoder.width == 1 + bins


def test_plain_columns_are_no_spikes_and_no_bins() -> None:
    number = [0, 0, 0, 0, 0, 1, 2, 3]
    codes = [1, 2, 3, 1, 2, 3, 1, 2]
    encoder, matrix = encode([number], [codes], cardinalities=(4,), missing=[[0, 1] * 4])
    assert encoder.spikes
    assert encoder.edges
    plain = matrix[:, encoder.plain_columns]
    assert plain[:, 0].tolist() == number
    assert plain.shape == (8, 1 + 1 + 3)
    assert plain[:, 1].tolist() == [0, 1] * 4
    assert plain[:, 2:].tolist() == np.eye(3)[np.array(codes) - 1].tolist()


def test_numbers_beyond_the_training_rows_stay_in_their_bins() -> None:
    encoder, _ = encode(numbers=[np.linspace(0, 1, 17)])
    beyond = TableArrays(
        np.array([[-3.0], [3.0]], np.float32), np.empty((2, 0), np.int64), np.empty((2, 0))
    )
    bins = encoder.transform(beyond)[:, 1:] / np.float32(BIN_SIZE)
    assert bins.tolist() == [[0.0] * FEWEST_BINS, [1.0] * FEWEST_BINS]


def test_numbers_without_end_are_bounded() -> None:
    encoder, _ = encode(numbers=[np.linspace(0, 1, 17)])
    huge = TableArrays(
        np.array([[-1e30], [40.0]], np.float32), np.empty((2, 0), np.int64), np.empty((2, 0))
    )
    assert encoder.transform(huge)[:, 0].tolist() == [-32.0, 32.0]


def test_categories() -> None:
    encoder, matrix = encode(
        categories=[[0, 1, 2, 1], [0, 1, 2, 3], [0, 1, 1, 1], [0, 0, 0, 0]],
        cardinalities=[3, 4, 2, 1],
    )
    assert encoder.width == 1 + 3 + 0 + 0
    assert matrix.tolist() == [
        [0, 0, 0, 0],
        [-1, 1, 0, 0],
        [1, 0, 1, 0],
        [-1, 0, 0, 1],
    ]


def test_missing_marks_stand_after_the_numbers() -> None:
    _, matrix = encode(numbers=[[1, 2, 1]], missing=[[0, 0, 1]])
    assert matrix.tolist() == [[1, 0], [2, 0], [1, 1]]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "steepest.table_target", "table_features: the document's format is "),
        ("version", 9, "table_features: the document has version 9, "),
        ("spikes", [[0]], "table features: the document is damaged: "),
        ("edges", [[0, ["x"]]], "table features: the document is damaged: "),
        ("number_count", None, "table features: the document is damaged: "),
        ("cardinalities", 3, "table features: the document is damaged: "),
        ("number_count", 0, "table features: the document is damaged: no such column."),
        ("missing_count", -1, "table features: the document is damaged: no such column."),
        ("spikes", [[7, 0.0]], "table features: the document is damaged: no such column."),
        ("edges", [[-1, [0.0, 1.0]]], "table features: the document is damaged: no such column."),
        (
            "edges",
            [[0, [1.0, 0.0]]],
            "table features: the document is damaged: the edges of column",
        ),
        ("edges", [[0, [float("nan"), 1.0]]], "table features: the document is damaged: the edges"),
        ("cardinalities", [0], "table features: the document is damaged: a cardinality below 1."),
    ],
)
def test_damaged_documents(key: str, value: Any, message: str) -> None:
    document = encode(numbers=[np.arange(20)])[0].to_dict()
    with pytest.raises(CheckpointError) as caught:
        FeatureEncoder.from_dict({**document, key: value})
    assert str(caught.value).startswith(message)
