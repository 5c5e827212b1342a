"""Each pass on small graphs, as text before and after."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np
import pytest
from evaluated import assert_same_bits

import steepest as st
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph
from steepest.graph.text import from_text, to_text
from steepest.graph.types import Origin, TensorType
from steepest.graph.verify import verify
from steepest.ops import REGISTRY
from steepest.passes import PASSES
from steepest.passes.common import merge_equal_nodes
from steepest.passes.constants import LARGEST, fold_constants
from steepest.passes.simplify import RULES, simplify

AWKWARD = [-0.0, 0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e-30]


def parse(text: str) -> Graph:
    return verify(from_text(textwrap.dedent(text), REGISTRY), after="writing the test")


def check(run: Callable[[Graph], Graph], before: str, after: str) -> Graph:
    """Run a pass on a text, compare it with another, and the numbers of both."""
    graph = parse(before)
    changed = verify(run(graph), after=run.__name__)
    assert to_text(changed) == textwrap.dedent(after).lstrip("\n")
    assert changed.inputs == graph.inputs
    arrays = [awkward_numbers(node.tensor_type) for node in graph.inputs]
    assert_same_bits(evaluate(changed, arrays), evaluate(graph, arrays))
    return changed


def awkward_numbers(tensor_type: TensorType) -> np.ndarray:
    """Numbers at which a careless simplification shows."""
    if tensor_type.dtype.is_inexact:
        numbers = np.resize(np.array(AWKWARD), tensor_type.shape)
    else:
        numbers = np.resize(np.arange(-4, 4), tensor_type.shape)
    return numbers.astype(tensor_type.dtype.storage)


def unchanged(run: Callable[[Graph], Graph], text: str) -> None:
    graph = parse(text)
    assert to_text(run(graph)) == to_text(graph)


def test_factors_of_one_vanish() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[8]) {
          %1 = full(shape=(), value=1, dtype=float32) : float32[]
          %2 = multiply(%0, %1) : float32[8]
          %3 = constant(value=array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])) : float32[8]
          %4 = multiply(%3, %2) : float32[8]
          %5 = divide(%4, %1) : float32[8]
          %6 = exp(%5) : float32[8]
          return %6
        }
        """,
        """
        graph f(%0 x: float32[8]) {
          %1 = exp(%0) : float32[8]
          return %1
        }
        """,
    )


def test_factor_of_one_that_broadcasts_stays() -> None:
    unchanged(
        simplify,
        """
        graph f(%0 x: float32[]) {
          %1 = full(shape=(2,), value=1.0, dtype=float32) : float32[2]
          %2 = multiply(%0, %1) : float32[2]
          return %2
        }
        """,
    )


def test_one_over_x_stays() -> None:
    unchanged(
        simplify,
        """
        graph f(%0 x: float32[]) {
          %1 = full(shape=(), value=1.0, dtype=float32) : float32[]
          %2 = divide(%1, %0) : float32[]
          return %2
        }
        """,
    )


def test_complex_factor_of_one_stays() -> None:
    """(inf + 2i) * (1 + 0i) is inf + nan i."""
    unchanged(
        simplify,
        """
        graph f(%0 x: complex64[2]) {
          %1 = full(shape=(), value=1.0, dtype=complex64) : complex64[]
          %2 = multiply(%0, %1) : complex64[2]
          return %2
        }
        """,
    )


def test_subtracted_zeros() -> None:
    """x - 0 is x; x - (-0) and x + 0 are 0 where x is -0, and stay."""
    check(
        simplify,
        """
        graph f(%0 x: float32[8]) {
          %1 = full(shape=(), value=0.0, dtype=float32) : float32[]
          %2 = full(shape=(), value=-0.0, dtype=float32) : float32[]
          %3 = subtract(%0, %1) : float32[8]
          %4 = subtract(%3, %2) : float32[8]
          %5 = add(%3, %1) : float32[8]
          %6 = subtract(%1, %3) : float32[8]
          return %3, %4, %5, %6
        }
        """,
        """
        graph f(%0 x: float32[8]) {
          %1 = full(shape=(), value=-0.0, dtype=float32) : float32[]
          %2 = subtract(%0, %1) : float32[8]
          %3 = full(shape=(), value=0.0, dtype=float32) : float32[]
          %4 = add(%0, %3) : float32[8]
          %5 = subtract(%3, %0) : float32[8]
          return %0, %2, %4, %5
        }
        """,
    )


