"""Graphs as text: golden texts, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import assert_same_bits

import steepest as st
from steepest.errors import GraphError
from steepest.graph.dtypes import ALL, DType, to_storage
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.text import from_text, to_text
from steepest.graph.types import UNKNOWN, Origin, TensorType
from steepest.graph.verify import verify
from steepest.ops import REGISTRY, Primitive, Sample

Golden = Callable[[str], None]


def node(name: str, *operands: Node, origin: Origin = UNKNOWN, **static: Any) -> Node:
    """An operation whose type the shape rule gives."""
    primitive = REGISTRY[name]
    result = primitive.infer(*(each.type for each in operands), **static)
    return Node(primitive, operands, static, result, origin)


def constant(value: Any, dtype: DType | None = None) -> Node:
    array = np.asarray(value)
    if dtype is None:
        return node("constant", value=array)
    return node("constant", value=array.astype(dtype.compute), dtype=dtype)


def assert_inverse(graph: Graph) -> Graph:
    """Text and back gives the same graph: the same text, the same types, the same origins."""
    text = to_text(graph)
    parsed = verify(from_text(text, REGISTRY), after="from_text")
    assert to_text(parsed) == text
    for old, new in zip(graph.nodes(), parsed.nodes(), strict=True):
        assert new.type == old.type
        assert new.op is old.op
        assert new.origin == old.origin
    return parsed


def test_layer(golden: Golden) -> None:
    """A dense layer: operands, static arguments, origins with and without a layer's name."""
    x = make_input("x", TensorType((32, 784), st.float32))
    weight = make_input("body.weight", TensorType((10, 784), st.float32))
    bias = make_input("body.bias", TensorType((10,), st.float32))
    head = Origin("model.py", 41, "Linear 'head'")
    product = node("contract", x, weight, spec="bi,oi->bo", origin=head)
    shifted = node("add", product, bias, origin=head)
    largest = node("max", shifted, axes=(1,), origin=Origin("train.py", 7))
    scaled = node("multiply", shifted, constant(np.float32(0.1)), origin=Origin(scope="Softmax"))
    graph = Graph("step", (x, weight, bias), (scaled, largest))
    golden(to_text(graph))
    golden_text = to_text(graph, origins=False)
    assert "#" not in golden_text
    assert golden_text.count("\n") == to_text(graph).count("\n")
    assert_inverse(graph)


def test_constants(golden: Golden) -> None:
    """Every data type, and numbers that need care."""
    nodes = [
        constant([1.5, -0.0, np.inf, -np.inf, np.nan]),
        constant(np.array([0.1, 1e-45, 3.4028235e38, 1 / 3], "float32")),
        constant([5e-324, 1.7976931348623157e308, 0.1]),
        constant([0.1, -0.0, np.inf], st.bfloat16),
        constant(0.5, st.bfloat16),
        constant([[True, False], [False, True]]),
        constant(np.array([0, 255], "uint8")),
        constant(np.array([2**64 - 1], "uint64")),
        constant(np.array([-(2**63)], "int64")),
        constant(np.array([1 + 2j, complex(-0.0, np.inf), complex(np.nan, -0.0)])),
        constant(np.zeros((2, 0, 3))),
        constant(np.array(7)),
    ]
    graph = Graph("constants", (), tuple(nodes))
    golden(to_text(graph))
    parsed = assert_inverse(graph)
    for old, new in zip(nodes, parsed.outputs, strict=True):
        assert_same_bits([new.static["value"]], [old.static["value"]])


def test_static_arguments(golden: Golden) -> None:
    """Numbers, data types, words, tuples, None."""
    x = make_input("", TensorType((3, 4), st.float64))
    nodes = [
        node("full", shape=(2,), value=0.1, dtype=st.float32),
        node("full", shape=(), value=-0.0, dtype=st.float64),
        node("full", shape=(), value=float("-inf"), dtype=st.float32),
        node("full", shape=(1,), value=float("nan"), dtype=st.bfloat16),
        node("full", shape=(), value=complex(-0.0, 1.0), dtype=st.complex64),
        node("full", shape=(), value=True, dtype=st.bool),
        node("full", shape=(), value=-7, dtype=st.int8),
        node("full", shape=(), value=np.float64(0.25), dtype=st.float32),
        node("full", shape=(), value=np.int64(3), dtype=st.int32),
        node("convert", x, dtype=st.bfloat16),
        node("sum", x, axes=()),
        node("sum", x, axes=(0,)),
        node("argsort", x, axis=1, descending=True),
        node("slice", x, start=(0, 1), stop=(3, 4), step=(1, 2)),
        node("contract", x, x, spec="ij,kj->ik"),
    ]
    graph = Graph("static", (x,), tuple(nodes))
    golden(to_text(graph))
    assert_inverse(graph)


