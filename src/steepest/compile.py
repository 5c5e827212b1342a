"""The pipeline: from a Python function to a program that runs. Every stage can be read.

    python function -> trace -> passes -> executable

The trace already holds the backward pass, because gradients are operations like any other. The
back end that makes the executable takes the optimised graph; it is the NumPy evaluator.
"""

from __future__ import annotations

import copy
import functools
import threading
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from steepest.array.conversion import as_value
from steepest.autodiff.custom import all_at_once
from steepest.autodiff.modes import enable_grad
from steepest.autodiff.reverse import OutputGrads, reverse_arrived
from steepest.errors import ArgumentError, RetraceWarning, did_you_mean
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.graph.text import to_text
from steepest.graph.verify import verify
from steepest.ops.control import custom_gradient, item
from steepest.options import options
from steepest.passes import PASSES
from steepest.trace.containers import Structure, flatten, unflatten
from steepest.trace.origin import origin_of
from steepest.trace.program import TracedProgram
from steepest.trace.recorder import Trace
from steepest.trace.state import state
from steepest.trace.value import Value, check_assignment

Executable = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
BackEnd = Callable[[Graph], Executable]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compile(
    function: Callable[Parameters, Result], *, back_end: str | None = None
) -> Compiled[Parameters, Result]:
    """Turn a function on tensors into one program, which is traced once and then only run.

    Args:
        function: takes tensors or NumPy arrays (in nested tuples, lists, dictionaries), which
            become inputs of the program; any other argument must be hashable and is baked in.
            It may call `backward()` and `optimizer.step()`: tensors that it assigns to are
            updated by the program.
        back_end: `"evaluator"`, the NumPy interpreter, or `"native"`, machine code; default: what
            `STEEPEST_BACK_END` says, else the evaluator.

    A new program is made when shapes, data types, baked-in arguments, or the plain attributes of
    a module (such as training mode) differ from those of earlier calls. The 64 programs used last
    are kept; a function that is traced again and again is warned about (RetraceWarning). Inside,
    tensors have no numbers, so Python cannot branch on them (TraceError names the line).
    """
    return Compiled(function, find_back_end(back_end or options().back_end))


def find_back_end(name: str) -> BackEnd:
    """The back end of a name; the native one loads llvmlite at its first use."""
    back_ends: dict[str, BackEnd] = {"evaluator": Evaluator, "native": compile_natively}
    if name not in back_ends:
        raise ArgumentError(
            f"compile: no back end is called {name!r}.{did_you_mean(name, back_ends)}"
        )
    return back_ends[name]


def compile_natively(graph: Graph) -> Executable:
    """The native back end: loop nests, LLVM, machine code."""
    from steepest.runtime.executable import NativeExecutable

    return NativeExecutable(graph, options().threads or None)


MOST_PROGRAMS = 64
"""Programs that a compiled function keeps; more are dropped, the least used first."""

MANY_TRACES = 16
"""Programs for arguments of the same types at which a warning says why there are so many."""


class Compiled(Generic[Parameters, Result]):
    """A function made by `steepest.compile`."""

    def __init__(self, function: Callable[Parameters, Result], back_end: BackEnd):
        # Without the function's own attributes: those of a module would be copies that grow stale.
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._back_end = back_end
        self._programs: OrderedDict[Program, Any] = OrderedDict()
        self._by_key: dict[Any, list[Program]] = {}
        self._lock = threading.Lock()
        self._warned = False

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if state.trace is not None or not options().compile:
            return self._function(*args, **kwargs)
        call = Call(args, kwargs)
        program = self._find(call)
        return cast(Result, program.run(call.tensors))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Let a compiled function be a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled[Parameters, Result]:
        """A compiled function of the copied function, without programs: they hold the original."""
        return Compiled(copy.deepcopy(self._function, memo), self._back_end)

    def stages(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> dict[str, str]:
        """The text of the program for these arguments after each stage, by the stage's name."""
        program = self._find(Call(args, kwargs))
        return {name: to_text(graph) for name, graph in program.stages()}

    def _find(self, call: Call) -> Program:
        """Return a program that fits the call, tracing one if there is none."""
        key = call.key()
        reason = None
        for program in tuple(self._by_key.get(key, ())):
            reason = program.traced.difference(call.tensors)
            if reason is None:
                with self._lock:
                    if program in self._programs:
                        self._programs.move_to_end(program)
                return program
        program = self._trace(call)
        self._keep(key, program, reason)
        return program

    def _keep(self, key: Any, program: Program, reason: str | None) -> None:
        """Store a program, and drop the one not used for the longest time if there are many."""
        with self._lock:
            self._programs[program] = key
            known = self._by_key.setdefault(key, [])
            known.insert(0, program)
            if len(self._programs) > MOST_PROGRAMS:
                dropped, its_key = self._programs.popitem(last=False)
                self._by_key[its_key].remove(dropped)
                if not self._by_key[its_key]:
                    del self._by_key[its_key]
            warn = len(known) == MANY_TRACES and not self._warned
            self._warned = self._warned or warn
        if warn:
            warnings.warn(
                f"compile: {program.name} was traced {MANY_TRACES} times for arguments of the same "
                f"types, the last time because {reason}. What changes from call to call belongs "
                f"in a tensor that the function assigns to, or outside of the function.",
                RetraceWarning,
                stacklevel=4,
            )

    def _trace(self, call: Call) -> Program:
        trace = Trace(getattr(self._function, "__name__", type(self._function).__name__))
        with trace.recording():
            stand_ins = [
                trace.argument(f"argument{n}", tensor) for n, tensor in enumerate(call.tensors)
            ]
            args, kwargs = call.rebuild(stand_ins)
            result = self._function(*args, **kwargs)
            leaves, structure = flatten(result)
            traced = trace.finish([leaf for leaf in leaves if isinstance(leaf, Value)])
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
            (leaf._type, leaf._requires_grad, leaf._record is None)
            if isinstance(leaf, Value)
            else _static(leaf)
            for leaf in self._leaves
        )
        first: dict[int, int] = {}
        same = tuple(first.setdefault(id(each), n) for n, each in enumerate(self.tensors))
        return (self._structure, state.gradients_enabled, parts, same)

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
    # Written out, 0.0 and -0.0 differ, and NaN equals itself.
    return (type(leaf), repr(leaf) if isinstance(leaf, float | complex) else leaf)


