"""Every primitive, on every one of its samples: types, gradients, compiled against eager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from evaluated import compiled

import steepest as st
from steepest.errors import SteepestError
from steepest.graph.dtypes import to_compute
from steepest.graph.evaluate import evaluate_operation
from steepest.graph.types import TensorType
from steepest.ops import REGISTRY, Primitive, Sample
from steepest.trace.value import apply

SAMPLES = [
    pytest.param(primitive, sample, id=f"{name}-{number}")
    for name, primitive in REGISTRY.items()
    for number, sample in enumerate(primitive.samples())
]
BAD_SAMPLES = [
    pytest.param(primitive, bad, id=f"{name}-{number}")
    for name, primitive in REGISTRY.items()
    for number, bad in enumerate(primitive.bad_samples)
]
ANY_OPERAND = {"custom_gradient", "item", "stop_gradient", "identity", "barrier"}
ANY_STATIC = {"constant", "full"}
POSITIONAL = ("take", "take_along_axis", "scatter_add", "scatter_add_along_axis")


def operands_of(sample: Sample, dtype: st.DType) -> list[st.Tensor]:
    """A sample's operands as tensors, the floating ones in `dtype`, complex ones like it."""
    wanted = {"f": dtype, "c": st.complex128 if dtype is st.float64 else st.complex64}
    return [st.asarray(array, dtype=wanted.get(array.dtype.kind)) for array in sample.operands]


def parts_of(result: Any) -> tuple[st.Tensor, ...]:
    """The tensors of a result of one or several."""
    return result if isinstance(result, tuple) else (result,)


def run(primitive: Primitive, operands: Sequence[st.Tensor], sample: Sample) -> Any:
    return apply(primitive, tuple(operands), sample.static)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays are equal to the bit, any NaN being equal to any other."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind in "fc":
        same = np.where(np.isnan(left), np.isnan(right), left == right)
        signs = np.isnan(left) | (np.signbit(left.real) == np.signbit(right.real))
        return bool(np.all(same & signs))
    return bool(np.array_equal(left, right))


def differentiable(operands: Sequence[st.Tensor]) -> list[int]:
    return [n for n, each in enumerate(operands) if each.dtype.is_differentiable]


def test_every_primitive_has_samples() -> None:
    without = {name for name, primitive in REGISTRY.items() if not list(primitive.samples())}
    assert without == {"item"}  # it is tried by the samples of custom_gradient


def test_every_primitive_refuses_something() -> None:
    without = {name for name, primitive in REGISTRY.items() if not primitive.bad_samples}
    assert without == ANY_OPERAND | ANY_STATIC


@pytest.mark.parametrize("dtype", [st.float64, st.float32, st.bfloat16], ids=str)
@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_shape_rule(primitive: Primitive, sample: Sample, dtype: st.DType) -> None:
    operands = operands_of(sample, dtype)
    expected = primitive.infer(*(each._type for each in operands), **sample.static)
    numbers = [to_compute(each._stored(), each.dtype) for each in operands]
    with np.errstate(all="ignore"):
        evaluated = primitive.evaluate(*numbers, **sample.static)
    types = (expected,) if isinstance(expected, TensorType) else expected
    arrays = (evaluated,) if isinstance(expected, TensorType) else evaluated
    results = parts_of(run(primitive, operands, sample))
    for result_type, array, result in zip(types, arrays, results, strict=True):
        assert np.asarray(array).shape == result_type.shape
        assert np.asarray(array).dtype == result_type.dtype.compute
        assert result._type == result_type
        assert isinstance(result._stored(), np.ndarray)
        assert result._stored().dtype == result_type.dtype.storage
        assert result._stored().shape == result_type.shape


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_stated_properties(primitive: Primitive, sample: Sample) -> None:
    operands = operands_of(sample, st.float64)
    result = primitive.infer(*(each._type for each in operands), **sample.static)
    if primitive.is_elementwise:
        assert result.shape == np.broadcast_shapes(*(each.shape for each in operands))
    hash(tuple((name, type(value)) for name, value in sample.static.items()))
    again = [run(primitive, operands, sample) for _ in range(2)]
    for first, second in zip(parts_of(again[0]), parts_of(again[1]), strict=True):
        assert same_bits(first.numpy(), second.numpy())


def checked_samples() -> Iterator[Any]:
    for parameter in SAMPLES:
        primitive, sample = parameter.values
        operands = operands_of(sample, st.float64)
        result = run(primitive, operands, sample)
        floating = parts_of(result)[0].dtype.is_differentiable
        if sample.smooth and floating and differentiable(operands):
            yield parameter


@pytest.mark.parametrize(("primitive", "sample"), list(checked_samples()))
def test_gradient_against_finite_differences(primitive: Primitive, sample: Sample) -> None:
    """Forward and reverse mode, first and second order, in random directions."""
    operands = operands_of(sample, st.float64)
    places = differentiable(operands)

    def function(*varied: st.Tensor) -> Any:
        filled = list(operands)
        for place, each in zip(places, varied, strict=True):
            filled[place] = each
        return run(primitive, filled, sample)

    for seed in (0, 7):
        st.check_gradients(function, [operands[place] for place in places], seed=seed)


