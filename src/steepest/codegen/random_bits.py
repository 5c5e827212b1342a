"""Emits random bits: Philox4x32-10 blocks of four numbers (see `steepest.ops.philox`)."""

from __future__ import annotations

from llvmlite import ir

from steepest.codegen.emit import Scalar
from steepest.codegen.loops import integer, loop, smaller
from steepest.codegen.values import Values
from steepest.codegen.writer import NestWriter
from steepest.graph.dtypes import uint32, uint64
from steepest.kernels.nest import RandomNest

BLOCK = 4


def emit_random(writer: NestWriter, nest: RandomNest) -> None:
    """Numbers of whole blocks four at a time; those of blocks that rows cut, one by one."""
    builder = writer.builder
    values = writer.values({})
    low = builder.mul(writer.first, integer(nest.row_numbers))
    high = builder.mul(writer.last, integer(nest.row_numbers))
    blocks = Blocks(values, nest)
    up = builder.add(low, integer(BLOCK - 1))
    first = smaller(builder, builder.and_(up, integer(-BLOCK)), high)
    last = builder.and_(high, integer(-BLOCK))
    if nest.row_numbers % BLOCK:
        blocks.single(low, first)
    with loop(builder, first, last, BLOCK, "block") as place:
        for n, word in enumerate(blocks.words(builder.lshr(place, integer(2)))):
            values.store_at(nest.node, builder.add(place, integer(n)), word)
    if nest.row_numbers % BLOCK:
        after = builder.select(builder.icmp_signed("<", first, last), last, first)
        blocks.single(after, high)


class Blocks:
    """The blocks of one draw: key and counter are read once."""

    def __init__(self, values: Values, nest: RandomNest):
        self.values = values
        self.nest = nest
        emit = values.emit
        self.keys = [emit.convert(values.scalar(each), uint64) for each in nest.key]
        self.draw = emit.convert(values.scalar(nest.counter), uint64)

    def single(self, start: ir.Value, stop: ir.Value) -> None:
        """The numbers from `start` to before `stop`, each by its whole block."""
        builder, emit = self.values.builder, self.values.emit
        with loop(builder, start, stop, 1, "single") as place:
            words = self.words(builder.lshr(place, integer(2)))
            which = Scalar(emit, builder.and_(place, integer(3)), uint64)
            chosen = words[0]
            for n in (1, 2, 3):
                chosen = emit.select(which == n, words[n], chosen)
            self.values.store_at(self.nest.node, place, chosen)

    def words(self, block: ir.Value) -> list[Scalar]:
        """The four numbers of a block; in between they are held in 64 bits."""
        emit = self.values.emit
        low = emit.number(0xFFFFFFFF, uint64)
        number = Scalar(emit, block, uint64)
        words = [number & low, number >> 32, self.draw & low, self.draw >> 32]
        keys = list(self.keys)
        for _ in range(10):
            first = words[0] * 0xD2511F53
            second = words[2] * 0xCD9E8D57
            words = [
                (second >> 32) ^ words[1] ^ keys[0],
                second & low,
                (first >> 32) ^ words[3] ^ keys[1],
                first & low,
            ]
            keys = [(keys[0] + 0x9E3779B9) & low, (keys[1] + 0xBB67AE85) & low]
        return [emit.convert(each, uint32) for each in words]
