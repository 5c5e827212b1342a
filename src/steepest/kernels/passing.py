"""What only passes from nest to nest of one group, a block of rows at a time.

Each block of a thread is written where the block before was, so that it stays in a near cache and
is never carried to memory and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from steepest.graph.node import Node
from steepest.kernels.expression import stays_in_row
from steepest.kernels.nest import Nest, nodes_of
from steepest.kernels.waits import is_aligned


def passing_rows(nests: Iterable[Nest], elsewhere: set[int], least: int) -> Mapping[int, int]:
    """The bytes of a row of each node that lives for a block only, by the node's id.

    Args:
        nests: of one group.
        elsewhere: the ids of nodes that are inputs, results or known beforehand, or are touched by
            nests of other groups, too.
        least: the bytes of a node that is worth it.
    """
    nests = list(nests)
    writers: dict[int, list[Nest]] = {}
    nodes: dict[int, Node] = {}
    for nest in nests:
        for node in nest.written():
            writers.setdefault(id(node), []).append(nest)
            if node.tensor_type.nbytes >= least and id(node) not in elsewhere:
                nodes[id(node)] = node
    found = {}
    for key, node in nodes.items():
        sizes = {nest.row_size(node) for nest in writers[key]}
        size = sizes.pop()
        if size and not sizes and _follows_rows(nests, node, writers[key]):
            found[key] = size * node.tensor_type.dtype.itemsize
    return found


def _follows_rows(nests: Iterable[Nest], node: Node, writers: list[Nest]) -> bool:
    """Whether each row of all nests that read a node needs its own row only."""
    for nest in nests:
        if any(each is node for each in nest.scattered_reads()):
            return False
        reads = [each for each in nest.guarded_reads() if each[0].node is node]
        # Where it is not used, a guarded number is read from its row, or from where row 0 would be.
        rows = nest.loops[:1]
        if any(ranges and not stays_in_row(load, row) for load, ranges in reads for row in rows):
            return False
        if not all(is_aligned(nest, writer, *each) for each in reads for writer in writers):
            return False
    return True


def touched_elsewhere(groups: Iterable[Iterable[Nest]], kept: Iterable[Node]) -> set[int]:
    """The ids of nodes that are `kept`, or touched by the nests of several groups."""
    home: dict[int, int] = {}
    found = {id(node) for node in kept}
    for number, nests in enumerate(groups):
        for nest in nests:
            found |= {
                id(node) for node in nodes_of(nest) if home.setdefault(id(node), number) != number
            }
    return found
