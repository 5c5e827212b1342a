"""Models and tables as the commands open them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from steepest.cli.output import Output
from steepest.cli.tables import TextFormat
from steepest.data.tables import collected_notes

if TYPE_CHECKING:
    import polars as pl


@contextmanager
def read_rows(
    data: Path, text_format: TextFormat, output: Output
) -> Iterator[tuple[pl.DataFrame, list[str]]]:
    """Open a table for a trained model; show at the end what was decided about it.

    Yields:
        the table, and the notes, which are complete when the block ends.
    """
    with collected_notes() as notes:
        yield text_format.read(data), notes
    for note in notes:
        output.note(note)
