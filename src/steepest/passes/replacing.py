"""Nodes that passes put in the place of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steepest.graph.node import Node, Operation
from steepest.ops.movement import transpose


def made(op: Operation, operands: Sequence[Node], static: dict[str, Any], replaced: Node) -> Node:
    """A node that stands where another stood."""
    result = op.infer(*(each.type for each in operands), **static)
    return Node(op, tuple(operands), static, result, replaced.origin)


def ordered(node: Node, letters: str, wanted: Sequence[str], replaced: Node) -> Node:
    """A tensor, whose axes have letters, with its axes in the order that is wanted."""
    axes = tuple(letters.index(each) for each in wanted)
    if axes == tuple(range(len(axes))):
        return node
    return made(transpose, [node], {"axes": axes}, replaced)
