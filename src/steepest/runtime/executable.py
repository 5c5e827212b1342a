"""A compiled graph: its machine code, its memory, and the call that runs it."""

from __future__ import annotations

import dataclasses
import os
import struct
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from steepest.codegen.target import Machine
from steepest.errors import ShapeError
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.graph.text import to_text as graph_text
from steepest.graph.types import TensorType
from steepest.kernels.build import Builder
from steepest.kernels.schedule import Schedule, schedule
from steepest.kernels.text import to_text as nests_text
from steepest.kernels.tuning import USUAL, Tuning
from steepest.runtime import cache
from steepest.runtime.instance import Instance
from steepest.runtime.machine import Code, host, load_code
from steepest.runtime.memory import (
    ADDRESSES,
    HELD,
    address_of,
    give_back,
    own,
    references,
    writable,
)
from steepest.runtime.plan import Plan, make_plan, plan_from_json
from steepest.runtime.threads import (
    ALONE,
    ALONE_LONG,
    available_threads,
    check_threads,
    native,
    teams,
)

if TYPE_CHECKING:
    from steepest.codegen.program import Module


def _nothing() -> None:
    """Stands for a weak reference to an array before there is one."""


STEPS_DONE = 8
"""The word of a list of steps in which the machine code counts them (see `steps.ll`)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Steps:
    """What came of many steps.

    Attributes:
        done: how many were done.
        fault: whether the next one met numbers out of range.
        results: of each result that is no state, its value after every step: `(done, ...)`.
        updated: the state's arrays, by the input's number.
    """

    done: int
    fault: bool
    results: list[np.ndarray]
    updated: dict[int, np.ndarray]


LARGE_CODE = 131_072
"""Bytes of machine code from which on what was needed to make it is worth giving back."""


class NativeExecutable:
    """A graph compiled for this machine; the second back end, with the contract of `Evaluator`.

    It may be called from several Python threads, and from a forked child; calls take turns.

    Args:
        graph: the optimised graph.
        threads: how many threads run it (default: all processors of the process, or one if
            there is little to do).
        machine: whose instructions may be used (default: this one's).
        tuning: where programs are divided.

    Raises:
        GraphError: an operation has no native code; its line is named.
    """

    def __init__(
        self,
        graph: Graph,
        threads: int | None = None,
        machine: Machine | None = None,
        tuning: Tuning = USUAL,
    ):
        self.graph = graph
        self._machine = machine or host()
        self._tuning = tuning
        name = cache.entry_name(cache.graph_key(graph), self._machine, tuning)
        self.plan, self.code = self._load(name) or self._compile(name)
        self._function = self.code.address("run")
        is_small = self.plan.work < tuning.small_program
        default = 1 if is_small else available_threads()
        self.threads = default if threads is None else check_threads(threads)
        self._alone = native().function("steepest_alone", ALONE if is_small else ALONE_LONG)
        self._pack = struct.Struct(f"{len(graph.inputs) + len(self.plan.computed) + 1}q").pack
        self.memory = Instance(self.plan, graph)
        self._last: list[tuple[Callable[[], np.ndarray | None], int]] = [
            (_nothing, 0) for _ in graph.inputs
        ]
        self._batches: dict[int, np.ndarray] = {}
        self._renew_lock()
        _executables.add(self)

    def _load(self, name: str) -> tuple[Plan, Code] | None:
        """The machine code that the cache has under a name, if any."""
        kept = cache.load(name)
        if kept is None:
            return None
        notes, code = kept
        return plan_from_json(notes), load_code(code, self._machine, symbols())

    def _compile(self, name: str) -> tuple[Plan, Code]:
        """Make the machine code, and keep it in the cache under a name."""
        from steepest.codegen.machine_code import MachineCode

        _, _, plan, module = self._emit()
        code = MachineCode(module, self._machine, symbols()).code
        cache.store(name, plan.as_json(), code)
        del module
        if len(code) > LARGE_CODE:
            give_back()
        return plan, load_code(code, self._machine, symbols())

    def _emit(self) -> tuple[Builder, Schedule, Plan, Module]:
        """Every stage from the graph to the module that LLVM compiles."""
        from steepest.codegen.program import emit_program

        builder = Builder(self.graph)
        made = schedule(builder, self._tuning)
        plan, places = make_plan(builder, made, self._tuning.guard_bytes)
        module = emit_program(made.groups, places, self._machine, places[id(builder.faults)])
        return builder, made, plan, module

    def schedule(self) -> Schedule:
        """The loop nests that the program is made of, made again for reading."""
        return schedule(Builder(self.graph), self._tuning)

    def stages(self) -> dict[str, str]:
        """The text of the program after each stage of this back end, made again for reading."""
        from steepest.codegen.machine_code import MachineCode

        builder, made, plan, module = self._emit()
        return {
            "ready for loops": graph_text(builder.graph),
            "loop nests": nests_text(builder.graph, made),
            "memory": "\n".join(f"{name}: {value}" for name, value in plan.as_json().items())
            + "\n",
            "LLVM": str(module),
            "assembly": MachineCode(module, self._machine, symbols()).assembly_of(),
        }

    def _renew_lock(self) -> None:
        """A lock that nobody holds: the team's own, where one runs the program."""
        self._lock = threading.RLock() if self.threads == 1 else teams.lock

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        # A signal or a finalizer may call this again from within, so nothing that a call needs is
        # kept in the object but memory that the machine code fills before it reads.
        known = ADDRESSES
        with self._lock:
            held: list[np.ndarray] = []
            if self.plan.updated:
                arrays = self._own(list(arrays))
            addresses = [
                known.get(id(array)) or self._address(number, array, held)
                for number, array in enumerate(arrays)
            ]
            made = [pool.take() for pool in self.memory.pools]
            addresses += [known.get(id(array)) or address_of(array) for array in made]
            table = self._pack(*addresses, self.memory.address)
            if self.threads == 1:
                self._alone(self._function, table)
            else:
                teams.run(self._function, table, self.threads)
            if self.memory.faults[0]:
                self.memory.faults[0] = 0
                self.explain_fault(arrays)
            return self.memory.outputs(made, arrays)

    def run_steps(
        self,
        arrays: Sequence[np.ndarray],
        data: Mapping[int, np.ndarray],
        rows: np.ndarray,
        varying: Mapping[int, np.ndarray],
    ) -> Steps:
        """Run once for each line of `rows`, within one native call; state is updated in place.

        Args:
            arrays: one for each input; those of `data` only give the shape of a batch.
            data: by an input's number, the rows from which its batches are taken: in plain order,
                of the input's type but for their number.
            rows: `(steps, batch)` int64 numbers of rows, all within the data.
            varying: by an input's number, its numbers at each step, `(steps, ...)`.

        A step in which numbers are out of range changes nothing, and none follows.
        """
        graph = self.graph
        with self._lock:
            own_state = self._own(list(arrays))
            for number, array in data.items():
                wanted = graph.inputs[number].tensor_type
                self._check_data(array, rows, wanted)
                if number not in self._batches:
                    self._batches[number] = writable(wanted.shape, wanted.dtype)
                own_state[number] = self._batches[number]
            held: list[np.ndarray] = []
            addresses = [
                ADDRESSES.get(id(array)) or self._address(number, array, held)
                for number, array in enumerate(own_state)
            ]
            made = [pool.take() for pool in self.memory.pools]
            addresses += [address_of(array) for array in made]
            table = np.array([*addresses, self.memory.address], np.int64)
            stacked = [np.empty((len(rows), *array.shape), array.dtype) for array in made]
            words = [self._function, address_of(table)]
            words += [address_of(self.memory.faults), *rows.shape, address_of(rows)]
            words += [len(data), len(made), 0, len(varying)]
            copies: dict[tuple[int, int], int] = {}
            for number, array in data.items():
                start, row_bytes = address_of(array), array.nbytes // max(1, len(array))
                to = copies.setdefault((start, row_bytes), addresses[number])
                is_copied = to != addresses[number]
                words += [start, to, row_bytes, number, is_copied]
            for one, all_steps in zip(made, stacked, strict=True):
                words += [address_of(one), address_of(all_steps), one.nbytes]
            for number, values in varying.items():
                wanted = graph.inputs[number].tensor_type
                self._check_steps(values, len(rows), wanted)
                words += [address_of(values), values[0].nbytes, number]
            todo = np.array(words, np.int64)
            function = native().address("steepest_steps")
            if self.threads == 1:
                native().function("steepest_alone", ALONE_LONG)(function, address_of(todo))
            else:
                teams.run(function, address_of(todo), self.threads)
            done, fault = int(todo[STEPS_DONE]), bool(self.memory.faults[0])
            self.memory.faults[0] = 0
        updated = {number: own_state[number] for number in self.plan.updated}
        return Steps(done, fault, [each[:done] for each in stacked], updated)

    def _check_data(self, array: np.ndarray, rows: np.ndarray, wanted: TensorType) -> None:
        """Refuse data of which machine code would read other bytes than are meant."""
        batch = (*rows.shape[1:], *array.shape[1:])
        is_plain = array.flags.c_contiguous and array.dtype == wanted.dtype.storage
        if batch != wanted.shape or not is_plain:
            raise ShapeError(
                f"{self.graph.name}: batches of {batch} from data of {array.dtype} {array.shape}, "
                f"but the program was compiled for {wanted} in plain order."
            )

    def _check_steps(self, array: np.ndarray, steps: int, wanted: TensorType) -> None:
        """Refuse numbers for each step of which machine code would read other bytes."""
        is_plain = array.flags.c_contiguous and array.dtype == wanted.dtype.storage
        if array.shape != (steps, *wanted.shape) or not is_plain:
            raise ShapeError(
                f"{self.graph.name}: {array.dtype} {array.shape} for {steps} steps, but the "
                f"program was compiled for {wanted} at each, in plain order."
            )

    def explain_fault(self, arrays: Sequence[np.ndarray]) -> NoReturn:
        """Raise what the evaluator says of numbers that the machine code refused."""
        Evaluator(self.graph)(arrays)
        raise IndexError(f"{self.graph.name}: a position is outside the axis it stands for.")

    def runs_steps(self, results: int) -> bool:
        """Whether `run_steps` can be used: all outputs but the first `results` are state, and all
        of it is updated in place; those first ones are computed, and each by itself."""
        in_place = len(self.plan.updated) == len(self.graph.updates)
        all_else = len(self.graph.outputs) - len(self.graph.updates)
        return in_place and results == all_else and self._begins_with_computed(results)

    def _begins_with_computed(self, results: int) -> bool:
        """Whether the first `results` outputs are all that is computed beside state, in order."""
        first = len(self.graph.inputs)
        wanted = [(first + n, False) for n in range(results)]
        return results == len(self.plan.computed) and list(self.plan.picks[:results]) == wanted

    def owned(self, number: int, array: np.ndarray) -> np.ndarray:
        """An input's array, or a copy of it that may be overwritten, where it will be."""
        if number not in self.plan.updated or id(array) in ADDRESSES:
            return array
        wanted = self.graph.inputs[number].tensor_type
        return own(array, wanted.shape, wanted.dtype)

    def _own(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Let the state that will be overwritten be in memory that nobody else can see.

        Its numbers are copied where the array came from elsewhere, or where somebody beside the
        state's tensor still holds it: what was read before stays as it was.
        """
        for number in self.plan.updated:
            if references(arrays[number]) > HELD or id(arrays[number]) not in ADDRESSES:
                wanted = self.graph.inputs[number].tensor_type
                arrays[number] = own(arrays[number], wanted.shape, wanted.dtype)
        return arrays

    def _address(self, number: int, array: np.ndarray, held: list[np.ndarray]) -> int:
        """Where an input's numbers begin; of a copy in plain order if need be."""
        before, address = self._last[number]
        if before() is array:
            return address
        wanted = self.graph.inputs[number].tensor_type
        if array.shape != wanted.shape or array.dtype != wanted.dtype.storage:
            raise ShapeError(
                f"{self.graph.name}: input {number} {self.graph.inputs[number].name!r} is "
                f"{array.dtype} {array.shape}, but the program was compiled for {wanted}."
            )
        if type(array) is np.ndarray and array.flags.c_contiguous and array.flags.aligned:
            address = address_of(array)
            self._last[number] = (weakref.ref(array), address)
            return address
        plain = np.require(array, wanted.dtype.storage, ["C", "ALIGNED"])
        held.append(plain)
        return address_of(plain)


def symbols() -> dict[str, int]:
    """What programs call of the runtime, by name."""
    return {"steepest_meet": native().address("steepest_meet")}


_executables: weakref.WeakSet[NativeExecutable] = weakref.WeakSet()


def _begin_in_child() -> None:
    """A forked child has none of the workers, and nobody in it holds a lock."""
    teams.__init__()  # type: ignore[misc]
    for executable in _executables:
        executable._renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
