"""Makes one loop nest for each node that has a buffer, and decides which nodes have one."""

from __future__ import annotations

from collections import Counter

from steepest.errors import GraphError
from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.kernels.affine import Affine, Variable, linear, row_major, variable_index
from steepest.kernels.expression import Apply, Load, Number
from steepest.kernels.nest import (
    ContractNest,
    CumulativeNest,
    MapNest,
    Nest,
    ReduceNest,
    ScatterNest,
    SearchNest,
    SortNest,
    Store,
)
from steepest.kernels.reading import Index, NeedsBuffer, Reader, reshaped_index
from steepest.ops import contraction, control, indexing, movement, reduction, sources
from steepest.ops.contraction import parse_spec
from steepest.ops.elementwise.arithmetic import multiply

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
    indexing.argsort,
    indexing.searchsorted,
)
CHEAP_DEPTH = 3


def contiguous_vectors(graph: Graph) -> Graph:
    """Transpose the operands of contractions that could otherwise not be read in vectors."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not contraction.contract or node.tensor_type.size == 0:
            return node
        left_letters, right_letters, output = parse_spec(node.static["spec"])
        letter = _vector_letter(node, output)
        if letter is None or (letter in left_letters and letter in right_letters):
            return node
        terms, values = [left_letters, right_letters], list(node.operands)
        side = 0 if letter in left_letters else 1
        if _steps(values[side])[terms[side].index(letter)] == 1:
            return node
        if not any(size > 1 for each, size in _sizes(node).items() if each not in terms[side]):
            return node
        order = tuple(n for n, each in enumerate(terms[side]) if each != letter)
        order = (*order, terms[side].index(letter))
        values[side] = _transposed(values[side], order)
        terms[side] = "".join(terms[side][n] for n in order)
        spec = f"{terms[0]},{terms[1]}->{output}"
        return Node(node.op, tuple(values), {"spec": spec}, node.type, node.origin)

    return rebuild(graph, rewrite)


def _transposed(node: Node, order: tuple[int, ...]) -> Node:
    shape = tuple(node.tensor_type.shape[n] for n in order)
    new_type = type(node.tensor_type)(shape, node.tensor_type.dtype)
    return Node(movement.transpose, (node,), {"axes": order}, new_type, node.origin)


def _sizes(node: Node) -> dict[str, int]:
    left, right, _ = parse_spec(node.static["spec"])
    shapes = [each.tensor_type.shape for each in node.operands]
    return dict(zip(left + right, shapes[0] + shapes[1], strict=True))


def _vector_letter(node: Node, output: str) -> str | None:
    """The last axis of the result that is longer than one."""
    wide = [each for each, size in zip(output, node.tensor_type.shape, strict=True) if size > 1]
    return wide[-1] if wide else None


def _steps(node: Node) -> tuple[int, ...]:
    """How far apart neighbours lie in memory, seen through transposes that are not stored."""
    if node.op is movement.transpose:
        inner = _steps(node.operands[0])
        return tuple(inner[axis] for axis in node.static["axes"])
    return row_major(node.tensor_type.shape)


def check_supported(graph: Graph) -> Graph:
    """Refuse what no loop nest makes: values of several tensors, and complex numbers.

    Raises:
        GraphError: names the node and the user's line.
    """
    for node in graph.nodes():
        parts = node.type if isinstance(node.type, tuple) else (node.type,)
        several = node.op is control.item or node.op is control.custom_gradient
        lowered = not getattr(node.op, "is_elementwise", False) or node.op.lower is not None  # type: ignore[union-attr]
        if several or not lowered or any(part.dtype.is_complex for part in parts):
            raise GraphError(f"{node!r} has no native code. At {node.origin}.")
    return graph


class Builder:
    """Turns a graph into nests, in an order in which operands come first."""

    def __init__(self, graph: Graph):
        self.graph = contiguous_vectors(check_supported(graph))
        self.nodes = [node for node in self.graph.nodes() if not node.is_input]
        self.constants: list[Node] = []
        self._packed = self._find_packed()
        self.stored = self._choose_stored()

    def nests(self) -> list[Nest]:
        """One nest (or a few) for each stored node, operands first."""
        while True:
            try:
                return self._nests()
            except NeedsBuffer as request:
                self.stored.add(id(request.node))

    def _nests(self) -> list[Nest]:
        made: list[Nest] = []
        for node in self.nodes:
            is_written = id(node) in self.stored and node.op is not sources.constant
            if is_written and node.tensor_type.size:
                made.extend(self.nests_of(node))
        return made

    # Which nodes have a buffer

    def _choose_stored(self) -> set[int]:
        stored = {id(node) for node in self.graph.outputs if not node.is_input}
        users = Counter(id(operand) for node in self.nodes for operand in node.operands)
        for node in self.nodes:
            if node.op in STRUCTURED or self._has_interior(node):
                stored.add(id(node))
            is_output = id(node) in stored
            if node.op is sources.constant and (node.tensor_type.size > 1 or is_output):
                stored.add(id(node))
                self.constants.append(node)
            if node.op is sources.random_bits:
                stored.add(id(node))
            for operand in self._must_be_stored(node):
                self._store_through_transposes(operand, stored)
        depth: dict[int, int] = {}
        for node in self.nodes:
            inner = [depth.get(id(each), 0) for each in node.operands if id(each) not in stored]
            elementwise = getattr(node.op, "is_elementwise", False)
            depth[id(node)] = max(inner, default=0) + self._cost(node) * elementwise
            shared = users[id(node)] > 1 and node.tensor_type.size > 1
            if shared and elementwise and depth[id(node)] > CHEAP_DEPTH:
                stored.add(id(node))
            if id(node) in stored:
                depth[id(node)] = 0
        return stored

    @staticmethod
    def _cost(node: Node) -> int:
        heavy = {"exp", "log", "tanh", "sigmoid", "erf", "power", "sin", "cos", "log1p", "expm1"}
        return 4 if node.op is not None and node.op.name in heavy else 1

    @staticmethod
    def _has_interior(node: Node) -> bool:
        return node.op is movement.pad and any(node.static["interior"])

    def _store_through_transposes(self, node: Node, stored: set[int]) -> None:
        while node.op is movement.transpose and self._steps_ok(node):
            node = node.operands[0]
        if not node.is_input:
            stored.add(id(node))

    def _steps_ok(self, node: Node) -> bool:
        """Whether a transpose may stay a way of reading: not where vectors want it stored."""
        return id(node) not in self._packed

    def _find_packed(self) -> set[int]:
        """The transposes that contractions read in vectors, so that they must be stored."""
        return {
            id(operand)
            for node in self.nodes
            if node.op is contraction.contract
            for operand in node.operands
            if operand.op is movement.transpose and self._wants_packing(node, operand)
        }

    @staticmethod
    def _wants_packing(node: Node, operand: Node) -> bool:
        left, right, output = parse_spec(node.static["spec"])
        letter = _vector_letter(node, output)
        terms = left if operand is node.operands[0] else right
        if letter is None or letter not in terms or (letter in left and letter in right):
            return False
        return _steps(operand)[terms.index(letter)] != 1

    def _must_be_stored(self, node: Node) -> list[Node]:
        """The operands that this node reads in ways that need a buffer."""
        if node.op is contraction.contract or node.op is indexing.argsort:
            return list(node.operands)
        if node.op in (indexing.take, indexing.take_along_axis, indexing.searchsorted):
            return [node.operands[0]]
        if node.op is movement.reshape:
            operand = node.operands[0]
            probe = tuple(variable_index(Variable(size)) for size in node.tensor_type.shape)
            inner = reshaped_index(probe, node.tensor_type.shape, operand.tensor_type.shape)
            return [operand] if inner is None else []
        return []

    # Nests

    def nests_of(self, node: Node) -> list[Nest]:
        """The nests that fill the buffer of a node."""
        reader = Reader(self.stored)
        if node.op in REDUCTIONS:
            return [self._reduce(node, reader)]
        if node.op is contraction.contract:
            return [self._contract(node, reader)]
        if node.op in CUMULATIVE:
            return [self._cumulative(node, reader)]
        if node.op in SCATTERS:
            return [self._scatter(node, reader)]
        if node.op is indexing.argsort:
            return [self._sort(node, reader)]
        if node.op is indexing.searchsorted:
            return [self._search(node, reader)]
        if self._has_interior(node):
            return self._interior_pad(node, reader)
        return [self.map_nest([node])]

    def map_nest(self, nodes: list[Node]) -> MapNest:
        """One nest for nodes of one shape; later ones use the numbers of earlier ones at once."""
        shape = nodes[0].tensor_type.shape
        loops, index = _loops(shape)
        reader = Reader(self.stored)
        stores = []
        for node in nodes:
            value = reader.compute(node, index)
            reader.keep(node, index, value)
            stores.append(Store(node, linear(index, shape), value))
        return MapNest(nodes[0], loops, tuple(stores))

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

    def _contract(self, node: Node, reader: Reader) -> Nest:
        left_letters, right_letters, output = parse_spec(node.static["spec"])
        variables = {each: Variable(size) for each, size in _sizes(node).items()}

        def operand(position: int, letters: str) -> Load:
            index = tuple(variable_index(variables[each]) for each in letters)
            found = reader.read(node.operands[position], index)
            assert isinstance(found, Load)
            return found

        left, right = operand(0, left_letters), operand(1, right_letters)
        place = linear(
            tuple(variable_index(variables[each]) for each in output), node.tensor_type.shape
        )
        loops = tuple(variables[each] for each in output if variables[each].extent > 1)
        reduced = tuple(
            each for letter, each in variables.items() if letter not in output and each.extent != 1
        )
        vector_loop = loops[-1] if loops else None
        if vector_loop is not None and left.place.step(vector_loop) == 1:
            left, right = right, left
        floating = node.tensor_type.dtype.is_floating and node.tensor_type.dtype.itemsize > 2
        if (
            vector_loop is None
            or not floating
            or not reduced
            or any(each.extent == 0 for each in reduced)
            or right.place.step(vector_loop) != 1
            or left.place.step(vector_loop) != 0
        ):
            value = Apply(node.tensor_type.dtype, multiply, {}, (left, right))
            return ReduceNest(node, loops, reduced, reduction.sum_, place, value)
        own_rows = [
            each for each in loops[:-1] if left.place.step(each) and not right.place.step(each)
        ]
        row_loop = max(own_rows, key=lambda each: each.extent, default=None)
        if own_rows and loops[0] in own_rows:
            row_loop = loops[0]
        return ContractNest(node, loops, place, left, right, reduced, row_loop, vector_loop)

    def _cumulative(self, node: Node, reader: Reader) -> Nest:
        variables = [Variable(size) for size in node.tensor_type.shape]
        index = tuple(variable_index(each) for each in variables)
        along = variables[node.static["axis"]]
        loops = tuple(each for each in variables if each is not along and each.extent > 1)
        return CumulativeNest(
            node,
            loops,
            along,
            node.op,  # type: ignore[arg-type]
            linear(index, node.tensor_type.shape),
            reader.read(node.operands[0], index),
        )

    def _scatter(self, node: Node, reader: Reader) -> Nest:
        operand, indices, updates = node.operands
        axis, shape = node.static["axis"], node.tensor_type.shape
        loops, copy_index = _loops(shape)
        turns = [Variable(size) for size in updates.tensor_type.shape]
        index = tuple(variable_index(each) for each in turns)
        if node.op is indexing.scatter_add:
            width = indices.tensor_type.ndim
            where = reader.read(indices, index[axis : axis + width])
            target: Index = (*index[:axis], Affine(0), *index[axis + width :])
        else:
            where = reader.read(indices, index)
            target = (*index[:axis], Affine(0), *index[axis + 1 :])
        row_axis = next((n for n, size in enumerate(shape) if size > 1), axis)
        shift = indices.tensor_type.ndim - 1 if node.op is indexing.scatter_add else 0
        row_turn = turns[row_axis if row_axis < axis else row_axis + shift]
        return ScatterNest(
            node,
            loops,
            linear(copy_index, shape),
            reader.read(operand, copy_index),
            tuple(turns),
            where,
            linear(target, shape),
            row_major(shape)[axis],
            shape[axis],
            None if row_axis == axis else row_turn,
            reader.read(updates, index),
        )

    def _sort(self, node: Node, reader: Reader) -> Nest:
        variables = [Variable(size) for size in node.tensor_type.shape]
        index = tuple(variable_index(each) for each in variables)
        along = variables[node.static["axis"]]
        loops = tuple(each for each in variables if each is not along and each.extent > 1)
        value = reader.read(node.operands[0], index)
        assert isinstance(value, Load)
        place = linear(index, node.tensor_type.shape)
        return SortNest(node, loops, along, place, value, node.static["descending"])

    def _search(self, node: Node, reader: Reader) -> Nest:
        loops, index = _loops(node.tensor_type.shape)
        ordered = reader.read(node.operands[0], (Affine(0),))
        assert isinstance(ordered, Load)
        value = reader.read(node.operands[1], index)
        place = linear(index, node.tensor_type.shape)
        return SearchNest(node, loops, place, ordered, value, node.static["side"] == "right")

    def _interior_pad(self, node: Node, reader: Reader) -> list[Nest]:
        """Zeros everywhere; then the numbers, apart from each other."""
        shape, operand = node.tensor_type.shape, node.operands[0]
        loops, index = _loops(shape)
        zero = Number(node.tensor_type.dtype, 0)
        clear = MapNest(node, loops, (Store(node, linear(index, shape), zero),))
        if operand.tensor_type.size == 0:
            return [clear]
        inner_loops, inner = _loops(operand.tensor_type.shape)
        parts = zip(inner, node.static["low"], node.static["interior"], strict=True)
        place = linear(tuple(each * (between + 1) + low for each, low, between in parts), shape)
        value = reader.read(operand, inner)
        # One unit of work: rows of the operand are not rows of the result.
        return [clear, MapNest(node, (Variable(1), *inner_loops), (Store(node, place, value),))]


def _loops(shape: tuple[int, ...]) -> tuple[tuple[Variable, ...], Index]:
    """A loop for each axis longer than one, and the index that they make."""
    variables = [Variable(size) for size in shape]
    index = tuple(variable_index(each) for each in variables)
    return tuple(each for each in variables if each.extent > 1), index
