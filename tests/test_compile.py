"""`steepest.compile`: when it traces, what it returns, what it holds on to."""

from __future__ import annotations

import copy
import gc
import inspect
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluated import assert_same_bits, compiled

import steepest as st
from steepest import nn
from steepest import options as options_module
from steepest.compile import MANY_TRACES, MOST_PROGRAMS, Compiled
from steepest.errors import ArgumentError, GraphError, RetraceWarning, ShapeError
from steepest.graph.node import Graph, Node
from steepest.graph.types import TensorType
from steepest.ops import REGISTRY
from steepest.trace.guards import touch
from steepest.trace.scope import current_scope, module_scope
from steepest.trace.state import state

MODULE = sys.modules["steepest.compile"]  # the name `steepest.compile` is the function

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)


def counting(function: Callable[..., Any]) -> tuple[Any, list[str]]:
    """A compiled function, and a list that grows whenever it is traced."""
    traces: list[str] = []

    def traced(*args: Any, **kwargs: Any) -> Any:
        traces.append("trace")
        return function(*args, **kwargs)

    return compiled(traced), traces


# When it traces


def test_values_do_not_matter() -> None:
    run, traces = counting(lambda x: x * 2)
    for n in range(5):
        assert run(st.ones(3) * n).tolist() == [2.0 * n] * 3
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (st.ones(2), st.ones(3)),
        (st.ones(2), st.ones((2, 1))),
        (st.ones(2), st.ones(2, dtype=st.float64)),
        (st.ones(2), st.ones(2, dtype=st.int64)),
        (st.ones(2), st.Tensor([1.0, 1.0], requires_grad=True)),
        (st.ones(2), [st.ones(2)]),
        ([st.ones(2)], (st.ones(2),)),
        ({"a": st.ones(2)}, {"b": st.ones(2)}),
        (1, 2),
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ("a", "b"),
        (None, False),
        (st.float32, st.float64),
        (float("nan"), 0.0),
        (1 + 0j, 1.0),
        (len, sum),
    ],
    ids=str,
)
def test_what_makes_a_new_program(first: Any, second: Any) -> None:
    run, traces = counting(lambda given: st.zeros(()) if given is None else st.ones(()))
    for _ in range(2):
        run(first)
    assert len(traces) == 1
    for _ in range(2):
        run(second)
    assert len(traces) == 2
    run(first)
    assert len(traces) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (st.ones(2), np.zeros(2, "float32")),
        (np.zeros(2, ">f4"), np.zeros(2, "float32")),
        (np.zeros((2, 2)), np.asfortranarray(np.zeros((2, 2)))),
        (float("nan"), float("nan") * 1),
        ([1, "a", (None,)], [1, "a", (None,)]),
        (frozenset([1, 2]), frozenset([2, 1])),
    ],
    ids=str,
)
def test_what_makes_none(first: Any, second: Any) -> None:
    run, traces = counting(lambda given: st.ones(()) if given is first else st.zeros(()))
    run(first)
    run(second)
    assert len(traces) == 1


def test_no_grad_makes_a_new_program() -> None:
    weight = st.Tensor([1.0], requires_grad=True)
    run, traces = counting(lambda x: x * weight)
    assert run(st.ones(1)).requires_grad
    with st.no_grad():
        assert not run(st.ones(1)).requires_grad
    assert run(st.ones(1)).requires_grad
    assert len(traces) == 2


def test_freezing_makes_a_new_program() -> None:
    weight = st.Tensor([1.0], requires_grad=True)
    weight.name = "weight"
    run, traces = counting(lambda x: x * weight)
    assert run(st.ones(1)).requires_grad
    weight.requires_grad = False
    assert not run(st.ones(1)).requires_grad
    weight.requires_grad = True
    assert run(st.ones(1)).requires_grad
    assert len(traces) == 2


