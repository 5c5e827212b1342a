"""Small made-up tables, and quick trainings on them, for the tests of `TableModel`."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from steepest.data.tables import DataWarning
from steepest.models.tabular import Recipe, TableModel, model

QUICK = Recipe(members=4, width=16, depth=2, epochs=15, batch_size=16)
"""Few and small steps: enough to learn a made-up table, in half a second."""

ROWS = 160


def quick_fit(source: Any, target: str | None = "answer", **options: Any) -> TableModel:
    """Train quickly: the evaluator needs no compile time. What is decided is not warned about."""
    options = {"recipe": QUICK, "progress": "none", **options}
    with mock.patch.object(model, "BACK_END", "evaluator"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return TableModel.fit(source, target, **options)


def inputs(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """Columns of every kind: numbers, a category, a date, a boolean; all with missing values."""
    random = np.random.default_rng(seed)
    days = random.integers(0, 1500, rows)
    columns = {
        "size": random.uniform(1.0, 9.0, rows).round(2).tolist(),
        "weight": random.normal(size=rows).round(3).tolist(),
        "colour": random.choice(["red", "green", "blue"], rows).tolist(),
        "day": (np.datetime64("2020-01-01") + days).astype(object).tolist(),
        "new": random.choice([True, False], rows).tolist(),
    }
    for place, values in enumerate(columns.values()):
        values[5 + place :: 40] = [None] * len(values[5 + place :: 40])
    return columns


def signal(columns: dict[str, Any]) -> np.ndarray:
    """What can be learned of a row: all of its columns take part."""
    by_colour = {"red": 0.0, "green": 3.0, "blue": 6.0, None: 3.0}
    start = np.datetime64("2020-01-01")
    parts = [
        [2.0 * (value or 5.0) for value in columns["size"]],
        [value or 0.0 for value in columns["weight"]],
        [by_colour[value] for value in columns["colour"]],
        [
            0.0 if value is None else (np.datetime64(value) - start).astype(int) / 300
            for value in columns["day"]
        ],
        [2.0 if value else 0.0 for value in columns["new"]],
    ]
    return np.sum(parts, axis=0)


def regression(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """A number to predict, with a little noise."""
    columns = inputs(rows, seed)
    noise = np.random.default_rng(seed + 1).normal(size=rows)
    return pl.DataFrame({**columns, "answer": (signal(columns) + 0.3 * noise).round(2)})


def binary(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Yes or no."""
    columns = inputs(rows, seed)
    return pl.DataFrame({**columns, "answer": np.where(signal(columns) > 17, "yes", "no").tolist()})


def multiclass(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    """Three classes of numbers that are no counts."""
    columns = inputs(rows, seed)
    places = np.digitize(signal(columns), [15.0, 19.0])
    return pl.DataFrame({**columns, "answer": [("low", "middle", "top")[each] for each in places]})


TABLES = {"regression": regression, "binary": binary, "multiclass": multiclass}


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model and the table that it was trained on."""

    task: str
    frame: pl.DataFrame
    model: TableModel


def outputs(trained: TableModel, frame: Any) -> np.ndarray:
    """All that a model says of a table, as numbers."""
    if trained.target.is_classification:
        return trained.predict_probabilities(frame)
    return trained.predict(frame)


def weights_of(trained: TableModel) -> dict[str, bytes]:
    """The bits of all weights."""
    return {name: each.numpy().tobytes() for name, each in trained.network.state_dict().items()}


def notes_of(call: Any, *arguments: Any) -> tuple[Any, Sequence[str]]:
    """The result of a call and the DataWarnings on the way."""
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        result = call(*arguments)
    assert all(issubclass(each.category, DataWarning) for each in recorded)
    return result, [str(each.message) for each in recorded]
