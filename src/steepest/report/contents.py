"""What a report says: plain frozen data, with no knowledge of how it is drawn.

A `Report` is filled by `steepest.report.collect` from a trained model, or by hand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from steepest.errors import ArgumentError

Task = Literal["regression", "binary", "multiclass"]
TASKS = ("regression", "binary", "multiclass")


@dataclasses.dataclass(frozen=True)
class ColumnFacts:
    """One column of the table.

    Attributes:
        name: the column's name in the file.
        kind: what it holds, such as `"number"`, `"category"`, `"date"` or `"text"`.
        used: whether the network sees it.
        note: why it was left out, or how it was prepared.
        missing: number of missing values in the whole table.
        distinct: number of distinct values, if counted.
        histogram: row counts of equal-width bins (numbers) or of the commonest values
            (categories), for the small picture beside the name; empty for no picture.
    """

    name: str
    kind: str
    used: bool = True
    note: str = ""
    missing: int = 0
    distinct: int | None = None
    histogram: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One row of the network's summary.

    Attributes:
        name: path of the layer in the network, such as `"body.0"`.
        kind: its class, such as `"Linear"`.
        output_shape: shape of its output, as text.
        parameters: how many numbers it learns.
        multiply_adds: multiply-adds for one row, if known.
    """

    name: str
    kind: str
    output_shape: str
    parameters: int
    multiply_adds: int | None = None


@dataclasses.dataclass(frozen=True)
class History:
    """What training recorded, one number per epoch.

    Attributes:
        train_loss: mean loss over the training part during the epoch.
        validation_loss: loss on the validation part after the epoch; empty without one.
        validation_metrics: further measures on the validation part, by name.
        best_epoch: the epoch, counted from 1, whose weights were kept; None for the last one.
        kept_epochs: where the weights of several epochs were kept, all of them; else empty.
        planned_epochs: how many epochs were asked for; more than were run means that training
            stopped early.
        interrupted: whether it was ended by hand.
        learning_rate: the learning rate at the end of each epoch; empty if not recorded.
    """

    train_loss: Sequence[float]
    validation_loss: Sequence[float] = ()
    validation_metrics: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    best_epoch: int | None = None
    planned_epochs: int | None = None
    interrupted: bool = False
    learning_rate: Sequence[float] = ()
    kept_epochs: Sequence[int] = ()

    def __post_init__(self) -> None:
        epochs = len(self.train_loss)
        series = {
            "validation_loss": self.validation_loss,
            "learning_rate": self.learning_rate,
            **self.validation_metrics,
        }
        for name, values in series.items():
            if len(values) not in (0, epochs):
                raise ArgumentError(
                    f"History: {name} has {len(values)} epochs, but train_loss has {epochs}."
                )
        if self.best_epoch is not None and not 1 <= self.best_epoch <= epochs:
            raise ArgumentError(
                f"History: best_epoch is {self.best_epoch}, but there are {epochs} epochs."
            )

    @property
    def epochs(self) -> int:
        """Number of epochs that were run."""
        return len(self.train_loss)


