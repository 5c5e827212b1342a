"""Gradients through complex numbers, against PyTorch and finite differences.

PyTorch's own complex samples of each operation are in `tests/array/test_array_torch_samples.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from complex_numbers import complex_array, real_array, torch_leaves
from evaluated import compiled

import steepest as st
from steepest.errors import DTypeError
from steepest.ops import REGISTRY, Primitive, Sample
from steepest.trace.value import apply

torch.set_num_threads(1)


Function = Callable[..., Any]
Z, W = complex_array(3, 4), complex_array(3, 4, seed=1)
ROW, REAL = complex_array(4, seed=2), real_array(3, 1)
INDICES = [2, 0, 2]

UNARY = ("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "square", "reciprocal")
TRIGONOMETRIC = ("sin", "cos", "tan", "asin", "acos", "atan")
HYPERBOLIC = ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
PARTS = ("real", "imag", "conj", "abs")

FUNCTIONS: dict[str, tuple[list[Any], Function, Function]] = {
    **{
        name: ([Z], getattr(st, name), getattr(torch, name))
        for name in (*UNARY, *TRIGONOMETRIC, *HYPERBOLIC, *PARTS)
    },
    "sign": ([Z], st.sign, torch.sgn),
    "arithmetic": ([Z, W], lambda z, w: z * w - z / w + -w, lambda z, w: z * w - z / w + -w),
    "powers": (
        [Z, W],
        lambda z, w: z**w + z**2 + z**-1.5 + 2.0**w + (1 + 1j) ** z,
        lambda z, w: z**w + z**2 + z**-1.5 + 2.0**w + (1 + 1j) ** z,
    ),
    "broadcast real operands": (
        [ROW, REAL],
        lambda z, x: x * z + z / x - x + (z - x) ** 2,
        lambda z, x: x * z + z / x - x + (z - x) ** 2,
    ),
    "real to a complex power": ([ROW, abs(REAL)], lambda z, x: x**z, lambda z, x: x**z),
    "made of parts": (
        [real_array(3), real_array(3, seed=6)],
        lambda x, y: st.exp((x + 1j * y) * (x - 2j)),
        lambda x, y: torch.exp((x + 1j * y) * (x - 2j)),
    ),
    "polar form": (
        [real_array(3), real_array(3, seed=6)],
        lambda r, angle: st.stack([st.real(r * st.exp(1j * angle)), st.abs(r + 1j * angle)]),
        lambda r, angle: torch.stack([torch.real(r * torch.exp(1j * angle)), abs(r + 1j * angle)]),
    ),
    "angle": (
        [Z],
        lambda z: st.atan2(st.imag(z), st.real(z)),
        torch.angle,
    ),
    "matmul": ([Z, W.T], st.matmul, torch.matmul),
    "matmul with real": ([Z, real_array(4, 2)], lambda z, x: z @ x, lambda z, x: z @ x.to(z.dtype)),
    "einsum": (
        [Z, W, ROW],
        lambda z, w, v: st.einsum("ij,kj,j->ik", z, st.conj(w), v),
        lambda z, w, v: torch.einsum("ij,kj,j->ik", z, w.conj(), v),
    ),
    "vecdot": ([Z, W], st.vecdot, torch.linalg.vecdot),
    "sums": (
        [Z],
        lambda z: st.sum(z, axis=0) * st.mean(z) + st.cumulative_sum(z, axis=1),
        lambda z: z.sum(0) * z.mean() + z.cumsum(1),
    ),
    "products": (
        [Z],
        lambda z: st.prod(z, axis=0) + st.cumulative_prod(z, axis=1),
        lambda z: z.prod(0) + z.cumprod(1),
    ),
    "spread": (
        [Z],
        lambda z: st.var(z, axis=1) * st.std(z),
        lambda z: z.var(1, correction=0) * z.std(correction=0),
    ),
    "norms": (
        [Z],
        lambda z: st.linalg.vector_norm(z, axis=0) * st.linalg.vector_norm(z, ord=3),
        lambda z: torch.linalg.vector_norm(z, dim=0) * torch.linalg.vector_norm(z, ord=3),
    ),
    "movement": (
        [Z, W],
        lambda z, w: st.concat([z[::2, 1:].T * 2, st.flip(st.roll(w, 1, axis=0))[:2].T[:3]]),
        lambda z, w: torch.cat([z[::2, 1:].T * 2, w.roll(1, 0).flip(0, 1)[:2].T[:3]]),
    ),
    "positions": (
        [Z],
        lambda z: st.where(st.imag(z[INDICES]) > 0, z[INDICES], st.conj(z)) ** 2,
        lambda z: torch.where(z[INDICES].imag > 0, z[INDICES], z.conj()) ** 2,
    ),
}


def weighted(output: Any, backend: Any) -> Any:
    """A real number that depends on both parts of every number."""
    shape = tuple(output.shape)
    weights = complex_array(*shape, seed=7)
    made = st.asarray(weights) if backend is st else torch.from_numpy(np.asarray(weights))
    return backend.real(backend.sum(output * made))


def assert_close(found: Sequence[st.Tensor], expected: Sequence[Any]) -> None:
    """Equal to rounding, in shape and data type, so a real operand's gradient is real."""
    for mine, other in zip(found, expected, strict=True):
        wanted = other.numpy(force=True)
        assert mine.dtype.name == wanted.dtype.name
        assert mine.shape == wanted.shape
        np.testing.assert_allclose(mine.numpy(), wanted, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_pytorchs(name: str) -> None:
    """Value, gradient, and the gradient of the gradient's weighted sum."""
    arrays, ours, theirs = FUNCTIONS[name]
    places = range(len(arrays))

    def first(*operands: st.Tensor) -> Any:
        return st.grad(lambda *each: weighted(ours(*each), st), argnums=places)(*operands)

    def total(*operands: st.Tensor) -> Any:
        return sum(weighted(each, st) for each in first(*operands))

    tensors = [st.asarray(each) for each in arrays]
    others = torch_leaves(arrays)
    output = theirs(*others)
    assert_close([ours(*tensors)], [output])
    expected = torch.autograd.grad(weighted(output, torch), others, create_graph=True)
    assert_close(first(*tensors), expected)
    dependent = [each for each in expected if each.requires_grad]
    if dependent:
        again = torch.autograd.grad(
            sum(weighted(each, torch) for each in dependent),  # type: ignore[arg-type]
            others,
            allow_unused=True,
            materialize_grads=True,
        )
        assert_close(st.grad(total, argnums=places)(*tensors), again)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_against_finite_differences(name: str) -> None:
    """Forward and reverse mode, first and second order."""
    arrays, function, _ = FUNCTIONS[name]
    st.check_gradients(function, [st.asarray(each) for each in arrays])


WRONG_FORWARD = {"real to a complex power"}
"""Where PyTorch's forward mode loses an imaginary part: finite differences are the judge."""


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in WRONG_FORWARD])
def test_derivatives_along_a_direction_are_pytorchs(name: str) -> None:
    arrays, ours, theirs = FUNCTIONS[name]
    random = np.random.default_rng(3)
    directions = [
        random.normal(size=each.shape) * (1 + 1j if np.iscomplexobj(each) else 1) for each in arrays
    ]
    found = st.jvp(ours, arrays, directions)[1]
    made = [tuple(torch.tensor(each) for each in many) for many in (arrays, directions)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch deprecates what it calls itself
        expected = torch.func.jvp(theirs, *made)[1]
    assert_close([found], [expected])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_on_the_evaluator(name: str) -> None:
    """The same bits, but for what a pass adds up in another order."""
    arrays, ours, _ = FUNCTIONS[name]

    def gradients(*operands: st.Tensor) -> Any:
        value = lambda *each: weighted(ours(*each), st)  # noqa: E731
        return st.grad(value, argnums=range(len(arrays)))(*operands)

    tensors = [st.asarray(each) for each in arrays]
    for found, eager in zip(compiled(gradients)(*tensors), gradients(*tensors), strict=True):
        assert found.dtype is eager.dtype
        np.testing.assert_allclose(found.numpy(), eager.numpy(), rtol=1e-14)


WITHOUT_RULE = {"equal", "not_equal", "searchsorted", "stop_gradient"}
"""Primitives that take complex numbers and pass no gradient back."""


def complex_operands(sample: Sample) -> list[st.Tensor]:
    """A sample's operands, real ones moved off the real axis."""
    random = np.random.default_rng(0)
    return [
        st.asarray(array + 1j * random.uniform(-0.4, 0.4, array.shape))
        if array.dtype.kind == "f"
        else st.asarray(array)
        for array in sample.operands
    ]


def takes_complex(primitive: Primitive, sample: Sample) -> bool:
    operands = complex_operands(sample)
    try:
        primitive.infer(*(each._type for each in operands), **sample.static)
    except DTypeError:
        return False
    return any(each.dtype.is_complex for each in operands)


def test_every_primitive_that_takes_complex_numbers() -> None:
    """Its gradient on all its samples, moved off the real axis, against finite differences."""
    checked = set()
    for name, primitive in REGISTRY.items():
        for sample in filter(partial(takes_complex, primitive), primitive.samples()):
            operands = complex_operands(sample)
            places = [n for n, each in enumerate(operands) if each.dtype.is_complex]
            checked.add(name)
            if primitive.gradient is None:
                assert name in WITHOUT_RULE
                continue

            def function(
                *varied: st.Tensor,
                operands: Any = operands,
                places: Any = places,
                primitive: Primitive = primitive,
                sample: Sample = sample,
            ) -> Any:
                filled = list(operands)
                for place, each in zip(places, varied, strict=True):
                    filled[place] = each
                return apply(primitive, tuple(filled), sample.static)

            if sample.smooth:
                st.check_gradients(function, [operands[place] for place in places])
    assert checked >= WITHOUT_RULE | {"add", "power", "asin", "product", "contract", "fold", "conj"}
    assert len(checked) > 50
