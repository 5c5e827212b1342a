"""Loops as blocks that open and close by `with`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from steepest.codegen.types import INT64


def integer(value: int) -> ir.Constant:
    """A 64-bit integer constant."""
    return ir.Constant(INT64, value)


@contextmanager
def loop(
    builder: ir.IRBuilder, start: ir.Value, stop: ir.Value, step: int = 1, name: str = "i"
) -> Iterator[ir.Value]:
    """Count from `start` while below `stop`; the block is the loop's body."""
    before = builder.block
    head = builder.append_basic_block(f"{name}.head")
    body = builder.append_basic_block(f"{name}.body")
    done = builder.append_basic_block(f"{name}.done")
    builder.branch(head)
    builder.position_at_end(head)
    counter = builder.phi(INT64, name)
    counter.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", counter, stop), body, done)
    builder.position_at_end(body)
    yield counter
    following = builder.add(counter, integer(step), flags=["nsw"])
    counter.add_incoming(following, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