def test_training_mode_makes_a_new_program() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    run, traces = counting(model)
    x = st.ones((1, 2))
    trained = run(x)
    model.eval()
    predicted = run(x)
    assert_same_bits([predicted.detach()], [model(x).detach()])
    model.train()
    run(x)
    assert len(traces) == 2
    assert trained.tolist() != predicted.tolist()


def test_a_replaced_parameter_makes_a_new_program() -> None:
    model = nn.Linear(2, 1, bias=False)
    run, traces = counting(model)
    run(st.ones((1, 2)))
    model.weight = nn.Parameter(np.array([[3.0, 4.0]], "float32"))
    assert run(st.ones((1, 2))).tolist() == [[7.0]]
    assert len(traces) == 2


def test_changed_numbers_of_a_parameter_make_none() -> None:
    model = nn.Linear(2, 1, bias=False)
    run, traces = counting(model)
    run(st.ones((1, 2)))
    model.weight.assign([[3.0, 4.0]])
    assert run(st.ones((1, 2))).tolist() == [[7.0]]
    assert len(traces) == 1


def test_unhashable_arguments() -> None:
    with pytest.raises(ArgumentError) as caught:
        compiled(lambda x: x)(bytearray(b"abc"))
    assert str(caught.value) == (
        "compile: an argument of type bytearray is neither a tensor nor hashable. Pass a tensor, "
        "a NumPy array, or nested tuples, lists and dictionaries of them."
    )


class Counter:
    """Changes a plain value of its own in every call."""

    def __init__(self) -> None:
        self.calls = 0
        self.label = "Counter 'body.0'"

    def _static_state(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def __call__(self, x: st.Tensor) -> st.Tensor:
        touch(self)
        self.calls += 1
        return x


def test_a_function_traced_again_and_again_is_warned_about() -> None:
    run, traces = counting(Counter())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3 * MANY_TRACES):
            line = inspect.currentframe().f_lineno + 1  # type: ignore[union-attr]
            run(st.ones(1))
    (warning,) = caught
    assert warning.category is RetraceWarning
    assert str(warning.message) == (
        "compile: traced was traced 16 times for arguments of the same types, the last time "
        "because attribute 'calls' of Counter 'body.0' changed. What changes from call to call "
        "belongs in a tensor that the function assigns to, or outside of the function."
    )
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert len(traces) == 3 * MANY_TRACES


def test_at_most_so_many_programs_are_kept() -> None:
    run, traces = counting(lambda x: x * 2)
    for size in range(MOST_PROGRAMS + 10):
        run(st.ones(size))
        run(st.ones(0))  # the one used all the time stays
    assert len(run._programs) == MOST_PROGRAMS
    assert sum(map(len, run._by_key.values())) == MOST_PROGRAMS
    count = len(traces)
    run(st.ones(0))
    run(st.ones(MOST_PROGRAMS + 9))
    assert len(traces) == count
    run(st.ones(1))
    assert len(traces) == count + 1


# What it takes and returns


@BOTH
def test_keywords_and_defaults(wrap: Wrap) -> None:
    run = wrap(lambda x, y=2.0, *more, scale, shift=0.0: (x * scale + y + shift, len(more)))
    x, y = st.ones(1), st.ones(1) * 10
    assert run(x, scale=3.0)[0].tolist() == [5.0]
    assert run(x, y, scale=3.0)[0].tolist() == [13.0]
    assert run(x, y, 1, 2, scale=st.ones(1) * 4, shift=1.0)[1] == 2
    assert run(scale=2.0, x=x, y=y)[0].tolist() == [12.0]
    assert run(y=x, x=y, scale=2.0)[0].tolist() == [21.0]


