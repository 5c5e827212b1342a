"""Removes operations that change nothing. Every rule here keeps every bit of the result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.contraction import contract, parse_spec
from steepest.ops.elementwise.arithmetic import add, divide, multiply, negative, subtract
from steepest.ops.elementwise.selection import convert
from steepest.ops.movement import broadcast_to, reshape, transpose
from steepest.ops.sources import constant, full

Rule = Callable[[Node], Node | None]


def simplify(graph: Graph) -> Graph:
    """Apply the rules below to every node until none fits."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        while True:
            simpler = next((found for rule in RULES if (found := rule(node)) is not None), None)
            if simpler is None:
                return node
            node = simpler

    return rebuild(graph, rewrite)


def _is_number(node: Node, number: float) -> bool:
    """Whether every number of a node is `number`, known at compile time; -0 is not 0.

    Never so for complex numbers: 1 times such a number can change the sign of a zero.
    """
    if node.op not in (full, constant) or node.tensor_type.dtype.is_complex:
        return False
    value = np.asarray(node.static["value"])
    if not value.size or np.any(value != number):
        return False
    return number != 0 or not np.any(np.signbit(value))


def _times_one(node: Node) -> Node | None:
    """x * 1 and 1 * x and x / 1 are x."""
    if node.op is multiply:
        for kept, other in (node.operands, node.operands[::-1]):
            if _is_number(other, 1) and kept.type == node.type:
                return kept
    if node.op is divide and _is_number(node.operands[1], 1):
        return node.operands[0] if node.operands[0].type == node.type else None
    return None


def _minus_zero(node: Node) -> Node | None:
    """x - 0 is x (x + 0 is not: it turns -0 into 0)."""
    if node.op is subtract and _is_number(node.operands[1], 0):
        return node.operands[0] if node.operands[0].type == node.type else None
    return None


def _double_negative(node: Node) -> Node | None:
    """-(-x) is x; a + (-b) is a - b."""
    if node.op is negative and node.operands[0].op is negative:
        return node.operands[0].operands[0]
    if node.op is add and node.operands[1].op is negative:
        operands = (node.operands[0], node.operands[1].operands[0])
        return Node(subtract, operands, {}, node.type, node.origin)
    return None


def _same_shape(node: Node) -> Node | None:
    """A reshape, broadcast or conversion to the same type is nothing."""
    if node.op in (reshape, broadcast_to, convert) and node.type == node.operands[0].type:
        return node.operands[0]
    return None


def _reshape_of_reshape(node: Node) -> Node | None:
    if node.op is reshape and node.operands[0].op is reshape:
        return Node(reshape, node.operands[0].operands, node.static, node.type, node.origin)
    return None


def _transpose_of_transpose(node: Node) -> Node | None:
    if node.op is not transpose:
        return None
    axes = node.static["axes"]
    if axes == tuple(range(len(axes))):
        return node.operands[0]
    inner = node.operands[0]
    if inner.op is not transpose:
        return None
    joined = tuple(inner.static["axes"][axis] for axis in axes)
    return Node(transpose, inner.operands, {"axes": joined}, node.type, node.origin)


def _transposed_contraction(node: Node) -> Node | None:
    """A contraction takes its operands, and gives its result, in any order of axes."""
    if node.op is transpose and node.operands[0].op is contract:
        inner = node.operands[0]
        left, right, output = parse_spec(inner.static["spec"])
        output = "".join(output[axis] for axis in node.static["axes"])
        spec = f"{left},{right}->{output}"
        return Node(contract, inner.operands, {"spec": spec}, node.type, node.origin)
    if node.op is not contract:
        return None
    left, right, output = parse_spec(node.static["spec"])
    terms = [left, right]
    for side, operand in enumerate(node.operands):
        if operand.op is transpose:
            letters = dict(zip(operand.static["axes"], terms[side], strict=True))
            terms[side] = "".join(letters[axis] for axis in range(len(letters)))
            operands = list(node.operands)
            operands[side] = operand.operands[0]
            spec = f"{terms[0]},{terms[1]}->{output}"
            return Node(contract, tuple(operands), {"spec": spec}, node.type, node.origin)
    return None


def _implicit_broadcast(node: Node) -> Node | None:
    """An elementwise operation repeats its operands by itself."""
    if not getattr(node.op, "is_elementwise", False):
        return None
    for position, operand in enumerate(node.operands):
        if operand.op is not broadcast_to:
            continue
        others = [each for n, each in enumerate(node.operands) if n != position]
        narrow = operand.operands[0]
        shapes = [each.tensor_type.shape for each in (narrow, *others)]
        if np.broadcast_shapes(*shapes) == node.tensor_type.shape:
            operands = (*node.operands[:position], narrow, *node.operands[position + 1 :])
            return Node(node.op, operands, node.static, node.type, node.origin)
    return None


def _reshape_of_constant(node: Node) -> Node | None:
    """One number repeated stays so in any shape."""
    if node.op in (reshape, broadcast_to) and node.operands[0].op is full:
        static = {**node.operands[0].static, "shape": node.tensor_type.shape}
        return Node(full, (), static, node.type, node.origin)
    return None


RULES: tuple[Rule, ...] = (
    _times_one,
    _minus_zero,
    _double_negative,
    _same_shape,
    _reshape_of_reshape,
    _transpose_of_transpose,
    _transposed_contraction,
    _implicit_broadcast,
    _reshape_of_constant,
)
