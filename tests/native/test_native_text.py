"""The text of loop nests: what is printed is what is done."""

from __future__ import annotations

import pytest
from native.programs import traced_graph

import steepest as st
from steepest.kernels.text import to_text
from steepest.runtime.executable import NativeExecutable

X = st.reshape(st.arange(12, dtype=st.float32), (3, 4))
ROWS = st.asarray([2, 0])


def text_of(function: object, *arguments: st.Tensor) -> str:
    graph = traced_graph(function, *arguments)  # type: ignore[arg-type]
    return NativeExecutable(graph).stages()["loop nests"]


def test_a_layer() -> None:
    weight = st.ones((5, 4))
    assert text_of(lambda x: st.maximum(x @ weight.T, x[:, :1]), X) == (
        "group of 4 rows, by one thread\n"
        "  for i0 < 4, i1 < 5:\n"
        "    %2[5 i0 + i1] = %1[4 i1 + i0]\n"
        "group of 3 rows, by one thread\n"
        "  for i0 < 3, i1 < 5:\n"
        "    %3[5 i0 + i1] = sum over i2 < 4 of %0[4 i0 + i2] * %2[5 i2 + i1]\n"
        "  for i0 < 3, i1 < 5:\n"
        "    %5[5 i0 + i1] = maximum(%3[5 i0 + i1], %0[4 i0])\n"
    )


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (
            lambda x: st.argsort(x, axis=1),
            "%1[4 i0 + i1] = ascending order along i1 < 4 of %0[4 i0 + i1]",
        ),
        (
            lambda x: st.cumulative_sum(x, axis=1),
            "%1[4 i0 + i1] = cumulative_sum along i1 < 4 of %0[4 i0 + i1]",
        ),
        (
            lambda x: st.concat([x, -x], axis=1),
            "%2[8 i0 + i1] = (%0[4 i0 + i1] | negative(%0[4 i0 + i1 + -4]) by i1)",
        ),
        (
            lambda x: st.pad(x, ((1, 0), (0, 0))),
            "%1[4 i0 + i1] = (%0[4 i0 + i1 + -4] if 0 <= i0 + -1 < 3 else 0)",
        ),
        (
            lambda x: st.take(x, ROWS, axis=0),
            "= %0[i1 + 4 where(less(%1[i0], 0), (%1[i0] + 3), %1[i0])]",
        ),
        (
            lambda x: st.take(x, ROWS, axis=0),
            "fault unless 0 <= where(less(%1[i0], 0), (%1[i0] + 3), %1[i0]) < 3",
        ),
        (
            lambda x: st.searchsorted(x[0], x[1]),
            "place of",
        ),
        (lambda x: x + st.random.uniform(x.shape), "4 random numbers a row"),
        (lambda x: st.scatter_add(x, ROWS, x[:2]), "+= %0["),
        (lambda x: st.max(x, axis=0), "max over i1 < 3 of %0[4 i1 + i0]"),
    ],
)
def test_every_kind_of_nest(function: object, line: str) -> None:
    assert line in text_of(function, X)


def test_updated_state_has_one_name() -> None:
    total = st.zeros(3)

    def step(x: st.Tensor) -> None:
        total.assign(total + x)

    graph = traced_graph(step, st.ones(3))
    made = NativeExecutable(graph).schedule()
    assert "%1[i0] = (%1[i0] + %0[i0])" in to_text(graph, made)