def test_double_negatives() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[8], %1 y: float32[8]) {
          %2 = negative(%0) : float32[8]
          %3 = negative(%2) : float32[8]
          %4 = add(%1, %2) : float32[8]
          return %3, %4
        }
        """,
        """
        graph f(%0 x: float32[8], %1 y: float32[8]) {
          %2 = subtract(%1, %0) : float32[8]
          return %0, %2
        }
        """,
    )


def test_movement_that_changes_nothing() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[2, 4]) {
          %1 = reshape(%0, shape=(2, 4)) : float32[2, 4]
          %2 = broadcast_to(%1, shape=(2, 4)) : float32[2, 4]
          %3 = convert(%2, dtype=float32) : float32[2, 4]
          %4 = transpose(%3, axes=(0, 1)) : float32[2, 4]
          return %4
        }
        """,
        """
        graph f(%0 x: float32[2, 4]) {
          return %0
        }
        """,
    )


def test_chains_of_movement_join() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[2, 3, 4]) {
          %1 = reshape(%0, shape=(6, 4)) : float32[6, 4]
          %2 = reshape(%1, shape=(24,)) : float32[24]
          %3 = transpose(%0, axes=(2, 0, 1)) : float32[4, 2, 3]
          %4 = transpose(%3, axes=(1, 0, 2)) : float32[2, 4, 3]
          %5 = transpose(%4, axes=(0, 2, 1)) : float32[2, 3, 4]
          return %2, %4, %5
        }
        """,
        """
        graph f(%0 x: float32[2, 3, 4]) {
          %1 = reshape(%0, shape=(24,)) : float32[24]
          %2 = transpose(%0, axes=(0, 2, 1)) : float32[2, 4, 3]
          return %1, %2, %0
        }
        """,
    )


def test_conversion_there_and_back_stays() -> None:
    """Rounding is not undone."""
    unchanged(
        simplify,
        """
        graph f(%0 x: float64[8]) {
          %1 = convert(%0, dtype=float32) : float32[8]
          %2 = convert(%1, dtype=float64) : float64[8]
          return %2
        }
        """,
    )


def test_transpositions_join_contractions() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[2, 3], %1 w: float32[4, 3]) {
          %2 = transpose(%1, axes=(1, 0)) : float32[3, 4]
          %3 = contract(%0, %2, spec='ij,jk->ik') : float32[2, 4]
          %4 = transpose(%3, axes=(1, 0)) : float32[4, 2]
          return %4
        }
        """,
        """
        graph f(%0 x: float32[2, 3], %1 w: float32[4, 3]) {
          %2 = contract(%0, %1, spec='ij,kj->ki') : float32[4, 2]
          return %2
        }
        """,
    )


def test_elementwise_operations_broadcast_by_themselves() -> None:
    check(
        simplify,
        """
        graph f(%0 x: float32[8], %1 y: float32[2, 8], %2 b: bool[2, 8]) {
          %3 = broadcast_to(%0, shape=(2, 8)) : float32[2, 8]
          %4 = add(%1, %3) : float32[2, 8]
          %5 = where(%2, %3, %4) : float32[2, 8]
          %6 = multiply(%3, %3) : float32[2, 8]
          %7 = exp(%3) : float32[2, 8]
          return %5, %6, %7
        }
        """,
        """
        graph f(%0 x: float32[8], %1 y: float32[2, 8], %2 b: bool[2, 8]) {
          %3 = add(%1, %0) : float32[2, 8]
          %4 = where(%2, %0, %3) : float32[2, 8]
          %5 = broadcast_to(%0, shape=(2, 8)) : float32[2, 8]
          %6 = multiply(%0, %5) : float32[2, 8]
          %7 = exp(%5) : float32[2, 8]
          return %4, %6, %7
        }
        """,
    )


def test_one_number_repeated_takes_any_shape() -> None:
    check(
        simplify,
        """
        graph f() {
          %0 = full(shape=(), value=0.1, dtype=bfloat16) : bfloat16[]
          %1 = broadcast_to(%0, shape=(2, 3)) : bfloat16[2, 3]
          %2 = reshape(%1, shape=(6,)) : bfloat16[6]
          return %2
        }
        """,
        """
        graph f() {
          %0 = full(shape=(6,), value=0.1, dtype=bfloat16) : bfloat16[6]
          return %0
        }
        """,
    )


def test_every_rule_is_tried() -> None:
    """The tests above are to cover each rule; a new one needs a new test."""
    assert [rule.__name__ for rule in RULES] == [
        "_times_one",
        "_minus_zero",
        "_double_negative",
        "_same_shape",
        "_reshape_of_reshape",
        "_transpose_of_transpose",
        "_transposed_contraction",
        "_implicit_broadcast",
        "_reshape_of_constant",
    ]


