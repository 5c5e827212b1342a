"""Gradients through complex numbers: against PyTorch, finite differences and written-out formulas.

PyTorch's own complex samples of each operation are in `tests/array/test_array_torch_samples.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from evaluated import BOTH, Wrap, assert_same_bits, compiled, here

import steepest as st
from steepest.array.eager import through_numpy
from steepest.errors import GradientError, GraphError, ShapeError

torch.set_num_threads(1)


def complex_array(*shape: int, seed: int = 0) -> Any:
    """Numbers in all four quadrants, none near an axis, 0 or a branch cut."""
    random = np.random.default_rng(seed)
    parts = random.uniform(0.2, 1.5, (2, *shape)) * random.choice([-1, 1], (2, *shape))
    return parts[0] + 1j * parts[1]


def real_array(*shape: int, seed: int = 5) -> Any:
    return complex_array(*shape, seed=seed).real


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


def torch_leaves(arrays: Sequence[Any]) -> list[Any]:
    return [torch.tensor(each, requires_grad=True) for each in arrays]


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


def one(value: complex) -> st.Tensor:
    return st.asarray(np.array(value))


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
        f"backward(gradient=...), or vjp. At test_complex_gradients.py:{line}."
    )


def test_what_has_no_rule_is_refused() -> None:
    z = st.Tensor(np.array([1j]), requires_grad=True)
    with pytest.raises(GradientError) as caught:
        through_numpy("angle", np.angle, z)
    assert str(caught.value) == (
        f"angle: the operand complex128[1] requires a gradient, but angle has no gradient rule "
        f"yet. Use detach() on the operand, or no_grad(). "
        f"At test_complex_gradients.py:{here() - 4}."
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
    assert "complex64[2]> has no native code. At test_complex_gradients.py:" in str(caught.value)
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
