"""From a finished run to a report: measures, baselines, mistakes, importance, column facts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score, log_loss, mean_absolute_error, roc_auc_score

from steepest.data.tables import prepare_table
from steepest.report import render_html
from steepest.report.collect import TableRun, collect
from steepest.report.importance import permutation_importance
from steepest.report.mistakes import worst_rows
from steepest.train.history import History

ROWS = 400


def table() -> pl.DataFrame:
    """Prices by area and town, with a column that says nothing and one that is left out."""
    generator = np.random.default_rng(0)
    area = generator.uniform(40, 200, ROWS)
    town = generator.choice(["north", "south", "west"], ROWS)
    bonus = {"north": 0.0, "south": 50_000.0, "west": 100_000.0}
    price = 2000 * area + np.array([bonus[each] for each in town]) + generator.normal(0, 500, ROWS)
    return pl.DataFrame(
        {
            "id": [f"house-{row}" for row in range(ROWS)],
            "area": area,
            "noise": generator.normal(size=ROWS),
            "town": town,
            "price": price,
        }
    )


def history() -> History:
    recorded = History(50)
    for epoch in range(10):
        figures = {"loss": 0.9**epoch, "val_loss": 0.92**epoch, "val_rmse": 100.0, "lr": 0.1}
        recorded.add(figures, 0.5)
    recorded.best_epoch = 9
    recorded.kept_epochs = [2, 9]
    return recorded


def answer_price(frame: pl.DataFrame) -> np.ndarray:
    """A network that knows the area and nothing else."""
    return 2000 * frame["area"].to_numpy() + 50_000.0


def finished_run(
    frame: pl.DataFrame, answer: Callable[[pl.DataFrame], np.ndarray] = answer_price
) -> TableRun:
    prepared = prepare_table(frame, "price", validation=0.2, test=0.2)
    return TableRun(prepared, "houses.csv", answer, history(), seed=3)


def positions_of_test_rows(frame: pl.DataFrame) -> np.ndarray:
    """Positions of the test rows; the split is a function of the table and the seed."""
    part = prepare_table(frame, "price", validation=0.2, test=0.2).test
    assert part is not None
    return part.rows


def test_regression_measures_are_those_of_the_test_part() -> None:
    report = collect(finished_run(table()))
    test = table()[positions_of_test_rows(table())]
    truth = test["price"].to_numpy()
    assert np.array_equal(report.y_true, truth)
    assert np.array_equal(report.predictions, answer_price(test))
    expected = mean_absolute_error(truth, answer_price(test))
    assert report.model.metrics["mae"] == pytest.approx(expected)
    assert report.linear is not None
    assert report.trivial is not None
    assert report.linear.metrics["mae"] < 1500
    assert report.trivial.predictions is not None
    assert len(set(report.trivial.predictions.tolist())) == 1
    assert abs(report.trivial.predictions[0] - table()["price"].mean()) < 20_000
    assert report.split_sizes == {"train": 240, "validation": 80, "test": 80}
    assert report.history.validation_metrics == {"rmse": [100.0] * 10}
    assert (report.history.best_epoch, report.history.planned_epochs) == (9, 50)
    assert report.history.learning_rate == [0.1] * 10
    page = render_html(report)
    assert "houses.csv" in page
    assert "The weights of epochs 2 and 9 were kept." in page


def test_importance_finds_what_the_network_uses() -> None:
    importance = {each.column: each for each in collect(finished_run(table())).importance}
    assert set(importance) == {"area", "noise", "town"}
    assert importance["area"].increase > 10_000
    assert importance["noise"].increase == 0
    assert importance["town"].increase == 0


def test_mistakes_are_the_largest_misses_with_their_row_in_the_file() -> None:
    report = collect(finished_run(table()))
    frame = table()
    test = positions_of_test_rows(frame)
    misses = np.abs(answer_price(frame[test]) - frame["price"].gather(test).to_numpy())
    worst = int(test[np.argmax(misses)])
    first = report.mistakes[0]
    assert len(report.mistakes) == 10
    assert first.row == worst + 1
    assert first.true == frame["price"][worst]
    assert next(iter(first.features)) == "area"
    assert first.features["town"] == frame["town"][worst]


def with_odd_house(row: int) -> pl.DataFrame:
    """The table with an unheard-of area and town in one row."""
    frame = table()
    area = frame["area"].to_list()
    town = frame["town"].to_list()
    area[row] = 5000.0
    town[row] = "elsewhere"
    return frame.with_columns(pl.Series("area", area), pl.Series("town", town))


def test_unusual_values_of_a_mistake_are_named() -> None:
    tables = ((row, with_odd_house(row)) for row in range(ROWS))
    row, odd = next((row, odd) for row, odd in tables if row in positions_of_test_rows(odd))
    first = collect(finished_run(odd)).mistakes[0]
    assert first.row == row + 1
    assert first.remarks == (
        "area is larger than in 100% of the training rows",
        "no training row has town = elsewhere",
    )


def test_columns_have_kinds_reasons_and_pictures() -> None:
    facts = {each.name: each for each in collect(finished_run(table())).columns}
    assert facts["id"].kind == "identifier"
    assert not facts["id"].used
    assert facts["id"].note
    assert sum(facts["area"].histogram) == ROWS
    assert facts["town"].distinct == 3
    assert sum(facts["town"].histogram) == ROWS


def test_classification_measures() -> None:
    frame = table().with_columns(
        pl.when(pl.col("price") > 280_000)
        .then(pl.lit("dear"))
        .otherwise(pl.lit("cheap"))
        .alias("price")
    )

    def answer(part: pl.DataFrame) -> np.ndarray:
        dear = 1 / (1 + np.exp(-(part["area"].to_numpy() - 115) / 10))
        return np.stack([1 - dear, dear], axis=1)

    report = collect(finished_run(frame, answer))
    dear = report.y_true == "dear"
    probability = answer(frame[positions_of_test_rows(frame)])[:, 1]
    metrics = report.model.metrics
    assert report.classes == ["cheap", "dear"]
    assert metrics["accuracy"] == pytest.approx((dear == (probability > 0.5)).mean())
    assert metrics["f1"] == pytest.approx(f1_score(dear, probability > 0.5))
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(dear, probability))
    assert metrics["log_loss"] == pytest.approx(log_loss(dear, probability))
    assert report.linear is not None
    assert report.linear.metrics["accuracy"] > 0.9
    assert report.trivial is not None
    assert report.trivial.name == "Always “dear”"
    assert all(each.true != each.predicted for each in report.mistakes)
    assert [each.probability for each in report.mistakes] == sorted(
        (each.probability for each in report.mistakes), reverse=True
    )
    assert "Ranking" in render_html(report)


def test_report_is_the_same_every_time() -> None:
    assert render_html(collect(finished_run(table()))) == render_html(
        collect(finished_run(table()))
    )


def test_worst_rows_of_classes_are_wrong_ones_only() -> None:
    true = np.array(["a", "b", "a", "b"])
    predicted = np.array(["a", "a", "b", "a"])
    certainty = np.array([0.99, 0.6, 0.9, 0.7])
    assert worst_rows(true, predicted, certainty, 2).tolist() == [2, 3]
    assert worst_rows(true, true, certainty, 2).tolist() == []


def test_importance_is_not_measured_for_very_many_columns() -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0]})
    names = [f"column {number}" for number in range(201)]
    assert permutation_importance(frame, names, lambda part: part, lambda _rows, _answer: 0.0) == []
