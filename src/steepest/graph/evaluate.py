"""The NumPy interpreter: it runs eager operations, and is the oracle for every other back end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steepest.errors import SteepestError
from steepest.graph.dtypes import DType, bfloat16, to_compute, to_storage
from steepest.graph.node import Graph, Node, NodeType, Operation
from steepest.graph.types import TensorType


def evaluate_operation(
    op: Operation, operands: Sequence[Any], static: Mapping[str, Any], result_type: NodeType
) -> Any:
    """Apply one operation to NumPy arrays that hold compute numbers (see `DType.compute`).

    The caller silences NumPy's warnings: an infinity or NaN is a result like any other.

    Returns:
        An array of `result_type`'s compute type, or a tuple of them.
    """
    result = op.evaluate(*operands, **static)
    if isinstance(result_type, TensorType):
        return _as_compute(result, result_type.dtype)
    return tuple(
        _as_compute(part, part_type.dtype)
        for part, part_type in zip(result, result_type, strict=True)
    )


def evaluate_node(node: Node, operands: Sequence[Any]) -> Any:
    """As `evaluate_operation`; an error that the numbers caused names the user's line."""
    assert node.op is not None
    try:
        return evaluate_operation(node.op, operands, node.static, node.type)
    except (SteepestError, IndexError) as error:
        place = f" At {node.origin}." if str(node.origin) else ""
        raise type(error)(f"{error}{place}") from None


def _as_compute(result: Any, dtype: DType) -> np.ndarray:
    """Give a result its exact type; for bfloat16, round it to what 16 bits can hold."""
    array = np.asarray(result)
    if dtype is bfloat16:
        return to_compute(to_storage(array, dtype), dtype)
    if array.dtype != dtype.compute:
        return array.astype(dtype.compute)
    return array


def evaluate(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a graph on stored arrays, one per input, and return one stored array per output.

    Values are dropped as soon as no later node needs them.
    """
    return Evaluator(graph)(arrays)


class Evaluator:
    """A graph made ready to be run many times by the NumPy interpreter.

    It is the first back end: built from a graph, called with one stored array per input.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self._nodes = [node for node in graph.nodes() if not node.is_input]
        last_use: dict[int, int] = {}
        for position, node in enumerate(self._nodes):
            for operand in node.operands:
                last_use[id(operand)] = position
        kept = {id(node) for node in graph.outputs}
        self._finished: list[list[int]] = [[] for _ in self._nodes]
        for key, position in last_use.items():
            if key not in kept:
                self._finished[position].append(key)

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            return self._run(arrays)

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        values: dict[int, Any] = {}
        for node, array in zip(self.graph.inputs, arrays, strict=True):
            values[id(node)] = to_compute(array, node.tensor_type.dtype)
        for node, finished in zip(self._nodes, self._finished, strict=True):
            operands = [values[id(operand)] for operand in node.operands]
            values[id(node)] = evaluate_node(node, operands)
            for key in finished:
                del values[key]
        return [to_storage(values[id(node)], node.tensor_type.dtype) for node in self.graph.outputs]
