"""The pipeline: from a Python function to a program that runs. Every stage can be read.

    python function -> trace -> passes -> executable

The trace already holds the backward pass, because gradients are operations like any other. The
back end that makes the executable takes the optimised graph: machine code, or the NumPy evaluator.
"""

from __future__ import annotations

import copy
import functools
import threading
import time
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from steepest.array.conversion import as_value, shape_of, type_of
from steepest.autodiff.replay import differentiable
from steepest.errors import ArgumentError, RetraceWarning, did_you_mean
from steepest.graph.dtypes import DType
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.graph.text import to_text
from steepest.graph.types import TensorType
from steepest.graph.verify import verify
from steepest.options import options
from steepest.passes import PASSES
from steepest.passes.winograd import winograd
from steepest.trace.containers import LEAF, Structure, flatten, flatten_call, unflatten
from steepest.trace.program import TracedProgram
from steepest.trace.recorder import Trace
from steepest.trace.state import state
from steepest.trace.value import Value, before_change, stored_numbers, take_over

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

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
        back_end: `"native"`, machine code, or `"evaluator"`, the NumPy interpreter; default: what
            `STEEPEST_BACK_END` says, else machine code.

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

    return NativeExecutable(graph)


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

    def run_batches(self, rows: Any, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Any:
        """Run once for each batch: the same as calling with `x[rows[0]]`, then `x[rows[1]]`, ...

        Natively, batches are taken and steps follow each other within one call of machine code
        (about 50 milliseconds of work at a time, so that Ctrl-C is heard), which saves what
        Python costs a step.

        Args:
            rows: `(steps, batch)` whole numbers: which rows of the tensors make up each batch.
            args, kwargs: as for a call, but tensors and arrays hold all rows of the data.

        Returns:
            What a call returns, with the tensors of all steps stacked: `(steps, ...)`, detached.

        Raises:
            ArgumentError: `rows` is not two axes of whole numbers, or one is no row of the data.
        """
        return self._run_batches(rows, {}, Call(args, kwargs))

    def run_batches_varying(
        self,
        rows: Any,
        varying: Mapping[Tensor, np.ndarray],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Any:
        """`run_batches` where tensors that the function reads have other numbers at every step.

        Args:
            rows: as for `run_batches`.
            varying: for each such tensor, which the function must not change, its numbers at each
                step: `(steps, ...)`. Afterwards it has the numbers from before.
            args, kwargs: as for `run_batches`.

        Raises:
            ArgumentError: as for `run_batches`, or not one set of numbers for each step.
        """
        return self._run_batches(rows, varying, Call(args, kwargs))

    def _run_batches(self, rows: Any, varying: Mapping[Tensor, np.ndarray], call: Call) -> Any:
        numbers = batch_rows(rows, call.tensors)
        values = {tensor: by_step(tensor, given, len(numbers)) for tensor, given in varying.items()}
        if not len(numbers):
            return None
        if state.trace is None and options().compile:
            batch = call.taken(numbers[0])
            program = self._find(batch)
            refuse_changed(values, program.traced.assigned)
            if program.runs_steps:
                return program.run_steps(call.tensors, numbers, values)
        before = {tensor: tensor.detach().clone() for tensor in values}
        results = []
        try:
            for step, each in enumerate(numbers):
                for tensor, stored in values.items():
                    tensor.assign(_from_array(stored[step], tensor.dtype))
                batch = call.taken(each)
                results.append(self(*batch.args, **batch.kwargs))
        finally:
            for tensor, own in before.items():
                tensor.assign(own)
        return stack_results(results)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Let a compiled function be a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled[Parameters, Result]:
        """A compiled function of the copied function, without programs: they hold the original."""
        return Compiled(copy.deepcopy(self._function, memo), self._back_end)

    def stages(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> dict[str, str]:
        """The text of the program for these arguments after each stage, by the stage's name."""
        program = self._find(Call(args, kwargs))
        texts = {name: to_text(graph) for name, graph in program.stages()}
        return texts | program.back_end_stages()

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
        self.args = args
        self.kwargs = kwargs
        leaves, self._structure = flatten_call(args, kwargs)
        self._leaves = [as_value(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]
        self.tensors = [leaf for leaf in self._leaves if isinstance(leaf, Value)]

    def taken(self, rows: np.ndarray) -> Call:
        """The same call on some rows of its tensors, without their history."""
        parts = [_from_array(each._stored()[rows], _dtype(each)) for each in self.tensors]
        return Call(*self.rebuild(parts))

    def key(self) -> tuple[Any, ...]:
        """What two calls must share to be served by one program."""
        parts = [
            (leaf._type, leaf._requires_grad, leaf._record is None)
            if isinstance(leaf, Value)
            else _static(leaf)
            for leaf in self._leaves
        ]
        first: dict[int, int] = {}
        same = [first.setdefault(id(each), n) for n, each in enumerate(self.tensors)]
        return (self._structure, state.gradients_enabled, tuple(parts), tuple(same))

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
        self._is_tensor = structure == LEAF and self._leaves == [TENSOR]
        self._stages: list[tuple[str, Graph]] = [("trace", verify(traced.graph, after="trace"))]
        graph = traced.graph
        for run in PASSES:
            if run is winograd and not options().winograd:
                continue
            graph = run(graph)
            if options().verify:
                verify(graph, after=run.__name__)
            self._stages.append((run.__name__, graph))
        self._executable = back_end(graph)
        self._has_settled = False
        self._slice_steps = 1
        first, end = traced.result_count, traced.result_count + len(traced.assigned)
        self._output_types = [
            None if first <= position < end else node.type
            for position, node in enumerate(traced.graph.outputs)
        ]
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

    def back_end_stages(self) -> dict[str, str]:
        """The text of the program after each stage of its back end, where that has any."""
        stages = getattr(self._executable, "stages", None)
        return {} if stages is None else cast(dict[str, str], stages())

    def run(self, arguments: Sequence[Value]) -> Any:
        """Run on the tensors of a call: update the state, and return the results."""
        traced = self.traced
        before_change(traced.assigned)
        sources = traced.inputs(arguments)
        self._settle(sources)
        before = stored_numbers(sources)
        held = None if self._may_overwrite else list(before)
        arrays = self._executable(before)
        del held
        # New state goes into tensors that are there already, so it needs none of its own.
        outputs: list[Any] = [
            None if value_type is None else Value._from_storage(array, value_type)
            for array, value_type in zip(arrays, self._output_types, strict=True)
        ]
        if traced.tracked and state.gradients_enabled and any(s._requires_grad for s in sources):
            outputs = differentiable(traced, sources, outputs)
        state_end = traced.result_count + len(traced.assigned)
        if traced.assigned:
            take_over(traced.assigned, arrays[traced.result_count : state_end])
        if traced.sets_gradients:
            traced.finish_gradients(arguments, outputs[state_end:])
        if self._is_tensor:
            return outputs[0]
        remaining = iter(outputs)
        leaves = [next(remaining) if leaf is TENSOR else leaf for leaf in self._leaves]
        return unflatten(self._structure, leaves)

    def _settle(self, sources: Sequence[Value]) -> None:
        """Move state to where it will be overwritten, one tensor after the other.

        The executable would copy it, too, but all of it before any of the old numbers are let go.
        """
        if self._has_settled:
            return
        owned = getattr(self._executable, "owned", None)
        is_trial = state.first_run is not None or state.second_run is not None
        if owned is None or is_trial or not self._may_overwrite:
            return
        for number, source in enumerate(sources):
            if source._array is not None:
                source._array = owned(number, source._array)
        self._has_settled = True

    @property
    def runs_steps(self) -> bool:
        """Whether the executable can run many steps by itself.

        It keeps no state from between them, which a function that runs twice needs.
        """
        traced = self.traced
        can_run = getattr(self._executable, "runs_steps", None)
        gradients = [*traced.gradients_in, *traced.gradients_out]
        return (
            can_run is not None
            and state.first_run is None
            and state.second_run is None
            and self._may_overwrite
            and not gradients
            and can_run(traced.result_count)
        )

    def run_steps(
        self, arguments: Sequence[Value], rows: np.ndarray, varying: Mapping[Tensor, np.ndarray]
    ) -> Any:
        """Run once for each line of row numbers, on those rows of the arguments."""
        executable = cast(Any, self._executable)
        data = {
            number: np.ascontiguousarray(each._stored()) for number, each in enumerate(arguments)
        }
        found: list[list[np.ndarray]] = []
        start = 0
        while start < len(rows):
            began = time.perf_counter()
            part = slice(start, start + self._slice_steps)
            varying_now = {id(tensor): values[part] for tensor, values in varying.items()}
            found.append(self._run_slice(executable, data, rows[part], varying_now))
            done = len(rows[part])
            start += done
            seconds = max(time.perf_counter() - began, 1e-7)
            self._slice_steps = max(1, int(done * SLICE_SECONDS / seconds))
        stacked = iter(map(np.concatenate, zip(*found, strict=True)))
        nodes = iter(self.traced.graph.outputs)
        leaves = [
            _from_array(next(stacked), next(nodes).tensor_type.dtype) if leaf is TENSOR else leaf
            for leaf in self._leaves
        ]
        return unflatten(self._structure, leaves)

    def _run_slice(
        self,
        executable: Any,
        data: dict[int, np.ndarray],
        rows: np.ndarray,
        varying: dict[int, np.ndarray],
    ) -> list[np.ndarray]:
        """Run some steps in one native call; state is set whatever happens."""
        traced = self.traced
        batch = [
            Value._from_storage(array[rows[0]], node.type)
            for array, node in zip(data.values(), traced.graph.inputs, strict=False)
        ]
        sources = traced.inputs(batch)
        self._settle(sources)
        arrays = [each._stored() for each in sources]
        by_number = {
            number: varying[id(source)]
            for number, source in enumerate(sources)
            if id(source) in varying
        }
        steps = executable.run_steps(arrays, data, rows, by_number)
        held = dict(traced.graph.updates)
        numbers = range(traced.result_count, traced.result_count + len(traced.assigned))
        take_over(traced.assigned, [steps.updated[held[number]] for number in numbers])
        traced.finish_gradients(batch, [])
        if steps.fault:
            failed = [array[rows[steps.done]] for array in data.values()]
            held_now = [each._stored() for each in traced.inputs(batch)]
            executable.explain_fault([*failed, *held_now[len(failed) :]])
        return cast(list[np.ndarray], steps.results)


SLICE_SECONDS = 0.05
"""About how long a native call of many steps takes, so that Python hears of Ctrl-C in between."""


def batch_rows(rows: Any, tensors: Sequence[Value]) -> np.ndarray:
    """The row numbers of each batch as `(steps, batch)` int64, all within the data."""
    numbers = np.asarray(rows)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iu":
        raise ArgumentError(
            f"run_batches: rows is {numbers.dtype} {numbers.shape}; it must be (steps, batch) "
            f"whole numbers: which rows of the data make up each batch."
        )
    for each in tensors:
        shape = each._stored().shape
        length = shape[0] if shape else 0
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < length):
            raise ArgumentError(
                f"run_batches: rows are from {numbers.min()} to {numbers.max()}, but a tensor of "
                f"the data is {each._type}: it has {length} rows."
            )
    return np.ascontiguousarray(numbers, dtype=np.int64)


def by_step(tensor: Tensor, numbers: Any, steps: int) -> np.ndarray:
    """The numbers that a tensor has at each step, stored as the program reads them."""
    given = as_value(numbers)
    wanted = (steps, *tensor.shape)
    if shape_of(given) != wanted or not np.can_cast(
        type_of(given).dtype.compute, tensor.dtype.compute, casting="same_kind"
    ):
        raise ArgumentError(
            f"run_batches_varying: the numbers of a tensor {tensor._type} are {given._type}; for "
            f"{steps} steps they must be numbers of its kind, {wanted}."
        )
    return np.ascontiguousarray(as_value(given, tensor.dtype)._stored())


def refuse_changed(varying: Mapping[Tensor, np.ndarray], assigned: Sequence[Value]) -> None:
    """Refuse to let a tensor vary that the function itself changes."""
    changed = {id(each) for each in assigned}
    for tensor in varying:
        if id(tensor) in changed:
            raise ArgumentError(
                f"run_batches_varying: the function changes a tensor {tensor._type}, so it cannot "
                f"be given other numbers at every step."
            )


def stack_results(results: Sequence[Any]) -> Any:
    """The results of all steps as one: tensors stacked and detached, other leaves of the last."""
    leaves, structure = flatten(results[-1])
    columns = [flatten(each)[0] for each in results]
    stacked = [
        _from_array(np.stack([line[n]._stored() for line in columns]), _dtype(leaf))
        if isinstance(leaf, Value)
        else leaf
        for n, leaf in enumerate(leaves)
    ]
    return unflatten(structure, stacked)


def _dtype(value: Value) -> DType:
    assert isinstance(value._type, TensorType)
    return value._type.dtype


def _from_array(array: np.ndarray, dtype: DType) -> Value:
    return Value._from_storage(array, TensorType(array.shape, dtype))
