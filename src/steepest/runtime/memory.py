"""Memory for numbers: on the borders of cache lines, and used again when nobody holds it."""

from __future__ import annotations

import ctypes
import gc
import itertools
import math
import sys
import weakref

import numpy as np

from steepest.graph.dtypes import DType

LINE = 64
"""Bytes of a cache line, and of the longest vector: arrays begin on a multiple of it."""

LARGE_PAGE = 2 << 20
SHIFTS, SHIFT_BYTES = 15, 4096 + 5 * LINE
_shifts = itertools.count()


def aligned(shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """An array of unwritten numbers in row-major order that begins on a cache line.

    Views of it hold on to the array itself, not to the memory below: its reference count tells
    whether anybody still reads it.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE_PAGE:
        raw = np.empty(size + LINE, np.uint8)
        offset = -raw.ctypes.data % LINE
    else:
        # Large pages from the first byte on, if the system has them; and no two arrays begin at the
        # same place of a page, where their neighbours would crowd the same sets of a cache.
        shift = next(_shifts) % SHIFTS * SHIFT_BYTES
        raw = np.empty(size + LARGE_PAGE + shift, np.uint8)
        offset = -raw.ctypes.data % LARGE_PAGE + shift
    return np.ndarray(shape, dtype.storage, buffer=raw.data, offset=offset)


def address_of(array: np.ndarray) -> int:
    """Where the numbers of an array begin."""
    return int(array.__array_interface__["data"][0])


ADDRESSES: dict[int, int] = {}
"""The address of each living array that was made here for a program to write, by its id."""

_living: dict[int, weakref.ref[np.ndarray]] = {}


def writable(shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """An `aligned` array that programs may write into, as long as nobody else holds it."""
    array = aligned(shape, dtype)
    key = id(array)

    def forget(_: weakref.ref[np.ndarray]) -> None:
        ADDRESSES.pop(key, None)
        _living.pop(key, None)

    _living[key] = weakref.ref(array, forget)
    ADDRESSES[key] = address_of(array)
    return array


class Pool:
    """The memory of one result of a program, from call to call.

    A result is written into an array that an earlier call gave out and that nobody holds any
    more, be it by a view, a memory view or another library; else into a new one.
    """

    KEPT = 3
    """Arrays kept: a state needs one to read and one to write; its history may hold one more."""

    def __init__(self, shape: tuple[int, ...], dtype: DType):
        self._shape = shape
        self._dtype = dtype
        self._arrays: list[np.ndarray] = []

    def take(self) -> np.ndarray:
        """An array to write the result into."""
        for array in self._arrays:
            if references(array) == FREE and array.shape == self._shape and array.flags.writeable:
                return array
        array = writable(self._shape, self._dtype)
        if FREE:
            self._arrays.append(array)
            del self._arrays[: -self.KEPT]
        return array


def give_back() -> None:
    """Return to the system what is free: compiling leaves much, before training needs much.

    Where the C library has no way to, only Python's own garbage is freed.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(ctypes.c_size_t(0))


references = sys.getrefcount


def own(array: np.ndarray, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """The same numbers in memory that a program may overwrite."""
    mine = writable(shape, dtype)
    np.copyto(mine, array)
    return mine


def _references_of_a_free_array() -> int:
    """What `Pool.take` counts for an array that only its pool holds; 0 if counts are not exact."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    for array in [np.empty(0)]:
        return references(array)
    return 0


FREE = _references_of_a_free_array()


class _Holder:
    """Holds an array as a tensor does."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array = np.empty(0)


def _references_of_held_state() -> int:
    """What `references(arrays[n])` counts for state that only its tensor and two lists hold."""
    if not FREE:
        return 0
    holder = _Holder()
    given = [holder.array]
    arrays = list(given)
    for number in range(1):
        return references(arrays[number])
    return 0


HELD = _references_of_held_state()
"""More references than these, and somebody beside its tensor holds a state's array."""
