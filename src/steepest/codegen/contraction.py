"""The contraction: a tile of the result stays in vector registers while the reduced loops run.

For each turn of the reduced loops, a few vectors of one operand are loaded, and each meets one
number of the other for every row of the tile (BRGEMM; Georganas et al., arXiv 1906.06440).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.loops import integer, loop
from steepest.codegen.types import BIT, INT32, INT64, POINTER, register_type
from steepest.codegen.values import Counters
from steepest.codegen.writer import NestWriter
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.nest import ContractNest

Range = tuple[ir.Value, ir.Value]

MOST_ROWS = 14
"""Rows of a tile at most, in turns of all its loops."""
HALF_LANES = 8
"""Vectors are not made smaller than this for short loops."""
SPARE_REGISTERS = 5
"""Vector registers that a tile of many rows leaves free."""
FETCH_TURNS = 8
"""Turns of the reduced loop between asking for numbers and using them: about 200 cycles."""
LONG_LOOP, LONG_FETCH_TURNS = 1280, 24
"""A reduced loop of so many turns goes through more than near caches hold: it asks so far ahead."""
FAR_BYTES = 512
"""Neighbours of a reduced loop that lie so far apart are asked for ahead."""
NEAREST_CACHE, NEAR_CACHE = 3, 2
"""How near what is asked for is to come: LLVM's names of the first and the second cache."""
ROWS_ASKED = 8
"""Rows below a tile that its turns ask for, one after the other; no more than numbers in a line."""
ASKED_BYTES = 131_072
"""Rows of an operand of so many bytes are asked for: smaller ones are in a near cache anyway."""


def emit_contraction(writer: NestWriter, nest: ContractNest) -> None:
    """Emit the loops of a contraction around its register tiles."""
    Contraction(writer, nest).emit()


@dataclasses.dataclass(frozen=True)
class Tile:
    """A register tile of the result: rows by vectors, the last of which `mask` may cut short.

    Attributes:
        turns: of the row loop that moves from tile to tile.
        rows: turns of all loops of rows.
    """

    turns: int
    rows: int
    vectors: int
    mask: ir.Value | None = None


