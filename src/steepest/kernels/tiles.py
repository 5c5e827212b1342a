"""Loop nests of tiles: all places of a tile are computed in one turn, from what is read once."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable, linear, variable_index
from steepest.kernels.expression import Apply, Expression, Guarded, Number
from steepest.kernels.layout import Layout
from steepest.kernels.nest import MapNest, Store
from steepest.kernels.reading import Reader
from steepest.ops.elementwise.arithmetic import add, multiply, negative, subtract
from steepest.ops.tiles import Matrix, tile_count

Square = list[list[Expression]]


def to_tiles_nest(node: Node, reader: Reader, layout: Layout) -> MapNest:
    """For each tile and channel: read the numbers of the tile, write all places."""
    operand = node.operands[0]
    matrix, step, together = (node.static[each] for each in ("matrix", "step", "together"))
    _, height, width, channels = operand.tensor_type.shape
    size = len(matrix[0])
    grid = (tile_count(height, size, step), tile_count(width, size, step))
    turns = _Turns(node.tensor_type.shape[0], together, grid, channels)

    def number(i: int, j: int) -> Expression:
        down, across = turns.down * step + i, turns.across * step + j
        value = reader.read(operand, (turns.image, down, across, turns.channel))
        ends = ((down, height), (across, width))
        ranges = tuple((place, 0, end) for place, end in ends if place.bounds()[1] >= end)
        return Guarded(value.dtype, ranges, value) if ranges else value

    seen = [[number(i, j) for j in range(size)] for i in range(size)]
    places = [each for row in both_ways(matrix, seen) for each in row]
    stores = tuple(
        Store(node, layout.place(node, (turns.part, Affine(n), turns.tile, turns.channel)), value)
        for n, value in enumerate(places)
    )
    return MapNest(node, turns.loops, stores)


def from_tiles_nest(node: Node, reader: Reader) -> MapNest:
    """For each tile and channel: read all places, write the numbers of the tile."""
    operand = node.operands[0]
    matrix, grid = node.static["matrix"], node.static["grid"]
    parts, _, tiles, channels = operand.tensor_type.shape
    turns = _Turns(parts, tiles // (grid[0] * grid[1]), grid, channels)
    side, size = len(matrix[0]), len(matrix)
    seen = [
        [
            reader.read(operand, (turns.part, Affine(side * a + b), turns.tile, turns.channel))
            for b in range(side)
        ]
        for a in range(side)
    ]
    shape = node.tensor_type.shape
    stores = tuple(
        Store(
            node,
            linear(
                (turns.image, turns.down * size + i, turns.across * size + j, turns.channel), shape
            ),
            value,
        )
        for i, row in enumerate(both_ways(matrix, seen))
        for j, value in enumerate(row)
    )
    return MapNest(node, turns.loops, stores)


class _Turns:
    """The loops over tiles, and what they count.

    Attributes:
        part, image, down, across, tile, channel: where a turn is.
        loops: those of more than one turn.
    """

    def __init__(self, parts: int, together: int, grid: tuple[int, int], channels: int):
        variables = [Variable(each) for each in (parts, together, *grid, channels)]
        part, own, down, across, channel = (variable_index(each) for each in variables)
        self.part, self.down, self.across, self.channel = part, down, across, channel
        self.image = part * together + own
        self.tile = (own * grid[0] + down) * grid[1] + across
        self.loops = tuple(each for each in variables if each.extent > 1)


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
