"""Memory for numbers: on the borders of cache lines, and used again when nobody holds it."""

from __future__ import annotations

import math
import sys

import numpy as np

from steepest.graph.dtypes import DType

LINE = 64
"""Bytes of a cache line, and of the longest vector: arrays begin on a multiple of it."""


def aligned(shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """An array of unwritten numbers in row-major order that begins on a cache line.

    Views of it hold on to the array itself, not to the memory below: its reference count tells
    whether anybody still reads it.
    """
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + LINE, np.uint8)
    offset = -raw.ctypes.data % LINE
    return np.ndarray(shape, dtype.storage, buffer=raw.data, offset=offset)


def address_of(array: np.ndarray) -> int:
    """Where the numbers of an array begin."""
    return int(array.__array_interface__["data"][0])


ADDRESSES: dict[int, int] = {}
"""The address of each array that a pool holds, by the array's id."""


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

    def __del__(self) -> None:
        for array in self._arrays:
            del ADDRESSES[id(array)]

    def take(self) -> np.ndarray:
        """An array to write the result into."""
        for array in self._arrays:
            if references(array) == FREE and array.shape == self._shape and array.flags.writeable:
                return array
        array = aligned(self._shape, self._dtype)
        if FREE:
            self._keep(array)
        return array

    def _keep(self, array: np.ndarray) -> None:
        ADDRESSES[id(array)] = address_of(array)
        self._arrays.append(array)
        if len(self._arrays) > self.KEPT:
            dropped = self._arrays.pop(0)
            del ADDRESSES[id(dropped)]


references = sys.getrefcount


def _references_of_a_free_array() -> int:
    """What `Pool.take` counts for an array that only its pool holds; 0 if counts are not exact."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0
    for array in [np.empty(0)]:
        return references(array)
    return 0


FREE = _references_of_a_free_array()
