"""`backward()` and `.grad`, eagerly."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest.errors import DTypeError, GradientError, ShapeError
from steepest.ops import REGISTRY, Primitive
from steepest.trace.scope import module_scope
from steepest.trace.value import Value


def leaf(*numbers: float) -> st.Tensor:
    return st.Tensor(np.array(numbers), requires_grad=True)


def here() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_gradients_reach_leaves() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    untouched = st.Tensor(np.array([5.0, 6.0]))
    st.sum(x * y * untouched).backward()
    assert x.grad.tolist() == [15.0, 24.0]
    assert y.grad.tolist() == [5.0, 12.0]
    assert untouched.grad is None


def test_gradients_add_up() -> None:
    x = leaf(1.0, 2.0)
    for n in range(1, 4):
        st.sum(x * x).backward()
        assert x.grad.tolist() == [2.0 * n, 4.0 * n]
    x.grad = None
    st.sum(x).backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_adding_up_makes_a_new_tensor() -> None:
    x = leaf(1.0)
    st.sum(x).backward()
    first = x.grad
    st.sum(x).backward()
    assert first.tolist() == [1.0]
    assert x.grad.tolist() == [2.0]


def test_backward_can_run_twice() -> None:
    x = leaf(3.0)
    loss = st.sum(x * x)
    loss.backward()
    loss.backward()
    assert x.grad.tolist() == [12.0]


def test_a_value_used_many_times() -> None:
    x = leaf(2.0)
    y = x * x
    st.sum(y * y + y + x).backward()
    assert x.grad.tolist() == [4 * 8.0 + 4.0 + 1.0]


def test_only_leaves_keep_gradients() -> None:
    x = leaf(2.0)
    middle = x * x
    st.sum(middle).backward()
    assert middle.grad is None


def test_a_leaf_itself() -> None:
    x = leaf(2.0)
    x.backward()
    assert x.grad.tolist() == [1.0]


def test_weights_of_several_numbers() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(st.asarray(np.array([10.0, 100.0])))
    assert x.grad.tolist() == [20.0, 400.0]
    (x * x).backward(np.array([1.0, 1.0]))
    assert x.grad.tolist() == [22.0, 404.0]


def test_no_grad_block_and_decorator() -> None:
    x = leaf(1.0)
    with st.no_grad():
        inside = x * 2
        assert not st.is_grad_enabled()
        with st.enable_grad():
            assert (x * 2).requires_grad
    assert st.is_grad_enabled()
    assert not inside.requires_grad

    @st.no_grad()
    def double(x: st.Tensor) -> st.Tensor:
        return x * 2

    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), st.no_grad():
        raise ZeroDivisionError
    assert st.is_grad_enabled()


def test_detached_and_stopped() -> None:
    x = leaf(3.0)
    st.sum(x * x.detach() + x * st.stop_gradient(x)).backward()
    assert x.grad.tolist() == [6.0]
    assert x.detach().numpy() is not None
    assert np.shares_memory(x.detach().numpy(), x.numpy())


def test_clone_passes_gradients() -> None:
    x = leaf(3.0)
    st.sum(x.clone() * 2).backward()
    assert x.grad.tolist() == [2.0]


def test_conversions_pass_gradients_in_the_type_of_the_leaf() -> None:
    x = st.Tensor([1.5], requires_grad=True)
    st.sum(x.astype(st.float64) * 3).backward()
    assert x.grad.dtype is st.float32
    assert x.grad.tolist() == [3.0]


def test_gradients_in_parts_of_a_tensor() -> None:
    x = leaf(1.0, 2.0, 3.0)
    (x[0] * 2 + st.sum(x[1:] * 3)).backward()
    assert x.grad.tolist() == [2.0, 3.0, 3.0]


def test_setting_grad() -> None:
    x = leaf(1.0, 2.0)
    x.grad = st.asarray(np.array([1.0, 1.0]))
    st.sum(x).backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(GradientError) as caught:
        x.grad = st.ones(3)
    assert str(caught.value) == (
        f"grad: a gradient float32[3] does not fit a tensor float64[2]. "
        f"At test_backward.py:{here() - 3}."
    )


def test_nothing_requires_a_gradient() -> None:
    with pytest.raises(GradientError) as caught:
        st.sum(st.ones(2)).backward()
    assert str(caught.value) == (
        f"backward: the tensor float32[] depends on no tensor with requires_grad. "
        f"Was it made under no_grad(), or by detach()? At test_backward.py:{here() - 3}."
    )


def test_several_numbers_need_weights() -> None:
    with pytest.raises(ShapeError) as caught:
        leaf(1.0, 2.0).backward()
    assert str(caught.value) == (
        f"backward: the tensor float64[2] has 2 numbers. Call backward() on one number, such as "
        f"its mean(), or pass gradient=. At test_backward.py:{here() - 3}."
    )


def test_weights_that_do_not_fit() -> None:
    with pytest.raises(ShapeError) as caught:
        leaf(1.0, 2.0).backward(st.ones(2))
    assert str(caught.value) == (
        f"backward: gradient float32[2] does not fit tensor float64[2]. "
        f"At test_backward.py:{here() - 3}."
    )


def test_requires_grad_of_whole_numbers() -> None:
    with pytest.raises(DTypeError) as caught:
        st.Tensor([1, 2], requires_grad=True)
    assert str(caught.value) == (
        f"requires_grad: a tensor int64[2] is not of a floating data type. "
        f"At test_backward.py:{here() - 3}."
    )


def test_requires_grad_of_a_computed_tensor() -> None:
    y = leaf(1.0) * 2
    with pytest.raises(GradientError) as caught:
        y.requires_grad = False
    assert str(caught.value) == (
        f"requires_grad: this tensor was computed from others; use detach() first. "
        f"At test_backward.py:{here() - 3}."
    )


def test_assign_between_forward_and_backward() -> None:
    x = leaf(1.0, 2.0)
    line = here() + 1
    loss = st.sum(x * x)
    x.assign(x.detach() * 2)
    with pytest.raises(GradientError) as caught:
        loss.backward()
    assert str(caught.value) == (
        f"multiply: operand float64[2] was changed by assign() after this operation used it, so "
        f"its gradient can no longer be taken. At test_backward.py:{line}. "
        f"Call backward() before assign(), or use a clone()."
    )


def test_setting_items_between_forward_and_backward() -> None:
    x = leaf(1.0, 2.0)
    loss = st.sum(x * x)
    x[0] = 5.0
    with pytest.raises(GradientError, match=r"multiply: operand float64\[2\] was changed"):
        loss.backward()


def test_assign_after_backward_and_to_others_is_fine() -> None:
    x, state = leaf(1.0, 2.0), st.Tensor(np.zeros(2))
    loss = st.sum(x * x)
    state.assign(x.detach())
    loss.backward()
    x.assign(x - 0.5 * x.grad)
    assert x.tolist() == [0.0, 0.0]
    assert state.tolist() == [1.0, 2.0]


def test_assign_refuses_other_types_and_shapes() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError) as caught:
        x.assign(st.ones(3))
    assert "broadcast_to: operand (3,) does not broadcast to (2,)" in str(caught.value)
    with pytest.raises(GradientError) as caught_2:
        (x * 2).assign(x)
    assert str(caught_2.value) == (
        f"assign: the target was computed from others; assign to its detach() instead. "
        f"At test_backward.py:{here() - 3}."
    )


@pytest.fixture
def faulty() -> Any:
    """Operations whose gradient rules fail: with an error of steepest's, and with another."""

    def add_shapes(index: int, output_grad: Value, output: Value, x: Value) -> Any:  # noqa: ARG001
        return REGISTRY["add"](x, st.ones(3, dtype=st.float64))

    def divide(index: int, output_grad: Value, output: Value, x: Value) -> Any:  # noqa: ARG001
        return 1 / 0

    made = [
        Primitive(name, infer=lambda x: x, evaluate=lambda x: x, gradient=rule, samples=list)
        for name, rule in (("misshapen", add_shapes), ("dividing", divide))
    ]
    yield made
    for primitive in made:
        del REGISTRY[primitive.name]


