"""One module for a whole program: the function of each nest, and `run`, which each thread calls."""

from __future__ import annotations

import dataclasses

from llvmlite import ir

from steepest.codegen.loops import integer, loop
from steepest.codegen.nests import emit_nest, nodes_of
from steepest.codegen.target import Machine
from steepest.codegen.types import INT64, POINTER
from steepest.graph.node import Node
from steepest.kernels.schedule import Group

ROW_BLOCK_BYTES = 131072
SMALL_WORK = 2000.0


@dataclasses.dataclass(frozen=True, eq=False)
class BufferTable:
    """Which slot of the table of pointers holds the numbers of each node."""

    slots: dict[int, int]


def emit_program(groups: list[Group], buffers: BufferTable, machine: Machine) -> ir.Module:
    """Make the module of a program.

    `run(table, thread, threads, meeting)` does the share of one thread; `meet(meeting, threads)`,
    which the runtime brings, returns when all threads have come.
    """
    module = ir.Module(name="steepest")
    module.triple = machine.triple
    meet = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, INT64]), "steepest_meet")
    meet.attributes.add("nounwind")
    kind = ir.FunctionType(ir.VoidType(), [POINTER, INT64, INT64, POINTER])
    run = ir.Function(module, kind, "run")
    table, thread, threads, meeting = run.args
    builder = ir.IRBuilder(run.append_basic_block("entry"))
    for number, group in enumerate(groups):
        functions = [
            emit_nest(module, nest, f"nest_{number}_{position}", machine)
            for position, nest in enumerate(group.nests)
        ]
        if group.meets:
            builder.call(meet, [meeting, threads])
        first, last = _share(builder, group, thread, threads)
        block = _row_block(group)
        with loop(builder, first, last, block, "rows") as start:
            end = builder.add(start, integer(block))
            stop = builder.select(builder.icmp_signed("<", end, last), end, last)
            for nest, function in zip(group.nests, functions, strict=True):
                pointers = [_buffer(builder, table, buffers, node) for node in nodes_of(nest)]
                builder.call(function, [*pointers, start, stop])
    builder.ret_void()
    return module


def _share(
    builder: ir.IRBuilder, group: Group, thread: ir.Value, threads: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """The rows of one thread: equal runs in order; all of a small group belong to the first."""
    rows = integer(group.rows)
    if group.rows == 1 or group.work < SMALL_WORK:
        is_first = builder.icmp_signed("==", thread, integer(0))
        return integer(0), builder.select(is_first, rows, integer(0))
    unit = 16 if group.rows >= 64 else 1
    units = integer(-(-group.rows // unit))
    first = builder.sdiv(builder.mul(units, thread), threads)
    last = builder.sdiv(builder.mul(units, builder.add(thread, integer(1))), threads)
    first, last = builder.mul(first, integer(unit)), builder.mul(last, integer(unit))
    return first, builder.select(builder.icmp_signed("<", last, rows), last, rows)


def _row_block(group: Group) -> int:
    """How many rows pass through all nests at a time: as many as stay in cache."""
    if len(group.nests) == 1:
        return max(group.rows, 1)
    row_bytes = 1
    for nest in group.nests:
        for node in nest.written():
            row_bytes += node.tensor_type.nbytes // max(nest.rows, 1)
    return max(48, ROW_BLOCK_BYTES // row_bytes // 48 * 48)


def _buffer(builder: ir.IRBuilder, table: ir.Value, buffers: BufferTable, node: Node) -> ir.Value:
    slot = integer(buffers.slots[id(node)])
    pointer = builder.gep(table, [slot], inbounds=True, source_etype=POINTER)
    return builder.load(pointer, align=8, typ=POINTER)
