"""Where a program's numbers lie: inputs and results by themselves, all else in one arena.

Buffers that are never needed at the same time share memory. Time is counted in *intervals*: between
two meetings of the threads, nothing is known about which thread is where.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from steepest.graph.dtypes import to_storage
from steepest.graph.node import Node
from steepest.kernels.build import Builder
from steepest.kernels.grouping import Group
from steepest.kernels.nest import nodes_of
from steepest.kernels.place import Place, Places
from steepest.kernels.schedule import Schedule
from steepest.runtime.memory import LINE

CONSTANT = -1
"""Stands in `Plan.picks` for a result whose numbers are known beforehand."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The memory of a program, as plain numbers that a file can hold.

    The program's table of pointers has the inputs, then the computed results, then the arena.

    Attributes:
        arena_bytes: the size of the arena.
        faults: where in the arena the program notes that numbers are out of range.
        computed: for each result that the program writes by itself, an output that it is.
        updated: the numbers of the inputs that are overwritten by their new values.
        picks: for each output, where it is among `[*inputs, *computed]`, and whether it must be
            copied because it is not the program's own or stands for several outputs.
        constants: where in the arena numbers that are known beforehand lie: offset and bytes.
        constant_outputs: offsets of those that are outputs, by the output's number.
        temporaries: offset and bytes of what a run writes before it reads it.
        work: an estimate of a run's nanoseconds on one core.
    """

    arena_bytes: int
    faults: int
    computed: tuple[int, ...]
    updated: tuple[int, ...]
    picks: tuple[tuple[int, bool], ...]
    constants: tuple[tuple[int, bytes], ...]
    constant_outputs: Mapping[int, int]
    temporaries: tuple[tuple[int, int], ...]
    work: float

    def as_json(self) -> dict[str, Any]:
        """Everything as numbers and text; the inverse of `plan_from_json`."""
        found = dataclasses.asdict(self)
        found["constants"] = [(offset, numbers.hex()) for offset, numbers in self.constants]
        found["constant_outputs"] = list(self.constant_outputs.items())
        return found


def plan_from_json(found: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.as_json` wrote."""
    return Plan(
        arena_bytes=int(found["arena_bytes"]),
        faults=int(found["faults"]),
        computed=tuple(found["computed"]),
        updated=tuple(found["updated"]),
        picks=tuple((int(number), bool(copied)) for number, copied in found["picks"]),
        constants=tuple((offset, bytes.fromhex(text)) for offset, text in found["constants"]),
        constant_outputs=dict(found["constant_outputs"]),
        temporaries=tuple((offset, size) for offset, size in found["temporaries"]),
        work=float(found["work"]),
    )


def make_plan(builder: Builder, made: Schedule, guard_bytes: int = 0) -> tuple[Plan, Places]:
    """Give every buffer of a program its place.

    Args:
        guard_bytes: memory around each buffer of the arena that no program may touch.
    """
    graph = builder.graph
    held = {id(node): number for number, node in enumerate(graph.inputs)}
    constants = {id(node): node for node in builder.constants()}
    computed: dict[int, int] = {}
    for position, node in enumerate(graph.outputs):
        if not any(id(node) in each for each in (held, constants, made.updates)):
            computed.setdefault(id(node), position)
    slots = {**held, **{key: len(held) + n for n, key in enumerate(computed)}}
    slots |= {key: held[id(old)] for key, old in made.updates.items()}
    places = {key: Place(slot, 0) for key, slot in slots.items()}
    arena = _Arena(builder, guard_bytes)
    fixed = [builder.faults, *constants.values()]
    for node in fixed:
        arena.add_fixed(node)
    arena.add_temporaries(made.groups, known=set(slots) | set(constants))
    arena_slot = len(held) + len(computed)
    places |= {key: Place(arena_slot, offset) for key, offset in arena.offsets.items()}
    plan = Plan(
        arena_bytes=arena.size,
        faults=arena.offsets[id(builder.faults)],
        computed=tuple(computed.values()),
        updated=tuple(held[id(old)] for old in made.updates.values()),
        picks=tuple(_picks(builder, made, slots, constants)),
        constants=tuple(
            (arena.offsets[key], _stored(node).tobytes()) for key, node in constants.items()
        ),
        constant_outputs={
            position: arena.offsets[id(node)]
            for position, node in enumerate(graph.outputs)
            if id(node) in constants
        },
        temporaries=tuple(arena.temporaries),
        work=sum(group.work for group in made.groups),
    )
    return plan, places


def _stored(node: Node) -> np.ndarray:
    return np.ascontiguousarray(to_storage(node.static["value"], node.tensor_type.dtype))


def _picks(
    builder: Builder, made: Schedule, slots: Mapping[int, int], constants: Mapping[int, Node]
) -> Iterable[tuple[int, bool]]:
    """Where each output is, and whether it must be copied; see `Plan.picks`."""
    replaced = dict(builder.graph.updates)
    given: set[int] = set()
    for position, node in enumerate(builder.graph.outputs):
        if id(node) in constants:
            yield CONSTANT, True
        elif node.is_input:
            yield slots[id(node)], True
        elif id(node) in made.updates:
            yield slots[id(node)], replaced.get(position) != slots[id(node)]
        else:
            yield slots[id(node)], id(node) in given
            given.add(id(node))


class _Arena:
    """Places buffers in one piece of memory."""

    def __init__(self, builder: Builder, guard_bytes: int):
        self._layout = builder.layout
        self._guard_bytes = guard_bytes
        self.offsets: dict[int, int] = {}
        self.temporaries: list[tuple[int, int]] = []
        self.size = guard_bytes

    def _room(self, node: Node) -> int:
        """The bytes that a buffer takes, guard included."""
        lines = -(-self._layout.nbytes(node) // LINE)
        return max(lines, 1) * LINE + self._guard_bytes

    def add_fixed(self, node: Node) -> None:
        """Place a buffer that keeps its numbers from run to run."""
        self.offsets[id(node)] = self.size
        self.size += self._room(node)

    def add_temporaries(self, groups: Iterable[Group], known: set[int]) -> None:
        """Place the others, the largest first, each at the lowest place that is free all the time.

        Greedy by size: Pisarchyk and Lee, arXiv 2001.03288.
        """
        needed = _lifetimes(groups, known | set(self.offsets))
        placed: list[tuple[int, int, int, int]] = []
        first_free = self.size
        order = sorted(needed.values(), key=lambda each: -self._room(each[0]))
        for node, begin, end in order:
            room = self._room(node)
            offset = first_free
            for start, stop, others_begin, others_end in placed:
                is_alive = begin <= others_end and others_begin <= end
                if is_alive and offset + room > start and offset < stop:
                    offset = stop
            self.offsets[id(node)] = offset
            placed.append((offset, offset + room, begin, end))
            placed.sort()
            self.size = max(self.size, offset + room)
            self.temporaries.append((offset, self._layout.nbytes(node)))


def _lifetimes(groups: Iterable[Group], known: set[int]) -> dict[int, tuple[Node, int, int]]:
    """For each node with a buffer in the arena, the first and last interval in which it is used."""
    found: dict[int, tuple[Node, int, int]] = {}
    interval = 0
    for group in groups:
        interval += group.meets
        for nest in group.nests:
            for node in nodes_of(nest):
                if id(node) not in known:
                    _, begin, _ = found.get(id(node), (node, interval, interval))
                    found[id(node)] = (node, begin, interval)
    return found
