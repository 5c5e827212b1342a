"""The order of the nests, which of them share a pass over their rows, and where threads must meet.

A thread takes its share of the rows through all nests of a group (`grouping.py`), a few rows at a
time while they are in cache, and meets the others only before a group that reads what they wrote.
"""

from __future__ import annotations

import dataclasses
import math

from steepest.kernels.build import Builder
from steepest.kernels.expression import Load, walk
from steepest.kernels.grouping import Group, Grouping
from steepest.kernels.nest import (
    CheckNest,
    ContractNest,
    MapNest,
    Nest,
    ScatterNest,
)
from steepest.kernels.passing import passing_rows, touched_elsewhere
from steepest.kernels.storage import is_mapped
from steepest.kernels.tuning import USUAL, Tuning
from steepest.kernels.updates import Updates, candidates, order_updates, reads_what_it_writes
from steepest.kernels.waits import Waits, dependencies

STRIP = 32
"""About how many columns a contraction does for all rows before the next ones."""

LONG_WORK = 20_000
"""Nanoseconds of rows so long that two threads may write to one line of cache: they rarely do."""

LARGEST_BODY = 150
"""Operations in the body of one loop at most: more do not find room in registers."""


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
    groups = Grouping(builder.graph, nests, waits, tuning).groups()
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


def _divide(group: Group, tuning: Tuning) -> None:
    """Choose how the rows of a group are divided among threads and into blocks."""
    tile = math.lcm(*(nest.row_unit for nest in group.nests))
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
    if nest.vector.place.step(nest.loops[0]):
        return False
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
