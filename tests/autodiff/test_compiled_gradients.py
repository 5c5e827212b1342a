"""`.grad` inside and outside of compiled functions: the same as without them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import assert_same_bits, compiled

import steepest as st
from steepest import nn, optim
from steepest.errors import GradientError

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)


def here() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def leaf(*numbers: float) -> st.Tensor:
    return st.Tensor(np.array(numbers, "float32"), requires_grad=True)


def counting(function: Callable[..., Any]) -> tuple[Any, list[str]]:
    """A compiled function, and a list that grows whenever it is traced."""
    traces: list[str] = []

    def traced(*args: Any, **kwargs: Any) -> Any:
        traces.append("trace")
        return function(*args, **kwargs)

    return compiled(traced), traces


@BOTH
def test_gradients_are_handed_out(wrap: Wrap) -> None:
    weight = leaf(1.0, 2.0)
    run = wrap(lambda x: st.sum(weight * x).backward())
    run(st.ones(2) * 3)
    assert weight.grad.tolist() == [3.0, 3.0]


@BOTH
def test_gradients_add_up_over_calls(wrap: Wrap) -> None:
    weight = leaf(1.0, 2.0)
    run = wrap(lambda x: st.sum(weight * x).backward())
    for n in range(1, 5):
        run(st.ones(2) * n)
        assert weight.grad.tolist() == [n * (n + 1) / 2] * 2
    weight.grad = None
    run(st.ones(2))
    assert weight.grad.tolist() == [1.0, 1.0]


def test_adding_up_traces_twice_and_never_again() -> None:
    """Once for no gradient, once for one; not for each new tensor that holds it."""
    weight = leaf(1.0)
    run, traces = counting(lambda x: st.sum(weight * x).backward())
    for _ in range(5):
        weight.grad = None
        for _ in range(3):
            run(st.ones(1))
    assert len(traces) == 2
    assert weight.grad.tolist() == [3.0]


@BOTH
def test_a_gradient_held_elsewhere_stays(wrap: Wrap) -> None:
    """A new sum is a new tensor, as in eager mode."""
    weight = leaf(1.0)
    run = wrap(lambda x: st.sum(weight * x).backward())
    run(st.ones(1))
    first = weight.grad
    run(st.ones(1))
    assert first.tolist() == [1.0]
    assert weight.grad.tolist() == [2.0]


@BOTH
def test_gradient_set_from_outside_is_added_to(wrap: Wrap) -> None:
    weight = leaf(1.0)
    weight.grad = st.ones(1) * 10
    wrap(lambda x: st.sum(weight * x).backward())(st.ones(1))
    assert weight.grad.tolist() == [11.0]


@BOTH
def test_gradients_of_arguments(wrap: Wrap) -> None:
    """Each call fills `.grad` of its own arguments."""
    run = wrap(lambda x: st.sum(x * x).backward())
    first, second = leaf(1.0, 2.0), leaf(3.0, 4.0)
    run(first)
    run(second)
    run(second)
    assert first.grad.tolist() == [2.0, 4.0]
    assert second.grad.tolist() == [12.0, 16.0]


def test_gradients_of_new_arguments_need_no_new_trace() -> None:
    run, traces = counting(lambda x: st.sum(x * x).backward())
    for n in range(4):
        argument = leaf(float(n))
        run(argument)
        assert argument.grad.tolist() == [2.0 * n]
    assert len(traces) == 1


@BOTH
def test_one_tensor_as_two_arguments(wrap: Wrap) -> None:
    def product(x: st.Tensor, y: st.Tensor) -> None:
        st.sum(x * y * y).backward()

    run = wrap(product)
    same = leaf(2.0)
    run(same, same)
    assert same.grad.tolist() == [12.0]
    first, second = leaf(2.0), leaf(3.0)
    run(first, second)
    assert first.grad.tolist() == [9.0]
    assert second.grad.tolist() == [12.0]
    run(same, same)
    assert same.grad.tolist() == [24.0]


@BOTH
def test_gradient_read_inside(wrap: Wrap) -> None:
    weight = leaf(1.0, 2.0)

    def run(x: st.Tensor) -> Any:
        before = None if weight.grad is None else weight.grad * 1
        st.sum(weight * x).backward()
        return before, weight.grad * 100

    step = wrap(run)
    before, after = step(st.ones(2))
    assert before is None
    assert after.tolist() == [100.0, 100.0]
    before, after = step(st.ones(2))
    assert before.tolist() == [1.0, 1.0]
    assert after.tolist() == [200.0, 200.0]


@BOTH
def test_gradient_changed_inside(wrap: Wrap) -> None:
    weight = leaf(3.0, 4.0)

    def clip(x: st.Tensor) -> None:
        st.sum(weight * x).backward()
        weight.grad = weight.grad * 0.5

    run = wrap(clip)
    run(st.ones(2))
    assert weight.grad.tolist() == [0.5, 0.5]
    run(st.ones(2))
    assert weight.grad.tolist() == [0.75, 0.75]


@BOTH
def test_gradient_assigned_to_inside(wrap: Wrap) -> None:
    weight = leaf(3.0, 4.0)
    st.sum(weight * 8).backward()

    def halve() -> None:
        weight.grad.assign(weight.grad * 0.5)

    run = wrap(halve)
    run()
    assert weight.grad.tolist() == [4.0, 4.0]
    run()
    assert weight.grad.tolist() == [2.0, 2.0]


@BOTH
def test_gradient_cleared_inside(wrap: Wrap) -> None:
    weight = leaf(1.0)
    st.sum(weight).backward()

    def clear() -> None:
        weight.grad = None

    wrap(clear)()
    assert weight.grad is None


def test_gradient_cleared_and_made_inside_is_not_handed_out() -> None:
    """A training step clears the gradients that it uses up, so none need to be stored."""
    weight = leaf(1.0, 2.0)
    weight.name = "body.weight"

    def step(x: st.Tensor) -> None:
        weight.grad = None
        st.sum(weight * x).backward()
        weight.assign(weight - 0.5 * weight.grad)

    run = compiled(step)
    run(st.ones(2))
    assert weight.tolist() == [0.5, 1.5]
    with pytest.raises(GradientError) as caught:
        weight.grad  # noqa: B018
    assert str(caught.value) == (
        f"the gradient of tensor 'body.weight' float32[2] was used up inside a compiled function, "
        f"which hands out no gradients that it cleared itself. Return the gradient from the "
        f"function, or call zero_grad() outside of it. At test_compiled_gradients.py:{here() - 4}."
    )
    with pytest.raises(GradientError):
        st.sum(weight).backward()
    run(st.ones(2))  # it clears first, so it does not mind
    weight.grad = None
    st.sum(weight).backward()
    assert weight.grad.tolist() == [1.0, 1.0]


def test_used_up_gradient_read_by_another_program() -> None:
    weight = leaf(1.0)

    def step() -> None:
        weight.grad = None
        st.sum(weight).backward()

    compiled(step)()
    with pytest.raises(GradientError, match=r"^the gradient of tensor float32\[1\] was used up"):
        compiled(lambda: weight.grad * 2)()


def test_program_is_not_confused_by_gradients_that_come_and_go() -> None:
    weight = leaf(1.0)
    run, traces = counting(lambda: 0 if weight.grad is None else weight.grad * 2)
    assert run() == 0
    st.sum(weight * 3).backward()
    assert run().tolist() == [6.0]
    weight.grad = st.ones(1)
    assert run().tolist() == [2.0]
    weight.grad = None
    assert run() == 0
    assert len(traces) == 2


@BOTH
def test_results_can_be_differentiated_outside(wrap: Wrap) -> None:
    weight = leaf(1.0, 2.0)
    run = wrap(lambda x: {"y": x * weight, "i": st.argmax(x), "n": x * 2.0})
    found = run(st.ones(2) * 3)
    assert found["y"].requires_grad
    assert not found["i"].requires_grad
    assert not found["n"].requires_grad
    st.sum(found["y"] ** 2).backward()
    assert weight.grad.tolist() == [18.0, 36.0]
    with st.no_grad():
        assert not run(st.ones(2))["y"].requires_grad


@BOTH
def test_results_differentiated_by_arguments_to_second_order(wrap: Wrap) -> None:
    run = wrap(lambda x, y: st.exp(x * y))
    x, y = (st.asarray(np.array(number)) for number in (0.5, 0.3))

    def first(x: st.Tensor) -> st.Tensor:
        return st.grad(run)(x, y)

    assert first(x).item() == pytest.approx(0.3 * np.exp(0.15))
    assert st.grad(first)(x).item() == pytest.approx(0.09 * np.exp(0.15))
    st.check_gradients(run, [x, y])


@BOTH
def test_backward_outside_through_random_numbers_and_state(wrap: Wrap) -> None:
    """The program's counter has moved on when the gradient is taken; the draw is the old one."""
    weight, calls = leaf(*[1.0] * 64), st.zeros(())
    generator = st.random.Generator(3)

    def forward(x: st.Tensor) -> st.Tensor:
        calls.assign(calls + 1)
        return nn.functional.dropout(x * weight, 0.5, generator=generator)

    run = wrap(forward)
    output = run(st.ones(64))
    again = run(st.ones(64))
    st.sum(output).backward()
    assert weight.grad.tolist() == output.tolist()
    assert output.tolist() != again.tolist()
    assert calls.item() == 2.0


