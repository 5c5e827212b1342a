"""Rules of the user's own, and functions computed again to save memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import BOTH, Wrap, array, here

import steepest as st
from steepest.errors import GradientError, ShapeError


def pass_on(output_grad: Any, *_: Any) -> Any:
    return output_grad


@BOTH
def test_straight_through(wrap: Wrap) -> None:
    quantise = st.custom_gradient(gradient=pass_on)(lambda x: st.round(x))
    value, gradient = wrap(st.value_and_grad(lambda x: st.sum(quantise(x) * x)))(array(1.6, 2.2))
    assert value.item() == 2 * 1.6 + 2 * 2.2
    assert gradient.tolist() == [2 + 1.6, 2 + 2.2]


@BOTH
def test_rule_gets_output_gradient_output_and_arguments(wrap: Wrap) -> None:
    @st.custom_gradient(gradient=lambda output_grad, output, x, y: (output_grad * output, x * y))
    def product(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return x * y

    def loss(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return st.sum(product(x, y) * 10)

    by_x, by_y = wrap(st.grad(loss, argnums=(0, 1)))(array(2.0), array(3.0))
    assert by_x.tolist() == [60.0]
    assert by_y.tolist() == [6.0]


@BOTH
def test_rule_is_differentiated_in_turn(wrap: Wrap) -> None:
    """With the rule 5 x, the second derivative is 5, whatever the function is."""
    strange = st.custom_gradient(gradient=lambda output_grad, output, x: output_grad * 5 * x)(  # noqa: ARG005
        lambda x: x * 0.0
    )
    first = st.grad(lambda x: st.sum(strange(x)))
    assert wrap(first)(array(2.0)).tolist() == [10.0]
    assert wrap(st.grad(lambda x: st.sum(first(x))))(array(2.0)).tolist() == [5.0]
    assert wrap(lambda x: st.jvp(strange, [x], [x])[1])(array(2.0)).tolist() == [20.0]


@BOTH
def test_containers_of_outputs(wrap: Wrap) -> None:
    def rule(output_grad: Any, output: Any, x: st.Tensor) -> Any:
        assert set(output) == {"double", "rest"}
        return output_grad["double"] * 2 + output_grad["rest"][0] * 30 * x

    @st.custom_gradient(gradient=rule)
    def function(x: st.Tensor) -> Any:
        return {"double": x * 2, "rest": [x * x]}

    def both(x: st.Tensor) -> st.Tensor:
        found = function(x)
        return st.sum(found["double"] + found["rest"][0])

    assert wrap(st.grad(both))(array(2.0)).tolist() == [62.0]
    assert wrap(st.grad(lambda x: st.sum(function(x)["double"])))(array(2.0)).tolist() == [2.0]


@BOTH
def test_no_gradient_for_an_argument(wrap: Wrap) -> None:
    @st.custom_gradient(gradient=lambda output_grad, output, x, y: (None, output_grad))  # noqa: ARG005
    def add(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return x + y

    by_x, by_y = wrap(st.grad(lambda x, y: st.sum(add(x, y)), argnums=(0, 1)))(
        array(1.0), array(2.0)
    )
    assert by_x.tolist() == [0.0]
    assert by_y.tolist() == [1.0]


def test_rule_runs_once_for_all_arguments() -> None:
    runs = []

    def rule(output_grad: Any, output: Any, *arguments: Any) -> Any:  # noqa: ARG001
        runs.append(len(arguments))
        return (output_grad,) * len(arguments)

    total = st.custom_gradient(gradient=rule)(lambda *arguments: sum(arguments[1:], arguments[0]))
    leaves = [st.Tensor([1.0], requires_grad=True) for _ in range(4)]
    loss = st.sum(total(*leaves))
    loss.backward()
    loss.backward()
    assert runs == [4, 4]
    assert [each.grad.tolist() for each in leaves] == [[2.0]] * 4


def test_rule_does_not_run_without_gradients() -> None:
    function = st.custom_gradient(gradient=lambda *_: 1 / 0)(lambda x: x * 2)
    assert function(array(1.0)).tolist() == [2.0]
    with st.no_grad():
        assert function(st.Tensor([1.0], requires_grad=True)).tolist() == [2.0]


def test_rule_with_too_few_gradients() -> None:
    @st.custom_gradient(gradient=pass_on)
    def add(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        return x + y

    line = here() + 1
    loss = st.sum(add(st.Tensor([1.0], requires_grad=True), st.ones(1)))
    with pytest.raises(GradientError) as caught:
        loss.backward()
    assert str(caught.value) == (
        f"in the backward pass of custom_gradient: custom_gradient: the rule of add returned 1 "
        f"gradients for 2 arguments. At test_custom.py:{line}."
    )


def test_rule_with_a_gradient_of_another_shape() -> None:
    @st.custom_gradient(gradient=lambda output_grad, output, x: st.sum(output_grad))  # noqa: ARG005
    def double(x: st.Tensor) -> st.Tensor:
        return x * 2

    line = here() + 1
    loss = st.sum(double(st.Tensor([1.0, 2.0], requires_grad=True)))
    with pytest.raises(ShapeError) as caught:
        loss.backward()
    assert str(caught.value) == (
        f"in the backward pass of custom_gradient: custom_gradient: the rule of double returned "
        f"gradient float32[] for argument 0, which is float32[2]. At test_custom.py:{line}."
    )


@BOTH
def test_tensor_from_outside_would_lose_its_gradient(wrap: Wrap) -> None:
    weight = st.Tensor([3.0], requires_grad=True)

    @st.custom_gradient(gradient=pass_on)
    def scaled(x: st.Tensor) -> st.Tensor:
        return x * weight

    with pytest.raises(GradientError) as caught:
        wrap(scaled)(st.ones(1))
    assert str(caught.value) == (
        f"custom_gradient: scaled uses a tensor float32[1] that requires a gradient but is not an "
        f"argument. Pass it as one. At test_custom.py:{here() - 3}."
    )
    with st.no_grad():
        assert wrap(scaled)(st.ones(1)).tolist() == [3.0]


@BOTH
def test_stop_gradient(wrap: Wrap) -> None:
    def function(x: st.Tensor) -> st.Tensor:
        return st.sum(st.stop_gradient(x * x) * x)

    assert wrap(st.grad(function))(array(3.0)).tolist() == [9.0]
    second = st.grad(lambda x: st.sum(st.grad(function)(x)))
    assert wrap(second)(array(3.0)).tolist() == [0.0]
    assert wrap(lambda x: st.jvp(st.stop_gradient, [x], [x])[1])(array(3.0)).tolist() == [0.0]


@BOTH
def test_a_rule_that_uses_the_output_is_differentiated_in_turn(wrap: Wrap) -> None:
    """Both uses of the output count: the function's own, and that in the rule."""
    exp = st.custom_gradient(gradient=lambda output_grad, output, x: output_grad * output)(  # noqa: ARG005
        lambda x: st.exp(x)
    )

    def orders(function: Callable[..., Any]) -> Callable[..., Any]:
        first = st.grad(lambda x: st.sum(function(x) ** 2))
        second = st.grad(lambda x: st.sum(first(x)))
        return lambda x: [first(x), second(x), st.grad(lambda x: st.sum(second(x)))(x)]

    x = array(0.3, -0.2)
    for found, order in zip(wrap(orders(exp))(x), (1, 2, 3), strict=True):
        np.testing.assert_allclose(found.numpy(), 2**order * np.exp(2 * x.numpy()), rtol=1e-14)
