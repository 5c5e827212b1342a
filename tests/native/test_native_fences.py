"""Programs touch no memory but their own: it ends at forbidden pages, and lies between guards."""

from __future__ import annotations

import dataclasses
import os
import random as random_module
import subprocess
import sys
from pathlib import Path

import pytest
from random_programs import random_program

from steepest.kernels.tuning import FINEST, USUAL, Tuning
from steepest.runtime.executable import NativeExecutable


@pytest.mark.skipif(sys.platform != "linux", reason="uses mprotect")
def test_random_programs_between_forbidden_pages() -> None:
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    command = [sys.executable, "-m", "native.fences", "0", "8"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("tuning", [USUAL, FINEST])
def test_what_lies_between_buffers_is_never_written(tuning: Tuning) -> None:
    guarded = dataclasses.replace(tuning, guard_bytes=128)
    watched = 0
    for seed in range(20_000, 20_040):
        program = random_program(random_module.Random(seed))
        executable = NativeExecutable(program.graph, threads=2, tuning=guarded)
        unused = executable.memory.unused()
        executable.memory.arena[unused] = 0xA5
        executable(program.arrays)
        assert (executable.memory.arena[unused] == 0xA5).all(), f"program {seed}"
        watched += int(unused.sum())
    assert watched > 40 * 128
