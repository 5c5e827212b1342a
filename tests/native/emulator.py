"""Runs programs compiled for 64-bit ARM on this processor, in QEMU's emulator (package `unicorn`).

LLVM puts the program's code into this process's memory like any other code. The emulator sees the
same memory at the same addresses, so pointers mean the same to both; it is shown one region after
another as the program touches them. Functions of the C library are computed by this process.
"""

from __future__ import annotations

import bisect
import ctypes
import ctypes.util
import sys
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import unicorn
from unicorn import arm64_const as arm64

from steepest.codegen.machine_code import MachineCode
from steepest.codegen.target import NEON
from steepest.runtime import executable
from steepest.runtime.threads import native_for

OF_ONE = (
    *("exp", "log", "tanh", "expm1", "log1p", "sin", "cos", "tan", "erf", "asin", "acos", "atan"),
    *("sinh", "cosh", "asinh", "acosh", "atanh"),
)
OF_TWO = ("pow", "fmod", "atan2", "hypot", "nextafter")
STACK_BYTES = 1 << 20
RETURN = 0x8000
"""Where the emulator stops; Linux maps nothing so low."""


def emulate(patch: pytest.MonkeyPatch) -> None:
    """Let all programs be compiled for 64-bit ARM, and run in the emulator on one thread."""
    patch.setattr(executable, "host", lambda: NEON)
    patch.setattr(executable, "native", lambda: Runtime)
    patch.setattr(executable, "teams", Teams())


@lru_cache(maxsize=1)
def runtime_code() -> MachineCode:
    """The files of `steepest.runtime` for 64-bit ARM."""
    return native_for(NEON)


class Runtime:
    """Stands for the compiled `native.ll`: its functions run on a new processor each time."""

    @staticmethod
    def address(name: str) -> int:
        return runtime_code().address(name)

    @staticmethod
    def function(name: str, _kind: Any) -> Callable[[int, bytes | int], None]:
        return lambda *arguments: Emulator().run(Runtime.address(name), *arguments)


class Teams:
    """Stands for the teams of threads: the calling thread does it all."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def run(self, function: int, table: bytes | int, _threads: int) -> None:
        Runtime.function("steepest_alone", None)(function, table)


class Emulator:
    """One ARM processor."""

    def __init__(self) -> None:
        self._machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self._stack = (ctypes.c_char * STACK_BYTES)()
        self._machine.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._map)
        # Vectors are switched off when the processor starts.
        self._machine.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        self._functions = library_functions()
        self._regions: list[tuple[int, int, bool]] = []

    def run(self, function: int, *arguments: int | bytes) -> None:
        """Call a function at an address; bytes are passed by the address of a copy.

        Raises:
            RuntimeError: the program touched memory that it may not, or called a function that is
                missing here.
        """
        machine, held = self._machine, []
        for number, value in enumerate(arguments):
            if isinstance(value, bytes):
                held.append(ctypes.create_string_buffer(value, len(value)))
                value = ctypes.addressof(held[-1])
            machine.reg_write(arm64.UC_ARM64_REG_X0 + number, value)
        self._regions = sorted(_regions())
        top = ctypes.addressof(self._stack) + STACK_BYTES
        machine.reg_write(arm64.UC_ARM64_REG_SP, top // 16 * 16)
        machine.reg_write(arm64.UC_ARM64_REG_X30, RETURN)
        place = function
        while place != RETURN:
            try:
                machine.emu_start(place, RETURN)
            except unicorn.UcError as error:
                place = machine.reg_read(arm64.UC_ARM64_REG_PC)
                if place not in self._functions:
                    raise RuntimeError(f"{error} at {place:#x}") from error
                self._functions[place](machine)
                place = machine.reg_read(arm64.UC_ARM64_REG_X30)
            else:
                place = machine.reg_read(arm64.UC_ARM64_REG_PC)

    def _map(self, machine: Any, access: int, address: int, *_rest: Any) -> bool:
        """Show the emulator a region of this process; not the code of libraries."""
        found = bisect.bisect_right(self._regions, (address, sys.maxsize)) - 1
        low, high, is_file = self._regions[found]
        if address >= high or (is_file and access == unicorn.UC_MEM_FETCH_UNMAPPED):
            return False
        machine.mem_map_ptr(low, high - low, unicorn.UC_PROT_ALL, low)
        return True


def _regions() -> Iterator[tuple[int, int, bool]]:
    """The memory that this process may read: from, to, and whether it is that of a file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights, _, _, number = line.split()[:5]
        if "r" in rights:
            low, high = (int(each, 16) for each in bounds.split("-"))
            yield low, high, number != "0"


@lru_cache(maxsize=1)
def library_functions() -> dict[int, Callable[[Any], None]]:
    """What stands at the addresses of functions that programs call."""
    found: dict[int, Callable[[Any], None]] = {}
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    for name in (*OF_ONE, *OF_TWO):
        for suffix, kind in (("f", ctypes.c_float), ("", ctypes.c_double)):
            function = getattr(library, name + suffix)
            operands = 2 if name in OF_TWO else 1
            function.restype, function.argtypes = kind, [kind] * operands
            found[_address(function)] = _computed(function, kind, operands)
            both = getattr(library, "sincos" + suffix)
            both.restype, both.argtypes = None, [kind, ctypes.c_void_p, ctypes.c_void_p]
            found[_address(both)] = _sine_and_cosine(both, kind)
    c = ctypes.CDLL(None)
    for name in ("memset", "memcpy", "memmove"):
        function = getattr(c, name)
        kinds = (ctypes.c_void_p, ctypes.c_int if name == "memset" else ctypes.c_void_p)
        function.argtypes = [*kinds, ctypes.c_size_t]
        found[_address(function)] = _called(function)
    return found


def _address(function: Any) -> int:
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


def _computed(function: Any, kind: Any, operands: int) -> Callable[[Any], None]:
    """A function of floating numbers: they come in v0 and v1, the result goes to v0."""

    def compute(machine: Any) -> None:
        result = bytes(kind(function(*(_number(machine, n, kind) for n in range(operands)))))
        machine.reg_write(arm64.UC_ARM64_REG_D0, int.from_bytes(result, "little"))

    return compute


def _sine_and_cosine(function: Any, kind: Any) -> Callable[[Any], None]:
    """The function that gives both at once, which LLVM puts where a program wants both."""

    def compute(machine: Any) -> None:
        places = (machine.reg_read(arm64.UC_ARM64_REG_X0 + n) for n in range(2))
        function(_number(machine, 0, kind), *places)

    return compute


def _number(machine: Any, register: int, kind: Any) -> Any:
    """The floating number in one of v0, v1, ..."""
    bits = machine.reg_read(arm64.UC_ARM64_REG_D0 + register)
    return kind.from_buffer_copy(bits.to_bytes(8, "little")).value


def _called(function: Any) -> Callable[[Any], None]:
    """A function of three whole numbers that changes this process's memory."""

    def call(machine: Any) -> None:
        function(*(machine.reg_read(arm64.UC_ARM64_REG_X0 + n) for n in range(3)))

    return call
