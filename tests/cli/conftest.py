"""Runs commands and trains small models for the tests of the command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_samples import Command, Result, Trained, command_line, houses, mails, trained
from typer.testing import CliRunner

from steepest.cli.app import app


@pytest.fixture(scope="session", autouse=True)
def evaluator() -> Iterator[None]:
    """Trains by the evaluator in this process: short trainings are not worth compiling."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.models.tabular.model.BACK_END", "evaluator")
        yield


@pytest.fixture
def steepest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, [str(each) for each in arguments], prog_name="steepest")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Command:
    """Runs a command in a process of its own, in an empty folder."""

    def run(*arguments: str | Path, **environment: str) -> Result:
        done = subprocess.run(
            command_line(*arguments),
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `houses.csv` and `mails.parquet`."""
    folder = tmp_path_factory.mktemp("data")
    houses().write_csv(folder / "houses.csv")
    mails().write_parquet(folder / "mails.parquet")
    return folder


@pytest.fixture(scope="session")
def house_model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of house prices, trained for three epochs with `--json`."""
    return trained(data / "houses.csv", "price", tmp_path_factory.mktemp("models") / "houses")


@pytest.fixture(scope="session")
def mail_model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of mails, trained for three epochs with `--json`."""
    return trained(data / "mails.parquet", "kind", tmp_path_factory.mktemp("models") / "mails")
