"""Machine code from an object file to memory, without the compiler that made it.

A program whose code is on disk needs no LLVM then, which takes long to load. And all sections lie
in one piece of memory, where LLVM's loader maps them apart: with gigabytes of other mappings
between them, places of 32 bits do not reach, and it ends the process. An object file of x86-64
Linux is simple enough: sections are copied, and the places that name an address are filled in
(System V ABI, AMD64 supplement, section 4.4). Other machines' files are left to LLVM's loader.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

SECTION = np.dtype(
    [
        ("name", "<u4"),
        ("kind", "<u4"),
        ("flags", "<u8"),
        ("address", "<u8"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("link", "<u4"),
        ("info", "<u4"),
        ("align", "<u8"),
        ("entry", "<u8"),
    ]
)
SYMBOL = np.dtype(
    [
        ("name", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("section", "<u2"),
        ("value", "<u8"),
        ("size", "<u8"),
    ]
)
RELOCATION = np.dtype([("place", "<u8"), ("kind", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
HEADER = b"\x7fELF\x02\x01\x01"
"""64 bits, the lowest byte first."""
RELOCATABLE_X86 = b"\x01\x00\x3e\x00"
CONTENT, SYMBOLS, RELOCATIONS, ZEROS = 1, 2, 4, 8
"""Kinds of sections."""
IN_MEMORY = 2
"""The flag of sections that a program needs while it runs."""
ABSOLUTE, RELATIVE_64 = 1, 24
REACHING_32 = (2, 4)
"""Kinds of places to fill in: with an address, or with the distance to one, in 64 or 32 bits."""
BY_ADDRESS = (9, 41, 42)
"""Kinds of places to fill in with the distance to where an address stands."""
JUMP = b"\xff\x25\x02\x00\x00\x00\x90\x90"
"""Jump to the address that stands behind this: other code may be out of reach of 32 bits."""
STUB = 16
"""Bytes of a jump and its address."""
OUTSIDE, FIXED = 0, 0xFFF1
"""Sections of symbols that other code has, or that are plain numbers."""


class UnknownCode(Exception):  # noqa: N818 - a request for another loader, not an error
    """An object file holds what this loader does not know."""


class LoadedCode:
    """Functions in memory, as long as this object lives; with the methods of `MachineCode`.

    Args:
        code: the object file.
        symbols: addresses of what it calls, by name; beside these, the C library is known.

    Raises:
        UnknownCode: it is not for this machine, or not of the simple kind.
    """

    def __init__(self, code: bytes, symbols: dict[str, int]):
        self.code = code
        # Nothing but Linux is known to give memory out in this way.
        if not code.startswith(HEADER) or code[16:20] != RELOCATABLE_X86 or sys.platform != "linux":
            raise UnknownCode("not an object file of x86-64 Linux")
        self._read_tables()
        self._place_sections()
        self._fill_in(symbols)
        self._protect()

    def address(self, name: str) -> int:
        """The address of a function."""
        return self._functions[name]

    def function(self, name: str, kind: Any) -> Any:
        """A function that Python can call; the interpreter's lock is released while it runs."""
        return kind(self.address(name))

    def _read_tables(self) -> None:
        code = self.code
        start = int.from_bytes(code[40:48], "little")
        count = int.from_bytes(code[60:62], "little")
        self._sections = np.frombuffer(code, SECTION, count, start)
        tables = self._sections[self._sections["kind"] == SYMBOLS]
        if len(tables) != 1:
            raise UnknownCode("not one table of symbols")
        self._symbols = self._table(tables[0], SYMBOL)
        strings = self._sections[tables[0]["link"]]
        first, size = int(strings["offset"]), int(strings["size"])
        names = code[first : first + size]
        self._names = [names[at : names.index(b"\0", at)].decode() for at in self._symbols["name"]]

    def _table(self, section: Any, kind: np.dtype[Any]) -> np.ndarray:
        count = int(section["size"]) // kind.itemsize
        return np.frombuffer(self.code, kind, count, int(section["offset"]))

    def _place_sections(self) -> None:
        """Copy what the program needs into one piece of memory, sections aligned as they want."""
        self._bases: dict[int, int] = {}
        end = 0
        for number, section in enumerate(self._sections):
            needed = int(section["flags"]) & IN_MEMORY and section["kind"] in (CONTENT, ZEROS)
            if needed and section["size"]:
                align = max(int(section["align"]), 1)
                self._bases[number] = -(-end // align) * align
                end = self._bases[number] + int(section["size"])
        self._find_stubs(-(-end // STUB) * STUB)
        end = max([end, *(place + STUB for place in self._stubs.values())])
        self._memory = mmap.mmap(-1, max(end, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for number, base in self._bases.items():
            section = self._sections[number]
            if section["kind"] == CONTENT:
                first, size = int(section["offset"]), int(section["size"])
                self._memory[base : base + size] = self.code[first : first + size]

    def _find_stubs(self, place: int) -> None:
        """Where an address stands for code that looks it up or cannot reach it, by the symbol."""
        self._stubs: dict[int, int] = {}
        for _, relocations in self._relocations():
            for each in relocations:
                symbol, kind = int(each["symbol"]), int(each["kind"])
                is_far = kind in REACHING_32 and self._symbols[symbol]["section"] == OUTSIDE
                if (is_far or kind in BY_ADDRESS) and symbol not in self._stubs:
                    self._stubs[symbol] = place + STUB * len(self._stubs)

    def _relocations(self) -> Iterator[tuple[int, np.ndarray]]:
        """For each section in memory, where it lies and the places to fill in."""
        for section in self._sections[self._sections["kind"] == RELOCATIONS]:
            base = self._bases.get(int(section["info"]))
            # What debuggers and unwinders read is not in memory.
            if base is not None:
                yield base, self._table(section, RELOCATION)

    def _fill_in(self, symbols: dict[str, int]) -> None:
        """Write the addresses that the code names into their places."""
        addresses = [self._address_of(number, symbols) for number in range(len(self._symbols))]
        self._functions = {
            name: found
            for name, found in zip(self._names, addresses, strict=True)
            if name and found is not None
        }
        for base, relocations in self._relocations():
            for each in relocations:
                target = self._target(each, addresses)
                place, kind = base + int(each["place"]), int(each["kind"])
                self._write(place, kind, target + int(each["addend"]))

    def _target(self, relocation: Any, addresses: list[int | None]) -> int:
        """The address that a place is filled in with or by."""
        symbol = int(relocation["symbol"])
        target, stub = addresses[symbol], self._stubs.get(symbol)
        if target is None:
            raise UnknownCode(f"no address of {self._names[symbol]!r}")
        if stub is None or int(relocation["kind"]) == ABSOLUTE:
            return target
        self._memory[stub : stub + STUB] = JUMP + target.to_bytes(8, "little")
        jumps = int(relocation["kind"]) not in BY_ADDRESS
        return self._start + stub + (0 if jumps else len(JUMP))

    def _address_of(self, number: int, symbols: dict[str, int]) -> int | None:
        symbol, name = self._symbols[number], self._names[number]
        section = int(symbol["section"])
        if section == FIXED:
            return int(symbol["value"])
        if section == OUTSIDE:
            return symbols.get(name) or _library_function(name) if name else None
        base = self._bases.get(section)
        return None if base is None else self._start + base + int(symbol["value"])

    def _write(self, place: int, kind: int, value: int) -> None:
        if kind in (*REACHING_32, *BY_ADDRESS, RELATIVE_64):
            value -= self._start + place
        elif kind != ABSOLUTE:
            raise UnknownCode(f"a place of kind {kind}")
        size = 8 if kind in (ABSOLUTE, RELATIVE_64) else 4
        try:
            self._memory[place : place + size] = value.to_bytes(size, "little", signed=value < 0)
        except OverflowError:
            raise UnknownCode("an address out of reach") from None

    def _protect(self) -> None:
        """From here on the memory can be run and no longer be written."""
        process = ctypes.CDLL(None, use_errno=True)
        allowed = mmap.PROT_READ | mmap.PROT_EXEC
        start, size = ctypes.c_void_p(self._start), ctypes.c_size_t(len(self._memory))
        if process.mprotect(start, size, ctypes.c_int(allowed)):
            raise UnknownCode("the system does not let memory be run")


@lru_cache(maxsize=1)
def _libraries() -> tuple[ctypes.CDLL, ...]:
    return ctypes.CDLL(None), ctypes.CDLL("libm.so.6")


def _library_function(name: str) -> int | None:
    """The address of a function of the C library."""
    for library in _libraries():
        found = getattr(library, name, None)
        if found is not None:
            return ctypes.cast(found, ctypes.c_void_p).value
    return None
