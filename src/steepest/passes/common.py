"""Makes one node of several that compute the same value."""

from __future__ import annotations

from typing import Any

from steepest.graph.node import Graph, Node, keep, rebuild, static_key


def merge_equal_nodes(graph: Graph) -> Graph:
    """Keep the first of all nodes with one operation, operands and static arguments."""
    first: dict[Any, Node] = {}

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if not getattr(node.op, "is_pure", False):
            return node
        key = (
            id(node.op),
            tuple(id(operand) for operand in node.operands),
            static_key(node.static),
            node.type,
        )
        return first.setdefault(key, node)

    return rebuild(graph, rewrite)
