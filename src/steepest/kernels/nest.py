"""Loop nests: the unit of work. Each writes one buffer (or several of one shape).

The first loop of a nest, its *rows*, is the one that is divided among threads. What a row holds is
computed by one thread from beginning to end, so results do not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import math

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import Expression, Load, Ranges, guarded_loads, loads
from steepest.ops.primitive import Primitive

CONTRACTION_ROWS = 8
"""Rows that a contraction takes at a time; shares and blocks are of multiples of it."""


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
    def row_unit(self) -> int:
        """Rows are best divided in multiples of so many."""
        return 1

    @property
    def work(self) -> float:
        """An estimate of nanoseconds on one core."""
        return math.prod(each.extent for each in self.loops) * 0.3 + 5

    def written(self) -> tuple[Node, ...]:
        """The nodes whose buffers are written."""
        return (self.node,)

    def places(self) -> list[tuple[Node, Affine]]:
        """Where each written number goes, by the loops; only there may rows follow rows."""
        raise NotImplementedError

    def reads(self) -> list[Load]:
        """The reads whose place is known; see `scattered_reads` for the others."""
        raise NotImplementedError

    def guarded_reads(self) -> list[tuple[Load, Ranges]]:
        """The same reads, each with the ranges in which its number is used."""
        return [(load, ()) for load in self.reads()]

    def scattered_reads(self) -> list[Node]:
        """Nodes beside those of `reads` of which a row may read any part."""
        return []

    def row_size(self, node: Node) -> int | None:
        """How many neighbouring numbers of `node` a row writes; `None` if rows are interleaved."""
        if self.rows == 1:
            return node.tensor_type.size
        row = self.loops[0]
        sizes = {place.step(row) for written, place in self.places() if written is node}
        if len(sizes) != 1:
            return None
        (size,) = sizes
        for written, place in self.places():
            if written is node:
                low, high = place.without(row).bounds()
                if low < 0 or high >= size:
                    return None
        return size


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class MapNest(Nest):
    """Every number of the result by itself: `for loops: store, store, ...`."""

    stores: tuple[Store, ...]

    @property
    def work(self) -> float:
        return math.prod(each.extent for each in self.loops) * 0.3 * len(self.stores) + 5

    def written(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys(store.node for store in self.stores))

    def places(self) -> list[tuple[Node, Affine]]:
        return [(store.node, store.place) for store in self.stores]

    def reads(self) -> list[Load]:
        return list(loads(*(store.value for store in self.stores)))

    def guarded_reads(self) -> list[tuple[Load, Ranges]]:
        return list(guarded_loads(*(store.value for store in self.stores)))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ReduceNest(Nest):
    """`for loops: for reduced: total = combine(total, value)`; then store."""

    reduced: tuple[Variable, ...]
    primitive: Primitive
    place: Affine
    value: Expression

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place)]

    def reads(self) -> list[Load]:
        return list(loads(self.value))

    def guarded_reads(self) -> list[tuple[Load, Ranges]]:
        return list(guarded_loads(self.value))

    @property
    def work(self) -> float:
        turns = math.prod(each.extent for each in (*self.loops, *self.reduced))
        return turns * 0.3 + 5


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ContractNest(Nest):
    """A contraction whose innermost loop over the result is contiguous in `vector`.

    Attributes:
        broadcast: the operand of which one number meets a whole vector of the other; where both
            have the axis of vectors, it is read in vectors, too.
        vector: the operand that is read in vectors.
        reduced: the loops that are summed over.
        spread: those of them that run around the loops over tiles: totals stay in the result's
            buffer meanwhile, and what is read stays in cache.
        row_loops, vector_loop: the loops of the register tile. A tile holds some turns of the first
            of `row_loops`, and all turns of the others; there may be none.
        strips_first: whether the loop over strips of columns runs around those over the result's
            other axes: what a strip reads in vectors stays in cache.
    """

    place: Affine
    broadcast: Load
    vector: Load
    reduced: tuple[Variable, ...]
    spread: tuple[Variable, ...]
    row_loops: tuple[Variable, ...]
    vector_loop: Variable
    strips_first: bool

    @property
    def row_loop(self) -> Variable | None:
        """The loop that moves from tile to tile of rows."""
        return self.row_loops[0] if self.row_loops else None

    @property
    def row_unit(self) -> int:
        if self.loops[0] is self.vector_loop:
            return 2 * CONTRACTION_ROWS
        return CONTRACTION_ROWS if self.loops[0] is self.row_loop else 1

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place)]

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

    @property
    def work(self) -> float:
        return math.prod(each.extent for each in (*self.loops, self.along)) + 5.0

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place)]

    def reads(self) -> list[Load]:
        return list(loads(self.value))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class ScatterNest(Nest):
    """Copy the operand; then, in order, add each update to the row that its index names.

    Attributes:
        copy_place, copy_value: the copy.
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

    @property
    def work(self) -> float:
        copied = math.prod(each.extent for each in self.loops)
        return copied * 0.3 + math.prod(each.extent for each in self.updates) + 5

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.copy_place)]

    def reads(self) -> list[Load]:
        return list(loads(self.copy_value))

    def scattered_reads(self) -> list[Node]:
        return [load.node for each in (self.index, self.update) for load in loads(each)]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class SortNest(Nest):
    """Stable positions of the sorted numbers along the loop `along`.

    Attributes:
        scratch: a buffer like the result's, for runs that are being merged.
    """

    along: Variable
    place: Affine
    value: Load
    descending: bool
    scratch: Node

    @property
    def work(self) -> float:
        lines = math.prod(each.extent for each in self.loops)
        return lines * self.along.extent * (1 + math.log2(max(self.along.extent, 1))) * 2.0 + 5

    def written(self) -> tuple[Node, ...]:
        return (self.node, self.scratch)

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place), (self.scratch, self.place)]

    def reads(self) -> list[Load]:
        return [self.value]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class SearchNest(Nest):
    """Where each value enters an ascending vector, by halving."""

    place: Affine
    ordered: Load
    value: Expression
    right: bool

    @property
    def work(self) -> float:
        turns = math.prod(each.extent for each in self.loops)
        return turns * (1 + self.ordered.node.tensor_type.size.bit_length()) + 5.0

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place)]

    def reads(self) -> list[Load]:
        return list(loads(self.value))

    def scattered_reads(self) -> list[Node]:
        return [self.ordered.node]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class RandomNest(Nest):
    """Random numbers in the order of their positions; the one loop is over rows of `row_numbers`.

    Attributes:
        place: where a number of a row goes, by the row and the number in it.
        key, counter: of the generator.
        row_numbers: how many numbers a row has.
    """

    place: Affine
    key: tuple[Expression, Expression]
    counter: Expression
    row_numbers: int

    @property
    def work(self) -> float:
        return self.rows * self.row_numbers * 1.5 + 5

    def places(self) -> list[tuple[Node, Affine]]:
        return [(self.node, self.place)]

    def reads(self) -> list[Load]:
        return [load for each in (*self.key, self.counter) for load in loads(each)]


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class CheckNest(Nest):
    """Note it when a whole number that a node takes is not in [low, high); `None` is no limit.

    Attributes:
        node: the node that takes the number; it is not written.
        faults: the buffer of one number in which it is noted, by a 1.
    """

    value: Expression
    low: int
    high: int | None
    faults: Node

    def written(self) -> tuple[Node, ...]:
        return ()

    def places(self) -> list[tuple[Node, Affine]]:
        return []

    def reads(self) -> list[Load]:
        return list(loads(self.value))


def nodes_of(nest: Nest) -> list[Node]:
    """The nodes whose buffers a nest touches, each once."""
    touched = [*nest.written(), *(load.node for load in nest.reads()), *nest.scattered_reads()]
    if isinstance(nest, CheckNest):
        touched.append(nest.faults)
    return list({id(node): node for node in touched}.values())