class Contraction:
    """Emits one contraction nest."""

    def __init__(self, writer: NestWriter, nest: ContractNest):
        self.writer = writer
        self.builder = writer.builder
        self.nest = nest
        dtype = nest.node.tensor_type.dtype
        self.number = register_type(dtype)
        self.lanes = _lanes(writer.machine.lanes(dtype), nest.vector_loop.extent)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.itemsize = dtype.itemsize
        self.turns, self.vectors = self._choose_tile()
        self.inner_rows = math.prod(each.extent for each in nest.row_loops[1:])
        self.counters: Counters = {each: integer(0) for each in nest.row_loops[1:]}

    def _choose_tile(self) -> tuple[int, int]:
        """Turns of the row loop and vectors of a whole tile: equal strips of columns and rows."""
        nest, machine = self.nest, self.writer.machine
        rows, most = machine.tile
        extent = 1 if nest.row_loop is None else nest.row_loop.extent
        inner = math.prod(each.extent for each in nest.row_loops[1:])
        needed = -(-nest.vector_loop.extent // self.lanes)
        registers = machine.vector_registers
        if extent * inner < rows:
            # Few rows leave registers for more vectors: each needs one for itself and one for the
            # total of each row, beside the broadcast number and a mask; and one for what it meets
            # where that is read in vectors, too.
            rows = extent * inner
            own = 1 if self._meets_numbers() else 2
            most = max(most, min((registers - 2) // (rows + own), 8))
        elif needed == 1 and registers < 32:
            rows *= 2
        # All turns of the inner loops of rows are in a tile: there must be room for their totals.
        most = min(most, max((registers - 1) // (inner + 1), 1))
        vectors = -(-needed // -(-needed // most))
        if nest.row_loop is None or nest.row_loop is nest.loops[0]:
            return min(rows, extent), vectors
        # Beside the totals there is room for the vectors, broadcast numbers and a mask.
        rows = max(rows, min((registers - SPARE_REGISTERS) // vectors - 1, MOST_ROWS)) // inner
        strips = -(-extent // max(rows, 1))
        return -(-extent // strips), vectors

    def _meets_numbers(self) -> bool:
        """Whether each vector of one operand meets one number of the other, and not a vector."""
        return self.nest.broadcast.place.step(self.nest.vector_loop) == 0

    def emit(self) -> None:
        """Emit all loops; rows of the nest's first loop as the function is told."""
        with ExitStack() as stack:
            self.writer.open(stack, self.nest.spread, self.counters, rows=False)
            if not self.nest.strips_first:
                self._open_outer(stack)
            if self.nest.loops[0] is self.nest.vector_loop:
                self._divided_columns()
            else:
                self._columns()

    def _open_outer(self, stack: ExitStack) -> None:
        """Open the loops over the result that are not part of the tile."""
        inner = (*self.nest.row_loops, self.nest.vector_loop)
        for each in self.nest.loops:
            if each not in inner:
                low, high = self._range(each)
                self.counters[each] = stack.enter_context(loop(self.builder, low, high))

    def _range(self, variable: Variable) -> Range:
        if variable is self.nest.loops[0]:
            return self.writer.first, self.writer.last
        return integer(0), integer(variable.extent)

    def _made_tile(self, vectors: int, mask: ir.Value | None = None) -> Tile:
        return Tile(self.turns, self.turns * self.inner_rows, vectors, mask)

    def _columns(self) -> None:
        """Strips of whole tiles; then what is left, in one narrower tile."""
        extent = self.nest.vector_loop.extent
        width = self.lanes * self.vectors
        whole = extent // width * width
        if whole:
            with loop(self.builder, integer(0), integer(whole), width, "vector") as column:
                self._strip(column, self._made_tile(self.vectors))
        if extent > whole:
            cut = (extent - whole) % self.lanes
            mask = self._constant_mask(cut) if cut else None
            self._strip(integer(whole), self._made_tile(-(-(extent - whole) // self.lanes), mask))

    def _divided_columns(self) -> None:
        """The same for columns from `first` to `last`: what is left goes by single vectors."""
        builder, width = self.builder, self.lanes * self.vectors
        low, high = self._range(self.nest.vector_loop)
        count = builder.sub(high, low)
        middle = builder.add(low, builder.sub(count, builder.srem(count, integer(width))))
        with loop(builder, low, middle, width, "vector") as column:
            self._strip(column, self._made_tile(self.vectors))
        with loop(builder, middle, high, self.lanes, "vector") as column:
            self._strip(column, self._made_tile(1, self._mask(column, high)))

    def _strip(self, column: ir.Value, tile: Tile) -> None:
        """All tiles at some columns."""
        self.counters[self.nest.vector_loop] = column
        with ExitStack() as stack:
            if self.nest.strips_first:
                self._open_outer(stack)
            self._rows(tile)

    def _rows(self, tile: Tile) -> None:
        """Whole tiles of rows; then what is left, in one lower tile."""
        row_loop = self.nest.row_loop
        if row_loop is None:
            self._tile(tile)
            return
        builder = self.builder
        low, high = self._range(row_loop)
        left = row_loop.extent % tile.turns
        # Rows are divided in multiples of a tile's, so only the very last rows can be fewer.
        count = builder.sub(high, low)
        rest = builder.srem(count, integer(tile.turns)) if left else integer(0)
        middle = builder.sub(high, rest)
        with loop(builder, low, middle, tile.turns, "row") as row:
            self.counters[row_loop] = row
            self._tile(tile)
        if left:
            with builder.if_then(builder.icmp_signed("!=", rest, integer(0))):
                self.counters[row_loop] = middle
                self._tile(dataclasses.replace(tile, turns=left, rows=left * self.inner_rows))

    def _constant_mask(self, count: int) -> ir.Value:
        """The first `count` lanes."""
        bits = [n < count for n in range(self.lanes)]
        return ir.Constant(ir.VectorType(BIT, self.lanes), bits)

    def _mask(self, column: ir.Value, end: ir.Value) -> ir.Value:
        """Which lanes of the vector at `column` are before `end`."""
        lanes = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        left = self._spread(self.builder.sub(end, column))
        return self.builder.icmp_signed("<", lanes, left)

    def _tile(self, tile: Tile) -> None:
        """Emit one register tile: run the reduced loops, then store."""
        reduced = sorted(
            (each for each in self.nest.reduced if each not in self.nest.spread),
            key=lambda each: abs(self.nest.vector.place.step(each)),
            reverse=True,
        )
        base = self._base(self.nest.node, self.nest.place)
        pointers = [
            self._moved(base, self._distance(self.nest.place, row, n)) for row, n in _cells(tile)
        ]
        totals = self._accumulate(reduced, self._totals_so_far(tile, pointers), tile)
        for (_, n), total, pointer in zip(_cells(tile), totals, pointers, strict=True):
            self._store(total, pointer, self._mask_of(tile, n))

    def _totals_so_far(self, tile: Tile, pointers: list[ir.Value]) -> list[ir.Value]:
        """Zeros; in later turns of spread loops, what the result's buffer holds."""
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        builder, spread = self.builder, self.nest.spread
        if not spread:
            return [zero] * len(pointers)
        is_first: ir.Value = builder.icmp_signed("==", self.counters[spread[0]], integer(0))
        for each in spread[1:]:
            at_start = builder.icmp_signed("==", self.counters[each], integer(0))
            is_first = builder.and_(is_first, at_start)
        held = [
            self._load(pointer, self._mask_of(tile, n))
            for (_, n), pointer in zip(_cells(tile), pointers, strict=True)
        ]
        return [builder.select(is_first, zero, each) for each in held]

    def _accumulate(
        self,
        reduced: list[Variable],
        totals: list[ir.Value],
        tile: Tile,
        innermost: Variable | None = None,
    ) -> list[ir.Value]:
        """Run the reduced loops, each at least once, with the totals in registers."""
        if not reduced:
            return self._multiply(totals, tile, innermost)
        builder, variable = self.builder, reduced[0]
        before = builder.block
        head = builder.append_basic_block("k.head")
        done = builder.append_basic_block("k.done")
        builder.branch(head)
        builder.position_at_end(head)
        counter = builder.phi(INT64, "k")
        counter.add_incoming(integer(0), before)
        carried = [builder.phi(self.vector) for _ in totals]
        for phi, total in zip(carried, totals, strict=True):
            phi.add_incoming(total, before)
        unroll = self._unrolling(variable, tile) if len(reduced) == 1 else 1
        current: list[ir.Value] = list(carried)
        for turn in range(unroll):
            self.counters[variable] = builder.add(counter, integer(turn)) if turn else counter
            current = self._accumulate(reduced[1:], current, tile, variable)
        following = builder.add(counter, integer(unroll), flags=["nsw"])
        counter.add_incoming(following, builder.block)
        for phi, value in zip(carried, current, strict=True):
            phi.add_incoming(value, builder.block)
        more = builder.icmp_signed("<", following, integer(variable.extent))
        builder.cbranch(more, head, done)
        builder.position_at_end(done)
        return current

    @staticmethod
    def _unrolling(variable: Variable, tile: Tile) -> int:
        """Turns per round: small tiles leave the loop's own counting without cover."""
        if tile.rows * tile.vectors >= 8:
            return 1
        return next(n for n in (4, 2, 1) if variable.extent % n == 0)

    def _fetch_ahead(
        self, base: ir.Value, place: Affine, innermost: Variable | None, lines: int
    ) -> None:
        """Ask for what a later turn reads where the processor does not see it coming: far apart."""
        if innermost is None or innermost.extent <= 2 * FETCH_TURNS:
            return
        step = place.step(innermost)
        if abs(step) * self.itemsize < FAR_BYTES:
            return
        turns = LONG_FETCH_TURNS if innermost.extent >= LONG_LOOP else FETCH_TURNS
        for line in range(lines):
            self._fetch(base, integer(step * turns + line * self.lanes), NEAREST_CACHE)

    def _fetch_rows_below(self, base: ir.Value, tile: Tile, innermost: Variable | None) -> None:
        """Ask for the rows of the next tile while this one runs.

        A tile reads all of its rows at once, each from its start: the processor by itself would see
        each coming only after some of its lines. Weights, read once in a step, come from afar.
        Every turn asks for one place; so eight rows below are asked for, however many a tile has.
        """
        load, row_loop = self.nest.broadcast, self.nest.row_loop
        if innermost is None or row_loop is None or self.inner_rows > 1:
            return
        along, down = load.place.step(innermost), load.place.step(row_loop)
        is_last = tile.turns < self.turns or tile.turns == row_loop.extent
        is_near = load.node.tensor_type.nbytes < ASKED_BYTES or innermost.extent <= 2 * ROWS_ASKED
        if along != 1 or down < innermost.extent or is_last or is_near:
            return
        # Turn 8 n + r asks for what turn 8 n reads of row r, of the rows below. Eight numbers are a
        # line of cache or half of one, so that every line is asked for.
        row = self.builder.and_(self.counters[innermost], integer(ROWS_ASKED - 1))
        below = self.builder.add(row, integer(tile.rows))
        distance = self.builder.sub(self.builder.mul(below, integer(down)), row)
        self._fetch(base, distance, NEAR_CACHE)

    def _fetch(self, base: ir.Value, distance: ir.Value, cache: int) -> None:
        """Ask for the line of a number, which may lie beyond the end of the buffer."""
        pointer = self.builder.gep(base, [distance], source_etype=self.number)
        kind = ir.FunctionType(ir.VoidType(), [POINTER, INT32, INT32, INT32])
        function = self._intrinsic("llvm.prefetch.p0", kind)
        read, data = ir.Constant(INT32, 0), ir.Constant(INT32, 1)
        self.builder.call(function, [pointer, read, ir.Constant(INT32, cache), data])

    def _multiply(
        self, totals: list[ir.Value], tile: Tile, innermost: Variable | None
    ) -> list[ir.Value]:
        """One turn: each row's number times each vector, added to the totals."""
        nest, result = self.nest, list(totals)
        base = self._base(nest.vector.node, nest.vector.place)
        self._fetch_ahead(base, nest.vector.place, innermost, tile.vectors)
        loaded = [
            self._load(
                self._moved(base, self._distance(nest.vector.place, 0, n)), self._mask_of(tile, n)
            )
            for n in range(tile.vectors)
        ]
        base = self._base(nest.broadcast.node, nest.broadcast.place)
        self._fetch_ahead(base, nest.broadcast.place, innermost, 1)
        self._fetch_rows_below(base, tile, innermost)
        for row in range(tile.rows):
            pointer = self._moved(base, self._distance(nest.broadcast.place, row, 0))
            for n, each in enumerate(self._factors(pointer, tile)):
                at = row * tile.vectors + n
                result[at] = self._fma(each, loaded[n], result[at])
        return result

    def _factors(self, pointer: ir.Value, tile: Tile) -> list[ir.Value]:
        """What meets the vectors of the other operand: one number for all, or vectors as well."""
        if self._meets_numbers():
            number = self.builder.load(pointer, align=self.itemsize, typ=self.number)
            return [self._spread(number)] * tile.vectors
        return [
            self._load(self._moved(pointer, n * self.lanes), self._mask_of(tile, n))
            for n in range(tile.vectors)
        ]

    @staticmethod
    def _mask_of(tile: Tile, vector: int) -> ir.Value | None:
        return tile.mask if vector == tile.vectors - 1 else None

    def _base(self, node: Node, place: Affine) -> ir.Value:
        """The pointer to the first number of the tile at this turn."""
        at = self.writer.values(self.counters).place(place)
        return self._moved(self.writer.buffers[id(node)], at)

    def _distance(self, place: Affine, row: int, vector: int) -> int:
        """How far a row and vector of the tile lie from its first number."""
        distance = vector * self.lanes * place.step(self.nest.vector_loop)
        for each in reversed(self.nest.row_loops[1:]):
            row, turn = divmod(row, each.extent)
            distance += turn * place.step(each)
        if self.nest.row_loop is not None:
            distance += row * place.step(self.nest.row_loop)
        return distance

    def _moved(self, pointer: ir.Value, distance: ir.Value | int) -> ir.Value:
        if isinstance(distance, int):
            if distance == 0:
                return pointer
            distance = integer(distance)
        return self.builder.gep(pointer, [distance], inbounds=True, source_etype=self.number)

    def _spread(self, number: ir.Value) -> ir.Value:
        """A vector of one number."""
        kind = ir.VectorType(number.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        single = self.builder.insert_element(undefined, number, ir.Constant(INT32, 0))
        zeros = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, undefined, zeros)

    def _intrinsic(self, name: str, kind: ir.FunctionType) -> ir.Function:
        module = self.builder.module
        return module.globals.get(name) or ir.Function(module, kind, name)

    @property
    def _suffix(self) -> str:
        return f"v{self.lanes}f{self.itemsize * 8}"

    def _fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(self._intrinsic(f"llvm.fma.{self._suffix}", kind), [x, y, z])

    def _load(self, pointer: ir.Value, mask: ir.Value | None) -> ir.Value:
        if mask is None:
            return self.builder.load(pointer, align=self.itemsize, typ=self.vector)
        kind = ir.FunctionType(
            self.vector, [POINTER, INT32, ir.VectorType(BIT, self.lanes), self.vector]
        )
        function = self._intrinsic(f"llvm.masked.load.{self._suffix}.p0", kind)
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        align = ir.Constant(INT32, self.itemsize)
        return self.builder.call(function, [pointer, align, mask, zero])

    def _store(self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None) -> None:
        if mask is None:
            self.builder.store(value, pointer, align=self.itemsize)
            return
        kind = ir.FunctionType(
            ir.VoidType(), [self.vector, POINTER, INT32, ir.VectorType(BIT, self.lanes)]
        )
        function = self._intrinsic(f"llvm.masked.store.{self._suffix}.p0", kind)
        align = ir.Constant(INT32, self.itemsize)
        self.builder.call(function, [value, pointer, align, mask])


def _lanes(most: int, extent: int) -> int:
    """Lanes of the vectors along a loop: as many as a register has, half of them for a short one.

    Machines take two vectors of half the size at a time, so idle lanes are lost; with even smaller
    ones there is nothing left to gain.
    """
    return most // 2 if most >= 2 * HALF_LANES and extent <= most // 2 else most


def _cells(tile: Tile) -> Iterator[tuple[int, int]]:
    """Row and vector of each part of a tile, in the order in which totals are held."""
    return ((row, n) for row in range(tile.rows) for n in range(tile.vectors))
