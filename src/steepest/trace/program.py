"""What a trace gives: a graph, and how its inputs and outputs belong to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steepest.graph.node import Graph
from steepest.trace.guards import HasStaticState
from steepest.trace.value import CONSUMED, Consumed, Value

Place = int | Value
"""Where a run finds a tensor: the number of an argument, or a tensor from outside itself."""


def tensor_at(place: Place, arguments: Sequence[Value]) -> Value:
    """The tensor that a place means in a call with these arguments."""
    return arguments[place] if isinstance(place, int) else place


class TracedProgram:
    """A traced function.

    Inputs of the graph are the arguments, then `captured`, then the present `.grad` of the tensors
    of `gradients_in`; outputs are the results, then the new numbers of `assigned`, then the new
    `.grad` of the tensors of `gradients_out`.

    Attributes:
        paths: for each node of the graph (by identity), through which operands gradients flow.
        tracked: the numbers of the outputs that require a gradient.
        sources: the numbers of the inputs to which gradients flow back from those.
        sets_gradients: whether a run changes the `.grad` of a tensor.
    """

    def __init__(
        self,
        *,
        graph: Graph,
        paths: Mapping[int, tuple[bool, ...]],
        result_count: int,
        tracked: list[int],
        sources: frozenset[int],
        captured: list[Value],
        gradients_in: list[Place],
        assigned: list[Value],
        gradients_out: list[Place],
        gradients_cleared: list[Place],
        gradients_consumed: list[Place],
        guards: list[tuple[HasStaticState, dict[str, Any]]],
        flags: list[tuple[Value, bool]],
        pinned: Mapping[int, Value],
        entry_gradients: list[tuple[Place, Any]],
    ):
        self.graph = graph
        self.paths = paths
        self.result_count = result_count
        self.tracked = tracked
        self.sources = sources
        self.captured = captured
        self.gradients_in = gradients_in
        self.assigned = assigned
        self.gradients_out = gradients_out
        self.gradients_cleared = gradients_cleared
        self.gradients_consumed = gradients_consumed
        self._guards = guards
        self._flags = flags
        self._pinned = pinned
        self._entry_gradients = entry_gradients
        places = [*gradients_in, *gradients_out, *gradients_cleared, *gradients_consumed]
        places += [*captured, *(place for place, _ in entry_gradients)]
        self.sets_gradients = bool(gradients_out or gradients_cleared or gradients_consumed)
        self._outside = {id(place) for place in places if isinstance(place, Value)}

    def difference(self, arguments: Sequence[Value]) -> str | None:
        """What is no longer as the trace took it for granted, in a call with `arguments`."""
        for value, flag in self._flags:
            if value._requires_grad != flag:
                return f"requires_grad of tensor {value.name!r} changed"
        for number, value in self._pinned.items():
            if arguments[number] is not value:
                return f"argument {number} is another tensor, and the function uses the first one"
        for number, value in enumerate(arguments):
            if id(value) in self._outside:
                return f"argument {number} is a tensor that the function also uses from outside"
        for place, before in self._entry_gradients:
            if gradient_state(tensor_at(place, arguments)._grad) != before:
                return f"the .grad of tensor {tensor_at(place, arguments).name!r} came or went"
        for holder, then in self._guards:
            now = holder._static_state()
            if now != then:
                return _changed_attribute(holder, then, now)
        return None

    def inputs(self, arguments: Sequence[Value]) -> list[Value]:
        """The tensors that are the graph's inputs in a call with `arguments`."""
        gradients = []
        for place in self.gradients_in:
            gradient = tensor_at(place, arguments)._grad
            assert isinstance(gradient, Value)
            gradients.append(gradient)
        return [*arguments, *self.captured, *gradients]

    def finish_gradients(self, arguments: Sequence[Value], gradients: Sequence[Value]) -> None:
        """Set `.grad` of the tensors that the program differentiated by, after a run."""
        for place in self.gradients_cleared:
            tensor_at(place, arguments)._grad = None
        for place in self.gradients_consumed:
            tensor_at(place, arguments)._grad = CONSUMED
        for place, gradient in zip(self.gradients_out, gradients, strict=True):
            tensor_at(place, arguments)._grad = gradient


def _changed_attribute(holder: HasStaticState, then: dict[str, Any], now: dict[str, Any]) -> str:
    """Name the first plain value that differs."""
    label = getattr(holder, "label", type(holder).__name__)
    for name in [*then, *now]:
        if name not in then or name not in now:
            return f"attribute {name!r} of {label} came or went"
        if then[name] != now[name]:
            return f"attribute {name!r} of {label} changed"
    return f"the attributes of {label} are in another order"


def gradient_state(gradient: Value | Consumed | None) -> Any:
    """What a program depends on of a `.grad` that it found: whether there is one."""
    if isinstance(gradient, Value):
        return (gradient._type, gradient._requires_grad)
    return gradient


def consumed_message(owner: Value) -> str:
    """What to tell someone who reads a gradient that no longer exists."""
    label = f" {owner.name!r}" if owner.name else ""
    return (
        f"the gradient of tensor{label} {owner._type} was used up inside a compiled function, "
        f"which hands out no gradients that it cleared itself. Return the gradient from the "
        f"function, or call zero_grad() outside of it."
    )