def test_an_error_in_the_backward_pass_names_the_forward_line(faulty: Any) -> None:
    x = leaf(1.0, 2.0)
    with module_scope("Linear 'head'"):
        line = here() + 1
        y = faulty[0](x)
    loss = st.sum(y)
    with pytest.raises(ShapeError) as caught:
        loss.backward()
    assert str(caught.value) == (
        f"in the backward pass of misshapen: add: left (2,), right (3,) do not broadcast: axis -1 "
        f"has sizes 2 and 3. At test_backward.py:{line} in Linear 'head'."
    )


def test_any_other_error_in_the_backward_pass_gets_a_note(faulty: Any) -> None:
    line = here() + 1
    loss = st.sum(faulty[1](leaf(1.0)))
    with pytest.raises(ZeroDivisionError) as caught:
        loss.backward()
    assert caught.value.__notes__ == [
        f"This happened in the backward pass of dividing. At test_backward.py:{line}."
    ]


def test_nodes_of_gradient_rules_keep_the_forward_line() -> None:
    """Every node of a traced step carries the line of the forward operation it belongs to."""
    weight = leaf(0.5, -1.0)
    first = here() + 3

    def step(x: st.Tensor) -> st.Tensor:
        hidden = st.tanh(x * weight)
        loss = st.sum(hidden * hidden)
        loss.backward()
        return weight.grad

    trace = st.compile(step).stages(st.asarray(np.ones(2)))["trace"]
    lines = [line for line in trace.splitlines() if " = " in line]
    places = {line.rpartition(":")[2] for line in lines}
    assert places == {str(first), str(first + 1), str(first + 2)}
    backward_line = [line for line in lines if line.endswith(f":{first + 2}")]
    assert len(backward_line) == 1  # the one at which the backward pass begins
    assert "full(shape=(), value=1" in backward_line[0]
    assert sum(line.endswith(f":{first}") for line in lines) > 3


