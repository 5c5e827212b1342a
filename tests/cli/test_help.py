"""Help that teaches, and the command without its packages."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from command_samples import Command

COMMANDS = ("train", "evaluate", "predict", "summary")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_examples_and_exit_codes(steepest: Command, command: str) -> None:
    shown = steepest(command, "--help")
    assert shown.code == 0
    assert f"  steepest {command} " in shown.out
    assert "Exit codes: 0 done; 1 the run failed; 2 wrong usage; 3 bad data" in shown.out
    assert "--json" in shown.out


def test_help_leads_through_the_commands(steepest: Command) -> None:
    shown = steepest("--help")
    assert shown.code == 0
    for command in COMMANDS:
        assert f"steepest {command} houses" in shown.out


def test_no_arguments_show_the_help(steepest: Command) -> None:
    assert "First steps" in steepest().out + steepest().err


def test_version(steepest: Command) -> None:
    shown = steepest("--version")
    assert (shown.code, shown.out) == (0, f"steepest {version('steepest')}\n")


def test_module_is_the_command() -> None:
    line = [sys.executable, "-m", "steepest", "--version"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True)
    assert shown.stdout == f"steepest {version('steepest')}\n"


def test_help_answers_without_loading_the_engine() -> None:
    code = (
        "import sys\n"
        "from steepest.cli.app import run\n"
        "run(['train', '--help'])\n"
        "heavy = {'polars', 'jinja2', 'llvmlite', 'steepest.nn', 'steepest.train'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("LOADED []\n")


def test_without_typer_the_pip_command_is_shown() -> None:
    code = "import sys; sys.modules['typer'] = None; from steepest.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 2
    assert shown.stdout == ""
    assert shown.stderr == (
        "steepest: the command needs the extra 'cli'. Install it with: "
        "pip install 'steepest[cli]'\n"
    )
