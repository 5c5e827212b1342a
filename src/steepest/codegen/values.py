"""Emits expressions: the numbers of one turn of the loops."""

from __future__ import annotations

from llvmlite import ir

from steepest.codegen.emit import Emit, Scalar
from steepest.codegen.loops import integer
from steepest.codegen.segments import EVERYTHING, Segment
from steepest.codegen.types import INT8, memory_type, register_type
from steepest.graph.dtypes import DType, bfloat16, bool_, float32, int64
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import (
    Apply,
    Choice,
    Expression,
    Guarded,
    Load,
    Number,
    Position,
    stays_in_row,
)

Counters = dict[Variable, ir.Value]


class Values:
    """Emits the expressions of one turn of the loops, each once.

    Args:
        buffers: the pointer to each node's numbers.
        counters: the present value of each loop's counter.
        segment: which turns of the loops the expressions are for.
    """

    def __init__(
        self,
        builder: ir.IRBuilder,
        buffers: dict[int, ir.Value],
        counters: Counters,
        segment: Segment = EVERYTHING,
    ):
        self.builder = builder
        self.emit = Emit(builder)
        self._buffers = buffers
        self._counters = counters
        self._made: dict[tuple[int, int], Scalar] = {}
        self._segment = segment
        self._guard: ir.Value | None = None

    def scalar(self, expression: Expression) -> Scalar:
        """The number that an expression stands for at this turn."""
        key = (id(expression), id(self._guard))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._scalar(expression)
        return found

    def place(self, affine: Affine) -> ir.Value:
        """The value of an affine function of the counters."""
        total: ir.Value = integer(affine.constant)
        for variable, step in affine.terms:
            term = self._counters[variable]
            if step != 1:
                term = self.builder.mul(term, integer(step), flags=["nsw"])
            total = self.builder.add(total, term, flags=["nsw"])
        return total

    def store(self, node: Node, place: Affine, value: Scalar) -> None:
        """Write a number to a buffer."""
        self.store_at(node, self.place(place), value)

    def store_at(self, node: Node, place: ir.Value, value: Scalar) -> None:
        pointer = self._pointer(node, place)
        self.builder.store(to_memory(self.emit, value), pointer, align=value.dtype.itemsize)

    def load_at(self, node: Node, place: ir.Value) -> Scalar:
        """Read a number from a buffer."""
        dtype = node.tensor_type.dtype
        pointer = self._pointer(node, place)
        loaded = self.builder.load(pointer, align=dtype.itemsize, typ=memory_type(dtype))
        return from_memory(self.emit, loaded, dtype)

    def _pointer(self, node: Node, place: ir.Value) -> ir.Value:
        kind = memory_type(node.tensor_type.dtype)
        return self.builder.gep(self._buffers[id(node)], [place], inbounds=True, source_etype=kind)

    def _scalar(self, expression: Expression) -> Scalar:
        if isinstance(expression, Load):
            return self.load_at(expression.node, self._guarded_place(expression))
        if isinstance(expression, Number):
            return self.emit.number(expression.value, expression.dtype)
        if isinstance(expression, Position):
            counted = Scalar(self.emit, self.place(expression.place), int64)
            return self.emit.convert(counted, expression.dtype)
        if isinstance(expression, Apply):
            return self._apply(expression)
        if isinstance(expression, Guarded):
            return self._guarded(expression)
        assert isinstance(expression, Choice)
        return self._choice(expression)

    def _apply(self, expression: Apply) -> Scalar:
        """An operation; those on bfloat16 run in float32 and round once, as the evaluator does."""
        operands = [self.emit.widened(self.scalar(each)) for each in expression.operands]
        assert expression.primitive.lower is not None
        result = expression.primitive.lower(self.emit, *operands, **expression.static)
        return self.emit.convert(result, expression.dtype)

    def _guarded_place(self, load: Load) -> ir.Value:
        place = self.place(load.place)
        for index, step, extent in load.indices:
            position = self.emit.convert(self.scalar(index), int64)
            limited = self.emit.maximum(
                self.emit.minimum(position, self.emit.number(extent - 1, int64)),
                self.emit.number(0, int64),
            )
            place = self.builder.add(place, self.builder.mul(limited.value, integer(step)))
        if self._guard is not None:
            place = self.builder.select(self._guard, place, self._place_in_row(load))
        return place

    def _place_in_row(self, load: Load) -> ir.Value:
        """Where a number that is not used may be read: in the same row.

        Only a block of rows has memory where rows pass from nest to nest.
        """
        row = next(iter(self._counters), None)
        if row is None or not stays_in_row(load, row):
            return integer(0)
        return self.place(Affine(0, ((row, load.place.step(row)),)))

    def _under(self, guard: ir.Value, expression: Expression) -> Scalar:
        """Emit an expression whose reads are safe where `guard` does not hold."""
        before = self._guard
        self._guard = guard if before is None else self.builder.and_(before, guard)
        try:
            return self.scalar(expression)
        finally:
            self._guard = before

    def _guarded(self, expression: Guarded) -> Scalar:
        known = [self._segment.is_inside(*each) for each in expression.ranges]
        if all(known):
            return self.scalar(expression.value)
        if False in known:
            return self.emit.number(0, expression.dtype)
        holds: ir.Value | None = None
        for inside, (affine, low, high) in zip(known, expression.ranges, strict=True):
            if inside:
                continue
            place = self.place(affine)
            above = self.builder.icmp_signed(">=", place, integer(low))
            within = self.builder.and_(above, self.builder.icmp_signed("<", place, integer(high)))
            holds = within if holds is None else self.builder.and_(holds, within)
        assert holds is not None
        value = self._under(holds, expression.value)
        zero = self.emit.number(0, expression.dtype)
        return self.emit.select(Scalar(self.emit, holds, bool_), value, zero)

    def _choice(self, expression: Choice) -> Scalar:
        part = self._segment.part_of(expression)
        if part is not None:
            return self.scalar(part)
        place = self.place(expression.place)
        result: Scalar | None = None
        start = 0
        for end, part in zip(expression.ends, expression.values, strict=True):
            low = self.builder.icmp_signed(">=", place, integer(start))
            inside = self.builder.and_(low, self.builder.icmp_signed("<", place, integer(end)))
            value = self._under(inside, part)
            chosen = Scalar(self.emit, inside, bool_)
            result = value if result is None else self.emit.select(chosen, value, result)
            start = end
        assert result is not None
        return result


def from_memory(emit: Emit, loaded: ir.Value, dtype: DType) -> Scalar:
    """A stored number as it is computed with."""
    builder = emit.builder
    if dtype.is_bool:
        return Scalar(emit, builder.icmp_unsigned("!=", loaded, ir.Constant(INT8, 0)), dtype)
    if dtype is bfloat16:
        wide = builder.shl(builder.zext(loaded, ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return Scalar(emit, builder.bitcast(wide, register_type(float32)), dtype)
    return Scalar(emit, loaded, dtype)


def to_memory(emit: Emit, value: Scalar) -> ir.Value:
    """A number as it is stored."""
    builder = emit.builder
    if value.dtype.is_bool:
        return builder.zext(value.value, INT8)
    if value.dtype is bfloat16:
        bits = builder.bitcast(value.value, ir.IntType(32))
        return builder.trunc(builder.lshr(bits, ir.Constant(ir.IntType(32), 16)), ir.IntType(16))
    return value.value
