"""Errors of a command: one clear message and an exit code, never a traceback unless asked for.

| code | meaning |
|---|---|
| 0 | done |
| 1 | the run failed |
| 2 | wrong usage: an option or argument, or a package that is not installed |
| 3 | bad data: the table or the model file cannot be used as it is |
| 130 | ended by Ctrl-C; work done so far is kept |
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from steepest.cli.output import Output
from steepest.errors import (
    ArgumentError,
    CheckpointError,
    DataError,
    MissingExtraError,
    SteepestError,
)
from steepest.options import options

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DATA, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class UsageError(ArgumentError):
    """Options that do not go together."""


@contextmanager
def failures_reported(output: Output, debug: bool) -> Iterator[None]:
    """Run a command's work; end it with a message and an exit code if it fails.

    Args:
        output: where the message goes.
        debug: also print the traceback; `STEEPEST_DEBUG=1` does the same.
    """
    try:
        debug = debug or options().debug
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        output.failure("Interrupted", "interrupted by Ctrl-C.", EXIT_INTERRUPTED)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = exit_code(error)
        output.failure(type(error).__name__, message_of(error), code)
        raise typer.Exit(code) from error


def exit_code(error: Exception) -> int:
    """The exit code for an error."""
    if isinstance(error, ArgumentError | MissingExtraError):
        return EXIT_USAGE
    if isinstance(error, DataError | CheckpointError):
        return EXIT_DATA
    return EXIT_FAILED


def message_of(error: Exception) -> str:
    """What a person is told; for errors that steepest does not raise itself, their kind too."""
    if isinstance(error, SteepestError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    if isinstance(error, MemoryError):
        return "not enough memory for this table and network."
    return (
        f"internal error: {type(error).__name__}: {error}. This is a defect in steepest; --debug "
        "shows where it happened."
    )
