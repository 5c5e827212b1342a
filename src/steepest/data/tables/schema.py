"""What each column of a table is: a number, a category, a date, or something to leave out.

The rules, first match wins (`infer.py` holds them in code):

| kind | when | used as |
|---|---|---|
| missing | no value at all | left out |
| constant | one value in every row | left out |
| boolean | booleans, or text that says only true and false | category |
| number | numbers, durations, times of day; text that reads so (`1,234`, `$5`, `12%`) | number |
| date | dates and times; text in one of `dates.DATE_FORMATS` | several numbers |
| identifier | a different text in (nearly) every row; row numbers; unique keys | left out |
| text | mostly different texts of several words | left out |
| category | other text; integers named as codes (`zip`, `store_id`) that repeat | category |
| unsupported | lists, structures, binary data | left out |

Integers are numbers however few their values: their order means something far more often than not,
and a network can bend a number as it likes. `columns={"Month": "category"}` decides otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import polars as pl

from steepest.data.tables.documents import as_strings, check_keys, new_document, open_document
from steepest.data.tables.messages import check_keyword, list_names, nearest_name
from steepest.data.tables.text import NumberFormat
from steepest.errors import ArgumentError, CheckpointError, DataError

Kind = Literal[
    "number",
    "category",
    "boolean",
    "date",
    "text",
    "identifier",
    "constant",
    "missing",
    "unsupported",
    "ignored",
    "target",
]
KINDS: tuple[str, ...] = get_args(Kind)
USED_KINDS = ("number", "category", "boolean", "date")
CHOICES = (*USED_KINDS, "ignore")
"""The kinds that a user may give a column."""

VERSION = 1
COLUMN_KEYS = ("name", "kind", "dtype", "number_format", "date_format", "missing_values", "reason")


@dataclass(frozen=True)
class Column:
    """One column and how its values are read.

    Attributes:
        name: as the table has it.
        kind: see the module.
        dtype: polars' name of the type in which the column came.
        number_format: how text is read as numbers.
        date_format: how text is read as dates; None if the column holds dates already.
        missing_values: texts that are missing in this column, beyond `text.MISSING_VALUES`.
        reason: why the column has this kind, for people; empty if plain.
    """

    name: str
    kind: Kind
    dtype: str = ""
    number_format: NumberFormat = "plain"
    date_format: str | None = None
    missing_values: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_used(self) -> bool:
        """Whether the network sees the column."""
        return self.kind in USED_KINDS

    def to_dict(self) -> dict[str, Any]:
        fields = {key: getattr(self, key) for key in COLUMN_KEYS}
        return {**fields, "missing_values": list(self.missing_values)}

    @classmethod
    def from_dict(cls, fields: Any) -> Column:
        check_keys(fields, COLUMN_KEYS, "table schema column")
        name = fields["name"]
        for key in ("name", "dtype", "reason"):
            if not isinstance(fields[key], str):
                raise CheckpointError(f"table schema column {name!r}: {key} is not a string.")
        if fields["kind"] not in KINDS:
            raise CheckpointError(f"table schema column {name!r}: no kind {fields['kind']!r}.")
        if fields["number_format"] not in get_args(NumberFormat):
            raise CheckpointError(
                f"table schema column {name!r}: no number format {fields['number_format']!r}."
            )
        if not isinstance(fields["date_format"], str | None):
            raise CheckpointError(f"table schema column {name!r}: date_format is not a string.")
        missing_values = as_strings(fields["missing_values"], f"table schema column {name!r}")
        return cls(**{**fields, "missing_values": missing_values})


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in its order. `schema["Age"]` is one of them."""

    columns: tuple[Column, ...]
    places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {column.name: place for place, column in enumerate(self.columns)}
        if len(places) != len(self.columns):
            raise CheckpointError("table schema: a column name repeats.")
        object.__setattr__(self, "places", places)

    def __getitem__(self, name: str) -> Column:
        if name not in self.places:
            raise KeyError(f"no column {name!r}.{nearest_name(name, self.places)}")
        return self.columns[self.places[name]]

    def __contains__(self, name: object) -> bool:
        return name in self.places

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that the network sees."""
        return tuple(column for column in self.columns if column.is_used)

    @property
    def left_out(self) -> tuple[Column, ...]:
        """The columns that it does not see, the target among them."""
        return tuple(column for column in self.columns if not column.is_used)

    def to_dict(self) -> dict[str, Any]:
        columns = [column.to_dict() for column in self.columns]
        return new_document("table_schema", VERSION, {"columns": columns})

    @classmethod
    def from_dict(cls, document: Any) -> Schema:
        """Read what `to_dict` wrote; raises CheckpointError for anything else."""
        fields = open_document(document, "table_schema", VERSION, ("columns",))
        if not isinstance(fields["columns"], list):
            raise CheckpointError("table schema: columns is not a list.")
        return cls(tuple(Column.from_dict(each) for each in fields["columns"]))


def check_choices(
    frame: pl.DataFrame, columns: Mapping[str, str] | None, target: str | None
) -> dict[str, str]:
    """The user's choices of kinds, checked: every name is a column, every kind exists."""
    choices = dict(columns or {})
    for name, kind in choices.items():
        if name not in frame.columns:
            raise ArgumentError(
                f"columns: the table has no column {name!r}.{nearest_name(name, frame.columns)}"
            )
        check_keyword(kind, CHOICES, f"columns[{name!r}]")
        if name == target:
            raise ArgumentError(
                f"columns: {name!r} is the target; say what it is with task='regression', "
                "'binary' or 'multiclass'."
            )
    return choices


def check_target_name(frame: pl.DataFrame, target: str) -> None:
    """Raise a DataError unless the table has the target column."""
    if target not in frame.columns:
        hint = nearest_name(target, frame.columns)
        raise DataError(
            f"The table has no target column {target!r}.{hint} Its columns are "
            f"{list_names(frame.columns, 20)}."
        )
