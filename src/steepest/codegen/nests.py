"""Emits loop nests: each becomes a function of its buffers and of the rows to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from llvmlite import ir

from steepest.codegen.contraction import emit_contraction
from steepest.codegen.emit import Scalar
from steepest.codegen.indexing import emit_check, emit_scatter, emit_search
from steepest.codegen.loops import Slot, integer
from steepest.codegen.random_bits import emit_random
from steepest.codegen.reductions import emit_reduction
from steepest.codegen.segments import segments_of
from steepest.codegen.sorting import emit_sort
from steepest.codegen.target import Machine
from steepest.codegen.transposition import emit_transposition, transposition_of
from steepest.codegen.types import INT64, POINTER
from steepest.codegen.values import Counters
from steepest.codegen.writer import NestWriter
from steepest.errors import GraphError
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.merging import with_merged_loops
from steepest.kernels.nest import (
    CheckNest,
    ContractNest,
    CumulativeNest,
    MapNest,
    Nest,
    RandomNest,
    ReduceNest,
    ScatterNest,
    SearchNest,
    SortNest,
)
from steepest.ops import reduction


def emit_nest(
    module: ir.Module, nest: Nest, name: str, machine: Machine, arguments: Mapping[int, int]
) -> ir.Function:
    """Add to a module the function of a nest: `name(buffers..., first row, last row + 1)`.

    Args:
        arguments: which buffer each node that the nest touches has, by the node's id.
    """
    count = max(arguments.values(), default=-1) + 1
    kind = ir.FunctionType(ir.VoidType(), [POINTER] * count + [INT64, INT64])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    for argument in function.args[:count]:
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    buffers = {node: function.args[number] for node, number in arguments.items()}
    writer = NestWriter(builder, buffers, function.args[-2], function.args[-1], machine)
    emit = EMITTERS.get(type(nest))
    if emit is None:
        raise GraphError(f"no code can be made for {type(nest).__name__}.")
    emit(writer, nest)
    builder.ret_void()
    return function


def emit_map(writer: NestWriter, nest: MapNest) -> None:
    """Compute every number by itself; a plain transposition goes by blocks."""
    nest = with_merged_loops(nest)
    copy = transposition_of(nest)
    if copy is not None:
        emit_transposition(writer, copy)
        return
    for segment in segments_of(nest.loops, [store.value for store in nest.stores]):
        counters: Counters = {variable: integer(0) for variable in nest.loops}
        with ExitStack() as stack:
            writer.open(stack, _ordered(nest), counters, rows=bool(nest.loops), segment=segment)
            values = writer.values(counters, segment)
            results = [(store, values.scalar(store.value)) for store in nest.stores]
            for store, value in results:
                values.store(store.node, store.place, value)


def emit_cumulative(writer: NestWriter, nest: CumulativeNest) -> None:
    """Keep the total so far in a register along each line."""
    counters: Counters = {}
    is_sum = nest.primitive is reduction.cumulative_sum
    with ExitStack() as stack:
        writer.open(stack, nest.loops, counters, rows=bool(nest.loops))
        start = writer.values(counters).emit.number(0 if is_sum else 1, nest.value.dtype)
        total = Slot(writer.builder, start.value)
        writer.open(stack, [nest.along], counters, rows=False)
        values = writer.values(counters)
        before = Scalar(values.emit, total.get(), nest.value.dtype)
        number = values.scalar(nest.value)
        after = before + number if is_sum else before * number
        total.set(after.value)
        values.store(nest.node, nest.place, after)


def _ordered(nest: MapNest) -> tuple[Variable, ...]:
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


EMITTERS: dict[type[Nest], Callable[[NestWriter, Any], None]] = {
    MapNest: emit_map,
    ReduceNest: emit_reduction,
    ContractNest: emit_contraction,
    CumulativeNest: emit_cumulative,
    ScatterNest: emit_scatter,
    SearchNest: emit_search,
    SortNest: emit_sort,
    RandomNest: emit_random,
    CheckNest: emit_check,
}
