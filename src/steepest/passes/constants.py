"""Computes at compile time what depends on no input, where the result is small."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.graph.dtypes import bfloat16
from steepest.graph.evaluate import evaluate_node
from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.graph.types import TensorType
from steepest.ops.sources import constant, full

LARGEST = 4096
"""Numbers that a folded constant may hold; a larger one is cheaper to compute than to keep."""


def fold_constants(graph: Graph) -> Graph:
    """Replace operations on constants by constants."""

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is None or node.op is constant or not _is_foldable(node):
            return node
        if node.op is full and node.tensor_type.size > 1:
            return node
        values = [_value_of(operand) for operand in operands]
        assert isinstance(node.type, TensorType)
        value = evaluate_node(node, values)
        static: dict[str, Any] = {"value": value}
        if node.type.dtype is bfloat16:
            static["dtype"] = bfloat16
        return Node(constant, (), static, node.type, node.origin)

    with np.errstate(all="ignore"):
        return rebuild(graph, rewrite)


def _is_foldable(node: Node) -> bool:
    """Whether a node is pure, small, and depends on constants only."""
    if not isinstance(node.type, TensorType) or node.type.size > LARGEST:
        return False
    if not getattr(node.op, "is_pure", False):
        return False
    return all(_is_constant(operand) for operand in node.operands)


def _is_constant(node: Node) -> bool:
    return node.op is constant or (node.op is full and node.tensor_type.size <= LARGEST)


def _value_of(node: Node) -> Any:
    return evaluate_node(node, ())
