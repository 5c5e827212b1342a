"""What all tests share: helper modules beside this file, and golden texts that can be renewed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Machine code kept from an earlier run would hide what the code generator does now.
os.environ.setdefault("STEEPEST_CACHE", "off")
# What tests compile runs on the evaluator unless they ask for machine code, which takes longer to
# make than to run; tests/native holds the two against each other.
os.environ.setdefault("STEEPEST_BACK_END", "evaluator")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew", action="store_true", help="write golden texts anew instead of comparing"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare a text with the one kept in `golden/<test file>/<test>.txt` beside the test.

    With `--renew` the text is written instead; look at what changed before committing it.
    """
    kept = Path(request.path).parent / "golden" / Path(request.path).stem
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    path = kept / f"{name}.txt"

    def compare(text: str) -> None:
        if request.config.getoption("--renew"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden text {path}: run pytest with --renew"
        assert text == path.read_text(encoding="utf-8")

    return compare
