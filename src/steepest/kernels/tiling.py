"""Which loops of a contraction its register tile is made of, and which run around the tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable, variable_index
from steepest.kernels.expression import Load

FEW_ROWS = 8
"""So few rows or fewer leave room in a tile for turns of another loop."""
MANY_ROWS = 14
"""So many rows leave room for one vector each."""
LEAST_ROWS = 4
"""Rows of a tile for which the loop that threads divide is left alone."""
CACHED_BYTES = 262_144
"""What a contraction reads again for every tile should not be more."""
LONG_SUM = 16
"""Turns of the inner loops that pay for reading and writing totals."""
LARGE_OPERAND = 1_048_576
"""What is read in vectors and has more bytes does not stay in a near cache."""
CUT_SUM = 512
"""Turns of each part of a sum that is taken in parts."""
LARGE_RESULT = 1_048_576
"""Totals that are read and written again should not be more bytes."""
LONGER_SUM = 128
"""Turns that pay for totals that come from a further cache."""


def is_turned(left: Load, right: Load, loops: Sequence[Variable]) -> bool:
    """Whether the left operand is the one that is read in vectors, for every row again."""
    steps = [each.place.step(loops[-1]) for each in (left, right)]
    if steps == [1, 1]:
        own = [sum(bool(each.place.step(one)) for one in loops) for each in (left, right)]
        return own[0] < own[1]
    return steps[0] == 1


def tile_loops(
    loops: tuple[Variable, ...],
    reduced: Sequence[Variable],
    spread: Sequence[Variable],
    broadcast: Load,
    vector: Load,
) -> tuple[Variable, ...]:
    """The loops of the tile's rows: those that move the broadcast operand only.

    Loops other than the first, which threads divide, come first, the innermost before others; where
    one has few turns, a tile spans the next one, too. But the first one is taken where it moves
    between neighbours, so that a line of cache is used whole, and the others are many, and move to
    what no later turn of the sum finds again, as in windows that lie two steps apart.
    """
    own = [
        each for each in loops[:-1] if broadcast.place.step(each) and not vector.place.step(each)
    ]
    inner = [each for each in own if each is not loops[0]]
    again = {broadcast.place.step(each) for each in reduced}
    is_scattered = any(broadcast.place.step(each) not in again for each in inner)
    are_many = math.prod(each.extent for each in inner) >= MANY_ROWS
    is_near = loops[0] in own and broadcast.place.step(loops[0]) == 1
    if is_near and spread and is_scattered and are_many:
        return (loops[0],)
    if loops[0] in own and math.prod(each.extent for each in inner) < LEAST_ROWS:
        return (loops[0],)
    tiled = inner[-1:]
    for each in reversed(inner[:-1]):
        if math.prod(one.extent for one in tiled) > FEW_ROWS:
            break
        tiled = [each, *tiled]
    return tuple(tiled)


def spread_loops(
    node: Node, reduced: Sequence[Variable], broadcast: Load, vector: Load
) -> tuple[Variable, ...]:
    """The summed loops that run around the tiles, so that tiles read from cache what they share."""
    if node.tensor_type.nbytes > LARGE_RESULT:
        return ()
    long_sum = LONG_SUM if node.tensor_type.nbytes <= CACHED_BYTES else LONGER_SUM
    by_distance = sorted(reduced, key=lambda each: -abs(vector.place.step(each)))
    spread: list[Variable] = []
    while len(by_distance) > 1:
        first, *rest = by_distance
        both = [_span(load.place, by_distance) for load in (broadcast, vector)]
        turns = math.prod(each.extent for each in rest)
        if sum(both) * node.tensor_type.dtype.itemsize <= CACHED_BYTES or turns < long_sum:
            break
        spread.append(first)
        by_distance = rest
    return tuple(spread)


def cut_loop(
    reduced: Sequence[Variable], vector: Load
) -> tuple[Variable, Variable, Variable] | None:
    """A summed loop that is better two, the first of them around the tiles; `None` if none is.

    Where a sum is so long that what a tile reads does not stay in cache until the next tile reads
    it again, it is taken in parts.

    Returns:
        The loop, the outer and the inner one.
    """
    turns = math.prod(each.extent for each in reduced)
    first = max(reduced, key=lambda each: abs(vector.place.step(each)))
    if turns < 4 * CUT_SUM or vector.node.tensor_type.nbytes < LARGE_OPERAND:
        return None
    rest = turns // first.extent
    fitting = (n for n in range(1, first.extent) if first.extent % n == 0 and n * rest >= CUT_SUM)
    inner = next(fitting, None)
    if inner is None:
        return None
    return first, Variable(first.extent // inner), Variable(inner)


def cut_place(place: Affine, whole: Variable, outer: Variable, inner: Variable) -> Affine:
    """A place by the two loops that stand for one."""
    step = place.step(whole)
    moved = variable_index(outer) * (step * inner.extent) + variable_index(inner) * step
    return place.without(whole) + moved


def has_strips_first(
    loops: Sequence[Variable],
    reduced: Sequence[Variable],
    spread: Sequence[Variable],
    vector: Load,
) -> bool:
    """Whether all rows pass by one strip of columns before the next one, for cache's sake.

    So it is where the operand that is read in vectors is large, and every row reads it all.
    """
    outer = loops[:-1]
    if len(outer) < 2 or any(vector.place.step(each) for each in outer):
        return False
    inner = [each for each in (*reduced, loops[-1]) if each not in spread]
    return _turns(vector, inner) * vector.dtype.itemsize > CACHED_BYTES


def _turns(load: Load, loops: Sequence[Variable]) -> int:
    """How many numbers of a buffer some loops read."""
    return math.prod(each.extent for each in loops if load.place.step(each))


def _span(place: Affine, loops: Sequence[Variable]) -> int:
    """About how many numbers lie in what some loops reach."""
    return math.prod(each.extent for each in loops if place.step(each)) * max(
        1, min(abs(place.step(each)) for each in loops) if loops else 1
    )
