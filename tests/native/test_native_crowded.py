"""Threads that share their processors with others: the same bits, and the benchmark of it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from native.test_native_programs import Training, assert_same_bits

from benchmarks import load
from steepest.runtime.executable import NativeExecutable

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")


@pytest.fixture
def busy() -> Iterator[list[subprocess.Popen[bytes]]]:
    """A process on each core that leaves it to nobody."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    processes = [subprocess.Popen([sys.executable, "-c", load.BUSY]) for _ in cores]
    for core, process in zip(cores, processes, strict=True):
        os.sched_setaffinity(process.pid, {core})
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_training_beside_busy_processes(busy: list[subprocess.Popen[bytes]]) -> None:
    beside = Training(lambda graph: NativeExecutable(graph, threads=3)).run(20)
    assert all(process.poll() is None for process in busy)
    alone = Training(lambda graph: NativeExecutable(graph, threads=1)).run(20)
    assert_same_bits(beside, alone)


def test_the_benchmark_of_load(capsys: pytest.CaptureFixture[str]) -> None:
    over = load.measure("tabular", rounds=1, seconds=0.05)
    line = capsys.readouterr().out
    assert over > 0.1
    assert line.startswith("| tabular |")
    assert line.rstrip().endswith(f"| {over:.2f} |")


END_WITH_WORKERS_AWAKE = """
import numpy as np
import steepest as st
from steepest.runtime.threads import PATIENCE_AT, teams

squares = st.compile(lambda x: (x @ x).sum(), back_end="native")
x = st.asarray(np.ones((256, 256), dtype=np.float32))
squares(x)
(team,) = teams._of_size.values()
team._words[PATIENCE_AT] = 2**60
print(float(squares(x)))
"""


@pytest.mark.parametrize("runs", [1, 2], ids=["compiled", "from the cache"])
def test_a_process_ends_while_workers_still_spin(tmp_path: Path, runs: int) -> None:
    """They spin in machine code, which must stay where it is until the very end."""
    settings = {**os.environ, "STEEPEST_CACHE": str(tmp_path), "STEEPEST_THREADS": "2"}
    program = [sys.executable, "-c", END_WITH_WORKERS_AWAKE]
    for _ in range(runs):
        ended = subprocess.run(program, env=settings, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (0, "16777216.0\n"), ended.stderr
