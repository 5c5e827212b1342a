"""Threads that share their processors with others: the same bits, and the benchmark of it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

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
