"""What real programs are spared: nothing of complex numbers stands in the graphs of gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from evaluated import compiled

import steepest as st
from steepest.ops import REGISTRY, Primitive, Sample
from steepest.trace.value import apply


def real_samples() -> Iterator[Any]:
    for name, primitive in REGISTRY.items():
        for sample in primitive.samples():
            kinds = {array.dtype.kind for array in sample.operands}
            if primitive.gradient is not None and "f" in kinds and "c" not in kinds:
                yield pytest.param(primitive, sample, id=name)
                break


def first_stage(function: Callable[..., Any], *operands: st.Tensor) -> str:
    """The text of the graph as it was recorded, before any pass, without lines of source."""
    text = compiled(function).stages(*operands)["trace"]
    return "".join(line.partition("  # ")[0] + "\n" for line in text.splitlines())


@pytest.mark.parametrize(("primitive", "sample"), list(real_samples()))
def test_no_rule_brings_in_complex_numbers(primitive: Primitive, sample: Sample) -> None:
    """In no node of the gradient, nor of the gradient's own, nor of a derivative along a line."""
    operands = [st.asarray(array) for array in sample.operands]
    places = [n for n, each in enumerate(operands) if each.dtype.is_floating]

    def function(*varied: st.Tensor) -> Any:
        filled = list(operands)
        for place, each in zip(places, varied, strict=True):
            filled[place] = each
        result = apply(primitive, tuple(filled), sample.static)
        return list(result) if isinstance(result, tuple) else [result]

    def gradient(*varied: st.Tensor) -> Any:
        outputs, pull = st.vjp(function, *varied)
        return pull([st.ones_like(each) for each in outputs])

    def second(*varied: st.Tensor) -> Any:
        outputs, pull = st.vjp(gradient, *varied)
        return pull(tuple(st.ones_like(each) for each in outputs))

    point = [operands[place] for place in places]
    for derivative in (gradient, second, lambda *varied: st.jvp(function, varied, varied)):
        text = first_stage(derivative, *point)
        assert " = " in text
        words = ("real(", "imag(", "conj(", "magnitude(", "direction(", "complex")
        assert not [word for word in words if word in text]


def test_rules_that_know_of_complex_numbers(golden: Callable[[str], None]) -> None:
    """Node by node: the very graph that these gradients had before there were complex ones."""

    @st.custom_gradient(gradient=lambda output_grad, output, x: output_grad * output * x)
    def own(x: st.Tensor) -> st.Tensor:
        return st.round(x)

    def loss(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        power = st.sum(x**y) + st.sum(st.acosh(x) * st.abs(st.sign(y) + y))
        return power + st.var(x) + st.sum(own(x).astype(st.float64) * y.astype(st.float64))

    def gradients(x: st.Tensor, y: st.Tensor) -> Any:
        return st.grad(loss, argnums=(0, 1))(x, y)

    numbers = np.array([1.5, 2.5], "float32")
    golden(first_stage(gradients, st.asarray(numbers), st.asarray(numbers)))
