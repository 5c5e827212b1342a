"""Convolutions by tiles: the same numbers as by windows, and only where they take less time."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from native.programs import traced_graph

import steepest as st
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph
from steepest.graph.verify import verify
from steepest.nn import functional
from steepest.ops.tiles import from_tiles, to_tiles
from steepest.options import options
from steepest.passes.winograd import LARGE, SMALL, WINDOW, Transform, winograd
from steepest.runtime.executable import NativeExecutable

ALWAYS = float("inf")


@pytest.fixture(name="plain", autouse=True)
def fixture_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions are traced to graphs on which the pass has not run."""
    chosen = dataclasses.replace(options(), winograd=False)
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: chosen)


def step(padding: int, **how: Any) -> Callable[..., Any]:
    """The result of a convolution, and the gradients of its image and kernel."""

    def both(x: st.Tensor, weight: st.Tensor, output_grad: st.Tensor) -> tuple[st.Tensor, ...]:
        def result(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
            return functional.conv2d(x, weight, padding=padding, **how)

        def loss(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
            return st.sum(result(x, weight) * output_grad)

        return result(x, weight), *st.grad(loss, argnums=(0, 1))(x, weight)

    return both


def numbers(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def operands(
    count: int, channels: int, features: int, size: tuple[int, int], padding: int, dtype: str
) -> list[np.ndarray]:
    down, across = (each + 2 * padding - 2 for each in size)
    return [
        numbers(count, channels, *size, dtype=dtype),
        numbers(features, channels, 3, 3, dtype=dtype),
        numbers(count, features, down, across, dtype=dtype),
    ]


def tiled(graph: Graph) -> int:
    """How many contractions of a graph go by tiles."""
    return sum(node.op is from_tiles for node in graph.nodes())


@pytest.mark.parametrize("transform", [SMALL, LARGE], ids=["small", "large"])
def test_transforms_are_of_convolutions(transform: Transform) -> None:
    """Each product of a number seen and a number of the window counts once, where it should."""
    parts = (transform.result, transform.weight, transform.data)
    made = np.einsum("ka,aj,at->kjt", *map(np.asarray, parts))
    size = transform.size
    places = np.arange(size)[:, None, None] + np.arange(WINDOW)[:, None]
    expected = (places == np.arange(size + WINDOW - 1)).astype(float)
    np.testing.assert_allclose(made, expected, atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(
    count=some.integers(1, 6),
    channels=some.integers(1, 5),
    features=some.integers(1, 5),
    size=some.tuples(some.integers(4, 11), some.integers(4, 11)),
    padding=some.integers(0, 2),
    transform=some.sampled_from([SMALL, LARGE]),
)
def test_results_and_gradients_are_the_same(
    count: int,
    channels: int,
    features: int,
    size: tuple[int, int],
    padding: int,
    transform: Transform,
) -> None:
    arrays = operands(count, channels, features, size, padding, "float64")
    graph = traced_graph(step(padding), *map(st.asarray, arrays))
    found = winograd(graph, [transform], ALWAYS)
    verify(found, after="winograd")
    if min(size) + 2 * padding - 2 >= transform.size:
        assert tiled(found) >= 2
    expected = evaluate(graph, arrays)
    for one, other in zip(NativeExecutable(found, 2)(arrays), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11 * np.abs(other).max())


def test_convolutions_of_many_channels_and_their_gradients_go_by_tiles() -> None:
    for count, channels, features, size in ((64, 32, 32, 28), (16, 64, 64, 16), (16, 256, 256, 4)):
        arrays = operands(count, channels, features, (size, size), 1, "float32")
        graph = traced_graph(step(1), *map(st.asarray, arrays))
        assert tiled(winograd(graph)) == 3


@pytest.mark.parametrize(
    ("shape", "kernel", "how"),
    [
        ((8, 64, 16, 16), (64, 64, 3, 3), {"stride": 2, "padding": 1}),
        ((8, 64, 16, 16), (64, 64, 3, 3), {"dilation": 2, "padding": 2}),
        ((8, 64, 16, 16), (64, 32, 3, 3), {"groups": 2, "padding": 1}),
        ((8, 64, 16, 16), (64, 1, 3, 3), {"groups": 64, "padding": 1}),
        ((8, 64, 16, 16), (64, 64, 1, 1), {"padding": 0}),
        ((8, 64, 16, 16), (64, 64, 5, 5), {"padding": 2}),
        ((8, 3, 16, 16), (64, 3, 3, 3), {"padding": 1}),
        ((8, 64, 3, 3), (64, 64, 3, 3), {"padding": 0}),
        ((16, 512, 2, 2), (512, 512, 3, 3), {"padding": 1}),
    ],
    ids=str,
)
def test_others_do_not(shape: Any, kernel: Any, how: dict[str, Any]) -> None:
    x, weight = st.zeros(shape), st.zeros(kernel)
    output_grad = st.zeros(functional.conv2d(x, weight, **how).shape)
    graph = traced_graph(step(**how), x, weight, output_grad)
    assert winograd(graph).outputs == graph.outputs


@pytest.mark.parametrize(("transform", "worst"), [(SMALL, 1.0), (LARGE, 4.0)])
def test_rounding_is_of_the_size_of_that_of_windows(transform: Transform, worst: float) -> None:
    """In float32, against windows in float64; `worst` times the error of windows in float32."""
    arrays = operands(4, 128, 128, (12, 12), 1, "float32")
    wide = [each.astype("float64") for each in arrays]
    truth = evaluate(traced_graph(step(1), *map(st.asarray, wide)), wide)
    graph = traced_graph(step(1), *map(st.asarray, arrays))
    by_windows = NativeExecutable(graph, 1)(arrays)
    by_tiles = NativeExecutable(winograd(graph, [transform], ALWAYS), 1)(arrays)
    for ours, theirs, true in zip(by_tiles, by_windows, truth, strict=True):
        errors = [np.sqrt(np.mean((each - true) ** 2)) for each in (ours, theirs)]
        assert errors[0] < worst * errors[1]


def test_the_option_says_whether(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = operands(16, 64, 64, (16, 16), 1, "float32")
    assert tiled(traced_graph(step(1), *map(st.asarray, arrays))) == 0
    chosen = dataclasses.replace(options(), winograd=True)
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: chosen)
    graph = traced_graph(step(1), *map(st.asarray, arrays))
    assert tiled(graph) == 3
    assert any(node.op is to_tiles for node in graph.nodes())
