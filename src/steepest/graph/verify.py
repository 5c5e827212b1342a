"""Checks that a graph obeys its grammar: run after tracing and after every pass."""

from __future__ import annotations

from steepest.errors import GraphError, SteepestError
from steepest.graph.node import Graph, Node, type_text


def verify(graph: Graph, after: str) -> Graph:
    """Return `graph` unchanged if it is well formed.

    Args:
        after: the stage or pass that made it, to be named in the error.

    Raises:
        GraphError: a node comes before its operand, an input is unknown, or a node's type is
            not what its operation's shape rule says.
    """
    known = {id(node) for node in graph.inputs}
    for node in graph.nodes():
        if node.is_input:
            if id(node) not in known:
                raise GraphError(f"after {after}: {node!r} is used but is no input of the graph.")
            continue
        missing = [operand for operand in node.operands if id(operand) not in known]
        if missing:
            raise GraphError(f"after {after}: {node!r} comes before its operand {missing[0]!r}.")
        _verify_type(node, after)
        known.add(id(node))
    return graph


def _verify_type(node: Node, after: str) -> None:
    """Compare a node's type with what its operation's shape rule gives."""
    assert node.op is not None
    try:
        expected = node.op.infer(*(operand.type for operand in node.operands), **node.static)
    except SteepestError as error:
        raise GraphError(f"after {after}: {node!r}: {error}") from error
    if expected != node.type:
        raise GraphError(
            f"after {after}: {node!r} should have type {type_text(expected)} by the shape rule "
            f"of {node.op.name}."
        )
