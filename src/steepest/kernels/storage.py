"""Decides which values have a buffer; the others are computed where they are used."""

from __future__ import annotations

from collections import Counter

from steepest.graph.node import Graph, Node
from steepest.kernels.affine import Variable, variable_index
from steepest.kernels.phases import has_interior, spread_of
from steepest.kernels.reading import reshaped_index
from steepest.kernels.rewriting import (
    is_copy,
    is_view,
    steps_of,
    vector_letter,
    wants_contiguous,
)
from steepest.ops import contraction, image_tiles, indexing, movement, reduction, sources, windows
from steepest.ops.contraction import parse_spec

REDUCTIONS = (
    reduction.sum_,
    reduction.product,
    reduction.max_,
    reduction.min_,
    reduction.argmax,
    reduction.argmin,
)
CUMULATIVE = (reduction.cumulative_sum, reduction.cumulative_product)
SCATTERS = (indexing.scatter_add, indexing.scatter_add_along_axis)
STRUCTURED = (
    contraction.contract,
    *REDUCTIONS,
    *CUMULATIVE,
    *SCATTERS,
    windows.fold,
    image_tiles.to_tiles,
    image_tiles.from_tiles,
    indexing.argsort,
    indexing.searchsorted,
    sources.random_bits,
)
"""Operations that are loops of their own, so that their results are always stored."""

CHEAP_DEPTH = 3
"""Operations in a row that are repeated rather than stored, where a value is used twice."""

LARGE = 262_144
"""Numbers of a value from which on it leaves the cache before it is used again."""
MOST_AGAIN = 7
"""Operations that are repeated for each number of such a value at most."""
MOST_READ_AGAIN = 2
"""Buffers that are read again for it at most; one for a value of single bytes."""

HEAVY = frozenset({"exp", "log", "tanh", "sigmoid", "erf", "power", "sin", "cos", "log1p", "expm1"})
SLOW = frozenset({"divide", "sqrt", "remainder", "floor_divide"})
LARGEST_EXPRESSION = 100
"""Operations that one expression is made of at most: more take long to compile."""


SCATTERED_SIZE = 16384
"""Numbers of a transpose from which on a copy pays."""


def is_mapped(node: Node) -> bool:
    """Whether each number of a node is an expression of its own."""
    return node.op not in STRUCTURED and not has_interior(node)


