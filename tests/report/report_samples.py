"""Small reports of each task, filled by hand, for the tests of this folder."""

from __future__ import annotations

import dataclasses

import numpy as np

from steepest.report import (
    ColumnFacts,
    Command,
    History,
    Importance,
    LayerRow,
    Mistake,
    Predictor,
    Report,
)

EPOCHS = 40


def descent(floor: float = 0.1, start: float = 1.0) -> list[float]:
    """A loss that falls smoothly and levels off long before the last epoch."""
    return [floor + (start - floor) * 0.7**epoch for epoch in range(EPOCHS)]


def history(train: list[float] | None = None, validation: list[float] | None = None) -> History:
    """A healthy history, or one with the given curves."""
    train = train if train is not None else descent(0.09)
    validation = validation if validation is not None else descent(0.1)
    best = int(np.argmin(validation)) + 1 if len(validation) else None
    return History(train, validation, {}, best, len(train) + 100)


def regression_report(**changes: object) -> Report:
    """A report on 200 test rows of prices; `changes` replace fields."""
    generator = np.random.default_rng(3)
    true = generator.uniform(100_000, 400_000, 200)
    predicted = true + generator.normal(0, 10_000, 200)
    linear = true + generator.normal(0, 30_000, 200)
    report = Report(
        target="price",
        task="regression",
        data_file="houses.csv",
        rows=1000,
        columns=[
            ColumnFacts("area", "number", missing=3, histogram=(1, 5, 2)),
            ColumnFacts("town", "category", distinct=4, histogram=(9, 3, 1)),
            ColumnFacts("remarks", "text", used=False, note="free text"),
            ColumnFacts("price", "number"),
        ],
        split_sizes={"train": 600, "validation": 200, "test": 200},
        history=history(),
        model=Predictor("Network", {"mae": mae(true, predicted), "r2": 0.98}, predicted),
        linear=Predictor("Linear model", {"mae": mae(true, linear), "r2": 0.9}, linear, "ridge"),
        trivial=Predictor("Always the mean", {"mae": 75_000.0, "r2": -0.00004}),
        y_true=true,
        layers=[
            LayerRow("body.0", "Linear", "(n, 8)", 1234, 99),
            LayerRow("head", "Linear", "1", 9),
        ],
        settings={"optimizer": "AdamW", "batch size": 256},
        mistakes=[Mistake(17, 250_000.0, 310_500.0, None, {"area": 91.5, "town": None}, ("odd",))],
        importance=[Importance("area", 900.0, 20.0), Importance("town", 1.0, 5.0)],
        importance_unit="mae",
        warnings=["3 rows without a price were left out."],
        commands=[Command("Predict", "steepest predict model new.csv -o out.csv")],
        versions={"steepest": "0.1.0"},
        seed=7,
        durations={"training": 12.3},
        created="2026-01-02",
    )
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


def binary_report(**changes: object) -> Report:
    """A report on 300 test e-mails; `changes` replace fields."""
    generator = np.random.default_rng(4)
    spam = generator.random(300) < 0.4
    probability = np.clip(0.5 + np.where(spam, 0.3, -0.3) + generator.normal(0, 0.2, 300), 0, 1)
    true = np.where(spam, "spam", "ham")
    predicted = np.where(probability > 0.5, "spam", "ham")
    report = Report(
        target="kind",
        task="binary",
        data_file="mails.parquet",
        rows=1500,
        columns=[ColumnFacts("words", "number"), ColumnFacts("kind", "category")],
        split_sizes={"train": 900, "validation": 300, "test": 300},
        history=history(),
        model=Predictor("Network", {"accuracy": float((true == predicted).mean())}, predicted),
        linear=Predictor("Linear model", {"accuracy": 0.6}, np.where(spam, "ham", predicted)),
        y_true=true,
        classes=["ham", "spam"],
        probabilities=np.stack([1 - probability, probability], axis=1),
        mistakes=[Mistake(5, "ham", "spam", 0.97, {"words": 12})],
    )
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


def multiclass_report(classes: int = 20) -> Report:
    """A report on 400 test rows of many classes."""
    generator = np.random.default_rng(5)
    names = [f"class {number}" for number in range(classes)]
    true = generator.integers(0, classes, 400)
    predicted = np.where(generator.random(400) < 0.8, true, generator.integers(0, classes, 400))
    label = np.array(names)
    return Report(
        target="label",
        task="multiclass",
        data_file="things.csv",
        rows=2000,
        columns=[ColumnFacts("x", "number"), ColumnFacts("label", "category")],
        split_sizes={"train": 1200, "validation": 400, "test": 400},
        history=history(),
        model=Predictor("Network", {"accuracy": 0.8}, label[predicted]),
        y_true=label[true],
        classes=names,
    )


def mae(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.abs(true - predicted).mean())
