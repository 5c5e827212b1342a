"""What a `TableModel` learns, and that the same training gives the same bits."""

from __future__ import annotations

import dataclasses
import re
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
from table_samples import (
    QUICK,
    TABLES,
    Trained,
    binary,
    outputs,
    quick_fit,
    regression,
    weights_of,
)

import steepest as st
from steepest.data.tables import DataWarning, prepare_table, read_table
from steepest.models.tabular import TableModel
from steepest.models.tabular import model as tabular


def test_beats_trivial_answers_on_new_rows(trained: Trained) -> None:
    unseen = TABLES[trained.task](rows=200, seed=7)
    figures = trained.model.evaluate(unseen)
    if trained.task == "regression":
        spread = float(unseen["answer"].std())
        assert figures["rmse"] < 0.4 * spread
        assert figures["r2"] > 0.8
    else:
        most_common = unseen["answer"].value_counts()["count"].max() / 200
        assert figures["accuracy"] > most_common + 0.2
        shares = unseen["answer"].value_counts()["count"].to_numpy() / 200
        assert figures["log_loss"] < 0.6 * -(shares * np.log(shares)).sum()


def test_kinds_of_columns_all_take_part(trained: Trained) -> None:
    kinds = {column.name: column.kind for column in trained.model.schema.used}
    assert kinds == {
        "size": "number",
        "weight": "number",
        "colour": "category",
        "day": "date",
        "new": "boolean",
    }
    before = outputs(trained.model, trained.frame)
    for name in kinds:
        without = trained.frame.with_columns(pl.lit(None, trained.frame.schema[name]).alias(name))
        assert np.abs(outputs(trained.model, without) - before).max() > 0


def test_probabilities_sum_to_one(trained: Trained) -> None:
    if trained.task == "regression":
        message = "predict_probabilities: 'answer' is a number; use predict."
        with pytest.raises(st.errors.ArgumentError) as caught:
            trained.model.predict_probabilities(trained.frame)
        assert str(caught.value) == message
        return
    probabilities = trained.model.predict_probabilities(trained.frame)
    assert probabilities.shape == (trained.frame.height, trained.model.target.n_classes)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    classes = np.array(trained.model.target.classes)
    labels = classes[probabilities.argmax(axis=1)]
    assert trained.model.predict(trained.frame).tolist() == labels.tolist()


def test_predictions_stay_in_the_range_of_the_training_target() -> None:
    frame = regression()
    model = quick_fit(frame)
    least, most = frame["answer"].min(), frame["answer"].max()
    huge = frame.with_columns(size=pl.col("size") * 1e9, weight=pl.col("weight") * -1e12)
    for table in (frame, huge, regression(seed=3)):
        predicted = model.predict(table)
        assert least <= predicted.min()
        assert predicted.max() <= most


def test_logarithmic_target_stays_in_range_too() -> None:
    random = np.random.default_rng(0)
    size = random.uniform(0, 6, 200)
    model = quick_fit({"size": size, "answer": np.exp(size)})
    assert model.target.transform == "log"
    predicted = model.predict({"size": np.array([-1e6, 0.0, 6.0, 1e6])})
    assert np.exp(size).min() <= predicted.min()
    assert predicted.max() <= np.exp(size).max()


def test_same_seed_same_bits_other_seed_other_bits() -> None:
    frame = regression()
    first = quick_fit(frame, seed=5)
    st.random.seed(99)
    np.random.default_rng(3).normal(size=7)
    second = quick_fit(frame, seed=5)
    other = quick_fit(frame, seed=6)
    assert weights_of(first) == weights_of(second)
    assert first.history.records == second.history.records
    assert first.predict(frame).tobytes() == second.predict(frame).tobytes()
    assert weights_of(first) != weights_of(other)


def test_training_leaves_the_global_generator_alone() -> None:
    st.random.seed(4)
    expected = st.random.normal((3,)).numpy().tolist()
    st.random.seed(4)
    quick_fit(binary(rows=40), epochs=1)
    assert st.random.normal((3,)).numpy().tolist() == expected


def test_native_training_agrees_with_the_evaluator() -> None:
    frame = regression(rows=64)
    few = dataclasses.replace(QUICK, epochs=2, width=8)
    by_evaluator = quick_fit(frame, recipe=few)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        natively = TableModel.fit(frame, "answer", recipe=few, progress="none")
    np.testing.assert_allclose(
        natively.predict(frame), by_evaluator.predict(frame), rtol=1e-4, atol=1e-4
    )


def test_every_source_of_a_table_gives_the_same_model(tmp_path: Path) -> None:
    frame = regression(rows=60).drop("day")
    path = tmp_path / "table.csv"
    frame.write_csv(path)
    expected = weights_of(quick_fit(frame, epochs=1))
    sources = [path, str(path), frame.to_pandas(), frame.to_arrow(), read_table(path)]
    for source in sources:
        assert weights_of(quick_fit(source, epochs=1)) == expected


