"""Small programs run by the native back end and by the evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.compile import Compiled, compile_natively
from steepest.graph.dtypes import from_numpy
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.ops.primitive import Primitive
from steepest.runtime.executable import NativeExecutable


def one_node(primitive: Primitive, arrays: Sequence[np.ndarray], static: dict[str, Any]) -> Graph:
    """A graph of one operation on inputs of the types of `arrays`."""
    inputs = tuple(
        make_input(f"x{n}", TensorType(array.shape, from_numpy(array.dtype)))
        for n, array in enumerate(arrays)
    )
    result = primitive.infer(*(node.type for node in inputs), **static)
    return Graph("one", inputs, (Node(primitive, inputs, static, result),))


def assert_equal_to_evaluator(
    graph: Graph, arrays: Sequence[np.ndarray], relative: float, absolute: float
) -> None:
    """Run a graph both ways and compare every output's type, shape and numbers."""
    expected = evaluate(graph, arrays)
    found = NativeExecutable(graph, threads=2)(arrays)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=relative, atol=absolute, equal_nan=True)


def native(function: Callable[..., Any]) -> Compiled[..., Any]:
    """Compile a function natively, whatever the options say."""
    return Compiled(function, compile_natively)


def traced_graph(function: Callable[..., Any], *arguments: st.Tensor) -> Graph:
    """The optimised graph of a function of tensors."""
    graphs: list[Graph] = []

    def keep(graph: Graph) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        graphs.append(graph)
        return lambda arrays: evaluate(graph, arrays)

    Compiled(function, keep)(*arguments)
    return graphs[0]
