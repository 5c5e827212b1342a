"""A team of threads that stay alive between calls.

Workers are threads of the operating system that never run Python; they wait in machine code (see
`native.ll`): they spin for about a microsecond, then let others run, then sleep.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import threading
import time
from functools import lru_cache
from importlib import resources

import numpy as np

from steepest.codegen.target import Machine
from steepest.errors import ArgumentError, SteepestError
from steepest.kernels.tuning import USUAL
from steepest.options import options
from steepest.runtime import cache
from steepest.runtime.machine import Code, host, load_code
from steepest.runtime.memory import LINE, address_of
from steepest.runtime.processors import available_processors

ADDRESS, NUMBER = ctypes.c_void_p, ctypes.c_int64
RUN = ctypes.CFUNCTYPE(None, ADDRESS, ADDRESS, ADDRESS)
DISMISS = ctypes.CFUNCTYPE(None, ADDRESS)
ALONE = ctypes.PYFUNCTYPE(None, ADDRESS, ADDRESS)
"""Keeps Python's lock: for programs so short that giving it up would cost more than they do."""
ALONE_LONG = ctypes.CFUNCTYPE(None, ADDRESS, ADDRESS)

PLATFORMS = {
    ("linux", "x86_64"): "linux_x86_64.ll",
    ("linux", "aarch64"): "linux_aarch64.ll",
}
"""The file for each system and kind of processor, as LLVM's triples name them."""
PATIENCE = 100
"""Turns of a spinning thread: about a microsecond or two."""
WORDS = 64
THREADS, PATIENCE_AT, GONE = 42, 43, 48
"""Words of a team's memory (see `native.ll`)."""


@lru_cache(maxsize=1)
def native() -> Code:
    """The compiled meeting point and worker loop, never freed.

    Workers run in it as long as the process lives, even while the interpreter ends.
    """
    code = native_for(host())
    _keep_forever(code)
    return code


def _keep_forever(thing: object) -> None:
    """Hold a reference that nothing gives up, the interpreter's end included."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def native_for(machine: Machine) -> Code:
    """The same for any machine: this one can run it, or an emulator."""
    folder = resources.files("steepest.runtime")
    own = _platform_file(machine)
    names = ["one_thread.ll"] if own is None else ["native.ll", own]
    names.append("steps.ll")
    text = "\n".join(folder.joinpath(name).read_text() for name in names)
    entry = cache.entry_name(text, machine, USUAL)
    kept = cache.load(entry)
    if kept is not None:
        return load_code(kept[1], machine, {})
    from steepest.codegen.machine_code import MachineCode

    made = MachineCode(text, machine, {})
    cache.store(entry, {}, made.code)
    return load_code(made.code, machine, {})


def _platform_file(machine: Machine) -> str | None:
    """What waiting takes on a machine; `None` if nobody has written it."""
    processor, *rest = machine.triple.split("-")
    return next((PLATFORMS.get((each, processor)) for each in rest if "linux" in each), None)


def has_teams() -> bool:
    """Whether programs can run on several threads on this kind of machine."""
    return _platform_file(host()) is not None


class Team:
    """Threads that run programs together, one program at a time.

    Args:
        threads: how many, the calling one included.

    Raises:
        SteepestError: the system allows no more threads.
    """

    def __init__(self, threads: int):
        self.threads = threads
        self._memory = np.zeros(WORDS + LINE // 8, dtype=np.int64)
        # Workers use this memory as long as they live, which may be as long as the process does.
        _keep_forever(self._memory)
        start = -address_of(self._memory) % LINE // 8
        self._words = self._memory[start : start + WORDS]
        self._address = address_of(self._words)
        self._words[THREADS] = threads
        self._words[PATIENCE_AT] = 0 if threads > available_processors() else PATIENCE
        self._run = native().function("steepest_run", RUN)
        self._places = (ctypes.c_int64 * (2 * threads))()
        _keep_forever(self._places)
        self._started = 0
        self._start()

    def _start(self) -> None:
        """Start the workers; signals are for the threads that Python knows."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for number in range(1, self.threads):
                self._start_worker(number)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _start_worker(self, number: int) -> None:
        library = ctypes.CDLL(None)
        self._places[2 * number : 2 * number + 2] = [self._address, number]
        place = ctypes.c_void_p(ctypes.addressof(self._places) + 16 * number)
        thread = ctypes.c_ulong()
        entry = ctypes.c_void_p(native().address("steepest_worker"))
        failure = library.pthread_create(ctypes.byref(thread), None, entry, place)
        if failure:
            self.dismiss()
            raise SteepestError(
                f"thread {number + 1} of {self.threads} could not be started: "
                f"{os.strerror(failure)}. Set STEEPEST_THREADS to fewer."
            )
        self._started += 1
        library.pthread_detach(thread)
        library.pthread_setname_np(thread, b"steepest worker")

    def run(self, function: int, table: bytes | int) -> None:
        """Run a program: `function` is its address, `table` its pointers (or where they are)."""
        self._run(self._address, function, table)

    def dismiss(self, seconds: float = 1.0) -> bool:
        """Send the workers away; returns whether all have gone in that time."""
        native().function("steepest_dismiss", DISMISS)(self._address)
        end = time.monotonic() + seconds
        while self._words[GONE] < self._started and time.monotonic() < end:
            time.sleep(0.0005)
        return bool(self._words[GONE] == self._started)


class Teams:
    """The teams of this process, one for each number of threads; a forked child starts its own.

    Attributes:
        lock: whoever runs a program on a team holds it: one at a time.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._of_size: dict[int, Team] = {}

    def run(self, function: int, table: bytes | int, threads: int) -> None:
        """Run a program; the caller holds the lock."""
        team = self._of_size.get(threads)
        if team is None:
            team = self._of_size[threads] = Team(threads)
        team.run(function, table)


teams = Teams()


def check_threads(threads: int) -> int:
    """Refuse several threads where this machine's kind has no way for them to wait.

    Raises:
        ArgumentError: names the machine.
    """
    if threads > 1 and not has_teams():
        raise ArgumentError(
            f"threads: programs run on one thread on {platform.system()} {platform.machine()}; "
            f"{threads} were asked for. Leave out the number of threads."
        )
    return threads


def available_threads() -> int:
    """How many threads a large program is given: as the options say, else all processors."""
    if options().threads:
        return check_threads(options().threads)
    return available_processors() if has_teams() else 1