@BOTH
def test_numpy_arrays_are_inputs(wrap: Wrap) -> None:
    run = wrap(lambda x: st.asarray(x) * 2)
    assert run(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert run(np.array([3.0, 4.0])).tolist() == [6.0, 8.0]


@BOTH
def test_results_of_every_kind(wrap: Wrap) -> None:
    kept = st.ones(2)

    def function(x: st.Tensor, word: str) -> Any:
        y = x * 2
        return {"same": x, "kept": kept, "twice": (y, y), "rest": [word, None, 3, x.shape]}

    found = wrap(function)(st.ones(2) * 5, "word")
    assert found["same"].tolist() == [5.0, 5.0]
    assert found["kept"].tolist() == [1.0, 1.0]
    assert [each.tolist() for each in found["twice"]] == [[10.0, 10.0]] * 2
    assert found["rest"] == ["word", None, 3, (2,)]


@BOTH
@pytest.mark.parametrize("result", [(), None, {}, [[]], 3, "word"], ids=repr)
def test_results_without_tensors(wrap: Wrap, result: Any) -> None:
    run = wrap(lambda x: result)  # noqa: ARG005
    assert run(st.ones(2)) == result
    assert run(st.ones(2)) == result


@BOTH
def test_no_arguments(wrap: Wrap) -> None:
    assert wrap(lambda: st.arange(3) * 2)().tolist() == [0, 2, 4]


@BOTH
def test_empty_tensors(wrap: Wrap) -> None:
    run = wrap(lambda x: (st.sum(x), x * 2, st.concat([x, x], axis=0)))
    total, double, both = run(st.ones((0, 3)))
    assert total.item() == 0.0
    assert double.shape == (0, 3)
    assert both.shape == (0, 3)


def test_result_that_is_the_argument_follows_each_call() -> None:
    run = compiled(lambda x: x)
    assert run(st.ones(1)).tolist() == [1.0]
    assert run(st.ones(1) * 2).tolist() == [2.0]


def test_result_that_is_a_state_is_a_snapshot() -> None:
    count = st.zeros(())

    def step() -> st.Tensor:
        count.assign(count + 1)
        return count

    run = compiled(step)
    first, second = run(), run()
    assert (first.item(), second.item(), count.item()) == (1.0, 2.0, 2.0)


@BOTH
def test_data_types_as_arguments_and_results(wrap: Wrap) -> None:
    converted, dtype = wrap(lambda x, dtype: (x.astype(dtype), dtype))(st.ones(1), st.float64)
    assert converted.dtype is st.float64
    assert dtype is st.float64


def test_baked_in_numbers_keep_their_sign() -> None:
    run = compiled(lambda x, y: x / y)
    assert run(st.ones(1), 0.0).tolist() == [np.inf]
    assert run(st.ones(1), -0.0).tolist() == [-np.inf]


@BOTH
def test_nested_compiled_functions(wrap: Wrap) -> None:
    inner, traces = counting(lambda x, n: x * n)
    outer = wrap(lambda x: inner(x, 2) + inner(x, 3))
    assert outer(st.ones(1)).tolist() == [5.0]
    assert outer(st.ones(1) * 2).tolist() == [10.0]
    assert len(traces) == 2  # inside a trace the function runs as it is


class Model:
    """A compiled method, with state of each instance."""

    def __init__(self, number: float):
        self.total = st.ones(()) * number

    @st.compile
    def add(self, x: st.Tensor, *, times: int = 1) -> st.Tensor:
        """Adds."""
        self.total.assign(self.total + x * times)
        return self.total


def test_methods() -> None:
    first, second = Model(0.0), Model(100.0)
    assert first.add(st.ones(())).item() == 1.0
    assert second.add(st.ones(()), times=3).item() == 103.0
    assert first.add(st.ones(())).item() == 2.0
    assert first.total.item() == 2.0
    assert isinstance(Model.add, Compiled)
    assert Model.add.__doc__ == "Adds."
    assert first.add.__self__ is first


@BOTH
def test_randomness_is_the_same_eager_and_compiled(wrap: Wrap) -> None:
    def draw() -> list[st.Tensor]:
        return [
            st.random.uniform((3,)),
            st.random.normal((2, 2), dtype=st.float64),
            st.random.bernoulli(0.5, (9,)),
            st.random.randint(-5, 5, (7,)),
            st.random.permutation(6),
            nn.functional.dropout(st.ones(8), 0.5),
        ]

    st.random.seed(11)
    expected = [each for _ in range(3) for each in draw()]
    after = st.random.default_generator.counter.item()
    st.random.seed(11)
    run = wrap(draw)
    found = [each for _ in range(3) for each in run()]
    assert_same_bits(found, expected)
    assert st.random.default_generator.counter.item() == after
    st.random.seed(11)
    assert_same_bits(run(), expected[:6])


# What goes wrong


def test_errors_while_tracing_leave_nothing_behind() -> None:
    count = st.zeros(())
    weight = st.Tensor([1.0], requires_grad=True)

    def function(x: st.Tensor, fail: bool) -> st.Tensor:
        with module_scope("Linear 'body'"), st.no_grad():
            count.assign(count + 1)
            weight.grad = st.ones(1)
            if fail:
                return x @ st.ones((5, 5))
        return x

    run = compiled(function)
    for _ in range(2):
        with pytest.raises(ShapeError, match="in Linear 'body'"):
            run(st.ones(3), True)
        assert state.trace is None
        assert state.scopes == []
        assert current_scope() == ""
        assert state.gradients_enabled
        assert count.item() == 0.0
        assert weight.grad is None
    assert run._programs == {}
    assert run(st.ones(3), False).tolist() == [1.0] * 3
    assert count.item() == 1.0


def test_errors_while_running_change_nothing() -> None:
    count = st.zeros(())

    def function(x: st.Tensor, at: st.Tensor) -> st.Tensor:
        count.assign(count + 1)
        return st.take(x, at, axis=0)

    run = compiled(function)
    assert run(st.ones(3), st.asarray([1])).tolist() == [1.0]
    with pytest.raises(
        IndexError, match=r"^take: index 3 is outside axis 0, which has size 3\. At"
    ):
        run(st.ones(3), st.asarray([3]))
    assert count.item() == 1.0


def test_a_pass_that_breaks_the_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_it(graph: Graph) -> Graph:
        wrong = Node(REGISTRY["exp"], graph.inputs[:1], {}, TensorType((9,), st.float32))
        return Graph(graph.name, graph.inputs, (wrong,))

    monkeypatch.setattr(MODULE, "PASSES", (break_it,))
    with pytest.raises(GraphError, match=r"^after break_it: .* should have type float32\[2\]"):
        compiled(lambda x: x * 2)(st.ones(2))


def test_verification_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_it(graph: Graph) -> Graph:
        wrong = Node(REGISTRY["exp"], graph.inputs[:1], {}, TensorType((9,), st.float32))
        return Graph(graph.name, graph.inputs, (wrong,))

    monkeypatch.setattr(MODULE, "PASSES", (break_it,))
    chosen = options_module.Options(verify=False)
    monkeypatch.setattr(MODULE, "options", lambda: chosen)
    assert compiled(lambda x: x * 2)(st.zeros(2)).numpy().tolist() == [1.0, 1.0]


def test_compilation_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = options_module.Options(compile=False)
    monkeypatch.setattr(MODULE, "options", lambda: chosen)
    run, traces = counting(lambda x: float(st.sum(x)))
    assert run(st.ones(2)) == 2.0
    assert run(st.ones(2)) == 2.0
    assert len(traces) == 2


# What it holds on to


def test_arguments_and_results_are_let_go() -> None:
    weight = st.Tensor([2.0], requires_grad=True)
    run = compiled(lambda x: {"y": x * weight, "rest": [st.exp(x)]})
    argument = st.ones(1)
    watched = [weakref.ref(argument), weakref.ref(run(argument)["y"])]
    del argument
    gc.collect()
    assert [each() for each in watched] == [None, None]


def test_a_dropped_function_lets_go_of_its_state() -> None:
    model = nn.Linear(2, 2)
    run = compiled(model)
    run(st.ones((1, 2)))
    watched = weakref.ref(model.weight)
    del model, run
    gc.collect()
    assert watched() is None


def test_a_dropped_program_lets_go_of_what_it_captured() -> None:
    kept = {n: st.ones(1) * n for n in range(MOST_PROGRAMS + 1)}
    run = compiled(lambda n: kept[n] * 2)
    watched = weakref.ref(kept[0])
    for n in kept:
        run(n)
    del kept[0]
    gc.collect()
    assert watched() is None


def test_copies_have_programs_of_their_own() -> None:
    class Holder:
        def __init__(self) -> None:
            self.model = nn.Linear(1, 1, bias=False)
            self.fast = compiled(self.model)

    holder = Holder()
    holder.model.weight.assign([[2.0]])
    assert holder.fast(st.ones((1, 1))).tolist() == [[2.0]]
    twin = copy.deepcopy(holder)
    twin.model.weight.assign([[3.0]])
    assert twin.fast(st.ones((1, 1))).tolist() == [[3.0]]
    assert holder.fast(st.ones((1, 1))).tolist() == [[2.0]]


def test_a_compiled_module_is_no_copy_of_it() -> None:
    model = nn.Linear(2, 2)
    run = compiled(model)
    assert not hasattr(run, "weight")
    assert not hasattr(run, "training")
    assert run.stages(st.ones((1, 2)))["trace"].startswith("graph Linear(%0 argument0")


def test_stages_are_named() -> None:
    stages = compiled(lambda x: x * 1).stages(st.ones(2))
    assert list(stages) == [
        "trace",
        "drop_custom_gradients",
        "simplify",
        "dense_data_gradients",
        "fold_constants",
        "simplify 2",
        "merge_equal_nodes",
        "winograd",
    ]
    assert stages["simplify"].endswith("(%0 argument0: float32[2]) {\n  return %0\n}\n")


# Several Python threads


def in_threads(work: Callable[[int], None], count: int = 4) -> None:
    """Run `work` in several threads at once; raise the first error that happened."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def guarded(number: int) -> None:
        try:
            start.wait(timeout=30)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if errors:
        raise errors[0]


def test_threads_share_a_function() -> None:
    run, traces = counting(lambda x: st.sum(st.exp(x) * x))

    def work(number: int) -> None:
        for size in range(1, 20):
            x = st.ones(size) * number
            expected = float(st.sum(st.exp(x) * x))
            assert float(run(x)) == expected

    in_threads(work)
    assert 19 <= len(traces) <= 4 * 19


def test_threads_trace_functions_of_their_own() -> None:
    """One traces while another runs eagerly; scopes and modes do not mix."""
    shared = st.ones(3)

    def work(number: int) -> None:
        for n in range(10):
            with module_scope(f"Linear '{number}'"):
                if number % 2:
                    with st.no_grad():
                        assert (st.exp(shared) * n).tolist() == pytest.approx([n * np.e] * 3)
                    continue
                stages = compiled(lambda x, n=n: st.exp(x + shared) * n).stages(st.ones(3))
            assert st.is_grad_enabled()
            lines = [line for line in stages["trace"].splitlines() if " = " in line]
            assert all(line.endswith(f"Linear '{number}'") for line in lines)

    in_threads(work)


def test_threads_differentiate_one_program() -> None:
    """The rule of a traced checkpoint belongs to no thread."""
    weight = st.asarray(np.array([0.5, -0.5]))
    run = compiled(lambda x: st.checkpoint(lambda x: st.exp(x * weight))(x))

    def work(number: int) -> None:
        for n in range(10):
            x = st.asarray(np.array([number + 1.0, n]))
            gradient = st.grad(lambda x: st.sum(run(x)))(x)
            np.testing.assert_allclose(
                gradient.numpy(), weight.numpy() * np.exp(x.numpy() * weight.numpy()), rtol=1e-14
            )

    in_threads(work)
