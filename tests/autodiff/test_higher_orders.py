"""Gradients of gradients, nested in every way, eagerly and compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import assert_same_bits, compiled

import steepest as st
from steepest import nn

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)


def number(value: float) -> st.Tensor:
    return st.asarray(np.array(value))


def array(*numbers: Any) -> st.Tensor:
    return st.asarray(np.array(numbers, "float64"))


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[Callable[[float], float]]]] = {
    "sin": (st.sin, [math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x)]),
    "exp": (st.exp, [math.exp] * 3),
    "log": (st.log, [lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3]),
    "power": (
        lambda x: x**3.5,
        [lambda x: 3.5 * x**2.5, lambda x: 8.75 * x**1.5, lambda x: 13.125 * x**0.5],
    ),
    "tanh": (
        st.tanh,
        [
            lambda x: 1 - math.tanh(x) ** 2,
            lambda x: -2 * math.tanh(x) * (1 - math.tanh(x) ** 2),
            lambda x: (6 * math.tanh(x) ** 2 - 2) * (1 - math.tanh(x) ** 2),
        ],
    ),
    "quotient": (
        lambda x: 1 / (1 + x * x),
        [
            lambda x: -2 * x / (1 + x * x) ** 2,
            lambda x: (6 * x * x - 2) / (1 + x * x) ** 3,
            lambda x: 24 * x * (1 - x * x) / (1 + x * x) ** 4,
        ],
    ),
}


@BOTH
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_three_derivatives_of_one_number(wrap: Wrap, name: str) -> None:
    function, derivatives = FUNCTIONS[name]
    for derivative in derivatives:
        function = st.grad(function)
        found = wrap(function)(number(0.7)).item()
        assert found == pytest.approx(derivative(0.7), rel=1e-12)


@BOTH
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_three_derivatives_by_forward_mode(wrap: Wrap, name: str) -> None:
    function, derivatives = FUNCTIONS[name]

    def derivative_of(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: st.jvp(function, [x], [st.ones_like(x)])[1]

    for derivative in derivatives:
        function = derivative_of(function)
        found = wrap(function)(number(0.7)).item()
        assert found == pytest.approx(derivative(0.7), rel=1e-12)


@BOTH
def test_third_order_through_matrices(wrap: Wrap) -> None:
    """The derivative of order n of sum((x @ a)^4) along a direction, against differences."""
    random = np.random.default_rng(0)
    matrix = st.asarray(random.normal(size=(3, 4)))
    direction = st.asarray(random.normal(size=(2, 3)))
    point = random.normal(size=(2, 3))

    def along(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: st.sum(st.grad(function)(x) * direction)

    function: Callable[[Any], Any] = lambda x: st.sum((x @ matrix) ** 4)  # noqa: E731
    base = point @ matrix.numpy()
    slope = direction.numpy() @ matrix.numpy()
    exact = [4 * base**3 * slope, 12 * base**2 * slope**2, 24 * base * slope**3, 24 * slope**4]
    for expected in exact:
        function = along(function)
        found = wrap(function)(st.asarray(point)).item()
        assert found == pytest.approx(float(np.sum(expected)), rel=1e-12)


@BOTH
def test_perturbations_are_not_confused(wrap: Wrap) -> None:
    """d/dx (x * d/dy (x + y)) is 1, though both derivatives use the name and the number x."""
    inner = lambda x: st.grad(lambda y: x + y)(number(1.0))  # noqa: E731
    assert wrap(st.grad(lambda x: x * inner(x)))(number(5.0)).item() == 1.0
    squared = lambda x: st.grad(lambda y: x * y * y)(x)  # noqa: E731
    assert wrap(st.grad(lambda x: x * squared(x)))(number(3.0)).item() == 6 * 9.0  # (2 x^3)'
    same = lambda x: st.grad(lambda x: x * x)(x * 2)  # noqa: E731
    assert wrap(st.grad(same))(number(3.0)).item() == 4.0


@BOTH
def test_perturbations_of_forward_mode_are_not_confused(wrap: Wrap) -> None:
    def derivative(function: Callable[[Any], Any], x: st.Tensor) -> st.Tensor:
        return st.jvp(function, [x], [number(1.0)])[1]

    def outer(x: st.Tensor) -> st.Tensor:
        return derivative(lambda x: x * derivative(lambda y: x + y, number(1.0)), x)

    assert wrap(outer)(number(5.0)).item() == 1.0


@BOTH
def test_closures_over_an_outer_argument(wrap: Wrap) -> None:
    """d/dx of d/dy (x^2 y^3) at y = x is d/dx (3 x^2 y^2) with y following x: 12 x^3."""
    inner = lambda x: st.grad(lambda y: x * x * y * y * y)(x)  # noqa: E731
    assert wrap(st.grad(inner))(number(2.0)).item() == 96.0
    fixed = lambda x: st.grad(lambda y: x * x * y * y * y)(st.stop_gradient(x))  # noqa: E731
    assert wrap(st.grad(fixed))(number(2.0)).item() == 6 * 2.0 * 4.0


def f(x: st.Tensor) -> st.Tensor:
    """A function with a full Hessian."""
    return st.sum(st.exp(x[:-1] * x[1:])) + st.sum(x**3)


@BOTH
def test_hessian_vector_products_in_four_ways(wrap: Wrap) -> None:
    x, v = array(0.3, -0.5, 0.8), array(1.0, 2.0, -1.0)
    ways = [
        lambda x, v: st.jvp(st.grad(f), [x], [v])[1],
        lambda x, v: st.grad(lambda x: st.sum(st.grad(f)(x) * v))(x),
        lambda x, v: st.grad(lambda x: st.jvp(f, [x], [v])[1])(x),
        lambda x, v: st.vjp(st.grad(f), x)[1](v)[0],
    ]
    first, *others = (wrap(way)(x, v).numpy() for way in ways)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-13)
    hessian = np.stack([ways[0](x, each).numpy() for each in st.eye(3, dtype=st.float64)])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-13)
    np.testing.assert_allclose(hessian @ v.numpy(), first, rtol=1e-12)


@BOTH
def test_gradient_of_a_gradient_by_backward(wrap: Wrap) -> None:
    """`create_graph` records the backward pass, so that it can be differentiated."""

    def run(x: st.Tensor) -> tuple[st.Tensor, st.Tensor]:
        leaf = st.Tensor(x, requires_grad=True)
        st.sum(leaf**3).backward(create_graph=True)
        first = leaf.grad
        leaf.grad = None
        st.sum(first * first).backward()
        return first, leaf.grad

    first, second = wrap(run)(array(1.0, 2.0))
    assert first.tolist() == [3.0, 12.0]
    assert second.tolist() == [2 * 3.0 * 6.0, 2 * 12.0 * 12.0]


def test_without_create_graph_the_gradient_has_no_history() -> None:
    x = st.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    st.sum(x**3).backward()
    assert x.grad is not None
    assert not x.grad.requires_grad


def penalty_gradients(wrap: Wrap) -> list[st.Tensor]:
    """A gradient penalty: the inner gradient by the input, the outer one by the parameters."""
    st.random.seed(0)
    critic = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = st.asarray(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))

    def step(x: st.Tensor) -> list[Any]:
        by_input = st.grad(lambda x: st.sum(critic(x)))(x)
        norm = st.sqrt(st.sum(by_input * by_input, axis=1))
        penalty = st.mean((norm - 1.0) ** 2)
        (penalty + st.mean(critic(x))).backward()
        return [penalty, *(parameter.grad for parameter in critic.parameters())]

    return wrap(step)(x)


def test_gradient_penalty_against_differences() -> None:
    """By each parameter of a critic, in float64, in a random direction."""
    random = np.random.default_rng(1)
    arrays = [random.normal(size=shape) for shape in ((5, 3), (5,), (1, 5), (1,))]
    x = st.asarray(random.normal(size=(4, 3)))

    def penalty(*parameters: st.Tensor) -> st.Tensor:
        first, bias, second, shift = parameters

        def critic(x: st.Tensor) -> st.Tensor:
            return st.tanh(x @ first.T + bias) @ second.T + shift

        by_input = st.grad(lambda x: st.sum(critic(x)))(x)
        norm = st.sqrt(st.sum(by_input * by_input, axis=1))
        return st.mean((norm - 1.0) ** 2) + st.mean(critic(x))

    st.check_gradients(penalty, [st.asarray(each) for each in arrays])


def test_gradient_penalty_of_modules_eager_and_compiled() -> None:
    eager = penalty_gradients(lambda function: function)
    assert all(float(st.max(st.abs(each))) > 0 for each in eager)
    assert_same_bits(penalty_gradients(compiled), eager)


@BOTH
def test_a_step_through_a_step(wrap: Wrap) -> None:
    """Learning to learn: the gradient of the loss after one step, by the learning rate."""

    def after_step(rate: st.Tensor) -> st.Tensor:
        weight = array(1.0, -2.0)
        loss = lambda weight: st.sum(weight**4)  # noqa: E731
        return loss(weight - rate * st.grad(loss)(weight))

    found = wrap(st.grad(after_step))(number(0.01)).item()
    weight = np.array([1.0, -2.0])
    slope = 4 * weight**3
    exact = np.sum(4 * (weight - 0.01 * slope) ** 3 * -slope)
    assert found == pytest.approx(exact, rel=1e-12)


@BOTH
def test_loops_of_gradients(wrap: Wrap) -> None:
    """Ten steps of descent, differentiated by where they began."""

    def descend(start: st.Tensor) -> st.Tensor:
        x = start
        for _ in range(10):
            x = x - 0.1 * st.grad(lambda x: st.sum(x * x))(x)
        return st.sum(x)

    assert wrap(st.grad(descend))(array(3.0)).tolist() == pytest.approx([0.8**10])
