"""What the emission of every kind of nest needs: its buffers, its rows, and its loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.loops import integer, larger, loop, smaller
from steepest.codegen.segments import EVERYTHING, Segment
from steepest.codegen.target import Machine
from steepest.codegen.values import Counters, Values
from steepest.kernels.affine import Variable


@dataclasses.dataclass(frozen=True, eq=False)
class NestWriter:
    """The function of one nest, being written.

    Attributes:
        builder: where instructions are added.
        buffers: the pointer to each node's numbers, by the node's id.
        first, last: the rows to do; `last` is the one after.
        machine: the machine that code is made for.
    """

    builder: ir.IRBuilder
    buffers: dict[int, ir.Value]
    first: ir.Value
    last: ir.Value
    machine: Machine

    def values(self, counters: Counters, segment: Segment = EVERYTHING) -> Values:
        """Emits expressions at the present turn of the loops."""
        return Values(self.builder, self.buffers, counters, segment)

    def open(
        self,
        stack: ExitStack,
        loops: Sequence[Variable],
        counters: Counters,
        *,
        rows: bool,
        segment: Segment = EVERYTHING,
    ) -> None:
        """Open loops, outermost first, until `stack` closes; `rows`: the first is over the rows."""
        for n, variable in enumerate(loops):
            start, stop = segment.bounds.get(variable, (0, variable.extent))
            low, high = integer(start), integer(stop)
            if rows and n == 0:
                low, high = self.first, self.last
                if variable in segment.bounds:
                    low = larger(self.builder, low, integer(start))
                    high = smaller(self.builder, high, integer(stop))
            counters[variable] = stack.enter_context(loop(self.builder, low, high))
