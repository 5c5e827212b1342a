"""What each primitive computes, written a second time without NumPy's functions.

The reference is plain Python: `math`, comparisons, loops over positions. It runs on the samples of
the primitive in float64.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest.ops import REGISTRY, Primitive, Sample
from steepest.trace.value import apply


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Apply a function of Python numbers to every position of broadcast operands."""

    def reference(*operands: Any) -> Any:
        shape = np.broadcast_shapes(*(operand.shape for operand in operands))
        if 0 in shape:
            return np.zeros(shape)
        wide = [np.broadcast_to(operand, shape) for operand in operands]
        numbers = [function(*(each[at].item() for each in wide)) for at in np.ndindex(shape)]
        return np.array(numbers).reshape(shape)

    return reference


def by_position(shape: tuple[int, ...], number_at: Callable[[tuple[int, ...]], Any]) -> Any:
    return np.array([number_at(at) for at in np.ndindex(shape)]).reshape(shape)


def reducing(total: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """Collect the numbers along the reduced axes, in order, and make one of them."""

    def reference(operand: Any, *, axes: tuple[int, ...]) -> Any:
        kept = tuple(size for n, size in enumerate(operand.shape) if n not in axes)
        lists: dict[tuple[int, ...], list[Any]] = {at: [] for at in np.ndindex(kept)}
        for at in np.ndindex(operand.shape):
            place = tuple(index for n, index in enumerate(at) if n not in axes)
            lists[place].append(operand[at].item())
        return by_position(kept, lambda at: total(lists[at]))

    return reference


def along(function: Callable[..., list[Any]]) -> Callable[..., Any]:
    """Apply a function of lists along one axis."""

    def reference(operand: Any, *, axis: int, **static: Any) -> Any:
        moved = np.moveaxis(operand, axis, -1)
        rows = [function(moved[at].tolist(), **static) for at in np.ndindex(moved.shape[:-1])]
        return np.moveaxis(np.array(rows).reshape(moved.shape), -1, axis)

    return reference


def contract(left: Any, right: Any, *, spec: str) -> Any:
    operands, _, out = spec.partition("->")
    left_letters, _, right_letters = operands.partition(",")
    sizes = dict(zip(left_letters + right_letters, left.shape + right.shape, strict=True))
    summed = [letter for letter in sizes if letter not in out]

    def number_at(at: tuple[int, ...]) -> float:
        fixed = dict(zip(out, at, strict=True))
        terms = []
        for indices in itertools.product(*(range(sizes[letter]) for letter in summed)):
            place = {**fixed, **dict(zip(summed, indices, strict=True))}
            first = left[tuple(place[letter] for letter in left_letters)]
            terms.append(first * right[tuple(place[letter] for letter in right_letters)])
        return math.fsum(terms)

    return by_position(tuple(sizes[letter] for letter in out), number_at)


def take(operand: Any, indices: Any, *, axis: int) -> Any:
    shape = operand.shape[:axis] + indices.shape + operand.shape[axis + 1 :]
    end = axis + indices.ndim
    return by_position(
        shape, lambda at: operand[(*at[:axis], int(indices[at[axis:end]]), *at[end:])]
    )


def scatter_add(operand: Any, indices: Any, updates: Any, *, axis: int) -> Any:
    result = operand.tolist()
    end = axis + indices.ndim
    for at in np.ndindex(updates.shape):
        place = (*at[:axis], int(indices[at[axis:end]]), *at[end:])
        row = result
        for index in place[:-1]:
            row = row[index]
        row[place[-1]] += updates[at].item()
    return np.array(result)


def take_along_axis(operand: Any, indices: Any, *, axis: int) -> Any:
    return by_position(
        indices.shape, lambda at: operand[(*at[:axis], int(indices[at]), *at[axis + 1 :])]
    )


def scatter_add_along_axis(operand: Any, indices: Any, updates: Any, *, axis: int) -> Any:
    result = operand.copy()
    for at in np.ndindex(updates.shape):
        result[(*at[:axis], int(indices[at]), *at[axis + 1 :])] += updates[at]
    return result


def argsort(numbers: list[float], *, descending: bool) -> list[int]:
    return sorted(range(len(numbers)), key=numbers.__getitem__, reverse=descending)


def searchsorted(ordered: Any, values: Any, *, side: str) -> Any:
    place = bisect.bisect_left if side == "left" else bisect.bisect_right
    return each(lambda value: place(ordered.tolist(), value))(values)


def reshape(operand: Any, *, shape: tuple[int, ...]) -> Any:
    numbers = [operand[at] for at in np.ndindex(operand.shape)]
    return np.array(numbers).reshape(shape)


def transpose(operand: Any, *, axes: tuple[int, ...]) -> Any:
    shape = tuple(operand.shape[axis] for axis in axes)
    return by_position(
        shape, lambda at: operand[tuple(at[axes.index(n)] for n in range(len(axes)))]
    )


def broadcast_to(operand: Any, *, shape: tuple[int, ...]) -> Any:
    lead = len(shape) - operand.ndim

    def number_at(at: tuple[int, ...]) -> Any:
        pairs = zip(at[lead:], operand.shape, strict=True)
        return operand[tuple(0 if size == 1 else index for index, size in pairs)]

    return by_position(shape, number_at)


def slice_(
    operand: Any, *, start: tuple[int, ...], stop: tuple[int, ...], step: tuple[int, ...]
) -> Any:
    chosen = [list(range(*ends)) for ends in zip(start, stop, step, strict=True)]
    shape = tuple(map(len, chosen))
    return by_position(
        shape, lambda at: operand[tuple(chosen[n][index] for n, index in enumerate(at))]
    )


def pad(
    operand: Any, *, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...]
) -> Any:
    sizes = zip(operand.shape, low, high, interior, strict=True)
    shape = tuple(
        before + (size + (size - 1) * between if size else 0) + after
        for size, before, after, between in sizes
    )
    result = np.zeros(shape)
    for at in np.ndindex(operand.shape):
        place = zip(at, low, interior, strict=True)
        result[tuple(before + index * (between + 1) for index, before, between in place)] = operand[
            at
        ]
    return result


