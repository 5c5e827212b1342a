"""Convolutions by tiles: the same numbers as by windows, and only where they take less time."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from native.programs import traced_graph

import steepest as st
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph
from steepest.graph.verify import verify
from steepest.nn import functional
from steepest.ops.image_tiles import from_tiles, to_tiles
from steepest.options import options
from steepest.passes.winograd import winograd
from steepest.passes.winograd_transforms import (
    LARGE,
    PAIRS_LARGE,
    PAIRS_SMALL,
    SMALL,
    TRANSFORMS,
    Transform,
)
from steepest.runtime.executable import NativeExecutable

ALWAYS = float("inf")
SHARED = [HealthCheck.function_scoped_fixture]


@pytest.fixture(name="plain", autouse=True)
def fixture_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions are traced to graphs on which the pass has not run."""
    chosen = dataclasses.replace(options(), winograd=False)
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: chosen)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of convolution: how it is called, and the small and the large transform for it."""

    function: Callable[..., st.Tensor]
    kernel: int
    how: dict[str, Any]
    transforms: tuple[Transform, Transform]

    def step(self, x: st.Tensor, weight: st.Tensor, output_grad: st.Tensor) -> tuple[Any, ...]:
        """The result, and the gradients of image and kernel."""

        def loss(x: st.Tensor, weight: st.Tensor) -> st.Tensor:
            return st.sum(self.function(x, weight, **self.how) * output_grad)

        result = self.function(x, weight, **self.how)
        return result, *st.grad(loss, argnums=(0, 1))(x, weight)

    def operands(
        self, count: int, channels: int, features: int, size: tuple[int, int], dtype: str
    ) -> list[np.ndarray]:
        """An image, a kernel and a gradient of the result."""
        is_transposed = self.function is functional.conv_transpose2d
        ends = (channels, features) if is_transposed else (features, channels)
        x = numbers(count, channels, *size, dtype=dtype)
        weight = numbers(*ends, self.kernel, self.kernel, dtype=dtype)
        shape = self.function(st.asarray(x), st.asarray(weight), **self.how).shape
        return [x, weight, numbers(*shape, dtype=dtype)]


def numbers(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


PLAIN = Kind(functional.conv2d, 3, {"padding": 1}, (SMALL, LARGE))
KINDS = {
    "plain": PLAIN,
    "no padding": Kind(functional.conv2d, 3, {}, (SMALL, LARGE)),
    "wide padding": Kind(functional.conv2d, 3, {"padding": (2, 0)}, (SMALL, LARGE)),
    "strided": Kind(functional.conv2d, 4, {"stride": 2, "padding": 1}, (PAIRS_SMALL, PAIRS_LARGE)),
    "transposed": Kind(
        functional.conv_transpose2d, 4, {"stride": 2, "padding": 1}, (PAIRS_SMALL, PAIRS_LARGE)
    ),
}


def only(transform: Transform) -> dict[int, list[Transform]]:
    """This transform, whatever the windows."""
    return {len(transform.weight[0]): [transform]}


def tiled(graph: Graph) -> int:
    """How many contractions of a graph go by tiles."""
    return sum(node.op is from_tiles for node in graph.nodes())


@pytest.mark.parametrize(
    "transform", [each for few in TRANSFORMS.values() for each in few], ids=str
)
def test_transforms_are_of_convolutions(transform: Transform) -> None:
    """Each product of a number seen and a number of the window counts once, where it should."""
    parts = (transform.result, transform.weight, transform.data)
    made = np.einsum("ka,aj,at->kjt", *map(np.asarray, parts))
    size, window = transform.size, len(transform.weight[0])
    places = np.arange(size)[:, None, None] + np.arange(window)[:, None]
    expected = (places == np.arange(size + window - 1)).astype(float)
    np.testing.assert_allclose(made, expected, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@settings(max_examples=10, deadline=None, suppress_health_check=SHARED)
@given(
    count=some.integers(1, 6),
    channels=some.integers(1, 5),
    features=some.integers(1, 5),
    size=some.tuples(some.integers(4, 11), some.integers(4, 11)),
    is_large=some.booleans(),
)
def test_results_and_gradients_are_the_same(
    kind: Kind, count: int, channels: int, features: int, size: tuple[int, int], is_large: bool
) -> None:
    arrays = kind.operands(count, channels, features, size, "float64")
    graph = traced_graph(kind.step, *map(st.asarray, arrays))
    found = winograd(graph, only(kind.transforms[is_large]), ALWAYS)
    verify(found, after="winograd")
    places = [each.shape[axis] for each in (arrays[0], arrays[2]) for axis in (2, 3)]
    if min(places) >= kind.transforms[is_large].size:
        assert tiled(found) >= 2
    expected = evaluate(graph, arrays)
    for one, other in zip(NativeExecutable(found, 2)(arrays), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11 * np.abs(other).max())


def test_convolutions_of_many_channels_and_their_gradients_go_by_tiles() -> None:
    for count, channels, features, size in ((64, 32, 32, 28), (16, 64, 64, 16), (16, 256, 256, 4)):
        arrays = PLAIN.operands(count, channels, features, (size, size), "float32")
        graph = traced_graph(PLAIN.step, *map(st.asarray, arrays))
        assert tiled(winograd(graph)) == 3
    for kind in (KINDS["strided"], KINDS["transposed"]):
        arrays = kind.operands(16, 64, 64, (16, 16), "float32")
        graph = traced_graph(kind.step, *map(st.asarray, arrays))
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
    kind = Kind(functional.conv2d, 3, how, (SMALL, LARGE))
    graph = traced_graph(kind.step, x, weight, output_grad)
    assert winograd(graph).outputs == graph.outputs


def test_short_numbers_do_not() -> None:
    x, weight = (st.zeros(each, dtype=st.bfloat16) for each in ((8, 64, 16, 16), (64, 64, 3, 3)))
    graph = traced_graph(lambda x, weight: functional.conv2d(x, weight, padding=1), x, weight)
    assert winograd(graph).outputs == graph.outputs


@pytest.mark.parametrize(
    ("name", "is_large", "worst"),
    [
        ("plain", False, 1.0),
        ("strided", False, 1.25),
        ("transposed", False, 1.25),
        ("plain", True, 4.0),
        ("strided", True, 4.0),
        ("transposed", True, 4.0),
    ],
)
def test_rounding_is_of_the_size_of_that_of_windows(
    name: str, is_large: bool, worst: float
) -> None:
    """In float32, against windows in float64; `worst` times the error of windows in float32."""
    kind = KINDS[name]
    arrays = kind.operands(4, 128, 128, (12, 12), "float32")
    wide = [each.astype("float64") for each in arrays]
    truth = evaluate(traced_graph(kind.step, *map(st.asarray, wide)), wide)
    graph = traced_graph(kind.step, *map(st.asarray, arrays))
    by_windows = NativeExecutable(graph, 1)(arrays)
    found = winograd(graph, only(kind.transforms[is_large]), ALWAYS)
    for ours, theirs, true in zip(
        NativeExecutable(found, 1)(arrays), by_windows, truth, strict=True
    ):
        errors = [np.sqrt(np.mean((each - true) ** 2)) for each in (ours, theirs)]
        assert errors[0] < worst * errors[1]


def test_the_option_says_whether(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = PLAIN.operands(16, 64, 64, (16, 16), "float32")
    assert tiled(traced_graph(PLAIN.step, *map(st.asarray, arrays))) == 0
    chosen = dataclasses.replace(options(), winograd=True)
    monkeypatch.setattr(sys.modules["steepest.compile"], "options", lambda: chosen)
    graph = traced_graph(PLAIN.step, *map(st.asarray, arrays))
    assert tiled(graph) == 3
    assert any(node.op is to_tiles for node in graph.nodes())
