"""Makes the loop nests of a graph: one (or a few) for each value that has a buffer."""

from __future__ import annotations

import dataclasses

import numpy as np

from steepest.graph.dtypes import int64, uint8
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.kernels.affine import Affine, Variable, linear, row_major, variable_index
from steepest.kernels.axis_order import choose_axis_orders
from steepest.kernels.expression import Apply, Expression, Load, Number
from steepest.kernels.folding import fold_nests
from steepest.kernels.image_tiles import from_tiles_nest, to_tiles_nests
from steepest.kernels.layout import Layout
from steepest.kernels.nest import (
    CheckNest,
    ContractNest,
    CumulativeNest,
    MapNest,
    Nest,
    RandomNest,
    ReduceNest,
    ScatterNest,
    SearchNest,
    SortNest,
    Store,
)
from steepest.kernels.padding import framed_once
from steepest.kernels.phases import Phase, padded_before_spread, phases_of
from steepest.kernels.reading import Index, NeedsBuffer, NeedsPlainBuffer, Reader
from steepest.kernels.rewriting import (
    check_supported,
    contiguous_vectors,
    shared_batches,
    sizes_of,
    sums_by_rows,
    thin_sums,
    uncrowded,
    wide_sums,
)
from steepest.kernels.storage import CUMULATIVE, REDUCTIONS, SCATTERS, Storage, is_mapped
from steepest.kernels.tiling import (
    cut_loop,
    cut_place,
    has_strips_first,
    is_turned,
    spread_loops,
    tile_loops,
)
from steepest.ops import contraction, image_tiles, indexing, movement, reduction, sources, windows
from steepest.ops.contraction import parse_spec
from steepest.ops.elementwise.arithmetic import multiply, power

TAKES = (indexing.take, indexing.take_along_axis)


