"""Code for other processors than the one at hand gives the same numbers.

That for AVX2 and SSE runs here, that for 64-bit ARM in an emulator. Here are samples: every 10th
case of the registry and a tenth of the random programs. All native tests run on such a machine by
`pytest tests/native --machine avx2` (`avx512`, `sse`, `neon`).
"""

from __future__ import annotations

import itertools
import random as random_module
from collections.abc import Callable

import numpy as np
import pytest
import random_programs
from native.programs import assert_equal_to_evaluator, one_node
from native.test_native_primitives import CASES, TOLERANCE, operands
from native.test_native_programs import Training
from native.test_native_random_programs import LARGE, SMALL, check, large_program
from random_programs import random_program

from steepest.codegen.target import AVX2, NEON, SSE, Machine, host
from steepest.graph.evaluate import Evaluator
from steepest.ops import REGISTRY
from steepest.runtime.executable import NativeExecutable

CompileFor = Callable[[Machine], None]
IS_X86_64 = pytest.mark.skipif("x86_64" not in host().triple, reason="runs code for x86-64")
MACHINES = [
    pytest.param(AVX2, id="avx2", marks=IS_X86_64),
    pytest.param(SSE, id="sse", marks=IS_X86_64),
    pytest.param(NEON, id="neon"),
]
pytestmark = pytest.mark.parametrize("machine", MACHINES)
EVERY = 10


@pytest.fixture(autouse=True)
def _one_machine_only(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--machine", None):
        pytest.skip("all tests run on one machine")


def test_primitives(machine: Machine, compile_for: CompileFor) -> None:
    compile_for(machine)
    cases = CASES[::EVERY]
    assert len(cases) > 70
    for case in cases:
        name, number, dtype = case.values
        sample = list(REGISTRY[name].samples())[number]
        arrays = operands(sample, dtype)
        if not any(array.dtype.kind == "c" for array in arrays):
            graph = one_node(REGISTRY[name], arrays, sample.static)
            assert_equal_to_evaluator(graph, arrays, *TOLERANCE[dtype])


def test_random_programs(
    machine: Machine, compile_for: CompileFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_for(machine)
    for seed in range(10_000, 10_000 + SMALL // 100):
        check(random_program(random_module.Random(seed)))
    monkeypatch.setattr(random_programs, "LARGEST", 6000)
    for seed in range(10_000, 10_000 + LARGE // 80):
        check(large_program(seed))


FORMS = ["ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ji,kj->ik", "bij,bkj->bik", "ij,ij->i"]


def test_contractions(machine: Machine, compile_for: CompileFor) -> None:
    """Whole tiles, masked columns, few rows, and rows that are asked for ahead."""
    compile_for(machine)
    random = np.random.default_rng(0)
    for spec, dtype in itertools.product(FORMS, ("float32", "float64")):
        for rows, columns in ((1, 100), (3, 48), (13, 37), (40, 7), (1510, 16)):
            extents = {"b": 3, "i": rows, "j": 23, "k": columns}
            arrays = [
                random.normal(size=[extents[each] for each in letters]).astype(dtype)
                for letters in spec.partition("->")[0].split(",")
            ]
            graph = one_node(REGISTRY["contract"], arrays, {"spec": spec})
            assert_equal_to_evaluator(graph, arrays, 0.0, 200 * float(np.finfo(dtype).eps))


def test_training(machine: Machine, compile_for: CompileFor) -> None:
    compile_for(machine)
    losses, state = Training(NativeExecutable).run(10)
    expected_losses, expected_state = Training(Evaluator).run(10)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_instructions_are_the_machines_own(machine: Machine) -> None:
    """The tests above would pass on this processor with its own instructions as well."""
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(40, 40)).astype("float32") for _ in range(2)]
    graph = one_node(REGISTRY["contract"], arrays, {"spec": "ij,jk->ik"})
    text = NativeExecutable(graph, machine=machine).stages()["assembly"]
    assert "zmm" not in text
    assert ("ymm" in text) == (machine is AVX2)
    assert ("vfmadd" in text) == (machine is AVX2)
    assert ("fmla" in text) == (machine is NEON)
