"""Where a program's numbers lie: inputs and results by themselves, all else in one arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from steepest.codegen.program import Place
from steepest.graph.dtypes import to_storage, uint8
from steepest.graph.node import Node
from steepest.kernels.build import Builder
from steepest.kernels.schedule import Group, Schedule
from steepest.runtime.memory import LINE, address_of, aligned


class Plan:
    """The memory of a program.

    Slots of the table of pointers are the inputs, then the computed results, then the arena.

    Args:
        guard_bytes: memory around each buffer of the arena that no program may touch.

    Attributes:
        places: slot and bytes from its beginning, for each node with a buffer (by id).
        computed: the results that the program writes, each once.
        arena: the memory of what is neither input nor result.
        faults: where the program notes that numbers are out of range.
        updated: the numbers of the inputs that are overwritten by their new values.
    """

    def __init__(self, builder: Builder, made: Schedule, guard_bytes: int = 0):
        graph = builder.graph
        self._guard_bytes = guard_bytes
        self._layout = builder.layout
        self.places = {id(node): Place(n, 0) for n, node in enumerate(graph.inputs)}
        constants = builder.constants()
        known = {id(node) for node in (*graph.inputs, *constants)}
        self.computed: list[Node] = []
        for node in graph.outputs:
            if id(node) in made.updates:
                known.add(id(node))
                self.places[id(node)] = self.places[id(made.updates[id(node)])]
            elif id(node) not in known:
                known.add(id(node))
                self.places[id(node)] = Place(len(graph.inputs) + len(self.computed), 0)
                self.computed.append(node)
        self._arena_slot = len(graph.inputs) + len(self.computed)
        self._size = guard_bytes
        self._temporaries: list[Node] = []
        self._fixed = [builder.faults, *constants]
        self._lay_out(made.groups)
        self.arena = aligned((self._size,), uint8)
        self.address = address_of(self.arena)
        self.faults = self.view(builder.faults)
        self.faults[...] = 0
        for node in constants:
            self.view(node)[...] = to_storage(node.static["value"], node.tensor_type.dtype)
        held = {id(node): n for n, node in enumerate(graph.inputs)}
        self.updated = [held[id(node)] for node in made.updates.values()]
        self._constants = {id(node): self.view(node) for node in constants}
        self._constant_of = [self._constants.get(id(node)) for node in graph.outputs]
        self._picks = self._pick(builder, made.updates)
        is_plain = not any(is_copied for _, is_copied in self._picks)
        self._plain = [number for number, _ in self._picks] if is_plain else None

    def _lay_out(self, groups: Sequence[Group]) -> None:
        """Give every other node a place in the arena."""
        for node in self._fixed:
            self._add(node)
        for group in groups:
            for nest in group.nests:
                for node in nest.written():
                    if id(node) not in self.places:
                        self._add(node)
                        self._temporaries.append(node)

    def _add(self, node: Node) -> None:
        self.places[id(node)] = Place(self._arena_slot, self._size)
        bytes_in_lines = -(-self._layout.nbytes(node) // LINE) * LINE
        self._size += max(bytes_in_lines, LINE) + self._guard_bytes

    def view(self, node: Node) -> np.ndarray:
        """The numbers of a node in the arena."""
        start = self.places[id(node)].offset
        numbers = self.arena[start : start + node.tensor_type.nbytes]
        return numbers.view(node.tensor_type.dtype.storage).reshape(node.tensor_type.shape)

    def temporaries(self) -> list[np.ndarray]:
        """The memory that a run writes before it reads it; a test fills it with NaN."""
        found = []
        for node in self._temporaries:
            start = self.places[id(node)].offset
            whole = self.arena[start : start + self._layout.nbytes(node)]
            found.append(whole.view(node.tensor_type.dtype.storage))
        return found

    def unused(self) -> np.ndarray:
        """Which bytes of the arena belong to no buffer; a test watches them."""
        free = np.ones(self.arena.shape, bool)
        for node in (*self._fixed, *self._temporaries):
            start = self.places[id(node)].offset
            free[start : start + self._layout.nbytes(node)] = False
        return free

    def _pick(self, builder: Builder, updates: Mapping[int, Node]) -> list[tuple[int, bool]]:
        """Where each result is among `[*inputs, *computed]`, and whether it must be copied."""
        graph = builder.graph
        held = {id(node): n for n, node in enumerate(graph.inputs)}
        made = {id(node): len(graph.inputs) + n for n, node in enumerate(self.computed)}
        replaced = dict(graph.updates)
        picks = []
        given: set[int] = set()
        for position, node in enumerate(graph.outputs):
            old = updates.get(id(node))
            if id(node) in self._constants:
                picks.append((-1, True))
            elif node.is_input:
                picks.append((held[id(node)], True))
            elif old is not None:
                is_own = replaced.get(position) == held[id(old)]
                picks.append((held[id(old)], not is_own))
            else:
                picks.append((made[id(node)], id(node) in given))
                given.add(id(node))
        return picks

    def begins_with_computed(self, results: int) -> bool:
        """Whether the first `results` outputs are all that is computed beside state, in order."""
        first = self._arena_slot - len(self.computed)
        wanted = [(first + n, False) for n in range(results)]
        return results == len(self.computed) and self._picks[:results] == wanted

    def outputs(self, made: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The results in the graph's order; each is an array of its own."""
        found = [*arrays, *made]
        if self._plain is not None:
            return [found[number] for number in self._plain]
        return [
            np.array(constant if constant is not None else found[number], order="C")
            if is_copied
            else found[number]
            for (number, is_copied), constant in zip(self._picks, self._constant_of, strict=True)
        ]
