"""Which nests must come before which, and where one row of a nest needs but one row of another."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.graph.node import Node
from steepest.kernels.affine import Variable
from steepest.kernels.expression import Load, Ranges
from steepest.kernels.nest import Nest

Waits = dict[int, dict[int, bool]]
"""By a nest's id: the ids of the nests that must come before; True where row follows row."""


def dependencies(nests: Sequence[Nest]) -> Waits:
    """What each nest waits for."""
    writers: dict[int, list[Nest]] = {}
    waits: Waits = {}
    for nest in nests:
        needed: dict[int, bool] = {}
        for load, ranges in nest.guarded_reads():
            for earlier in writers.get(id(load.node), ()):
                aligned = is_aligned(nest, earlier, load, ranges)
                needed[id(earlier)] = needed.get(id(earlier), True) and aligned
        for node in nest.scattered_reads():
            for earlier in writers.get(id(node), ()):
                needed[id(earlier)] = False
        for node in nest.written():
            for earlier in writers.get(id(node), ()):
                needed[id(earlier)] = _writes_rows_of(nest, earlier, node)
            writers.setdefault(id(node), []).append(nest)
        waits[id(nest)] = needed
    return waits


def _writes_rows_of(nest: Nest, earlier: Nest, node: Node) -> bool:
    """Whether row r of both nests writes in one part of a buffer, and nothing else does."""
    if nest.rows == earlier.rows == 1:
        return True
    size = nest.row_size(node)
    return nest.rows == earlier.rows and size is not None and size == earlier.row_size(node)


def is_aligned(nest: Nest, earlier: Nest, load: Load, ranges: Ranges = ()) -> bool:
    """Whether row r of `nest` reads only what row r of `earlier` wrote.

    Args:
        ranges: in which the number that is read is used; what else is read is not looked at.
    """
    if nest.rows != earlier.rows:
        return False
    if nest.rows == 1:
        return True
    row_size = earlier.row_size(load.node)
    row = nest.loops[0]
    if load.indices or row_size is None or load.place.step(row) != row_size:
        return False
    low, high = load.place.without(row).bounds(_turns_within(ranges))
    return low >= 0 and high < row_size


def _turns_within(ranges: Ranges) -> dict[Variable, tuple[int, int]]:
    """The first and last turn of each loop that moves the place of a range by itself."""
    limits: dict[Variable, tuple[int, int]] = {}
    for place, low, high in ranges:
        if len(place.terms) != 1 or place.terms[0][1] < 1:
            continue
        ((variable, step),) = place.terms
        first, last = limits.get(variable, (0, variable.extent - 1))
        first = max(first, -((place.constant - low) // step))
        limits[variable] = (first, min(last, (high - 1 - place.constant) // step))
    return limits
