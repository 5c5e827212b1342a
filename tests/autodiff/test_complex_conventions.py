"""What a gradient by complex numbers means, where it is chosen, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from complex_numbers import complex_array, one, real_array, torch_leaves
from evaluated import BOTH, Wrap, assert_same_bits, compiled, here

import steepest as st
from steepest.array.eager import through_numpy
from steepest.errors import GradientError, GraphError, ShapeError


@BOTH
def test_the_convention(wrap: Wrap) -> None:
    """The gradient by z = x + iy is dL/dx + i dL/dy: against it, the loss falls fastest."""
    gradients = {
        "real": (st.real, 1),
        "imag": (st.imag, 1j),
        "size": (lambda z: st.abs(z) ** 2, 2 * (3 + 4j)),
        "abs": (st.abs, (3 + 4j) / 5),
        "real part of a square": (lambda z: st.real(z * z), 2 * (3 - 4j)),
        "both conjugates": (lambda z: st.real(z * st.conj(z)), 2 * (3 + 4j)),
    }
    for function, expected in gradients.values():
        found = wrap(st.grad(function))(one(3 + 4j))
        assert found.dtype is st.complex128
        assert found.item() == pytest.approx(expected, rel=1e-15)
        downhill = function(one(3 + 4j) - 0.01 * found)
        assert float(downhill) < float(function(one(3 + 4j)))


@BOTH
def test_weights_of_complex_outputs(wrap: Wrap) -> None:
    """`vjp` of f(z) = z^2 with u is conj(2z) u; `backward(gradient=u)` is the same."""
    z, u = one(1 + 2j), one(3 - 1j)
    expected = 2 * (1 - 2j) * (3 - 1j)
    assert wrap(lambda z, u: st.vjp(st.square, z)[1](u)[0])(z, u).item() == expected

    def backward(z: st.Tensor, u: st.Tensor) -> Any:
        leaf = st.Tensor(z, requires_grad=True)
        (leaf * leaf).backward(gradient=u)
        return leaf.grad

    assert wrap(backward)(z, u).item() == expected
    assert wrap(lambda z, u: st.jvp(st.square, [z], [u])[1])(z, u).item() == 2 * (1 + 2j) * (3 - 1j)


def test_backward_into_complex_and_real_leaves() -> None:
    """`.grad` has the data type of its tensor, adds up, and can be differentiated."""
    z = st.Tensor(np.array([1 + 2j, -1j], "complex64"), requires_grad=True)
    x = st.Tensor(np.array([[2.0], [3.0]], "float32"), requires_grad=True)
    for n in (1, 2):
        st.sum(st.abs(x * z) ** 2).backward()
        assert z.grad is not None
        assert x.grad is not None
        assert z.grad.dtype is st.complex64
        assert x.grad.dtype is st.float32
        np.testing.assert_allclose(z.grad.numpy(), n * 26 * z.numpy(), rtol=1e-6)
        np.testing.assert_allclose(x.grad.numpy(), n * 12 * x.numpy(), rtol=1e-6)
    z.grad = None
    st.sum(st.real(z * z * z)).backward(create_graph=True)
    first = z.grad
    assert first is not None
    z.grad = None
    st.real(st.sum(first)).backward()
    np.testing.assert_allclose(first.numpy(), 3 * np.conj(z.numpy()) ** 2)
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), 6 * np.conj(z.numpy()))


@pytest.mark.parametrize("dtype", [st.float32, st.float64, st.bfloat16], ids=str)
@BOTH
def test_a_cast_passes_on_the_real_part(wrap: Wrap, dtype: st.DType) -> None:
    weights = np.array([1 + 5j, 2 - 7j])

    def loss(x: st.Tensor) -> st.Tensor:
        return st.real(st.sum(x.astype(st.complex128) * st.asarray(weights)))

    found = wrap(st.grad(loss))(st.ones(2, dtype=dtype))
    assert found.dtype is dtype
    assert found.tolist() == [1.0, 2.0]


def test_whole_numbers_get_no_gradient_through_complex_ones() -> None:
    z = st.Tensor(np.array([1 + 1j]), requires_grad=True)
    product = z * st.asarray([2])
    st.sum(st.real(product)).backward()
    assert z.grad is not None
    assert z.grad.tolist() == [2 + 0j]
    assert not st.asarray([2]).astype(st.complex64).requires_grad


def test_where_no_derivative_exists() -> None:
    """Sizes and directions at 0, as in PyTorch."""
    zero = one(0j)
    for function in (st.abs, lambda z: st.real(st.sign(z)), lambda z: st.abs(z) ** 2):
        assert st.grad(function)(zero).item() == 0
        assert st.grad(lambda z, f=function: st.abs(st.grad(f)(z)))(zero).item() == 0


@pytest.mark.parametrize(
    ("exponent", "by_base"), [(0j, 0), (1 + 0j, 1), (2 + 0j, 0), (3 + 0j, 0), (1 + 1j, np.nan)]
)
def test_powers_of_zero(exponent: complex, by_base: float) -> None:
    """As in PyTorch, but for exponent 1, where it has NaN."""
    arrays = [np.array(0j), np.array(exponent)]
    found = st.grad(lambda z, w: st.real(z**w), argnums=(0, 1))(*arrays)
    z, w = torch_leaves(arrays)
    expected = torch.autograd.grad(torch.real(z**w), [z, w])
    np.testing.assert_array_equal(np.real(found[0].numpy()), by_base)
    np.testing.assert_array_equal(found[1].numpy(), expected[1].numpy())
    if exponent != 1:
        np.testing.assert_array_equal(found[0].numpy(), expected[0].numpy())


CUTS = {
    "log": [-2.0],
    "sqrt": [-2.0],
    "log1p": [-3.0],
    "asin": [2.0, -2.0],
    "acos": [2.0, -2.0],
    "acosh": [0.5, -2.0],
    "atanh": [2.0, -2.0],
    "atan": [2j, -2j],
    "asinh": [2j, -2j],
}


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("name", CUTS)
def test_on_a_branch_cut_the_derivative_is_of_the_values_side(name: str, zero: float) -> None:
    """A zero's sign chooses the side, of the value and of the gradient."""
    function = getattr(st, name)
    gradient = st.grad(lambda z: st.real(function(z) * (1 + 2j)))
    for place in CUTS[name]:
        along_real = isinstance(place, float)
        on_cut = complex(place, zero) if along_real else complex(zero, place.imag)
        beside = on_cut + 1e-9 * np.copysign(1, zero) * (1j if along_real else 1)
        assert function(one(on_cut)).item() == pytest.approx(function(one(beside)).item(), rel=1e-8)
        assert gradient(one(on_cut)).item() == pytest.approx(gradient(one(beside)).item(), rel=1e-8)


