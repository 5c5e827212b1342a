"""Random programs: the same bits eager, traced, after every pass and compiled; gradients agree."""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from typing import Any

import numpy as np
from evaluated import assert_same_bits, compiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as strategies
from random_programs import RandomProgram, random_program

import steepest as st
from steepest.autodiff.replay import replay
from steepest.graph.evaluate import evaluate
from steepest.graph.text import from_text, to_text
from steepest.graph.verify import verify
from steepest.ops import REGISTRY
from steepest.passes import PASSES

RANDOMS = strategies.randoms(use_true_random=False)
EVERY_RUN_THE_SAME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def stored(tensors: Sequence[st.Tensor]) -> list[np.ndarray]:
    """The numbers of tensors; those of bfloat16 widened, so that NaN is seen as such."""
    return [each.numpy() for each in tensors]


@settings(EVERY_RUN_THE_SAME, max_examples=2000)
@given(random=RANDOMS)
def test_every_stage_gives_the_same_bits(random: random_module.Random) -> None:
    program = random_program(random)
    verify(program.graph, after="building")
    eager = stored(replay(program.graph, program.tensors))
    check_passes(program, eager)
    results = compiled(lambda *inputs: replay(program.graph, inputs))(*program.tensors)
    assert_same_bits(stored(results), eager)


def check_passes(program: RandomProgram, expected: Sequence[np.ndarray]) -> None:
    """Run the graph after each pass, and after a trip through text."""
    graph = program.graph
    for run in PASSES:
        graph = verify(run(graph), after=run.__name__)
        assert_same_bits(evaluated(graph, program.arrays), expected)
    text = to_text(graph)
    parsed = verify(from_text(text, REGISTRY), after="from_text")
    assert to_text(parsed) == text
    assert_same_bits(evaluated(parsed, program.arrays), expected)


def evaluated(graph: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    results = evaluate(graph, arrays)
    return [
        st.Tensor._from_storage(array, node.type).numpy()
        for array, node in zip(results, graph.outputs, strict=True)
    ]


@settings(EVERY_RUN_THE_SAME, max_examples=600)
@given(random=RANDOMS)
def test_gradients_agree(random: random_module.Random) -> None:
    """Reverse mode against forward mode, and compiled against eager to the bit."""
    program = random_program(random, dtype=st.float64, moves=6)
    inputs = program.tensors

    def loss(*varied: st.Tensor) -> st.Tensor:
        outputs = replay(program.graph, varied)
        terms = [st.sum(st.sin(each)) for each in outputs if each.dtype.is_floating]
        return sum((each.astype(st.float64) for each in terms), st.zeros((), dtype=st.float64))

    gradient = st.grad(loss, argnums=range(len(inputs)))
    eager = gradient(*inputs)
    assert_same_bits(stored(compiled(gradient)(*inputs)), stored(eager))
    generator = np.random.default_rng(0)
    directions = [st.asarray(generator.normal(size=each.shape)) for each in inputs]
    with np.errstate(all="ignore"):
        _, derivative = st.jvp(loss, inputs, directions)
        terms = [g.numpy() * d.numpy() for g, d in zip(eager, directions, strict=True)]
        reverse = sum(float(np.sum(each)) for each in terms)
        size = 1 + sum(float(np.sum(np.abs(each))) for each in terms)
    forward = derivative.item()
    if np.isfinite(size) and np.isfinite(forward):
        assert abs(forward - reverse) <= precision(program) * size


def precision(program: RandomProgram) -> float:
    """The rounding to expect: coarse where a float64 program goes through shorter numbers."""
    types = {node.tensor_type.dtype for node in program.graph.nodes()}
    return 0.1 if st.bfloat16 in types else 1e-4 if st.float32 in types else 1e-9


def test_programs_are_of_many_kinds() -> None:
    """The builder uses every primitive but those it cannot, and most of its numbers are finite."""
    random = random_module.Random(0)
    used: set[str] = set()
    finite = []
    for _ in range(1500):
        program = random_program(random)
        used |= {node.op.name for node in program.graph.nodes() if node.op is not None}
        results = evaluated(program.graph, program.arrays)
        finite.append(all(np.all(np.isfinite(each)) for each in results))
    left_out = {"argmin", "bitwise_left_shift", "bitwise_right_shift", "custom_gradient", "item"}
    of_complex = {"real", "imag", "magnitude", "direction", "conj"}
    of_tiles = {"to_tiles", "from_tiles"}
    assert set(REGISTRY) - used == left_out | of_complex | of_tiles | {"nextafter"}
    assert np.mean(finite) > 0.8
