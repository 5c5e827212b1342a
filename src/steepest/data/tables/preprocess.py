"""A table -> the arrays that a network takes: fitted on the training rows, applied to any rows.

    schema = infer_schema(frame, target="price")
    preprocessor = TablePreprocessor.fit(training_frame, schema)
    arrays = preprocessor.transform(frame)      # TableArrays: numbers, categories, missing

Everything learned is kept in plain JSON (`to_dict`, `from_dict`), so a model file runs no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables.categories import Coder
from steepest.data.tables.dates import FEATURES, date_features, has_times
from steepest.data.tables.documents import as_strings, check_keys, new_document, open_document
from steepest.data.tables.infer import infer_schema
from steepest.data.tables.messages import count, list_names, nearest_name, note
from steepest.data.tables.scaling import Scaler
from steepest.data.tables.schema import Column, Schema
from steepest.data.tables.values import date_column, label_columns, number_columns
from steepest.errors import ArgumentError, CheckpointError, DataError

VERSION = 1
PREPROCESSOR_KEYS = ("schema", "scaler", "date_features", "coders", "with_missing")


@dataclass(frozen=True, eq=False)
class TableArrays:
    """The rows of a table as a network takes them.

    Attributes:
        numbers: (n_rows, n_numbers) float32, scaled, without NaN.
        categories: (n_rows, n_categories) int64 codes; 0 is missing or unseen.
        missing: (n_rows, n_missing) float32; 1 where a number or date was missing, for the
            columns that had missing values in training.
    """

    numbers: np.ndarray
    categories: np.ndarray
    missing: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: np.ndarray) -> TableArrays:
        """Some rows, by index or by mask."""
        return TableArrays(self.numbers[rows], self.categories[rows], self.missing[rows])


@dataclass(frozen=True)
class TablePreprocessor:
    """What was learned from the training rows; make it with `fit`.

    Attributes:
        schema: the kinds of the columns and how they are read.
        scaler: scaling of the numbers, in the order of `number_names`.
        date_features: for each date column, what it is expanded to.
        coders: for each category column, its codes.
        with_missing: the number and date columns that had missing values in training.
    """

    schema: Schema
    scaler: Scaler
    date_features: Mapping[str, tuple[str, ...]]
    coders: Mapping[str, Coder]
    with_missing: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        schema: Schema | None = None,
        *,
        numeric_transform: str = "robust",
        max_categories: int = 10_000,
    ) -> TablePreprocessor:
        """Learn from the training rows.

        Args:
            frame: the training part of the table, and nothing else.
            schema: from the whole table; None infers it from `frame`.
            numeric_transform: `auto`, `robust`, `log_robust`, `standard` or `quantile` (see
                `scaling`).
            max_categories: the most categories of one column; rarer ones share code 0.

        Raises:
            DataError: no column can be used; a column is missing or holds a wrong value.
        """
        if max_categories < 1:
            raise ArgumentError(f"max_categories must be at least 1, not {max_categories}.")
        if frame.height == 0:
            raise DataError("TablePreprocessor.fit: the training part has no rows.")
        schema = infer_schema(frame) if schema is None else schema
        if not schema.used:
            reasons = [f"{column.name!r} ({column.kind})" for column in schema.left_out[:8]]
            raise DataError(
                f"No column is left to learn from: {', '.join(reasons)}. Use columns= to say what "
                "a column is, such as columns={'Zip': 'category'}."
            )
        check_present(frame, schema)
        dates = {
            column.name: choose_date_features(date_column(frame, column))
            for column in schema.used
            if column.kind == "date"
        }
        values, missing = number_matrix(frame, schema, dates, fitting=True)
        categories = category_columns(schema)
        labels = label_columns(frame, categories)
        coders = {
            column.name: Coder.fit(each, max_categories)
            for column, each in zip(categories, labels, strict=True)
        }
        sources = missing_sources(schema)
        with_missing = tuple(
            name for place, name in enumerate(sources) if bool(missing[:, place].any())
        )
        return cls(schema, Scaler.fit(values, numeric_transform), dates, coders, with_missing)

    @property
    def number_names(self) -> tuple[str, ...]:
        """The names of the columns of `TableArrays.numbers`, such as `Area` and `Sold: month`."""
        return number_names(self.schema, self.date_features)

    @property
    def category_names(self) -> tuple[str, ...]:
        """The names of the columns of `TableArrays.categories`."""
        return tuple(self.coders)

    @property
    def missing_names(self) -> tuple[str, ...]:
        """The names of the columns of `TableArrays.missing`."""
        return self.with_missing

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each category column has, code 0 included."""
        return tuple(coder.cardinality for coder in self.coders.values())

    @property
    def input_names(self) -> tuple[str, ...]:
        """The columns that a table to predict for must have."""
        return tuple(column.name for column in self.schema.used)

    def transform(self, frame: pl.DataFrame) -> TableArrays:
        """Turn rows into arrays.

        Missing values are no error. Unseen categories (code 0), infinities (missing) and columns
        that the table has beyond the training table's are said as `DataWarning`s.

        Raises:
            DataError: a column is missing, or holds a value that does not fit its kind; the message
                names column, row (from 1) and value.
        """
        check_present(frame, self.schema)
        note_extra_columns(frame, self.schema)
        values, missing = number_matrix(frame, self.schema, self.date_features)
        sources = missing_sources(self.schema)
        places = [sources.index(name) for name in self.with_missing]
        return TableArrays(
            self.scaler.transform(values),
            self.encode(frame),
            missing[:, places].astype(np.float32),
        )

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """(n_rows, n_categories) int64 codes of the category columns."""
        codes = np.empty((frame.height, len(self.coders)), dtype=np.int64)
        unseen: dict[str, list[str | None]] = {}
        labels = label_columns(frame, category_columns(self.schema))
        for place, (each, coder) in enumerate(zip(labels, self.coders.values(), strict=True)):
            codes[:, place], unknown = coder.transform(each)
            if unknown:
                unseen[each.name] = unknown
        note_unseen(unseen)
        return codes

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: strings, numbers, lists and dictionaries."""
        return new_document(
            "table_preprocessor",
            VERSION,
            {
                "schema": self.schema.to_dict(),
                "scaler": self.scaler.to_dict(),
                "date_features": {name: list(each) for name, each in self.date_features.items()},
                "coders": {name: coder.to_dict() for name, coder in self.coders.items()},
                "with_missing": list(self.with_missing),
            },
        )

    @classmethod
    def from_dict(cls, document: Any) -> TablePreprocessor:
        """Read what `to_dict` wrote; raises CheckpointError for anything else."""
        fields = open_document(document, "table_preprocessor", VERSION, PREPROCESSOR_KEYS)
        schema = Schema.from_dict(fields["schema"])
        scaler = Scaler.from_dict(fields["scaler"])
        date_names = [column.name for column in schema.used if column.kind == "date"]
        check_keys(fields["date_features"], date_names, "table preprocessor: date_features")
        category_names = [column.name for column in category_columns(schema)]
        check_keys(fields["coders"], category_names, "table preprocessor: coders")
        dates = {
            name: as_strings(fields["date_features"][name], f"table preprocessor: {name!r}")
            for name in date_names
        }
        unknown = [each for features in dates.values() for each in features if each not in FEATURES]
        if unknown:
            raise CheckpointError(f"table preprocessor: no date feature {unknown[0]!r}.")
        coders = {name: Coder.from_dict(fields["coders"][name]) for name in category_names}
        with_missing = as_strings(fields["with_missing"], "table preprocessor: with_missing")
        stray = [name for name in with_missing if name not in missing_sources(schema)]
        if stray or scaler.n_columns != len(number_names(schema, dates)):
            raise CheckpointError("table preprocessor: the scaler does not fit the schema.")
        return cls(schema, scaler, dates, coders, with_missing)


def category_columns(schema: Schema) -> list[Column]:
    return [column for column in schema.used if column.kind in ("category", "boolean")]


def missing_sources(schema: Schema) -> list[str]:
    """The columns that may have a missing indicator: numbers, then dates."""
    numbers = [column.name for column in schema.used if column.kind == "number"]
    return numbers + [column.name for column in schema.used if column.kind == "date"]


def number_names(schema: Schema, features: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    numbers = [column.name for column in schema.used if column.kind == "number"]
    dates = [f"{name}: {feature}" for name, each in features.items() for feature in each]
    return (*numbers, *dates)


def choose_date_features(moments: pl.Series) -> tuple[str, ...]:
    """The features that differ between training rows; `hour` only where there are times of day."""
    names = tuple(name for name in FEATURES if name != "hour" or has_times(moments))
    features = date_features(moments.drop_nulls(), names)
    return tuple(name for name in names if features[name].n_unique() > 1)


def number_matrix(
    frame: pl.DataFrame,
    schema: Schema,
    features: Mapping[str, Sequence[str]],
    fitting: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The unscaled numbers, and which of their sources are missing.

    Args:
        fitting: do not say again what the schema has said of the whole table.

    Returns:
        values: (n_rows, n_numbers) float64; NaN is missing. Infinities count as missing.
        missing: (n_rows, n_sources) bool, in the order of `missing_sources`.
    """
    numbers = [column for column in schema.used if column.kind == "number"]
    n_features = sum(len(each) for each in features.values())
    values = np.empty((frame.height, len(numbers) + n_features), dtype=np.float64, order="F")
    missing = np.empty((frame.height, len(numbers) + len(features)), dtype=bool, order="F")
    values[:, : len(numbers)] = number_columns(frame, numbers)
    infinite = np.isinf(values[:, : len(numbers)])
    if infinite.any():
        if not fitting:
            note_infinite(infinite, [column.name for column in numbers])
        values[:, : len(numbers)][infinite] = np.nan
    missing[:, : len(numbers)] = np.isnan(values[:, : len(numbers)])
    place = len(numbers)
    for source, (name, wanted) in enumerate(features.items(), start=len(numbers)):
        moments = date_column(frame, schema[name])
        expanded = date_features(moments, tuple(wanted))
        for feature in wanted:
            values[:, place] = expanded[feature].to_numpy()
            place += 1
        missing[:, source] = moments.is_null().to_numpy()
    return values, missing


