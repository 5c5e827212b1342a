"""Whole programs compiled natively: training steps, threads, memory, randomness, functions."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from native.programs import assert_equal_to_evaluator, native, one_node, traced_graph

import steepest as st
from steepest import nn, optim
from steepest.codegen.contraction import ASKED_BYTES, NEAR_CACHE
from steepest.compile import Compiled
from steepest.graph.evaluate import Evaluator, evaluate
from steepest.graph.node import Graph
from steepest.kernels.tuning import FINEST, USUAL
from steepest.ops import REGISTRY
from steepest.runtime.executable import NativeExecutable


class Training:
    """A small network with dropout, batch norm and AdamW, and its compiled step."""

    def __init__(self, back_end: object):
        st.random.seed(3)
        self.model = nn.Sequential(
            nn.Linear(19, 37, bias=False),  # batch norm takes a bias away: its gradient is noise
            nn.BatchNorm1d(37),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(37, 33),
            nn.LayerNorm(33),
            nn.ReLU(),
            nn.Linear(33, 5),
        )
        self.optimizer = optim.AdamW(self.model.parameters(), lr=1e-2)
        self.step = Compiled(self._step, back_end)  # type: ignore[arg-type]
        random = np.random.default_rng(0)
        self.x = random.normal(size=(50, 19)).astype("float32")
        self.y = random.integers(0, 5, 50)

    def _step(self, x: st.Tensor, y: st.Tensor) -> st.Tensor:
        loss = nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, steps: int) -> tuple[list[float], list[np.ndarray]]:
        losses = [float(self.step(self.x, self.y)) for _ in range(steps)]
        return losses, [each.numpy().copy() for each in self.model.state_dict().values()]


def test_training_agrees_with_the_evaluator() -> None:
    losses, state = Training(NativeExecutable).run(20)
    expected_losses, expected_state = Training(Evaluator).run(20)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for one, other in zip(state, expected_state, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_training_is_the_same_bits_on_any_number_of_threads_and_in_every_run() -> None:
    runs = [
        Training(lambda graph, count=count: NativeExecutable(graph, threads=count)).run(10)
        for count in (1, 2, 3, 8, 1)
    ]
    for run in runs[1:]:
        assert_same_bits(run, runs[0])


def test_no_number_is_read_before_it_is_written() -> None:
    def run(poison: bool) -> tuple[list[float], list[np.ndarray]]:
        training = Training(lambda graph: NativeExecutable(graph, threads=2))
        first, _ = training.run(1)
        program = next(iter(training.step._programs))
        if poison:
            for array in program._executable.memory.temporaries():  # type: ignore[attr-defined]
                array[...] = 0xFF
        losses, state = training.run(3)
        return first + losses, state

    assert_same_bits(run(poison=False), run(poison=True))


def assert_same_bits(
    one: tuple[list[float], list[np.ndarray]], other: tuple[list[float], list[np.ndarray]]
) -> None:
    """Compare the losses and the state of two runs."""
    assert one[0] == other[0]
    for first, second in zip(one[1], other[1], strict=True):
        assert first.tobytes() == second.tobytes()


@settings(max_examples=40, deadline=None)
@given(
    sizes=some.tuples(*[some.integers(1, 40)] * 4),
    spec=some.sampled_from(
        ["ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ji,kj->ik", "ij,jk->ki", "bij,bjk->bik",
         "bij,bkj->bik", "ijb,bjk->bik", "ij,bj->ib", "ij,ij->i", "ij,ij->", "i,j->ij",
         "ijk,kjb->ib", "ij,j->i"]
    ),
    dtype=some.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_contractions_of_any_shape(sizes: tuple[int, ...], spec: str, dtype: str) -> None:
    extents = dict(zip("bijk", sizes, strict=True))
    random = np.random.default_rng(0)
    operands, _, _ = spec.partition("->")
    arrays = [
        random.normal(size=[extents[each] for each in letters]).astype(dtype)
        for letters in operands.split(",")
    ]
    graph = one_node(REGISTRY["contract"], arrays, {"spec": spec})
    size = evaluate(graph, [np.abs(array) for array in arrays])[0].max(initial=1.0)
    assert_equal_to_evaluator(graph, arrays, 0.0, float(size) * np.finfo(dtype).eps * 8)


def product(rows: int, summed: int, columns: int) -> tuple[Graph, list[np.ndarray]]:
    """A matrix product, and its operands."""
    random = np.random.default_rng(0)
    arrays = [
        random.normal(size=shape).astype(np.float32)
        for shape in ((rows, summed), (summed, columns))
    ]
    return one_node(REGISTRY["contract"], arrays, {"spec": "ij,jk->ik"}), arrays


@pytest.mark.parametrize("columns", [48, 61, 64])
@pytest.mark.parametrize("rows", [13, 19, 64, 250, 300])
def test_products_whose_rows_are_asked_for(rows: int, columns: int) -> None:
    graph, arrays = product(rows, -(-ASKED_BYTES // (4 * rows)), columns)
    exact = arrays[0].astype(np.float64) @ arrays[1].astype(np.float64)
    bound = np.abs(arrays[0]) @ np.abs(arrays[1]) * np.finfo(np.float32).eps * 8
    runs = [
        NativeExecutable(graph, threads=threads, tuning=tuning)(arrays)[0]
        for tuning in (USUAL, FINEST)
        for threads in (1, 2, 3, 5)
    ]
    assert (np.abs(runs[0] - exact) <= bound).all()
    assert len({each.tobytes() for each in runs}) == 1


@pytest.mark.parametrize(
    ("rows", "summed", "asks"),
    [(300, 128, True), (100, 128, False), (8, 4096, False), (9000, 16, False)],
    ids=["large", "near anyway", "no tile follows", "short rows"],
)
def test_rows_of_the_next_tile_are_asked_for(rows: int, summed: int, asks: bool) -> None:
    graph, _ = product(rows, summed, 48)
    text = NativeExecutable(graph, threads=1).stages()["LLVM"]
    assert (f"i32 0, i32 {NEAR_CACHE}, i32 1)" in text) == asks


ULP_BOUNDS = {"exp": 2.0, "log": 2.0, "tanh": 3.0, "sigmoid": 4.0}
EXACT = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", ULP_BOUNDS)
def test_error_of_the_functions(name: str) -> None:
    if name == "log":
        x = np.concatenate([np.geomspace(1e-44, 3e38, 200_001), np.linspace(0.5, 2, 100_001)])
    else:
        x = np.concatenate([np.linspace(-87, 88, 200_001), np.linspace(-1, 1, 100_001)])
    x = x.astype("float32")
    graph = one_node(REGISTRY[name], [x], {})
    found = NativeExecutable(graph)([x])[0].astype("float64")
    exact = EXACT[name](x.astype("float64"))
    normal = np.abs(exact) >= np.finfo("float32").smallest_normal
    spacing = np.spacing(np.abs(exact).astype("float32")).astype("float64")
    error = np.abs(found - exact) / spacing
    assert error[normal].max() <= ULP_BOUNDS[name]


def test_special_values_of_the_functions() -> None:
    x = np.array([math.inf, -math.inf, math.nan, 0.0, -0.0], "float32")
    expected = {
        "exp": [math.inf, 0.0, math.nan, 1.0, 1.0],
        "log": [math.inf, math.nan, math.nan, -math.inf, -math.inf],
        "tanh": [1.0, -1.0, math.nan, 0.0, -0.0],
        "sigmoid": [1.0, 0.0, math.nan, 0.5, 0.5],
    }
    for name, numbers in expected.items():
        found = NativeExecutable(one_node(REGISTRY[name], [x], {}))([x])[0]
        expected_bits = np.array(numbers, "float32")
        np.testing.assert_array_equal(found, expected_bits, err_msg=name)
        same_sign = np.signbit(found) == np.signbit(expected_bits)
        assert (same_sign | np.isnan(expected_bits)).all(), name


def test_random_numbers_are_those_of_the_eager_mode() -> None:
    def draw() -> st.Tensor:
        return st.random.uniform((7, 9)) + st.random.normal((7, 9))

    st.random.seed(5)
    eager = [draw().numpy() for _ in range(3)]
    st.random.seed(5)
    compiled = native(draw)
    for expected in eager:
        np.testing.assert_allclose(compiled().numpy(), expected, rtol=2e-6, atol=2e-6)


def test_bfloat16_is_rounded_as_the_evaluator_rounds() -> None:
    def function(x: st.Tensor) -> st.Tensor:
        return st.tanh(x * 1.5 + 0.25) / (x + 3.0)

    x = st.asarray(np.linspace(-2, 2, 301, dtype="float32")).astype(st.bfloat16)
    expected, found = function(x), native(function)(x)
    difference = np.abs(expected.numpy() - found.numpy())
    assert difference.max() <= 2.0**-8 * np.abs(expected.numpy()).max()


def test_results_kept_by_the_user_are_not_overwritten() -> None:
    function = native(lambda x: x * 2.0)
    first = function(st.asarray(np.ones(2000, "float32")))
    kept = first.numpy()
    second = function(st.asarray(np.full(2000, 5.0, "float32")))
    assert kept[0] == 2.0
    assert second.numpy()[0] == 10.0


def test_several_python_threads_may_run_programs() -> None:
    x = np.arange(20000, dtype="float32")
    function = native(lambda x: (x * 2.0).sum())
    function(x)
    found: list[float] = []
    workers = [threading.Thread(target=lambda: found.append(float(function(x)))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(found)) == 1
    assert found[0] == pytest.approx(x.sum(dtype="float64") * 2, rel=1e-5)


def test_traced_graph_of_a_function() -> None:
    graph = traced_graph(lambda x: st.exp(x) + 1.0, st.asarray([0.0, 1.0]))
    assert isinstance(graph, Graph)
    assert_equal_to_evaluator(graph, [np.array([0.0, 1.0], "float32")], 1e-6, 0.0)


def test_a_reshape_that_no_loop_index_reaches_gets_a_buffer() -> None:
    def function(x: st.Tensor) -> st.Tensor:
        turned = st.permute_dims(st.exp(x), (1, 0))
        rows = st.reshape(turned, (2, 6))
        return st.reshape(st.flip(rows, axis=1), (3, 4)) * st.reshape(rows, (12,))[:4]

    x = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
    graph = traced_graph(function, st.asarray(x))
    assert_equal_to_evaluator(graph, [x], 1e-6, 0.0)