class Builder:
    """Turns a graph into nests, in an order in which operands come first.

    Attributes:
        graph: the graph, with operands turned and widened as the nests want them.
        stored: the ids of the nodes that have a buffer.
        layout: how the numbers lie in the buffers.
        faults: stands for the buffer in which operands out of range are noted.
    """

    def __init__(self, graph: Graph):
        turned = shared_batches(choose_axis_orders(wide_sums(check_supported(graph))))
        contiguous = contiguous_vectors(thin_sums(sums_by_rows(turned)))
        self.graph = framed_once(uncrowded(padded_before_spread(contiguous)))
        self.stored = Storage(self.graph).stored
        self.layout = Layout(self.graph)
        self.faults = make_input("faults", TensorType((1,), uint8))
        self._checked: set[tuple[int, int, int | None]] = set()

    def constants(self) -> list[Node]:
        """The nodes with a buffer whose numbers are known now."""
        nodes = self.graph.nodes()
        return [each for each in nodes if each.op is sources.constant and id(each) in self.stored]

    def nests(self) -> list[Nest]:
        """The nests of all nodes, operands first."""
        while True:
            try:
                return self._nests()
            except NeedsPlainBuffer as request:
                self.layout.keep_plain(request.node)
            except NeedsBuffer as request:
                self.stored.add(id(request.node))

    def _nests(self) -> list[Nest]:
        self._checked.clear()
        made: list[Nest] = []
        for node in self.graph.nodes():
            if node.is_input or node.tensor_type.size == 0:
                continue
            made.extend(self._checks(node))
            if id(node) in self.stored and node.op is not sources.constant:
                made.extend(self.nests_of(node))
        return made

    def nests_of(self, node: Node) -> list[Nest]:
        """The nests that fill the buffer of a node."""
        reader = Reader(self.stored, self.layout)
        if not is_mapped(node) and any(each.tensor_type.size == 0 for each in node.operands):
            return [self._of_nothing(node, reader)]
        rules = {
            **dict.fromkeys(REDUCTIONS, self._reduce),
            **dict.fromkeys(CUMULATIVE, self._cumulative),
            **dict.fromkeys(SCATTERS, self._scatter),
            indexing.argsort: self._sort,
            indexing.searchsorted: self._search,
            sources.random_bits: self._random,
        }
        if node.op in rules:
            return [rules[node.op](node, reader)]
        if node.op is contraction.contract:
            return self._contract(node, reader)
        if node.op is windows.fold:
            return fold_nests(node, reader)
        if node.op is image_tiles.to_tiles:
            return to_tiles_nests(node, reader, self.layout)
        if node.op is image_tiles.from_tiles:
            return [from_tiles_nest(node, reader)]
        if is_mapped(node):
            return [self.map_nest([node])]
        return self._interior_pad(node, reader)

    def map_nest(self, nodes: list[Node]) -> MapNest:
        """One nest for nodes of one shape; later ones use the numbers of earlier ones at once."""
        shape = nodes[0].tensor_type.shape
        loops, index = _loops(shape)
        reader = Reader(self.stored, self.layout)
        stores = []
        for node in nodes:
            value = reader.compute(node, index)
            reader.keep(node, index, value)
            stores.append(Store(node, self.layout.place(node, index), value))
        return MapNest(nodes[0], loops, tuple(stores))

    def _of_nothing(self, node: Node, reader: Reader) -> Nest:
        """The result of an operation on an empty tensor: a total of nothing, or a plain copy."""
        if node.op in REDUCTIONS:
            return self._reduce(node, reader)
        loops, index = _loops(node.tensor_type.shape)
        value: Expression = Number(node.tensor_type.dtype, 0)
        if node.op in SCATTERS:
            value = reader.read(node.operands[0], index)
        return MapNest(node, loops, (Store(node, linear(index, node.tensor_type.shape), value),))

    def _checks(self, node: Node) -> list[Nest]:
        """Look for operands on which the evaluator raises an error: positions outside an axis."""
        if node.op in TAKES or node.op in SCATTERS:
            size = node.operands[0].tensor_type.shape[node.static["axis"]]
            return self._check(node, node.operands[1], 0, size)
        if node.op is power and node.tensor_type.dtype.kind == "signed":
            return self._check(node, node.operands[1], 0, None)
        return []

    def _check(self, node: Node, checked: Node, low: int, high: int | None) -> list[Nest]:
        key = (id(checked), low, high)
        known = key in self._checked or within(checked, low, high)
        if checked.tensor_type.size == 0 or known:
            return []
        self._checked.add(key)
        loops, index = _loops(checked.tensor_type.shape)
        value = Reader(self.stored, self.layout).read(checked, index)
        return [CheckNest(node, loops, value, low, high, self.faults)]

    def _reduce(self, node: Node, reader: Reader) -> Nest:
        operand = node.operands[0]
        axes = node.static.get("axes", (node.static.get("axis"),))
        variables = [Variable(size) for size in operand.tensor_type.shape]
        index = tuple(variable_index(each) for each in variables)
        out = [each for n, each in enumerate(variables) if n not in axes]
        reduced = tuple(variables[n] for n in axes)
        place = linear(tuple(variable_index(each) for each in out), node.tensor_type.shape)
        loops = tuple(each for each in out if each.extent > 1)
        value = reader.read(operand, index)
        return ReduceNest(node, loops, reduced, node.op, place, value)  # type: ignore[arg-type]

    def _contract(self, node: Node, reader: Reader) -> list[Nest]:
        return [self._phase(node, reader, each) for each in phases_of(node, sizes_of(node))]

    def _phase(self, node: Node, reader: Reader, phase: Phase) -> Nest:
        """The results of one phase of a contraction."""
        left_letters, right_letters, output = parse_spec(node.static["spec"])
        variables = phase.loops
        place = self.layout.place(node, tuple(phase.index[each] for each in output))
        loops = tuple(variables[each] for each in output if variables[each].extent > 1)
        if phase.is_empty:
            zero = Number(node.tensor_type.dtype, 0)
            return MapNest(node, loops, (Store(node, place, zero),))

        def operand(position: int, letters: str) -> Load:
            found = reader.read(
                node.operands[position], tuple(phase.index[each] for each in letters)
            )
            assert isinstance(found, Load)
            return found

        left, right = operand(0, left_letters), operand(1, right_letters)
        reduced = tuple(
            each for letter, each in variables.items() if letter not in output and each.extent != 1
        )
        vector_loop = loops[-1] if loops else None
        if vector_loop is not None and is_turned(left, right, loops):
            left, right = right, left
        if (
            vector_loop is None
            or not node.tensor_type.dtype.is_floating
            or not reduced
            or place.step(vector_loop) != 1
            or right.place.step(vector_loop) != 1
            or left.place.step(vector_loop) not in (0, 1)
        ):
            value = Apply(node.tensor_type.dtype, multiply, {}, (left, right))
            return ReduceNest(node, loops, reduced, reduction.sum_, place, value)
        spread = spread_loops(node, reduced, left, right)
        cut = None if spread else cut_loop(reduced, right)
        if cut is not None:
            first, *parts = cut
            at = reduced.index(first)
            reduced = (*reduced[:at], *parts, *reduced[at + 1 :])
            spread = (parts[0],)
            left, right = (
                dataclasses.replace(each, place=cut_place(each.place, *cut))
                for each in (left, right)
            )
        tiled = tile_loops(loops, reduced, spread, left, right)
        strips_first = has_strips_first(loops, reduced, spread, right)
        return ContractNest(
            node, loops, place, left, right, reduced, spread, tiled, vector_loop, strips_first
        )

    def _cumulative(self, node: Node, reader: Reader) -> Nest:
        loops, along, index = _lines(node)
        place = linear(index, node.tensor_type.shape)
        value = reader.read(node.operands[0], index)
        return CumulativeNest(node, loops, along, node.op, place, value)  # type: ignore[arg-type]

    def _scatter(self, node: Node, reader: Reader) -> Nest:
        operand, indices, updates = node.operands
        axis, shape = node.static["axis"], node.tensor_type.shape
        loops, copy_index = _loops(shape)
        turns = [Variable(size) for size in updates.tensor_type.shape]
        index = tuple(variable_index(each) for each in turns)
        width = indices.tensor_type.ndim if node.op is indexing.scatter_add else 1
        inner = index[axis : axis + width] if node.op is indexing.scatter_add else index
        target: Index = (*index[:axis], Affine(0), *index[axis + width :])
        row_axis = next((n for n, size in enumerate(shape) if size > 1), axis)
        follows = turns[row_axis if row_axis < axis else row_axis + width - 1 :][:1]
        return ScatterNest(
            node,
            loops,
            linear(copy_index, shape),
            reader.read(operand, copy_index),
            tuple(turns),
            reader.read(indices, inner),
            linear(target, shape),
            row_major(shape)[axis],
            shape[axis],
            None if row_axis == axis else follows[0],
            reader.read(updates, index),
        )

    def _sort(self, node: Node, reader: Reader) -> Nest:
        loops, along, index = _lines(node)
        value = reader.read(node.operands[0], index)
        assert isinstance(value, Load)
        scratch = make_input("scratch", TensorType(node.tensor_type.shape, int64))
        place = linear(index, node.tensor_type.shape)
        return SortNest(node, loops, along, place, value, node.static["descending"], scratch)

    def _search(self, node: Node, reader: Reader) -> Nest:
        loops, index = _loops(node.tensor_type.shape)
        ordered = reader.read(node.operands[0], (Affine(0),))
        assert isinstance(ordered, Load)
        value = reader.read(node.operands[1], index)
        place = linear(index, node.tensor_type.shape)
        return SearchNest(node, loops, place, ordered, value, node.static["side"] == "right")

    def _random(self, node: Node, reader: Reader) -> Nest:
        loops, index = _loops(node.tensor_type.shape)
        key, counter = node.operands
        words = (reader.read(key, (Affine(0),)), reader.read(key, (Affine(1),)))
        place = linear(index, node.tensor_type.shape)
        rows = loops[0].extent if loops else 1
        numbers = node.tensor_type.size // rows
        return RandomNest(node, loops[:1], place, words, reader.read(counter, ()), numbers)

    def _interior_pad(self, node: Node, reader: Reader) -> list[Nest]:
        """Zeros everywhere; then the numbers, apart from each other."""
        shape, operand = node.tensor_type.shape, node.operands[0]
        # A first loop of one turn, that is one unit of work, where the operand's rows lie apart.
        moves_rows = shape[0] == 1 or any(
            node.static[name][0] for name in ("low", "high", "interior")
        )
        once = (Variable(1),) if moves_rows else ()
        loops, index = _loops(shape)
        zero = Number(node.tensor_type.dtype, 0)
        clear = MapNest(node, (*once, *loops), (Store(node, linear(index, shape), zero),))
        inner_loops, inner = _loops(operand.tensor_type.shape)
        parts = zip(inner, node.static["low"], node.static["interior"], strict=True)
        place = linear(tuple(each * (between + 1) + low for each, low, between in parts), shape)
        value = reader.read(operand, inner)
        return [clear, MapNest(node, (*once, *inner_loops), (Store(node, place, value),))]


