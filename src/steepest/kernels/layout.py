"""How far apart neighbours lie in a buffer: as NumPy has it, but for rows that get some padding.

Where rows are a multiple of 1,024 bytes long, neighbours in a column fall on few sets of a cache,
which then holds few of them: a contraction that reads down the columns would wait for memory. A
cache line between rows spreads them over all sets.
"""

from __future__ import annotations

from steepest.graph.node import Graph, Node
from steepest.kernels.affine import Affine, row_major
from steepest.kernels.storage import is_mapped
from steepest.ops import contraction

CROWDED_BYTES = 1024
PADDING_BYTES = 64


class Layout:
    """The steps of each buffer.

    Args:
        graph: whose results, like its inputs, lie as NumPy has it.
    """

    def __init__(self, graph: Graph):
        self._plain = {id(node) for node in graph.outputs}
        self._steps: dict[int, tuple[int, ...]] = {}

    def keep_plain(self, node: Node) -> bool:
        """Let a node have no padding; returns whether it had some."""
        had = self.is_padded(node)
        self._plain.add(id(node))
        self._steps.pop(id(node), None)
        return had

    def is_padded(self, node: Node) -> bool:
        """Whether there is memory between the rows of a node's buffer."""
        shape = node.tensor_type.shape
        return (
            len(shape) >= 2
            and shape[-2] > 1
            and node.tensor_type.size > 0
            and shape[-1] * node.tensor_type.dtype.itemsize % CROWDED_BYTES == 0
            and (node.op is contraction.contract or is_mapped(node))
            and not node.is_input
            and id(node) not in self._plain
        )

    def steps(self, node: Node) -> tuple[int, ...]:
        """How far apart neighbours along each axis lie, in numbers."""
        found = self._steps.get(id(node))
        if found is None:
            shape = node.tensor_type.shape
            if self.is_padded(node):
                padding = PADDING_BYTES // node.tensor_type.dtype.itemsize
                shape = (*shape[:-1], shape[-1] + padding)
            found = self._steps[id(node)] = row_major(shape)
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
