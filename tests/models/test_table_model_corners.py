"""Tables that are too small, too wide or too plain, and arguments that make no sense."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
from table_samples import QUICK, notes_of, quick_fit, regression

from steepest.data.tables import prepare_table
from steepest.errors import ArgumentError, DataError
from steepest.models import TableModel
from steepest.models.tabular import Recipe
from steepest.models.tabular import model as tabular


def refusal(error: type[Exception], source: Any, target: Any = "answer", **options: Any) -> str:
    with pytest.raises(error) as caught:
        quick_fit(source, target, **options)
    return str(caught.value)


def test_one_row() -> None:
    assert refusal(DataError, {"x": [1.0], "answer": [2.0]}) == (
        "The target 'answer' has a value in 1 row only; training needs more rows."
    )


@pytest.mark.parametrize("rows", [2, 3, 5, 9])
@pytest.mark.parametrize("is_number", [True, False])
def test_a_handful_of_rows(rows: int, is_number: bool) -> None:
    x = np.arange(rows) ** 1.5
    labels = np.array(["no", "yes"])
    answer = x * 2 + 1 if is_number else labels[np.arange(rows) % 2]
    model = quick_fit({"x": x, "answer": answer})
    assert model.recipe.members == min(4, rows)
    predicted = model.predict({"x": np.array([-5.0, 0.5, 100.0, np.nan])})
    if is_number:
        assert answer.min() <= predicted.min()
        assert predicted.max() <= answer.max()
    else:
        assert set(predicted) <= {"no", "yes"}


def test_few_rows_are_remarked_on() -> None:
    source = {"x": [1.0, 2.5], "answer": [1.5, 2.0]}
    with mock.patch.object(tabular, "BACK_END", "evaluator"):
        _, said = notes_of(lambda: TableModel.fit(source, "answer", epochs=1, progress="none"))
    assert said == [
        "2 training rows: too few for a network to learn much; expect poor predictions."
    ]


def test_one_class() -> None:
    assert refusal(DataError, {"x": [1.0, 2.5, 3.0], "answer": ["p"] * 3}) == (
        "The target 'answer' has one class, 'p', in all 3 rows; classification needs at least two."
    )


def test_one_number() -> None:
    assert refusal(DataError, {"x": [1.0, 2.5, 3.0], "answer": [4.5] * 3}) == (
        "The target 'answer' is 4.5 in every row: there is nothing to learn."
    )


def test_a_class_of_one_row_can_be_predicted() -> None:
    random = np.random.default_rng(0)
    answer = ["often"] * 40 + ["never"] * 39 + ["once"]
    model = quick_fit({"x": random.normal(size=80), "answer": answer}, epochs=1)
    assert model.target.classes == ("never", "often", "once")
    assert model.predict_probabilities({"x": [0.5]}).shape == (1, 3)


def test_constant_columns_are_left_out() -> None:
    frame = regression(rows=60)
    plain = quick_fit(frame, epochs=1)
    constant = frame.with_columns(
        one=pl.lit(1.5), word=pl.lit("same"), none=pl.lit(None, pl.String)
    )
    model = quick_fit(constant, epochs=1)
    assert model.preprocessor.input_names == plain.preprocessor.input_names
    assert model.predict(frame).tobytes() == plain.predict(frame).tobytes()


def test_only_constant_columns() -> None:
    message = refusal(DataError, {"x": [1.0] * 5, "answer": [1.0, 2.0, 3.0, 4.0, 6.0]})
    assert message.startswith("No column is left to learn from: 'x' (constant), 'answer' (target).")


def test_column_that_becomes_constant_in_the_training_rows() -> None:
    """A category whose other value is in the test rows only still has a place at prediction."""
    rows = 60
    random = np.random.default_rng(0)
    word = ["a"] * rows
    frame = pl.DataFrame({"x": random.normal(size=rows), "answer": random.normal(size=rows)})
    parts = prepare_table(frame, "answer", validation=0.0, test=0.2)
    assert parts.test is not None
    word[int(parts.test.rows[0])] = "b"
    prepared, _ = notes_of(
        lambda: prepare_table(
            frame.with_columns(word=pl.Series(word)), "answer", validation=0.0, test=0.2
        )
    )
    model = quick_fit(prepared, None, epochs=1)
    answer, said = notes_of(model.predict, {"x": [0.0, 0.0], "word": ["a", "b"]})
    assert answer[0] == answer[1]
    assert len(said) == 1


def test_three_hundred_columns_and_forty_rows() -> None:
    random = np.random.default_rng(0)
    columns = {f"c{place}": random.normal(size=40) for place in range(300)}
    columns["answer"] = 3 * columns["c0"] + columns["c1"]
    model = quick_fit(columns)
    figures = model.evaluate(columns)
    assert np.isfinite(list(figures.values())).all()
    assert figures["r2"] >= 0
    assert model.features.width > 300


def test_three_hundred_columns_of_few_values() -> None:
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {
        f"c{place}": random.choice(["a", "b", "c"], 40) for place in range(150)
    }
    columns |= {f"d{place}": random.choice([0, 1], 40) for place in range(150)}
    columns["answer"] = np.where(columns["d3"] == 1, "yes", "no")
    model = quick_fit(columns, columns={"d3": "number"})
    assert model.features.width == 150 * 3 + 150
    assert model.evaluate(columns)["accuracy"] >= 0.5


def test_huge_and_tiny_numbers() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=80)
    frame = {"x": x * 1e250, "small": x * 1e-250, "answer": x * 1e100}
    model = quick_fit(frame)
    assert np.isfinite(model.predict(frame)).all()
    assert model.evaluate(frame)["r2"] > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "TableModel.fit: epochs must be at least 1, not 0."),
        ({"seed": -1}, "TableModel.fit: seed must be a whole number of at least 0, not -1."),
        ({"seed": 0.5}, "TableModel.fit: seed must be a whole number of at least 0, not 0.5."),
        ({"seed": True}, "TableModel.fit: seed must be a whole number of at least 0, not True."),
        ({"resume": True}, "fit: resume=True needs checkpoint=FOLDER to resume from."),
        (
            {"task": "regresion"},
            "task: 'regresion' is not one of 'regression', 'binary', 'multiclass' and "
            "'classification'. Did you mean 'regression'?",
        ),
        (
            {"columns": {"sise": "number"}},
            "columns: the table has no column 'sise'. Did you mean 'size'?",
        ),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    assert refusal(ArgumentError, regression(rows=20), **options) == message


def test_target_must_be_named_once() -> None:
    frame = regression(rows=60)
    assert refusal(ArgumentError, frame, None) == (
        "TableModel.fit: target= must name the column to predict."
    )
    prepared = prepare_table(frame, "answer")
    assert refusal(ArgumentError, prepared, "answer") == (
        "TableModel.fit: target, task, columns and target_transform belong to prepare_table, "
        "whose result was given."
    )
    message = refusal(DataError, frame, "anser")
    assert message.startswith("The table has no target column 'anser'. Did you mean 'answer'?")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("members", 1, "members must be a whole number of at least 2, not 1."),
        ("members", 2.0, "members must be a whole number of at least 2, not 2.0."),
        ("width", 0, "width must be a whole number of at least 1, not 0."),
        ("depth", -1, "depth must be a whole number of at least 0, not -1."),
        ("epochs", 0, "epochs must be a whole number of at least 1, not 0."),
        ("batch_size", 0, "batch_size must be a whole number of at least 1, not 0."),
        ("learning_rate", 0.0, "learning_rate must be above 0, not 0.0."),
        ("bias_rate", -1.0, "bias_rate must be above 0, not -1.0."),
        ("scale_rate", float("inf"), "scale_rate must be above 0, not inf."),
        ("label_smoothing", 1.0, "label_smoothing must be from 0 to below 1, not 1.0."),
    ],
)
def test_recipes_that_make_no_sense(field: str, value: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Recipe(**{field: value})
    assert str(caught.value) == f"Recipe: {message}"


def test_network_without_hidden_layers() -> None:
    frame = regression(rows=60)
    model = quick_fit(frame, recipe=dataclasses.replace(QUICK, depth=0))
    names = [name for name, _ in model.network.named_parameters() if name.startswith("cycles.0.")]
    assert names == ["cycles.0.scale.weight", "cycles.0.output.weight", "cycles.0.output.bias"]
    assert model.evaluate(frame)["r2"] > 0.5
