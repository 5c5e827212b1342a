"""The order of the nests, which of them share a pass over their rows, and where threads must meet.

A *group* is a run of nests with equally many rows, in which a row depends on no other row of the
group. So a thread takes its share of the rows through all nests of a group, a few rows at a time
while they are in cache, and meets the others only before a group that reads what they wrote.
"""

from __future__ import annotations

import dataclasses

from steepest.graph.node import Node
from steepest.kernels.build import Builder
from steepest.kernels.expression import Load
from steepest.kernels.nest import MapNest, Nest


@dataclasses.dataclass(eq=False, slots=True)
class Group:
    """Nests that pass over their rows together.

    Attributes:
        rows: how many rows there are.
        nests: in order.
        meets: whether all threads must have come here before any begins.
    """

    rows: int
    nests: list[Nest]
    meets: bool = False

    @property
    def work(self) -> float:
        return sum(nest.work for nest in self.nests)


def schedule(builder: Builder) -> list[Group]:
    """Order the nests of a graph into groups."""
    nests = builder.nests()
    writer: dict[int, list[Nest]] = {}
    for nest in nests:
        for node in nest.written():
            writer.setdefault(id(node), []).append(nest)
    waits_for = [_dependencies(nest, writer) for nest in nests]
    groups = _group(nests, waits_for)
    _place_meetings(groups, waits_for, nests)
    for group in groups:
        group.nests = _merged(group.nests, builder)
    return groups


def _dependencies(nest: Nest, writer: dict[int, list[Nest]]) -> dict[int, bool]:
    """The nests that must come before this one (by id); True where row follows row."""
    needed: dict[int, bool] = {}
    for load in nest.reads():
        for earlier in writer.get(id(load.node), ()):
            if earlier is not nest:
                aligned = not load.indices and _is_aligned(nest, earlier, load)
                needed[id(earlier)] = needed.get(id(earlier), True) and aligned
    for node in nest.scattered_reads():
        for earlier in writer.get(id(node), ()):
            if earlier is not nest:
                needed[id(earlier)] = False
    for earlier in writer[id(nest.node)]:
        if earlier is nest:
            break
        needed[id(earlier)] = False
    return needed


def _is_aligned(nest: Nest, earlier: Nest, load: Load) -> bool:
    """Whether row r of `nest` reads only what row r of `earlier` wrote."""
    if nest.rows != earlier.rows:
        return False
    if nest.rows == 1:
        return True
    row_size = earlier.node.tensor_type.size // earlier.rows
    row = nest.loops[0]
    if load.place.step(row) != row_size:
        return False
    low, high = load.place.without(row).bounds()
    return low >= 0 and high < row_size


def _group(nests: list[Nest], waits_for: list[dict[int, bool]]) -> list[Group]:
    """Take nests whose operands are ready, those first that fit the group being filled."""
    groups: list[Group] = []
    placed: dict[int, Group] = {}
    remaining = list(range(len(nests)))
    while remaining:
        ready = [n for n in remaining if all(each in placed for each in waits_for[n])]
        chosen = None
        if groups:
            last = groups[-1]
            for n in ready:
                fits = nests[n].rows == last.rows and all(
                    aligned or placed[each] is not last for each, aligned in waits_for[n].items()
                )
                if fits:
                    chosen = n
                    break
        if chosen is None:
            chosen = ready[0]
            groups.append(Group(nests[chosen].rows, []))
        groups[-1].nests.append(nests[chosen])
        placed[id(nests[chosen])] = groups[-1]
        remaining.remove(chosen)
    return groups


def _place_meetings(
    groups: list[Group], waits_for: list[dict[int, bool]], nests: list[Nest]
) -> None:
    """Let threads meet before a group that needs what was written since they last met."""
    position = {id(nest): n for n, nest in enumerate(nests)}
    fresh: set[int] = set()
    for group in groups:
        own = {id(nest) for nest in group.nests}
        needed = {each for nest in group.nests for each in waits_for[position[id(nest)]]} - own
        if needed & fresh:
            group.meets = True
            fresh = set()
        fresh |= own


def _merged(nests: list[Nest], builder: Builder) -> list[Nest]:
    """Join neighbouring map nests of one shape into one loop, where none reads another askew."""
    result: list[Nest] = []
    for nest in nests:
        last = result[-1] if result else None
        if _is_plain(nest) and last is not None and _is_plain(last):
            assert isinstance(last, MapNest)
            same = last.node.tensor_type.shape == nest.node.tensor_type.shape
            if same and (joined := _joined(last, nest, builder)) is not None:
                result[-1] = joined
                continue
        result.append(nest)
    return result


def _is_plain(nest: Nest) -> bool:
    return (
        isinstance(nest, MapNest)
        and all(store.place.constant == 0 for store in nest.stores)
        and nest.loops[:1] != ()
        and nest.loops[0].extent > 1
    )


def _joined(first: MapNest, second: Nest, builder: Builder) -> MapNest | None:
    nodes: list[Node] = [*first.written(), *second.written()]
    joined = builder.map_nest(nodes)
    own = {id(node) for node in nodes}
    if any(id(load.node) in own for load in joined.reads()):
        return None
    return joined
