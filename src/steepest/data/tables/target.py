"""The column to predict: which task it makes, its classes or its scale, and the way back.

A regression target is standardised on the training rows, after a logarithm if it is skewed
(`target_transform.choose_transform`). Predictions come back in the target's own units, and classes
as the values that the table had. `task.infer_target` makes a `Target`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast, get_args

import numpy as np
import polars as pl

from steepest.data.tables.documents import as_number, new_document, open_document
from steepest.data.tables.messages import check_keyword, count, list_names, note
from steepest.data.tables.schema import check_target_name
from steepest.data.tables.target_transform import (
    TRANSFORMS,
    Transform,
    apply_transform,
    choose_transform,
    invert_transform,
    mean_and_deviation,
)
from steepest.data.tables.text import DOUBTFUL_VALUES, NumberFormat
from steepest.data.tables.values import bad_cell, cleaned, is_text, to_labels, to_numbers
from steepest.errors import CheckpointError, DataError

Task = Literal["regression", "binary", "multiclass"]
TASKS: tuple[str, ...] = (*get_args(Task), "classification")
Label = str | int | float | bool
Reading = Literal["number", "number label", "word label"]

VERSION = 1
LARGEST_OUTPUT = 1e30
IMBALANCE_RATIO = 10.0


@dataclass(frozen=True)
class Target:
    """A column to predict, and how it is turned into numbers and back.

    `infer_target` makes it from the whole table; `fit` adds what is learned from the training rows.

    Attributes:
        name: the column.
        task: `regression`, `binary` or `multiclass`.
        classes: the labels in sorted order, as the table has them; code 0 is the first, and the
            second of a binary target is the positive one. Empty for a regression.
        class_counts: training rows of each class; empty before `fit`.
        number_format: how a regression target kept as text is read.
        transform: what is done to a regression target before it is standardised.
        mean: of the transformed training target.
        scale: standard deviation of the transformed training target.
        minimum: least training target, in its own units.
        maximum: greatest training target, in its own units.
    """

    name: str
    task: Task
    classes: tuple[Label, ...] = ()
    class_counts: tuple[int, ...] = ()
    number_format: NumberFormat = "plain"
    transform: Transform = "none"
    mean: float = 0.0
    scale: float = 1.0
    minimum: float = 0.0
    maximum: float = 0.0

    @property
    def is_classification(self) -> bool:
        return self.task != "regression"

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def class_weights(self) -> tuple[float, ...]:
        """Weights that make every class count the same: rows / (classes x rows of the class).

        A class without a training row has weight 0.
        """
        rows = sum(self.class_counts)
        present = sum(1 for number in self.class_counts if number)
        return tuple(rows / (present * number) if number else 0.0 for number in self.class_counts)

    def has_value(self, frame: pl.DataFrame) -> np.ndarray:
        """(n_rows,) whether the row has a target. Infinities count as missing."""
        check_target_name(frame, self.name)
        reading: Reading = "number"
        if self.is_classification:
            reading = "number label" if all(map(is_number, self.classes)) else "word label"
        return has_value(frame[self.name], reading, self.number_format)

    def drop_missing(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that have a target; says how many do not."""
        return drop_missing(frame, self.name, self.has_value(frame))

    def fit(self, frame: pl.DataFrame, transform: str = "auto") -> Target:
        """Learn class counts, or transform, mean and scale, from the training rows.

        Args:
            frame: the training rows; those without a target do not count.
            transform: of a regression target: `none`, `log` (needs values above 0), `log1p`
                (above -1), or `auto` for the rule of `choose_transform`.
        """
        check_keyword(transform, ("auto", *TRANSFORMS), "target_transform")
        frame = frame.filter(pl.Series(self.has_value(frame)))
        if frame.height == 0:
            raise DataError(f"The target {self.name!r} has no value in any training row.")
        if self.is_classification:
            return self.fit_classes(self.encode(frame))
        return self.fit_scale(self.values(frame), transform)

    def fit_classes(self, codes: np.ndarray) -> Target:
        counts = tuple(int(number) for number in np.bincount(codes, minlength=self.n_classes))
        note_class_counts(self.name, self.classes, counts)
        return replace(self, class_counts=counts)

    def fit_scale(self, values: np.ndarray, transform: str) -> Target:
        chosen = choose_transform(values) if transform == "auto" else cast(Transform, transform)
        least = float(values.min())
        limit = {"none": -np.inf, "log": 0.0, "log1p": -1.0}[chosen]
        if least <= limit:
            raise DataError(
                f"target_transform={chosen!r}: the target {self.name!r} must be above {limit:g}, "
                f"but its least training value is {least:g}. Use target_transform='none'."
            )
        if transform == "auto" and chosen != "none":
            note(
                f"The target {self.name!r} is skewed and positive, so its logarithm is learned "
                f"({chosen}); predictions come back in its own units. target_transform='none' "
                "turns this off."
            )
        transformed = apply_transform(values, chosen)
        mean, scale = mean_and_deviation(transformed)
        return replace(
            self,
            transform=chosen,
            mean=mean,
            scale=scale,
            minimum=least,
            maximum=float(values.max()),
        )

    def values(self, frame: pl.DataFrame) -> np.ndarray:
        """(n_rows,) the target as it is: float64 in its own units, or the class labels."""
        if self.is_classification:
            return self.labels(self.encode(frame))
        numbers = to_numbers(self.column(frame), self.number_format)
        return numbers.to_numpy().astype(np.float64)

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """What a network learns: (n_rows,) float32 standardised, or int64 class codes.

        Raises:
            DataError: a target is missing, not a number, or not one of the classes.
        """
        if self.is_classification:
            return encode_labels(self.column(frame), self.classes)
        transformed = apply_transform(self.values(frame), self.transform)
        standard = (transformed - self.mean) / self.scale
        return np.clip(standard, -LARGEST_OUTPUT, LARGEST_OUTPUT).astype(np.float32)

    def column(self, frame: pl.DataFrame) -> pl.Series:
        """The target's column, which must have a value in every row."""
        missing = ~self.has_value(frame)
        if missing.any():
            row = int(missing.argmax()) + 1
            raise DataError(
                f"The target {self.name!r} has no value in {count(int(missing.sum()), 'row')} "
                f"(first in row {row}). Target.drop_missing leaves these rows out."
            )
        return frame[self.name]

    def decode(self, outputs: np.ndarray, clip: bool = False) -> np.ndarray:
        """Turn a regression network's outputs (n_rows,) into the target's own units, float64.

        Args:
            outputs: on the standardised scale of `encode`.
            clip: keep predictions within the range of the training target.
        """
        if self.is_classification:
            raise DataError(f"decode: {self.name!r} has classes; use Target.labels(codes).")
        values = np.asarray(outputs, dtype=np.float64) * self.scale + self.mean
        values = invert_transform(values, self.transform)
        return np.clip(values, self.minimum, self.maximum) if clip else values

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """(n_rows,) the original labels of class codes 0 to n_classes - 1."""
        return np.array(self.classes)[np.asarray(codes)]

    def to_dict(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
        return new_document("table_target", VERSION, values)

    @classmethod
    def from_dict(cls, document: Any) -> Target:
        """Read what `to_dict` wrote; raises CheckpointError for anything else."""
        keys = [each.name for each in fields(cls)]
        values = open_document(document, "table_target", VERSION, keys)
        words = {
            "task": get_args(Task),
            "transform": TRANSFORMS,
            "number_format": get_args(NumberFormat),
        }
        for key, allowed in words.items():
            if values[key] not in allowed:
                raise CheckpointError(f"table target: {key} {values[key]!r} is not known.")
        for key in ("mean", "scale", "minimum", "maximum"):
            values[key] = as_number(values[key], f"table target {key}")
        for key in ("classes", "class_counts"):
            if not isinstance(values[key], list):
                raise CheckpointError(f"table target: {key} is not a list.")
            values[key] = tuple(values[key])
        if values["scale"] <= 0:
            raise CheckpointError("table target: scale must be above 0.")
        return cls(**values)


def label_key(label: Label) -> str:
    """The text under which a label is looked up, equal for 1 and 1.0, and for True and "TRUE"."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    text = label if isinstance(label, str) else repr(label)
    return text.lower() if text.lower() in ("true", "false") else text


def encode_labels(series: pl.Series, classes: Sequence[Label]) -> np.ndarray:
    """(n_rows,) int64 codes of labels, whatever the column's type."""
    texts = to_labels(series)
    distinct = texts.unique().to_list()
    code_of = {label_key(label): code for code, label in enumerate(classes)}
    codes = [code_of.get(label_key(text)) for text in distinct]
    encoded = texts.replace_strict(distinct, codes, default=None, return_dtype=pl.Int64)
    unknown = encoded.is_null()
    if unknown.any():
        fix = f"The classes are {list_names(classes)}."
        raise bad_cell(series, unknown, "is not a class of the target", fix)
    return encoded.to_numpy().astype(np.int64)


def has_value(
    series: pl.Series, reading: Reading, number_format: NumberFormat = "plain"
) -> np.ndarray:
    """(n_rows,) whether there is a label, or a finite number.

    A text such as "?" is missing among labels that are numbers, and a class among words.
    """
    if reading == "number" or series.dtype.is_numeric():
        numbers = to_numbers(series, number_format, is_target=True)
        return numbers.is_finite().fill_null(False).to_numpy()
    if is_text(series.dtype):
        series = cleaned(series, DOUBTFUL_VALUES if reading == "number label" else ())
    return series.is_not_null().to_numpy()


def is_number(label: Label) -> bool:
    """Whether a label is a number or text that reads as one; booleans are not."""
    if isinstance(label, bool):
        return False
    try:
        return bool(np.isfinite(float(label)))
    except ValueError:
        return False


def drop_missing(frame: pl.DataFrame, name: str, present: np.ndarray) -> pl.DataFrame:
    if present.all():
        return frame
    dropped = int(np.count_nonzero(~present))
    note(f"Left out {count(dropped, 'row')} of {frame.height:,} without a target {name!r}.")
    return frame.filter(pl.Series(present))


def note_class_counts(name: str, classes: Sequence[Label], counts: Sequence[int]) -> None:
    """Say which classes are too rare to judge, and how uneven they are."""
    absent = [label for label, number in zip(classes, counts, strict=True) if number == 0]
    if absent:
        note(
            f"The target {name!r} has no training row of class {list_names(absent)}: "
            f"{'it' if len(absent) == 1 else 'they'} cannot be learned."
        )
    single = [label for label, number in zip(classes, counts, strict=True) if number == 1]
    if single:
        note(f"The target {name!r} has a single training row of class {list_names(single)}.")
    most, least = max(counts), min(number for number in counts if number)
    if most >= IMBALANCE_RATIO * least:
        common = classes[list(counts).index(most)]
        rare = classes[list(counts).index(least)]
        rows = sum(counts)
        note(
            f"The classes of {name!r} are uneven: {common!r} has {most:,} training rows "
            f"({most / rows:.1%}), {rare!r} {least:,} ({least / rows:.1%}). Accuracy alone says "
            "little here; Target.class_weights holds weights that even them out."
        )
