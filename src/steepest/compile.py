"""The pipeline: from a Python function to a program that runs. Every stage can be read.

    python function -> trace -> passes -> executable

The trace already holds the backward pass, because gradients are operations like any other. The
back end that makes the executable takes the optimised graph; it is the NumPy evaluator.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from steepest.array.conversion import as_value
from steepest.autodiff.modes import enable_grad
from steepest.autodiff.reverse import reverse
from steepest.errors import ArgumentError
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.graph.text import to_text
from steepest.graph.types import TensorType
from steepest.graph.verify import verify
from steepest.ops.control import custom_gradient
from steepest.options import options
from steepest.passes import PASSES
from steepest.trace.containers import Structure, flatten, unflatten
from steepest.trace.recorder import Trace, TracedProgram
from steepest.trace.state import state
from steepest.trace.value import Value

Executable = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
BackEnd = Callable[[Graph], Executable]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compile(function: Callable[Parameters, Result]) -> Compiled[Parameters, Result]:
    """Turn a function on tensors into one program, which is traced once and then only run.

    Args:
        function: takes tensors or NumPy arrays (in nested tuples, lists, dictionaries), which
            become inputs of the program; any other argument must be hashable and is baked in.
            It may call `backward()` and `optimizer.step()`: tensors that it assigns to are
            updated by the program.

    A new program is made when shapes, data types, baked-in arguments, or the plain attributes of
    a module (such as training mode) differ from those of earlier calls. Inside, tensors have no
    numbers, so Python cannot branch on them (TraceError names the line).
    """
    return Compiled(function, Evaluator)


class Compiled(Generic[Parameters, Result]):
    """A function made by `steepest.compile`."""

    def __init__(self, function: Callable[Parameters, Result], back_end: BackEnd):
        functools.update_wrapper(self, function)
        self._function = function
        self._back_end = back_end
        self._programs: dict[Any, list[Program]] = {}

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if state.trace is not None or not options().compile:
            return self._function(*args, **kwargs)
        call = Call(args, kwargs)
        program = self._find(call)
        return cast(Result, program.run(call.tensors))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Let a compiled function be a method."""
        return self if instance is None else functools.partial(self, instance)

    def stages(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> dict[str, str]:
        """The text of the program for these arguments after each stage, by the stage's name."""
        program = self._find(Call(args, kwargs))
        return {name: to_text(graph) for name, graph in program.stages()}

    def _find(self, call: Call) -> Program:
        """Return a program that fits the call, tracing one if there is none."""
        programs = self._programs.setdefault(call.key(), [])
        for program in programs:
            if program.traced.still_holds():
                return program
        program = self._trace(call)
        programs.append(program)
        return program

    def _trace(self, call: Call) -> Program:
        trace = Trace(getattr(self._function, "__name__", "function"))
        with trace.recording():
            stand_ins = [
                trace.argument(f"argument{n}", tensor) for n, tensor in enumerate(call.tensors)
            ]
            args, kwargs = call.rebuild(stand_ins)
            result = self._function(*args, **kwargs)
            leaves, structure = flatten(result)
            tensors = [leaf for leaf in leaves if isinstance(leaf, Value)]
            traced = trace.finish(tensors)
        return Program(traced, structure, leaves, self._back_end)


class Call:
    """One call: which of its arguments are inputs of the program, and which are baked in."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]):
        leaves, self._structure = flatten((args, kwargs))
        self._leaves = [as_value(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        self.tensors = [leaf for leaf in self._leaves if isinstance(leaf, Value)]

    def key(self) -> tuple[Any, ...]:
        """What two calls must share to be served by one program."""
        parts = tuple(
            (leaf._type, leaf._requires_grad) if isinstance(leaf, Value) else _static(leaf)
            for leaf in self._leaves
        )
        return (self._structure, state.gradients_enabled, parts)

    def rebuild(self, stand_ins: Sequence[Value]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with `stand_ins` in the place of the tensors."""
        remaining: Iterator[Value] = iter(stand_ins)
        leaves = [next(remaining) if isinstance(leaf, Value) else leaf for leaf in self._leaves]
        return cast(tuple[tuple[Any, ...], dict[str, Any]], unflatten(self._structure, leaves))


def _static(leaf: Any) -> Any:
    """A baked-in argument as part of a key: equal numbers of different types are different."""
    try:
        hash(leaf)
    except TypeError:
        raise ArgumentError(
            f"compile: an argument of type {type(leaf).__name__} is neither a tensor nor hashable. "
            f"Pass a tensor, a NumPy array, or nested tuples, lists and dictionaries of them."
        ) from None
    return (type(leaf), leaf)


class Program:
    """A traced and optimised function, ready to run."""

    def __init__(
        self, traced: TracedProgram, structure: Structure, leaves: list[Any], back_end: BackEnd
    ):
        self.traced = traced
        self._structure = structure
        self._leaves = leaves
        self._stages: list[tuple[str, Graph]] = [("trace", verify(traced.graph, after="trace"))]
        graph = traced.graph
        for run in PASSES:
            graph = run(graph)
            if options().verify:
                verify(graph, after=run.__name__)
            self._stages.append((run.__name__, graph))
        self._executable = back_end(graph)

    def stages(self) -> list[tuple[str, Graph]]:
        """The graph after each stage, by name; a pass that runs twice is numbered."""
        named = []
        seen: dict[str, int] = {}
        for name, graph in self._stages:
            seen[name] = seen.get(name, 0) + 1
            named.append((name if seen[name] == 1 else f"{name} {seen[name]}", graph))
        return named

    def run(self, arguments: Sequence[Value]) -> Any:
        """Run on the tensors of a call: update the state, and return the results."""
        traced = self.traced
        inputs = [value._stored() for value in (*arguments, *traced.captured)]
        outputs = list(self._executable(inputs))
        results = outputs[: traced.result_count]
        state_end = traced.result_count + len(traced.assigned)
        values = self._results(arguments, results)
        for target, array in zip(
            traced.assigned, outputs[traced.result_count : state_end], strict=True
        ):
            target._array = array
            target._version += 1
        traced.finish_gradients(outputs[state_end:])
        return self._packed(values)

    def _results(self, arguments: Sequence[Value], arrays: Sequence[np.ndarray]) -> list[Value]:
        nodes = self.traced.graph.outputs[: self.traced.result_count]
        values = [
            Value._from_storage(array, node.type) for array, node in zip(arrays, nodes, strict=True)
        ]
        sources = [*arguments, *self.traced.captured]
        if state.gradients_enabled and any(source._requires_grad for source in sources):
            return differentiable(self.traced, sources, values)
        return values

    def _packed(self, values: Sequence[Value]) -> Any:
        remaining = iter(values)
        leaves = [next(remaining) if isinstance(leaf, Value) else leaf for leaf in self._leaves]
        return unflatten(self._structure, leaves)


def differentiable(
    traced: TracedProgram, sources: Sequence[Value], results: Sequence[Value]
) -> list[Value]:
    """Let gradients flow from a program's results back to its inputs.

    The reverse pass replays the traced graph, so it costs one more forward pass.
    """
    wanted = [
        position
        for position, value in enumerate(results)
        if cast(TensorType, value._type).dtype.is_differentiable
        and traced.result_requires_grad[position]
    ]
    if not wanted:
        return list(results)

    def rule(index: int, output_grads: Sequence[Value], _: Any, *operands: Value) -> Value | None:
        with enable_grad():
            outputs = replay(traced.graph, operands)
            chosen = [outputs[position] for position in wanted]
            return reverse(chosen, output_grads, [operands[index]])[0]

    made = Value._apply(
        custom_gradient,
        (*sources, *(results[position] for position in wanted)),
        {"input_count": len(sources), "rule": rule},
    )
    values = list(results)
    for position, value in zip(wanted, made, strict=True):
        values[position] = value
    return values


def replay(graph: Graph, sources: Sequence[Value]) -> list[Value]:
    """Run a graph operation by operation on values, recording gradients."""
    values: dict[int, Any] = {
        id(node): source for node, source in zip(graph.inputs, sources, strict=True)
    }
    for node in graph.nodes():
        if node.op is not None:
            operands = [values[id(operand)] for operand in node.operands]
            values[id(node)] = Value._apply(node.op, operands, node.static)  # type: ignore[arg-type]
    return [values[id(node)] for node in graph.outputs]
