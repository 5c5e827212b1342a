"""The trace of one call of a Python function: its graph, and the state that it reads and writes.

Tensors that exist before the call (parameters, optimizer moments, the random counter) become
inputs of the graph when they are first used, and outputs when the function assigns to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from steepest.errors import GradientError, TraceError
from steepest.graph.node import Graph, Node, NodeType, make_input
from steepest.graph.types import TensorType
from steepest.ops.primitive import Primitive
from steepest.trace.guards import HasStaticState
from steepest.trace.origin import current_origin, located
from steepest.trace.state import state
from steepest.trace.value import CONSUMED, Consumed, Value


class Trace:
    """Records one graph.

    Attributes:
        name: the function's name, for dumps.
        arguments: the values that stand for the function's tensor arguments.
        captured: tensors from outside that the function used, in the order of first use.
    """

    def __init__(self, name: str):
        self.name = name
        self.arguments: list[Value] = []
        self.captured: list[Value] = []
        self._captured_values: list[Value] = []
        self._current: dict[int, tuple[Value, Value]] = {}
        self._assigned: dict[int, Value] = {}
        self._gradients: dict[int, tuple[Value, Value | None]] = {}
        self._cleared: set[int] = set()
        self._read_gradients: dict[int, Value] = {}
        self._guards: dict[int, tuple[HasStaticState, dict[str, Any]]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record every operation of this thread until the block ends."""
        before = state.trace
        state.trace = self
        try:
            yield
        finally:
            state.trace = before

    def argument(self, name: str, value: Value) -> Value:
        """Make the stand-in for a tensor argument."""
        assert isinstance(value._type, TensorType)
        stand_in = Value._symbolic(make_input(name, value._type), self)
        stand_in._requires_grad = value._requires_grad
        stand_in._owner = value
        self.arguments.append(stand_in)
        return stand_in

    def read(self, value: Value) -> Value:
        """Return the symbolic value that `value` has at this point of the program."""
        found = self._current.get(id(value))
        if found is not None:
            return found[1]
        if value._array is not None:
            return self._capture(value)
        if value._trace is not self:
            raise TraceError(
                located(
                    f"a tensor {value._type} traced by another compiled function was kept and "
                    f"used here. Return it from that function instead."
                )
            )
        return value

    def _capture(self, value: Value) -> Value:
        """Make a tensor from outside an input of the graph."""
        assert isinstance(value._type, TensorType)
        name = value.name or f"state{len(self.captured)}"
        stand_in = Value._symbolic(make_input(name, value._type), self)
        stand_in._requires_grad = value._requires_grad
        stand_in._owner = value
        self.captured.append(value)
        self._captured_values.append(stand_in)
        self._current[id(value)] = (value, stand_in)
        return stand_in

    def add_node(
        self,
        op: Primitive,
        operands: Sequence[Value],
        static: Mapping[str, Any],
        result_type: NodeType,
    ) -> Value:
        """Add an operation to the graph."""
        nodes = []
        for operand in operands:
            assert operand._node is not None
            nodes.append(operand._node)
        node = Node(op, tuple(nodes), dict(static), result_type, current_origin())
        return Value._symbolic(node, self)

    def assign(self, target: Value, source: Value) -> None:
        """Let `target` have the value of `source` from here on."""
        if any(target is argument for argument in self.arguments):
            raise TraceError(
                located(
                    "assign: an argument of a compiled function cannot be assigned to. "
                    "Return the new value, or keep the tensor outside of the function."
                )
            )
        if target._array is not None and id(target) not in self._current:
            self._capture(target)
        fresh = self.read(source)._detached()
        fresh._requires_grad = target._requires_grad
        fresh._owner = target
        self._current[id(target)] = (target, fresh)
        if target._array is not None:
            self._assigned[id(target)] = target

    def gradient_of(self, owner: Value) -> Value | None:
        """The `.grad` that `owner` has at this point of the program."""
        if id(owner) in self._gradients:
            return self._gradients[id(owner)][1]
        self._read_gradients[id(owner)] = owner
        entry = owner._grad
        if isinstance(entry, Consumed):
            raise GradientError(consumed_message(owner))
        return entry

    def set_gradient(self, owner: Value, gradient: Value | None) -> None:
        """Let `owner` have this `.grad` from here on."""
        if gradient is None:
            self._cleared.add(id(owner))
        self._gradients[id(owner)] = (owner, gradient)

    def guard(self, holder: HasStaticState) -> None:
        """Note the plain values of `holder`, on which the program depends."""
        if id(holder) not in self._guards:
            self._guards[id(holder)] = (holder, dict(holder._static_state()))

    def finish(self, results: Sequence[Value]) -> TracedProgram:
        """Close the graph: results first, then assigned state, then gradients to hand out."""
        result_nodes = [self._node_of(value) for value in results]
        assigned = list(self._assigned.values())
        state_nodes = [self._node_of(target) for target in assigned]
        handed_out: list[Value] = []
        gradient_nodes: list[Node] = []
        cleared: list[Value] = []
        consumed: list[Value] = []
        for key, (owner, gradient) in self._gradients.items():
            if owner._array is None:
                continue
            if gradient is None:
                cleared.append(owner)
            elif key in self._cleared:
                consumed.append(owner)
            else:
                handed_out.append(owner)
                gradient_nodes.append(self._node_of(gradient))
        inputs = [self._node_of_symbolic(value) for value in self.arguments]
        inputs += [self._node_of_symbolic(value) for value in self._captured_values]
        outputs = (*result_nodes, *state_nodes, *gradient_nodes)
        return TracedProgram(
            graph=Graph(self.name, tuple(inputs), outputs),
            argument_count=len(self.arguments),
            result_requires_grad=[self.read(value)._requires_grad for value in results],
            captured=list(self.captured),
            assigned=assigned,
            gradients_out=handed_out,
            gradients_cleared=cleared,
            gradients_consumed=consumed,
            guards=list(self._guards.values()),
            gradient_reads=list(self._read_gradients.values()),
        )

    def _node_of(self, value: Value) -> Node:
        return self._node_of_symbolic(self.read(value))

    @staticmethod
    def _node_of_symbolic(value: Value) -> Node:
        assert value._node is not None
        return value._node


