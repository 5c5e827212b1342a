"""Training, validation and test rows, without leaks between them.

- Rows that are exact duplicates of each other stay in one part, since a test row that was also
  trained on tells nothing. Where duplicates are the rule by counting alone (four times as many rows
  as possible rows, as in a table of a few booleans), they are no leak, and rows are split one by
  one.
- Classes keep their shares in every part. Each class has at least one training row, so a class of
  one row is in the training part.
- `group_column`: all rows of a group (a patient, a shop) stay in one part.
- `time_column`: training on the oldest rows, testing on the newest; rows of one moment stay
  together.

The split is a function of the table and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from steepest.data.batches import permutation
from steepest.data.tables.dates import find_date_format
from steepest.data.tables.messages import count, list_names, nearest_name, note
from steepest.data.tables.schema import Schema
from steepest.data.tables.target import Target
from steepest.data.tables.values import cleaned, is_text, to_labels, to_moments, to_numbers
from steepest.errors import ArgumentError, DataError

CERTAIN_REPEATS = 4
PARTS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers (from 0, ascending, int64) of each part; a part of fraction 0 is empty."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def sizes(self) -> tuple[int, int, int]:
        return len(self.train), len(self.validation), len(self.test)


def split_rows(
    frame: pl.DataFrame,
    *,
    target: Target | None = None,
    schema: Schema | None = None,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    time_column: str | None = None,
    group_column: str | None = None,
) -> Split:
    """Split a table's rows.

    Args:
        frame: the whole table, without rows that lack a target.
        target: if it has classes, they keep their shares in each part.
        schema: only its used columns (and the target) decide what a duplicate is; otherwise all.
        validation: share of the rows, from 0 to below 1.
        test: share of the rows, from 0 to below 1.
        seed: of the random order; it plays no part with `time_column`.
        time_column: dates or numbers to split by; excludes `group_column`.
        group_column: rows with the same value stay together; a missing value is its own group.

    Raises:
        DataError: too few rows, groups or moments for the parts.
        ArgumentError: fractions or columns that make no sense.
    """
    fractions = check_fractions(validation, test)
    for role, name in (("time_column", time_column), ("group_column", group_column)):
        if name is not None and name not in frame.columns:
            hint = nearest_name(name, frame.columns)
            raise ArgumentError(f"{role}: the table has no column {name!r}.{hint}")
    if time_column is not None and group_column is not None:
        raise ArgumentError("split_rows: give time_column or group_column, not both.")
    wanted = parts_wanted(fractions)
    if frame.height < len(wanted):
        raise DataError(
            f"{count(frame.height, 'row')} cannot be split into {len(wanted)} parts "
            f"({', '.join(wanted)}); at least {len(wanted)} rows are needed, and far more to learn "
            "anything."
        )
    if time_column is not None:
        return split_by_time(frame[time_column], schema, fractions)
    units = duplicate_units(frame, schema, target)
    if group_column is not None:
        units = join_units(units, group_units(frame[group_column]))
    n_units = int(units.max()) + 1
    if n_units < len(wanted):
        what = count(n_units, "different row")
        if group_column is not None:
            what = f"{count(n_units, 'group')} of rows in {group_column!r}"
        raise DataError(f"{what} cannot be split into {len(wanted)} parts ({', '.join(wanted)}).")
    classes = np.zeros(frame.height, dtype=np.int64)
    if target is not None and target.is_classification:
        classes = target.encode(frame)
    parts = assign_units(units, classes, fractions, seed)
    train, validating, testing = (np.flatnonzero(parts == part) for part in range(3))
    return Split(train, validating, testing)


def check_fractions(validation: float, test: float) -> tuple[float, float]:
    for name, value in (("validation", validation), ("test", test)):
        if not 0 <= value < 1:
            raise ArgumentError(f"{name} must be a share from 0 to below 1, not {value}.")
    if validation + test >= 1:
        raise ArgumentError(
            f"validation={validation} and test={test} leave no rows to train on; their sum must be "
            "below 1."
        )
    return validation, test


def parts_wanted(fractions: tuple[float, float]) -> list[str]:
    return [PARTS[0], *(PARTS[place] for place in (1, 2) if fractions[place - 1] > 0)]


def duplicate_units(
    frame: pl.DataFrame, schema: Schema | None, target: Target | None
) -> np.ndarray:
    """(n_rows,) the unit of each row, counted from 0; duplicates share one."""
    names = [name for name in frame.columns if schema is None or is_compared(name, schema, target)]
    types = frame.schema
    names = [name for name in names if not types[name].is_nested()]
    alone = np.arange(frame.height)
    if not names or duplicates_are_certain(frame, names):
        return alone
    hashes = frame.select(names).hash_rows().to_numpy()
    units = numbered_by_first_row(hashes)
    repeated = frame.height - int(units.max()) - 1
    if repeated:
        verb = "repeats" if repeated == 1 else "repeat"
        note(
            f"{count(repeated, 'row')} {verb} an earlier row; duplicates stay in the same part of "
            "the split."
        )
    return units


def numbered_by_first_row(keys: np.ndarray) -> np.ndarray:
    """(n_rows,) equal keys get equal numbers, from 0 in the order in which keys first appear.

    So the numbers do not depend on the keys themselves, which differ between versions of polars.
    """
    _, first_rows, places = np.unique(keys, return_index=True, return_inverse=True)
    numbers = np.empty(len(first_rows), dtype=np.int64)
    numbers[np.argsort(first_rows)] = np.arange(len(first_rows))
    return numbers[places]


def is_compared(name: str, schema: Schema, target: Target | None) -> bool:
    if target is not None and name == target.name:
        return True
    return name in schema and schema[name].is_used


def duplicates_are_certain(frame: pl.DataFrame, names: list[str]) -> bool:
    """Whether rows are 4 times the possible rows (the product of the columns' distinct values)."""
    possible = 1
    for name in names:
        possible *= frame[name].n_unique()
        if possible * CERTAIN_REPEATS > frame.height:
            return False
    return True


def group_units(series: pl.Series) -> np.ndarray:
    """(n_rows,) the group of each row; rows without a group are alone."""
    labels = to_labels(series)
    missing = labels.is_null().to_numpy()
    _, groups = np.unique(labels.fill_null("").to_numpy().astype(str), return_inverse=True)
    groups = groups.astype(np.int64)
    groups[missing] = groups.max() + 1 + np.arange(int(missing.sum()))
    return groups


def join_units(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The finest units that keep together what either keeps together, counted from 0."""
    units = first
    while True:
        joined = least_of_group(least_of_group(units, second), first)
        if np.array_equal(joined, units):
            return np.unique(units, return_inverse=True)[1].astype(np.int64)
        units = joined


def least_of_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """For each row, the least value in its group."""
    _, places = np.unique(groups, return_inverse=True)
    least = np.full(int(places.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, places, values)
    return least[places]


def assign_units(
    units: np.ndarray, classes: np.ndarray, fractions: tuple[float, float], seed: int
) -> np.ndarray:
    """(n_rows,) the part of each row: 0 training, 1 validation, 2 test."""
    sizes = np.bincount(units)
    unit_classes = most_common_class(units, classes)
    order = permutation(len(sizes), seed)
    order = order[np.argsort(unit_classes[order], kind="stable")]
    rows = np.bincount(unit_classes, weights=sizes).astype(np.int64)
    quotas = class_quotas(rows, fractions)
    parts = np.zeros(len(sizes), dtype=np.int64)
    start = 0
    for label, number in enumerate(np.bincount(unit_classes)):
        members = order[start : start + number]
        start += number
        middles = np.cumsum(sizes[members]) - sizes[members] / 2
        edge = rows[label] - quotas[:, label].sum()
        parts[members] = (middles > edge).astype(np.int64)
        parts[members[middles > edge + quotas[0, label]]] = 2
        parts[members[:1]] = 0
    fill_empty_parts(parts, sizes, order, fractions)
    return parts[units]


def most_common_class(units: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n_units,) the class that most rows of a unit have; the first of equals."""
    n_classes = int(classes.max()) + 1
    if n_classes == 1:
        return np.zeros(int(units.max()) + 1, dtype=np.int64)
    pairs, numbers = np.unique(units * n_classes + classes, return_counts=True)
    ranked = np.lexsort((-(pairs % n_classes), numbers, pairs // n_classes))
    winners = np.zeros(int(units.max()) + 1, dtype=np.int64)
    winners[pairs[ranked] // n_classes] = pairs[ranked] % n_classes
    return winners


def class_quotas(rows: np.ndarray, fractions: tuple[float, float]) -> np.ndarray:
    """(2, n_classes) rows of validation and test to take from each class.

    Shares are rounded down and the rest given to the largest remainders, so that the totals are
    right; each class keeps at least one row for training.
    """
    quotas = np.zeros((2, len(rows)), dtype=np.int64)
    for part in (1, 0):
        if fractions[part] == 0:
            continue
        ideal = rows * fractions[part]
        room = np.maximum(rows - 1 - quotas.sum(axis=0), 0)
        taken = np.minimum(np.floor(ideal).astype(np.int64), room)
        total = max(1, round(float(rows.sum()) * fractions[part]))
        for label in np.argsort(taken - ideal, kind="stable"):
            if taken.sum() >= total:
                break
            taken[label] += min(1, room[label] - taken[label])
        quotas[part] = taken
    return quotas


def fill_empty_parts(
    parts: np.ndarray, sizes: np.ndarray, order: np.ndarray, fractions: tuple[float, float]
) -> None:
    """Give each part that was asked for at least one unit: the smallest of the fullest part."""
    for part in (1, 2):
        if fractions[part - 1] == 0 or np.any(parts == part):
            continue
        numbers = np.bincount(parts, minlength=3)
        donors = order[parts[order] == int(numbers.argmax())]
        smallest = donors[::-1][np.argmin(sizes[donors[::-1]])]
        parts[smallest] = part


def split_by_time(
    series: pl.Series, schema: Schema | None, fractions: tuple[float, float]
) -> Split:
    """Oldest rows to training, newest to test; rows without a time are trained on."""
    times = time_values(series, schema)
    missing = np.isnan(times)
    if missing.any():
        note(
            f"{count(int(missing.sum()), 'row')} without a time in {series.name!r} "
            "are in the training part."
        )
    dated = np.flatnonzero(~missing)
    order = dated[np.argsort(times[dated], kind="stable")]
    ordered = times[order]
    edges = np.flatnonzero(np.diff(ordered) > 0) + 1
    wanted = parts_wanted(fractions)
    if len(edges) < len(wanted) - 1:
        raise DataError(
            f"time_column {series.name!r} has {count(len(edges) + 1, 'different moment')} only; "
            f"{len(wanted)} parts ({', '.join(wanted)}) need at least {len(wanted)}."
        )
    n_test, n_validation = (round(len(order) * each) for each in (fractions[1], fractions[0]))
    ends = [len(order) - n_test - n_validation, len(order) - n_test]
    first, second = nearest_edges(edges, ends, fractions, len(order))
    train = np.concatenate([np.flatnonzero(missing), order[:first]])
    return Split(np.sort(train), np.sort(order[first:second]), np.sort(order[second:]))


def nearest_edges(
    edges: np.ndarray, ends: list[int], fractions: tuple[float, float], n_rows: int
) -> tuple[int, int]:
    """Where training and validation end, moved to where the time changes; no part left empty."""
    has_validation, has_test = fractions[0] > 0, fractions[1] > 0
    place = int(np.abs(edges - ends[0]).argmin()) if has_validation or has_test else 0
    if has_validation and has_test:
        place = min(place, len(edges) - 2)
        later = edges[place + 1 :]
        return int(edges[place]), int(later[np.abs(later - ends[1]).argmin()])
    if has_validation:
        return int(edges[place]), n_rows
    if has_test:
        return int(edges[place]), int(edges[place])
    return n_rows, n_rows


def time_values(series: pl.Series, schema: Schema | None) -> np.ndarray:
    """(n_rows,) float64, larger is later; NaN is missing."""
    date_format = None
    if schema is not None and series.name in schema:
        date_format = schema[series.name].date_format
    if is_text(series.dtype) and date_format is None:
        date_format = find_date_format(cleaned(series).drop_nulls())
        if date_format is None:
            texts = cleaned(series).drop_nulls().head(2).to_list()
            raise DataError(
                f"time_column {series.name!r} holds text in no known date format, such as "
                f"{list_names(texts)}. Write dates as YYYY-MM-DD."
            )
    if is_text(series.dtype) or series.dtype.is_temporal():
        moments = to_moments(series, date_format)
        return moments.dt.epoch("us").cast(pl.Float64).to_numpy()
    return to_numbers(series).to_numpy()