def _loops(shape: tuple[int, ...]) -> tuple[tuple[Variable, ...], Index]:
    """A loop for each axis longer than one, and the index that they make."""
    variables = [Variable(size) for size in shape]
    index = tuple(variable_index(each) for each in variables)
    return tuple(each for each in variables if each.extent > 1), index


def _lines(node: Node) -> tuple[tuple[Variable, ...], Variable, Index]:
    """The loops over the lines along a node's axis, the loop along one of them, and the index."""
    variables = [Variable(size) for size in node.tensor_type.shape]
    along = variables[node.static["axis"]]
    loops = tuple(each for each in variables if each is not along and each.extent > 1)
    return loops, along, tuple(variable_index(each) for each in variables)


def within(node: Node, low: int, high: int | None) -> bool:
    """Whether all numbers of a node are known to lie in [low, high)."""
    most = 2**64 if high is None else high
    if node.op is sources.constant:
        value = node.static["value"]
        return bool(np.all((value >= low) & (value < most)))
    if node.op is sources.full:
        return bool(low <= node.static["value"] < most)
    if node.op in (sources.iota, indexing.argsort, reduction.argmax, reduction.argmin):
        source = node if node.op is sources.iota else node.operands[0]
        return low <= 0 and source.tensor_type.shape[node.static["axis"]] <= most
    moved = (movement.reshape, movement.transpose, movement.broadcast_to, movement.slice_)
    if node.op in (*moved, movement.flip, movement.concat):
        return all(within(each, low, high) for each in node.operands)
    return False
