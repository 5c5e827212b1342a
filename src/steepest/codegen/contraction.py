"""The contraction: a tile of the result stays in vector registers while the reduced loops run.

For each turn of the reduced loops, a few vectors of one operand are loaded, and each meets one
number of the other for every row of the tile (BRGEMM; Georganas et al., arXiv 1906.06440).
"""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.loops import integer, loop
from steepest.codegen.target import Machine
from steepest.codegen.types import BIT, INT32, INT64, POINTER, register_type
from steepest.codegen.values import Counters, Values
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.nest import ContractNest


def emit_contraction(
    builder: ir.IRBuilder,
    nest: ContractNest,
    buffers: dict[int, ir.Value],
    first: ir.Value,
    last: ir.Value,
    machine: Machine,
) -> None:
    """Emit the loops of a contraction around its register tiles."""
    Contraction(builder, nest, buffers, machine).emit(first, last)


@dataclasses.dataclass(frozen=True)
class Tile:
    """A register tile: rows by vectors; `masked` where the last vector may be cut short."""

    rows: int
    vectors: int
    masked: bool


class Contraction:
    """Emits one contraction nest."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        nest: ContractNest,
        buffers: dict[int, ir.Value],
        machine: Machine,
    ):
        self.builder = builder
        self.nest = nest
        self.buffers = buffers
        dtype = nest.node.tensor_type.dtype
        self.number = register_type(dtype)
        self.lanes = machine.lanes(dtype)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.itemsize = dtype.itemsize
        self.tile_rows, self.tile_vectors = self._choose_tile(machine)
        self.counters: Counters = {}

    def _choose_tile(self, machine: Machine) -> tuple[int, int]:
        """Fewer rows leave registers for more vectors."""
        rows, vectors = machine.tile
        extent = 1 if self.nest.row_loop is None else self.nest.row_loop.extent
        if extent < rows:
            registers = machine.vector_registers * 3 // 4
            wide = max(1, min(registers // extent, 8))
            return extent, wide
        needed = -(-self.nest.vector_loop.extent // self.lanes)
        if needed < vectors:
            return min(extent, machine.vector_registers * 3 // 4 // needed), needed
        return rows, vectors

    def emit(self, first: ir.Value, last: ir.Value) -> None:
        """Emit all loops; rows from `first` up to `last` of the nest's first loop."""
        nest = self.nest
        ranges = {each: (integer(0), integer(each.extent)) for each in nest.loops}
        ranges[nest.loops[0]] = (first, last)
        outer = [
            each
            for each in nest.loops
            if each is not nest.row_loop and each is not nest.vector_loop
        ]
        with ExitStack() as stack:
            for each in outer:
                low, high = ranges[each]
                self.counters[each] = stack.enter_context(loop(self.builder, low, high))
            low, high = ranges[nest.vector_loop]
            static = nest.loops[0] is not nest.vector_loop
            self._vector_loops(low, high, static, ranges)

    def _vector_loops(
        self,
        low: ir.Value,
        high: ir.Value,
        static: bool,
        ranges: dict[Variable, tuple[ir.Value, ir.Value]],
    ) -> None:
        """Whole tiles of several vectors; then single vectors, the last one masked."""
        builder, width = self.builder, self.lanes * self.tile_vectors
        extent = self.nest.vector_loop.extent
        count = builder.sub(high, low)
        whole = builder.sub(count, builder.srem(count, integer(width)))
        middle = builder.add(low, whole)
        if extent >= width:
            with loop(builder, low, middle, width, "vector") as counter:
                self._row_loops(counter, high, self.tile_vectors, False, ranges)
        if static and extent % width == 0:
            return
        with loop(builder, middle, high, self.lanes, "vector") as counter:
            self._row_loops(counter, high, 1, True, ranges)

    def _row_loops(
        self,
        column: ir.Value,
        column_end: ir.Value,
        vectors: int,
        masked: bool,
        ranges: dict[Variable, tuple[ir.Value, ir.Value]],
    ) -> None:
        """Whole tiles of rows; then smaller ones."""
        self.counters[self.nest.vector_loop] = column
        mask = self._mask(column, column_end) if masked else None
        row_loop = self.nest.row_loop
        if row_loop is None:
            self._tile(1, vectors, mask)
            return
        low, high = ranges[row_loop]
        sizes = [self.tile_rows]
        sizes += [size for size in (4, 1) if size < self.tile_rows]
        for size in sizes:
            count = self.builder.sub(high, low)
            whole = self.builder.sub(count, self.builder.srem(count, integer(size)))
            middle = self.builder.add(low, whole)
            with loop(self.builder, low, middle, size, "row") as counter:
                self.counters[row_loop] = counter
                self._tile(size, vectors, mask)
            low = middle

    def _mask(self, column: ir.Value, end: ir.Value) -> ir.Value:
        """Which lanes of the vector at `column` are before `end`."""
        builder = self.builder
        left = builder.sub(end, column)
        lanes = ir.Constant(ir.VectorType(INT64, self.lanes), list(range(self.lanes)))
        single = builder.insert_element(
            ir.Constant(ir.VectorType(INT64, self.lanes), ir.Undefined), left, ir.Constant(INT32, 0)
        )
        spread = builder.shuffle_vector(
            single,
            ir.Constant(ir.VectorType(INT64, self.lanes), ir.Undefined),
            ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes),
        )
        return builder.icmp_signed("<", lanes, spread)

    def _values(self) -> Values:
        return Values(self.builder, self.buffers, self.counters)

    def _tile(self, rows: int, vectors: int, mask: ir.Value | None) -> None:
        """Emit one register tile: run the reduced loops, then store."""
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        totals = [zero] * (rows * vectors)
        reduced = sorted(
            self.nest.reduced, key=lambda each: abs(self.nest.vector.place.step(each)), reverse=True
        )
        totals = self._accumulate(list(reduced), totals, rows, vectors, mask)
        for row in range(rows):
            for vector in range(vectors):
                place = self._shifted(self.nest.place, row, vector)
                pointer = self._pointer(self.nest.node, place)
                self._store(totals[row * vectors + vector], pointer, mask)

    def _accumulate(
        self,
        reduced: list[Variable],
        totals: list[ir.Value],
        rows: int,
        vectors: int,
        mask: ir.Value | None,
    ) -> list[ir.Value]:
        """Run the reduced loops with the totals in registers."""
        if not reduced:
            return self._multiply(totals, rows, vectors, mask)
        builder, variable = self.builder, reduced[0]
        before = builder.block
        head = builder.append_basic_block("k.head")
        done = builder.append_basic_block("k.done")
        builder.branch(head)
        builder.position_at_end(head)
        counter = builder.phi(INT64, "k")
        counter.add_incoming(integer(0), before)
        carried = []
        for total in totals:
            phi = builder.phi(self.vector)
            phi.add_incoming(total, before)
            carried.append(phi)
        self.counters[variable] = counter
        unroll = next(n for n in (4, 2, 1) if variable.extent % n == 0) if len(reduced) == 1 else 1
        current: list[ir.Value] = list(carried)
        for turn in range(unroll):
            if turn:
                self.counters[variable] = builder.add(counter, integer(turn))
            current = self._accumulate(reduced[1:], current, rows, vectors, mask)
        following = builder.add(counter, integer(unroll), flags=["nsw"])
        counter.add_incoming(following, builder.block)
        for phi, value in zip(carried, current, strict=True):
            phi.add_incoming(value, builder.block)
        more = builder.icmp_signed("<", following, integer(variable.extent))
        builder.cbranch(more, head, done)
        builder.position_at_end(done)
        return current

    def _multiply(
        self, totals: list[ir.Value], rows: int, vectors: int, mask: ir.Value | None
    ) -> list[ir.Value]:
        """One turn: each row's number times each vector, added to the totals."""
        nest, result = self.nest, list(totals)
        loaded = [
            self._load(
                self._pointer(nest.vector.node, self._shifted(nest.vector.place, 0, n)), mask
            )
            for n in range(vectors)
        ]
        for row in range(rows):
            place = self._shifted(nest.broadcast.place, row, 0)
            number = self.builder.load(
                self._pointer(nest.broadcast.node, place), align=self.itemsize, typ=self.number
            )
            spread = self._spread(number)
            for n in range(vectors):
                at = row * vectors + n
                result[at] = self._fma(spread, loaded[n], result[at])
        return result

    def _shifted(self, place: Affine, row: int, vector: int) -> tuple[ir.Value, int]:
        """A place at a row and vector of the tile: its start, and a distance known now."""
        distance = vector * self.lanes * place.step(self.nest.vector_loop)
        if self.nest.row_loop is not None:
            distance += row * place.step(self.nest.row_loop)
        return self._values().place(place), distance

    def _pointer(self, node: object, place: tuple[ir.Value, int]) -> ir.Value:
        base = self.builder.gep(
            self.buffers[id(node)], [place[0]], inbounds=True, source_etype=self.number
        )
        return self.builder.gep(base, [integer(place[1])], inbounds=True, source_etype=self.number)

    def _spread(self, number: ir.Value) -> ir.Value:
        undefined = ir.Constant(self.vector, ir.Undefined)
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
