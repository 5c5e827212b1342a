"""What a program is: a frozen graph of nodes.

The grammar, which `verify` checks and `text` prints and parses:

    graph   ::= name ( input* ) { node* return output* }
    input   ::= %number : type                          a value handed in at each run
    node    ::= %number = op ( operand*, static* ) : type
    type    ::= dtype [ size* ]  |  ( type* )           one tensor, or several

An operand is a node made earlier, so a graph has no cycles. Static arguments are plain hashable
Python values (numbers, strings, tuples, data types), but for the array of a constant.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from steepest.graph.types import UNKNOWN, Origin, TensorType

NodeType = TensorType | tuple[TensorType, ...]

_serial_numbers = itertools.count()


class Operation(Protocol):
    """What a graph must know of a primitive (see `steepest.ops`)."""

    @property
    def name(self) -> str: ...

    @property
    def infer(self) -> Callable[..., Any]: ...

    @property
    def evaluate(self) -> Callable[..., Any]: ...


def next_serial() -> int:
    """Return a number larger than all before: the order in which values were made."""
    return next(_serial_numbers)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One value of a program: an operation applied to earlier values.

    Attributes:
        op: the primitive; `None` for an input of the graph.
        operands: the nodes whose values the operation takes.
        static: the operation's static arguments, by name.
        type: the type of the value; a tuple of types when the operation makes several.
        origin: the user's line that made it; kept by every rewrite.
        name: what an input is called; empty for other nodes.
        serial: grows in the order of creation, so that operands come before their users.
    """

    op: Operation | None
    operands: tuple[Node, ...]
    static: Mapping[str, Any]
    type: NodeType
    origin: Origin = UNKNOWN
    name: str = ""
    serial: int = dataclasses.field(default_factory=next_serial)

    @property
    def is_input(self) -> bool:
        return self.op is None

    @property
    def tensor_type(self) -> TensorType:
        """The type of a node that makes one tensor."""
        assert isinstance(self.type, TensorType)
        return self.type

    def __repr__(self) -> str:
        name = self.name if self.op is None else self.op.name
        return f"<Node {self.serial} {name} : {type_text(self.type)}>"


def type_text(node_type: NodeType) -> str:
    """Write a type as the grammar has it."""
    if isinstance(node_type, TensorType):
        return str(node_type)
    return "(" + ", ".join(map(str, node_type)) + ")"


def make_input(name: str, input_type: TensorType, origin: Origin = UNKNOWN) -> Node:
    """Make a node for a value that is handed in at each run."""
    return Node(None, (), {}, input_type, origin, name)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Graph:
    """A program: inputs, and the outputs that are computed from them.

    Attributes:
        name: what the program is called, for dumps.
        inputs: the input nodes, in the order in which arrays are handed in.
        outputs: the nodes whose values a run returns.
        updates: pairs of numbers (output, input): the output is the new value of the state that the
            input holds, so a back end may write it over the old one. An input is in one pair at
            most, and of its output's type.
    """

    name: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[int, int], ...] = ()

    def nodes(self) -> list[Node]:
        """All nodes that the outputs need, inputs among them, operands before users."""
        return topological(self.outputs)


def topological(outputs: Iterable[Node]) -> list[Node]:
    """List the nodes that `outputs` depend on, operands before users, in a fixed order."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, operands_done = stack.pop()
        if operands_done:
            order.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        stack.extend((operand, False) for operand in reversed(node.operands))
    return order


def rebuild(graph: Graph, rewrite: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
    """Make a new graph by rewriting each node once its operands have been rewritten.

    Args:
        rewrite: takes an old node and its new operands, and returns the node to stand for it.
            `keep` is the rewrite that changes nothing.
    """
    replaced: dict[int, Node] = {id(node): node for node in graph.inputs}
    for node in graph.nodes():
        if node.is_input:
            continue
        operands = tuple(replaced[id(operand)] for operand in node.operands)
        replaced[id(node)] = rewrite(node, operands)
    outputs = tuple(replaced[id(node)] for node in graph.outputs)
    return Graph(graph.name, graph.inputs, outputs, graph.updates)


def keep(node: Node, operands: tuple[Node, ...]) -> Node:
    """Return `node` itself when its operands are unchanged, else a copy that uses the new ones."""
    if all(new is old for new, old in zip(operands, node.operands, strict=True)):
        return node
    return Node(node.op, operands, node.static, node.type, node.origin)


def static_key(static: Mapping[str, Any]) -> tuple[Any, ...]:
    """Make static arguments hashable, so that equal ones compare equal (arrays by their bits)."""
    return tuple((name, _value_key(value)) for name, value in sorted(static.items()))


def _value_key(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, complex):
        return ("complex", value.real.hex(), value.imag.hex())
    return (type(value).__name__, value)