def test_logarithms_of_negative_numbers_are_differentiated() -> None:
    """A real operand that is made complex first has the derivative that NaN hides."""
    found = st.grad(lambda x: st.real(st.log(x + 0j)))(st.asarray(np.array(-2.0)))
    assert found.dtype is st.float64
    assert found.item() == pytest.approx(-0.5)


COMPLEX_LOSSES: dict[str, Callable[[], Any]] = {
    "grad": lambda: st.grad(lambda z: z * z)(one(1j)),
    "value_and_grad": lambda: st.value_and_grad(lambda x: x * 1j)(one(1.0)),
}


@pytest.mark.parametrize("name", COMPLEX_LOSSES)
def test_a_complex_loss_is_refused(name: str) -> None:
    function = COMPLEX_LOSSES[name]
    with pytest.raises(GradientError) as caught:
        function()
    line = function.__code__.co_firstlineno
    assert str(caught.value) == (
        f"grad: the loss complex128[] is complex, and only a real number has a gradient. Take "
        f"steepest.real(...) or steepest.abs(...) of it, or give the weight of its parts: "
        f"backward(gradient=...), or vjp. At test_complex_conventions.py:{line}."
    )


def test_what_has_no_rule_is_refused() -> None:
    z = st.Tensor(np.array([1j]), requires_grad=True)
    with pytest.raises(GradientError) as caught:
        through_numpy("angle", np.angle, z)
    assert str(caught.value) == (
        f"angle: the operand complex128[1] requires a gradient, but angle has no gradient rule "
        f"yet. Use detach() on the operand, or no_grad(). "
        f"At test_complex_conventions.py:{here() - 4}."
    )


