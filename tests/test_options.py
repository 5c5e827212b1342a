"""Settings from the environment: read once, checked, never silently ignored."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steepest.errors import ArgumentError
from steepest.options import Options, options

PACKAGE = Path(__file__).parents[1] / "src" / "steepest"


def test_defaults() -> None:
    assert Options.from_environment({}) == Options()
    assert Options().verify
    assert Options().compile
    assert not Options().debug


def test_other_variables_do_not_matter() -> None:
    environment = {"PATH": "/bin", "STEEPER": "1", "steepest_debug": "1"}
    assert Options.from_environment(environment) == Options()


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False)],
)
def test_switches(text: str, value: bool) -> None:
    assert Options.from_environment({"STEEPEST_DEBUG": text}).debug is value
    assert Options.from_environment({"STEEPEST_COMPILE": text}).compile is value


@pytest.mark.parametrize("text", ["", "2", "on", "yes "])
def test_no_switch(text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Options.from_environment({"STEEPEST_DEBUG": text})
    assert str(caught.value) == f"environment variable STEEPEST_DEBUG is {text!r}: use 1 or 0."


def test_misspelt_variable() -> None:
    with pytest.raises(ArgumentError) as caught:
        Options.from_environment({"STEEPEST_DEBUGG": "1"})
    assert str(caught.value) == (
        "environment variable STEEPEST_DEBUGG is not an option of steepest. "
        "Did you mean 'STEEPEST_DEBUG'?"
    )


def test_unknown_variable() -> None:
    with pytest.raises(ArgumentError) as caught:
        Options.from_environment({"STEEPEST_XYZ": "1"})
    assert str(caught.value) == "environment variable STEEPEST_XYZ is not an option of steepest."


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "STEEPEST_BACK_END",
            "nativ",
            "environment variable STEEPEST_BACK_END is 'nativ': use evaluator or native. "
            "Did you mean 'native'?",
        ),
        (
            "STEEPEST_THREADS",
            "-2",
            "environment variable STEEPEST_THREADS is '-2': use a whole number.",
        ),
        (
            "STEEPEST_THREADS",
            "two",
            "environment variable STEEPEST_THREADS is 'two': use a whole number.",
        ),
    ],
)
def test_other_values(variable: str, text: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Options.from_environment({variable: text})
    assert str(caught.value) == message


def test_options_are_frozen_and_read_once() -> None:
    assert options() is options()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options().debug = True  # type: ignore[misc]


def test_every_option_is_described() -> None:
    assert Options.__doc__ is not None
    for field in dataclasses.fields(Options):
        assert f"        {field.name}: " in Options.__doc__


def test_nothing_else_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "os.environ" in path.read_text(encoding="utf-8")
        or "getenv" in path.read_text(encoding="utf-8")
    ]
    assert readers == ["options.py"]


def test_the_environment_counts() -> None:
    code = (
        "import steepest as st\n"
        "print(st.compile(lambda x: float(x))(st.ones(())))\n"
        "from steepest.options import options\nprint(options().debug)"
    )
    environment = {**os.environ, "STEEPEST_COMPILE": "0", "STEEPEST_DEBUG": "yes"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1.0\nTrue\n"


def test_a_misspelt_variable_stops_the_first_compilation() -> None:
    code = "import steepest as st\nst.compile(lambda x: x)(st.ones(()))"
    environment = {**os.environ, "STEEPEST_THREAD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Did you mean 'STEEPEST_THREADS'?" in done.stderr
