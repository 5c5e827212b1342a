"""Memory does not grow with steps or compilations; machine code goes when its function does.

`python -m benchmarks.leaks` does the same for longer.
"""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from native.programs import native

import steepest as st
from benchmarks.leaks import code_mib, compilation, growth, training_step, watch
from steepest.compile import Compiled
from steepest.graph.node import Graph
from steepest.runtime.executable import NativeExecutable

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")


@pytest.fixture(autouse=True)
def _not_in_the_emulator(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--machine", None) == "neon":
        pytest.skip("thousands of steps take long in an emulator")


def test_steps_need_no_more_memory() -> None:
    assert growth(watch(training_step("native"), 2000)) < 1.0


def test_compilations_need_no_more_memory() -> None:
    turn = compilation("native")
    watch(turn, 15, samples=1)
    # Each leaves about 2 KB, which llvmlite does not free; the passes alone would be 90.
    assert growth(watch(turn, 30, samples=10)) < 1.0


def test_machine_code_is_freed_with_its_function() -> None:
    made: list[weakref.ref[NativeExecutable]] = []

    def back_end(graph: Graph) -> NativeExecutable:
        executable = NativeExecutable(graph)
        made.append(weakref.ref(executable))
        return executable

    def compiled(number: int) -> Compiled:
        function = Compiled(lambda x: st.tanh(x) * float(number), back_end)
        function(np.ones(100, "float32"))
        return function

    native(lambda x: x + 1.0)(np.ones(3, "float32"))
    before = code_mib()
    kept = [compiled(number) for number in range(10)]
    assert code_mib() > before
    kept.clear()
    gc.collect()
    assert [each() for each in made] == [None] * 10
    assert code_mib() <= before
