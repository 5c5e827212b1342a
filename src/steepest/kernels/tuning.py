"""The sizes at which a program is divided: they change its speed, never a bit of its numbers."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Where a program stops being worth dividing.

    Attributes:
        small_program: nanoseconds of work below which one thread runs the whole program: two gain
            nothing yet, for they wait for each other.
        small_group: nanoseconds of work below which one thread runs a whole group of nests.
        block_bytes: how much the rows may write that pass through a group's nests together, so
            that the next nest finds them in cache.
        panel_bytes: an operand that a contraction reads again for every block of rows, and that has
            more bytes, makes blocks pay only where the other one would be read from afar.
        far_bytes: what has so many bytes comes from afar each time that it is read. Smaller buffers
            stay in a cache, and lie best where they were put: blocks are not written one over the
            other there.
        block_rows: blocks are of a multiple of so many rows, where there are that many.
        share_bytes: a thread gets at least so many neighbouring bytes (a cache line), so that no
            two threads write to one line.
        guard_bytes: memory left between buffers, which no program may touch: for tests.
    """

    small_program: float = 40_000.0
    small_group: float = 2_000.0
    block_bytes: int = 262_144
    panel_bytes: int = 524_288
    far_bytes: int = 1_048_576
    block_rows: int = 48
    share_bytes: int = 64
    guard_bytes: int = 0


USUAL = Tuning()
FINEST = Tuning(
    small_program=0,
    small_group=0,
    block_bytes=1,
    panel_bytes=2**62,
    far_bytes=1,
    block_rows=1,
    share_bytes=1,
)
"""Every group divided among all threads and into the smallest blocks: for tests."""
