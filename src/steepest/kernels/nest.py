"""Loop nests: the unit of work. Each writes one buffer (or several of one shape).

The first loop of a nest, its *rows*, is the one that is divided among threads. What a row holds is
computed by one thread from beginning to end, so results do not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import math

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import Expression, Load, loads
from steepest.ops.primitive import Primitive


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Store:
    """Write an expression to a place of a node's buffer."""

    node: Node
    place: Affine
    value: Expression


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Nest:
    """Base of all nests.

    Attributes:
        node: the node whose buffer is written.
        loops: the loops over the result, rows first; empty for a single number.
    """

    node: Node
    loops: tuple[Variable, ...]

    @property
    def rows(self) -> int:
        """How many rows there are to divide among threads."""
        return self.loops[0].extent if self.loops else 1

    @property
    def work(self) -> float:
        """An estimate of nanoseconds on one core."""
        return math.prod(each.extent for each in self.loops) * 0.3 + 5

    def written(self) -> tuple[Node, ...]:
        return (self.node,)

    def reads(self) -> list[Load]:
        """The reads whose place is known; see `scattered_reads` for the others."""
        raise NotImplementedError

    def scattered_reads(self) -> list[Node]:
        """Nodes of which a row may read any part."""
        return [load.node for load in self.reads() if load.indices]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MapNest(Nest):
    """Every number of the result by itself: `for loops: store, store, ...`."""

    stores: tuple[Store, ...]

    def written(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys(store.node for store in self.stores))

    def reads(self) -> list[Load]:
        return [load for store in self.stores for load in loads(store.value)]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ReduceNest(Nest):
    """`for loops: for reduced: total = combine(total, value)`; then store."""

    reduced: tuple[Variable, ...]
    primitive: Primitive
    place: Affine
    value: Expression

    def reads(self) -> list[Load]:
        return list(loads(self.value))

    @property
    def work(self) -> float:
        turns = math.prod(each.extent for each in (*self.loops, *self.reduced))
        return turns * 0.3 + 5


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ContractNest(Nest):
    """A contraction whose innermost loop over the result is contiguous in `vector`.

    Attributes:
        broadcast: the operand of which one number meets a whole vector of the other.
        vector: the operand that is read in vectors.
        reduced: the loops that are summed over.
        row_loop, vector_loop: the loops of the register tile; `row_loop` may be `None`.
    """

    place: Affine
    broadcast: Load
    vector: Load
    reduced: tuple[Variable, ...]
    row_loop: Variable | None
    vector_loop: Variable

    def reads(self) -> list[Load]:
        return [self.broadcast, self.vector]

    @property
    def work(self) -> float:
        turns = math.prod(each.extent for each in (*self.loops, *self.reduced))
        return turns / 50 + 5


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class CumulativeNest(Nest):
    """Running totals along the loop `along`, which is not among `loops`."""

    along: Variable
    primitive: Primitive
    place: Affine
    value: Expression

    def reads(self) -> list[Load]:
        return list(loads(self.value))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScatterNest(Nest):
    """Copy the operand; then, in order, add each update to the row that its index names.

    Attributes:
        copy_loops, copy_place, copy_value: the loops below a row of the copy.
        updates: the loops over the updates.
        index: the position along the scattered axis, for a turn of the update loops.
        target: where an update goes, without the scattered axis.
        step, extent: of the scattered axis.
        row_turn: the loop over the updates that follows the rows; `None` where the scattered axis
            is the row loop itself.
    """

    copy_place: Affine
    copy_value: Expression
    updates: tuple[Variable, ...]
    index: Expression
    target: Affine
    step: int
    extent: int
    row_turn: Variable | None
    update: Expression

    def reads(self) -> list[Load]:
        return list(loads(self.copy_value))

    def scattered_reads(self) -> list[Node]:
        return [load.node for each in (self.index, self.update) for load in loads(each)]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class SortNest(Nest):
    """Stable positions of the sorted numbers along the loop `along`."""

    along: Variable
    place: Affine
    value: Load
    descending: bool

    def reads(self) -> list[Load]:
        return [self.value]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class SearchNest(Nest):
    """Where each value enters an ascending vector, by halving."""

    place: Affine
    ordered: Load
    value: Expression
    right: bool

    def reads(self) -> list[Load]:
        return list(loads(self.value))

    def scattered_reads(self) -> list[Node]:
        return [self.ordered.node]
