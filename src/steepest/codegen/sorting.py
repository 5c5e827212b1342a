"""Emits sorting: short runs by insertion, then merges of neighbouring runs."""

from __future__ import annotations

from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.emit import Scalar
from steepest.codegen.loops import Slot, integer, loop, loop_while, smaller
from steepest.codegen.types import INT64
from steepest.codegen.values import Counters, Values
from steepest.codegen.writer import NestWriter
from steepest.graph.dtypes import int64
from steepest.kernels.nest import SortNest

RUN = 8
"""Numbers that are sorted by insertion before merging begins."""


def emit_sort(writer: NestWriter, nest: SortNest) -> None:
    """Positions of the sorted numbers: stable, and about n log2(n) comparisons."""
    counters: Counters = {}
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=bool(nest.loops))
        Line(writer, nest, counters).sort()


class Line:
    """One line of numbers, being sorted: positions move between two buffers."""

    def __init__(self, writer: NestWriter, nest: SortNest, counters: Counters):
        self.builder = writer.builder
        self.writer = writer
        self.nest = nest
        self.counters = {**counters, nest.along: integer(0)}
        self.base = self._values().place(nest.place)
        self.step = integer(nest.place.step(nest.along) or 1)
        self.extent = nest.along.extent

    def sort(self) -> None:
        """Sort runs into one buffer, then merge from one to the other; the result's comes last."""
        result = self.writer.buffers[id(self.nest.node)]
        scratch = self.writer.buffers[id(self.nest.scratch)]
        merges = 0
        while RUN << merges < self.extent:
            merges += 1
        source, target = (scratch, result) if merges % 2 else (result, scratch)
        length = integer(self.extent)
        with loop(self.builder, integer(0), length, RUN, "run") as start:
            end = smaller(self.builder, self.builder.add(start, integer(RUN)), length)
            with loop(self.builder, start, end) as position:
                self._insert(source, start, position)
        width = Slot(self.builder, integer(RUN))
        here, there = Slot(self.builder, source), Slot(self.builder, target)
        with loop_while(
            self.builder, lambda: self.builder.icmp_signed("<", width.get(), length), "merge"
        ):
            source, target, size = here.get(), there.get(), width.get()
            double = self.builder.shl(size, integer(1))
            with loop(self.builder, integer(0), length, double, "pair") as start:
                middle = smaller(self.builder, self.builder.add(start, size), length)
                end = smaller(self.builder, self.builder.add(start, double), length)
                self._merge(source, target, start, middle, end)
            width.set(double)
            here.set(target)
            there.set(source)

    def _insert(self, buffer: ir.Value, start: ir.Value, position: ir.Value) -> None:
        """Move later numbers of the run up by one place until the number at `position` fits."""
        builder = self.builder
        new = self._number(position)
        place = Slot(builder, position)
        above = Slot(builder, builder.icmp_signed(">", position, start))
        with loop_while(builder, above.get, "shift"):
            before = builder.sub(place.get(), integer(1))
            earlier = self._load(buffer, before)
            moves = self._before(new, self._number(earlier))
            target = builder.select(moves, place.get(), before)
            self._store(buffer, target, earlier)
            place.set(builder.select(moves, before, place.get()))
            above.set(builder.and_(moves, builder.icmp_signed(">", place.get(), start)))
        self._store(buffer, place.get(), position)

    def _merge(
        self,
        source: ir.Value,
        target: ir.Value,
        start: ir.Value,
        middle: ir.Value,
        end: ir.Value,
    ) -> None:
        """Merge two neighbouring runs; of equal numbers, the left run's go first."""
        builder = self.builder
        left, right = Slot(builder, start), Slot(builder, middle)
        with loop(builder, start, end, 1, "place") as place:
            i, j = left.get(), right.get()
            has_left = builder.icmp_signed("<", i, middle)
            has_right = builder.icmp_signed("<", j, end)
            first = self._load(source, builder.select(has_left, i, start))
            second = self._load(source, builder.select(has_right, j, start))
            later = self._before(self._number(second), self._number(first))
            wins = builder.or_(builder.not_(has_left), later)
            wins = builder.and_(has_right, wins)
            self._store(target, place, builder.select(wins, second, first))
            one, none = integer(1), integer(0)
            left.set(builder.add(i, builder.select(wins, none, one)))
            right.set(builder.add(j, builder.select(wins, one, none)))

    def _before(self, new: Scalar, old: Scalar) -> ir.Value:
        """Whether a later number must come before an earlier one; NaN counts as the largest."""
        before = new > old if self.nest.descending else new < old
        if not new.dtype.is_floating:
            return before.value
        emit = new.emit
        largest, other = (new, old) if self.nest.descending else (old, new)
        return (before | (emit.is_nan(largest) & ~emit.is_nan(other))).value

    def _number(self, position: ir.Value) -> Scalar:
        counters = {**self.counters, self.nest.along: position}
        return self.writer.values(counters).scalar(self.nest.value)

    def _values(self) -> Values:
        return self.writer.values(self.counters)

    def _pointer(self, buffer: ir.Value, position: ir.Value) -> ir.Value:
        place = self.builder.add(self.base, self.builder.mul(position, self.step))
        return self.builder.gep(buffer, [place], inbounds=True, source_etype=INT64)

    def _load(self, buffer: ir.Value, position: ir.Value) -> ir.Value:
        return self.builder.load(self._pointer(buffer, position), align=8, typ=INT64)

    def _store(self, buffer: ir.Value, position: ir.Value, value: ir.Value) -> None:
        self.builder.store(value, self._pointer(buffer, position), align=int64.itemsize)