class TracedProgram:
    """What a trace gives: a graph, and how its inputs and outputs belong to tensors.

    Inputs of the graph are the arguments, then `captured`; outputs are the results, then
    `assigned`, then `gradients_out`.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        argument_count: int,
        result_requires_grad: list[bool],
        captured: list[Value],
        assigned: list[Value],
        gradients_out: list[Value],
        gradients_cleared: list[Value],
        gradients_consumed: list[Value],
        guards: list[tuple[HasStaticState, dict[str, Any]]],
        gradient_reads: list[Value],
    ):
        self.graph = graph
        self.argument_count = argument_count
        self.result_requires_grad = result_requires_grad
        self.result_count = len(result_requires_grad)
        self.captured = captured
        self.assigned = assigned
        self.gradients_out = gradients_out
        self.gradients_cleared = gradients_cleared
        self.gradients_consumed = gradients_consumed
        self._guards = guards
        self._flags = [(value, value._requires_grad) for value in captured]
        self._types = [(value, value._type) for value in captured]
        self._entry_gradients = [
            (owner, None if owner._grad is None else id(owner._grad)) for owner in gradient_reads
        ]

    def still_holds(self) -> bool:
        """Whether everything that the trace took for granted is as it was."""
        if any(value._requires_grad != flag for value, flag in self._flags):
            return False
        if any(value._type != old for value, old in self._types):
            return False
        for owner, before in self._entry_gradients:
            now = None if owner._grad is None else id(owner._grad)
            if now != before:
                return False
        return all(holder._static_state() == before for holder, before in self._guards)

    def finish_gradients(self, arrays: Sequence[Any]) -> None:
        """Set `.grad` of the tensors that the program differentiated by, after a run."""
        for owner in self.gradients_cleared:
            owner._grad = None
        for owner in self.gradients_consumed:
            owner._grad = CONSUMED
        for owner, array in zip(self.gradients_out, arrays, strict=True):
            if isinstance(owner._grad, Value) and owner._grad._type == owner._type:
                owner._grad._array = array
                owner._grad._version += 1
            else:
                owner._grad = Value._from_storage(array, owner._type)


def consumed_message(owner: Value) -> str:
    """What to tell someone who reads a gradient that no longer exists."""
    label = f" {owner.name!r}" if owner.name else ""
    return (
        f"the gradient of tensor{label} {owner._type} was used up inside a compiled function, "
        f"which hands out no gradients that it cleared itself. Return the gradient from the "
        f"function, or call zero_grad() outside of it."
    )
