"""Which nests share a pass over their rows, and in which order.

A *group* is a run of nests with equally many rows, in which a row depends on no other row of the
group.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Iterable, Mapping

from steepest.graph.node import Graph
from steepest.kernels.nest import CONTRACTION_ROWS, ContractNest, Nest
from steepest.kernels.tuning import Tuning
from steepest.kernels.waits import Waits
from steepest.ops.elementwise.selection import barrier
from steepest.ops.image_tiles import to_tiles

SOON = 12
"""How many places before its turn a nest that waits for nothing, or computes again, may come."""


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


class Grouping:
    """Takes nests whose operands are ready, those first that fit the group being filled.

    A nest that waits for nothing, such as a transposed copy of a weight, comes shortly before it is
    needed: what it wrote is still in cache then, and its memory is not held for long. So does one
    of a recomputation, which is there to save memory.
    """

    def __init__(self, graph: Graph, nests: list[Nest], waits: Waits, tuning: Tuning):
        self._nests = nests
        self._waits = [waits[id(nest)] for nest in nests]
        self._tuning = tuning
        again = _computed_again(graph, nests)
        self._is_free = [bool(own) and id(nest) not in again for nest, own in self._each()]
        self._position = {id(nest): n for n, nest in enumerate(nests)}
        self._users: list[list[int]] = [[] for _ in nests]
        for n, own in enumerate(self._waits):
            for each in own:
                self._users[self._position[each]].append(n)
        self._operands = [self._without_siblings(n) for n in range(len(nests))]
        first = {
            id(nest)
            for nest, own in zip(nests, self._operands, strict=True)
            if not own and id(nest) not in again
        }
        self._ahead = first | {
            id(nest)
            for nest, own in zip(nests, self._operands, strict=True)
            if first.issuperset(own)
        }
        self._groups: list[Group] = []
        self._placed: dict[int, Group] = {}
        self._furthest = 0

    def _each(self) -> Iterable[tuple[Nest, Mapping[int, bool]]]:
        return zip(self._nests, self._waits, strict=True)

    def _without_siblings(self, n: int) -> list[int]:
        """What a nest waits for, but for those that write other parts of the same node."""
        node = self._nests[n].node
        nests = {each: self._nests[self._position[each]] for each in self._waits[n]}
        return [each for each, nest in nests.items() if nest.node is not node]

    def groups(self) -> list[Group]:
        """All nests in groups."""
        missing = [len(own) for own in self._waits]
        ready = [n for n, count in enumerate(missing) if count == 0]
        while ready:
            chosen, group = self._next(ready)
            ready.remove(chosen)
            if self._waits[chosen]:
                self._furthest = max(self._furthest, chosen)
            group.nests.append(self._nests[chosen])
            self._placed[id(self._nests[chosen])] = group
            for user in self._users[chosen]:
                missing[user] -= 1
                if missing[user] == 0:
                    bisect.insort(ready, user)
        return self._groups

    def _next(self, ready: list[int]) -> tuple[int, Group]:
        """The nest that comes next, and its group.

        What makes much of little, such as tiles of images, comes after what uses it up.
        """
        timely = [n for n in ready if not self._is_early(n)] or ready
        last = self._groups[-1] if self._groups else None
        if last is not None:
            soon = [n for n in timely if self._is_free[n] or n <= self._furthest + SOON]
            fitting = [n for n in soon if self._fits(n, last)]
            using = [n for n in fitting if not self._makes_tiles(n)]
            if using:
                return using[0], last
            preparing = [n for n in soon if n not in fitting and self._prepares(n, last)]
            if preparing:
                return preparing[0], self._opened(preparing[0], len(self._groups) - 1)
            if fitting:
                return fitting[0], last
        return timely[0], self._opened(timely[0], len(self._groups))

    def _opened(self, n: int, place: int) -> Group:
        group = Group(self._nests[n].rows, [])
        self._groups.insert(place, group)
        return group

    def _is_early(self, n: int) -> bool:
        """Whether tiles would wait in memory for what they are to be multiplied by."""
        if not self._makes_tiles(n) or id(self._nests[n]) in self._ahead:
            return False
        others = (each for user in self._users[n] for each in self._waits[user])
        return any(each not in self._ahead and not self._is_near(each) for each in others)

    def _is_near(self, nest: int) -> bool:
        """Whether a nest is there, or waits for nothing more."""
        waits = self._operands[self._position[nest]]
        return nest in self._placed or all(each in self._placed for each in waits)

    def _prepares(self, n: int, group: Group) -> bool:
        """Whether tiles of a kernel, or a copy for them, are all that a group waits for to go on.

        They then come before the group. (Other copies of weights begin a group: what is computed
        again after them finds memory that the group before needed.)
        """
        if id(self._nests[n]) not in self._ahead:
            return False
        if any(self._placed[each] is group for each in self._waits[n]):
            return False
        users = self._users[n]
        if not self._makes_tiles(n):
            users = [one for each in users if self._makes_tiles(each) for one in self._users[each]]
        return any(self._goes_on(each, group) for each in users)

    def _makes_tiles(self, n: int) -> bool:
        return self._nests[n].node.op is to_tiles

    def _goes_on(self, n: int, group: Group) -> bool:
        """Whether a nest has the rows of a group, and waits for it."""
        waits = self._waits[n]
        return self._nests[n].rows == group.rows and any(
            self._placed.get(each) is group for each in waits
        )

    def _fits(self, n: int, group: Group) -> bool:
        """Whether a nest may join a group: as many rows, each following its own row."""
        nest = self._nests[n]
        return (
            nest.rows == group.rows
            and all(
                aligned or self._placed[each] is not group
                for each, aligned in self._waits[n].items()
            )
            and not self._differ(nest, group)
        )

    def _differ(self, nest: Nest, group: Group) -> bool:
        """Whether one of both passes by single rows, and the other by many or not at all."""
        return (self._wants_many(nest) and any(self._is_long(each) for each in group.nests)) or (
            self._is_long(nest) and any(self._wants_many(each) for each in group.nests)
        )

    def _wants_many(self, nest: Nest) -> bool:
        """Whether a contraction reads more than a cache holds for every block of rows."""
        if not isinstance(nest, ContractNest) or nest.vector.place.step(nest.loops[0]):
            return False
        panel = nest.vector.node.tensor_type.nbytes
        return nest.row_unit > 1 and panel > self._tuning.panel_bytes

    def _is_long(self, nest: Nest) -> bool:
        """Whether a few rows of what a nest writes fill a cache."""
        written = sum(node.tensor_type.nbytes for node in nest.written())
        return written // nest.rows * CONTRACTION_ROWS > self._tuning.block_bytes


def _computed_again(graph: Graph, nests: list[Nest]) -> set[int]:
    """The ids of the nests that compute again what was not kept, and of those that use it."""
    again: set[int] = set()
    for node in graph.nodes():
        if node.op is barrier or any(id(operand) in again for operand in node.operands):
            again.add(id(node))
    return {id(nest) for nest in nests if any(id(node) in again for node in nest.written())}