def gradients(primitive: Primitive, sample: Sample, operands: Sequence[st.Tensor]) -> Any:
    """The result, and its gradient by every floating operand, weighted by 1, 2, 3, ..."""
    places = differentiable(operands)

    def function(*varied: st.Tensor) -> Any:
        filled = list(operands)
        for place, each in zip(places, varied, strict=True):
            filled[place] = each
        return parts_of(run(primitive, filled, sample))[0]

    output, pullback = st.vjp(function, *(operands[place] for place in places))
    weights = st.reshape(st.arange(1, output.size + 1, dtype=output.dtype), output.shape)
    return output, pullback(weights)


def gradient_samples() -> Iterator[Any]:
    for parameter in SAMPLES:
        primitive, sample = parameter.values
        if primitive.gradient is not None and differentiable(operands_of(sample, st.float64)):
            yield parameter


@pytest.mark.parametrize("dtype", [st.float32, st.bfloat16], ids=str)
@pytest.mark.parametrize(("primitive", "sample"), list(gradient_samples()))
def test_gradient_in_low_precision(primitive: Primitive, sample: Sample, dtype: st.DType) -> None:
    """The rule keeps the data type, and gives the numbers of float64 to its precision."""
    operands = operands_of(sample, dtype)
    output, found = gradients(primitive, sample, operands)
    wide = [_widened(each) for each in operands]
    _, exact = gradients(primitive, sample, wide)
    if output.dtype.is_integer or output.dtype.is_bool:
        return
    tolerance = {st.float32: 2e-5, st.bfloat16: 0.1}[min(dtype, output.dtype, key=_precision)]
    for gradient, reference, place in zip(found, exact, differentiable(operands), strict=True):
        assert gradient.dtype is operands[place].dtype
        assert gradient.shape == operands[place].shape
        size = np.max(np.abs(reference.numpy()), initial=1.0)
        np.testing.assert_allclose(
            gradient.numpy() / size, reference.numpy() / size, atol=tolerance, rtol=tolerance
        )


def _widened(operand: st.Tensor) -> st.Tensor:
    if operand.dtype.is_complex:
        return operand.astype(st.complex128)
    return operand.astype(st.float64) if operand.dtype.is_floating else operand


def _precision(dtype: st.DType) -> int:
    return dtype.itemsize


@pytest.mark.parametrize("dtype", [st.float64, st.float32, st.bfloat16], ids=str)
@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_compiled_is_eager_to_the_bit(
    primitive: Primitive, sample: Sample, dtype: st.DType
) -> None:
    operands = operands_of(sample, dtype)

    def function(*varied: st.Tensor) -> Any:
        return run(primitive, varied, sample)

    results = parts_of(compiled(function)(*operands))
    for eager, result in zip(parts_of(function(*operands)), results, strict=True):
        assert result._type == eager._type
        assert same_bits(result.numpy(), eager.numpy())


@pytest.mark.parametrize("dtype", [st.float64, st.bfloat16], ids=str)
@pytest.mark.parametrize(("primitive", "sample"), list(gradient_samples()))
def test_compiled_gradient_is_eager_to_the_bit(
    primitive: Primitive, sample: Sample, dtype: st.DType
) -> None:
    operands = operands_of(sample, dtype)

    def function(*varied: st.Tensor) -> Any:
        output, found = gradients(primitive, sample, varied)
        return (output, *found)

    if not parts_of(run(primitive, operands, sample))[0].dtype.is_differentiable:
        return
    for eager, result in zip(function(*operands), compiled(function)(*operands), strict=True):
        assert result._type == eager._type
        assert same_bits(result.numpy(), eager.numpy())


def in_other_layouts(array: np.ndarray) -> Iterator[np.ndarray]:
    """The same numbers, lying otherwise in memory.

    Without negative strides, which no evaluation makes: NumPy's functions round otherwise there.
    """
    if array.ndim == 0:
        return
    yield np.asfortranarray(array)
    spread = np.zeros((*array.shape, 3), array.dtype)
    spread[..., 1] = array
    yield spread[..., 1]
    wide = np.zeros((*array.shape[:-1], array.shape[-1] + 3), array.dtype)
    wide[..., 2:-1] = array
    yield wide[..., 2:-1]


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES)
def test_result_does_not_depend_on_memory_layout(primitive: Primitive, sample: Sample) -> None:
    operands = [each.numpy() for each in operands_of(sample, st.float32)]
    types = [each._type for each in operands_of(sample, st.float32)]
    result_type = primitive.infer(*types, **sample.static)
    with np.errstate(all="ignore"):
        plain = evaluate_operation(primitive, operands, sample.static, result_type)
        for place, operand in enumerate(operands):
            for other in in_other_layouts(operand):
                moved = [*operands[:place], other, *operands[place + 1 :]]
                result = evaluate_operation(primitive, moved, sample.static, result_type)
                for first, second in zip(parts_of(plain), parts_of(result), strict=True):
                    assert same_bits(first, second)


