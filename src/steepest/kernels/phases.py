"""Contractions of windows of numbers that are spread apart by zeros, without the zeros.

The data gradient of a convolution of stride s, and a transposed convolution, contract windows of an
operand with s - 1 zeros between its numbers. For the results of one phase, that is of one remainder
by s, the offsets in the window at which numbers and not zeros stand are always the same. So there
is one nest for each phase, of the turns of the position and the offsets that meet numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.kernels.affine import Affine, Variable, variable_index
from steepest.ops import contraction, movement, windows
from steepest.ops.contraction import parse_spec


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """A contraction of windows over spread numbers.

    Attributes:
        side: which operand shows the windows.
        axes: the axes of positions that are spread: letter of position and of offset, how far the
            numbers are apart, where the first one stands, and the windows' dilation.
    """

    side: int
    axes: tuple[tuple[str, str, int, int, int], ...]


def has_interior(node: Node) -> bool:
    """Whether a node puts zeros between numbers, which takes two passes."""
    return node.op is movement.pad and any(node.static["interior"])


def spread_of(node: Node) -> Spread | None:
    """How a contraction sees spread numbers; `None` if it does not, or in windows with steps."""
    if node.op is not contraction.contract:
        return None
    terms = parse_spec(node.static["spec"])
    for side, operand in enumerate(node.operands):
        if operand.op is not windows.windows or not has_interior(operand.operands[0]):
            continue
        found = _spread_axes(operand, terms[side], terms[1 - side], terms[2])
        return None if found is None else Spread(side, found)
    return None


def _spread_axes(
    seen: Node, letters: str, other: str, output: str
) -> tuple[tuple[str, str, int, int, int], ...] | None:
    inner, static = seen.operands[0], seen.static
    lead = inner.tensor_type.ndim
    found = []
    for axis, between in enumerate(inner.static["interior"]):
        if not between:
            continue
        if axis not in static["axes"]:
            return None
        number = static["axes"].index(axis)
        place, offset = letters[axis], letters[lead + number]
        is_convolved = place in output and place not in other and offset not in output
        if static["steps"][number] != 1 or not is_convolved:
            return None
        low = inner.static["low"][axis]
        found.append((place, offset, between + 1, low, static["dilations"][number]))
    return tuple(found)


def padded_before_spread(graph: Graph) -> Graph:
    """Put zeros around numbers before they are spread, where nothing but phases sees them."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        spread = spread_of(node)
        if spread is None:
            return node
        seen = node.operands[spread.side]
        operand = _padded_first(seen.operands[0])
        values = list(node.operands)
        values[spread.side] = Node(seen.op, (operand,), seen.static, seen.type, seen.origin)
        return Node(node.op, tuple(values), node.static, node.type, node.origin)

    return rebuild(graph, rewrite)


def _padded_first(node: Node) -> Node:
    """The same padding in two steps: whole distances between numbers first, without interior."""
    apart = [each + 1 for each in node.static["interior"]]
    first, rest = {}, {}
    for name in ("low", "high"):
        sides = list(zip(node.static[name], apart, strict=True))
        first[name] = tuple(size // step for size, step in sides)
        rest[name] = tuple(size % step for size, step in sides)
    if not any(map(any, first.values())):
        return node
    operand = node.operands[0]
    static = {**first, "interior": (0,) * len(apart)}
    around = movement.pad.infer(operand.type, **static)
    padded = Node(movement.pad, (operand,), static, around, node.origin)
    static = {**rest, "interior": node.static["interior"]}
    return Node(movement.pad, (padded,), static, node.type, node.origin)


@dataclasses.dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a contraction.

    Attributes:
        loops: the loop of each letter.
        index: the index that each letter stands for.
        is_empty: whether no number is met, so that the results are zeros.
    """

    loops: Mapping[str, Variable]
    index: Mapping[str, Affine]
    is_empty: bool = False


def phases_of(node: Node, sizes: Mapping[str, int]) -> list[Phase]:
    """The phases of a contraction; one of everything where nothing is spread.

    Args:
        sizes: the size of each letter.
    """
    spread = spread_of(node)
    axes = () if spread is None else spread.axes
    found = []
    for remainders in itertools.product(*(range(min(axis[2], sizes[axis[0]])) for axis in axes)):
        loops = {letter: Variable(size) for letter, size in sizes.items()}
        index = {letter: variable_index(each) for letter, each in loops.items()}
        is_empty = False
        for (place, offset, step, low, dilation), remainder in zip(axes, remainders, strict=True):
            fitting = [
                each
                for each in range(sizes[offset])
                if (remainder + dilation * each - low) % step == 0
            ]
            is_empty |= not fitting
            loops[place] = Variable(-(-(sizes[place] - remainder) // step))
            loops[offset] = Variable(len(fitting))
            index[place] = variable_index(loops[place]) * step + remainder
            apart = fitting[1] - fitting[0] if len(fitting) > 1 else 1
            index[offset] = variable_index(loops[offset]) * apart + (fitting or [0])[0]
        found.append(Phase(loops, index, is_empty))
    return found
