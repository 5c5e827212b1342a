"""grad, value_and_grad, vjp and jvp, eagerly and compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from evaluated import assert_same_bits, compiled

import steepest as st
from steepest.errors import ArgumentError, GradientError, ShapeError

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
BOTH = pytest.mark.parametrize(
    "wrap", [lambda function: function, compiled], ids=["eager", "compiled"]
)


def array(*numbers: Any) -> st.Tensor:
    return st.asarray(np.array(numbers, "float64"))


def cube(x: st.Tensor) -> st.Tensor:
    return st.sum(x * x * x)


@BOTH
def test_grad(wrap: Wrap) -> None:
    assert wrap(st.grad(cube))(array(1.0, 2.0)).tolist() == [3.0, 12.0]


@BOTH
def test_value_and_grad(wrap: Wrap) -> None:
    value, gradient = wrap(st.value_and_grad(cube))(array(1.0, 2.0))
    assert value.item() == 9.0
    assert gradient.tolist() == [3.0, 12.0]
    assert not value.requires_grad
    assert not gradient.requires_grad


@BOTH
def test_value_that_is_one_number_with_axes(wrap: Wrap) -> None:
    value, gradient = wrap(st.value_and_grad(lambda x: x * x))(st.asarray([[3.0]]))
    assert value.tolist() == [[9.0]]
    assert gradient.tolist() == [[6.0]]


@BOTH
def test_several_arguments(wrap: Wrap) -> None:
    def function(x: st.Tensor, y: st.Tensor, scale: float = 1.0) -> st.Tensor:
        return st.sum(x * y * y) * scale

    x, y = array(1.0, 2.0), array(3.0, 4.0)
    by_y, by_x = wrap(st.grad(function, argnums=(1, 0)))(x, y, scale=2.0)
    assert by_x.tolist() == [18.0, 32.0]
    assert by_y.tolist() == [12.0, 32.0]
    assert wrap(st.grad(function, argnums=-1))(x, y).tolist() == [6.0, 16.0]
    (only,) = wrap(st.grad(function, argnums=[0]))(x, y)
    assert only.tolist() == [9.0, 16.0]


@BOTH
def test_argument_that_does_not_matter(wrap: Wrap) -> None:
    by_x, by_y = wrap(st.grad(lambda x, y: st.sum(x), argnums=(0, 1)))(array(1.0), array(2.0, 3.0))  # noqa: ARG005
    assert by_x.tolist() == [1.0]
    assert by_y.tolist() == [0.0, 0.0]


@BOTH
def test_result_that_does_not_depend_on_the_argument(wrap: Wrap) -> None:
    value, gradient = wrap(st.value_and_grad(lambda x: st.ones(())))(array(1.0, 2.0))  # noqa: ARG005
    assert value.item() == 1.0
    assert gradient.tolist() == [0.0, 0.0]


@BOTH
def test_has_aux(wrap: Wrap) -> None:
    def function(x: st.Tensor) -> tuple[st.Tensor, dict[str, Any]]:
        return cube(x), {"double": x * 2, "word": "kept"}

    (value, rest), gradient = wrap(st.value_and_grad(function, has_aux=True))(array(2.0))
    assert value.item() == 8.0
    assert rest["double"].tolist() == [4.0]
    assert rest["word"] == "kept"
    assert gradient.tolist() == [12.0]


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Layer:
    weight: Any
    bias: Any


@BOTH
def test_containers(wrap: Wrap) -> None:
    def function(tree: dict[str, Any]) -> st.Tensor:
        layer, pair = tree["layer"], tree["pair"]
        return st.sum(layer.weight * pair.first[0]) + st.sum(layer.bias * pair.second)

    tree = {
        "layer": Layer(array(1.0, 2.0), array(3.0)),
        "pair": Pair([array(4.0, 5.0)], array(6.0)),
    }
    gradient = wrap(st.grad(function))(tree)
    assert list(gradient) == ["layer", "pair"]
    assert isinstance(gradient["layer"], Layer)
    assert isinstance(gradient["pair"], Pair)
    assert gradient["layer"].weight.tolist() == [4.0, 5.0]
    assert gradient["layer"].bias.tolist() == [6.0]
    assert gradient["pair"].first[0].tolist() == [1.0, 2.0]
    assert gradient["pair"].second.tolist() == [3.0]


def test_arrays_and_numbers_as_arguments() -> None:
    assert st.grad(cube)(np.array([1.0, 2.0])).tolist() == [3.0, 12.0]
    assert st.grad(cube)(2.0).item() == 12.0
    assert st.grad(lambda x, y: cube(x) * y)(array(1.0), 2).tolist() == [6.0]


@BOTH
def test_vjp(wrap: Wrap) -> None:
    def run(x: st.Tensor, y: st.Tensor, weights: Any) -> Any:
        outputs, pullback = st.vjp(lambda x, y: (x * y, [st.sum(x)]), x, y)
        return outputs, pullback(weights), pullback(weights)

    x, y = array(1.0, 2.0), array(3.0, 4.0)
    (product, [total]), first, second = wrap(run)(
        x, y, (array(10.0, 20.0), [st.asarray(np.array(5.0))])
    )
    assert product.tolist() == [3.0, 8.0]
    assert total.item() == 3.0
    assert [each.tolist() for each in first] == [[35.0, 85.0], [10.0, 40.0]]
    assert_same_bits(first, second)


@BOTH
def test_jvp(wrap: Wrap) -> None:
    def run(x: st.Tensor, y: st.Tensor, dx: st.Tensor, dy: st.Tensor) -> Any:
        return st.jvp(lambda x, y: {"product": x * y, "sum": x + y}, (x, y), (dx, dy))

    outputs, tangents = wrap(run)(
        array(1.0, 2.0), array(3.0, 4.0), array(1.0, 0.0), array(0.0, 10.0)
    )
    assert outputs["product"].tolist() == [3.0, 8.0]
    assert tangents["product"].tolist() == [3.0, 20.0]
    assert tangents["sum"].tolist() == [1.0, 10.0]


def test_jvp_takes_numpy_arrays() -> None:
    output, tangent = st.jvp(st.exp, [np.zeros(2)], [np.array([1.0, 2.0])])
    assert output.tolist() == [1.0, 1.0]
    assert tangent.tolist() == [1.0, 2.0]


@BOTH
def test_jvp_of_what_passes_through_and_of_constants(wrap: Wrap) -> None:
    def run(x: st.Tensor, dx: st.Tensor) -> Any:
        return st.jvp(lambda x: (x, x, st.ones(2), st.argmax(x), st.floor(x)), [x], [dx])

    outputs, tangents = wrap(run)(array(1.5, 2.5), array(1.0, -1.0))
    assert outputs[0].tolist() == [1.5, 2.5]
    assert [each.tolist() for each in tangents] == [
        [1.0, -1.0],
        [1.0, -1.0],
        [0.0, 0.0],
        0,
        [0.0, 0.0],
    ]


@BOTH
def test_same_tensor_for_two_arguments(wrap: Wrap) -> None:
    x = array(2.0, 3.0)
    by_first, by_second = wrap(st.grad(lambda x, y: st.sum(x * x * y), argnums=(0, 1)))(x, x)
    assert by_first.tolist() == [8.0, 18.0]
    assert by_second.tolist() == [4.0, 9.0]


@BOTH
def test_closures_are_not_differentiated_by(wrap: Wrap) -> None:
    outside = array(3.0)
    assert wrap(st.grad(lambda x: st.sum(x * outside)))(array(2.0)).tolist() == [3.0]
    assert outside.grad is None


@BOTH
def test_inside_no_grad(wrap: Wrap) -> None:
    """`grad` differentiates even there, but its result has no history."""

    def run(x: st.Tensor) -> st.Tensor:
        with st.no_grad():
            return st.grad(cube)(x)

    assert wrap(run)(array(2.0)).tolist() == [12.0]


@BOTH
@pytest.mark.parametrize("dtype", [st.float32, st.float64, st.bfloat16], ids=str)
def test_gradients_keep_the_data_type(wrap: Wrap, dtype: st.DType) -> None:
    def function(x: st.Tensor) -> st.Tensor:
        return st.mean(st.exp(x) * 0.5 + x**3 / 7 - 2 * st.sqrt(st.abs(x)))

    value, gradient = wrap(st.value_and_grad(function))(st.asarray([1.0, -2.0], dtype=dtype))
    assert value.dtype is dtype
    assert gradient.dtype is dtype


def test_function_metadata_is_kept() -> None:
    assert st.grad(cube).__name__ == "cube"
    assert compiled(cube).__name__ == "cube"


MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "several numbers": (
        lambda: st.grad(lambda x: x * 2)(st.ones((2, 3))),
        ShapeError,
        "grad: the function returned float32[2, 3], which has 6 numbers. Reduce it to one, for "
        "example with sum(), or use vjp. At test_transforms.py:{line}.",
    ),
    "no tensor": (
        lambda: st.grad(lambda x: 3.0)(st.ones(2)),  # noqa: ARG005
        GradientError,
        "grad: the function returned float, not a tensor. At test_transforms.py:{line}.",
    ),
    "whole numbers": (
        lambda: st.grad(cube)(st.asarray([1, 2])),
        GradientError,
        "grad: argument int64[2] is not of a floating data type. At test_transforms.py:{line}.",
    ),
    "argnums": (
        lambda: st.grad(cube, argnums=1)(st.ones(2)),
        ArgumentError,
        "grad: argnums 1 asks for an argument that was not given by position: the call has 1.",
    ),
    "container": (
        lambda: st.vjp(lambda x: (x, x), st.ones(2))[1](st.ones(2)),
        ArgumentError,
        "vjp: the output gradients do not have the container of the outputs.",
    ),
    "output gradient": (
        lambda: st.vjp(st.exp, st.ones(2))[1](st.ones(3)),
        ShapeError,
        "vjp: output gradient float32[3] does not fit output float32[2]. "
        "At test_transforms.py:{line}.",
    ),
    "tangents": (
        lambda: st.jvp(st.exp, [st.ones(2)], [st.ones(3)]),
        ShapeError,
        "jvp: the tangents do not have the shapes of the primals. At test_transforms.py:{line}.",
    ),
    "tangents of another type": (
        lambda: st.jvp(st.exp, [st.ones(2)], [np.ones(2)]),
        ShapeError,
        "jvp: the tangents do not have the shapes of the primals. At test_transforms.py:{line}.",
    ),
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_message(name: str) -> None:
    function, kind, message = MESSAGES[name]
    with pytest.raises(kind) as caught:
        function()
    line = function.__code__.co_firstlineno
    assert str(caught.value) == message.format(line=line)