def test_prepared_table_trains_without_its_test_rows() -> None:
    frame = regression()
    prepared = prepare_table(frame, "answer", validation=0.2, test=0.25, seed=1)
    model = quick_fit(prepared, None, epochs=1)
    assert model.preprocessor == prepared.preprocessor
    assert prepared.test is not None
    rows = len(prepared.train) + len(prepared.validation or ())
    assert rows == frame.height - len(prepared.test)
    changed = frame.to_dict(as_series=False)
    for row in prepared.test.rows:
        changed["weight"][row] = 1e3
    again = prepare_table(pl.DataFrame(changed), "answer", validation=0.2, test=0.25, seed=1)
    assert again.test is not None
    assert again.test.rows.tolist() == prepared.test.rows.tolist()
    assert weights_of(quick_fit(again, None, epochs=1)) == weights_of(model)


def test_figures_of_the_training() -> None:
    model = quick_fit(regression(), seed=3)
    assert model.history.names == ["loss", "val_loss", "lr"]
    assert model.history.best_epoch is not None
    assert model.history["val_loss"][-1] < 0.5 * model.history["val_loss"][0]
    assert model.settings == {
        "members": 4,
        "hidden layers": "2 x 16, ReLU",
        "input features": model.features.width,
        "loss": "mean squared error",
        "optimizer": f"Adam, rate {QUICK.learning_rate:g} in four cycles",
        "batch size": 16,
        "epochs planned": 15,
        "networks kept": model.settings["networks kept"],
        "linear models": f"weight {model.network.linear_weight:.2f}",
        "seed": 3,
    }
    kept = re.findall(r"epoch (\d+) \(weight (\d\.\d\d)\)", model.settings["networks kept"])
    assert {int(epoch) for epoch, _ in kept} <= {1, 3, 7, 15}
    assert [int(epoch) for epoch, _ in kept] == model.history.kept_epochs
    weights = model.network.cycle_weights
    assert [float(weight) for _, weight in kept] == [round(each, 2) for each in weights]
    assert min(weights) > 0
    assert len(model.network.cycles) == len(kept)
    assert f"(1, 1, {model.features.width})" in str(model.summary())


def test_small_tables_train_with_little_label_smoothing() -> None:
    frame = binary(rows=60)
    model = quick_fit(frame, epochs=1)
    assert model.settings["loss"] == "cross-entropy, label smoothing 0.03"
    assert model.recipe.label_smoothing == 0.03
    for smoothing, is_same in ((0.03, True), (0.1, False)):
        recipe = dataclasses.replace(QUICK, label_smoothing=smoothing)
        other = quick_fit(frame, epochs=1, recipe=recipe)
        assert (weights_of(other) == weights_of(model)) == is_same


def test_the_logarithm_of_the_target_can_be_turned_off() -> None:
    prices = np.exp(np.random.default_rng(0).normal(size=60)).round(3)
    frame = regression(rows=60).with_columns(answer=pl.Series(prices))
    options: dict[str, Any] = {"recipe": QUICK, "epochs": 1, "progress": "none"}
    with mock.patch.object(tabular, "BACK_END", "evaluator"):
        with pytest.warns(DataWarning, match="target_transform='none' turns this off"):
            learned = TableModel.fit(frame, "answer", **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plain = TableModel.fit(frame, "answer", target_transform="none", **options)
    assert learned.target.transform == "log"
    assert plain.target.transform == "none"


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_targets_whose_squares_float64_cannot_hold(size: float) -> None:
    frame = regression(rows=60)
    sized = frame.with_columns(answer=size * pl.col("answer"))
    figures = quick_fit(sized).evaluate(sized)
    plain = quick_fit(frame).evaluate(frame)
    assert figures["rmse"] == pytest.approx(size * plain["rmse"], rel=1e-3)
    assert figures["r2"] == pytest.approx(plain["r2"], abs=1e-3)


def test_what_was_decided_is_said() -> None:
    frame = regression(rows=60).with_columns(same=pl.lit(1))
    few = dataclasses.replace(QUICK, epochs=1)
    with mock.patch.object(tabular, "BACK_END", "evaluator"):
        with pytest.warns(DataWarning) as caught:
            TableModel.fit(frame, "answer", recipe=few, progress="none")
        said = [str(each.message) for each in caught]
        assert said == ["Left out 1 column: 'same'. One value in every row says nothing."]
        assert caught[0].filename == __file__
        prepared = prepare_table(frame, "answer")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TableModel.fit(prepared, recipe=few, progress="none")