@BOTH
def test_own_rules_see_the_convention(wrap: Wrap) -> None:
    """A rule takes and gives gradients as `grad` does: of z^3 it is output_grad * conj(3 z^2)."""
    seen: list[Any] = []

    def rule(output_grad: st.Tensor, output: st.Tensor, z: st.Tensor) -> st.Tensor:  # noqa: ARG001
        seen.append(output_grad.dtype)
        return output_grad * st.conj(3 * z * z)

    cube = st.custom_gradient(gradient=rule)(lambda z: z * z * z)
    loss = lambda f: lambda z: st.real(f(z) * st.asarray(1 + 2j))  # noqa: E731
    plain = loss(lambda z: z * z * z)
    z = one(1 + 2j)
    assert wrap(st.grad(loss(cube)))(z).item() == pytest.approx(st.grad(plain)(z).item())
    twice = lambda f: st.grad(lambda z: st.real(st.grad(f)(z) * (2 - 1j)))  # noqa: E731
    assert wrap(twice(loss(cube)))(z).item() == pytest.approx(twice(plain)(z).item())
    assert set(seen) == {st.complex128}
    wrong = st.custom_gradient(gradient=lambda output_grad, *_: st.real(output_grad))(lambda z: z)
    with pytest.raises(ShapeError, match=r"gradient float64\[\] for argument 0, which is complex"):
        st.grad(loss(wrong))(z)


def block(x: st.Tensor, z: st.Tensor) -> st.Tensor:
    return st.abs(st.exp(x * z) + st.sin(z)) ** 2


def test_checkpoints_and_programs_have_the_same_gradients() -> None:
    """Gradients of a checkpointed block, and by a compiled program, that are computed again."""
    z, x = st.asarray(complex_array(3)), st.asarray(real_array(3))
    ways = (block, st.checkpoint(block), compiled(block), compiled(st.checkpoint(block)))
    expected, *others = (
        st.grad(lambda x, z, f=way: st.sum(f(x, z)), argnums=(0, 1))(x, z) for way in ways
    )
    for found in others:
        assert_same_bits(found, expected)


def test_native_programs_name_the_complex_node() -> None:
    program = st.compile(st.grad(lambda x: st.sum(st.abs(x * 1j))), back_end="native")
    with pytest.raises(GraphError) as caught:
        program(st.ones(2))
    assert "complex64[2]> has no native code. At test_complex_conventions.py:" in str(caught.value)
    assert str(caught.value).endswith("compile(..., back_end='evaluator') runs it on NumPy.")


def test_descent_along_complex_gradients_finds_a_minimum() -> None:
    """Plain steps against the gradient bring a complex system to its solution."""
    matrix, right = st.asarray(complex_array(4, 3)), st.asarray(complex_array(4, seed=3))
    loss = lambda z: st.sum(st.abs(matrix @ z - right) ** 2)  # noqa: E731
    z = st.zeros(3, dtype=st.complex128)
    for _ in range(400):
        z = z - 0.04 * st.grad(loss)(z)
    expected = np.linalg.lstsq(matrix.numpy(), right.numpy(), rcond=None)[0]
    np.testing.assert_allclose(z.numpy(), expected, atol=1e-8)
