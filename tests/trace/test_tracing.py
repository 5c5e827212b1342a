"""What a trace records: state in and out, guards, origins; and what it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import compiled

import steepest as st
from steepest.errors import GradientError, TraceError
from steepest.trace.guards import touch
from steepest.trace.recorder import Trace
from steepest.trace.scope import current_scope, module_scope
from steepest.trace.state import state

Golden = Callable[[str], None]


def here() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def graph_of(function: Callable[..., Any], *arguments: Any) -> str:
    """The traced graph of a function, without origins."""
    text = compiled(function).stages(*arguments)["trace"]
    lines = [line.partition("  #")[0] for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def test_state_becomes_inputs_and_outputs() -> None:
    count, total = st.zeros((), dtype=st.int64), st.zeros(2)
    count.name = "count"

    def step(x: st.Tensor) -> st.Tensor:
        count.assign(count + 1)
        total.assign(total + x)
        return total * count

    assert graph_of(step, st.ones(2)) == (
        "graph step(%0 argument0: float32[2], %1 count: int64[], %2 state1: float32[2]) {\n"
        "  %3 = add(%2, %0) : float32[2]\n"
        "  %4 = full(shape=(), value=1, dtype=int64) : int64[]\n"
        "  %5 = add(%1, %4) : int64[]\n"
        "  %6 = convert(%5, dtype=float32) : float32[]\n"
        "  %7 = multiply(%3, %6) : float32[2]\n"
        "  return %7, %5 into %1, %3 into %2\n"
        "}\n"
    )
    assert count.item() == 0  # a trace runs nothing
    run = compiled(step)
    assert run(st.ones(2)).tolist() == [1.0, 1.0]
    assert run(st.ones(2)).tolist() == [4.0, 4.0]
    assert count.item() == 2
    assert total.tolist() == [2.0, 2.0]


def test_random_numbers_read_the_key_and_advance_the_counter() -> None:
    generator = st.random.Generator(7)
    text = graph_of(lambda: generator.bits(3))
    assert text.startswith(
        "graph <lambda>(%0 random_key: uint32[2], %1 random_counter: int64[]) {\n"
        "  %2 = random_bits(%0, %1, shape=(3,)) : uint32[3]\n"
    )
    assert text.endswith("  return %2, %4 into %1\n}\n")


def test_gradients_become_inputs_and_outputs() -> None:
    weight = st.Tensor([2.0], requires_grad=True)
    weight.name = "w"
    weight.grad = st.ones(1)
    text = graph_of(lambda x: st.sum(weight * x).backward(), st.ones(1))
    assert text.startswith(
        "graph <lambda>(%0 argument0: float32[1], %1 w: float32[1], %2 w_grad: float32[1]) {\n"
    )
    total, output = text.splitlines()[-3:-1]
    assert total.endswith("= add(%2, %5) : float32[1]")
    assert output == f"  return {total.split()[0]}"


def test_assigned_values_are_read_back() -> None:
    a, b = st.ones(1), st.ones(1) * 2

    def swap() -> tuple[st.Tensor, st.Tensor]:
        before = a * 1
        a.assign(b)
        b.assign(before)
        a.assign(a * 10)
        return a + b, before

    for wrap in (lambda function: function, compiled):
        a.assign(st.ones(1))
        b.assign(st.ones(1) * 2)
        run = wrap(swap)
        assert [each.tolist() for each in run()] == [[21.0], [1.0]]
        assert [each.tolist() for each in run()] == [[30.0], [20.0]]
        assert a.tolist() == [10.0]
        assert b.tolist() == [20.0]


def test_assigned_numbers_are_converted_and_repeated() -> None:
    target = st.zeros((2, 2))

    def run(x: st.Tensor) -> None:
        target.assign(x)

    for wrap in (lambda function: function, compiled):
        wrap(run)(st.asarray([1, 2]))
        assert target.tolist() == [[1.0, 2.0], [1.0, 2.0]]
    compiled(lambda: target.assign(3))()
    assert target.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_two_programs_share_state() -> None:
    count = st.zeros(())
    up = compiled(lambda: count.assign(count + 1))
    double = compiled(lambda: count.assign(count * 2))
    for _ in range(3):
        up()
        double()
    assert count.item() == 14.0


class Switch:
    """An object whose plain values a program may bake in."""

    def __init__(self) -> None:
        self.rate = 1.0
        self.label = "Switch 'rate'"

    def _static_state(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def __call__(self, x: st.Tensor) -> st.Tensor:
        touch(self)
        return x * self.rate


def test_guarded_values() -> None:
    switch, traces = Switch(), []

    def function(x: st.Tensor) -> st.Tensor:
        traces.append(switch.rate)
        return switch(x)

    run = compiled(function)
    for rate in (1.0, 2.0, 1.0, 3.0, 2.0, 1.0):
        switch.rate = rate
        assert run(st.ones(1)).tolist() == [rate]
    assert traces == [1.0, 2.0, 3.0]


def test_touching_outside_a_trace_does_nothing() -> None:
    touch(Switch())


def test_scopes_name_the_layer() -> None:
    def layer(x: st.Tensor) -> st.Tensor:
        with module_scope("Linear 'outer'"):
            y = x * 2
            with module_scope("ReLU 'inner'"):
                return y + 1

    assert current_scope() == ""
    stages = compiled(layer).stages(st.ones(1))
    places = [line.partition("  # ")[2] for line in stages["trace"].splitlines() if " = " in line]
    line = inspect.getsourcelines(layer)[1]
    outer = f"test_tracing.py:{line + 2} in Linear 'outer'"
    inner = f"test_tracing.py:{line + 4} in ReLU 'inner'"
    assert places == [outer, outer, inner, inner]


def test_scope_ends_with_an_error() -> None:
    with pytest.raises(KeyError), module_scope("Linear"):
        raise KeyError
    assert current_scope() == ""


FLOAT_MESSAGE = (
    "{name}(tensor): inside steepest.compile the tensor {kind} has no number yet, so Python cannot "
    "branch on it. Use steepest.where, or return it. At test_tracing.py:{line}."
)
STORED_MESSAGE = (
    "a tensor {kind} has no numbers inside steepest.compile, where the program is recorded, not "
    "run. Return the tensor from the compiled function, or use steepest.where instead of a Python "
    "branch. At test_tracing.py:{line}."
)


@pytest.mark.parametrize("outside", [False, True], ids=["argument", "tensor from outside"])
@pytest.mark.parametrize("name", ["float", "int", "bool", "complex"])
def test_numbers_of_a_traced_tensor(name: str, outside: bool) -> None:
    kept = st.ones(())
    convert = {"float": float, "int": int, "bool": bool, "complex": complex}[name]

    def function(x: st.Tensor) -> Any:
        return convert(kept if outside else x)

    with pytest.raises(TraceError) as caught:
        compiled(function)(st.ones(()))
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value) == FLOAT_MESSAGE.format(name=name, kind="float32[]", line=line)


def test_branch_on_a_traced_tensor() -> None:
    def function(x: st.Tensor) -> st.Tensor:
        if st.sum(x) > 0:
            return x
        return -x

    with pytest.raises(TraceError) as caught:
        compiled(function)(st.ones(3))
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value) == FLOAT_MESSAGE.format(name="bool", kind="bool[]", line=line)
    assert function(st.ones(3)).tolist() == [1.0, 1.0, 1.0]


ASKING: dict[str, Callable[[st.Tensor], Any]] = {
    "numpy": lambda x: x.numpy(),
    "asarray": np.asarray,
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "f-string": lambda x: f"{x:.3f}",
}


@pytest.mark.parametrize("outside", [False, True], ids=["argument", "tensor from outside"])
@pytest.mark.parametrize("name", sorted(ASKING))
def test_arrays_of_a_traced_tensor(name: str, outside: bool) -> None:
    kept, ask = st.ones(()), ASKING[name]

    def function(x: st.Tensor) -> Any:
        return ask(kept if outside else x)

    with pytest.raises(TraceError) as caught:
        compiled(function)(st.ones(()))
    message, _, _ = str(caught.value).rpartition(" At ")
    assert message == STORED_MESSAGE.rpartition(" At ")[0].format(kind="float32[]")


def test_what_can_be_asked_of_a_traced_tensor() -> None:
    seen: list[Any] = []

    def function(x: st.Tensor) -> st.Tensor:
        seen.extend([x.shape, x.dtype, x.ndim, x.size, len(x), repr(x), x.requires_grad])
        return sum(row * 2 for row in x)

    assert compiled(function)(st.ones((2, 3))).tolist() == [4.0] * 3
    assert seen == [(2, 3), st.float32, 2, 6, 2, "Tensor(float32[2, 3], traced)", False]


def leaked() -> st.Tensor:
    """A traced tensor that outlived its trace."""
    kept: list[st.Tensor] = []
    compiled(lambda x: kept.append(x * 2))(st.ones(2))
    return kept[0]


LEAKED = (
    "a tensor float32[2] traced by a compiled function was kept and used after the function ended. "
    "Return it from the function instead. At test_tracing.py:{line}."
)


@pytest.mark.parametrize(
    "use",
    [lambda x: x + 1, lambda x: x.numpy(), lambda x: st.ones(2).assign(x), lambda x: x.tolist()],
    ids=["add", "numpy", "assign", "tolist"],
)
def test_traced_tensor_used_after_the_trace(use: Callable[[st.Tensor], Any]) -> None:
    tensor = leaked()
    with pytest.raises(TraceError) as caught:
        use(tensor)
    assert str(caught.value) == LEAKED.format(line=use.__code__.co_firstlineno)


def test_traced_tensor_used_in_another_trace() -> None:
    tensor = leaked()
    with pytest.raises(TraceError) as caught:
        compiled(lambda x: x + tensor)(st.ones(2))
    assert str(caught.value) == (
        f"a tensor float32[2] traced by another compiled function was kept and used here. Return "
        f"it from that function instead. At test_tracing.py:{here() - 3}."
    )


def test_traced_tensor_can_be_looked_at_after_the_trace() -> None:
    assert leaked().shape == (2,)
    assert repr(leaked()) == "Tensor(float32[2], traced)"


def test_arguments_cannot_be_assigned_to() -> None:
    def function(x: st.Tensor) -> None:
        x.assign(x * 2)

    with pytest.raises(TraceError) as caught:
        compiled(function)(st.ones(2))
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value) == (
        f"assign: an argument of a compiled function cannot be assigned to. Return the new value, "
        f"or keep the tensor outside of the function. At test_tracing.py:{line}."
    )


def test_items_cannot_be_set() -> None:
    def function(x: st.Tensor) -> None:
        x[0] = 1.0

    with pytest.raises(TraceError) as caught:
        compiled(function)(st.ones(2))
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value) == (
        f"x[...] = y: inside steepest.compile a tensor changes as a whole. Use x = "
        f"steepest.where(...), steepest.scatter_add, or x.assign(...). At test_tracing.py:{line}."
    )


def test_computed_tensors_can_be_assigned_to_inside_only() -> None:
    """A tensor made inside is not state: assigning to it changes what is read from then on."""

    def function(x: st.Tensor) -> st.Tensor:
        running = st.zeros(2)
        running.assign(running + x)
        running.assign(running * 2)
        return running

    assert function(st.ones(2)).tolist() == [2.0, 2.0]
    assert compiled(function)(st.ones(2)).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("outside", [False, True], ids=["made inside", "made outside"])
@pytest.mark.parametrize("wrap", [lambda function: function, compiled], ids=["eager", "compiled"])
def test_tensors_with_history_cannot_be_assigned_to(wrap: Any, outside: bool) -> None:
    weight = st.Tensor([1.0], requires_grad=True)
    computed = weight * 2

    def function() -> None:
        (computed if outside else weight * 2).assign(st.ones(1))

    with pytest.raises(GradientError) as caught:
        wrap(function)()
    line = inspect.getsourcelines(function)[1] + 1
    assert str(caught.value) == (
        f"assign: the target was computed from others; assign to its detach() instead. "
        f"At test_tracing.py:{line}."
    )


@pytest.mark.parametrize("wrap", [lambda function: function, compiled], ids=["eager", "compiled"])
def test_argument_that_is_also_known_from_outside(wrap: Any) -> None:
    """Assigned to by its outer name, it has changed for both names."""
    weight = st.ones(2)

    def function(x: st.Tensor) -> tuple[st.Tensor, st.Tensor]:
        before = x * 1
        weight.assign(weight * 5)
        return before, x * 1

    run = wrap(function)
    assert [each.tolist() for each in run(weight)] == [[1.0, 1.0], [5.0, 5.0]]
    assert [each.tolist() for each in run(weight)] == [[5.0, 5.0], [25.0, 25.0]]
    assert weight.tolist() == [25.0, 25.0]
    other = st.ones(2) * 3
    assert [each.tolist() for each in run(other)] == [[3.0, 3.0], [3.0, 3.0]]
    assert weight.tolist() == [125.0, 125.0]
    assert other.tolist() == [3.0, 3.0]
    assert [each.tolist() for each in run(weight)] == [[125.0] * 2, [625.0] * 2]


def test_same_tensor_is_the_same_inside() -> None:
    found: list[bool] = []

    def function(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        found.append(x is y)
        return x + y

    run = compiled(function)
    x = st.ones(1)
    assert run(x, x).tolist() == [2.0]
    assert run(x, st.ones(1) * 2).tolist() == [3.0]
    assert run(x, x).tolist() == [2.0]
    assert found == [True, False]


def test_recording_ends_with_an_error() -> None:
    trace = Trace("f")
    with pytest.raises(ZeroDivisionError), trace.recording():
        1 / int(state.trace is not trace)
    assert state.trace is None


def test_used_up_gradient_found_while_tracing() -> None:
    weight = st.Tensor([1.0], requires_grad=True)

    def step() -> None:
        weight.grad = None
        st.sum(weight).backward()

    compiled(step)()
    with pytest.raises(GradientError, match="was used up inside a compiled function"):
        compiled(lambda: st.sum(weight).backward())()