def test_several_results_and_a_rule(golden: Golden) -> None:
    """A rule is a Python function: it is printed by its name, and cannot be parsed."""

    def rule(*_: Any) -> None: ...

    x = make_input("x", TensorType((2,), st.float32))
    doubled = node("add", x, x)
    both = node("custom_gradient", x, doubled, x, input_count=1, rule=rule)
    graph = Graph("custom", (x,), (node("item", both, index=1), node("item", both, index=0)))
    text = to_text(graph)
    golden(text)
    with pytest.raises(GraphError, match="line 3 cannot be read") as caught:
        from_text(text, REGISTRY)
    assert "custom_gradient" in str(caught.value)


def test_unused_inputs_and_inputs_returned() -> None:
    x = make_input("x", TensorType((2,), st.float32))
    unused = make_input("unused", TensorType((), st.int64))
    graph = Graph("f", (unused, x), (x, x))
    assert to_text(graph) == (
        "graph f(%0 unused: int64[], %1 x: float32[2]) {\n  return %1, %1\n}\n"
    )
    assert len(assert_inverse(graph).inputs) == 2


def test_a_program_without_inputs_or_outputs() -> None:
    assert to_text(Graph("nothing", (), ())) == "graph nothing() {\n  return \n}\n"
    assert_inverse(Graph("nothing", (), ()))


SAMPLES = [
    pytest.param(primitive, sample, id=f"{name}-{number}")
    for name, primitive in REGISTRY.items()
    for number, sample in enumerate(primitive.samples())
    if name != "custom_gradient"
]


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_every_primitive_can_be_read_back(primitive: Primitive, sample: Sample) -> None:
    types = [st.asarray(array)._type for array in sample.operands]
    inputs = tuple(make_input(f"x{n}", each) for n, each in enumerate(types))
    graph = Graph("one", inputs, (node(primitive.name, *inputs, **sample.static),))
    parsed = assert_inverse(graph)
    arrays = [
        to_storage(array, each.dtype) for array, each in zip(sample.operands, types, strict=True)
    ]
    assert_same_bits(evaluate(parsed, arrays), evaluate(graph, arrays))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_data_type_can_be_read_back(dtype: DType) -> None:
    x = make_input("x", TensorType((2, 3), dtype))
    assert assert_inverse(Graph("f", (x,), (x,))).inputs[0].type == x.type


def test_traced_program_can_be_read_back() -> None:
    """What a user sees of a compiled function, with origins that name this file."""
    weight = st.Tensor([0.5, -1.0], requires_grad=True)

    def loss(x: st.Tensor) -> st.Tensor:
        return st.sum(st.tanh(x @ weight))

    stages = st.compile(st.grad(loss)).stages(st.ones((3, 2)))
    for text in stages.values():
        assert "# test_text.py:" in text
        assert to_text(from_text(text, REGISTRY)) == text


HEAD = "graph f(%0 x: float32[2]) {\n"

BROKEN_TEXTS = {
    "head": ("graf f() {", "line 1 is not the head of a graph: 'graf f() {'"),
    "node": (
        HEAD + "  %1 = exp(%0)\n  return %1\n}",
        "line 2 cannot be read: '%1 = exp(%0)': it is not a node.",
    ),
    "operation": (
        HEAD + "  %1 = expp(%0) : float32[2]\n  return %1\n}",
        "line 2 cannot be read: '%1 = expp(%0) : float32[2]': no operation is called 'expp'. "
        "Did you mean 'exp'?",
    ),
    "type": (
        HEAD + "  %1 = exp(%0) : float32\n  return %1\n}",
        "line 2 cannot be read: '%1 = exp(%0) : float32': 'float32' is not a type.",
    ),
    "data type": (
        HEAD + "  %1 = exp(%0) : float31[2]\n  return %1\n}",
        "line 2 cannot be read: '%1 = exp(%0) : float31[2]': no data type is called 'float31'. "
        "Did you mean 'float32'?",
    ),
    "operand": (
        HEAD + "  %1 = exp(%7) : float32[2]\n  return %1\n}",
        "line 2 cannot be read: '%1 = exp(%7) : float32[2]': %7 is used before it is defined.",
    ),
    "returned": (
        HEAD + "  return %1\n}",
        "line 2 cannot be read: 'return %1': %1 is used before it is defined.",
    ),
    "return": (HEAD + "}", "line 2 cannot be read: '}': it is not a node."),
    "end": (HEAD, "the graph has no return line."),
    "empty": ("", "line 1 is not the head of a graph: ''"),
}


@pytest.mark.parametrize("name", sorted(BROKEN_TEXTS))
def test_broken_text(name: str) -> None:
    text, message = BROKEN_TEXTS[name]
    with pytest.raises(GraphError) as caught:
        from_text(text, REGISTRY)
    assert str(caught.value) == message
