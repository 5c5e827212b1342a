"""Checks that a graph obeys its grammar: run after tracing and after every pass."""

from __future__ import annotations

import numpy as np

from steepest.errors import GraphError
from steepest.graph.node import Graph, Node, type_text
from steepest.graph.types import TensorType


def verify(graph: Graph, after: str) -> Graph:
    """Return `graph` unchanged if it is well formed.

    Args:
        after: the stage or pass that made it, to be named in the error.

    Raises:
        GraphError: an input stands twice or is computed, a node uses an input that the graph does
            not have, comes before its operand, has a static argument that could change, is not
            what its operation's shape rule says, or gives several tensors where one is returned; an
            update is of another type than its input, or one of two for it.
    """
    known: set[int] = set()
    for node in graph.inputs:
        if not node.is_input:
            raise GraphError(f"after {after}: the input {node!r} is computed.")
        if id(node) in known:
            raise GraphError(f"after {after}: the input {node!r} stands twice.")
        known.add(id(node))
    for node in graph.nodes():
        if node.is_input:
            if id(node) not in known:
                raise GraphError(f"after {after}: {node!r} is used but is no input of the graph.")
            continue
        missing = [operand for operand in node.operands if id(operand) not in known]
        if missing:
            raise GraphError(f"after {after}: {node!r} comes before its operand {missing[0]!r}.")
        _verify_static(node, after)
        _verify_type(node, after)
        known.add(id(node))
    for node in graph.outputs:
        if not isinstance(node.type, TensorType):
            raise GraphError(f"after {after}: the output {node!r} is not one tensor.")
    _verify_updates(graph, after)
    return graph


def _verify_updates(graph: Graph, after: str) -> None:
    """Check that each update is of an input's own type, and no input is updated twice."""
    updated: set[int] = set()
    for output, held in graph.updates:
        new, old = graph.outputs[output], graph.inputs[held]
        if new.type != old.type:
            raise GraphError(f"after {after}: {new!r} is no new value for the input {old!r}.")
        if held in updated:
            raise GraphError(f"after {after}: the input {old!r} is updated twice.")
        updated.add(held)


def _verify_static(node: Node, after: str) -> None:
    """Check that static arguments are hashable, but for the array of a constant."""
    for name, value in node.static.items():
        if isinstance(value, np.ndarray):
            continue
        try:
            hash(value)
        except TypeError:
            raise GraphError(
                f"after {after}: {node!r} has a static argument {name!r} that is not hashable: "
                f"{value!r}."
            ) from None


def _verify_type(node: Node, after: str) -> None:
    """Compare a node's type with what its operation's shape rule gives."""
    assert node.op is not None
    try:
        expected = node.op.infer(*(operand.type for operand in node.operands), **node.static)
    except Exception as error:  # a broken node can make a shape rule fail in any way
        raise GraphError(f"after {after}: {node!r}: {error}") from error
    if expected != node.type:
        raise GraphError(
            f"after {after}: {node!r} should have type {type_text(expected)} by the shape rule "
            f"of {node.op.name}."
        )
