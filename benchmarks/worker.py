"""A process that holds one library: it builds sessions and times them on request.

Each library has a process of its own, so that their thread pools, their memory and their first
steps are apart. The parent writes calls to standard input, pickled `(method, arguments)`, and reads
pickled `(is_error, reply)` from standard output.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries import LIBRARIES
from benchmarks.libraries.session import Session, Task
from benchmarks.workloads.numbers import initial_parameters, make_batches
from benchmarks.workloads.workload import Workload


@dataclass(frozen=True)
class First:
    """The first step of a session.

    Attributes:
        seconds: from building the network to the step's result.
        result: the loss or the output.
    """

    seconds: float
    result: np.ndarray


class Worker:
    """What the parent may call."""

    def __init__(self, library: str, threads: int):
        processors = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, processors)
        self._library = LIBRARIES[library]
        self._library.prepare(threads)
        self._session: Session | None = None

    def build(self, workload: Workload, training: bool) -> First:
        """Make a session of a workload, and run its first step."""
        task = Task(workload, initial_parameters(workload.layers), make_batches(workload))
        make = self._library.training if training else self._library.prediction
        start = time.perf_counter()
        session = make(task)
        result = session.numbers(session.step())
        seconds = time.perf_counter() - start
        self._session = session
        return First(seconds, np.array(result))

    def build_contraction(self, size: int, form: str, chain: int) -> First:
        """Make a session of square contractions, and run its first step."""
        random = np.random.default_rng(0)
        left = random.standard_normal((size, size), dtype=np.float32)
        # Each contraction leaves the spread of the numbers about as it was.
        right = random.standard_normal((size, size), dtype=np.float32) * np.float32(size**-0.5)
        start = time.perf_counter()
        session = self._library.contraction(left, right, form, chain)
        result = session.numbers(session.step())
        seconds = time.perf_counter() - start
        self._session = session
        return First(seconds, np.array(result))

    def results(self, steps: int) -> list[np.ndarray]:
        """Run so many steps and return what each gave."""
        session = self._built()
        return [np.array(session.numbers(session.step())) for _ in range(steps)]

    def steady(self, seconds: float) -> float:
        """Run for about so long, and return the seconds of a step at the end."""
        session = self._built()
        steps, total = 1, 0.0
        while True:
            start = time.perf_counter()
            session.run(steps)
            elapsed = time.perf_counter() - start
            total += elapsed
            if total >= seconds:
                return elapsed / steps
            steps = max(1, min(steps * 2, int((seconds - total) / elapsed * steps)))

    def warm_up(self, steps: int) -> None:
        """Run so many steps that are not counted."""
        self._built().run(steps)

    def time(self, steps: int, processor_time: bool) -> float:
        """Seconds per step over so many."""
        session = self._built()
        clock = time.process_time if processor_time else time.perf_counter
        start = clock()
        session.run(steps)
        return (clock() - start) / steps

    def processor_seconds(self) -> float:
        """Processor time that all threads of this process have taken."""
        return time.process_time()

    def peak_memory_mb(self) -> float:
        """The most memory that this process has held, in MiB."""
        status = Path("/proc/self/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def _built(self) -> Session:
        if self._session is None:
            raise RuntimeError("nothing has been built yet.")
        return self._session


def main(library: str, threads: int) -> None:
    """Answer calls until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    # What libraries print must not run into the replies.
    os.dup2(2, 1)
    calls = sys.stdin.buffer
    worker: Any = None
    while True:
        try:
            method, arguments = pickle.load(calls)
        except EOFError:
            return
        try:
            worker = worker or Worker(library, threads)
            reply = (False, getattr(worker, method)(**arguments) if method else None)
        except Exception as error:
            traceback.print_exc()
            reply = (True, f"{type(error).__name__}: {error}")
        pickle.dump(reply, replies)
        replies.flush()


if __name__ == "__main__":
    # Pickled names must be those of the module, not of `__main__`.
    from benchmarks import worker as module

    module.main(sys.argv[1], int(sys.argv[2]))
