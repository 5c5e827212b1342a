"""The order of the nests, which of them share a pass over their rows, and where threads must meet.

A *group* is a run of nests with equally many rows, in which a row depends on no other row of the
group. So a thread takes its share of the rows through all nests of a group, a few rows at a time
while they are in cache, and meets the others only before a group that reads what they wrote.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping

from steepest.graph.node import Graph
from steepest.kernels.build import Builder
from steepest.kernels.expression import Load, walk
from steepest.kernels.nest import CheckNest, ContractNest, MapNest, Nest, ScatterNest
from steepest.kernels.passing import passing_rows, touched_elsewhere
from steepest.kernels.storage import is_mapped
from steepest.kernels.tuning import USUAL, Tuning
from steepest.kernels.updates import Updates, candidates, order_updates, reads_what_it_writes
from steepest.kernels.waits import Waits, dependencies
from steepest.ops.elementwise.selection import barrier

SOON = 12
"""How many places before its turn a nest that waits for nothing, or computes again, may come."""

STRIP = 32
"""About how many columns a contraction does for all rows before the next ones."""

LONG_WORK = 20_000
"""Nanoseconds of rows so long that two threads may write to one line of cache: they rarely do."""

LARGEST_BODY = 150
"""Operations in the body of one loop at most: more do not find room in registers."""


@dataclasses.dataclass(eq=False, slots=True)
class Group:
    """Nests that pass over their rows together.

    Attributes:
        rows: how many rows there are.
        nests: in order.
        meets: whether all threads must have come here before any begins.
        unit: rows are divided among threads in multiples of so many.
        block: how many rows pass through all nests at a time, a multiple of `unit`.
        is_serial: whether the first thread does all rows.
        passing: the bytes of a row of each node that lives for one block only, by the node's id.
        commits: whether it is the first that overwrites state, in a program that looks for faults:
            where one was found, nothing runs from here on.
    """

    rows: int
    nests: list[Nest]
    meets: bool = False
    unit: int = 1
    block: int = 1
    is_serial: bool = True
    commits: bool = False
    passing: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @property
    def work(self) -> float:
        """An estimate of nanoseconds on one core."""
        return sum(nest.work for nest in self.nests)


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """What a program does, in order.

    Attributes:
        groups: the groups of nests.
        updates: the input whose memory a result is written into, by the result's id.
    """

    groups: list[Group]
    updates: Updates


def schedule(builder: Builder, tuning: Tuning = USUAL) -> Schedule:
    """Order the nests of a graph into groups."""
    nests = builder.nests()
    waits = dependencies(nests)
    updates = order_updates(nests, waits, candidates(builder.graph))
    groups = _group(nests, waits, _computed_again(builder.graph, nests))
    for group in groups:
        _divide(group, tuning)
    _place_commit(groups, updates)
    _place_meetings(groups, waits)
    for group in groups:
        group.nests = _merged(group.nests, builder, updates)
    graph = builder.graph
    kept = [*graph.inputs, *graph.outputs, *builder.constants(), builder.faults]
    elsewhere = touched_elsewhere([group.nests for group in groups], kept)
    for group in groups:
        group.passing = passing_rows(group.nests, elsewhere, tuning.far_bytes)
    return Schedule(groups, updates)


def _computed_again(graph: Graph, nests: list[Nest]) -> set[int]:
    """The ids of the nests that compute again what was not kept, and of those that use it."""
    again: set[int] = set()
    for node in graph.nodes():
        if node.op is barrier or any(id(operand) in again for operand in node.operands):
            again.add(id(node))
    return {id(nest) for nest in nests if any(id(node) in again for node in nest.written())}


def _group(nests: list[Nest], waits: Waits, again: set[int]) -> list[Group]:
    """Take nests whose operands are ready, those first that fit the group being filled.

    A nest that waits for nothing, such as a transposed copy of a weight, comes shortly before it is
    needed: what it wrote is still in cache then, and its memory is not held for long. So does one
    of `again`, that is, of a recomputation, which is there to save memory.
    """
    free = {id(nest) for nest in nests if waits[id(nest)] and id(nest) not in again}
    groups: list[Group] = []
    placed: dict[int, Group] = {}
    position = {id(nest): n for n, nest in enumerate(nests)}
    users: dict[int, list[int]] = {}
    for nest in nests:
        for each in waits[id(nest)]:
            users.setdefault(each, []).append(position[id(nest)])
    missing = [len(waits[id(nest)]) for nest in nests]
    ready = [n for n, count in enumerate(missing) if count == 0]
    furthest = 0
    while ready:
        last = groups[-1] if groups else None
        soon = [n for n in ready if id(nests[n]) in free or n <= furthest + SOON]
        chosen = next((n for n in soon if _fits(nests[n], last, placed, waits)), None)
        if chosen is None or last is None:
            chosen = ready[0]
            last = Group(nests[chosen].rows, [])
            groups.append(last)
        ready.remove(chosen)
        if waits[id(nests[chosen])]:
            furthest = max(furthest, chosen)
        last.nests.append(nests[chosen])
        placed[id(nests[chosen])] = last
        for user in users.get(id(nests[chosen]), ()):
            missing[user] -= 1
            if missing[user] == 0:
                bisect.insort(ready, user)
    return groups


def _fits(nest: Nest, group: Group | None, placed: dict[int, Group], waits: Waits) -> bool:
    """Whether a nest may join a group: as many rows, each following its own row."""
    return (
        group is not None
        and nest.rows == group.rows
        and all(aligned or placed[each] is not group for each, aligned in waits[id(nest)].items())
    )


def _divide(group: Group, tuning: Tuning) -> None:
    """Choose how the rows of a group are divided among threads and into blocks."""
    tile = max(nest.row_unit for nest in group.nests)
    row_bytes = [
        node.tensor_type.nbytes // group.rows for nest in group.nests for node in nest.written()
    ]
    smallest = max(1, min(row_bytes, default=1))
    neighbours = -(-tuning.share_bytes // smallest)
    if group.work / group.rows * tile > LONG_WORK:
        neighbours = 1
    unit = group.unit = -(-neighbours // tile) * tile
    group.is_serial = group.rows <= unit or group.work < tuning.small_group
    is_alone = len(group.nests) == 1 and tuning.block_bytes > 1
    # A scatter goes through all its updates for every block.
    scatters = any(isinstance(nest, ScatterNest) for nest in group.nests)
    if is_alone or scatters:
        group.block = group.rows
        return
    # Rows that a contraction does not take several of at a time may be few: an image is one.
    step = unit if tile == 1 else -(-tuning.block_rows // unit) * unit
    group.block = max(1, tuning.block_bytes // max(1, sum(row_bytes)) // step) * step
    contractions = [nest for nest in group.nests if isinstance(nest, ContractNest)]
    if any(_reads_more(nest, group.block, tuning) for nest in contractions):
        group.block = group.rows


def _reads_more(nest: ContractNest, block: int, tuning: Tuning) -> bool:
    """Whether a contraction by blocks of rows reads more from afar than all rows at once.

    What it reads in vectors, it reads again for every block; without blocks, it reads the other
    operand again for every strip of columns, from afar if that is large.
    """
    panel, other = (each.node.tensor_type.nbytes for each in (nest.vector, nest.broadcast))
    if panel <= tuning.panel_bytes:
        return False
    strips = -(-nest.vector_loop.extent // STRIP) if nest.loops[0] is nest.row_loop else 1
    return other < tuning.far_bytes or nest.rows / block * panel > strips * other


def _place_commit(groups: list[Group], updates: Updates) -> None:
    """Mark the group before which all must be known to be well."""
    if not any(isinstance(nest, CheckNest) for group in groups for nest in group.nests):
        return
    for group in groups:
        if any(id(node) in updates for nest in group.nests for node in nest.written()):
            group.commits = True
            return


def _place_meetings(groups: list[Group], waits: Waits) -> None:
    """Let threads meet before a group that needs what others wrote since they last met."""
    fresh: dict[int, Group] = {}
    for group in groups:
        own = {id(nest) for nest in group.nests}
        needed = {each for nest in group.nests for each in waits[id(nest)]} - own
        # What the first thread wrote alone, it may read alone.
        if group.commits or any(
            each in fresh and not (group.is_serial and fresh[each].is_serial) for each in needed
        ):
            group.meets = True
            fresh = {}
        fresh.update(dict.fromkeys(own, group))


def _merged(nests: list[Nest], builder: Builder, updates: Updates) -> list[Nest]:
    """Join neighbouring map nests of one shape into one loop, where none reads another askew."""
    result: list[Nest] = []
    for nest in nests:
        last = result[-1] if result else None
        joined = None
        if isinstance(nest, MapNest) and isinstance(last, MapNest):
            joined = _joined(last, nest, builder, updates)
        if joined is None:
            result.append(nest)
        else:
            result[-1] = joined
    return result


def _turns(nest: MapNest) -> bool:
    """Whether a nest only copies, from places that lie apart: that goes by blocks, if alone."""
    value = nest.stores[0].value
    is_copy = len(nest.stores) == 1 and isinstance(value, Load) and not value.indices
    return is_copy and value.place.step(nest.loops[-1]) > 1  # type: ignore[attr-defined]


def _joined(first: MapNest, second: MapNest, builder: Builder, updates: Updates) -> MapNest | None:
    """Both nests as one, if that saves a pass over something that both use."""
    nodes = [*first.written(), *second.written()]
    if first.node.tensor_type.shape != second.node.tensor_type.shape or first.rows == 1:
        return None
    if not all(is_mapped(node) for node in nodes) or _turns(first) or _turns(second):
        return None
    known = {id(load.node) for load in first.reads()} | {id(each) for each in first.written()}
    shared = [load for load in second.reads() if id(load.node) in known]
    if all(load.node.tensor_type.size == 1 for load in shared):
        return None
    joined = builder.map_nest(nodes)
    body = sum(1 for store in joined.stores for _ in walk(store.value))
    own = {id(node) for node in nodes}
    if body > LARGEST_BODY or any(id(load.node) in own for load in joined.reads()):
        return None
    overwritten = {id(updates[id(node)]): node for node in nodes if id(node) in updates}
    for load in joined.reads():
        new = overwritten.get(id(load.node))
        if new is not None and not reads_what_it_writes(joined, load, new):
            return None
    return joined
