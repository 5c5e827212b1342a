"""A compiled graph: its machine code, its memory, and the call that runs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from steepest.codegen.machine_code import MachineCode
from steepest.codegen.program import BufferTable, emit_program
from steepest.codegen.target import host
from steepest.graph.dtypes import to_storage
from steepest.graph.node import Graph, Node
from steepest.kernels.build import Builder
from steepest.kernels.schedule import schedule
from steepest.runtime.threads import available_threads, native, team

SMALL_PROGRAM = 20000.0


class NativeExecutable:
    """A graph compiled for this machine; the second back end, with the contract of `Evaluator`."""

    def __init__(self, graph: Graph, threads: int | None = None):
        builder = Builder(graph)
        self.graph = builder.graph
        self.groups = schedule(builder)
        self._buffers = self._plan(builder)
        module = emit_program(self.groups, self._buffers, host())
        symbols = {"steepest_meet": native().address("steepest_meet")}
        self.code = MachineCode(module, host(), symbols)
        self._function = self.code.address("run")
        work = sum(group.work for group in self.groups)
        wanted = threads or available_threads()
        self.threads = 1 if threads is None and work < SMALL_PROGRAM else wanted

    def _plan(self, builder: Builder) -> BufferTable:
        """Give every buffer a slot: inputs, outputs, constants, and temporary ones."""
        slots: dict[int, int] = {}
        kept: list[np.ndarray | None] = []
        self._temporary_slots: list[int] = []

        def add(node: Node, array: np.ndarray | None) -> None:
            if id(node) not in slots:
                slots[id(node)] = len(kept)
                kept.append(array)

        for node in self.graph.inputs:
            add(node, None)
        outputs = {id(node) for node in self.graph.outputs}
        for node in self.graph.outputs:
            add(node, None)
        for node in builder.constants:
            value = to_storage(np.array(node.static["value"], order="C"), node.tensor_type.dtype)
            if id(node) in outputs:
                kept[slots[id(node)]] = value
            else:
                add(node, value)
        for group in self.groups:
            for nest in group.nests:
                for node in nest.written():
                    storage = node.tensor_type.dtype.storage
                    if id(node) not in slots:
                        self._temporary_slots.append(len(kept))
                        add(node, np.empty(node.tensor_type.shape, storage))
        self._kept = kept
        self._output_slots = [slots[id(node)] for node in self.graph.outputs]
        self._table = np.zeros(len(kept), dtype=np.int64)
        for slot, array in enumerate(kept):
            if array is not None:
                self._table[slot] = array.ctypes.data
        self._pools: list[list[np.ndarray]] = [[] for _ in self.graph.outputs]
        return BufferTable(slots)

    def temporaries(self) -> list[np.ndarray]:
        """The memory that a run writes before it reads; a test fills it with NaN."""
        return [self._kept[slot] for slot in self._temporary_slots]  # type: ignore[misc]

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        inputs = [np.ascontiguousarray(array) for array in arrays]
        for slot, array in enumerate(inputs):
            self._table[slot] = array.__array_interface__["data"][0]
        outputs = []
        for position, slot in enumerate(self._output_slots):
            node = self.graph.outputs[position]
            if node.is_input:
                outputs.append(arrays[self.graph.inputs.index(node)].copy())
                continue
            kept = self._kept[slot]
            if kept is not None:
                outputs.append(kept.copy())
                continue
            array = self._fresh(position, node)
            self._table[slot] = array.__array_interface__["data"][0]
            outputs.append(array)
        runner = team(max(available_threads(), self.threads))
        runner.run(self._function, self._table.ctypes.data, self.threads)
        return outputs

    def _fresh(self, position: int, node: Node) -> np.ndarray:
        """Memory for an output: an earlier array of it that nobody holds any more, or a new one."""
        pool = self._pools[position]
        for array in pool:
            if sys.getrefcount(array) == 3:
                return array
        array = np.empty(node.tensor_type.shape, node.tensor_type.dtype.storage)
        if node.tensor_type.nbytes >= 4096 and len(pool) < 3:
            pool.append(array)
        return array