@BOTH
def test_backward_outside_after_the_program_changed_a_parameter(wrap: Wrap) -> None:
    weight = leaf(2.0)

    def step(x: st.Tensor) -> st.Tensor:
        y = st.sum(x * weight * weight)
        weight.assign(weight.detach() * 2)
        return y

    loss = wrap(step)(st.ones(1))
    with pytest.raises(GradientError, match=r"operand float32\[1\] was changed by assign\(\)"):
        loss.backward()


@BOTH
def test_assign_between_forward_and_backward_inside(wrap: Wrap) -> None:
    weight = leaf(1.0, 2.0)

    def step() -> None:
        loss = st.sum(weight * weight)
        weight.assign(weight.detach() * 2)
        loss.backward()

    with pytest.raises(GradientError) as caught:
        wrap(step)()
    assert str(caught.value) == (
        f"multiply: operand float32[2] was changed by assign() after this operation used it, so "
        f"its gradient can no longer be taken. At test_compiled_gradients.py:{here() - 8}. "
        f"Call backward() before assign(), or use a clone()."
    )


@BOTH
def test_what_is_detached_inside_is_detached_outside(wrap: Wrap) -> None:
    """A node of the graph stands for a tensor and for its detached twin; gradients tell."""

    def function(x: st.Tensor) -> st.Tensor:
        with st.no_grad():
            constant = x * 10
        leaf = st.Tensor(x * 100, requires_grad=True)
        return st.sum(x * x.detach() + x * constant + x * leaf)

    x = leaf(2.0)
    output = wrap(function)(x)
    output.backward()
    assert x.grad.tolist() == [2.0 + 20.0 + 200.0]


