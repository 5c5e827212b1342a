"""The memory of one program in this process, made as its plan says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.graph.dtypes import uint8
from steepest.graph.node import Graph
from steepest.runtime.memory import Pool, address_of, aligned
from steepest.runtime.plan import Plan


class Instance:
    """A program's arena and the memory of its results.

    Attributes:
        arena: the memory of what is neither input nor result.
        address: where it begins.
        faults: one byte, in which the program notes that numbers are out of range.
        pools: the memory of each computed result.
    """

    def __init__(self, plan: Plan, graph: Graph):
        self._plan = plan
        self.arena = aligned((plan.arena_bytes,), uint8)
        self.address = address_of(self.arena)
        self.faults = self.arena[plan.faults : plan.faults + 1]
        self.faults[...] = 0
        for offset, numbers in plan.constants:
            self.arena[offset : offset + len(numbers)] = np.frombuffer(numbers, np.uint8)
        types = [graph.outputs[position].tensor_type for position in plan.computed]
        self.pools = [Pool(each.shape, each.dtype) for each in types]
        self._constants = {
            position: self._constant(offset, graph, position)
            for position, offset in plan.constant_outputs.items()
        }
        is_plain = not any(is_copied for _, is_copied in plan.picks)
        self._plain = [number for number, _ in plan.picks] if is_plain else None

    def _constant(self, offset: int, graph: Graph, position: int) -> np.ndarray:
        wanted = graph.outputs[position].tensor_type
        numbers = self.arena[offset : offset + wanted.nbytes]
        return numbers.view(wanted.dtype.storage).reshape(wanted.shape)

    def temporaries(self) -> list[np.ndarray]:
        """The memory that a run writes before it reads it, as bytes; a test fills it."""
        return [self.arena[start : start + size] for start, size in self._plan.temporaries]

    def unused(self) -> np.ndarray:
        """Which bytes of the arena belong to no buffer; a test watches them."""
        free = np.ones(self.arena.shape, bool)
        free[self._plan.faults] = False
        for start, size in self._plan.temporaries:
            free[start : start + size] = False
        for start, numbers in self._plan.constants:
            free[start : start + len(numbers)] = False
        return free

    def outputs(self, made: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results in the graph's order; each is an array of its own."""
        found = [*arrays, *made]
        if self._plain is not None:
            return [found[number] for number in self._plain]
        results = []
        for position, (number, is_copied) in enumerate(self._plan.picks):
            constant = self._constants.get(position)
            source = found[number] if constant is None else constant
            results.append(np.array(source, order="C") if is_copied else source)
        return results