def check_present(frame: pl.DataFrame, schema: Schema) -> None:
    """Raise a DataError that names every column that the table lacks."""
    present = set(frame.columns)
    lacking = [column.name for column in schema.used if column.name not in present]
    if not lacking:
        return
    extra = [name for name in frame.columns if name not in schema]
    hints = [(name, nearest_name(name, extra)) for name in lacking]
    renamed = next((f" For {name!r}, d{hint[2:]}" for name, hint in hints if hint), "")
    raise DataError(
        f"The table lacks {count(len(lacking), 'column')} that training used: "
        f"{list_names(lacking)}.{renamed}"
    )


def note_extra_columns(frame: pl.DataFrame, schema: Schema) -> None:
    extra = [name for name in frame.columns if name not in schema]
    if extra:
        what = count(len(extra), "column")
        note(f"Ignored {what} that training did not have: {list_names(extra)}.")


def note_infinite(infinite: np.ndarray, names: Sequence[str]) -> None:
    total = int(infinite.sum())
    where = [name for place, name in enumerate(names) if infinite[:, place].any()]
    verb = "is" if total == 1 else "are"
    note(f"{count(total, 'infinite value')} in {list_names(where)} {verb} read as missing.")


def note_unseen(unseen: Mapping[str, Sequence[str | None]]) -> None:
    if not unseen:
        return
    rows = sum(len(labels) for labels in unseen.values())
    parts = [
        f"{name!r}: {list_names(sorted(set(map(str, labels))), 3)}"
        for name, labels in list(unseen.items())[:8]
    ]
    more = f"; and {len(unseen) - 8} more columns" if len(unseen) > 8 else ""
    note(
        f"{count(rows, 'value')} of categories that training never saw "
        f"{'is' if rows == 1 else 'are'} treated as unknown ({'; '.join(parts)}{more})."
    )
