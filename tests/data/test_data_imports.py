"""Tables are imported late, and say which extra they need."""

from __future__ import annotations

import subprocess
import sys


def run(program: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr


def test_importing_data_does_not_import_polars() -> None:
    program = "import sys, steepest.data; print('polars' in sys.modules)"
    assert run(program) == "False\n"
    program = "import sys, steepest.data; steepest.data.tables; print('polars' in sys.modules)"
    assert run(program) == "True\n"


def test_without_polars_the_message_names_the_extra() -> None:
    program = "import sys; sys.modules['polars'] = None; import steepest.data.tables"
    output = run(program)
    assert "MissingExtraError" in output
    assert "tables" in output.splitlines()[-1]