@pytest.mark.parametrize("spec", ["ij,jk->ik", "ij,kj->ik", "ji,jk->ki", "bij,bjk->bik"])
@pytest.mark.parametrize("sizes", [(1, 8, 5), (3, 17, 2), (64, 200, 33)])
def test_large_contractions_do_not_depend_on_memory_layout(
    spec: str, sizes: tuple[int, int, int]
) -> None:
    random = np.random.default_rng(0)
    counts = dict(zip("ijkb", (*sizes, 2), strict=True))
    left, right = spec.partition("->")[0].split(",")
    operands = [
        random.normal(size=[counts[each] for each in letters]).astype("float32")
        for letters in (left, right)
    ]
    evaluate = REGISTRY["contract"].evaluate
    plain = evaluate(*operands, spec=spec)
    for first in (operands[0], np.asfortranarray(operands[0])):
        for second in (operands[1], np.asfortranarray(operands[1])):
            assert same_bits(evaluate(first, second, spec=spec), plain)


@pytest.mark.parametrize("name", ["sum", "product"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_large_reductions_do_not_depend_on_memory_layout(name: str, axes: tuple[int, ...]) -> None:
    numbers = np.random.default_rng(1).normal(1.0, 0.1, size=(37, 129)).astype("float32")
    evaluate = REGISTRY[name].evaluate
    for other in in_other_layouts(numbers):
        assert same_bits(evaluate(other, axes=axes), evaluate(numbers, axes=axes))


@pytest.mark.parametrize(("primitive", "bad"), BAD_SAMPLES)
def test_bad_sample(primitive: Primitive, bad: Any) -> None:
    with pytest.raises(SteepestError) as caught:
        primitive.infer(*bad.operands, **bad.static)
    assert str(caught.value) == bad.message


@pytest.mark.parametrize(("primitive", "bad"), BAD_SAMPLES)
def test_bad_sample_names_the_line(primitive: Primitive, bad: Any) -> None:
    operands = [st.zeros(each.shape, dtype=each.dtype) for each in bad.operands]
    with pytest.raises(SteepestError) as caught:
        apply(primitive, operands, bad.static)
    message, _, place = str(caught.value).rpartition(" At ")
    assert message == bad.message
    assert place.startswith("test_primitives.py:")


@pytest.mark.parametrize(("primitive", "bad"), BAD_SAMPLES)
def test_bad_sample_is_refused_by_a_trace_too(primitive: Primitive, bad: Any) -> None:
    operands = [st.zeros(each.shape, dtype=each.dtype) for each in bad.operands]
    with pytest.raises(SteepestError) as caught:
        compiled(lambda *varied: apply(primitive, varied, bad.static))(*operands)
    assert str(caught.value).startswith(bad.message)


@pytest.mark.parametrize("wrong", [4, -1])
@pytest.mark.parametrize("name", POSITIONAL)
def test_position_outside_the_axis(name: str, wrong: int) -> None:
    operand = st.zeros((4,))
    indices = st.asarray([0, wrong])
    operands = (operand, indices, st.zeros((2,))) if "scatter" in name else (operand, indices)
    message = f"{name}: index {wrong} is outside axis 0, which has size 4. At test_primitives.py:"
    with pytest.raises(IndexError) as caught:
        REGISTRY[name](*operands, axis=0)
    assert str(caught.value).startswith(message)
    with pytest.raises(IndexError) as caught:
        compiled(lambda *varied: REGISTRY[name](*varied, axis=0))(*operands)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
@pytest.mark.parametrize("name", POSITIONAL)
def test_positions_of_every_integer_type(name: str, dtype: str) -> None:
    operand = st.arange(4, dtype=st.float32)
    indices = st.asarray([3, 1], dtype=dtype)
    updates = st.asarray([10.0, 20.0])
    operands = (operand, indices, updates) if "scatter" in name else (operand, indices)
    expected = [0.0, 21.0, 2.0, 13.0] if "scatter" in name else [3.0, 1.0]
    assert REGISTRY[name](*operands, axis=0).tolist() == expected


def test_negative_power_of_an_integer() -> None:
    message = (
        "power: a negative exponent of an integer base gives no integer. "
        "Convert the base with .astype(...)."
    )
    with pytest.raises(st.errors.ArgumentError) as caught:
        REGISTRY["power"](st.asarray([2, 3]), st.asarray([1, -1]))
    assert str(caught.value).startswith(message)


def test_two_primitives_of_one_name() -> None:
    with pytest.raises(ValueError, match="two primitives are called 'exp'"):
        Primitive("exp", infer=len, evaluate=len, gradient=None, samples=list)


def test_a_primitive_left_incomplete_fails_when_made() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'samples'"):
        Primitive("incomplete", infer=len, evaluate=len, gradient=None)  # type: ignore[call-arg]
    assert "incomplete" not in REGISTRY
