"""Small tables, and what a command printed, for the tests of the command."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from typer.testing import CliRunner

from steepest.cli.app import app

ROWS = 160


def houses() -> pl.DataFrame:
    """Prices by area and town, with a key, a date and some missing values."""
    generator = np.random.default_rng(0)
    area = generator.uniform(40, 200, ROWS).round(1)
    town = generator.choice(["north", "south", "west"], ROWS)
    bonus = {"north": 0, "south": 50_000, "west": 100_000}
    price = 2000 * area + np.array([bonus[each] for each in town]) + generator.normal(0, 5e3, ROWS)
    return pl.DataFrame(
        {
            "id": [f"house-{row}" for row in range(ROWS)],
            "area": [None if row % 40 == 7 else value for row, value in enumerate(area)],
            "town": town,
            "price": price.round(2),
        }
    )


def mails() -> pl.DataFrame:
    """Three kinds of mail by two counts."""
    generator = np.random.default_rng(1)
    kind = generator.choice(["ham", "news", "spam"], ROWS)
    center = {"ham": (0, 0), "news": (4, 0), "spam": (0, 4)}
    words = np.array([center[each] for each in kind]) + generator.normal(size=(ROWS, 2))
    return pl.DataFrame({"links": words[:, 0], "shouting": words[:, 1], "kind": kind})


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, all of it, as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object of `--json`."""
        found: dict[str, Any] = self.json["error"]
        return found


Command = Callable[..., Result]


def command_line(*arguments: str | Path) -> list[str]:
    """The words that start the command in a process of its own."""
    code = "from steepest.cli import main; main()"
    return [sys.executable, "-c", code, *(str(each) for each in arguments)]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model: its folder, and what the training printed."""

    folder: Path
    result: Result


def trained(table: Path, target: str, folder: Path) -> Trained:
    arguments = ["train", table, "--target", target, "--output", folder, "--epochs", 3, "--json"]
    result = CliRunner().invoke(app, [str(each) for each in arguments], prog_name="steepest")
    assert result.exit_code == 0, result.output
    return Trained(folder, Result(result.exit_code, result.stdout, result.stderr))


def weights_of(folder: Path) -> bytes:
    """The bytes of a model's weights."""
    (file,) = folder.glob("*.safetensors")
    return file.read_bytes()