class Storage:
    """Which nodes of a graph have a buffer.

    Attributes:
        stored: their ids.
    """

    def __init__(self, graph: Graph):
        self._nodes = [node for node in graph.nodes() if not node.is_input]
        self._packed = self._find_packed()
        self._seen_through = self._find_seen_through(graph)
        self.stored = {id(node) for node in graph.outputs if not node.is_input}
        self._store_what_must_be()
        self._store_what_pays()

    def _store_what_must_be(self) -> None:
        for node in self._nodes:
            is_table = node.op is sources.constant and node.tensor_type.size > 1
            is_spread = has_interior(node) and id(node) not in self._seen_through
            if node.op in STRUCTURED or is_spread or is_table:
                self.stored.add(id(node))
            for operand in self._must_be_stored(node):
                self.stored.add(id(operand))
            if getattr(node.op, "is_elementwise", False):
                self.stored.update(id(each) for each in node.operands if _is_scattered(each))
            if node.op is contraction.contract or node.op is indexing.argsort:
                for operand in node.operands:
                    self._store_through_views(operand)
            if node.op is image_tiles.to_tiles or node.op is image_tiles.from_tiles:
                self._store_through_views(node.operands[0])

    def _store_what_pays(self) -> None:
        """Store what several others use, what is long, and what a larger result would repeat."""
        users = Counter(id(operand) for node in self._nodes for operand in node.operands)
        depth: dict[int, int] = {}
        length: dict[int, int] = {}
        for node in self._nodes:
            inner = [each for each in node.operands if not self._has_buffer(each)]
            # Padding repeats nothing.
            for each in inner if node.op is not movement.pad else ():
                if _is_repeated(each, node) and depth[id(each)] > _most_repeated(each, node):
                    self._store(each, depth, length)
            elementwise = getattr(node.op, "is_elementwise", False)
            depth[id(node)] = max((depth[id(each)] for each in inner), default=0)
            depth[id(node)] += self._cost(node) * elementwise
            length[id(node)] = 1 + sum(length[id(each)] for each in inner)
            shared = users[id(node)] > 1 and node.tensor_type.size > 1
            is_deep = elementwise and depth[id(node)] > CHEAP_DEPTH
            if shared and is_deep and not self._is_cheaper_again(node):
                self.stored.add(id(node))
            if id(node) in self.stored or length[id(node)] > LARGEST_EXPRESSION:
                self._store(node, depth, length)

    def _store(self, node: Node, depth: dict[int, int], length: dict[int, int]) -> None:
        self.stored.add(id(node))
        depth[id(node)] = 0
        length[id(node)] = 0

    def _is_cheaper_again(self, node: Node) -> bool:
        """Whether each user of a large value had better compute it of what it is made of.

        What a batch of images holds has left the cache when it is used again, and to write and read
        it takes longer than a few operations on what users read anyway.
        """
        if node.tensor_type.size < LARGE:
            return False
        operations, sources = self._made_of(node)
        most = 1 if node.tensor_type.dtype.is_bool else MOST_READ_AGAIN
        return operations <= MOST_AGAIN and sources <= most

    def _made_of(self, node: Node) -> tuple[int, int]:
        """The operations on as many numbers that make a value, and the buffers that they read."""
        found: dict[int, Node] = {}
        stack = [node]
        while stack:
            each = stack.pop()
            if id(each) not in found and each.tensor_type.size >= node.tensor_type.size:
                found[id(each)] = each
                if each is node or not self._has_buffer(each):
                    stack.extend(each.operands)
        sources = [each for each in found.values() if each is not node and self._has_buffer(each)]
        made = [each for each in found.values() if each is node or not self._has_buffer(each)]
        is_elementwise = [getattr(each.op, "is_elementwise", False) for each in made]
        costs = [self._cost(each) for each, own in zip(made, is_elementwise, strict=True) if own]
        return sum(costs), len(sources)

    def _has_buffer(self, node: Node) -> bool:
        return node.is_input or id(node) in self.stored

    @staticmethod
    def _cost(node: Node) -> int:
        name = "" if node.op is None else node.op.name
        return 4 if name in HEAVY else 2 if name in SLOW else 1

    def _store_through_views(self, node: Node) -> None:
        """Store an operand; a view may stay a way of reading, unless vectors want it."""
        while (is_view(node) and id(node) not in self._packed) or id(node) in self._seen_through:
            node = node.operands[0]
        if not node.is_input:
            self.stored.add(id(node))

    def _find_seen_through(self, graph: Graph) -> set[int]:
        """The numbers spread by zeros that only phases of contractions see, without the zeros."""
        users: dict[int, list[Node]] = {}
        for node in self._nodes:
            for operand in node.operands:
                users.setdefault(id(operand), []).append(node)
        known = {id(node) for node in graph.outputs}
        return {
            id(node)
            for node in self._nodes
            if has_interior(node)
            and id(node) not in known
            and all(
                seen.op is windows.windows
                and id(seen) not in known
                and all(spread_of(each) is not None for each in users.get(id(seen), ()))
                for seen in users[id(node)]
            )
        }

    def _find_packed(self) -> set[int]:
        """The transposes that contractions read in vectors, so that they must be stored; copies."""
        return {id(node) for node in self._nodes if is_copy(node)} | {
            id(operand)
            for node in self._nodes
            if node.op is contraction.contract
            for position, operand in enumerate(node.operands)
            if operand.op is movement.transpose and _wants_packing(node, position)
        }

    @staticmethod
    def _must_be_stored(node: Node) -> list[Node]:
        """The operands that this node reads in ways that need a buffer."""
        operand = node.operands[0] if node.operands else node
        if operand.is_input:
            return []
        if node.op in (indexing.take, indexing.take_along_axis, indexing.searchsorted):
            return [operand]
        if node.op is movement.reshape:
            probe = tuple(variable_index(Variable(size)) for size in node.tensor_type.shape)
            inner = reshaped_index(probe, node.tensor_type.shape, operand.tensor_type.shape)
            return [operand] if inner is None else []
        return []


def _is_repeated(node: Node, user: Node) -> bool:
    """Whether a user of more numbers needs each number of a node several times."""
    return 1 < node.tensor_type.size < user.tensor_type.size


def _most_repeated(node: Node, user: Node) -> int:
    """The operations that a user of more numbers repeats at most: less than a division, often.

    What differs from neighbour to neighbour is not computed once before a loop over neighbours.
    """
    varies = node.tensor_type.shape[-1:] != (1,)
    return 1 if varies and user.tensor_type.size >= LARGE else CHEAP_DEPTH


def _is_scattered(node: Node) -> bool:
    """Whether a transpose is read faster from a copy: its neighbours lie apart where it is read."""
    if node.op is not movement.transpose:
        return False
    source = node.operands[0]
    if not source.is_input and source.op is not contraction.contract:
        return False
    return node.tensor_type.size >= SCATTERED_SIZE and steps_of(node)[-1] != 1


def _wants_packing(node: Node, position: int) -> bool:
    letter = vector_letter(node, parse_spec(node.static["spec"])[2])
    return letter is not None and wants_contiguous(node, position, letter)
