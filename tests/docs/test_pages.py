"""Runs every Python example of the README and of docs/, and compares what it prints.

A block ```python is executed, all blocks of a page in one namespace. Where a block ```text follows
it directly, that is what the code must print, to the letter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import sys
import warnings
from pathlib import Path

import pytest

from steepest.data.tables import DataWarning
from steepest.options import options

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Example:
    """A block of Python on a page, the line it starts at, and what it must print, if stated."""

    line: int
    code: str
    output: str | None


def examples(page: Path) -> list[Example]:
    """The Python blocks of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = list(FENCE.finditer(text))
    found = []
    for number, block in enumerate(blocks):
        if block[1] != "python":
            continue
        output = None
        if number + 1 < len(blocks):
            after = blocks[number + 1]
            between = text[block.end() : after.start()]
            if after[1] == "text" and not between.strip():
                output = after[2]
        found.append(Example(text.count("\n", 0, block.start()) + 2, block[2], output))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    as_a_reader = dataclasses.replace(options(), back_end="native")
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: as_a_reader)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for example in examples(page):
        code = compile("\n" * (example.line - 1) + example.code, page.name, "exec")
        printed = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            # What is said about a table goes to standard error, as it does for a reader.
            warnings.simplefilter("ignore", DataWarning)
            exec(code, namespace)
        if example.output is not None:
            assert printed.getvalue().rstrip("\n") == example.output.rstrip("\n"), example.line


def test_pages_have_examples() -> None:
    """All but the index of docs/; else a page that is not run would look like one that is."""
    counted = {str(page.relative_to(ROOT)): len(examples(page)) for page in PAGES}
    assert counted.pop("docs/README.md") == 0
    assert counted["README.md"] >= 3
    assert min(counted.values()) >= 1


def test_links_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken
