"""What the emission of every kind of nest needs: its buffers, its rows, and its loops."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack

from llvmlite import ir

from steepest.codegen.loops import integer, loop
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

    def values(self, counters: Counters) -> Values:
        """Emits expressions at the present turn of the loops."""
        return Values(self.builder, self.buffers, counters)

    def open(
        self, stack: ExitStack, loops: Sequence[Variable], counters: Counters, *, rows: bool
    ) -> None:
        """Open loops, outermost first, until `stack` closes; `rows`: the first is over the rows."""
        for n, variable in enumerate(loops):
            low = self.first if rows and n == 0 else integer(0)
            high = self.last if rows and n == 0 else integer(variable.extent)
            counters[variable] = stack.enter_context(loop(self.builder, low, high))
