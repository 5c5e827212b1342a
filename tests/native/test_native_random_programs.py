"""Random programs: native numbers are the evaluator's, on any number of threads the same bits."""

from __future__ import annotations

import math
import random as random_module

import numpy as np
import pytest
import random_programs
from native.comparison import agreement
from random_programs import MOVES, Builder, RandomProgram, random_program

import steepest as st
from steepest.graph.dtypes import DType, to_storage
from steepest.graph.node import Graph, make_input
from steepest.graph.types import TensorType
from steepest.kernels.tuning import FINEST
from steepest.runtime.executable import NativeExecutable, symbols
from steepest.runtime.machine import load_code

SMALL, LARGE, BLOCKS = 1600, 400, 16
SIZES = [1, 2, 7, 8, 16, 17, 33, 40, 48, 64, 100]
"""Axes around the widths of vectors, tiles and blocks."""


def large_program(seed: int) -> RandomProgram:
    """A program on axes that fill tiles and blocks."""
    random = random_module.Random(seed)
    dtype = random.choice([st.float32, st.float32, st.float64, st.bfloat16])
    builder = Builder(random, dtype)
    sizes = [random.choice(SIZES) for _ in range(3)]
    inputs = []
    while len(inputs) < 3:
        shape = tuple(random.choice(sizes) for _ in range(random.randrange(1, 4)))
        if math.prod(shape) <= random_programs.LARGEST:
            inputs.append(make_input(f"x{len(inputs)}", TensorType(shape, dtype)))
    builder.values.extend(inputs)
    for _ in range(random.randrange(1, 9)):
        try:
            random.choice(MOVES)(builder)
        except AssertionError:  # no value fits beside another: the program ends here
            break
    made = [node for node in builder.values if not node.is_input] or inputs
    outputs = [made[-1], *(each for each in made[:-1] if random.random() < 0.15)]
    graph = Graph("random", tuple(inputs), tuple(outputs))
    return RandomProgram(graph, tuple(numbers(node.tensor_type, random) for node in inputs))


def numbers(wanted: TensorType, random: random_module.Random) -> np.ndarray:
    """Stored normal numbers."""
    dtype: DType = wanted.dtype
    drawn = np.random.default_rng(random.randrange(2**16)).normal(size=wanted.shape)
    return to_storage(drawn.astype(dtype.compute), dtype)


def check(program: RandomProgram) -> tuple[int, int]:
    """Run undivided on one thread, and divided as finely as can be on 2, 3 and 8."""
    whole = NativeExecutable(program.graph, threads=1)
    expected = whole(program.arrays)
    whole.code = load_code(whole.code.code, whole._machine, symbols())
    whole._function = whole.code.address("run")
    for one, other in zip(whole(program.arrays), expected, strict=True):
        assert one.tobytes() == other.tobytes(), "loaded code gives other bits"
    divided = NativeExecutable(program.graph, threads=8, tuning=FINEST)
    for threads in (8, 3, 2, 1):
        divided.threads = threads
        for one, other in zip(divided(program.arrays), expected, strict=True):
            assert one.tobytes() == other.tobytes(), f"{threads} threads give other bits"
    found = agreement(program.graph, program.arrays, expected)
    assert not found.faults, found.faults
    return found.compared, found.skipped


@pytest.mark.parametrize("block", range(BLOCKS))
def test_small_programs(block: int) -> None:
    counts = [
        check(random_program(random_module.Random(seed)))
        for seed in range(block * SMALL // BLOCKS, (block + 1) * SMALL // BLOCKS)
    ]
    compared, skipped = map(sum, zip(*counts, strict=True))
    assert skipped <= 0.05 * compared


@pytest.mark.parametrize("block", range(BLOCKS))
def test_large_programs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_programs, "LARGEST", 6000)
    counts = [
        check(large_program(seed))
        for seed in range(block * LARGE // BLOCKS, (block + 1) * LARGE // BLOCKS)
    ]
    compared, skipped = map(sum, zip(*counts, strict=True))
    assert skipped <= 0.05 * compared
