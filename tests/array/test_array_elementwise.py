"""Every function of each number by itself against NumPy: data types, broadcasting, specials."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import (
    COMPLEX,
    EXAMPLES,
    FLOATING,
    INTEGERS,
    assert_same,
    check,
    numbers,
    seeds,
    shapes,
    with_specials,
)
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import steepest as st

# steepest's name -> NumPy's function and the numbers to try it on.
UNARY_FLOATING = {
    "acos": (np.arccos, -1, 1),
    "acosh": (np.arccosh, 1, 4),
    "asin": (np.arcsin, -1, 1),
    "asinh": (np.arcsinh, -4, 4),
    "atan": (np.arctan, -4, 4),
    "atanh": (np.arctanh, -1, 1),
    "ceil": (np.ceil, -4, 4),
    "cos": (np.cos, -4, 4),
    "cosh": (np.cosh, -4, 4),
    "exp": (np.exp, -4, 4),
    "expm1": (np.expm1, -4, 4),
    "floor": (np.floor, -4, 4),
    "isfinite": (np.isfinite, -4, 4),
    "isinf": (np.isinf, -4, 4),
    "isnan": (np.isnan, -4, 4),
    "log": (np.log, 0, 9),
    "log10": (np.log10, 0, 9),
    "log1p": (np.log1p, -1, 9),
    "log2": (np.log2, 0, 9),
    "reciprocal": (np.reciprocal, 0.2, 4),
    "round": (np.round, -4, 4),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0, 9),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -9, 9),
    "sign": (np.sign, -4, 4),
    "signbit": (np.signbit, -4, 4),
    "sin": (np.sin, -4, 4),
    "sinh": (np.sinh, -4, 4),
    "sqrt": (np.sqrt, 0, 9),
    "tan": (np.tan, -1.5, 1.5),
    "tanh": (np.tanh, -4, 4),
    "trunc": (np.trunc, -4, 4),
}

UNARY_NUMBER = {
    "abs": np.abs,
    "negative": np.negative,
    "positive": np.positive,
    "sign": np.sign,
    "square": np.square,
}

BINARY_FLOATING = {
    "atan2": np.arctan2,
    "copysign": np.copysign,
    "divide": np.divide,
    "hypot": np.hypot,
    "logaddexp": np.logaddexp,
    "nextafter": np.nextafter,
}

BINARY_NUMBER = {
    "add": np.add,
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "not_equal": np.not_equal,
    "subtract": np.subtract,
}

BITS = {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}

LOGICAL = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}

ALL_DTYPES = ("bool", *INTEGERS, *FLOATING)


@pytest.mark.parametrize("name", UNARY_FLOATING)
@EXAMPLES
@given(shape=shapes(), seed=seeds(), dtype=some.sampled_from(FLOATING))
def test_unary_floating(name, shape, seed, dtype):
    theirs, low, high = UNARY_FLOATING[name]
    array = with_specials(numbers(shape, dtype, seed, low, high), seed)
    check(getattr(st, name), theirs, array, compiled=seed % 4 == 0)


@pytest.mark.parametrize("name", UNARY_NUMBER)
@EXAMPLES
@given(shape=shapes(), seed=seeds(), dtype=some.sampled_from(FLOATING + INTEGERS))
def test_unary_number(name, shape, seed, dtype):
    check(getattr(st, name), UNARY_NUMBER[name], numbers(shape, dtype, seed))


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "conj", "real"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_whole_numbers_stay(name, dtype):
    check(getattr(st, name), lambda x: x, numbers((3, 2), dtype))


@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan"])
@pytest.mark.parametrize("dtype", ["bool", "int32"])
def test_whole_numbers_are_finite(name, dtype):
    check(getattr(st, name), getattr(np, name), numbers((3, 2), dtype))


@pytest.mark.parametrize("name", ["exp", "sqrt", "tanh", "divide", "mean", "log2"])
def test_integers_become_float32(name):
    arguments = [st.asarray([1, 2, 3])] * (2 if name == "divide" else 1)
    assert getattr(st, name)(*arguments).dtype is st.float32


PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3)


@pytest.mark.parametrize("name", BINARY_FLOATING)
@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(FLOATING))
def test_binary_floating(name, pair, seed, dtype):
    left, right = (
        with_specials(numbers(shape, dtype, seed + n), seed + n)
        for n, shape in enumerate(pair.input_shapes)
    )
    check(getattr(st, name), BINARY_FLOATING[name], left, right, compiled=seed % 4 == 0)


@pytest.mark.parametrize("name", BINARY_NUMBER)
@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(FLOATING + INTEGERS))
def test_binary_number(name, pair, seed, dtype):
    left, right = (numbers(shape, dtype, seed + n) for n, shape in enumerate(pair.input_shapes))
    check(getattr(st, name), BINARY_NUMBER[name], left, right, compiled=seed % 4 == 0)


@pytest.mark.parametrize("name", ["equal", "not_equal", "less", "less_equal", "greater"])
@given(seed=seeds(), dtype=some.sampled_from(FLOATING))
@EXAMPLES
def test_comparisons_of_specials(name, seed, dtype):
    arrays = [with_specials(numbers((12,), dtype, seed + n), seed + n) for n in range(2)]
    check(getattr(st, name), BINARY_NUMBER[name], *arrays)


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(FLOATING + INTEGERS))
def test_division_with_rest(name, pair, seed, dtype):
    left, right = (numbers(shape, dtype, seed + n) for n, shape in enumerate(pair.input_shapes))
    right = np.where(right == 0, np.asarray(3, right.dtype), right)
    check(getattr(st, name), getattr(np, name), left, right)


def test_floor_divide_at_infinities_follows_the_standard():
    left = st.asarray([np.inf, -np.inf, 1.0, -1.0, 1.0, np.inf])
    right = st.asarray([2.0, 2.0, -np.inf, np.inf, 0.0, np.inf])
    result = st.floor_divide(left, right).numpy()
    np.testing.assert_array_equal(result, [np.inf, -np.inf, -0.0, -0.0, np.inf, np.nan])
    np.testing.assert_array_equal(np.signbit(result[:5]), [False, True, True, True, False])


@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(FLOATING + INTEGERS))
def test_pow(pair, seed, dtype):
    base, exponent = (
        numbers(shape, dtype, seed + n, low=0.5 if dtype in FLOATING else 1)
        for n, shape in enumerate(pair.input_shapes)
    )
    check(st.pow, np.power, base, exponent)


@pytest.mark.parametrize("name", BITS)
@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(("bool", *INTEGERS)))
def test_bits(name, pair, seed, dtype):
    left, right = (numbers(shape, dtype, seed + n) for n, shape in enumerate(pair.input_shapes))
    check(getattr(st, name), BITS[name], left, right)
    check(st.bitwise_invert, np.invert, left)


@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(INTEGERS))
def test_shifts(pair, seed, dtype):
    bits = numbers(pair.input_shapes[0], dtype, seed, low=0, high=100)
    count = numbers(pair.input_shapes[1], dtype, seed + 1, low=0, high=7)
    check(st.bitwise_left_shift, np.left_shift, bits, count)
    check(st.bitwise_right_shift, np.right_shift, bits, count)


@pytest.mark.parametrize("name", LOGICAL)
@EXAMPLES
@given(pair=PAIRS, seed=seeds(), dtype=some.sampled_from(ALL_DTYPES + COMPLEX))
def test_logical(name, pair, seed, dtype):
    left, right = (numbers(shape, dtype, seed + n) for n, shape in enumerate(pair.input_shapes))
    check(getattr(st, name), LOGICAL[name], left, right)
    check(st.logical_not, np.logical_not, left)


@EXAMPLES
@given(
    triple=mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3),
    seed=seeds(),
    dtype=some.sampled_from(ALL_DTYPES + COMPLEX),
)
def test_where(triple, seed, dtype):
    condition = numbers(triple.input_shapes[0], "bool", seed)
    chosen = [numbers(shape, dtype, seed) for shape in triple.input_shapes[1:]]
    check(st.where, np.where, condition, *chosen)


@EXAMPLES
@given(
    shape=shapes(),
    seed=seeds(),
    dtype=some.sampled_from(FLOATING),
    low=some.none() | some.floats(-3, 0),
    high=some.none() | some.floats(0, 3),
)
def test_clip(shape, seed, dtype, low, high):
    array = with_specials(numbers(shape, dtype, seed), seed)
    bounds = [None if each is None else np.asarray(each, dtype).item() for each in (low, high)]
    expected = array if bounds == [None, None] else np.clip(array, *bounds)
    assert_same(st.clip(st.asarray(array), *bounds), expected)


def test_clip_to_tensors_broadcasts():
    array = numbers((3, 4), "float64")
    low, high = numbers((4,), "float64", 1) - 4, numbers((3, 1), "float64", 2) + 4
    check(st.clip, np.clip, array, low, high)


@pytest.mark.parametrize("name", ["abs", "conj", "imag", "real", "square", "negative", "sign"])
@pytest.mark.parametrize("dtype", COMPLEX)
def test_complex_parts(name, dtype):
    check(getattr(st, name), getattr(np, name), numbers((3, 4), dtype))


@pytest.mark.parametrize("name", ["exp", "log", "sin", "cosh", "sqrt", "tanh", "expm1", "asin"])
def test_complex_functions(name):
    theirs = {"asin": np.arcsin}.get(name) or getattr(np, name)
    check(getattr(st, name), theirs, numbers((3, 4), "complex128"))


@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan"])
def test_complex_specials(name):
    parts = np.array([0.0, 1e300, np.inf, -np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        array = parts[:, None] + 1j * parts
    check(getattr(st, name), getattr(np, name), array)


def test_imag_of_a_real_number_is_zero():
    check(st.imag, np.imag, numbers((3,), "float32"))


@EXAMPLES
@given(
    shape=shapes(),
    seed=seeds(),
    source=some.sampled_from(ALL_DTYPES),
    target=some.sampled_from(ALL_DTYPES + COMPLEX),
)
def test_astype(shape, seed, source, target):
    array = numbers(shape, source, seed, low=0)
    check(lambda x: st.astype(x, getattr(st, target)), lambda x: x.astype(target), array)


def test_astype_copies_unless_told_not_to():
    tensor = st.asarray([1.0])
    assert st.astype(tensor, st.float32, copy=False) is tensor
    assert not np.shares_memory(st.astype(tensor, st.float32).numpy(), tensor.numpy())


def test_erf_against_pytorch():
    torch = pytest.importorskip("torch")
    array = np.linspace(-6, 6, 1001)
    expected = torch.erf(torch.from_numpy(array)).numpy()
    np.testing.assert_allclose(st.erf(st.asarray(array)).numpy(), expected, rtol=1e-14, atol=1e-16)
    assert_same(st.erf(st.asarray([0.0, np.inf, -np.inf, np.nan])), np.float32([0, 1, -1, np.nan]))


def test_stop_gradient():
    weight = st.Tensor([2.0], requires_grad=True)
    (st.stop_gradient(weight) * weight).sum().backward()
    assert weight.grad.tolist() == [2.0]


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "//", "%", "**", "==", "<", ">="])
def test_operators_equal_functions(symbol):
    left, right = numbers((3, 1), "float64", low=1), numbers((2,), "float64", 1, low=1)
    operate = eval(f"lambda left, right: left {symbol} right")
    check(operate, operate, left, right)
    check(lambda x: operate(x, 3), lambda x: operate(x, 3), left)
    check(lambda x: operate(3, x), lambda x: operate(3, x), right)
    check(lambda x: operate(left, x), lambda x: operate(left, x), right)


@pytest.mark.parametrize("symbol", ["&", "|", "^", "<<", ">>"])
def test_operators_on_bits_equal_functions(symbol):
    left, right = numbers((3, 1), "int64", low=0), numbers((2,), "int64", 1, low=0)
    operate = eval(f"lambda left, right: left {symbol} right")
    check(operate, operate, left, right)
    check(lambda x: operate(5, x), lambda x: operate(5, x), right)


def test_unary_operators():
    array = numbers((3,), "float32")
    check(lambda x: (-x, +x, abs(x)), lambda x: (-x, +x, np.abs(x)), array)
    check(lambda x: ~x, np.invert, numbers((3,), "int16"))


def test_operators_leave_foreign_operands_to_their_class():
    class Foreign:
        def __radd__(self, other):
            return "foreign"

    tensor = st.asarray([1.0])
    assert tensor + Foreign() == "foreign"
    assert (tensor == "text") is False
    assert tensor != None  # noqa: E711 - the comparison itself is tested
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+"):
        tensor + "text"


def test_numpy_arrays_on_the_left_give_tensors():
    result = np.ones(2, "float32") * st.asarray([1.0, 2.0])
    assert_same(result, np.float32([1, 2]))
    assert_same(np.float64(2.0) * st.asarray([1.0, 2.0]), np.float32([2, 4]))
