"""Chooses the order of axes in which numbers lie: channels last, and wide layers turned.

Users see images as (n, channels, height, width). A vector register wants neighbours that are
computed alike, and those are the channels of one position. So contractions of windows are turned to
(n, height, width, channels), and that order is handed on through elementwise operations, padding,
pooling and reductions, so that numbers are put in another order only where a network begins and
where it becomes dense. It changes where numbers lie, never which numbers there are.

The results of dense layers that are wide for their batch are turned too, to (features, n): their
weight is then read as it lies, and what follows row by row, such as batch norm, has its rows whole.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from steepest.graph.node import Graph, Node, Operation, keep
from steepest.graph.types import TensorType
from steepest.kernels.reading import contracted_groups
from steepest.ops import contraction, image_tiles, movement, reduction, sources, windows
from steepest.ops.contraction import parse_spec

Order = tuple[int, ...]
"""The axes of a value in the order in which they lie in memory, the outermost first."""

REDUCTIONS = (
    reduction.sum_,
    reduction.product,
    reduction.max_,
    reduction.min_,
)
POSITIONS = (reduction.argmax, reduction.argmin)
WIDE_ROWS = 16
WIDE_RATIO = 2
"""A batch of a multiple of so many rows, and at most this share of a layer's width, lies turned."""
IMAGE_AXES = 3
"""What has fewer axes has no positions with channels."""


def choose_axis_orders(graph: Graph) -> Graph:
    """Turn convolutions and wide dense layers of a graph, and what lies between them.

    Returns:
        A graph of the same inputs and outputs; `graph` itself where nothing is convolved.
    """
    nodes = graph.nodes()
    if not any(_turns(node) for node in nodes):
        return graph
    turned = _Turned({graph.inputs[held].type for _, held in graph.updates})
    for node in nodes:
        if not node.is_input:
            turned.add(node)
    outputs = tuple(turned.plain(node) for node in graph.outputs)
    return Graph(graph.name, graph.inputs, outputs, graph.updates)


def _turns(node: Node) -> bool:
    """Whether a node wants its operands, or gives its result, with axes in another order."""
    return _windowed_side(node) is not None or _is_wide(node) or node.op is image_tiles.to_tiles


def _windowed_side(node: Node) -> int | None:
    """Which operand of a contraction is windows whose offsets the other one has, or the result."""
    if node.op is not contraction.contract or node.tensor_type.size == 0:
        return None
    return next((n for n, each in enumerate(node.operands) if each.op is windows.windows), None)


