"""Strict reading of the plain JSON that models and what prepares their data are saved as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from steepest.data.notes import list_names
from steepest.errors import CheckpointError, did_you_mean


def new_document(kind: str, version: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` under a heading that says what the document is."""
    return {"format": f"steepest.{kind}", "version": version, **fields}


def open_document(document: Any, kind: str, version: int, keys: Iterable[str]) -> dict[str, Any]:
    """The fields of a document, checked: its kind, its version, and exactly these keys.

    Raises:
        CheckpointError: anything does not fit.
    """
    if not isinstance(document, Mapping):
        raise CheckpointError(f"{kind}: expected a JSON object, not {type(document).__name__}.")
    if document.get("format") != f"steepest.{kind}":
        raise CheckpointError(
            f"{kind}: the document's format is {document.get('format')!r}, not 'steepest.{kind}'."
        )
    if document.get("version") != version:
        raise CheckpointError(
            f"{kind}: the document has version {document.get('version')!r}, but this steepest "
            f"reads version {version}. Use the steepest that wrote it, or train again."
        )
    fields = {key: value for key, value in document.items() if key not in ("format", "version")}
    check_keys(fields, keys, kind)
    return fields


def check_keys(fields: Any, keys: Iterable[str], what: str) -> None:
    """Raise a CheckpointError unless `fields` is a mapping with exactly these keys."""
    if not isinstance(fields, Mapping):
        raise CheckpointError(f"{what}: expected a JSON object, not {type(fields).__name__}.")
    expected = list(keys)
    lacking = [key for key in expected if key not in fields]
    unknown = [str(key) for key in fields if key not in expected]
    if unknown:
        raise CheckpointError(
            f"{what}: unknown key {list_names(unknown)}.{did_you_mean(unknown[0], expected)}"
        )
    if lacking:
        raise CheckpointError(f"{what}: the document lacks {list_names(lacking)}.")


def as_strings(value: Any, what: str) -> tuple[str, ...]:
    """A JSON list of strings as a tuple."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CheckpointError(f"{what}: expected a list of strings.")
    return tuple(value)


def as_number(value: Any, what: str) -> float:
    """A finite JSON number as a float."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value != value or abs(value) == float("inf"):
        raise CheckpointError(f"{what}: expected a finite number, not {value!r}.")
    return float(value)
