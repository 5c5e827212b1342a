"""Graphs as text: `to_text` prints, `from_text` parses, and the two are inverse.

A rule given by `custom_gradient` is a Python function, which is printed but cannot be parsed.

graph step(%0 x: float32[2, 3]) {
  %1 = constant(value=array(2.0)) : float32[]
  %2 = multiply(%0, %1) : float32[2, 3]  # model.py:4 in Linear 'head'
  return %2
}

`return %7, %9 into %1` says that %9 is the new value of the state that the input %1 holds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest.errors import GraphError, did_you_mean
from steepest.graph.dtypes import DType, by_name
from steepest.graph.node import Graph, Node, NodeType, Operation, make_input, type_text
from steepest.graph.types import UNKNOWN, Origin, TensorType

_HEADER = re.compile(r"graph (?P<name>[^(]+)\((?P<inputs>.*)\) \{")
_INPUT = re.compile(r"%(?P<number>\d+) (?P<name>[^:]*): (?P<type>\w+\[[\d, ]*\])")
_NODE = re.compile(
    r"%(?P<number>\d+) = (?P<op>\w+)\((?P<arguments>.*)\) : (?P<type>[^#]+?)(?:  # (?P<origin>.*))?"
)
_ORIGIN = re.compile(r"(?:(?P<file>[^:]+):(?P<line>\d+))?(?: ?in (?P<scope>.+))?")
_TENSOR_TYPE = re.compile(r"(\w+)\[([\d, ]*)\]")


def to_text(graph: Graph, origins: bool = True) -> str:
    """Print a graph, one node a line; `origins` adds the user's line behind each node."""
    numbers = node_numbers(graph)
    inputs = ", ".join(
        f"%{numbers[id(node)]} {node.name}: {type_text(node.type)}" for node in graph.inputs
    )
    lines = [f"graph {graph.name}({inputs}) {{"]
    for node in graph.nodes():
        if not node.is_input:
            lines.append("  " + _node_text(node, numbers, origins))
    targets = {
        output: f" into %{numbers[id(graph.inputs[held])]}" for output, held in graph.updates
    }
    returned = [f"%{numbers[id(node)]}{targets.get(n, '')}" for n, node in enumerate(graph.outputs)]
    lines.append("  return " + ", ".join(returned))
    lines.append("}")
    return "\n".join(lines) + "\n"


def node_numbers(graph: Graph) -> dict[int, int]:
    """The number of each node in the text of a graph, by the node's id."""
    numbers: dict[int, int] = {}
    for node in [*graph.inputs, *graph.nodes()]:
        numbers.setdefault(id(node), len(numbers))
    return numbers


def _node_text(node: Node, numbers: dict[int, int], origins: bool) -> str:
    assert node.op is not None
    arguments = [f"%{numbers[id(operand)]}" for operand in node.operands]
    arguments += [f"{name}={_static_text(value)}" for name, value in node.static.items()]
    line = f"%{numbers[id(node)]} = {node.op.name}({', '.join(arguments)}) : "
    line += type_text(node.type)
    if origins and str(node.origin):
        line += f"  # {node.origin}"
    return line


def _static_text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array({_floats_as_text(_shortest(value).tolist())})"
    if isinstance(value, DType):
        return value.name
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float | complex):
        return _floats_as_text(value)
    if isinstance(value, str | bool | int | tuple | type(None)):
        return repr(value)
    return f"<{getattr(value, '__qualname__', type(value).__name__)}>"


def _shortest(array: np.ndarray) -> np.ndarray:
    """Float32 numbers as the shortest decimals that round to them."""
    if array.dtype != np.float32:
        return array
    return np.array([float(str(number)) for number in array.reshape(-1)]).reshape(array.shape)


