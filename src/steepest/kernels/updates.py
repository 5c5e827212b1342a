"""State that is updated in place: which results of a graph may be written over an input.

A result may take the place of the value that it replaces if every nest that reads the old value
can run before the one that writes the new one.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

from steepest.graph.node import Graph, Node
from steepest.kernels.expression import Load
from steepest.kernels.nest import CheckNest, MapNest, Nest
from steepest.kernels.waits import Waits, is_aligned

Updates = dict[int, Node]
"""The input whose memory a result takes, by the result's id."""


def candidates(graph: Graph) -> Updates:
    """The results that are new values of inputs which are not results themselves."""
    returned = [id(node) for node in graph.outputs]
    found: Updates = {}
    for output, held in graph.updates:
        new, old = graph.outputs[output], graph.inputs[held]
        is_own = not new.is_input and id(new) not in found
        if is_own and id(old) not in returned and new.op is not None and new.op.name != "constant":
            found[id(new)] = old
    return found


def order_updates(nests: Sequence[Nest], waits: Waits, wanted: Updates) -> Updates:
    """Let each nest that overwrites an input wait for those that read it; return what can be.

    `waits` is added to. Nests that look for faults come before every nest that overwrites: what a
    program refuses, it leaves as it was.
    """
    order = _Order(nests, waits)
    readers = _readers(nests, wanted)
    checks = {id(nest): False for nest in nests if isinstance(nest, CheckNest)}
    found: Updates = {}
    writers = Counter(id(node) for nest in nests for node in nest.written())
    for nest in nests:
        for node in nest.written():
            old = wanted.get(id(node)) if writers[id(node)] == 1 else None
            needed = None if old is None else _needed(nest, node, readers[id(old)])
            if old is not None and needed is not None and order.add(nest, checks | needed):
                found[id(node)] = old
                _wait_together(nest, nests, waits, order, needed)
    return found


def _wait_together(
    nest: Nest, nests: Sequence[Nest], waits: Waits, order: _Order, needed: dict[int, bool]
) -> None:
    """Let what a map nest uses row by row wait for the same, so that they stay one pass.

    A parameter is updated from the moments that were updated just before.
    """
    if not isinstance(nest, MapNest):
        return
    used = [each for each, aligned in waits[id(nest)].items() if aligned and each not in needed]
    for each in nests:
        if id(each) in used and isinstance(each, MapNest) and len(each.loops) == len(nest.loops):
            order.add(each, needed)


def _readers(nests: Sequence[Nest], wanted: Updates) -> dict[int, list[tuple[Nest, Load | None]]]:
    """By an input's id: the nests that read it and how, `None` where any part may be read."""
    readers: dict[int, list[tuple[Nest, Load | None]]] = {id(old): [] for old in wanted.values()}
    for nest in nests:
        for load in nest.reads():
            if id(load.node) in readers:
                readers[id(load.node)].append((nest, load))
        for node in nest.scattered_reads():
            if id(node) in readers:
                readers[id(node)].append((nest, None))
    return readers


def _needed(
    writer: Nest, new: Node, readers: Sequence[tuple[Nest, Load | None]]
) -> dict[int, bool] | None:
    """What the writer must wait for, and whether row by row; `None` if it cannot overwrite."""
    needed: dict[int, bool] = {}
    for nest, load in readers:
        if nest is writer:
            if load is None or not reads_what_it_writes(nest, load, new):
                return None
            continue
        aligned = load is not None and is_aligned(nest, writer, dataclasses.replace(load, node=new))
        needed[id(nest)] = needed.get(id(nest), True) and aligned
    return needed


class _Order:
    """What must run before what, as bits for each nest; it grows and never gets a circle."""

    def __init__(self, nests: Sequence[Nest], waits: Waits):
        self._waits = waits
        self._position = {id(nest): n for n, nest in enumerate(nests)}
        self._before: list[int] = []
        # Nests come operands first, so all that one waits for has been seen.
        for nest in nests:
            self._before.append(self._with(waits[id(nest)]))

    def _with(self, needed: Iterable[int]) -> int:
        bits = 0
        for each in needed:
            bits |= self._before[self._position[each]] | (1 << self._position[each])
        return bits

    def add(self, nest: Nest, needed: dict[int, bool]) -> bool:
        """Let a nest wait for others; returns False, with nothing done, if one waits for it."""
        own = 1 << self._position[id(nest)]
        bits = self._with(needed)
        if bits & own:
            return False
        waits = self._waits[id(nest)]
        for each, aligned in needed.items():
            waits[each] = waits.get(each, True) and aligned
        for n, before in enumerate(self._before):
            if before & own or 1 << n == own:
                self._before[n] = before | bits
        return True


def reads_what_it_writes(nest: Nest, load: Load, new: Node) -> bool:
    """Whether each turn of a nest reads the very number that it overwrites."""
    if not isinstance(nest, MapNest) or load.indices:
        return False
    return all(store.place == load.place for store in nest.stores if store.node is new)
