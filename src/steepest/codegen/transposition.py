"""Copies that turn rows into columns: square blocks are turned inside vector registers."""

from __future__ import annotations

import math

from llvmlite import ir

from steepest.codegen.loops import integer, loop
from steepest.codegen.types import INT32, memory_type
from steepest.codegen.values import Values
from steepest.kernels.expression import Load
from steepest.kernels.nest import MapNest

BLOCK = 16


def is_transposition(nest: MapNest) -> bool:
    """Whether a nest only copies 4-byte numbers that lie side by side along its rows."""
    if len(nest.stores) != 1 or len(nest.loops) != 2:
        return False
    store = nest.stores[0]
    value = store.value
    if not isinstance(value, Load) or value.indices or value.dtype.itemsize != 4:
        return False
    rows, columns = nest.loops
    return (
        value.place.step(rows) == 1
        and store.place.step(columns) == 1
        and rows.extent >= BLOCK
        and columns.extent >= BLOCK
    )


def emit_transposition(
    builder: ir.IRBuilder,
    nest: MapNest,
    buffers: dict[int, ir.Value],
    first: ir.Value,
    last: ir.Value,
) -> None:
    """Emit a copy in blocks of 16 by 16, then what is left at the edges one by one."""
    rows, columns = nest.loops
    whole_columns = columns.extent // BLOCK * BLOCK
    count = builder.sub(last, first)
    middle = builder.add(first, builder.sub(count, builder.srem(count, integer(BLOCK))))
    with (
        loop(builder, first, middle, BLOCK, "rows") as row,
        loop(builder, integer(0), integer(whole_columns), BLOCK, "columns") as column,
    ):
        _turn_block(builder, nest, buffers, row, column)
    edges = ((first, middle, whole_columns), (middle, last, 0))
    for low, high, start in edges:
        with (
            loop(builder, low, high, 1, "row") as row,
            loop(builder, integer(start), integer(columns.extent), 1, "column") as column,
        ):
            values = Values(builder, buffers, {rows: row, columns: column})
            store = nest.stores[0]
            values.store(store.node, store.place, values.scalar(store.value))


def _turn_block(
    builder: ir.IRBuilder,
    nest: MapNest,
    buffers: dict[int, ir.Value],
    row: ir.Value,
    column: ir.Value,
) -> None:
    """Load 16 columns as vectors along the rows, exchange halves four times, store 16 rows."""
    rows, columns = nest.loops
    store = nest.stores[0]
    value = store.value
    assert isinstance(value, Load)
    values = Values(builder, buffers, {rows: row, columns: column})
    number = memory_type(value.dtype)
    vector = ir.VectorType(number, BLOCK)
    source = builder.gep(
        buffers[id(value.node)], [values.place(value.place)], inbounds=True, source_etype=number
    )
    target = builder.gep(
        buffers[id(store.node)], [values.place(store.place)], inbounds=True, source_etype=number
    )
    lines = []
    for n in range(BLOCK):
        step = integer(n * value.place.step(columns))
        pointer = builder.gep(source, [step], inbounds=True, source_etype=number)
        lines.append(builder.load(pointer, align=4, typ=vector))
    for stage in range(int(math.log2(BLOCK))):
        lines = _exchange(builder, lines, 1 << stage)
    for n in range(BLOCK):
        step = integer(n * store.place.step(rows))
        pointer = builder.gep(target, [step], inbounds=True, source_etype=number)
        builder.store(lines[n], pointer, align=4)


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
