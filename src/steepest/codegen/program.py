"""One module for a whole program: the function of each nest, and `run`, which each thread calls."""

from __future__ import annotations

from collections.abc import Hashable

from llvmlite import ir

from steepest.codegen.loops import integer, loop, smaller
from steepest.codegen.nests import emit_nest
from steepest.codegen.target import Machine
from steepest.codegen.types import INT8, INT64, POINTER
from steepest.kernels.grouping import Group
from steepest.kernels.likeness import likeness
from steepest.kernels.nest import Nest, nodes_of
from steepest.kernels.place import Place, Places

Module = ir.Module
"""What is emitted; its text is LLVM's."""


def emit_program(groups: list[Group], places: Places, machine: Machine, faults: Place) -> ir.Module:
    """Make the module of a program.

    Args:
        faults: where it is noted, by a byte that is not 0, that numbers are out of range.

    `run(table, thread, threads, meeting)` does the share of one thread; `meet(meeting, threads)`,
    which the runtime brings, returns when all threads have come.
    """
    module = ir.Module(name="steepest")
    module.triple = machine.triple
    meet = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, INT64]), "steepest_meet")
    meet.attributes.add("nounwind")
    kind = ir.FunctionType(ir.VoidType(), [POINTER, INT64, INT64, POINTER])
    run = ir.Function(module, kind, "run")
    # It only calls others; what LLVM could improve here would take longer than it saves.
    run.attributes.add("optnone")
    run.attributes.add("noinline")
    table, thread, threads, meeting = run.args
    builder = ir.IRBuilder(run.append_basic_block("entry"))
    functions: dict[Hashable, ir.Function] = {}
    for group in groups:
        if group.meets:
            builder.call(meet, [meeting, threads])
        if group.commits:
            _stop_at_fault(builder, _buffer(builder, table, faults))
        first, last = _share(builder, group, thread, threads)
        with loop(builder, first, last, group.block, "rows") as start:
            stop = smaller(builder, builder.add(start, integer(group.block)), last)
            for nest in group.nests:
                arguments = _arguments(nest, places)
                key = likeness(nest, arguments)
                if key not in functions:
                    name = f"nest_{len(functions)}"
                    functions[key] = emit_nest(module, nest, name, machine, arguments)
                rows_before = builder.sub(first, start)
                pointers = [
                    _row_zero(builder, _buffer(builder, table, place), size, rows_before)
                    for place, size in _buffers(group, arguments, places)
                ]
                builder.call(functions[key], [*pointers, start, stop])
    builder.ret_void()
    return module


def _arguments(nest: Nest, places: Places) -> dict[int, int]:
    """The number of the argument of each node that a nest touches, by the node's id.

    State and its new value share one, for they may share their memory.
    """
    numbers: dict[Place, int] = {}
    return {id(node): numbers.setdefault(places[id(node)], len(numbers)) for node in nodes_of(nest)}


def _buffers(group: Group, arguments: dict[int, int], places: Places) -> list[tuple[Place, int]]:
    """The buffers that a nest is given, with the bytes of a row of those that hold one block."""
    found: dict[Place, int] = {}
    for each in arguments:
        found.setdefault(places[each], group.passing.get(each, 0))
    return list(found.items())


def _row_zero(
    builder: ir.IRBuilder, buffer: ir.Value, row_bytes: int, rows_before: ir.Value
) -> ir.Value:
    """Where row 0 would be, if a block that begins `rows_before` later lay where the first does."""
    if not row_bytes:
        return buffer
    distance = builder.mul(rows_before, integer(row_bytes))
    return builder.gep(buffer, [distance], source_etype=INT8)


def _stop_at_fault(builder: ir.IRBuilder, faults: ir.Value) -> None:
    """Return before state is overwritten, if there is a fault."""
    found = builder.load(faults, align=1, typ=INT8)
    with builder.if_then(builder.icmp_unsigned("!=", found, ir.Constant(INT8, 0)), likely=False):
        builder.ret_void()


def _share(
    builder: ir.IRBuilder, group: Group, thread: ir.Value, threads: ir.Value
) -> tuple[ir.Value, ir.Value]:
    """The rows of one thread: equal runs in order; those of a serial group go to the first."""
    rows = integer(group.rows)
    if group.is_serial:
        is_first = builder.icmp_signed("==", thread, integer(0))
        return integer(0), builder.select(is_first, rows, integer(0))
    units, unit = integer(-(-group.rows // group.unit)), integer(group.unit)
    first = builder.sdiv(builder.mul(units, thread), threads)
    last = builder.sdiv(builder.mul(units, builder.add(thread, integer(1))), threads)
    return builder.mul(first, unit), smaller(builder, builder.mul(last, unit), rows)


def _buffer(builder: ir.IRBuilder, table: ir.Value, place: Place) -> ir.Value:
    at = builder.gep(table, [integer(place.slot)], inbounds=True, source_etype=POINTER)
    pointer = builder.load(at, align=8, typ=POINTER)
    return builder.gep(pointer, [integer(place.offset)], inbounds=True, source_etype=INT8)
