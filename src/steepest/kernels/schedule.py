"""The order of the nests, which of them share a pass over their rows, and where threads must meet.

A *group* is a run of nests with equally many rows, in which a row depends on no other row of the
group. So a thread takes its share of the rows through all nests of a group, a few rows at a time
while they are in cache, and meets the others only before a group that reads what they wrote.
"""

from __future__ import annotations

import bisect
import dataclasses

from steepest.kernels.build import Builder
from steepest.kernels.expression import Load, walk
from steepest.kernels.nest import MapNest, Nest
from steepest.kernels.storage import is_mapped
from steepest.kernels.tuning import USUAL, Tuning

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
    """

    rows: int
    nests: list[Nest]
    meets: bool = False
    unit: int = 1
    block: int = 1
    is_serial: bool = True

    @property
    def work(self) -> float:
        """An estimate of nanoseconds on one core."""
        return sum(nest.work for nest in self.nests)


Waits = dict[int, dict[int, bool]]
"""By a nest's id: the ids of the nests that must come before; True where row follows row."""


def schedule(builder: Builder, tuning: Tuning = USUAL) -> list[Group]:
    """Order the nests of a graph into groups."""
    nests = builder.nests()
    waits = _dependencies(nests)
    groups = _group(nests, waits)
    for group in groups:
        _divide(group, tuning)
    _place_meetings(groups, waits)
    for group in groups:
        group.nests = _merged(group.nests, builder)
    return groups


def _dependencies(nests: list[Nest]) -> Waits:
    """What each nest waits for."""
    writers: dict[int, list[Nest]] = {}
    waits: Waits = {}
    for nest in nests:
        needed: dict[int, bool] = {}
        for load in nest.reads():
            for earlier in writers.get(id(load.node), ()):
                aligned = _is_aligned(nest, earlier, load)
                needed[id(earlier)] = needed.get(id(earlier), True) and aligned
        for node in nest.scattered_reads():
            for earlier in writers.get(id(node), ()):
                needed[id(earlier)] = False
        for node in nest.written():
            for earlier in writers.get(id(node), ()):
                needed[id(earlier)] = nest.rows == earlier.rows == 1
            writers.setdefault(id(node), []).append(nest)
        waits[id(nest)] = needed
    return waits


def _is_aligned(nest: Nest, earlier: Nest, load: Load) -> bool:
    """Whether row r of `nest` reads only what row r of `earlier` wrote."""
    if nest.rows != earlier.rows:
        return False
    if nest.rows == 1:
        return True
    row_size = earlier.row_size(load.node)
    row = nest.loops[0]
    if load.indices or row_size is None or load.place.step(row) != row_size:
        return False
    low, high = load.place.without(row).bounds()
    return low >= 0 and high < row_size


def _group(nests: list[Nest], waits: Waits) -> list[Group]:
    """Take nests whose operands are ready, those first that fit the group being filled."""
    groups: list[Group] = []
    placed: dict[int, Group] = {}
    position = {id(nest): n for n, nest in enumerate(nests)}
    users: dict[int, list[int]] = {}
    for nest in nests:
        for each in waits[id(nest)]:
            users.setdefault(each, []).append(position[id(nest)])
    missing = [len(waits[id(nest)]) for nest in nests]
    ready = [n for n, count in enumerate(missing) if count == 0]
    while ready:
        last = groups[-1] if groups else None
        chosen = next((n for n in ready if _fits(nests[n], last, placed, waits)), None)
        if chosen is None or last is None:
            chosen = ready[0]
            last = Group(nests[chosen].rows, [])
            groups.append(last)
        ready.remove(chosen)
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
    unit = group.unit = -(-neighbours // tile) * tile
    group.is_serial = group.rows <= unit or group.work < tuning.small_group
    if len(group.nests) == 1 and tuning.block_bytes > 1:
        group.block = group.rows
        return
    step = -(-tuning.block_rows // unit) * unit
    group.block = max(1, tuning.block_bytes // max(1, sum(row_bytes)) // step) * step


def _place_meetings(groups: list[Group], waits: Waits) -> None:
    """Let threads meet before a group that needs what others wrote since they last met."""
    fresh: dict[int, Group] = {}
    for group in groups:
        own = {id(nest) for nest in group.nests}
        needed = {each for nest in group.nests for each in waits[id(nest)]} - own
        # What the first thread wrote alone, it may read alone.
        if any(
            each in fresh and not (group.is_serial and fresh[each].is_serial) for each in needed
        ):
            group.meets = True
            fresh = {}
        fresh.update(dict.fromkeys(own, group))


def _merged(nests: list[Nest], builder: Builder) -> list[Nest]:
    """Join neighbouring map nests of one shape into one loop, where none reads another askew."""
    result: list[Nest] = []
    for nest in nests:
        last = result[-1] if result else None
        joined = None
        if isinstance(nest, MapNest) and isinstance(last, MapNest):
            joined = _joined(last, nest, builder)
        if joined is None:
            result.append(nest)
        else:
            result[-1] = joined
    return result


def _joined(first: MapNest, second: MapNest, builder: Builder) -> MapNest | None:
    """Both nests as one, if that saves a pass over something that both use."""
    nodes = [*first.written(), *second.written()]
    if first.node.tensor_type.shape != second.node.tensor_type.shape or first.rows == 1:
        return None
    if not all(is_mapped(node) for node in nodes):
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
    return joined