def test_eager_history_dies_with_its_result() -> None:
    x = leaf(0.0, 1.0, 2.0)
    middle = x * 2
    loss = st.sum(st.exp(middle))
    watched = weakref.ref(middle)
    loss.backward()
    del middle
    assert watched() is not None
    del loss
    gc.collect()
    assert watched() is None


def watched_intermediate(run: Any) -> bool:
    """Whether a tensor made inside `run` outlives it, though the results of `run` are kept."""
    made: list[weakref.ref[Any]] = []

    def watch(x: st.Tensor) -> st.Tensor:
        middle = st.exp(x)
        made.append(weakref.ref(middle))
        return st.sum(middle * middle)

    kept = run(watch)
    gc.collect()
    assert made
    assert kept is not None
    return any(each() is not None for each in made)


def test_eager_transforms_keep_no_history_alive() -> None:
    x = st.asarray(np.arange(4.0))
    assert not watched_intermediate(lambda f: st.grad(f)(x))
    assert not watched_intermediate(lambda f: st.value_and_grad(f)(x))
    assert not watched_intermediate(lambda f: st.jvp(f, [x], [x]))
    assert not watched_intermediate(lambda f: st.grad(lambda y: st.sum(st.grad(f)(y)))(x))
    assert not watched_intermediate(lambda f: st.vjp(f, x)[0])
    assert watched_intermediate(lambda f: st.vjp(f, x)[1])


def test_gradient_of_parameters_keeps_no_history() -> None:
    x = leaf(1.0, 2.0)

    def run(f: Any) -> Any:
        f(x).backward()
        return x.grad

    assert not watched_intermediate(run)


def test_gradient_with_history_only_where_something_is_alive() -> None:
    """The inner gradient of a penalty depends on a parameter, and keeps that path."""
    weight = leaf(2.0)
    gradient = st.grad(lambda x: st.sum(x * x * weight))(st.asarray(np.array([3.0])))
    assert gradient.requires_grad
    st.sum(gradient).backward()
    assert weight.grad.tolist() == [6.0]


def test_a_complex_loss_is_refused() -> None:
    x = leaf(1.0)
    with pytest.raises(GradientError) as caught:
        st.sum(x.astype(st.complex128)).backward()
    assert str(caught.value) == (
        f"backward: the loss complex128[] is complex, and only a real number has a gradient. Take "
        f"steepest.real(...) or steepest.abs(...) of it, or give the weight of its parts: "
        f"backward(gradient=...), or vjp. At test_backward.py:{here() - 4}."
    )


def test_long_histories_need_no_deep_stack() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + 0.001
    st.sum(y).backward()
    assert x.grad.tolist() == [1.0]
    del y