def flip(operand: Any, *, axes: tuple[int, ...]) -> Any:
    shape = operand.shape
    return by_position(
        shape,
        lambda at: operand[
            tuple(shape[n] - 1 - index if n in axes else index for n, index in enumerate(at))
        ],
    )


def concat(*operands: Any, axis: int) -> Any:
    parts = [list(np.moveaxis(operand, axis, 0)) for operand in operands]
    return np.moveaxis(np.array([row for part in parts for row in part]), 0, axis)


def convert(operand: Any, *, dtype: st.DType) -> Any:
    if dtype is st.bool:
        return each(bool)(operand)
    if dtype.is_integer:
        return each(math.trunc)(operand)
    if dtype.is_complex:
        return each(complex)(operand)
    digits = {st.float64: 53, st.float32: 24, st.bfloat16: 8}[dtype]
    return each(lambda number: _rounded(float(number), digits))(operand)


def _rounded(number: float, digits: int) -> float:
    """The nearest number of so many binary digits, ties to even."""
    if number == 0:
        return number
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(math.ldexp(mantissa, digits)), exponent - digits)


def power(base: float, exponent: float) -> float:
    return math.pow(base, exponent)


def sign(number: float) -> float:
    return (number > 0) - (number < 0)


def philox_word(key: Any, counter: int, position: int) -> int:
    """One word of Philox4x32-10, with Python's whole numbers."""
    block, word = divmod(position, 4)
    low = 0xFFFFFFFF
    words = [block & low, block >> 32, counter & low, counter >> 32]
    keys = [int(key[0]), int(key[1])]
    for _ in range(10):
        first, second = words[0] * 0xD2511F53, words[2] * 0xCD9E8D57
        words = [
            (second >> 32) ^ words[1] ^ keys[0],
            second & low,
            (first >> 32) ^ words[3] ^ keys[1],
            first & low,
        ]
        keys = [(keys[0] + 0x9E3779B9) & low, (keys[1] + 0xBB67AE85) & low]
    return words[word]


