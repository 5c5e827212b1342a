"""Emits loop nests: each becomes a function of its buffers and of the rows to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.contraction import emit_contraction
from steepest.codegen.emit import Emit, Scalar
from steepest.codegen.loops import integer, loop
from steepest.codegen.target import Machine
from steepest.codegen.transposition import emit_transposition, is_transposition
from steepest.codegen.types import INT64, POINTER, register_type
from steepest.codegen.values import Counters, Values
from steepest.errors import GraphError
from steepest.graph.dtypes import bool_, int64
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import Expression, loads
from steepest.kernels.nest import (
    ContractNest,
    CumulativeNest,
    MapNest,
    Nest,
    ReduceNest,
    ScatterNest,
    SearchNest,
    SortNest,
)
from steepest.ops import reduction

Combine = Callable[[Emit, Scalar, Scalar], Scalar]
COLUMN_BLOCK = 256


def nodes_of(nest: Nest) -> list[Node]:
    """The nodes whose buffers a nest touches, each once."""
    touched = [*nest.written(), *(load.node for load in nest.reads()), *nest.scattered_reads()]
    return list({id(node): node for node in touched}.values())


def emit_nest(module: ir.Module, nest: Nest, name: str, machine: Machine) -> ir.Function:
    """Add to a module the function of a nest: `name(buffers..., first row, last row + 1)`."""
    nodes = nodes_of(nest)
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * len(nodes) + [INT64, INT64])
    function = ir.Function(module, kind, name)
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    for argument in function.args[: len(nodes)]:
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    buffers = {id(node): argument for node, argument in zip(nodes, function.args, strict=False)}
    writer = NestWriter(builder, buffers, function.args[-2], function.args[-1], machine)
    writer.write(nest)
    builder.ret_void()
    return function


class NestWriter:
    """Emits the body of one nest function."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        buffers: dict[int, ir.Value],
        first: ir.Value,
        last: ir.Value,
        machine: Machine,
    ):
        self.builder = builder
        self.buffers = buffers
        self.first = first
        self.last = last
        self.machine = machine

    def write(self, nest: Nest) -> None:
        """Emit any nest."""
        if isinstance(nest, MapNest) and is_transposition(nest):
            emit_transposition(self.builder, nest, self.buffers, self.first, self.last)
        elif isinstance(nest, MapNest):
            self._map(nest)
        elif isinstance(nest, ReduceNest):
            self._reduce(nest)
        elif isinstance(nest, ContractNest):
            emit_contraction(self.builder, nest, self.buffers, self.first, self.last, self.machine)
        elif isinstance(nest, CumulativeNest):
            self._cumulative(nest)
        elif isinstance(nest, ScatterNest):
            self._scatter(nest)
        elif isinstance(nest, SearchNest):
            self._search(nest)
        elif isinstance(nest, SortNest):
            self._sort(nest)
        else:
            raise GraphError(f"no code can be made for {type(nest).__name__}.")

    def _open(
        self, stack: ExitStack, loops: Sequence[Variable], counters: Counters, rows: bool
    ) -> None:
        """Open loops; the first is over the given rows if `rows`."""
        for n, variable in enumerate(loops):
            low = self.first if rows and n == 0 else integer(0)
            high = self.last if rows and n == 0 else integer(variable.extent)
            counters[variable] = stack.enter_context(loop(self.builder, low, high))

    def _slot(self, kind: ir.Type) -> ir.Value:
        """A place for a number that loops change; LLVM turns it into a register."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(kind)

    def _values(self, counters: Counters) -> Values:
        return Values(self.builder, self.buffers, counters)

    def _map(self, nest: MapNest) -> None:
        loops = _collapsed(nest)
        counters: Counters = {variable: integer(0) for variable in nest.loops}
        with ExitStack() as stack:
            self._open(stack, loops, counters, bool(nest.loops))
            values = self._values(counters)
            results = [(store, values.scalar(store.value)) for store in nest.stores]
            for store, value in results:
                values.store(store.node, store.place, value)

    def _reduce(self, nest: ReduceNest) -> None:
        if nest.primitive in (reduction.argmax, reduction.argmin):
            self._position(nest)
        elif _by_columns(nest):
            self._reduce_columns(nest)
        else:
            self._reduce_rows(nest)

    def _reduce_rows(self, nest: ReduceNest) -> None:
        """Keep the total in a register while the reduced loops run."""
        counters: Counters = {}
        combine = _combine(nest)
        reduced = _innermost_contiguous(nest.reduced, nest.value)
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, True)
            total = self._slot(register_type(nest.value.dtype))
            emit = Emit(self.builder)
            self.builder.store(_start(emit, nest).value, total)
            with ExitStack() as inner:
                self._open(inner, reduced, counters, False)
                values = self._values(counters)
                before = Scalar(
                    values.emit,
                    self.builder.load(total, typ=register_type(nest.value.dtype)),
                    nest.value.dtype,
                )
                after = combine(values.emit, before, values.scalar(nest.value))
                self.builder.store(after.value, total)
            values = self._values(counters)
            result = Scalar(
                values.emit,
                self.builder.load(total, typ=register_type(nest.value.dtype)),
                nest.value.dtype,
            )
            values.store(nest.node, nest.place, values.emit.rounded(result))

    def _reduce_columns(self, nest: ReduceNest) -> None:
        """Keep a block of totals in the result's buffer; pass over the reduced loops outside."""
        counters: Counters = {}
        combine = _combine(nest)
        column = nest.loops[-1]
        outer = nest.loops[:-1]
        with ExitStack() as stack:
            self._open(stack, outer, counters, True)
            low = integer(0) if outer else self.first
            high = integer(column.extent) if outer else self.last
            start = stack.enter_context(loop(self.builder, low, high, COLUMN_BLOCK, "block"))
            end = self.builder.add(start, integer(COLUMN_BLOCK))
            stop = self.builder.select(self.builder.icmp_signed("<", end, high), end, high)
            with loop(self.builder, start, stop) as counter:
                counters[column] = counter
                values = self._values(counters)
                values.store(nest.node, nest.place, _start(values.emit, nest))
            with ExitStack() as inner:
                self._open(inner, nest.reduced, counters, False)
                counters[column] = inner.enter_context(loop(self.builder, start, stop))
                values = self._values(counters)
                place = values.place(nest.place)
                before = values.load_at(nest.node, place)
                after = combine(values.emit, before, values.scalar(nest.value))
                values.store_at(nest.node, place, after)

    def _position(self, nest: ReduceNest) -> None:
        """argmax and argmin: the best number so far and where it stood; NaN wins."""
        counters: Counters = {}
        along = nest.reduced[0]
        largest = nest.primitive is reduction.argmax
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, True)
            best = self._slot(register_type(nest.value.dtype))
            where = self._slot(INT64)
            counters[along] = integer(0)
            values = self._values(counters)
            self.builder.store(values.scalar(nest.value).value, best)
            self.builder.store(integer(0), where)
            with loop(self.builder, integer(1), integer(along.extent)) as counter:
                counters[along] = counter
                values = self._values(counters)
                emit, new = values.emit, values.scalar(nest.value)
                old = Scalar(
                    emit,
                    self.builder.load(best, typ=register_type(nest.value.dtype)),
                    nest.value.dtype,
                )
                better = new > old if largest else new < old
                if nest.value.dtype.is_floating:
                    better = (better | emit.is_nan(new)) & ~emit.is_nan(old)
                self.builder.store(emit.select(better, new, old).value, best)
                kept = self.builder.select(
                    better.value, counter, self.builder.load(where, typ=INT64)
                )
                self.builder.store(kept, where)
            values = self._values(counters)
            found = Scalar(values.emit, self.builder.load(where, typ=INT64), int64)
            values.store(nest.node, nest.place, found)

    def _cumulative(self, nest: CumulativeNest) -> None:
        counters: Counters = {}
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, bool(nest.loops))
            total = self._slot(register_type(nest.value.dtype))
            emit = Emit(self.builder)
            is_sum = nest.primitive is reduction.cumulative_sum
            self.builder.store(emit.number(0 if is_sum else 1, nest.value.dtype).value, total)
            with loop(self.builder, integer(0), integer(nest.along.extent)) as counter:
                counters[nest.along] = counter
                values = self._values(counters)
                before = Scalar(
                    values.emit,
                    self.builder.load(total, typ=register_type(nest.value.dtype)),
                    nest.value.dtype,
                )
                number = values.scalar(nest.value)
                after = before + number if is_sum else before * number
                self.builder.store(after.value, total)
                values.store(nest.node, nest.place, after)

    def _scatter(self, nest: ScatterNest) -> None:
        counters: Counters = {}
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, bool(nest.loops))
            values = self._values(counters)
            values.store(nest.node, nest.copy_place, values.scalar(nest.copy_value))
        self._scatter_updates(nest, {})

    def _holds_row(self, row: ir.Value) -> ir.Value:
        above = self.builder.icmp_signed(">=", row, self.first)
        return self.builder.and_(above, self.builder.icmp_signed("<", row, self.last))

    def _scatter_updates(self, nest: ScatterNest, counters: Counters) -> None:
        """Every thread looks at every index, and adds those updates that fall on its rows."""
        with ExitStack() as stack:
            for each in nest.updates:
                follows = each is nest.row_turn and bool(nest.loops)
                low, high = (
                    (self.first, self.last) if follows else (integer(0), integer(each.extent))
                )
                counters[each] = stack.enter_context(loop(self.builder, low, high))
            values = self._values(counters)
            position = values.emit.convert(values.scalar(nest.index), int64)
            inside = (position >= 0) & (position < nest.extent)
            holds = inside.value
            if nest.row_turn is None and nest.loops:
                holds = self.builder.and_(holds, self._holds_row(position.value))
            with self.builder.if_then(holds):
                inner = self._values(counters)
                place = self.builder.add(
                    inner.place(nest.target), self.builder.mul(position.value, integer(nest.step))
                )
                before = inner.load_at(nest.node, place)
                inner.store_at(nest.node, place, before + inner.scalar(nest.update))

    def _search(self, nest: SearchNest) -> None:
        counters: Counters = {}
        extent = nest.ordered.node.tensor_type.size
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, bool(nest.loops))
            low, high = self._slot(INT64), self._slot(INT64)
            self.builder.store(integer(0), low)
            self.builder.store(integer(extent), high)
            wanted = self._values(counters).scalar(nest.value)
            turns = max(1, math.ceil(math.log2(extent + 1)))
            with loop(self.builder, integer(0), integer(turns)):
                values = self._values(counters)
                start, stop = self.builder.load(low, typ=INT64), self.builder.load(high, typ=INT64)
                open_ = self.builder.icmp_signed("<", start, stop)
                middle = self.builder.lshr(self.builder.add(start, stop), integer(1))
                safe = self.builder.select(open_, middle, integer(0))
                number = values.load_at(nest.ordered.node, safe)
                before = number <= wanted if nest.right else number < wanted
                later = self.builder.and_(open_, before.value)
                sooner = self.builder.and_(open_, self.builder.not_(before.value))
                following = self.builder.add(middle, integer(1))
                self.builder.store(self.builder.select(later, following, start), low)
                self.builder.store(self.builder.select(sooner, middle, stop), high)
            values = self._values(counters)
            found = Scalar(values.emit, self.builder.load(low, typ=INT64), int64)
            values.store(nest.node, nest.place, found)

    def _sort(self, nest: SortNest) -> None:
        """Insertion of each position in order, by halving: stable, and n^2 / 4 moves."""
        counters: Counters = {}
        step = nest.place.step(nest.along)
        with ExitStack() as stack:
            self._open(stack, nest.loops, counters, bool(nest.loops))
            counters[nest.along] = integer(0)
            base = self._values(counters).place(nest.place)
            with loop(self.builder, integer(0), integer(nest.along.extent)) as counter:
                counters[nest.along] = counter
                self._insert(nest, counters, base, step, counter)

    def _insert(
        self, nest: SortNest, counters: Counters, base: ir.Value, step: int, counter: ir.Value
    ) -> None:
        """Move larger numbers up by one place until the new one fits."""
        builder = self.builder
        new = self._values(counters).scalar(nest.value)
        slot = self._slot(INT64)
        builder.store(counter, slot)
        head = builder.append_basic_block("shift.head")
        test = builder.append_basic_block("shift.test")
        body = builder.append_basic_block("shift.body")
        done = builder.append_basic_block("shift.done")
        builder.branch(head)
        builder.position_at_end(head)
        builder.cbranch(
            builder.icmp_signed(">", builder.load(slot, typ=INT64), integer(0)), test, done
        )
        builder.position_at_end(test)
        before = builder.sub(builder.load(slot, typ=INT64), integer(1))
        place = builder.add(base, builder.mul(before, integer(step)))
        values = self._values(counters)
        earlier = values.load_at(nest.node, place)
        old_counters = {**counters, nest.along: earlier.value}
        old = self._values(old_counters).scalar(nest.value)
        builder.cbranch(_sorts_before(nest, new, old).value, body, done)
        builder.position_at_end(body)
        values = self._values(counters)
        up = builder.add(base, builder.mul(builder.load(slot, typ=INT64), integer(step)))
        values.store_at(nest.node, up, earlier)
        builder.store(before, slot)
        builder.branch(head)
        builder.position_at_end(done)
        values = self._values(counters)
        final = builder.add(base, builder.mul(builder.load(slot, typ=INT64), integer(step)))
        values.store_at(nest.node, final, Scalar(values.emit, counter, int64))


