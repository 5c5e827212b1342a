"""Loops as blocks that open and close by `with`, and numbers that loops change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llvmlite import ir

from steepest.codegen.types import INT64


def integer(value: int) -> ir.Constant:
    """A 64-bit integer constant."""
    return ir.Constant(INT64, value)


@contextmanager
def loop(
    builder: ir.IRBuilder,
    start: ir.Value,
    stop: ir.Value,
    step: int | ir.Value = 1,
    name: str = "i",
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
    by = integer(step) if isinstance(step, int) else step
    following = builder.add(counter, by, flags=["nsw"])
    counter.add_incoming(following, builder.block)
    builder.branch(head)
    builder.position_at_end(done)


@contextmanager
def loop_while(
    builder: ir.IRBuilder, condition: Callable[[], ir.Value], name: str = "while"
) -> Iterator[None]:
    """Repeat the block as long as `condition`, which is emitted before each turn, holds."""
    head = builder.append_basic_block(f"{name}.head")
    body = builder.append_basic_block(f"{name}.body")
    done = builder.append_basic_block(f"{name}.done")
    builder.branch(head)
    builder.position_at_end(head)
    builder.cbranch(condition(), body, done)
    builder.position_at_end(body)
    yield
    builder.branch(head)
    builder.position_at_end(done)


class Slot:
    """A number that loops change; LLVM turns it into a register."""

    def __init__(self, builder: ir.IRBuilder, start: ir.Value):
        self._builder = builder
        self._kind = start.type
        with builder.goto_entry_block():
            self._pointer = builder.alloca(self._kind)
        self.set(start)

    def get(self) -> ir.Value:
        """The present number."""
        return self._builder.load(self._pointer, typ=self._kind)

    def set(self, value: ir.Value) -> None:
        """Change the number."""
        self._builder.store(value, self._pointer)


def smaller(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    """The smaller of two signed integers."""
    return builder.select(builder.icmp_signed("<", left, right), left, right)


def larger(builder: ir.IRBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
    """The larger of two signed integers."""
    return builder.select(builder.icmp_signed(">", left, right), left, right)
