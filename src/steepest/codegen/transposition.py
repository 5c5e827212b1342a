"""Copies that turn rows into columns: square blocks are turned inside vector registers."""

from __future__ import annotations

import dataclasses
import math
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.loops import integer, loop
from steepest.codegen.types import BIT, INT32, POINTER, memory_type
from steepest.codegen.values import Counters
from steepest.codegen.writer import NestWriter
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import Load
from steepest.kernels.nest import MapNest, Store

BLOCK = 16
LEAST = 3
"""Neighbours in the source for which a block is worth its while."""


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """A copy that turns rows into columns.

    Attributes:
        source, target: what is read and written.
        outer: the loops around the two that are turned; the first of all divides the rows.
        along: the loop along which neighbours lie side by side in the source.
        across: the loop along which they do in the target.
        is_reversed: whether they lie in the other direction in the source.
        rows: the loop that threads divide.
    """

    source: Load
    target: Store
    outer: tuple[Variable, ...]
    along: Variable
    across: Variable
    rows: Variable

    @property
    def is_reversed(self) -> bool:
        return self.source.place.step(self.along) < 0


def transposition_of(nest: MapNest) -> Copy | None:
    """How a nest copies 4-byte numbers from columns to rows; `None` if it does something else."""
    if len(nest.stores) != 1 or len(nest.loops) < 2:
        return None
    store = nest.stores[0]
    value = store.value
    if not isinstance(value, Load) or value.indices or value.dtype.itemsize != 4:
        return None
    read, written, loops = value.place, store.place, nest.loops
    along = [each for each in loops if abs(read.step(each)) == 1 and each.extent >= LEAST]
    across = [each for each in loops if written.step(each) == 1 and each.extent >= BLOCK]
    if not along or not across or along[0] is across[0]:
        return None
    turned = (along[0], across[0])
    return Copy(
        value,
        store,
        tuple(each for each in loops if each not in turned),
        *turned,
        loops[0],
    )


def emit_transposition(writer: NestWriter, copy: Copy) -> None:
    """Emit a copy in blocks of 16 by 16, then what is left at the edges one by one."""
    _Transposition(writer, copy).emit()


class _Transposition:
    """Emits one copy."""

    def __init__(self, writer: NestWriter, copy: Copy):
        self.writer = writer
        self.builder = writer.builder
        self.copy = copy
        self.counters: Counters = {}
        self.number = memory_type(copy.source.dtype)
        self.vector = ir.VectorType(self.number, BLOCK)

    def emit(self) -> None:
        copy = self.copy
        with ExitStack() as stack:
            for each in copy.outer:
                self.counters[each] = stack.enter_context(loop(self.builder, *self._range(each)))
            first, last = self._range(copy.across)
            middle = self._whole_blocks(first, last)
            with loop(self.builder, first, middle, BLOCK, "across") as counter:
                self.counters[copy.across] = counter
                self._columns()
            with (
                loop(self.builder, middle, last, 1, "across") as across,
                loop(self.builder, *self._range(copy.along), 1, "along") as along,
            ):
                self._single(along, across)

    def _range(self, variable: Variable) -> tuple[ir.Value, ir.Value]:
        if variable is self.copy.rows:
            return self.writer.first, self.writer.last
        return integer(0), integer(variable.extent)

    def _whole_blocks(self, first: ir.Value, last: ir.Value) -> ir.Value:
        count = self.builder.sub(last, first)
        rest = self.builder.srem(count, integer(BLOCK))
        return self.builder.add(first, self.builder.sub(count, rest))

    def _columns(self) -> None:
        """All numbers along the source at 16 places of the target."""
        along = self.copy.along
        first, last = self._range(along)
        middle = self._whole_blocks(first, last)
        with loop(self.builder, first, middle, BLOCK, "along") as counter:
            self.counters[along] = counter
            self._block(BLOCK)
        if along is not self.copy.rows:
            if along.extent % BLOCK:
                self.counters[along] = integer(along.extent // BLOCK * BLOCK)
                self._block(along.extent % BLOCK)
            return
        start = self.counters[self.copy.across]
        end = self.builder.add(start, integer(BLOCK))
        with (
            loop(self.builder, start, end, 1, "across") as across,
            loop(self.builder, middle, last, 1, "along") as counter,
        ):
            self._single(counter, across)
        self.counters[self.copy.across] = start

    def _single(self, along: ir.Value, across: ir.Value) -> None:
        self.counters[self.copy.along] = along
        self.counters[self.copy.across] = across
        values = self.writer.values(self.counters)
        store = self.copy.target
        values.store(store.node, store.place, values.scalar(self.copy.source))

    def _block(self, count: int) -> None:
        """Load 16 vectors of the source, exchange halves four times, store `count` vectors."""
        copy = self.copy
        source = self._pointer(copy.source.node, copy.source.place)
        target = self._pointer(copy.target.node, copy.target.place)
        lines = [
            self._load(
                self._moved(
                    source,
                    n * copy.source.place.step(copy.across) - (count - 1) * copy.is_reversed,
                ),
                count,
            )
            for n in range(BLOCK)
        ]
        for stage in range(int(math.log2(BLOCK))):
            lines = _exchange(self.builder, lines, 1 << stage)
        for n in range(count):
            line = lines[count - 1 - n if copy.is_reversed else n]
            pointer = self._moved(target, n * copy.target.place.step(copy.along))
            self.builder.store(line, pointer, align=4)

    def _pointer(self, node: Node, place: Affine) -> ir.Value:
        at = self.writer.values(self.counters).place(place)
        return self._moved(self.writer.buffers[id(node)], at)

    def _moved(self, pointer: ir.Value, distance: ir.Value | int) -> ir.Value:
        at = integer(distance) if isinstance(distance, int) else distance
        return self.builder.gep(pointer, [at], inbounds=True, source_etype=self.number)

    def _load(self, pointer: ir.Value, count: int) -> ir.Value:
        """The first numbers of a vector; no more are read."""
        if count == BLOCK:
            return self.builder.load(pointer, align=4, typ=self.vector)
        bits = ir.VectorType(BIT, BLOCK)
        kind = ir.FunctionType(self.vector, [POINTER, INT32, bits, self.vector])
        letter = "f" if isinstance(self.number, ir.FloatType) else "i"
        name = f"llvm.masked.load.v{BLOCK}{letter}32.p0"
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        mask = ir.Constant(bits, [n < count for n in range(BLOCK)])
        nothing = ir.Constant(self.vector, ir.Undefined)
        return self.builder.call(function, [pointer, ir.Constant(INT32, 4), mask, nothing])


def _exchange(builder: ir.IRBuilder, lines: list[ir.Value], width: int) -> list[ir.Value]:
    """Swap the off-diagonal quarters of every square of side 2 * width."""
    result = list(lines)
    low = [n if not n & width else BLOCK + n - width for n in range(BLOCK)]
    high = [n + width if not n & width else BLOCK + n for n in range(BLOCK)]
    kind = ir.VectorType(INT32, BLOCK)
    for n in range(BLOCK):
        if not n & width:
            upper, lower = lines[n], lines[n + width]
            result[n] = builder.shuffle_vector(upper, lower, ir.Constant(kind, low))
            result[n + width] = builder.shuffle_vector(upper, lower, ir.Constant(kind, high))
    return result
