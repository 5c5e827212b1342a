"""The notes of `steepest.data.notes`, under the name by which the code of tables knows them."""

from steepest.data.notes import (
    SHOWN_NAMES,
    DataWarning,
    check_keyword,
    collected_notes,
    count,
    list_names,
    nearest_name,
    note,
)

__all__ = [
    "SHOWN_NAMES",
    "DataWarning",
    "check_keyword",
    "collected_notes",
    "count",
    "list_names",
    "nearest_name",
    "note",
]
