"""Runs programs whose inputs and results end, or begin, at memory that cannot be touched.

`python -m native.fences FIRST LAST` runs random programs; a touch ends the process (SIGSEGV).
"""

from __future__ import annotations

import ctypes
import mmap
import random as random_module
import sys
from collections.abc import Sequence

import numpy as np
import random_programs
from native.test_native_random_programs import large_program
from random_programs import random_program

from steepest.graph.dtypes import DType, from_numpy
from steepest.graph.node import Graph
from steepest.kernels.tuning import FINEST, USUAL
from steepest.runtime import instance, memory
from steepest.runtime.executable import NativeExecutable

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
_kept: list[mmap.mmap] = []


def fenced(shape: tuple[int, ...], dtype: DType, at_end: bool = True) -> np.ndarray:
    """An array with a forbidden page right after its last number, or right before its first."""
    size = int(np.prod(shape)) * dtype.itemsize
    pages = -(-max(size, 1) // PAGE) + 2
    area = mmap.mmap(-1, pages * PAGE)
    _kept.append(area)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    library = ctypes.CDLL(None, use_errno=True)
    for page in (0, pages - 1):
        address = ctypes.c_void_p(start + page * PAGE)
        assert library.mprotect(address, ctypes.c_size_t(PAGE), NO_ACCESS) == 0
    offset = (pages - 1) * PAGE - size if at_end else PAGE
    return np.ndarray(shape, dtype.storage, buffer=area, offset=offset)


def run(graph: Graph, arrays: Sequence[np.ndarray], at_end: bool) -> None:
    """Run a graph as it is, and with every value a result, so that every buffer is fenced."""
    nodes = tuple(node for node in graph.nodes() if not node.is_input)
    everything = Graph(graph.name, graph.inputs, nodes)
    inputs = []
    for array in arrays:
        copy = fenced(array.shape, from_numpy(array.dtype), at_end)
        copy[...] = array
        inputs.append(copy)
    memory.aligned = instance.aligned = lambda shape, dtype: fenced(shape, dtype, at_end)
    for program, tuning in ((everything, USUAL), (everything, FINEST), (graph, FINEST)):
        NativeExecutable(program, threads=2, tuning=tuning)(inputs)


def main(first: int, last: int) -> None:
    for seed in range(first, last):
        random_programs.LARGEST = 6000
        large = large_program(seed)
        random_programs.LARGEST = 240
        small = random_program(random_module.Random(seed))
        for program in (large, small):
            run(program.graph, program.arrays, at_end=seed % 2 == 0)
        _kept.clear()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