def test_constants_fold() -> None:
    check(
        fold_constants,
        """
        graph f(%0 x: float32[2]) {
          %1 = constant(value=array([1.0, 2.0])) : float32[2]
          %2 = full(shape=(), value=3, dtype=float32) : float32[]
          %3 = divide(%1, %2) : float32[2]
          %4 = iota(shape=(2,), axis=0, dtype=float32) : float32[2]
          %5 = add(%3, %4) : float32[2]
          %6 = multiply(%5, %0) : float32[2]
          return %6
        }
        """,
        """
        graph f(%0 x: float32[2]) {
          %1 = constant(value=array([0.33333334, 1.6666667])) : float32[2]
          %2 = multiply(%1, %0) : float32[2]
          return %2
        }
        """,
    )


def test_folded_bfloat16_is_rounded_at_every_step() -> None:
    """0.1 is stored as 0.10009765625, and only then multiplied."""
    check(
        fold_constants,
        """
        graph f() {
          %0 = full(shape=(), value=0.1, dtype=bfloat16) : bfloat16[]
          %1 = full(shape=(), value=163.0, dtype=bfloat16) : bfloat16[]
          %2 = multiply(%0, %1) : bfloat16[]
          return %2
        }
        """,
        """
        graph f() {
          %0 = constant(value=array(16.375), dtype=bfloat16) : bfloat16[]
          return %0
        }
        """,
    )
    assert float(st.asarray(np.float32(np.float32(0.1) * 163), dtype=st.bfloat16)) == 16.25


def test_large_constants_and_repeated_numbers_are_not_stored() -> None:
    unchanged(
        fold_constants,
        f"""
        graph f() {{
          %0 = full(shape=(2,), value=3.0, dtype=float32) : float32[2]
          %1 = iota(shape=({LARGEST + 1},), axis=0, dtype=int64) : int64[{LARGEST + 1}]
          return %0, %1
        }}
        """,
    )


def test_barriers_do_not_fold_or_merge() -> None:
    text = """
        graph f(%0 x: float32[8]) {
          %1 = constant(value=array(2.0)) : float32[]
          %2 = barrier(%1) : float32[]
          %3 = barrier(%1) : float32[]
          %4 = add(%0, %2) : float32[8]
          %5 = add(%0, %3) : float32[8]
          return %4, %5
        }
        """
    unchanged(fold_constants, text)
    unchanged(merge_equal_nodes, text)


def test_positions_outside_a_constant_are_reported_when_the_program_is_made() -> None:
    graph = parse(
        """
        graph f() {
          %0 = constant(value=array([1.0, 2.0])) : float32[2]
          %1 = constant(value=array([5])) : int64[1]
          %2 = take(%0, %1, axis=0) : float32[1]  # model.py:3
          return %2
        }
        """
    )
    with pytest.raises(IndexError) as caught:
        fold_constants(graph)
    assert str(caught.value) == (
        "take: index 5 is outside axis 0, which has size 2. At model.py:3."
    )


def test_equal_nodes_merge() -> None:
    check(
        merge_equal_nodes,
        """
        graph f(%0 x: float32[8], %1 y: float32[8]) {
          %2 = exp(%0) : float32[8]
          %3 = exp(%0) : float32[8]
          %4 = add(%2, %3) : float32[8]
          %5 = exp(%1) : float32[8]
          %6 = sum(%2, axes=(0,)) : float32[]
          %7 = sum(%3, axes=(0,)) : float32[]
          %8 = add(%3, %2) : float32[8]
          return %4, %5, %6, %7, %8
        }
        """,
        """
        graph f(%0 x: float32[8], %1 y: float32[8]) {
          %2 = exp(%0) : float32[8]
          %3 = add(%2, %2) : float32[8]
          %4 = exp(%1) : float32[8]
          %5 = sum(%2, axes=(0,)) : float32[]
          return %3, %4, %5, %5, %3
        }
        """,
    )


def test_nodes_that_only_look_equal_do_not_merge() -> None:
    """Zeros of either sign, numbers of different types, data types, array values."""
    unchanged(
        merge_equal_nodes,
        """
        graph f(%0 x: float32[2]) {
          %1 = full(shape=(), value=0.0, dtype=float32) : float32[]
          %2 = full(shape=(), value=-0.0, dtype=float32) : float32[]
          %3 = full(shape=(), value=0, dtype=float32) : float32[]
          %4 = full(shape=(), value=False, dtype=float32) : float32[]
          %5 = full(shape=(), value=0.0, dtype=float64) : float64[]
          %6 = constant(value=array(0.0)) : float32[]
          %7 = constant(value=array(-0.0)) : float32[]
          %8 = constant(value=array(0.0), dtype=bfloat16) : bfloat16[]
          %9 = full(shape=(), value=complex(0.0, 0.0), dtype=complex64) : complex64[]
          %10 = full(shape=(), value=complex(0.0, -0.0), dtype=complex64) : complex64[]
          %11 = full(shape=(), value=nan, dtype=float32) : float32[]
          return %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11
        }
        """,
    )


