"""A team of threads that stay alive between calls.

Workers wait in machine code, without Python's lock: they spin for about a microsecond, then let
others run, then sleep.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import lru_cache
from importlib import resources

import numpy as np

from steepest.codegen.machine_code import MachineCode
from steepest.codegen.target import host

WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
START = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


@lru_cache(maxsize=1)
def native() -> MachineCode:
    """The compiled meeting point and worker loop."""
    text = resources.files("steepest.runtime").joinpath("native.ll").read_text()
    return MachineCode(text, host(), {})


class Team:
    """Threads that run programs together, one program at a time."""

    def __init__(self, threads: int):
        self.threads = threads
        self._words = np.zeros(64, dtype=np.int64)
        self._address = self._words.ctypes.data
        self._start = native().function("steepest_run", START)
        self._work = native().function("steepest_work", WORK)
        self._lock = threading.Lock()
        for number in range(1, threads):
            threading.Thread(target=self._work, args=(self._address, number), daemon=True).start()

    def run(self, function: int, table: int, threads: int) -> None:
        """Run a program: `function` is its address, `table` that of its pointers."""
        with self._lock:
            self._start(self._address, function, table, min(threads, self.threads))


_teams: dict[tuple[int, int], Team] = {}
_teams_lock = threading.Lock()


def team(threads: int) -> Team:
    """The team of this process with so many threads; a forked child starts its own."""
    key = (os.getpid(), threads)
    with _teams_lock:
        if key not in _teams:
            _teams[key] = Team(threads)
        return _teams[key]


def available_threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