@BOTH
def test_a_target_network_follows(wrap: Wrap) -> None:
    """Assigning one parameter to another reads its present numbers in every call."""
    online, target = leaf(1.0), leaf(0.0)
    follow = wrap(lambda: target.assign(online))
    for number in (1.0, 2.0, 3.0):
        online.assign([number])
        follow()
        assert target.tolist() == [number]


@BOTH
def test_results_that_do_not_matter_leave_no_gradient(wrap: Wrap) -> None:
    first, second = leaf(1.0), leaf(2.0)
    one, _ = wrap(lambda x: (x * first, x * second))(st.ones(1))
    st.sum(one).backward()
    assert first.grad.tolist() == [1.0]
    assert second.grad is None


@pytest.mark.parametrize("captured", [False, True], ids=["argument", "tensor from outside"])
def test_gradient_cannot_leave_a_program_through_history(captured: bool) -> None:
    weight = leaf(3.0)
    outside = weight * 2

    def step(x: st.Tensor) -> None:
        st.sum((outside if captured else x) ** 2).backward()

    run = compiled(step)
    run(leaf(1.0)) if not captured else None
    with pytest.raises(GradientError) as caught:
        run(outside)
    line = inspect.getsourcelines(step)[1] + 1
    assert str(caught.value) == (
        f"backward: the gradient flows to a tensor float32[1] that was computed outside of the "
        f"compiled function, where it cannot follow. Compute it inside, use its detach(), or call "
        f"backward() outside. At test_compiled_gradients.py:{line}."
    )
    step(outside)
    assert weight.grad.tolist() == [2 * 6.0 * 2]


