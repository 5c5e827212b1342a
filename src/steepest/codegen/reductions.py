"""Emits reductions: totals, extremes, and the positions of extremes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from steepest.codegen.emit import Emit, Scalar
from steepest.codegen.loops import Slot, integer, loop, smaller
from steepest.codegen.segments import segments_of
from steepest.codegen.values import Counters
from steepest.codegen.writer import NestWriter
from steepest.graph.dtypes import bool_, int64
from steepest.kernels.affine import Variable
from steepest.kernels.expression import Expression, loads
from steepest.kernels.nest import ReduceNest
from steepest.ops import reduction

Combine = Callable[[Emit, Scalar, Scalar], Scalar]
COLUMN_BLOCK = 256
MOST_TURNS = 16
"""Turns of the reduced loops that are written out at most."""


def emit_reduction(writer: NestWriter, nest: ReduceNest) -> None:
    """Emit a reduction in the order that reads neighbours."""
    if nest.primitive in (reduction.argmax, reduction.argmin):
        _position(writer, nest)
    elif _is_window(nest):
        _reduce_windows(writer, nest)
    elif _by_columns(nest):
        _reduce_columns(writer, nest)
    else:
        _reduce_rows(writer, nest)


def _reduce_rows(writer: NestWriter, nest: ReduceNest) -> None:
    """Keep the total in a register while the reduced loops run."""
    counters: Counters = {}
    combine = _combine(nest)
    dtype = nest.value.dtype
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=True)
        emit = Emit(writer.builder)
        total = Slot(writer.builder, _start(emit, nest).value)
        with ExitStack() as inner:
            ordered = _innermost_contiguous(nest.reduced, nest.value)
            writer.open(inner, ordered, counters, rows=False)
            values = writer.values(counters)
            before = Scalar(values.emit, total.get(), dtype)
            total.set(combine(values.emit, before, values.scalar(nest.value)).value)
        values = writer.values(counters)
        values.store(nest.node, nest.place, Scalar(values.emit, total.get(), dtype))


def _reduce_columns(writer: NestWriter, nest: ReduceNest) -> None:
    """Keep a block of totals in the result's buffer; pass over the reduced loops outside."""
    builder = writer.builder
    counters: Counters = {}
    combine = _combine(nest)
    column, outer = nest.loops[-1], nest.loops[:-1]
    with ExitStack() as stack:
        writer.open(stack, outer, counters, rows=True)
        low = integer(0) if outer else writer.first
        high = integer(column.extent) if outer else writer.last
        start = stack.enter_context(loop(builder, low, high, COLUMN_BLOCK, "block"))
        stop = smaller(builder, builder.add(start, integer(COLUMN_BLOCK)), high)
        with loop(builder, start, stop) as counter:
            counters[column] = counter
            values = writer.values(counters)
            values.store(nest.node, nest.place, _start(values.emit, nest))
        with ExitStack() as inner:
            writer.open(inner, nest.reduced, counters, rows=False)
            counters[column] = inner.enter_context(loop(builder, start, stop))
            values = writer.values(counters)
            place = values.place(nest.place)
            before = values.load_at(nest.node, place)
            after = combine(values.emit, before, values.scalar(nest.value))
            values.store_at(nest.node, place, after)


def _reduce_windows(writer: NestWriter, nest: ReduceNest) -> None:
    """Write out all turns of the reduced loops, so that the loop over neighbours is innermost."""
    combine = _combine(nest)
    for segment in segments_of(nest.loops, [nest.value], nest.reduced):
        counters: Counters = {}
        with ExitStack() as stack:
            writer.open(stack, nest.loops, counters, rows=True, segment=segment)
            emit = Emit(writer.builder)
            total = _start(emit, nest)
            for turns in itertools.product(*(range(each.extent) for each in nest.reduced)):
                counters.update(zip(nest.reduced, map(integer, turns), strict=True))
                here = segment.at(dict(zip(nest.reduced, turns, strict=True)))
                values = writer.values(counters, here)
                total = combine(values.emit, total, values.scalar(nest.value))
            values = writer.values(counters)
            values.store(nest.node, nest.place, total)