def random_bits(key: Any, counter: Any, *, shape: tuple[int, ...]) -> Any:
    words = [philox_word(key, int(counter), position) for position in range(math.prod(shape))]
    return np.array(words).reshape(shape)


Numbers = tuple[int, ...]


def windows(operand: Any, *, axes: Numbers, sizes: Numbers, steps: Numbers, dilations: Numbers):
    shape = list(operand.shape)
    for axis, size, step, dilation in zip(axes, sizes, steps, dilations, strict=True):
        begins = [n for n in range(0, shape[axis], step) if n + dilation * (size - 1) < shape[axis]]
        shape[axis] = len(begins)

    def number_at(at: Numbers) -> float:
        place = list(at[: operand.ndim])
        offsets = at[operand.ndim :]
        for axis, offset, step, dilation in zip(axes, offsets, steps, dilations, strict=True):
            place[axis] = place[axis] * step + offset * dilation
        return operand[tuple(place)]

    return by_position((*shape, *sizes), number_at)


Matrix = tuple[tuple[float, ...], ...]


def to_tiles(
    operand: Any,
    *,
    matrix: Matrix,
    grid: Numbers,
    step: int,
    together: int,
    apart: int,
    phases: int,
    start: int,
) -> Any:
    size = len(matrix[0])
    count, height, width, channels = operand.shape

    def number_at(at: Numbers) -> float:
        part, place, tile, *phase, channel = at
        image = part * together + tile // math.prod(grid)
        down, across = divmod(tile % math.prod(grid), grid[1])
        rows = (matrix[place // len(matrix)], matrix[place % len(matrix)])
        first, second = divmod(sum(phase), phases)
        total = []
        for i, j in itertools.product(range(size), repeat=2):
            row = (down * step + i) * apart + start + first
            column = (across * step + j) * apart + start + second
            if 0 <= row < height and 0 <= column < width:
                total.append(rows[0][i] * rows[1][j] * operand[image, row, column, channel])
        return math.fsum(total)

    tiles = together * math.prod(grid)
    pairs = (phases**2,) if phases > 1 else ()
    shape = (count // together, len(matrix) ** 2, tiles, *pairs, channels)
    return by_position(shape, number_at)


def from_tiles(operand: Any, *, matrix: Matrix, grid: Numbers, apart: int) -> Any:
    size, side = len(matrix), len(matrix[0])
    parts, tiles, channels = operand.shape[0], operand.shape[2], operand.shape[-1]
    together = tiles // math.prod(grid)

    def number_at(at: Numbers) -> float:
        image, row, column, channel = at
        (down, first), (across, second) = divmod(row, apart), divmod(column, apart)
        tile = (image % together * grid[0] + down // size) * grid[1] + across // size
        phase = (first * apart + second,) if apart > 1 else ()
        rows = (matrix[down % size], matrix[across % size])
        return math.fsum(
            rows[0][a]
            * rows[1][b]
            * operand[(image // together, a * side + b, tile, *phase, channel)]
            for a in range(side)
            for b in range(side)
        )

    lengths = (each * size * apart for each in grid)
    return by_position((parts * together, *lengths, channels), number_at)


def fold(operand: Any, *, axes: Numbers, lengths: Numbers, steps: Numbers, dilations: Numbers):
    lead = operand.ndim - len(axes)
    shape = list(operand.shape[:lead])
    for axis, length in zip(axes, lengths, strict=True):
        shape[axis] = length
    result = np.zeros(shape)
    for at in np.ndindex(operand.shape):
        place = list(at[:lead])
        for axis, offset, step, dilation in zip(axes, at[lead:], steps, dilations, strict=True):
            place[axis] = place[axis] * step + offset * dilation
        result[tuple(place)] += operand[at]
    return result


def itself(operand: Any) -> Any:
    return operand


MEANINGS: dict[str, Callable[..., Any]] = {
    "absolute": each(math.fabs),
    "acos": each(math.acos),
    "acosh": each(math.acosh),
    "add": each(operator.add),
    "argmax": lambda operand, axis: reducing(lambda many: many.index(max(many)))(
        operand, axes=(axis,)
    ),
    "argmin": lambda operand, axis: reducing(lambda many: many.index(min(many)))(
        operand, axes=(axis,)
    ),
    "argsort": along(argsort),
    "asin": each(math.asin),
    "asinh": each(math.asinh),
    "atan": each(math.atan),
    "atan2": each(math.atan2),
    "atanh": each(math.atanh),
    "barrier": itself,
    "bitwise_and": each(operator.and_),
    "bitwise_invert": each(lambda x: not x if isinstance(x, bool) else ~x),
    "bitwise_left_shift": each(operator.lshift),
    "bitwise_or": each(operator.or_),
    "bitwise_right_shift": each(operator.rshift),
    "bitwise_xor": each(operator.xor),
    "broadcast_to": broadcast_to,
    "ceil": each(math.ceil),
    "concat": concat,
    "conj": each(lambda x: complex(x.real, -x.imag)),
    "constant": lambda value: value,
    "contract": contract,
    "convert": convert,
    "copysign": each(math.copysign),
    "cos": each(math.cos),
    "cosh": each(math.cosh),
    "cumulative_product": along(lambda many: list(itertools.accumulate(many, operator.mul))),
    "cumulative_sum": along(lambda many: list(itertools.accumulate(many))),
    "custom_gradient": lambda *operands, **static: operands[static["input_count"]],
    "divide": each(operator.truediv),
    "equal": each(operator.eq),
    "erf": each(math.erf),
    "exp": each(math.exp),
    "expm1": each(math.expm1),
    "flip": flip,
    "floor": each(math.floor),
    "floor_divide": each(operator.floordiv),
    "fold": fold,
    "from_tiles": from_tiles,
    "full": lambda **static: by_position(static["shape"], lambda _: static["value"]),
    "hypot": each(math.hypot),
    "identity": itself,
    "imag": each(lambda x: x.imag),
    "iota": lambda **static: by_position(static["shape"], lambda at: at[static["axis"]]),
    "less": each(operator.lt),
    "less_equal": each(operator.le),
    "log": each(math.log),
    "log1p": each(math.log1p),
    "logaddexp": each(lambda x, y: math.log(math.exp(x) + math.exp(y))),
    "magnitude": each(abs),
    "direction": each(lambda x: x / abs(x) if x else 0j),
    "max": reducing(max),
    "maximum": each(max),
    "min": reducing(min),
    "minimum": each(min),
    "multiply": each(operator.mul),
    "negative": each(operator.neg),
    "nextafter": each(math.nextafter),
    "not_equal": each(operator.ne),
    "pad": pad,
    "power": each(power),
    "product": reducing(math.prod),
    "random_bits": random_bits,
    "real": each(lambda x: x.real),
    "remainder": each(operator.mod),
    "reshape": reshape,
    "round": each(round),
    "scatter_add": scatter_add,
    "scatter_add_along_axis": scatter_add_along_axis,
    "searchsorted": searchsorted,
    "sigmoid": each(lambda x: 1 / (1 + math.exp(-x))),
    "sign": each(sign),
    "sin": each(math.sin),
    "sinh": each(math.sinh),
    "slice": slice_,
    "sqrt": each(math.sqrt),
    "stop_gradient": itself,
    "subtract": each(operator.sub),
    "sum": reducing(math.fsum),
    "take": take,
    "take_along_axis": take_along_axis,
    "tan": each(math.tan),
    "tanh": each(math.tanh),
    "to_tiles": to_tiles,
    "transpose": transpose,
    "trunc": each(math.trunc),
    "where": each(lambda condition, if_true, if_false: if_true if condition else if_false),
    "windows": windows,
}

SAMPLES = [
    pytest.param(primitive, sample, id=f"{name}-{number}")
    for name, primitive in REGISTRY.items()
    for number, sample in enumerate(primitive.samples())
]


def test_every_primitive_has_a_meaning() -> None:
    assert set(MEANINGS) == set(REGISTRY) - {"item"}


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_meaning(primitive: Primitive, sample: Sample) -> None:
    operands = [st.asarray(array) for array in sample.operands]
    result = apply(primitive, operands, sample.static)
    found = (result[0] if isinstance(result, tuple) else result).numpy()
    expected = MEANINGS[primitive.name](*sample.operands, **sample.static)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=4e-15, atol=1e-15)


INTEGER_TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
ON_INTEGERS = [
    "add",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "floor_divide",
    "less",
    "maximum",
    "minimum",
    "multiply",
    "remainder",
    "subtract",
]


@pytest.mark.parametrize("dtype", INTEGER_TYPES)
@pytest.mark.parametrize("name", ON_INTEGERS)
def test_whole_numbers(name: str, dtype: str) -> None:
    """Exact where the result fits, and wrapped to the width of the type where it does not."""
    info = np.iinfo(dtype)
    left = [1, 2, 7, 100, info.max, info.max - 1, info.min, 0]
    right = [3, 1, 7, 13, 1, 2, 1, 5]
    operands = [st.asarray(np.array(numbers, dtype)) for numbers in (left, right)]
    found = REGISTRY[name](*operands)
    exact = [MEANINGS[name](np.array(a), np.array(b)) for a, b in zip(left, right, strict=True)]
    bits = 8 * info.dtype.itemsize
    for number, reference in zip(found.tolist(), exact, strict=True):
        assert number == reference or (int(number) - int(reference)) % 2**bits == 0
    assert found.dtype is (st.bool if name in ("equal", "less") else getattr(st, dtype))


@pytest.mark.parametrize("name", ["sum", "max", "min", "product"])
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8"])
def test_reductions_of_whole_numbers(name: str, dtype: str) -> None:
    numbers = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    found = REGISTRY[name](st.asarray(numbers), axes=(0,))
    assert found.tolist() == MEANINGS[name](numbers, axes=(0,)).tolist()
    assert str(found.dtype) == dtype


def test_bfloat16_is_rounded_to_nearest_with_ties_to_even() -> None:
    ones = np.arange(256, dtype="float64") / 128 + 1  # eight bits behind the point: ties too
    numbers = np.concatenate([ones, -ones * 2.0**40, ones * 2.0**-130])
    found = st.asarray(numbers.astype("float32"), dtype=st.bfloat16).numpy()
    np.testing.assert_array_equal(
        found,
        [_rounded(float(each), 8) for each in numbers[:512]]
        + [float(each) for each in found[512:]],
    )
    subnormal = np.round(numbers[512:] * 2.0**133) / 2.0**133
    np.testing.assert_array_equal(found[512:], subnormal)


def test_bfloat16_special_numbers() -> None:
    numbers = np.array([np.inf, -np.inf, np.nan, -0.0, 3.4e38], "float32")
    found = st.asarray(numbers, dtype=st.bfloat16).numpy()
    np.testing.assert_array_equal(found, [np.inf, -np.inf, np.nan, -0.0, np.inf])
    assert np.signbit(found[3])


def test_argsort_puts_nan_where_the_largest_number_stands() -> None:
    numbers = st.asarray([np.nan, 2.0, np.inf, -1.0])
    argsort_primitive = REGISTRY["argsort"]
    assert argsort_primitive(numbers, axis=0, descending=False).tolist() == [3, 1, 2, 0]
    assert argsort_primitive(numbers, axis=0, descending=True).tolist() == [0, 2, 1, 3]
