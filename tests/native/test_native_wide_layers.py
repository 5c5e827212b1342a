"""Dense layers that are wide for their batch, whose results lie turned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.compile import Compiled
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.kernels.nest import ContractNest
from steepest.kernels.tuning import FINEST
from steepest.runtime.executable import NativeExecutable


class Block(nn.Module):
    """A residual block with every kind of thing that lies between dense layers."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, width, bias=False)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: st.Tensor) -> st.Tensor:
        inner = nn.functional.gelu(self.norm(self.first(x)))
        halves = st.concat([inner[:, ::2], st.flip(inner, axis=1)[:, 1::2]], axis=1)
        return x + self.layer_norm(self.second(halves)) * st.sigmoid(st.mean(x, axis=0))


def train(
    back_end: Callable[[Graph], Any], batch: int
) -> tuple[list[float], list[np.ndarray], Compiled[..., Any]]:
    st.random.seed(2)
    model = nn.Sequential(nn.Linear(24, 150), nn.Tanh(), Block(150), Block(150), nn.Linear(150, 5))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    random = np.random.default_rng(0)

    def step(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    run = Compiled(step, back_end)
    losses = []
    for _ in range(4):
        x = random.normal(size=(batch, 24)).astype("float32")
        losses.append(run(x, random.integers(0, 5, size=batch)).item())
    return losses, [np.asarray(each) for each in model.state_dict().values()], run


@pytest.mark.parametrize("batch", [32, 48, 50])
def test_training_is_the_evaluators_and_the_same_on_any_number_of_threads(batch: int) -> None:
    expected, expected_state, _ = train(Evaluator, batch)
    losses, state, run = train(lambda graph: NativeExecutable(graph, threads=1), batch)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-2, atol=2e-3)
    for threads in (2, 3, 8):
        divided = train(
            lambda graph, threads=threads: NativeExecutable(graph, threads=threads, tuning=FINEST),
            batch,
        )
        assert divided[0] == losses
        for one, other in zip(divided[1], state, strict=True):
            assert one.tobytes() == other.tobytes()
    (program,) = run._programs
    nests = [each for group in program._executable.schedule().groups for each in group.nests]  # type: ignore[attr-defined]
    turned = [
        each
        for each in nests
        if isinstance(each, ContractNest) and each.node.tensor_type.shape == (150, batch)
    ]
    assert bool(turned) == (batch in (32, 48))


@pytest.mark.parametrize("form", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize(("rows", "summed", "columns"), [(512, 512, 512), (270, 1030, 300)])
def test_large_products_of_inputs_with_crowded_or_long_columns(
    form: str, rows: int, summed: int, columns: int
) -> None:
    random = np.random.default_rng(3)
    left = random.normal(size=(rows, summed)[:: -1 if form[0] == "t" else 1]).astype("float32")
    right = random.normal(size=(summed, columns)[:: -1 if form[1] == "t" else 1])
    right = right.astype("float32")

    def product(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return (x.T if form[0] == "t" else x) @ (y.T if form[1] == "t" else y)

    exact = (left.T if form[0] == "t" else left).astype("float64") @ (
        right.T if form[1] == "t" else right
    )
    run = Compiled(product, lambda graph: NativeExecutable(graph, threads=2))
    np.testing.assert_allclose(np.asarray(run(left, right)), exact, atol=4e-4)
    (program,) = run._programs
    groups = program._executable.schedule().groups  # type: ignore[attr-defined]
    nests = [each for group in groups for each in group.nests]
    (contraction,) = (each for each in nests if isinstance(each, ContractNest))
    reduced = contraction.reduced[0]
    if summed > 1024:
        assert abs(contraction.broadcast.place.step(reduced)) == 1
    copies = len(nests) - 1
    crowded = summed == 512
    assert copies == (form[0] == "t") + (crowded or form[1] == "t")


def test_a_long_column_that_two_products_read_is_copied_once() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 1030, 300)).astype("float32")

    def products(x: st.Tensor, y: st.Tensor) -> tuple[st.Tensor, st.Tensor]:
        return x.T @ y, x.T @ (y + 1.0)

    run = Compiled(products, lambda graph: NativeExecutable(graph, threads=2))
    for found, right in zip(run(x, y), (y, y + 1.0), strict=True):
        exact = x.T.astype("float64") @ right
        np.testing.assert_allclose(np.asarray(found), exact, atol=4e-4)
    (program,) = run._programs
    groups = program._executable.schedule().groups  # type: ignore[attr-defined]
    written = [each.written()[0] for group in groups for each in group.nests]
    assert sum(each.tensor_type.shape == (300, 1030) for each in written) == 1
