"""Predictions for tables that differ from the training table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from table_samples import TABLES, Trained, notes_of, outputs, quick_fit, regression

from steepest.errors import DataError
from steepest.models.tabular import TableModel
from steepest.models.tabular import model as tabular


def test_unseen_categories_count_as_missing_ones(trained: Trained) -> None:
    frame = trained.frame.head(4)
    unseen = frame.with_columns(colour=pl.Series(["red", "mauve", "teal", "mauve"]))
    missing = frame.with_columns(colour=pl.Series(["red", None, None, None]))
    answer, said = notes_of(outputs, trained.model, unseen)
    assert said == [
        "3 values of categories that training never saw are treated as unknown ('colour': 'mauve' "
        "and 'teal')."
    ]
    expected, said = notes_of(outputs, trained.model, missing)
    assert said == []
    assert answer.tobytes() == expected.tobytes()


def test_extra_columns_and_another_order_change_nothing(trained: Trained) -> None:
    frame = trained.frame.head(9)
    expected = outputs(trained.model, frame)
    shuffled = frame.select(reversed(frame.columns)).with_columns(extra=pl.lit(3))
    answer, said = notes_of(outputs, trained.model, shuffled)
    assert said == ["Ignored 1 column that training did not have: 'extra'."]
    assert answer.tobytes() == expected.tobytes()


def test_the_target_need_not_be_there(trained: Trained) -> None:
    frame = trained.frame.head(9)
    answer, said = notes_of(outputs, trained.model, frame.drop("answer"))
    assert said == []
    assert answer.tobytes() == outputs(trained.model, frame).tobytes()


def test_missing_columns(trained: Trained) -> None:
    with pytest.raises(DataError) as caught:
        trained.model.predict(trained.frame.drop("size", "day"))
    assert str(caught.value) == "The table lacks 2 columns that training used: 'size' and 'day'."
    with pytest.raises(DataError) as caught:
        trained.model.predict(trained.frame.rename({"size": "Size"}))
    assert str(caught.value) == (
        "The table lacks 1 column that training used: 'size'. For 'size', did you mean 'Size'?"
    )


def test_rows_of_missing_values_only(trained: Trained) -> None:
    types = trained.frame.schema
    empty = pl.DataFrame({name: [None, None] for name in types}, schema=types)
    answer = outputs(trained.model, empty)
    assert np.isfinite(answer).all()
    assert answer[0].tobytes() == answer[1].tobytes()


def test_infinite_numbers_count_as_missing(trained: Trained) -> None:
    frame = trained.frame.head(3)
    infinite = frame.with_columns(size=pl.Series([np.inf, -np.inf, 2.0]))
    missing = frame.with_columns(size=pl.Series([None, None, 2.0]))
    answer, said = notes_of(outputs, trained.model, infinite)
    assert said == ["2 infinite values in 'size' are read as missing."]
    assert answer.tobytes() == outputs(trained.model, missing).tobytes()


def test_value_of_another_kind(trained: Trained) -> None:
    wrong = trained.frame.head(3).with_columns(size=pl.Series(["1.5", "big", "2"]))
    with pytest.raises(DataError) as caught:
        trained.model.predict(wrong)
    assert str(caught.value).startswith("Column 'size', row 2: 'big' is not a number.")


def test_a_row_is_predicted_the_same_whatever_stands_beside_it(trained: Trained) -> None:
    """Up to rounding: sums are taken in another order for other numbers of rows."""
    together = outputs(trained.model, trained.frame)
    for row in (0, 5, 77):
        alone = outputs(trained.model, trained.frame[row])
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-5)


def test_tables_longer_than_a_block(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outputs(trained.model, trained.frame)
    monkeypatch.setattr(tabular, "PREDICTION_ROWS", 64)
    np.testing.assert_allclose(
        outputs(trained.model, trained.frame), expected, rtol=1e-5, atol=1e-5
    )


def test_sources_of_a_table_give_the_same_predictions(trained: Trained, tmp_path: Path) -> None:
    frame = trained.frame
    frame.write_csv(tmp_path / "table.csv")
    frame.write_parquet(tmp_path / "table.parquet")
    expected = outputs(trained.model, frame)
    sources: list[Any] = [
        tmp_path / "table.csv",
        str(tmp_path / "table.parquet"),
        frame.to_pandas(),
        frame.to_arrow(),
        frame.to_dict(as_series=False),
    ]
    for source in sources:
        np.testing.assert_allclose(outputs(trained.model, source), expected, rtol=0, atol=1e-12)


def test_arrays_without_column_names() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 3))
    table = np.column_stack([x, x[:, 0] - 2 * x[:, 1]])
    model = quick_fit(table, "column_4")
    assert model.evaluate(table)["r2"] > 0.8


def test_labels_come_back_as_the_table_has_them() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=60)
    for labels in (["a", "b"], [False, True], [3, 8], [0.5, 2.5]):
        answer = np.array(labels)[(x > 0).astype(int)]
        model = quick_fit({"x": x, "answer": answer}, task="binary")
        predicted = model.predict({"x": np.array([-2.0, 2.0])})
        assert predicted.tolist() == labels
        assert type(predicted.tolist()[0]) is type(labels[0])


def test_evaluate_leaves_out_rows_without_an_answer(trained: Trained) -> None:
    frame = trained.frame
    without = frame.with_columns(
        answer=pl.when(pl.int_range(pl.len()) < 10).then(None).otherwise(pl.col("answer"))
    )
    figures, said = notes_of(trained.model.evaluate, without)
    assert said == ["Left out 10 rows of 160 without a target 'answer'."]
    assert figures == trained.model.evaluate(frame.tail(150))


def test_evaluate_needs_answers(trained: Trained) -> None:
    with pytest.raises(DataError) as caught:
        trained.model.evaluate(trained.frame.drop("answer"))
    assert str(caught.value).startswith("The table has no target column 'answer'.")
    nothing = trained.frame.with_columns(answer=pl.lit(None, dtype=trained.frame.schema["answer"]))
    with pytest.raises(DataError) as caught:
        notes_of(trained.model.evaluate, nothing)
    assert str(caught.value) == "The target 'answer' has no value in any row: nothing to measure."


def test_evaluate_refuses_a_class_that_training_never_saw() -> None:
    model = quick_fit(TABLES["binary"](rows=60), epochs=1)
    table = TABLES["binary"](rows=3).with_columns(answer=pl.Series(["yes", "perhaps", "no"]))
    with pytest.raises(DataError) as caught:
        model.evaluate(table)
    assert str(caught.value) == (
        "Column 'answer', row 2: 'perhaps' is not a class of the target. The classes are 'no' and "
        "'yes'."
    )


def test_figures_that_few_rows_do_not_have_are_nan() -> None:
    model = quick_fit(regression(rows=60), epochs=1)
    figures = model.evaluate(regression(rows=1))
    assert np.isnan(figures["r2"])
    assert np.isfinite(figures["rmse"])


def test_no_rows_to_predict(trained: Trained) -> None:
    with pytest.raises(DataError, match="but no rows"):
        trained.model.predict(trained.frame.clear())


def test_predict_needs_no_training_data(trained: Trained, tmp_path: Path) -> None:
    """A loaded model predicts one row at a time, as a service would."""
    trained.model.save(tmp_path)
    loaded = TableModel.load(tmp_path)
    row = trained.frame.row(3, named=True)
    answer = outputs(loaded, {name: [value] for name, value in row.items()})
    np.testing.assert_allclose(
        answer, outputs(trained.model, trained.frame)[3:4], rtol=1e-5, atol=1e-5
    )
