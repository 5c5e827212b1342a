"""State is updated in place where nobody can tell, and copied where somebody could."""

from __future__ import annotations

import numpy as np
import pytest
from native.programs import native

import steepest as st
from steepest.runtime.memory import address_of


def test_state_stays_where_it_is() -> None:
    total = st.zeros(1000)

    @native
    def add(x: st.Tensor) -> None:
        total.assign(total * 2 + x)

    add(st.ones(1000))
    place = address_of(total._array)
    for _ in range(3):
        add(st.ones(1000))
    assert address_of(total._array) == place
    assert total.tolist() == [15.0] * 1000


def test_what_was_read_before_keeps_its_numbers() -> None:
    total = st.zeros(100)

    @native
    def add(x: st.Tensor) -> None:
        total.assign(total + x)

    add(st.ones(100))
    held = [np.asarray(total), np.asarray(total)[3:5], total.detach(), memoryview(total.numpy())]
    add(st.ones(100))
    for each in held:
        assert np.asarray(each)[0] == 1.0
    assert total[0].item() == 2.0


def test_numbers_of_the_caller_are_not_overwritten() -> None:
    given = np.zeros(10, "float32")
    total = st.asarray(given)

    @native
    def add() -> None:
        total.assign(total + 1)

    add()
    add()
    assert given.tolist() == [0.0] * 10
    assert total.tolist() == [2.0] * 10


def test_state_that_changes_places() -> None:
    left, right = st.zeros(70), st.ones(70)

    @native
    def swap() -> None:
        before = left * 1.5
        left.assign(right + 2)
        right.assign(before + right)

    for _ in range(3):
        swap()
    # (0, 1) -> (3, 1) -> (3, 5.5) -> (7.5, 10)
    assert left.tolist() == [7.5] * 70
    assert right.tolist() == [10.0] * 70


def test_state_read_in_another_order_than_it_is_written() -> None:
    state = st.reshape(st.arange(12, dtype=st.float32), (3, 4))
    expected = np.arange(12, dtype="float32").reshape(3, 4)

    @native
    def turn() -> st.Tensor:
        state.assign(st.flip(state, axis=1) + state[::-1])
        return st.sum(state)

    for _ in range(3):
        expected = expected[:, ::-1] + expected[::-1]
        assert turn().item() == expected.sum()
        np.testing.assert_array_equal(state, expected)


def test_old_and_new_value_as_results() -> None:
    state, copy = st.zeros(5), st.zeros(5)

    @native
    def step() -> tuple[st.Tensor, st.Tensor]:
        old = state * 1
        new = state + 1
        state.assign(new)
        copy.assign(new)
        return old, new

    step()
    old, new = step()
    assert (old[0].item(), new[0].item(), state[0].item(), copy[0].item()) == (1.0, 2.0, 2.0, 2.0)
    state.assign(state + 10)
    assert (new[0].item(), copy[0].item()) == (2.0, 2.0)


def test_a_fault_leaves_state_as_it_was() -> None:
    state = st.zeros(4000)
    table = st.ones(3)

    @native
    def step(rows: st.Tensor) -> None:
        state.assign(state + st.sum(st.take(table, rows)))

    step(st.asarray([0, 1]))
    assert state[0].item() == 2.0
    with pytest.raises(IndexError, match="3"):
        step(st.asarray([0, 3]))
    assert state.tolist() == [2.0] * 4000
    step(st.asarray([2, 2]))
    assert state[3999].item() == 4.0


def test_a_gradient_taken_outside_uses_the_state_of_its_forward_pass() -> None:
    count, weight = st.ones(()), st.asarray([2.0, 3.0])
    weight.requires_grad = True

    @native
    def forward(x: st.Tensor) -> st.Tensor:
        count.assign(count + 1)
        return st.sum(weight * x * count)

    results = [forward(st.ones(2)) for _ in range(3)]
    results[0].backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0, 2.0]
