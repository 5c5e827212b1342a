"""Rules of the user's own, and functions computed again to save memory."""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import assert_same_bits, compiled

import steepest as st
from steepest import nn
from steepest.errors import GradientError, ShapeError

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)


def array(*numbers: Any) -> st.Tensor:
    return st.asarray(np.array(numbers, "float64"))


def here() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


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


def chain(x: st.Tensor) -> st.Tensor:
    return st.sin(st.exp(st.tanh(x)))


@BOTH
def test_checkpoint_changes_no_bit(wrap: Wrap) -> None:
    x = array(0.1, -0.5, 1.2)

    def orders(function: Any) -> Any:
        first = st.grad(lambda x: st.sum(function(x)))
        second = st.grad(lambda x: st.sum(first(x) ** 2))
        third = st.grad(lambda x: st.sum(second(x)))
        return lambda x: [function(x), first(x), second(x), third(x), *st.jvp(function, [x], [x])]

    assert_same_bits(wrap(orders(st.checkpoint(chain)))(x), orders(chain)(x))


@BOTH
def test_checkpoint_with_parameters_from_outside(wrap: Wrap) -> None:
    st.random.seed(1)
    layer = nn.Linear(3, 3)
    x = st.asarray(np.ones((2, 3), "float32"))

    def gradients(forward: Any) -> Any:
        def step(x: st.Tensor) -> Any:
            for parameter in layer.parameters():
                parameter.grad = None
            leaf = st.Tensor(x, requires_grad=True)
            st.sum(forward(st.tanh(forward(leaf)))).backward()
            return [leaf.grad, *(parameter.grad for parameter in layer.parameters())]

        return step

    assert_same_bits(wrap(gradients(st.checkpoint(layer)))(x), gradients(layer)(x))


@BOTH
def test_checkpoint_of_containers_and_several_results(wrap: Wrap) -> None:
    def function(tree: dict[str, st.Tensor], y: st.Tensor) -> Any:
        return {"product": tree["x"] * y, "index": st.argmax(tree["x"]), "same": y}

    def loss(function: Any) -> Any:
        def total(x: st.Tensor, y: st.Tensor) -> st.Tensor:
            found = function({"x": x}, y)
            return st.sum(found["product"] ** 2) + st.sum(found["same"])

        return st.grad(total, argnums=(0, 1))

    x, y = array(1.0, 2.0), array(3.0, 4.0)
    assert_same_bits(wrap(loss(st.checkpoint(function)))(x, y), loss(function)(x, y))


def test_checkpoint_runs_the_function_once_more_and_only_then() -> None:
    runs = []

    def counted(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        runs.append("run")
        return x * y

    x, y = (st.Tensor([2.0], requires_grad=True) for _ in range(2))
    loss = st.sum(st.checkpoint(counted)(x, y))
    assert len(runs) == 1
    loss.backward()
    assert len(runs) == 2  # once for both arguments
    with st.no_grad():
        st.checkpoint(counted)(x, y)
    assert len(runs) == 3


def test_checkpoint_keeps_nothing() -> None:
    made: list[weakref.ref[Any]] = []

    def watched(x: st.Tensor) -> st.Tensor:
        middle = st.exp(x)
        made.append(weakref.ref(middle))
        return st.sum(middle * middle)

    x = st.Tensor([1.0, 2.0], requires_grad=True)
    loss = st.checkpoint(watched)(x)
    gc.collect()
    assert made[0]() is None
    loss.backward()
    gc.collect()
    assert [each() for each in made] == [None, None]
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2 * np.array([1.0, 2.0])), rtol=1e-6)


def test_recomputation_is_not_merged_with_the_first_run() -> None:
    """Otherwise a compiled checkpoint would save nothing: exp stands twice in the program."""
    plain = compiled(st.grad(lambda x: st.sum(chain(x))))
    saving = compiled(st.grad(lambda x: st.sum(st.checkpoint(chain)(x)) ** 2))
    assert plain.stages(array(1.0))["merge_equal_nodes"].count("= exp(") == 1
    assert saving.stages(array(1.0))["merge_equal_nodes"].count("= exp(") == 2


CHANGED = (
    "assign: a checkpointed function runs twice, so it cannot change a tensor {kind} (drawing "
    "random numbers changes a counter). Draw outside of it and pass the numbers in, or leave out "
    "the checkpoint. At test_custom.py:{line}."
)


@BOTH
def test_checkpoint_must_not_draw_random_numbers(wrap: Wrap) -> None:
    line = here() + 1
    noisy = st.checkpoint(lambda x: x * st.random.uniform((2,)))
    with pytest.raises(GradientError) as caught:
        wrap(noisy)(st.ones(2))
    assert str(caught.value) == CHANGED.format(kind="int64[]", line=line)
    with st.no_grad():
        assert wrap(noisy)(st.ones(2)).shape == (2,)


def test_checkpoint_must_not_assign() -> None:
    state = st.zeros(2)

    def remember(x: st.Tensor) -> st.Tensor:
        state.assign(x)
        return x * 2

    with pytest.raises(GradientError) as caught:
        st.checkpoint(remember)(st.ones(2))
    assert str(caught.value) == CHANGED.format(kind="float32[2]", line=here() - 5)
    state.assign(st.ones(2))  # allowed again


def test_checkpoint_must_not_run_a_program_that_draws() -> None:
    noisy = compiled(lambda x: x * st.random.uniform((2,)))
    noisy(st.ones(2))
    with pytest.raises(GradientError, match="a checkpointed function runs twice"):
        st.checkpoint(noisy)(st.ones(2))


@BOTH
def test_checkpoint_within_checkpoint(wrap: Wrap) -> None:
    nested = st.checkpoint(lambda x: st.checkpoint(chain)(x) * st.checkpoint(chain)(x * 2))
    plain = lambda x: chain(x) * chain(x * 2)  # noqa: E731
    x = array(0.3, 0.4)
    found = wrap(st.grad(lambda x: st.sum(nested(x))))(x)
    assert_same_bits([found], [st.grad(lambda x: st.sum(plain(x)))(x)])


def test_checkpoint_of_a_parameter_changed_in_between() -> None:
    weight = st.Tensor([2.0], requires_grad=True)
    loss = st.sum(st.checkpoint(lambda x: x * weight)(st.Tensor([3.0], requires_grad=True)))
    weight.assign(st.ones(1))
    with pytest.raises(GradientError, match="was changed by assign"):
        loss.backward()