def test_nan_is_equal_to_nan_when_nodes_merge() -> None:
    graph = parse(
        """
        graph f() {
          %0 = full(shape=(), value=nan, dtype=float32) : float32[]
          %1 = full(shape=(), value=nan, dtype=float32) : float32[]
          return %0, %1
        }
        """
    )
    first, second = merge_equal_nodes(graph).outputs
    assert first is second


def test_random_bits_of_one_counter_merge_and_of_another_do_not() -> None:
    check(
        merge_equal_nodes,
        """
        graph f(%0 key: uint32[2], %1 counter: int64[], %2 other: int64[]) {
          %3 = random_bits(%0, %1, shape=(2,)) : uint32[2]
          %4 = random_bits(%0, %1, shape=(2,)) : uint32[2]
          %5 = random_bits(%0, %2, shape=(2,)) : uint32[2]
          return %3, %4, %5
        }
        """,
        """
        graph f(%0 key: uint32[2], %1 counter: int64[], %2 other: int64[]) {
          %3 = random_bits(%0, %1, shape=(2,)) : uint32[2]
          %4 = random_bits(%0, %2, shape=(2,)) : uint32[2]
          return %3, %3, %4
        }
        """,
    )


def test_marks_for_differentiation_vanish() -> None:
    x = st.asarray([1.0, 2.0])
    passing = st.custom_gradient(gradient=lambda *given: given[0])(
        lambda x: st.exp(st.stop_gradient(x))
    )
    stages = st.compile(lambda x: passing(passing(x))).stages(x)
    assert "custom_gradient" in stages["trace"]
    lines = [line.partition("  #")[0] for line in stages["drop_custom_gradients"].splitlines()]
    assert lines == [
        "graph <lambda>(%0 argument0: float32[2]) {",
        "  %1 = exp(%0) : float32[2]",
        "  %2 = exp(%1) : float32[2]",
        "  return %2",
        "}",
    ]


@pytest.mark.parametrize("run", PASSES, ids=lambda run: run.__name__)
def test_passes_leave_their_graph_alone(run: Callable[[Graph], Graph]) -> None:
    """They are pure: the old graph is as it was, and a second run changes nothing more."""
    graph = parse(
        """
        graph f(%0 x: float32[2]) {
          %1 = identity(%0) : float32[2]
          %2 = full(shape=(), value=1.0, dtype=float32) : float32[]
          %3 = multiply(%1, %2) : float32[2]
          %4 = negative(%3) : float32[2]
          %5 = add(%3, %4) : float32[2]
          %6 = add(%3, %4) : float32[2]
          return %5, %6
        }
        """
    )
    before = to_text(graph)
    once = run(graph)
    assert to_text(graph) == before
    assert to_text(run(once)) == to_text(once)


def test_origins_survive_every_pass() -> None:
    """Each node that is left carries a line of those that it stands for."""
    graph = parse(
        """
        graph f(%0 x: float32[2, 3]) {
          %1 = identity(%0) : float32[2, 3]  # model.py:1
          %2 = transpose(%1, axes=(1, 0)) : float32[3, 2]  # model.py:2 in Linear 'head'
          %3 = transpose(%2, axes=(1, 0)) : float32[2, 3]  # model.py:3
          %4 = negative(%3) : float32[2, 3]  # model.py:4
          %5 = add(%1, %4) : float32[2, 3]  # model.py:5
          %6 = full(shape=(), value=2.0, dtype=float32) : float32[]  # model.py:6
          %7 = full(shape=(), value=3.0, dtype=float32) : float32[]  # model.py:7
          %8 = divide(%6, %7) : float32[]  # model.py:8
          %9 = multiply(%5, %8) : float32[2, 3]  # model.py:9
          %10 = multiply(%5, %8) : float32[2, 3]  # model.py:10
          %11 = reshape(%10, shape=(6,)) : float32[6]  # model.py:11
          %12 = reshape(%11, shape=(3, 2)) : float32[3, 2]  # model.py:12
          return %9, %12
        }
        """
    )
    for run in PASSES:
        graph = run(graph)
        assert all(node.origin != Origin() for node in graph.nodes() if not node.is_input)
    assert [str(node.origin) for node in graph.nodes()[1:]] == [
        "model.py:5",
        "model.py:8",
        "model.py:9",
        "model.py:12",
    ]


def test_long_chains_need_no_deep_stack() -> None:
    lines = [f"  %{n + 1} = negative(%{n}) : float32[]" for n in range(5000)]
    text = "\n".join(["graph f(%0 x: float32[]) {", *lines, "  return %5000", "}"])
    graph = parse(text)
    for run in PASSES:
        graph = run(graph)
    assert to_text(graph) == "graph f(%0 x: float32[]) {\n  return %0\n}\n"
