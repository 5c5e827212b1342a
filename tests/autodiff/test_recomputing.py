"""Functions computed again in the backward pass, to save memory.

The oracle is the same function without `checkpoint`: every number is the same bits.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import BOTH, Wrap, array, assert_same_bits, compiled, here

import steepest as st
from steepest import nn
from steepest.compile import Compiled, Executable
from steepest.errors import GradientError
from steepest.graph.evaluate import Evaluator
from steepest.graph.node import Graph
from steepest.kernels.build import Builder
from steepest.kernels.schedule import schedule
from steepest.runtime.plan import Plan, make_plan

WAYS = pytest.mark.parametrize(
    "wrap",
    [lambda function: function, compiled, lambda function: st.compile(function, back_end="native")],
    ids=["eager", "compiled", "native"],
)
Model = Callable[[Any], Any]


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
        middle, factor = st.exp(x), st.random.uniform((2,)) * 0 + 1
        made.extend(weakref.ref(each) for each in (middle, factor, factor.numpy()))
        return st.sum(middle * middle * factor)

    x = st.Tensor([1.0, 2.0], requires_grad=True)
    loss = st.checkpoint(watched)(x)
    gc.collect()
    assert [each() for each in made] == [None] * 3
    loss.backward()
    gc.collect()
    assert [each() for each in made] == [None] * 6
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2 * np.array([1.0, 2.0])), rtol=1e-6)


def test_recomputation_is_not_merged_with_the_first_run() -> None:
    """Otherwise a compiled checkpoint would save nothing: exp stands twice in the program."""
    plain = compiled(st.grad(lambda x: st.sum(chain(x))))
    saving = compiled(st.grad(lambda x: st.sum(st.checkpoint(chain)(x)) ** 2))
    assert plain.stages(array(1.0))["merge_equal_nodes"].count("= exp(") == 1
    assert saving.stages(array(1.0))["merge_equal_nodes"].count("= exp(") == 2


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


def steps_of_training(wrap: Wrap, block: Callable[[nn.Module, nn.Module], Model]) -> list[Any]:
    """Losses, gradients, statistics and the generator after each of three steps, from one seed.

    Args:
        block: makes the function to differentiate of two networks, which draw random numbers.
    """
    st.random.seed(3)
    first = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5))
    second = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.AlphaDropout(0.3))
    run = block(first, second)
    both = nn.Sequential(first, second)

    def step(x: st.Tensor) -> Any:
        leaf = st.Tensor(x, requires_grad=True)
        loss = st.sum(run(leaf) ** 2)
        loss.backward()
        return loss, leaf.grad

    program = wrap(step)
    found: list[Any] = []
    for x in np.random.default_rng(0).normal(size=(3, 4, 8)).astype("float32"):
        for parameter in both.parameters():
            parameter.grad = None
        found += program(x)
        found += [st.asarray(parameter.grad) for parameter in both.parameters()]
        found += [st.asarray(each) for each in both.state_dict().values()]
        found += [st.random.default_generator.counter + 0, st.random.uniform((2,))]
    return found


@WAYS
@pytest.mark.parametrize("nested", [False, True], ids=["side by side", "nested"])
def test_random_numbers_and_statistics_are_those_without_checkpoint(
    wrap: Wrap, nested: bool
) -> None:
    def plain(first: nn.Module, second: nn.Module) -> Model:
        return lambda x: second(first(x))

    def saving(first: nn.Module, second: nn.Module) -> Model:
        one, two = st.checkpoint(first), st.checkpoint(second)
        return st.checkpoint(lambda x: two(one(x))) if nested else lambda x: two(one(x))

    assert_same_bits(steps_of_training(wrap, saving), steps_of_training(wrap, plain))


def noisy(x: st.Tensor) -> st.Tensor:
    """Draws twice, from the default generator."""
    return st.sin(x * st.random.normal(x.shape, dtype=x.dtype)) * st.random.uniform(
        x.shape, dtype=x.dtype
    )


def seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """From the same random state at each call; what follows it in the stream is a result too."""

    def call(*arguments: Any) -> Any:
        st.random.seed(11)
        return [*function(*arguments), st.random.uniform((2,))]

    return call


@BOTH
def test_gradients_of_any_order_see_the_same_random_numbers(wrap: Wrap) -> None:
    def orders(function: Model) -> Callable[..., Any]:
        first = st.grad(lambda x: st.sum(function(x)))
        second = st.grad(lambda x: st.sum(first(x) ** 2))
        return lambda x: [first(x), second(x), *st.jvp(function, [x], [x])]

    x = array(0.1, -0.5, 1.2)
    saving = seeded(wrap(orders(st.checkpoint(noisy))))(x)
    assert_same_bits(saving, seeded(wrap(orders(noisy)))(x))


@BOTH
@pytest.mark.parametrize("within", [False, True], ids=["outside", "inside"])
def test_programs_that_draw_and_checkpoints(wrap: Wrap, within: bool) -> None:
    """A program may hold the checkpoint, or be what is computed again."""
    saving = st.checkpoint(wrap(noisy)) if within else wrap(st.checkpoint(noisy))

    def gradients(function: Model) -> Callable[..., Any]:
        def call(x: st.Tensor) -> Any:
            return [function(x), *(st.grad(lambda x: st.sum(function(x) ** 2))(x) for _ in "123")]

        return seeded(call)

    x = array(0.1, -0.5, 1.2)
    assert_same_bits(gradients(saving)(x), gradients(noisy)(x))


def test_another_seed_between_the_passes_changes_nothing() -> None:
    def gradient(function: Model) -> Any:
        st.random.seed(5)
        x = st.Tensor(np.arange(3.0), requires_grad=True)
        loss = st.sum(function(x))
        st.random.seed(6)
        loss.backward()
        return [x.grad, st.random.uniform((2,))]

    assert_same_bits(gradient(st.checkpoint(noisy)), gradient(noisy))


def test_a_generator_of_its_own_is_drawn_from_once() -> None:
    generator = st.random.Generator(4)
    drop = nn.Dropout(0.5, generator=generator)
    x = st.Tensor(np.ones(64), requires_grad=True)
    output = st.checkpoint(lambda x: drop(x) * drop(x))(x)
    st.sum(output).backward()
    assert generator.counter.item() == 2
    np.testing.assert_array_equal(x.grad.numpy(), 2 * output.numpy())  # of x x: 2 where it is kept


@BOTH
def test_what_the_function_reads_is_as_it_was(wrap: Wrap) -> None:
    """Without a checkpoint, the change of a factor would be an error: the number is needed."""
    factor = array(1.0, 2.0)

    def step(x: st.Tensor) -> Any:
        leaf = st.Tensor(x, requires_grad=True)
        loss = st.sum(st.checkpoint(lambda x: x * factor)(leaf))
        factor.assign(array(7.0, 7.0))
        loss.backward()
        return leaf.grad

    assert wrap(step)(array(2.0, 3.0)).tolist() == [1.0, 2.0]
    assert factor.tolist() == [7.0, 7.0]


@BOTH
def test_assignments_are_seen_by_their_own_run_alone(wrap: Wrap) -> None:
    """The function adds to a state, uses it and returns it; x comes in as a closure as well."""
    state = array(1.0)

    def step(x: st.Tensor) -> Any:
        leaf = st.Tensor(x, requires_grad=True)

        def count(y: st.Tensor) -> Any:
            state.assign(state + 1)
            return y * leaf * state, state * 10

        saving = st.checkpoint(count)
        (first, then), (second, last) = saving(leaf), saving(leaf)
        st.sum(first + second).backward()
        return leaf.grad, then, last

    assert [each.item() for each in wrap(step)(array(3.0))] == [2 * 3 * (2 + 3), 20, 30]
    assert state.item() == 3


def test_parts_of_a_tensor_may_change() -> None:
    state = st.zeros(2, dtype=st.float64)

    def mark(x: st.Tensor) -> st.Tensor:
        state[0] = state[0] + 4.0
        return x * state

    x = st.Tensor(np.ones(2), requires_grad=True)
    st.sum(st.checkpoint(mark)(x)).backward()
    assert x.grad.tolist() == [4.0, 0.0]
    assert state.tolist() == [4.0, 0.0]


def test_a_number_that_is_needed_must_not_change_within_the_function() -> None:
    state = array(2.0)

    def overwrite(x: st.Tensor) -> st.Tensor:
        product = x * state
        state.assign(state * 2)
        return product

    for function in (overwrite, st.checkpoint(overwrite)):
        x = st.Tensor(np.ones(1), requires_grad=True)
        with pytest.raises(GradientError, match=r"multiply: operand float64\[1\] was changed by"):
            st.sum(function(x)).backward()


def test_a_native_program_needs_less_memory() -> None:
    """What is computed again is computed late, and not while the first run is under way."""

    def memory(save: Callable[[Model], Model]) -> int:
        st.random.seed(0)
        layers = [nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Dropout(0.1)) for _ in range(12)]
        blocks = [save(nn.Sequential(*layers[n : n + 3])) for n in range(0, 12, 3)]
        network = nn.Sequential(*layers)

        def step(x: st.Tensor) -> list[Any]:
            for parameter in network.parameters():
                parameter.grad = None
            for block in blocks:
                x = block(x)
            st.sum(x * x).backward()
            return [parameter.grad for parameter in network.parameters()]

        plans: list[Plan] = []

        def plan_only(graph: Graph) -> Executable:
            builder = Builder(graph)
            plans.append(make_plan(builder, schedule(builder))[0])
            return Evaluator(graph)

        Compiled(step, plan_only)(np.ones((256, 64), "float32"))
        return plans[0].arena_bytes

    assert memory(st.checkpoint) < 0.75 * memory(lambda block: block)


def test_a_program_draws_again_rather_than_keep_the_numbers() -> None:
    x = np.ones(8, "float32")
    saving = compiled(st.grad(lambda x: st.sum(st.checkpoint(noisy)(x)) ** 2))
    assert saving.stages(x)["merge_equal_nodes"].count("= random_bits(") == 6
    plain = compiled(st.grad(lambda x: st.sum(noisy(x)) ** 2))
    assert plain.stages(x)["merge_equal_nodes"].count("= random_bits(") == 3


CHANGED = (
    "assign: a checkpointed function runs twice, so it cannot change a tensor float32[2] that "
    "requires a gradient. Change it outside, or leave out the checkpoint. At test_recomputing.py:"
)


@BOTH
def test_checkpoint_must_not_assign_to_what_requires_a_gradient(wrap: Wrap) -> None:
    weight = st.Tensor(np.zeros(2, "float32"), requires_grad=True)

    def remember(x: st.Tensor) -> st.Tensor:
        weight.assign(x)
        return x * 2

    with pytest.raises(GradientError) as caught:
        wrap(st.checkpoint(remember))(st.ones(2))
    assert str(caught.value) == f"{CHANGED}{here() - 5}."
    weight.assign(st.ones(2))  # allowed again
    with st.no_grad():
        wrap(st.checkpoint(remember))(st.ones(2) * 3)
    assert weight.tolist() == [3.0, 3.0]


def test_a_program_must_not_assign_to_what_requires_a_gradient() -> None:
    weight = st.Tensor(np.zeros(2, "float32"), requires_grad=True)

    def remember(x: st.Tensor) -> st.Tensor:
        weight.assign(x)
        return x * 2

    program = compiled(remember)
    program(st.ones(2))
    with pytest.raises(GradientError, match="a checkpointed function runs twice"):
        st.checkpoint(program)(st.ones(2) * 5)
    assert weight.tolist() == [1.0, 1.0]


@BOTH
def test_gradients_flow_to_an_argument_that_is_a_closure_too(wrap: Wrap) -> None:
    def square(x: st.Tensor) -> st.Tensor:
        return st.sum(st.checkpoint(lambda y: y * x)(x))

    assert wrap(st.grad(square))(array(2.0, 3.0)).tolist() == [4.0, 6.0]


def test_a_program_is_replayed_with_what_it_computed_for_the_function() -> None:
    """The checkpointed function uses results of its program that are no arguments."""
    weight = st.Tensor(np.array([0.5, 2.0]), requires_grad=True)

    def run(x: st.Tensor) -> st.Tensor:
        doubled, shifted = weight * 2, st.stop_gradient(weight) + 1
        return st.sum(st.checkpoint(lambda x: st.exp(x * doubled) * shifted)(x))

    x = array(0.1, 0.2)
    found = st.grad(compiled(run))(x), weight.grad
    expected = np.exp(x.numpy() * [1.0, 4.0]) * [1.5, 3.0] * [1.0, 4.0]
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-14)


def test_nothing_stays_alive_by_a_reference_cycle() -> None:
    """Memory goes at once, not when Python collects garbage next."""
    held: list[weakref.ref[Any]] = []

    def watched(x: st.Tensor) -> st.Tensor:
        scale = st.random.uniform((3,))
        held.append(weakref.ref(scale.numpy()))
        return x * scale

    gc.disable()
    try:
        x = st.Tensor(np.ones(3, "float32"), requires_grad=True)
        output = st.checkpoint(watched)(x)
        held.append(weakref.ref(output))
        st.sum(output).backward()
        del output
        assert [each() for each in held] == [None] * 3
    finally:
        gc.enable()
