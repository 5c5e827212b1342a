"""What only passes from nest to nest of a group takes the memory of one block of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from native.programs import traced_graph

import steepest as st
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph
from steepest.kernels.tuning import FINEST, USUAL
from steepest.runtime.executable import NativeExecutable

ROWS, COLUMNS = 96, 20
BLOCK = 8
UNWRITTEN = 0xA5


def arrays() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    shapes = (ROWS, 30), (30, COLUMNS), (COLUMNS, 5)
    return [random.normal(size=shape).astype("float32") for shape in shapes]


def two_layers(x: st.Tensor, first: st.Tensor, second: st.Tensor) -> st.Tensor:
    return st.matmul(st.maximum(st.matmul(x, first), 0.0), second)


def graph_of(function: Callable[..., Any]) -> Graph:
    return traced_graph(function, *map(st.asarray, arrays()))


def passing(graph: Graph) -> list[tuple[int, ...]]:
    """The shapes of what lives for a block only."""
    made = NativeExecutable(graph, threads=1, tuning=FINEST).schedule()
    written = {id(node): node for g in made.groups for nest in g.nests for node in nest.written()}
    keys = [key for group in made.groups for key in group.passing]
    return sorted(written[key].tensor_type.shape for key in keys)


def test_rows_beyond_the_first_block_are_never_written() -> None:
    graph = graph_of(two_layers)
    assert (ROWS, COLUMNS) in passing(graph)
    executable = NativeExecutable(graph, threads=1, tuning=FINEST)
    temporaries = [
        each for each in executable.memory.temporaries() if each.nbytes == ROWS * COLUMNS * 4
    ]
    assert temporaries
    for each in temporaries:
        each[...] = UNWRITTEN
    (found,) = executable(arrays())
    np.testing.assert_allclose(found, evaluate(graph, arrays())[0], rtol=2e-5, atol=1e-5)
    for each in temporaries:
        rows = each.reshape(ROWS, -1)
        assert (rows[:BLOCK] != UNWRITTEN).any(axis=1).all()
        assert (rows[BLOCK:] == UNWRITTEN).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_bits_are_those_of_programs_that_keep_all_rows(threads: int) -> None:
    graph = graph_of(two_layers)
    keeping = dataclasses.replace(FINEST, far_bytes=2**62)
    (expected,) = NativeExecutable(graph, threads=1, tuning=keeping)(arrays())
    (found,) = NativeExecutable(graph, threads=threads, tuning=FINEST)(arrays())
    assert found.tobytes() == expected.tobytes()


def test_results_and_what_other_groups_read_keep_all_rows() -> None:
    def with_result(x: st.Tensor, first: st.Tensor, second: st.Tensor) -> tuple[st.Tensor, ...]:
        hidden = st.matmul(x, first)
        return hidden, st.matmul(hidden, second)

    def over_rows(x: st.Tensor, first: st.Tensor, second: st.Tensor) -> st.Tensor:
        hidden = st.matmul(x, first)
        return st.matmul(hidden / st.sum(hidden, axis=0), second)

    for function in (with_result, over_rows):
        graph = graph_of(function)
        found = NativeExecutable(graph, threads=2, tuning=FINEST)(arrays())
        for one, other in zip(found, evaluate(graph, arrays()), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    assert passing(graph_of(with_result)) == []


def test_small_buffers_stay_where_they_were_put() -> None:
    made = NativeExecutable(graph_of(two_layers), threads=1, tuning=USUAL).schedule()
    assert not any(group.passing for group in made.groups)


def test_the_text_of_the_nests_tells() -> None:
    executable = NativeExecutable(graph_of(two_layers), threads=1, tuning=FINEST)
    head = f"group of {ROWS} rows, {BLOCK} at a time, divided among threads, each block of %"
    assert head in executable.stages()["loop nests"]