@dataclasses.dataclass(frozen=True)
class Predictor:
    """One way of predicting the test part: the network, or a baseline it is held against.

    Attributes:
        name: how the report calls it, such as `"Linear model"`.
        metrics: measures on the test part, by name.
        predictions: its prediction for each test row, shape `(rows,)`; None if not kept.
        note: one sentence on what it is.
    """

    name: str
    metrics: Mapping[str, float]
    predictions: np.ndarray[Any, Any] | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One row of the test part where the network is badly wrong.

    Attributes:
        row: its row in the data file, counted from 1 without the header.
        true: the true value or class.
        predicted: the predicted value or class.
        probability: probability given to the predicted class; None for numbers.
        features: the row's values by column, the most telling ones first.
        remarks: what is unusual about the row, in words.
    """

    row: int
    true: float | str
    predicted: float | str
    probability: float | None = None
    features: Mapping[str, object] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Importance:
    """How much worse the network becomes when one column is shuffled.

    Attributes:
        column: the column that was shuffled.
        increase: mean increase of the error over the repeats, in `Report.importance_unit`.
        spread: standard deviation over the repeats.
    """

    column: str
    increase: float
    spread: float = 0.0


@dataclasses.dataclass(frozen=True)
class Command:
    """A line that uses the trained model.

    Attributes:
        purpose: what it is for, in words.
        text: the command or the Python lines.
    """

    purpose: str
    text: str


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that one report shows.

    Attributes:
        target: name of the predicted column.
        task: `"regression"`, `"binary"` or `"multiclass"`.
        data_file: name of the data file, without its folder.
        rows: number of usable rows in the table.
        columns: every column of the file, the target included.
        split_sizes: rows by part, in the order train, validation, test.
        split_note: how the parts were chosen, in words.
        target_note: how the target was prepared, in words.
        layers: the network's summary.
        settings: training settings by name.
        history: what training recorded.
        model: the network on the test part; its `predictions` are drawn.
        linear: a linear baseline on the same rows and columns, if one was fitted.
        trivial: the answer that ignores the columns, if it was measured.
        y_true: true values or classes of the test part, shape `(rows,)`.
        classes: the class names in the order of `probabilities`; empty for regression. In a
            binary task the second one is the positive class.
        probabilities: class probabilities on the test part, shape `(rows, classes)`.
        mistakes: the worst mistakes, worst first.
        importance: permutation importance, in any order.
        importance_unit: the measure in which importance is given.
        warnings: what the reader should know before trusting the model.
        commands: how to use the model.
        versions: versions of the packages that matter.
        seed: the seed of the run.
        durations: seconds by activity.
        created: date and time of the run, as text.
    """

    target: str
    task: Task
    data_file: str
    rows: int
    columns: Sequence[ColumnFacts]
    split_sizes: Mapping[str, int]
    history: History
    model: Predictor
    y_true: np.ndarray[Any, Any]
    linear: Predictor | None = None
    trivial: Predictor | None = None
    classes: Sequence[str] = ()
    probabilities: np.ndarray[Any, Any] | None = None
    split_note: str = ""
    target_note: str = ""
    layers: Sequence[LayerRow] = ()
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)
    mistakes: Sequence[Mistake] = ()
    importance: Sequence[Importance] = ()
    importance_unit: str = ""
    warnings: Sequence[str] = ()
    commands: Sequence[Command] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seed: int | None = None
    durations: Mapping[str, float] = dataclasses.field(default_factory=dict)
    created: str = ""

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ArgumentError(f"Report: task is {self.task!r}: use one of {', '.join(TASKS)}.")
        rows = len(self.y_true)
        predictions = self.model.predictions
        if rows == 0 or predictions is None:
            raise ArgumentError("Report: the test part needs at least one row and its predictions.")
        for predictor in (self.model, self.linear, self.trivial):
            if predictor is None or predictor.predictions is None:
                continue
            if predictor.predictions.shape != (rows,):
                raise ArgumentError(
                    f"Report: predictions of {predictor.name!r} have shape "
                    f"{predictor.predictions.shape}, but y_true has shape ({rows},)."
                )
        self._check_probabilities(rows)

    def _check_probabilities(self, rows: int) -> None:
        if self.task == "regression":
            return
        if len(self.classes) < 2:
            raise ArgumentError(f"Report: a {self.task} task needs two classes or more.")
        expected = (rows, len(self.classes))
        if self.probabilities is not None and self.probabilities.shape != expected:
            raise ArgumentError(
                f"Report: probabilities have shape {self.probabilities.shape}, but y_true and "
                f"classes ask for {expected}."
            )

    @property
    def predictions(self) -> np.ndarray[Any, Any]:
        """The network's predictions on the test part, shape `(rows,)`."""
        assert self.model.predictions is not None
        return self.model.predictions

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """The network and the baselines that were measured, in the order shown."""
        return tuple(each for each in (self.model, self.linear, self.trivial) if each is not None)

    @property
    def parameters(self) -> int:
        """How many numbers the network learned."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def used_columns(self) -> list[ColumnFacts]:
        """The columns that the network sees."""
        return [column for column in self.columns if column.used and column.name != self.target]

    @property
    def left_out_columns(self) -> list[ColumnFacts]:
        """The columns that the network does not see, the target excepted."""
        return [column for column in self.columns if not column.used and column.name != self.target]
