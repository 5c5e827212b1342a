"""The settings of steepest: one frozen object, and the only reader of environment variables.

Every setting has an environment variable named `STEEPEST_` and the field's name in capitals.
An unknown `STEEPEST_...` variable is an error, so that a misspelt one is not silently ignored.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from steepest.errors import ArgumentError, did_you_mean

PREFIX = "STEEPEST_"
BACK_ENDS = ("evaluator", "native")


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings read once, at first use.

    Attributes:
        debug: show full tracebacks in the command (default no).
        verify: check the graph after every pass (default yes; it costs little).
        compile: let `steepest.compile` compile; `0` runs every function eagerly (default yes).
        back_end: what runs compiled programs: `"native"`, machine code (default), or
            `"evaluator"`, the NumPy interpreter.
        winograd: let convolutions be computed by tiles where that is faster, which takes about
            half the time and rounds differently (default yes; see docs/native.md).
        threads: how many threads native programs use at most; small ones use one (default 0: all
            processors of the process).
        cache: the folder in which machine code is kept from process to process, or `"off"`
            (default in an environment: `steepest` in `XDG_CACHE_HOME`, else in `~/.cache`).
    """

    debug: bool = False
    verify: bool = True
    compile: bool = True
    back_end: str = "native"
    winograd: bool = True
    threads: int = 0
    cache: str = dataclasses.field(default_factory=lambda: _cache_folder({}))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Options:
        """Build the options from variables such as `STEEPEST_DEBUG=1`.

        Raises:
            ArgumentError: an unknown variable, or a value that the option does not take.
        """
        fields = {PREFIX + field.name.upper(): field.name for field in dataclasses.fields(cls)}
        readers = {"back_end": _back_end, "threads": _count, "cache": _text}
        chosen: dict[str, Any] = {"cache": _cache_folder(environment)}
        for variable, text in environment.items():
            if not variable.startswith(PREFIX):
                continue
            if variable not in fields:
                names = [each.removeprefix(PREFIX) for each in fields]
                nearest = did_you_mean(variable.removeprefix(PREFIX), names)
                raise ArgumentError(
                    f"environment variable {variable} is not an option of steepest."
                    + nearest.replace("'", f"'{PREFIX}", 1)
                )
            name = fields[variable]
            chosen[name] = readers.get(name, _switch)(variable, text)
        return cls(**chosen)


def _switch(variable: str, text: str) -> bool:
    """Read a yes-or-no variable."""
    switches = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in switches:
        raise ArgumentError(f"environment variable {variable} is {text!r}: use 1 or 0.")
    return switches[text.lower()]


def _back_end(variable: str, text: str) -> str:
    """Read the name of a back end."""
    if text not in BACK_ENDS:
        raise ArgumentError(
            f"environment variable {variable} is {text!r}: use {' or '.join(BACK_ENDS)}."
            + did_you_mean(text, BACK_ENDS)
        )
    return text


def _cache_folder(environment: Mapping[str, str]) -> str:
    """Where a user's programs keep what can be made again."""
    base = environment.get("XDG_CACHE_HOME")
    return str((Path(base) if base else Path.home() / ".cache") / "steepest")


def _text(variable: str, text: str) -> str:
    """Read a variable that may be anything."""
    del variable
    return text


def _count(variable: str, text: str) -> int:
    """Read a whole number that is not negative."""
    if not text.isdecimal():
        raise ArgumentError(f"environment variable {variable} is {text!r}: use a whole number.")
    return int(text)


@lru_cache(maxsize=1)
def options() -> Options:
    """The settings of this process."""
    return Options.from_environment(os.environ)
