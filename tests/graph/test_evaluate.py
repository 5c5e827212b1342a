"""The NumPy interpreter: what it keeps, what it returns, what it says when numbers are wrong."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import steepest as st
from steepest.errors import ArgumentError
from steepest.graph.evaluate import Evaluator, evaluate
from steepest.graph.node import Graph, Node, make_input, topological
from steepest.graph.types import Origin, TensorType
from steepest.ops import REGISTRY, Primitive
from steepest.ops.elementwise.selection import identity

VECTOR = TensorType((1000,), st.float64)


@pytest.fixture
def counting() -> Iterator[tuple[Primitive, list[int]]]:
    """An operation that adds 1 and notes how many of its results are alive when it runs."""
    made: list[weakref.ref[np.ndarray]] = []
    counted: list[int] = []

    def add_one(x: np.ndarray) -> np.ndarray:
        gc.collect()
        counted.append(sum(each() is not None for each in made))
        result = np.add(x, 1)
        made.append(weakref.ref(result))
        return result

    primitive = Primitive(
        "counting", infer=lambda x: x, evaluate=add_one, gradient=None, samples=list
    )
    yield primitive, counted
    del REGISTRY["counting"]


def test_dead_values_are_dropped(counting: tuple[Primitive, list[int]]) -> None:
    """Of a chain, only the value that the next operation reads is alive."""
    primitive, counted = counting
    x = make_input("x", VECTOR)
    node = x
    for _ in range(6):
        node = Node(primitive, (node,), {}, VECTOR)
    (result,) = evaluate(Graph("chain", (x,), (node,)), [np.zeros(1000)])
    assert result.tolist() == [6.0] * 1000
    assert counted == [0, 1, 1, 1, 1, 1]


def test_values_needed_later_are_kept(counting: tuple[Primitive, list[int]]) -> None:
    primitive, counted = counting
    x = make_input("x", VECTOR)
    first = Node(primitive, (x,), {}, VECTOR)
    node = first
    for _ in range(3):
        node = Node(primitive, (node,), {}, VECTOR)
    total = Node(REGISTRY["add"], (node, first), {}, VECTOR)
    (result,) = evaluate(Graph("chain", (x,), (total,)), [np.zeros(1000)])
    assert result.tolist() == [5.0] * 1000
    assert counted == [0, 1, 2, 2]


def test_nodes_that_no_output_needs_do_not_run(counting: tuple[Primitive, list[int]]) -> None:
    primitive, counted = counting
    x = make_input("x", VECTOR)
    Node(primitive, (x,), {}, VECTOR)
    evaluate(Graph("f", (x,), (x,)), [np.zeros(1000)])
    assert counted == []


def test_one_evaluator_runs_many_times() -> None:
    x = make_input("x", VECTOR)
    run = Evaluator(Graph("f", (x,), (Node(REGISTRY["exp"], (x,), {}, VECTOR), x)))
    for number in (0.0, 1.0):
        numbers = np.full(1000, number)
        result, same = run([numbers])
        np.testing.assert_array_equal(result, np.exp(numbers))
        assert same is numbers


def test_types_are_exact() -> None:
    """NumPy hands out scalars and wider types here and there; the evaluator does not."""
    x = make_input("x", TensorType((3,), st.bfloat16))
    total = Node(REGISTRY["sum"], (x,), {"axes": (0,)}, TensorType((), st.bfloat16))
    (result,) = evaluate(Graph("f", (x,), (total,)), [np.full(3, 0x3F80, "uint16")])
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.uint16
    assert result == 0x4040


def test_every_step_of_bfloat16_is_rounded() -> None:
    """256 + 1 + 1 is 256 when each sum is rounded to 8 bits, but 258 when only the last is."""
    type_ = TensorType((), st.bfloat16)
    x, one = make_input("x", type_), make_input("one", type_)
    first = Node(REGISTRY["add"], (x, one), {}, type_)
    graph = Graph("f", (x, one), (Node(REGISTRY["add"], (first, one), {}, type_),))
    numbers = [st.asarray(value, dtype=st.bfloat16)._stored() for value in (256.0, 1.0)]
    assert st.asarray(256.0, dtype=st.bfloat16)._stored() == evaluate(graph, numbers)[0]


def test_no_warnings_of_numpy() -> None:
    x = make_input("x", TensorType((2,), st.float32))
    logarithm = Node(REGISTRY["log"], (x,), {}, x.type)
    graph = Graph("f", (x,), (logarithm,))
    np.testing.assert_array_equal(
        evaluate(graph, [np.array([0, -1], "float32")])[0], [-np.inf, np.nan]
    )


def test_numbers_that_an_operation_refuses_name_the_line() -> None:
    x = make_input("x", TensorType((), st.int64))
    origin = Origin("model.py", 3, "Linear 'head'")
    power = Node(REGISTRY["power"], (x, x), {}, x.type, origin)
    with pytest.raises(ArgumentError) as caught:
        evaluate(Graph("f", (x,), (power,)), [np.array(-1)])
    assert str(caught.value) == (
        "power: a negative exponent of an integer base gives no integer. Convert the base with "
        ".astype(...). At model.py:3 in Linear 'head'."
    )


def test_wrong_number_of_arrays() -> None:
    x = make_input("x", VECTOR)
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter"):
        evaluate(Graph("f", (x,), (x,)), [])


def test_order_of_nodes() -> None:
    """Operands first, in the order in which they are used, each node once."""
    x = make_input("x", VECTOR)
    left = Node(REGISTRY["exp"], (x,), {}, VECTOR)
    right = Node(REGISTRY["sin"], (x,), {}, VECTOR)
    total = Node(REGISTRY["add"], (right, left), {}, VECTOR)
    assert topological([total, left]) == [x, right, left, total]
    assert Graph("f", (x,), (total,)).nodes() == [x, right, left, total]


def test_long_chains_need_no_deep_stack() -> None:
    x = make_input("x", TensorType((), st.float64))
    node = x
    for _ in range(20_000):
        node = Node(identity, (node,), {}, x.type)
    assert evaluate(Graph("f", (x,), (node,)), [np.array(3.0)])[0] == 3.0