TENSOR = object()
"""Stands in a program's result for a tensor, which each run puts there."""


class Program:
    """A traced and optimised function, ready to run."""

    def __init__(
        self, traced: TracedProgram, structure: Structure, leaves: list[Any], back_end: BackEnd
    ):
        self.name = traced.graph.name
        self.traced = traced
        self._structure = structure
        self._leaves = [TENSOR if isinstance(leaf, Value) else leaf for leaf in leaves]
        self._stages: list[tuple[str, Graph]] = [("trace", verify(traced.graph, after="trace"))]
        graph = traced.graph
        for run in PASSES:
            graph = run(graph)
            if options().verify:
                verify(graph, after=run.__name__)
            self._stages.append((run.__name__, graph))
        self._executable = back_end(graph)
        # A gradient taken later needs the old state, unless it would be refused for its change.
        updated = {held for _, held in traced.graph.updates}
        self._may_overwrite = not traced.tracked or bool(traced.sources & updated)

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
        if traced.assigned:
            check_assignment(traced.assigned[0])
        sources = traced.inputs(arguments)
        before = [source._stored() for source in sources]
        held = None if self._may_overwrite else list(before)
        arrays = self._executable(before)
        del held
        state_end = traced.result_count + len(traced.assigned)
        new_state = arrays[traced.result_count : state_end]
        # New state goes into tensors that are there already, so it needs none of its own.
        outputs: list[Any] = [
            None
            if traced.result_count <= position < state_end
            else Value._from_storage(array, node.type)
            for position, (array, node) in enumerate(zip(arrays, traced.graph.outputs, strict=True))
        ]
        if state.gradients_enabled and any(source._requires_grad for source in sources):
            outputs = differentiable(traced, sources, outputs)
        for target, array in zip(traced.assigned, new_state, strict=True):
            target._array = array
            target._version += 1
        traced.finish_gradients(arguments, outputs[state_end:])
        remaining = iter(outputs)
        leaves = [next(remaining) if leaf is TENSOR else leaf for leaf in self._leaves]
        return unflatten(self._structure, leaves)


def differentiable(
    traced: TracedProgram, sources: Sequence[Value], outputs: Sequence[Value]
) -> list[Value]:
    """Let gradients flow from a program's outputs back to its inputs.

    The reverse pass replays the traced graph, so it costs one more forward pass.
    """
    if not traced.tracked:
        return list(outputs)

    def find(
        output_grads: OutputGrads, _: Sequence[Value], operands: Sequence[Value]
    ) -> Sequence[Value | None]:
        with enable_grad():
            again = replay(traced.graph, operands, traced.paths)
        return reverse_arrived([again[n] for n in traced.tracked], output_grads, operands)

    # What no gradient flows to may change before the reverse pass: the program itself advances a
    # random counter.
    kept = [
        source if number in traced.sources else source._detached()
        for number, source in enumerate(sources)
    ]
    made = Value._apply(
        custom_gradient,
        (*kept, *(outputs[position] for position in traced.tracked)),
        {"input_count": len(sources), "rule": all_at_once(find)},
    )
    values = list(outputs)
    for position, value in zip(traced.tracked, made, strict=True):
        values[position] = value
    return values


def replay(
    graph: Graph, sources: Sequence[Value], paths: Mapping[int, tuple[bool, ...]] | None = None
) -> list[Value]:
    """Run a graph operation by operation on values, recording gradients.

    Args:
        paths: through which operands of each node gradients flow (default all).
    """
    values: dict[int, Any] = {
        id(node): source for node, source in zip(graph.inputs, sources, strict=True)
    }
    for node in graph.nodes():
        if node.op is item:
            values[id(node)] = values[id(node.operands[0])][node.static["index"]]
        elif node.op is not None:
            operands = [values[id(operand)] for operand in node.operands]
            if paths is not None and operands:
                flows = zip(operands, paths[id(node)], strict=True)
                operands = [each if path else each._detached() for each, path in flows]
            with origin_of(node.origin):
                values[id(node)] = Value._apply(node.op, operands, node.static)  # type: ignore[arg-type]
    return [values[id(node)] for node in graph.outputs]
