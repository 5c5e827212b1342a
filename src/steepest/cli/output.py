"""The only place where the command prints.

Results go to standard output, everything about the run (progress, notes, errors) to standard error.
With `--json`, standard output holds one JSON object and nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from steepest.cli.wording import as_typed
from steepest.errors import require


class Output:
    """How a command talks.

    Args:
        as_json: print one JSON object instead of text.
        quiet: print results and errors only, no progress and no notes.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    @property
    def is_talking(self) -> bool:
        """Whether progress and notes are shown."""
        return not (self.quiet or self.as_json)

    def say(self, text: str = "") -> None:
        """A line about the run, on standard error."""
        if self.is_talking:
            print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Something that was decided without being asked for, on standard error."""
        if self.is_talking:
            self._styled_error("note", "yellow", as_typed(text))

    def warn(self, text: str) -> None:
        """Something that the person has to know, on standard error; not part of `--json`."""
        if not self.as_json:
            self._styled_error("note", "yellow", text)

    def failure(self, kind: str, message: str, code: int) -> None:
        """Why the command failed: text on standard error, or a JSON object."""
        message = as_typed(message)
        if self.as_json:
            self.object({"error": {"kind": kind, "message": message, "exit_code": code}})
        else:
            self._styled_error("error", "red", message)

    def line(self, text: str = "") -> None:
        """A line of the result, on standard output."""
        if not self.as_json:
            print(text)

    def table(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[int] = (0,)
    ) -> None:
        """A small table of the result; the columns at the places `text` are set to the left."""
        if self.as_json:
            return
        rich_table = require("rich.table", extra="cli")
        table = rich_table.Table(
            box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=any(headings)
        )
        cell = require("rich.text", extra="cli").Text
        for place, heading in enumerate(headings):
            justify = "left" if place in text else "right"
            table.add_column(cell(heading), justify=justify, header_style="bold", overflow="fold")
        for row in rows:
            table.add_row(*(cell(content) for content in row))
        console = self._console()
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            print(line.rstrip())

    def object(self, content: Mapping[str, Any]) -> None:
        """The JSON object of `--json`; numbers that JSON does not know become null."""
        if self.as_json:
            print(to_json(content))

    def _styled_error(self, word: str, colour: str, text: str) -> None:
        console = self._console(stderr=True)
        console.print(f"[bold {colour}]{word}:[/] ", end="")
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _console(self, stderr: bool = False) -> Any:
        """A console on the stream as it is now."""
        console = require("rich.console", extra="cli").Console
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else 200
        return console(file=stream, width=width, highlight=False)


def to_json(content: Mapping[str, Any]) -> str:
    """The text of a JSON object; numbers that JSON does not know become null."""
    return json.dumps(_plain(content), ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    """Turn NumPy numbers into Python's, and NaN and infinities into null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
