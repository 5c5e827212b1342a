"""Emits what goes by positions that are numbers of the program: adding, searching, checking."""

from __future__ import annotations

from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.emit import Emit, Scalar
from steepest.codegen.loops import Slot, integer, loop
from steepest.codegen.types import INT8
from steepest.codegen.values import Counters
from steepest.codegen.writer import NestWriter
from steepest.graph.dtypes import int64, uint64
from steepest.kernels.nest import CheckNest, ScatterNest, SearchNest


def emit_scatter(writer: NestWriter, nest: ScatterNest) -> None:
    """Copy the operand, then add the updates in their order."""
    counters: Counters = {}
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=bool(nest.loops))
        values = writer.values(counters)
        values.store(nest.node, nest.copy_place, values.scalar(nest.copy_value))
    _add_updates(writer, nest)


def _add_updates(writer: NestWriter, nest: ScatterNest) -> None:
    """Every thread looks at every index, and adds those updates that fall on its rows."""
    builder = writer.builder
    counters: Counters = {}
    with ExitStack() as stack:
        for each in nest.updates:
            follows = each is nest.row_turn and bool(nest.loops)
            low = writer.first if follows else integer(0)
            high = writer.last if follows else integer(each.extent)
            counters[each] = stack.enter_context(loop(builder, low, high))
        values = writer.values(counters)
        position = values.emit.convert(values.scalar(nest.index), int64)
        holds = ((position >= 0) & (position < nest.extent)).value
        if nest.row_turn is None and nest.loops:
            above = builder.icmp_signed(">=", position.value, writer.first)
            holds = builder.and_(holds, above)
            holds = builder.and_(holds, builder.icmp_signed("<", position.value, writer.last))
        with builder.if_then(holds):
            inner = writer.values(counters)
            moved = builder.mul(position.value, integer(nest.step))
            place = builder.add(inner.place(nest.target), moved)
            before = inner.load_at(nest.node, place)
            inner.store_at(nest.node, place, before + inner.scalar(nest.update))


def emit_search(writer: NestWriter, nest: SearchNest) -> None:
    """Halve the range in which each value's place lies, until nothing is left."""
    builder = writer.builder
    counters: Counters = {}
    extent = nest.ordered.node.tensor_type.size
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=bool(nest.loops))
        low, high = Slot(builder, integer(0)), Slot(builder, integer(extent))
        wanted = writer.values(counters).scalar(nest.value)
        with loop(builder, integer(0), integer(extent.bit_length())):
            values = writer.values(counters)
            start, stop = low.get(), high.get()
            is_open = builder.icmp_signed("<", start, stop)
            middle = builder.lshr(builder.add(start, stop), integer(1))
            number = values.load_at(nest.ordered.node, builder.select(is_open, middle, integer(0)))
            if nest.right:
                before = builder.not_(_sorts_before(wanted, number).value)
            else:
                before = _sorts_before(number, wanted).value
            later = builder.and_(is_open, before)
            sooner = builder.and_(is_open, builder.not_(before))
            low.set(builder.select(later, builder.add(middle, integer(1)), start))
            high.set(builder.select(sooner, middle, stop))
        values = writer.values(counters)
        values.store(nest.node, nest.place, Scalar(values.emit, low.get(), int64))


def _sorts_before(left: Scalar, right: Scalar) -> Scalar:
    """Whether `left` stands before `right` in ascending order; NaN counts as the largest."""
    if not left.dtype.is_floating:
        return left < right
    emit = left.emit
    return (left < right) | (emit.is_nan(right) & ~emit.is_nan(left))


def emit_check(writer: NestWriter, nest: CheckNest) -> None:
    """Look at all numbers; write a 1 to `faults` if one is out of range."""
    builder = writer.builder
    counters: Counters = {}
    found = Slot(builder, integer(0))
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=bool(nest.loops))
        values = writer.values(counters)
        outside = _outside(values.emit, values.scalar(nest.value), nest)
        found.set(builder.or_(found.get(), builder.zext(outside, found.get().type)))
    faulty = builder.icmp_signed("!=", found.get(), integer(0))
    with builder.if_then(faulty, likely=False):
        # Threads may write at the same time, all of them the same.
        target = writer.buffers[id(nest.faults)]
        builder.atomic_rmw("or", target, ir.Constant(INT8, 1), "monotonic")


def _outside(emit: Emit, number: Scalar, nest: CheckNest) -> ir.Value:
    """Whether a whole number is below `low` or not below `high`."""
    wide = emit.convert(number, uint64 if number.dtype is uint64 else int64)
    if number.dtype is uint64:
        wide = Scalar(emit, emit.minimum(wide, emit.number(2**63 - 1, uint64)).value, int64)
    outside = wide < nest.low
    return (outside if nest.high is None else outside | (wide >= nest.high)).value