def _is_wide(node: Node) -> bool:
    """Whether a dense layer is so wide, for its batch, that its result had better lie turned.

    Then the weight is read as it lies, a number of it meeting a vector over the batch, where
    otherwise the whole weight would be transposed in every step.
    """
    if node.op is not contraction.contract or not node.tensor_type.dtype.is_floating:
        return False
    left, right, output = parse_spec(node.static["spec"])
    if len(left) != 2 or len(right) != 2 or len(output) != 2:
        return False
    weight = node.operands[1]
    rows, features = node.tensor_type.shape
    return (
        (output[0] in left)
        and (output[1] in right)
        and weight.is_input
        and rows % WIDE_ROWS == 0
        and WIDE_RATIO * rows <= features
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Value:
    """A node of the new graph, whose axes stand in `order` of the old one's."""

    node: Node
    order: Order


def _plain_order(node: Node) -> Order:
    return tuple(range(node.tensor_type.ndim))


def _made(op: Operation, operands: Iterable[Node], static: dict[str, Any], replaced: Node) -> Node:
    """A node that stands where another stood."""
    found = tuple(operands)
    result = op.infer(*(each.type for each in found), **static)
    return Node(op, found, static, result, replaced.origin)


class _Turned:
    """The new graph as it grows: for each old node what stands for it."""

    def __init__(self, state_types: set[Any]) -> None:
        self._state_types = state_types
        self._values: dict[int, _Value] = {}
        self._pulled: dict[tuple[int, Order], Node] = {}
        self._rules: dict[Any, Callable[[Node], _Value | None]] = {
            movement.transpose: self._transpose,
            movement.reshape: self._reshape,
            movement.pad: self._pad,
            movement.slice_: self._slice,
            movement.flip: self._flip,
            movement.concat: self._concat,
            windows.windows: self._windows,
            windows.fold: self._fold,
            contraction.contract: self._contract,
            **dict.fromkeys(REDUCTIONS, self._reduce),
            **dict.fromkeys(POSITIONS, self._position),
        }

    def add(self, node: Node) -> None:
        """Make what stands for a node whose operands are known."""
        rule = self._rules.get(node.op)
        if getattr(node.op, "is_elementwise", False):
            rule = self._elementwise
        value = None if rule is None else rule(node)
        if value is None:
            kept = keep(node, tuple(self.plain(each) for each in node.operands))
            dims = node.tensor_type.ndim if isinstance(node.type, TensorType) else 0
            value = _Value(kept, tuple(range(dims)))
        self._values[id(node)] = value

    def plain(self, node: Node) -> Node:
        """What stands for a node, with its axes as the user has them."""
        if node.is_input or not isinstance(node.type, TensorType):
            return node if node.is_input else self._values[id(node)].node
        return self.ordered(node, _plain_order(node))

    def order(self, node: Node) -> Order:
        """The order in which a node's numbers lie."""
        return _plain_order(node) if node.is_input else self._values[id(node)].order

    def ordered(self, node: Node, order: Order) -> Node:
        """What stands for a node with its axes in an order.

        What only moves or repeats numbers is made anew, so that only its source is turned.
        """
        value = _Value(node, _plain_order(node)) if node.is_input else self._values[id(node)]
        if value.order == order:
            return value.node
        key = (id(node), order)
        if key not in self._pulled:
            pulled = self._pull(node, order)
            if pulled is None:
                axes = tuple(value.order.index(axis) for axis in order)
                pulled = _made(movement.transpose, (value.node,), {"axes": axes}, node)
            self._pulled[key] = pulled
        return self._pulled[key]

    def _pull(self, node: Node, order: Order) -> Node | None:
        """A node made of operands in another order; `None` where it must be turned itself."""
        if node.op is sources.full:
            shape = tuple(node.tensor_type.shape[axis] for axis in order)
            return _made(node.op, (), {**node.static, "shape": shape}, node)
        if node.op is movement.broadcast_to:
            shape = tuple(node.tensor_type.shape[axis] for axis in order)
            operand = self._aligned(node.operands[0], order)
            return _made(node.op, (operand,), {"shape": shape}, node)
        if node.op is movement.pad:
            return self._padded(node, order)
        if node.op is movement.slice_:
            return self._sliced(node, order)
        if node.op is movement.flip:
            return self._flipped(node, order)
        if node.op is windows.windows:
            lead = node.operands[0].tensor_type.ndim
            if order[lead:] == self._window_axes(node, order[:lead]):
                return self._windowed(node, order[:lead])
        return None

    def _aligned(self, node: Node, order: Order) -> Node:
        """An operand that is broadcast to a result whose axes stand in `order`."""
        shape, missing = node.tensor_type.shape, len(order) - node.tensor_type.ndim
        if math.prod(shape) == 1 or not shape:
            return self.plain(node)
        if missing == 0:
            return self.ordered(node, order)
        wide = (*(1,) * missing, *shape)
        reshaped = _made(movement.reshape, (self.plain(node),), {"shape": wide}, node)
        if order == tuple(range(len(order))):
            return reshaped
        return _made(movement.transpose, (reshaped,), {"axes": order}, node)

    def _elementwise(self, node: Node) -> _Value | None:
        """The largest operand that lies in an order of its own decides for all."""
        own = node.tensor_type
        turned = [
            each
            for each in node.operands
            if each.tensor_type.ndim == own.ndim and self.order(each) != _plain_order(each)
        ]
        if not turned:
            return None
        order = self.order(max(turned, key=lambda each: each.tensor_type.size))
        operands = tuple(self._aligned(each, order) for each in node.operands)
        shape = tuple(own.shape[axis] for axis in order)
        made = Node(node.op, operands, node.static, TensorType(shape, own.dtype), node.origin)
        return _Value(made, order)

    def _following(self, node: Node, make: Callable[[Node, Order], Node]) -> _Value | None:
        """A node whose axes are those of its first operand, in whose order it is made."""
        order = self.order(node.operands[0])
        if order == _plain_order(node.operands[0]):
            return None
        return _Value(make(node, order), order)

    def _pad(self, node: Node) -> _Value | None:
        return self._following(node, self._padded)

    def _padded(self, node: Node, order: Order) -> Node:
        static = {
            name: tuple(node.static[name][axis] for axis in order)
            for name in ("low", "high", "interior")
        }
        return _made(movement.pad, (self.ordered(node.operands[0], order),), static, node)

    def _slice(self, node: Node) -> _Value | None:
        return self._following(node, self._sliced)

    def _sliced(self, node: Node, order: Order) -> Node:
        static = {
            name: tuple(node.static[name][axis] for axis in order)
            for name in ("start", "stop", "step")
        }
        return _made(movement.slice_, (self.ordered(node.operands[0], order),), static, node)

    def _flip(self, node: Node) -> _Value | None:
        return self._following(node, self._flipped)

    def _flipped(self, node: Node, order: Order) -> Node:
        axes = tuple(sorted(order.index(axis) for axis in node.static["axes"]))
        return _made(movement.flip, (self.ordered(node.operands[0], order),), {"axes": axes}, node)

    def _concat(self, node: Node) -> _Value | None:
        plain = _plain_order(node)
        turned = [each for each in node.operands if self.order(each) != plain]
        if not turned:
            return None
        order = self.order(max(turned, key=lambda each: each.tensor_type.size))
        operands = tuple(self.ordered(each, order) for each in node.operands)
        static = {"axis": order.index(node.static["axis"])}
        return _Value(_made(movement.concat, operands, static, node), order)

    def _transpose(self, node: Node) -> _Value | None:
        """Nothing moves: the axes only get other numbers."""
        operand, axes = node.operands[0], node.static["axes"]
        order = tuple(axes.index(axis) for axis in self.order(operand))
        if operand.tensor_type.ndim < IMAGE_AXES and self.order(operand) == _plain_order(operand):
            return None
        made = operand if operand.is_input else self._values[id(operand)].node
        return _Value(made, order)

    def _reshape(self, node: Node) -> _Value | None:
        """Axes that are split or joined keep their place, if those that are joined lie so."""
        operand = node.operands[0]
        order = self.order(operand)
        if order == _plain_order(operand):
            return None
        groups = contracted_groups(node.tensor_type.shape, operand.tensor_type.shape)
        if groups is None:
            return None
        found: list[int] = []
        at = 0
        owner = {axis: (outer, inner) for outer, inner in groups for axis in inner}
        while at < len(order):
            outer, inner = owner[order[at]]
            if list(order[at : at + len(inner)]) != inner:
                return None
            found.extend(outer)
            at += len(inner)
        # Axes of one number that are added lie anywhere; windows have theirs at the end.
        found.extend(axis for outer, inner in groups if not inner for axis in outer)
        shape = tuple(node.tensor_type.shape[axis] for axis in found)
        made = self.ordered(operand, order)
        return _Value(_made(movement.reshape, (made,), {"shape": shape}, node), tuple(found))

    def _reduce(self, node: Node) -> _Value | None:
        order = self.order(node.operands[0])
        axes = node.static["axes"]
        return self._reduced(node, order, axes, "axes")

    def _position(self, node: Node) -> _Value | None:
        return self._reduced(node, self.order(node.operands[0]), (node.static["axis"],), "axis")

    def _reduced(self, node: Node, order: Order, axes: Sequence[int], name: str) -> _Value | None:
        operand = node.operands[0]
        if order == _plain_order(operand):
            return None
        places = tuple(sorted(order.index(axis) for axis in axes))
        kept = sorted(set(order) - set(axes))
        result = tuple(kept.index(axis) for axis in order if axis not in axes)
        static = {**node.static, name: places if name == "axes" else places[0]}
        made = _made(node.op, (self.ordered(operand, order),), static, node)  # type: ignore[arg-type]
        return _Value(made, result)

    def _windows(self, node: Node) -> _Value | None:
        order = self.order(node.operands[0])
        if order == _plain_order(node.operands[0]):
            return None
        return _Value(self._windowed(node, order), (*order, *self._window_axes(node, order)))

    @staticmethod
    def _window_axes(node: Node, order: Order) -> Order:
        """The axes of offsets of windows of an operand whose axes stand in an order."""
        axes, lead = node.static["axes"], node.operands[0].tensor_type.ndim
        return tuple(lead + axes.index(axis) for axis in order if axis in axes)

    def _windowed(self, node: Node, order: Order) -> Node:
        static = _windows_static(node, order, ("sizes", "steps", "dilations"))
        return _made(node.op, (self.ordered(node.operands[0], order),), static, node)  # type: ignore[arg-type]

    def _fold(self, node: Node) -> _Value | None:
        operand, lead = node.operands[0], node.tensor_type.ndim
        order = self.order(operand)
        axes = node.static["axes"]
        if order == _plain_order(operand):
            return None
        own = tuple(axis for axis in order if axis < lead)
        offsets = tuple(lead + axes.index(axis) for axis in own if axis in axes)
        static = _windows_static(node, own, ("lengths", "steps", "dilations"))
        made = _made(windows.fold, (self.ordered(operand, (*own, *offsets)),), static, node)
        return _Value(made, own)

    def _contract(self, node: Node) -> _Value | None:
        side = _windowed_side(node)
        if side is not None:
            return self._convolution(node, side)
        if _is_wide(node):
            left, right, output = parse_spec(node.static["spec"])
            lying = [
                [letters[axis] for axis in self.order(operand)]
                for operand, letters in zip(node.operands, (left, right), strict=True)
            ]
            return self._contraction(node, 0, (lying[0], lying[1], [output[1], output[0]]))
        turned = [each for each in node.operands if self.order(each) != _plain_order(each)]
        return None if not turned else self._product(node)

    def _convolution(self, node: Node, side: int) -> _Value | None:
        """A contraction of windows: forward, a data gradient, or the gradient of the weight."""
        terms = parse_spec(node.static["spec"])
        data, other = terms[side], terms[1 - side]
        output = terms[2]
        seen = node.operands[side]
        lead = seen.operands[0].tensor_type.ndim
        places = "".join(data[axis] for axis in seen.static["axes"])
        offsets = data[lead:]
        rest = [each for each in data[:lead] if each not in places]
        groups = [each for each in rest if each in other and each in output]
        is_forward = all(each in output for each in places)
        # Channels: summed in a convolution, kept in the gradient of the weight.
        channels = [each for each in rest if each not in groups and (each in output) != is_forward]
        features = [each for each in output if each not in data]
        outer = [each for each in data[:lead] if each not in (*groups, *channels)]
        data_order = [*outer, *groups, *channels, *offsets]
        weight_order = [*groups, *channels, *offsets, *features]
        if not channels and not features:
            weight_order = [*offsets, *groups]
        other_order = weight_order
        output_order = [*outer, *groups, *features]
        if not is_forward:
            other_order = [*outer, *groups, *features]
            output_order = [*groups, *channels, *offsets, *features]
            if not channels and not features:
                output_order = [*offsets, *groups]
        made = self._contraction(node, side, (data_order, other_order, output_order))
        if made is None or is_forward:
            return made
        # Parameters and their moments lie as the user has them: only the gradient is turned.
        axes = tuple(made.order.index(axis) for axis in range(len(made.order)))
        turned = _made(movement.transpose, (made.node,), {"axes": axes}, node)
        return _Value(turned, _plain_order(node))

    def _contraction(
        self, node: Node, side: int, letters: tuple[list[str], list[str], list[str]]
    ) -> _Value | None:
        """The contraction with the letters of both operands and of the result in new orders."""
        left, right, output = parse_spec(node.static["spec"])
        own = (left, right)
        wanted = [letters[0], letters[1]] if side == 0 else [letters[1], letters[0]]
        if any(set(want) != set(have) for want, have in zip(wanted, own, strict=True)):
            return None
        if set(letters[2]) != set(output):
            return None
        operands = [
            self.ordered(operand, tuple(have.index(each) for each in want))
            for operand, have, want in zip(node.operands, own, wanted, strict=True)
        ]
        spec = f"{''.join(wanted[0])},{''.join(wanted[1])}->{''.join(letters[2])}"
        made = _made(contraction.contract, operands, {"spec": spec}, node)
        return _Value(made, tuple(output.index(each) for each in letters[2]))

    def _product(self, node: Node) -> _Value | None:
        """A contraction without windows takes its operands as they lie."""
        left, right, output = parse_spec(node.static["spec"])
        lying = [
            [letters[axis] for axis in self.order(operand)]
            for operand, letters in zip(node.operands, (left, right), strict=True)
        ]
        turned = [
            n
            for n, operand in enumerate(node.operands)
            if self.order(operand) != _plain_order(operand)
        ]
        result = list(output)
        if len(turned) == 1 and node.type not in self._state_types:
            first = [each for each in lying[turned[0]] if each in output]
            result = [*first, *(each for each in output if each not in first)]
        return self._contraction(node, 0, (lying[0], lying[1], result))


def _windows_static(node: Node, order: Order, names: Sequence[str]) -> dict[str, Any]:
    """The axes and options of windows or of a fold of an operand whose axes stand in an order."""
    axes = node.static["axes"]
    turned = [axis for axis in order if axis in axes]
    static: dict[str, Any] = {"axes": tuple(order.index(axis) for axis in turned)}
    for name in names:
        static[name] = tuple(node.static[name][axes.index(axis)] for axis in turned)
    return static
