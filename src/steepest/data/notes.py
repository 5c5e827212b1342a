"""How data code tells the user what it did on its own: warnings that can also be collected.

Everything done to the data without being asked for (a column left out, rows dropped, a value read
as missing) is said once, as a `DataWarning`. A program that shows such notes itself, such as the
command line or the report, collects them in place of Python's warnings:

    with collected_notes() as notes:
        frame = read_table("houses.csv")
    print(notes)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from steepest.errors import ArgumentError, did_you_mean

SHOWN_NAMES = 8
PACKAGE = str(Path(__file__).parents[1])


class DataWarning(UserWarning):
    """Something that steepest decided about the data, and how to decide otherwise."""


def note(message: str) -> None:
    """Say `message` as a `DataWarning`, attributed to the code outside this package."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(message, DataWarning, stacklevel=level)


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """Collect the messages of every `DataWarning` raised inside, in order and without repeats.

    Other warnings are passed on when the block ends.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always", DataWarning)
        try:
            yield notes
        finally:
            for warning in recorded:
                text = str(warning.message)
                if issubclass(warning.category, DataWarning) and text not in notes:
                    notes.append(text)
    for warning in recorded:
        if not issubclass(warning.category, DataWarning):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def list_names(names: Iterable[object], shown: int = SHOWN_NAMES) -> str:
    """`'a', 'b' and 3 more`: the first `shown` names, quoted, and how many were left out."""
    quoted = [repr(name) for name in names]
    if len(quoted) > shown:
        return f"{', '.join(quoted[:shown])} and {len(quoted) - shown} more"
    if len(quoted) > 1:
        return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
    return "".join(quoted)


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 row`, `3 rows`, `2,930 rows`: a number with its noun."""
    noun = singular if number == 1 else (plural or f"{singular}s")
    return f"{number:,} {noun}"


def nearest_name(name: str, candidates: Iterable[str]) -> str:
    """`did_you_mean` for column names, for which upper and lower case are much the same."""
    names = list(candidates)
    same = [each for each in names if each.lower() == name.lower()]
    return did_you_mean(name, names) or did_you_mean(same[0] if same else name, same)


def check_keyword(value: object, allowed: Iterable[str], what: str) -> None:
    """Raise an ArgumentError unless `value` is one of the allowed words."""
    words = list(allowed)
    if value not in words:
        raise ArgumentError(
            f"{what}: {value!r} is not one of {list_names(words)}.{did_you_mean(str(value), words)}"
        )
