"""Random scripts that change state, differentiate and draw: the same eagerly and compiled.

A script is a list of statements on numbered tensors. It runs in two worlds that begin alike, one
eager and one compiled, several times over, with arguments that may be tensors of the world itself.
After each call results, state and gradients must be equal to the bit, and errors of one kind.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from evaluated import assert_same_bits, compiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as strategies

import steepest as st
from steepest.errors import GradientError
from steepest.trace.value import CONSUMED

Random = random_module.Random
Statement = tuple[str, int, int]

STATES = 3
"""Tensors that live outside of the script; the first two require gradients."""

KINDS = [
    *("add", "multiply", "sin", "state", "state", "assign", "assign", "backward", "backward"),
    *("clear", "read gradient", "halve gradient", "assign gradient", "draw", "detach", "no grad"),
    *("checkpoint", "inner gradient", "clone"),
]


class World:
    """State tensors and a generator; two worlds begin with the same numbers."""

    def __init__(self) -> None:
        self.states = [
            st.Tensor(np.array([0.5, -1.0]) * (n + 1), requires_grad=n < 2) for n in range(STATES)
        ]
        self.generator = st.random.Generator(5)

    def run(self, script: Sequence[Statement], values: list[st.Tensor]) -> list[st.Tensor]:
        """Execute the statements; `values` are the arguments, and grow."""
        values = list(values)
        for kind, first, second in script:
            self.execute(kind, values, first, second)
        return values[-1:]

    def execute(self, kind: str, values: list[st.Tensor], first: int, second: int) -> None:
        x, y = values[first % len(values)], values[second % len(values)]
        state = self.states[first % STATES]
        if kind == "add":
            values.append(x + y)
        elif kind == "multiply":
            values.append(x * y * 0.5)
        elif kind == "sin":
            values.append(st.sin(x))
        elif kind == "state":
            values.append(state)
        elif kind == "assign":
            state.assign(y)
        elif kind == "backward" and x.requires_grad:
            st.sum(x).backward()
        elif kind == "clear":
            state.grad = None
        elif kind == "draw":
            values.append(st.random.uniform((2,), dtype=st.float64, generator=self.generator))
        elif kind == "detach":
            values.append(x.detach())
        elif kind == "clone":
            values.append(x.clone())
        elif kind == "no grad":
            with st.no_grad():
                values.append(x + y)
        elif kind == "checkpoint":
            values.append(st.checkpoint(lambda x: st.sin(x * state))(x))
        elif kind == "inner gradient":
            values.append(st.grad(lambda x: st.sum(x * x * state))(x))
        elif "gradient" in kind and state.grad is not None:
            self.use_gradient(kind, values, state)

    def use_gradient(self, kind: str, values: list[st.Tensor], state: st.Tensor) -> None:
        if kind == "read gradient":
            values.append(state.grad * 2)
        elif kind == "halve gradient":
            state.grad = state.grad * 0.5
        else:
            state.grad.assign(state.grad + 1)

    def arguments(self, choice: int) -> list[st.Tensor]:
        """Two arguments: new tensors, the same one twice, or tensors of the world."""
        new = st.asarray(np.array([1.0, 2.0]))
        trained = st.Tensor(np.array([0.25, 4.0]), requires_grad=True)
        return [[new, trained], [new, new], [trained, trained], [self.states[0], new]][choice]


def outcome(work: Callable[..., Any], *given: Any) -> tuple[Any, type[Exception] | None]:
    """What a call returned, or the kind of error that it raised."""
    try:
        return work(*given), None
    except GradientError as error:
        return None, type(error)


def numbers(tensors: Sequence[st.Tensor]) -> list[np.ndarray]:
    return [each.numpy() for each in tensors]


def settle_gradients(eager: World, other: World) -> None:
    """Compare `.grad`; where a program used one up, clear both."""
    for left, right in zip(eager.states, other.states, strict=True):
        if right._grad is CONSUMED:
            left.grad = right.grad = None
        assert (left.grad is None) == (right.grad is None)
        if left.grad is not None:
            assert_same_bits([right.grad.numpy()], [left.grad.numpy()])
            assert left.grad.requires_grad == right.grad.requires_grad


def play(random: Random) -> None:
    script = [
        (random.choice(KINDS), random.randrange(12), random.randrange(12))
        for _ in range(random.randrange(1, 12))
    ]
    eager, other = World(), World()
    program = compiled(lambda *arguments: other.run(script, list(arguments)))
    for _ in range(4):
        choice = random.randrange(4)
        given_eager, given_other = eager.arguments(choice), other.arguments(choice)
        expected, error = outcome(eager.run, script, given_eager)
        found, other_error = outcome(program, *given_other)
        assert other_error is error
        if error is not None:
            return
        assert_same_bits(numbers(found), numbers(expected))
        assert_same_bits(numbers(other.states), numbers(eager.states))
        assert other.generator.counter.item() == eager.generator.counter.item()
        for left, right in zip(given_eager, given_other, strict=True):
            if right._grad is not CONSUMED and left.grad is not None:
                assert_same_bits([right.grad.numpy()], [left.grad.numpy()])
        settle_gradients(eager, other)
        for left, right in zip(expected, found, strict=True):
            if left._record is not None:
                _, error = outcome(st.sum(left).backward)
                _, other_error = outcome(st.sum(right).backward)
                if other_error is not error:
                    # A program keeps what it needs of state without gradients, where eager mode
                    # refuses; it refuses gradients that belong to numbers it has assigned.
                    assert "assign" in {kind for kind, _, _ in script}
                    return
        settle_gradients(eager, other)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=250,
    suppress_health_check=list(HealthCheck),
)
@given(random=strategies.randoms(use_true_random=False))
def test_random_scripts(random: Random) -> None:
    play(random)


def test_many_more_scripts() -> None:
    """Plain random numbers reach further than hypothesis's simple choices do."""
    for seed in range(250):
        play(Random(seed))
