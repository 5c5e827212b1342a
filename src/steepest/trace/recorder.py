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
from steepest.trace.program import Place, TracedProgram, consumed_message, gradient_state
from steepest.trace.state import state
from steepest.trace.value import Consumed, Value


class Trace:
    """Records one graph.

    Attributes:
        name: the function's name, for dumps.
        arguments: the tensors that the function was called with, one per input.
        captured: tensors from outside that the function used, in the order of first use.
    """

    def __init__(self, name: str):
        self.name = name
        self.arguments: list[Value] = []
        self.captured: list[Value] = []
        self._argument_inputs: list[Value] = []
        self._numbers: dict[int, int] = {}
        self._pinned: dict[int, Value] = {}
        self._captured_inputs: list[Value] = []
        self._flags: list[tuple[Value, bool]] = []
        self._current: dict[int, tuple[Value, Value]] = {}
        self._assigned: dict[int, Value] = {}
        self._gradients: dict[int, tuple[Value, Value | None]] = {}
        self._cleared: set[int] = set()
        self._entry_gradients: dict[int, tuple[Value, Any]] = {}
        self._gradient_inputs: dict[int, tuple[Value, Value]] = {}
        self._guards: dict[int, tuple[HasStaticState, dict[str, Any]]] = {}
        self._entries: set[int] = set()
        self._paths: dict[int, tuple[bool, ...]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record every operation of this thread until the block ends.

        If a function is running that runs twice, that concerns the program's own runs, not this.
        """
        before = state.trace, state.first_run, state.second_run
        state.trace, state.first_run, state.second_run = self, None, None
        try:
            yield
        finally:
            state.trace, state.first_run, state.second_run = before

    def argument(self, name: str, value: Value) -> Value:
        """Make the stand-in for a tensor argument; a tensor given twice has one stand-in."""
        stand_in = self._stand_in(name, value)
        stand_in._owner = value
        self.arguments.append(value)
        self._argument_inputs.append(stand_in)
        number = self._numbers.setdefault(id(value), len(self.arguments) - 1)
        return self._argument_inputs[number]

    def read(self, value: Value) -> Value:
        """Return the symbolic value that `value` has at this point of the program."""
        now = value if state.second_run is None else state.second_run.read(value)
        found = self._read(now)
        if state.first_run is not None:
            state.first_run.note_use(value, found)
        return found

    def _read(self, value: Value) -> Value:
        self._pin(value)
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

    def _pin(self, value: Value) -> None:
        """Note that an argument was reached from outside too: later calls must pass the same."""
        number = self._numbers.get(id(value))
        if number is not None:
            self._pinned[number] = value
            self._current.setdefault(id(value), (value, self._argument_inputs[number]))

    def _capture(self, value: Value) -> Value:
        """Make a tensor from outside an input of the graph."""
        name = value.name or f"state{len(self.captured)}"
        stand_in = self._stand_in(name, value)
        stand_in._owner = value
        self.captured.append(value)
        self._captured_inputs.append(stand_in)
        self._flags.append((value, value._requires_grad))
        self._current[id(value)] = (value, stand_in)
        return stand_in

    def _stand_in(self, name: str, value: Value) -> Value:
        """A new input of the graph for a tensor that holds numbers."""
        assert isinstance(value._type, TensorType)
        stand_in = Value._symbolic(make_input(name, value._type), self)
        stand_in._requires_grad = value._requires_grad
        self._entries.add(id(stand_in))
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
        self._paths[id(node)] = tuple(self._has_path(operand) for operand in operands)
        return Value._symbolic(node, self)

    def _has_path(self, operand: Value) -> bool:
        """Whether a gradient may flow from an operation through this operand to an input.

        The graph does not tell: a node stands for a detached tensor as well.
        """
        if not (state.gradients_enabled and operand._requires_grad):
            return False
        return operand._record is not None or id(operand) in self._entries

    def assign(self, target: Value, source: Value) -> None:
        """Let `target` have the value of `source` from here on."""
        if any(target is argument for argument in self._argument_inputs):
            raise TraceError(
                located(
                    "assign: an argument of a compiled function cannot be assigned to. "
                    "Return the new value, or keep the tensor outside of the function."
                )
            )
        before = self.read(target)
        fresh = self.read(source)._detached()
        fresh._requires_grad = target._requires_grad
        fresh._owner = target
        # Records that used the value before notice that it changed, as they do outside a trace.
        before._version += 1
        self._current[id(target)] = (target, fresh)
        number = self._numbers.get(id(target))
        if number is not None:
            stand_in = self._argument_inputs[number]
            self._current[id(stand_in)] = (stand_in, fresh)
        if target._array is not None:
            self._assigned[id(target)] = target
        for owner, entry in self._gradient_inputs.values():
            if target is entry:
                self._gradients.setdefault(id(owner), (owner, target))

    def gradient_of(self, value: Value) -> Value | None:
        """The `.grad` that a tensor has at this point of the program."""
        self._pin(value)
        owner = value._leaf
        if id(owner) in self._gradients:
            return self._gradients[id(owner)][1]
        if owner._array is None:
            return None
        entry = owner._grad
        self._entry_gradients.setdefault(id(owner), (owner, gradient_state(entry)))
        if isinstance(entry, Consumed):
            raise GradientError(located(consumed_message(owner)))
        if entry is None:
            return None
        if id(owner) not in self._gradient_inputs:
            name = owner.name or f"tensor{len(self._gradient_inputs)}"
            self._gradient_inputs[id(owner)] = (owner, self._stand_in(f"{name}_grad", entry))
        return self._gradient_inputs[id(owner)][1]

    def set_gradient(self, value: Value, gradient: Value | None) -> None:
        """Let a tensor have this `.grad` from here on."""
        self._pin(value)
        owner = value._leaf
        if gradient is None:
            self._cleared.add(id(owner))
        self._gradients[id(owner)] = (owner, gradient)

    def guard(self, holder: HasStaticState) -> None:
        """Note the plain values of `holder`, on which the program depends."""
        if id(holder) not in self._guards:
            self._guards[id(holder)] = (holder, dict(holder._static_state()))

    def finish(self, results: Sequence[Value]) -> TracedProgram:
        """Close the graph: results first, then assigned state, then gradients to hand out."""
        outputs = [self.read(value) for value in results]
        assigned = list(self._assigned.values())
        outputs += [self.read(target) for target in assigned]
        handed_out: list[Place] = []
        cleared: list[Place] = []
        consumed: list[Place] = []
        for key, (owner, gradient) in self._gradients.items():
            if owner._array is None:
                continue
            if gradient is None:
                cleared.append(self._place(owner))
            elif key in self._cleared:
                consumed.append(self._place(owner))
            else:
                handed_out.append(self._place(owner))
                outputs.append(self.read(gradient))
        entries = self._gradient_inputs.values()
        inputs = (*self._argument_inputs, *self._captured_inputs, *(each for _, each in entries))
        position = {id(each): n for n, each in enumerate(self.captured)}
        updates = tuple(
            (len(results) + n, len(self._argument_inputs) + position[id(each)])
            for n, each in enumerate(assigned)
            if id(each) in position
        )
        graph = Graph(self.name, _nodes(inputs), _nodes(outputs), updates)
        is_state = range(len(results), len(results) + len(assigned))
        tracked = [
            position
            for position, value in enumerate(outputs)
            if value._requires_grad and position not in is_state
        ]
        return TracedProgram(
            graph=graph,
            paths={id(node): self._paths[id(node)] for node in graph.nodes() if node.operands},
            result_count=len(results),
            tracked=tracked,
            sources=_sources([outputs[position] for position in tracked], inputs),
            captured=list(self.captured),
            gradients_in=[self._place(owner) for owner, _ in entries],
            assigned=assigned,
            gradients_out=handed_out,
            gradients_cleared=cleared,
            gradients_consumed=consumed,
            guards=list(self._guards.values()),
            flags=self._flags,
            pinned=self._pinned,
            entry_gradients=[
                (self._place(owner), before) for owner, before in self._entry_gradients.values()
            ],
        )

    def _place(self, owner: Value) -> Place:
        """Where a run finds a tensor: among its arguments, or outside."""
        number = self._numbers.get(id(owner))
        return owner if number is None else number


def _sources(outputs: Sequence[Value], inputs: Sequence[Value]) -> frozenset[int]:
    """The numbers of the inputs to which gradients flow back from the outputs.

    A tensor that the function assigned to before it used it counts too: the gradient belongs to
    its new numbers, so the reverse pass will find that it has changed, and refuse.
    """
    numbers = {id(stand_in): n for n, stand_in in enumerate(inputs)}
    owners = {id(stand_in._owner): n for n, stand_in in enumerate(inputs)}
    found: set[int] = set()
    seen: set[int] = set()
    stack = list(outputs)
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value._record is not None:
            stack.extend(each for each in value._record.operands if each._requires_grad)
        elif id(value) in numbers:
            found.add(numbers[id(value)])
        elif value._owner is not None:
            found.add(owners[id(value._owner)])
    return frozenset(found)


def _nodes(values: Sequence[Value]) -> tuple[Node, ...]:
    nodes = []
    for value in values:
        assert value._node is not None
        nodes.append(value._node)
    return tuple(nodes)
