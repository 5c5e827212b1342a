"""How far apart neighbours lie in a buffer: as NumPy has it, but for rows that get some padding.

Where rows are a multiple of 1,024 bytes long, neighbours in a column fall on few sets of a cache,
which then holds few of them: a contraction that reads down the columns would wait for memory. A
cache line between rows spreads them over all sets. It is the same with tiles of images, of which
all places are written, and read, in one turn of a loop.
"""

from __future__ import annotations

import math

from steepest.graph.node import Graph, Node
from steepest.kernels.affine import Affine, row_major
from steepest.kernels.rewriting import CROWDED_BYTES
from steepest.kernels.storage import is_mapped
from steepest.ops import contraction
from steepest.ops.image_tiles import from_tiles, to_tiles

PADDING_BYTES = 64


class Layout:
    """The steps of each buffer.

    Args:
        graph: whose results, like its inputs, lie as NumPy has it.
    """

    def __init__(self, graph: Graph):
        self._plain = {id(node) for node in graph.outputs}
        self._tiled = _tiled(graph)
        self._steps: dict[int, tuple[int, ...]] = {}

    def keep_plain(self, node: Node) -> bool:
        """Let a node have no padding; returns whether it had some."""
        had = self.is_padded(node)
        self._plain.add(id(node))
        self._steps.pop(id(node), None)
        return had

    def is_padded(self, node: Node) -> bool:
        """Whether there is memory between the rows, or the tiles, of a node's buffer."""
        return self._padded_axes(node) > 0

    def _padded_axes(self, node: Node) -> int:
        """How many of the last axes hold what memory follows: a row, or all tiles of a place."""
        shape = node.tensor_type.shape
        if node.is_input or node.tensor_type.size == 0 or id(node) in self._plain:
            return 0
        if id(node) in self._tiled and _is_crowded(node, len(shape) - 2):
            return len(shape) - 2
        makes_rows = node.op is contraction.contract or is_mapped(node)
        return int(makes_rows and shape[-2:-1] not in ((), (1,)) and _is_crowded(node, 1))

    def steps(self, node: Node) -> tuple[int, ...]:
        """How far apart neighbours along each axis lie, in numbers."""
        found = self._steps.get(id(node))
        if found is None:
            shape, inner = node.tensor_type.shape, self._padded_axes(node)
            found = row_major(shape)
            if inner:
                padding = PADDING_BYTES // node.tensor_type.dtype.itemsize
                apart = math.prod(shape[-inner:]) + padding
                found = (*row_major((*shape[:-inner], apart))[:-1], *row_major(shape[-inner:]))
            self._steps[id(node)] = found
        return found

    def place(self, node: Node, index: tuple[Affine, ...]) -> Affine:
        """Where the number at an index lies in a node's buffer."""
        place = Affine(0)
        for each, step in zip(index, self.steps(node), strict=True):
            place = place + each * step
        return place

    def nbytes(self, node: Node) -> int:
        """The bytes of a node's buffer."""
        if not self.is_padded(node):
            return node.tensor_type.nbytes
        return self.steps(node)[0] * node.tensor_type.shape[0] * node.tensor_type.dtype.itemsize


def _tiled(graph: Graph) -> set[int]:
    """The ids of the nodes of which tiles are made, or that are made tiles of."""
    found: set[int] = set()
    for node in graph.nodes():
        if node.op is to_tiles:
            found.add(id(node))
        if node.op is from_tiles and node.operands[0].op is contraction.contract:
            found.add(id(node.operands[0]))
    return found


def _is_crowded(node: Node, axes: int) -> bool:
    """Whether what the last axes hold is of a size that crowds few sets of a cache."""
    size = math.prod(node.tensor_type.shape[-axes:])
    return size * node.tensor_type.dtype.itemsize % CROWDED_BYTES == 0
