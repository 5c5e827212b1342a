"""Loop nests of tiles: all places of a tile are computed in one turn, from what is read once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable, linear, variable_index
from steepest.kernels.expression import Apply, Expression, Guarded, Number
from steepest.kernels.layout import Layout
from steepest.kernels.nest import MapNest, Nest, Store
from steepest.kernels.reading import Reader
from steepest.ops.elementwise.arithmetic import add, multiply, negative, subtract
from steepest.ops.image_tiles import Matrix

Square = list[list[Expression]]


def to_tiles_nests(node: Node, reader: Reader, layout: Layout) -> list[Nest]:
    """For each tile and channel: read the numbers of the tile, write all places.

    Where tiles reach beyond an image, there is one nest for each pair of phases, so that each loop
    comes to the end of the image at a turn of its own.
    """
    phases = node.static["phases"]
    if phases == 1 or _stays_inside(node):
        return [_to_tiles(node, reader, layout, _Phases(phases))]
    pairs = itertools.product(range(phases), range(phases))
    return [_to_tiles(node, reader, layout, _Phases(phases, each)) for each in pairs]


def _stays_inside(node: Node) -> bool:
    """Whether no tile of any phase reaches beyond an image."""
    static = node.static
    apart, start = static["apart"], static["start"]
    size, last_phase = len(static["matrix"][0]), static["phases"] - 1
    lasts = [((tiles - 1) * static["step"] + size - 1) * apart for tiles in static["grid"]]
    lengths = node.operands[0].tensor_type.shape[1:3]
    inside = (last + start + last_phase < end for last, end in zip(lasts, lengths, strict=True))
    return start >= 0 and all(inside)


def _to_tiles(node: Node, reader: Reader, layout: Layout, phases: _Phases) -> Nest:
    operand, static = node.operands[0], node.static
    matrix, step, grid = static["matrix"], static["step"], static["grid"]
    apart, start = static["apart"], static["start"]
    _, height, width, channels = operand.tensor_type.shape
    turns = _Turns(node.tensor_type.shape[0], static["together"], grid, phases, channels)

    def number(i: int, j: int) -> Expression:
        down = (turns.down * step + i) * apart + start + phases.down
        across = (turns.across * step + j) * apart + start + phases.across
        value = reader.read(operand, (turns.image, down, across, turns.channel))
        ranges = tuple(
            (place, 0, end)
            for place, end in ((down, height), (across, width))
            if place.bounds()[0] < 0 or place.bounds()[1] >= end
        )
        return Guarded(value.dtype, ranges, value) if ranges else value

    size = len(matrix[0])
    seen = [[number(i, j) for j in range(size)] for i in range(size)]
    stores = []
    for n, value in enumerate(each for row in both_ways(matrix, seen) for each in row):
        index = (turns.part, Affine(n), turns.tile, *phases.index, turns.channel)
        stores.append(Store(node, layout.place(node, index), value))
    return MapNest(node, turns.loops, tuple(stores))


def from_tiles_nest(node: Node, reader: Reader) -> Nest:
    """For each tile and channel: read all places, write the numbers of the tile."""
    operand, static = node.operands[0], node.static
    matrix, grid, apart = static["matrix"], static["grid"], static["apart"]
    parts, _, tiles = operand.tensor_type.shape[:3]
    phases, together = _Phases(apart), tiles // math.prod(grid)
    turns = _Turns(parts, together, grid, phases, operand.tensor_type.shape[-1])
    side, size = len(matrix[0]), len(matrix)

    def number(place: int) -> Expression:
        index = (turns.part, Affine(place), turns.tile, *phases.index, turns.channel)
        return reader.read(operand, index)

    seen = [[number(side * a + b) for b in range(side)] for a in range(side)]
    stores = []
    for i, row in enumerate(both_ways(matrix, seen)):
        for j, value in enumerate(row):
            down = (turns.down * size + i) * apart + phases.down
            across = (turns.across * size + j) * apart + phases.across
            index = (turns.image, down, across, turns.channel)
            stores.append(Store(node, linear(index, node.tensor_type.shape), value))
    return MapNest(node, turns.loops, tuple(stores))


class _Phases:
    """Which phases of rows and of columns a nest is about: one pair, or all by loops.

    Attributes:
        down, across: the phases.
        loops: over them.
        index: of a pair of phases, where there is an axis for pairs.
    """

    def __init__(self, phases: int, pair: tuple[int, int] | None = None):
        self.loops: tuple[Variable, ...] = ()
        if pair is None:
            self.loops = (Variable(phases), Variable(phases))
            self.down, self.across = (variable_index(each) for each in self.loops)
        else:
            self.down, self.across = (Affine(each) for each in pair)
        self.index = (self.down * phases + self.across,) if phases > 1 else ()


class _Turns:
    """The loops over tiles, and what they count.

    Attributes:
        part, image, down, across, tile, channel: where a turn is.
        loops: those of more than one turn.
    """

    def __init__(
        self, parts: int, together: int, grid: tuple[int, int], phases: _Phases, channels: int
    ):
        outer = [Variable(each) for each in (parts, together, *grid)]
        inner = Variable(channels)
        part, own, down, across = (variable_index(each) for each in outer)
        self.part, self.down, self.across = part, down, across
        self.channel = variable_index(inner)
        self.image = part * together + own
        self.tile = (own * grid[0] + down) * grid[1] + across
        self.loops = tuple(each for each in (*outer, *phases.loops, inner) if each.extent > 1)


def both_ways(matrix: Matrix, tile: Square) -> Square:
    """matrix tile matrix^T."""
    columns = list(zip(*tile, strict=True))
    half = [combined(matrix, column) for column in columns]
    return [combined(matrix, row) for row in zip(*half, strict=True)]


def combined(matrix: Matrix, values: Sequence[Expression]) -> list[Expression]:
    """What each row of a matrix takes of some values.

    Two rows that differ only in the signs of some values, as those of opposite points do, are the
    sum and the difference of two parts, so that these are computed once.
    """
    found: list[Expression | None] = [None] * len(matrix)
    for n, row in enumerate(matrix):
        if found[n] is not None:
            continue
        twin = next((m for m in range(n + 1, len(matrix)) if _are_twins(row, matrix[m])), None)
        if twin is None:
            found[n] = _sum_of(row, values)
            continue
        same = [a if a == b else 0.0 for a, b in zip(row, matrix[twin], strict=True)]
        turned = [a if a != b else 0.0 for a, b in zip(row, matrix[twin], strict=True)]
        left, right = _sum_of(same, values), _sum_of(turned, values)
        found[n] = Apply(left.dtype, add, {}, (left, right))
        found[twin] = Apply(left.dtype, subtract, {}, (left, right))
    return [each for each in found if each is not None]


def _are_twins(row: Sequence[float], other: Sequence[float]) -> bool:
    """Whether some numbers are the same, some are opposite, and enough for it to pay."""
    pairs = [(a, b) for a, b in zip(row, other, strict=True) if a or b]
    same = sum(a == b for a, b in pairs)
    opposite = sum(a == -b for a, b in pairs)
    return same + opposite == len(pairs) > 2 and same > 0 and opposite > 0


def _sum_of(row: Sequence[float], values: Sequence[Expression]) -> Expression:
    """The sum of values times the numbers of a row, those of one size together."""
    dtype = values[0].dtype
    total: Expression | None = None
    sizes = dict.fromkeys(abs(each) for each in row if each)
    for size in sizes:
        terms = [
            (each > 0, value) for each, value in zip(row, values, strict=True) if abs(each) == size
        ]
        terms.sort(key=lambda term: not term[0])
        is_positive, part = terms[0]
        for sign, value in terms[1:]:
            op = add if sign == is_positive else subtract
            part = Apply(dtype, op, {}, (part, value))
        if size != 1:
            part = Apply(dtype, multiply, {}, (part, Number(dtype, size)))
        if total is None:
            total = part if is_positive else Apply(dtype, negative, {}, (part,))
        else:
            total = Apply(dtype, add if is_positive else subtract, {}, (total, part))
    return Number(dtype, 0.0) if total is None else total