@BOTH
def test_arguments_that_depend_on_each_other(wrap: Wrap) -> None:
    """The gradient by x does not count the way through y twice."""
    x = leaf(3.0)
    y = x * x
    st.sum(wrap(lambda x, y: x * y)(x, y)).backward()
    assert x.grad.tolist() == [27.0]


@BOTH
def test_rules_of_the_users_own_and_checkpoints_within_a_program(wrap: Wrap) -> None:
    doubled = st.custom_gradient(gradient=lambda output_grad, *_: output_grad * 2)(lambda x: x * 2)
    weight = leaf(0.5)
    run = wrap(lambda x: st.checkpoint(lambda y: st.exp(doubled(y) * weight))(x))
    x = leaf(1.0)
    output = run(x)
    st.sum(output).backward()
    assert x.grad.tolist() == output.tolist()
    assert weight.grad.tolist() == (output * 2).tolist()
    assert not weight.grad.requires_grad


def test_backward_through_a_program_replays_it_once() -> None:
    module = sys.modules["steepest.autodiff.replay"]
    weights = [leaf(float(n)) for n in range(5)]
    run = compiled(lambda x: st.sum(sum((x * each for each in weights), x)))
    loss = run(st.ones(1))
    runs = []
    original = module.replay
    try:
        module.replay = lambda *given: runs.append(1) or original(*given)
        loss.backward()
    finally:
        module.replay = original
    assert len(runs) == 1
    assert [each.grad.tolist() for each in weights] == [[1.0]] * 5


def test_error_while_a_program_is_differentiated_names_its_lines() -> None:
    @st.custom_gradient(gradient=lambda *_: (None, None))
    def odd(x: st.Tensor) -> st.Tensor:
        return x * 2

    line = here() + 1
    run = compiled(lambda x: st.sum(odd(x)))
    loss = run(leaf(1.0))
    with pytest.raises(GradientError) as caught:
        loss.backward()
    assert str(caught.value).endswith(f"for 1 arguments. At test_compiled_gradients.py:{line}.")


@BOTH
def test_create_graph_inside_gives_gradients_with_history(wrap: Wrap) -> None:
    weight = leaf(3.0)
    run = wrap(lambda x: st.sum(x * weight**3).backward(create_graph=True))
    run(st.ones(1))
    first = weight.grad
    assert first.tolist() == [27.0]
    assert first.requires_grad
    weight.grad = None
    st.sum(first).backward()
    assert weight.grad.tolist() == [18.0]


def training(wrap: Wrap, clear_inside: bool, steps: int) -> list[Any]:
    """Train a small network; return losses, weights, and gradients where they are kept."""
    st.random.seed(0)
    random = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    data = [
        (random.normal(size=(6, 4)).astype("float32"), random.integers(0, 3, 6))
        for _ in range(steps)
    ]

    def step(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        if clear_inside:
            optimizer.zero_grad()
        loss.backward()
        if clear_inside:
            optimizer.step()
        return loss

    run = wrap(step)
    losses = []
    for number, (x, y) in enumerate(data):
        losses.append(run(st.asarray(x), st.asarray(y)))
        if not clear_inside and number % 2:
            optimizer.step()
            optimizer.zero_grad()
    return [*losses, *model.parameters()]


@pytest.mark.parametrize("clear_inside", [True, False], ids=["one program", "accumulated"])
def test_training_is_eager_to_the_bit(clear_inside: bool) -> None:
    eager = training(lambda function: function, clear_inside, steps=6)
    assert_same_bits(
        [each.detach() for each in training(compiled, clear_inside, steps=6)],
        [each.detach() for each in eager],
    )