def _sorts_before(nest: SortNest, new: Scalar, old: Scalar) -> Scalar:
    """Whether a later number must come before an earlier one; NaN counts as the largest."""
    before = new > old if nest.descending else new < old
    if not new.dtype.is_floating:
        return before
    emit = new.emit
    largest, other = (new, old) if nest.descending else (old, new)
    return before | (emit.is_nan(largest) & ~emit.is_nan(other))


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


def _by_columns(nest: ReduceNest) -> bool:
    """Whether the result's last loop is the contiguous one, so that totals sit in a vector."""
    if not nest.loops or not nest.reduced:
        return False
    if nest.node.tensor_type.dtype.itemsize < 4 or nest.place.step(nest.loops[-1]) != 1:
        return False
    steps = [load.place.step(nest.loops[-1]) for load in loads(nest.value)]
    inner = [load.place.step(each) for load in loads(nest.value) for each in nest.reduced]
    return 1 in steps and 1 not in inner


def _innermost_contiguous(variables: Sequence[Variable], value: Expression) -> list[Variable]:
    """Put the loop that reads neighbours innermost."""

    def distance(variable: Variable) -> int:
        steps = [abs(load.place.step(variable)) for load in loads(value)]
        return max(steps, default=0)

    return sorted(variables, key=distance, reverse=True)


def _collapsed(nest: MapNest) -> tuple[Variable, ...]:
    """Put the loop that touches neighbours innermost, as far as the rows allow."""
    if len(nest.loops) < 3:
        return nest.loops
    places: list[Affine] = [store.place for store in nest.stores]
    inner = sorted(
        nest.loops[1:],
        key=lambda each: max(abs(place.step(each)) for place in places),
        reverse=True,
    )
    return (nest.loops[0], *inner)
