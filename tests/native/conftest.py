"""The native tests on other machines than the one at hand: `pytest tests/native --machine avx2`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steepest.codegen import target
from steepest.codegen.target import Machine
from steepest.runtime import executable

ROOT = Path(__file__).parents[2]

if str(ROOT) not in sys.path:
    # The benchmarks are a package beside `src`.
    sys.path.insert(0, str(ROOT))

MACHINES = {
    "avx512": target.AVX512,
    "avx2": target.AVX2,
    "sse": target.SSE,
    "neon": target.NEON,
}

CompileFor = Callable[[Machine], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--machine", choices=MACHINES, help="make code for this machine instead of the one at hand"
    )


@pytest.fixture
def compile_for(monkeypatch: pytest.MonkeyPatch) -> CompileFor:
    """A function that lets programs be compiled for another machine until the test ends.

    Those for another kind of processor run in an emulator.
    """

    def change(machine: Machine) -> None:
        if machine is target.NEON:
            emulator = pytest.importorskip("native.emulator", exc_type=ImportError)
            emulator.emulate(monkeypatch)
            return
        monkeypatch.setattr(executable, "host", lambda: machine)

    return change


@pytest.fixture(autouse=True)
def _machine_of_the_option(request: pytest.FixtureRequest, compile_for: CompileFor) -> None:
    name = request.config.getoption("--machine", None)
    if name:
        compile_for(MACHINES[name])
