"""Removes the nodes that served only differentiation, which is over when the passes run."""

from __future__ import annotations

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.control import custom_gradient, item
from steepest.ops.elementwise.selection import identity, stop_gradient


def drop_custom_gradients(graph: Graph) -> Graph:
    """Replace values with a gradient rule of their own, and marks, by the plain values."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        if node.op is identity or node.op is stop_gradient:
            return operands[0]
        if node.op is item and operands[0].op is custom_gradient:
            whole = operands[0]
            return whole.operands[whole.static["input_count"] + node.static["index"]]
        return keep(node, operands)

    return rebuild(graph, rewrite)
