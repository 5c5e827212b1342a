"""`verify` finds each way in which a graph can be broken, and says which node."""

from __future__ import annotations

from typing import Any

import pytest

import steepest as st
from steepest.errors import GraphError
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.graph.verify import verify
from steepest.ops import REGISTRY

PAIR = TensorType((2,), st.float32)


def exp(operand: Node, result: Any = PAIR) -> Node:
    return Node(REGISTRY["exp"], (operand,), {}, result)


def broken(graph: Graph) -> str:
    """The message that `verify` gives."""
    with pytest.raises(GraphError) as caught:
        verify(graph, after="some_pass")
    return str(caught.value)


def test_a_good_graph_is_returned() -> None:
    x = make_input("x", PAIR)
    graph = Graph("f", (x,), (exp(exp(x)), x))
    assert verify(graph, after="trace") is graph


def test_wrong_shape() -> None:
    x = make_input("x", PAIR)
    wrong = exp(x, TensorType((3,), st.float32))
    assert broken(Graph("f", (x,), (wrong,))) == (
        f"after some_pass: <Node {wrong.serial} exp : float32[3]> should have type float32[2] by "
        f"the shape rule of exp."
    )


def test_wrong_data_type() -> None:
    x = make_input("x", PAIR)
    wrong = exp(x, TensorType((2,), st.float64))
    assert broken(Graph("f", (x,), (exp(wrong, wrong.type),))) == (
        f"after some_pass: <Node {wrong.serial} exp : float64[2]> should have type float32[2] by "
        f"the shape rule of exp."
    )


def test_operands_that_the_shape_rule_refuses() -> None:
    x = make_input("x", TensorType((2,), st.int32))
    wrong = exp(x)
    assert broken(Graph("f", (x,), (wrong,))) == (
        f"after some_pass: {wrong!r}: exp: operand is int32[2], but this operation takes floating "
        f"data types. Convert it with .astype(...)."
    )


@pytest.mark.parametrize(
    ("operands", "static"),
    [(0, {}), (2, {}), (1, {"axes": (0,)})],
    ids=["too few operands", "too many operands", "unknown static argument"],
)
def test_operands_that_make_the_shape_rule_fail(operands: int, static: dict[str, Any]) -> None:
    x = make_input("x", PAIR)
    wrong = Node(REGISTRY["exp"], (x,) * operands, static, PAIR)
    assert broken(Graph("f", (x,), (wrong,))).startswith(f"after some_pass: {wrong!r}: ")


def test_missing_static_argument() -> None:
    x = make_input("x", PAIR)
    wrong = Node(REGISTRY["sum"], (x,), {}, PAIR)
    assert "missing 1 required keyword-only argument: 'axes'" in broken(Graph("f", (x,), (wrong,)))


def test_input_that_the_graph_does_not_have() -> None:
    x, stray = make_input("x", PAIR), make_input("stray", PAIR)
    assert broken(Graph("f", (x,), (exp(stray),))) == (
        f"after some_pass: <Node {stray.serial} stray : float32[2]> is used but is no input of "
        f"the graph."
    )


def test_input_twice() -> None:
    x = make_input("x", PAIR)
    assert broken(Graph("f", (x, x), (x,))) == f"after some_pass: the input {x!r} stands twice."


def test_computed_input() -> None:
    x = make_input("x", PAIR)
    computed = exp(x)
    assert broken(Graph("f", (computed,), (computed,))) == (
        f"after some_pass: the input {computed!r} is computed."
    )


def test_cycle() -> None:
    x = make_input("x", PAIR)
    first = exp(x)
    second = exp(first)
    object.__setattr__(first, "operands", (second,))
    assert broken(Graph("f", (x,), (second,))) == (
        f"after some_pass: {first!r} comes before its operand {second!r}."
    )


def test_several_tensors_returned_as_one() -> None:
    x = make_input("x", PAIR)
    static = {"input_count": 1, "rule": len}
    both = Node(REGISTRY["custom_gradient"], (x, x, x), static, (PAIR, PAIR))
    assert broken(Graph("f", (x,), (both,))) == (
        f"after some_pass: the output <Node {both.serial} custom_gradient : "
        f"(float32[2], float32[2])> is not one tensor."
    )


def test_static_argument_that_could_change() -> None:
    x = make_input("x", PAIR)
    wrong = Node(REGISTRY["sum"], (x,), {"axes": [0]}, TensorType((), st.float32))
    assert broken(Graph("f", (x,), (wrong,))) == (
        f"after some_pass: {wrong!r} has a static argument 'axes' that is not hashable: [0]."
    )


def test_every_output_is_checked() -> None:
    x = make_input("x", PAIR)
    wrong = exp(x, TensorType((), st.float32))
    assert "should have type" in broken(Graph("f", (x,), (x, exp(x), wrong)))
