"""`run_batches`: many steps in one call give, bit by bit, what as many calls give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.compile import Compiled, compile_natively
from steepest.errors import ArgumentError, ShapeError
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.runtime.executable import NativeExecutable


class Training:
    """A small classifier with dropout; `step` returns its loss and a plain string."""

    def __init__(self, back_end: Callable[[Graph], Any]):
        st.random.seed(5)
        random = np.random.default_rng(2)
        self.x = random.normal(size=(50, 7)).astype("float32")
        self.y = random.integers(0, 3, size=50)
        self.rows = random.integers(0, 50, size=(12, 8))
        self.model = nn.Sequential(nn.Linear(7, 20), nn.ReLU(), nn.Dropout(0.3), nn.Linear(20, 3))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.step = Compiled(self._step, back_end)

    def _step(self, x: st.Tensor, y: st.Tensor) -> dict[str, Any]:
        loss = nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss, "note": "trained", "wrong": st.argmax(self.model(x), axis=1) != y}

    def state(self) -> list[bytes]:
        return [np.asarray(each).tobytes() for each in self.model.state_dict().values()]


def on(threads: int) -> Callable[[Graph], Any]:
    return lambda graph: NativeExecutable(graph, threads=threads)


@pytest.mark.parametrize("back_end", [on(1), on(2), Evaluator])
def test_many_steps_are_as_many_calls(back_end: Callable[[Graph], Any]) -> None:
    one = Training(back_end)
    expected = [one.step(one.x[rows], one.y[rows]) for rows in one.rows]
    other = Training(back_end)
    found = other.step.run_batches(other.rows, other.x, other.y)
    assert found["note"] == "trained"
    assert found["loss"].shape == (12,)
    assert found["wrong"].shape == (12, 8)
    assert found["wrong"].dtype is st.bool
    assert found["loss"].tolist() == [each["loss"].item() for each in expected]
    assert found["wrong"].tolist() == [each["wrong"].tolist() for each in expected]
    assert one.state() == other.state()
    assert not found["loss"].requires_grad


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_in_order_are_read_where_they_are(threads: int) -> None:
    one = Training(on(threads))
    in_order = np.arange(48).reshape(6, 8)
    nearly = in_order + np.array([0, 0, 0, 0, 0, 0, 0, 1])
    rows = np.concatenate([in_order, one.rows[:2], in_order[::-1] + 2, nearly, in_order[:, ::-1]])
    expected = [one.step(one.x[each], one.y[each])["loss"].item() for each in rows]
    other = Training(on(threads))
    found = other.step.run_batches(rows, other.x, other.y)
    assert found["loss"].tolist() == expected
    assert one.state() == other.state()
    assert np.array_equal(one.x, other.x)


@pytest.mark.parametrize("threads", [1, 2])
def test_only_rows_out_of_order_are_copied(threads: int) -> None:
    def total(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return st.sum(x - y, axis=1)

    step = Compiled(total, on(threads))
    data = np.arange(60, dtype="float32").reshape(12, 5)
    step.run_batches([[3, 1]], data, data)
    (program,) = step._programs
    batches = program._executable._batches
    for array in batches.values():
        array.fill(np.nan)
    step.run_batches([[3, 4], [8, 9]], data, data + 1)
    assert all(np.isnan(array).all() for array in batches.values())
    step.run_batches([[3, 4], [9, 8]], data, data[:])
    first, second = batches.values()
    assert first.tolist() == data[[9, 8]].tolist()
    assert np.isnan(second).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_data_given_twice_is_its_own_target(threads: int) -> None:
    def distances(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return st.sum(st.abs(2 * x - y), axis=1)

    data = st.asarray(np.random.default_rng(3).normal(size=(40, 5)).astype("float32"))
    rows = np.stack([np.arange(6), np.array([39, 0, 3, 3, 8, 1]), np.arange(34, 40)])
    found = Compiled(distances, on(threads)).run_batches(rows, data, data)
    expected = np.abs(np.asarray(data)[rows]).sum(axis=2)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.parametrize("back_end", [on(1), on(2), Evaluator])
def test_a_tensor_that_varies_by_the_step(back_end: Callable[[Graph], Any]) -> None:
    rates = np.linspace(0.01, 0.02, 12)
    one = Training(back_end)
    rate = one.optimizer.param_groups[0]["lr"]
    expected = []
    for rows, each in zip(one.rows, rates, strict=True):
        rate.assign(each)
        expected.append(one.step(one.x[rows], one.y[rows])["loss"].item())
    other = Training(back_end)
    rate = other.optimizer.param_groups[0]["lr"]
    found = other.step.run_batches_varying(other.rows, {rate: rates}, other.x, other.y)
    assert found["loss"].tolist() == expected
    assert one.state() == other.state()
    assert rate.item() == 0.01


def test_numbers_for_each_step_are_checked() -> None:
    training = Training(on(1))
    rate = training.optimizer.param_groups[0]["lr"]
    with pytest.raises(ArgumentError) as caught:
        training.step.run_batches_varying(
            training.rows, {rate: np.zeros(11)}, training.x, training.y
        )
    assert str(caught.value) == (
        "run_batches_varying: the numbers of a tensor float64[] are float64[11]; for 12 steps they "
        "must be numbers of its kind, (12,)."
    )
    count = training.optimizer.state[training.model[0].weight]["step"]
    with pytest.raises(ArgumentError, match=r"float64\[\], so it cannot be given other numbers"):
        training.step.run_batches_varying(
            training.rows, {count: np.zeros(12)}, training.x, training.y
        )


def test_machine_code_is_given_numbers_for_each_step_only() -> None:
    training = Training(on(1))
    training.step.run_batches(training.rows[:1], training.x, training.y)
    (program,) = training.step._programs
    executable = program._executable
    data = {0: training.x, 1: training.y}
    batch = [array[training.rows[0]] for array in data.values()]
    sources = program.traced.inputs([st.asarray(each) for each in batch])
    rate = training.optimizer.param_groups[0]["lr"]
    number = next(n for n, source in enumerate(sources) if source is rate)
    arrays = [source._stored() for source in sources]
    for wrong in (np.zeros(2), np.zeros(1, "float32"), np.zeros((1, 1))):
        with pytest.raises(ShapeError, match="for 1 steps, but the program was compiled for"):
            executable.run_steps(arrays, data, training.rows[:1], {number: wrong})


@pytest.mark.parametrize("back_end", [on(1), Evaluator])
def test_tensors_of_any_type_vary_and_come_back(back_end: Callable[[Graph], Any]) -> None:
    half = st.asarray([1.5, 2.5], dtype=st.bfloat16)
    count = st.asarray(7)

    def scaled(x: st.Tensor) -> st.Tensor:
        return st.sum(x * half.astype(st.float32)) + count.astype(st.float32)

    step = Compiled(scaled, back_end)
    data = np.ones((6, 2), "float32")
    rows = np.array([[0], [3], [1]])
    given = {half: np.array([[1, 2], [3, 4], [0.5, 0]], "float32"), count: np.array([10, 20, 30])}
    assert step.run_batches_varying(rows, given, data).tolist() == [13.0, 27.0, 30.5]
    assert half.astype(st.float32).tolist() == [1.5, 2.5]
    assert count.item() == 7
    nothing = {half: np.zeros((0, 2), "float32"), count: np.zeros(0, int)}
    assert step.run_batches_varying(rows[:0], nothing, data) is None
    assert half.astype(st.float32).tolist() == [1.5, 2.5]
    with pytest.raises(ArgumentError, match="must be numbers of its kind"):
        step.run_batches_varying(rows, {count: np.array([1.5, 2.5, 3.5])}, data)


def test_native_steps_run_without_python() -> None:
    training = Training(compile_natively)
    training.step.run_batches(training.rows[:1], training.x, training.y)
    (program,) = training.step._programs
    assert program.runs_steps


def test_a_step_with_a_fault_ends_the_run_after_those_before_it() -> None:
    one = Training(on(2))
    refused = one.rows[7, 3]
    bad = next(n for n, rows in enumerate(one.rows) if refused in rows)
    assert bad > 0
    for rows in one.rows[:bad]:
        one.step(one.x[rows], one.y[rows])
    other = Training(on(2))
    other.y[refused] = 3
    with pytest.raises(IndexError, match="3"):
        other.step.run_batches(other.rows, other.x, other.y)
    assert one.state() == other.state()


def test_gradients_that_add_up_are_left_to_python() -> None:
    weight = nn.Parameter(st.ones(2))

    @st.compile
    def add(x: st.Tensor) -> st.Tensor:
        loss = st.sum(weight * x)
        loss.backward()
        return loss

    data = np.arange(8, dtype="float32").reshape(4, 2)
    losses = add.run_batches([[0], [1], [3]], data)
    assert losses.tolist() == [1.0, 5.0, 13.0]
    assert weight.grad is not None
    assert weight.grad.tolist() == [8.0, 11.0]


def test_rows_are_checked() -> None:
    @st.compile
    def total(x: st.Tensor) -> st.Tensor:
        return st.sum(x)

    data = np.ones((4, 2), "float32")
    with pytest.raises(ArgumentError) as caught:
        total.run_batches([[0, 4]], data)
    assert str(caught.value) == (
        "run_batches: rows are from 0 to 4, but a tensor of the data is float32[4, 2]: "
        "it has 4 rows."
    )
    with pytest.raises(ArgumentError) as caught:
        total.run_batches([0, 1], data)
    assert str(caught.value) == (
        "run_batches: rows is int64 (2,); it must be (steps, batch) whole numbers: "
        "which rows of the data make up each batch."
    )
    assert total.run_batches(np.zeros((0, 2), int), data) is None
    assert total.run_batches([[0, 1], [2, 3]], data).tolist() == [4.0, 4.0]