def _floats_as_text(value: Any) -> str:
    """Write nested lists of numbers so that `_parse_literal` reads the same bits."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_floats_as_text, value)) + "]"
    if isinstance(value, complex):
        return f"complex({value.real!r}, {value.imag!r})"
    return repr(value)


def from_text(text: str, operations: Mapping[str, Operation]) -> Graph:
    """Parse what `to_text` printed.

    Args:
        operations: the primitives by name (`steepest.ops.REGISTRY`).

    Raises:
        GraphError: a line that the grammar does not know.
    """
    lines = [line.strip() for line in text.strip().splitlines()] or [""]
    header = _HEADER.fullmatch(lines[0])
    if header is None:
        raise GraphError(f"line 1 is not the head of a graph: {lines[0]!r}")
    values: dict[int, Node] = {}
    inputs = []
    for match in _INPUT.finditer(header["inputs"]):
        node = make_input(match["name"].strip(), _parse_tensor_type(match["type"]))
        values[int(match["number"])] = node
        inputs.append(node)
    for number, line in enumerate(lines[1:], start=2):
        try:
            if line.startswith("return"):
                return _parse_return(header["name"], tuple(inputs), line, values)
            _parse_node(line, values, operations)
        except (SyntaxError, ValueError, TypeError) as error:
            raise GraphError(f"line {number} cannot be read: {line!r}: {error}") from error
    raise GraphError("the graph has no return line.")


def _parse_return(name: str, inputs: tuple[Node, ...], line: str, values: dict[int, Node]) -> Graph:
    found = re.findall(r"(%\d+)(?: into (%\d+))?", line)
    updates = tuple(
        (number, inputs.index(_value(held, values)))
        for number, (_, held) in enumerate(found)
        if held
    )
    return Graph(name, inputs, tuple(_value(output, values) for output, _ in found), updates)


def _parse_node(line: str, values: dict[int, Node], operations: Mapping[str, Operation]) -> None:
    match = _NODE.fullmatch(line)
    if match is None:
        raise GraphError("it is not a node.")
    if match["op"] not in operations:
        raise GraphError(
            f"no operation is called {match['op']!r}." + did_you_mean(match["op"], operations)
        )
    node_type = _parse_type(match["type"])
    operands, static = _parse_arguments(match["arguments"], values, node_type)
    origin = _parse_origin(match["origin"] or "")
    made = Node(operations[match["op"]], operands, static, node_type, origin)
    values[int(match["number"])] = made


def _parse_arguments(
    text: str, values: dict[int, Node], node_type: NodeType
) -> tuple[tuple[Node, ...], dict[str, Any]]:
    call = ast.parse(f"f({text.replace('%', 'value_')})", mode="eval").body
    assert isinstance(call, ast.Call)
    operands = tuple(_value(ast.unparse(each), values) for each in call.args)
    static = {str(each.arg): _parse_literal(each.value, node_type) for each in call.keywords}
    return operands, static


def _value(text: str, values: Mapping[int, Node]) -> Node:
    """The node that `%3` (or, within a call, `value_3`) stands for."""
    number = text.removeprefix("%").removeprefix("value_")
    if not number.isdecimal() or int(number) not in values:
        raise GraphError(f"%{number} is used before it is defined.")
    return values[int(number)]


def _parse_origin(text: str) -> Origin:
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return UNKNOWN
    return Origin(match["file"] or "", int(match["line"] or 0), match["scope"] or "")


def _parse_literal(expression: ast.expr, node_type: NodeType) -> Any:
    """Read a static argument; an array takes the data type of its node."""
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "complex":
        return complex(*(_parse_literal(each, node_type) for each in expression.args))
    if isinstance(expression, ast.Call):
        assert isinstance(node_type, TensorType)
        numbers = _parse_literal(expression.args[0], node_type)
        return np.array(numbers, dtype=node_type.dtype.compute).reshape(node_type.shape)
    if isinstance(expression, ast.Name):
        if expression.id in ("nan", "inf"):
            return float(expression.id)
        return by_name(expression.id)
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.operand, ast.Name):
        return -float(expression.operand.id)
    if isinstance(expression, ast.List):
        return [_parse_literal(each, node_type) for each in expression.elts]
    return ast.literal_eval(expression)


def _parse_type(text: str) -> NodeType:
    if text.startswith("("):
        return tuple(_parse_tensor_type(found[0]) for found in _TENSOR_TYPE.finditer(text))
    return _parse_tensor_type(text)


def _parse_tensor_type(text: str) -> TensorType:
    match = _TENSOR_TYPE.fullmatch(text.strip())
    if match is None:
        raise GraphError(f"{text!r} is not a type.")
    shape = tuple(int(size) for size in match[2].split(",") if size.strip())
    return TensorType(shape, by_name(match[1]))
