"""The command `steepest`: train, evaluate, predict, summary, report.

`app` holds the commands and their help; each command's work is in the file of its name. `failures`
turns errors into one message and an exit code; `output` is the only place that prints.
"""

from __future__ import annotations

import sys

from steepest.errors import MissingExtraError, require

EXIT_USAGE = 2


def main() -> None:
    """Run the command with the arguments of this process, and exit with its code."""
    try:
        require("typer", extra="cli")
    except MissingExtraError:
        message = "the command needs the extra 'cli'. Install it with: pip install 'steepest[cli]'"
        print(f"steepest: {message}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    from steepest.cli.app import run

    sys.exit(run(sys.argv[1:]))