def _position(writer: NestWriter, nest: ReduceNest) -> None:
    """argmax and argmin: the best number so far and where it stood; NaN wins."""
    builder = writer.builder
    counters: Counters = {}
    along = nest.reduced[0]
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=True)
        counters[along] = integer(0)
        best = Slot(builder, writer.values(counters).scalar(nest.value).value)
        where = Slot(builder, integer(0))
        with loop(builder, integer(1), integer(along.extent)) as counter:
            counters[along] = counter
            values = writer.values(counters)
            emit, new = values.emit, values.scalar(nest.value)
            old = Scalar(emit, best.get(), nest.value.dtype)
            better = new > old if nest.primitive is reduction.argmax else new < old
            if nest.value.dtype.is_floating:
                better = (better | emit.is_nan(new)) & ~emit.is_nan(old)
            best.set(emit.select(better, new, old).value)
            where.set(builder.select(better.value, counter, where.get()))
        values = writer.values(counters)
        values.store(nest.node, nest.place, Scalar(values.emit, where.get(), int64))


def _combine(nest: ReduceNest) -> Combine:
    """How a number joins the total. Floating sums may be taken in vectors, in a fixed order."""
    dtype = nest.value.dtype

    def add(emit: Emit, total: Scalar, number: Scalar) -> Scalar:
        if dtype.is_floating:
            value = emit.builder.fadd(total.value, number.value, flags=["reassoc"])
            return Scalar(emit, value, dtype)
        return total + number

    def multiply(emit: Emit, total: Scalar, number: Scalar) -> Scalar:
        if dtype.is_floating:
            value = emit.builder.fmul(total.value, number.value, flags=["reassoc"])
            return Scalar(emit, value, dtype)
        return total * number

    def extreme(emit: Emit, total: Scalar, number: Scalar) -> Scalar:
        largest = nest.primitive is reduction.max_
        if dtype.is_bool:
            return total | number if largest else total & number
        if dtype.is_floating:
            return emit.intrinsic("maximum" if largest else "minimum", total, number)
        return emit.maximum(total, number) if largest else emit.minimum(total, number)

    return {reduction.sum_.name: add, reduction.product.name: multiply}.get(
        nest.primitive.name, extreme
    )


def _start(emit: Emit, nest: ReduceNest) -> Scalar:
    """The total of no numbers."""
    dtype = nest.value.dtype
    if nest.primitive is reduction.sum_:
        return emit.number(0, dtype)
    if nest.primitive is reduction.product:
        return emit.number(1, dtype)
    largest = nest.primitive is reduction.max_
    if dtype.is_floating:
        return emit.number(-math.inf if largest else math.inf, dtype)
    if dtype is bool_:
        return emit.number(0 if largest else 1, dtype)
    bits = dtype.itemsize * 8
    if dtype.kind == "unsigned":
        return emit.number(0 if largest else 2**bits - 1, dtype)
    return emit.number(-(2 ** (bits - 1)) if largest else 2 ** (bits - 1) - 1, dtype)


def _is_window(nest: ReduceNest) -> bool:
    """Whether few numbers are reduced for each of the results, which are neighbours."""
    turns = math.prod(each.extent for each in nest.reduced)
    if not nest.loops or not 0 < turns <= MOST_TURNS or nest.place.step(nest.loops[-1]) != 1:
        return False
    return all(load.place.step(nest.loops[-1]) in (0, 1) for load in loads(nest.value))


def _by_columns(nest: ReduceNest) -> bool:
    """Whether the result's last loop is the contiguous one, so that totals sit in a vector."""
    if not nest.loops or not nest.reduced:
        return False
    if nest.node.tensor_type.dtype.itemsize < 4 or nest.place.step(nest.loops[-1]) != 1:
        return False
    steps = [load.place.step(nest.loops[-1]) for load in loads(nest.value)]
    wide = [load for load in loads(nest.value) if load.place.step(nest.loops[-1])]
    inner = [load.place.step(each) for load in wide for each in nest.reduced]
    return 1 in steps and 1 not in inner


def _innermost_contiguous(variables: Sequence[Variable], value: Expression) -> list[Variable]:
    """Put the loop that reads neighbours innermost."""

    def distance(variable: Variable) -> int:
        steps = [abs(load.place.step(variable)) for load in loads(value)]
        return max(steps, default=0)

    return sorted(variables, key=distance, reverse=True)
