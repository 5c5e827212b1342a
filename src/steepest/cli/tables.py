"""Tables in and out of the command: how text is read, and files written whole or not at all."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING

from steepest.cli.failures import UsageError
from steepest.data.tables import read_table
from steepest.data.tables.schema import CHOICES
from steepest.errors import did_you_mean
from steepest.train.files import write_atomically

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc")


DELIMITER_WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """How the command line says that a text file is to be read.

    Attributes:
        delimiter: a character, or one of `DELIMITER_WORDS`; None to find out.
        encoding: name of the text's encoding.
        rename_duplicates: rename repeated column names instead of refusing them.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    rename_duplicates: bool = False

    def read(self, data: Path) -> pl.DataFrame:
        """Read a table; see `steepest.data.tables.read_table`."""
        delimiter = self.delimiter
        if delimiter is not None:
            delimiter = DELIMITER_WORDS.get(delimiter.lower(), delimiter)
        return read_table(
            data,
            delimiter=delimiter,
            encoding=self.encoding,
            rename_duplicates=self.rename_duplicates,
        )


def kinds_of(choices: tuple[str, ...]) -> dict[str, str]:
    """What the `--column NAME=KIND` options say, by column; the last `=` divides.

    Raises:
        UsageError: a choice without `=`, an unknown kind, or two for one column.
    """
    kinds: dict[str, str] = {}
    for choice in choices:
        name, divider, kind = choice.rpartition("=")
        if not divider or not name:
            raise UsageError(f"--column {choice!r}: write NAME=KIND, as in zip=category.")
        if kind not in CHOICES:
            known = ", ".join(CHOICES)
            raise UsageError(
                f"--column {choice!r}: {kind!r} is not a kind.{did_you_mean(kind, CHOICES)} "
                f"Choose from: {known}."
            )
        if kinds.get(name, kind) != kind:
            raise UsageError(f"--column {name!r} is given as {kinds[name]} and as {kind}.")
        kinds[name] = kind
    return kinds


def check_output(path: Path, source: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """Refuse a file for a table that could not be written, before any work is done.

    Raises:
        UsageError: an unknown ending, a folder that does not exist, or the input itself.
    """
    if path.suffix.lower() not in endings:
        raise UsageError(
            f"--output {str(path)!r}: the ending decides the format; use one of "
            f"{', '.join(endings)}."
        )
    if path.is_dir():
        raise UsageError(f"--output {str(path)!r} is a folder; give the path of a file.")
    if not path.parent.is_dir():
        raise UsageError(f"--output {str(path)!r}: there is no folder {str(path.parent)!r}.")
    if path.exists() and source.exists() and path.samefile(source):
        raise UsageError(
            f"--output {str(path)!r} is the table that the predictions are made from; choose "
            "another file."
        )


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table in the format of the file's ending, whole or not at all."""
    content = io.BytesIO()
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        frame.write_csv(content, separator="\t" if ending == ".tsv" else ",")
    elif ending == ".parquet":
        frame.write_parquet(content)
    else:
        frame.write_ipc(content)
    write_atomically(path, content.getvalue())
