"""Choosing between numbers, changing their data type, and marking them for differentiation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steepest.errors import DTypeError
from steepest.graph.dtypes import (
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float32,
    float64,
    int64,
)
from steepest.graph.types import TensorType
from steepest.ops.elementwise.family import unary, unbroadcasting
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    broadcast_shapes,
    check_same_dtype,
    constant_like,
    sample_numbers,
)


def _infer_where(condition: TensorType, if_true: TensorType, if_false: TensorType) -> TensorType:
    if not condition.dtype.is_bool:
        raise DTypeError(f"where: condition is {condition}, but it must be bool.")
    check_same_dtype("where", ("if_true", "if_false"), (if_true, if_false))
    shapes = [condition.shape, if_true.shape, if_false.shape]
    roles = ("condition", "if_true", "if_false")
    return TensorType(broadcast_shapes("where", roles, shapes), if_true.dtype)


def _where_samples() -> Iterable[Sample]:
    condition = sample_numbers((3, 4)) > 0
    yield Sample((condition, sample_numbers((3, 4), seed=1), sample_numbers((3, 4), seed=2)))
    yield Sample((condition, sample_numbers((4,), seed=1), sample_numbers((), seed=2)))
    yield Sample((condition[:, :1], sample_numbers((2, 1, 4)), sample_numbers((3, 1), seed=2)))


where: Primitive = Primitive(
    "where",
    lower=lambda emit, condition, if_true, if_false: emit.select(condition, if_true, if_false),
    infer=_infer_where,
    evaluate=np.where,
    gradient=unbroadcasting(
        (
            None,
            lambda output_grad, output, condition, if_true, if_false: where(
                condition, output_grad, constant_like(output_grad, 0)
            ),
            lambda output_grad, output, condition, if_true, if_false: where(
                condition, constant_like(output_grad, 0), output_grad
            ),
        )
    ),
    samples=_where_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32), TensorType((2,), float32), TensorType((2,), float32)),
            "where: condition is float32[2], but it must be bool.",
        )
    ],
    is_elementwise=True,
)


def _infer_convert(operand: TensorType, *, dtype: DType) -> TensorType:
    if operand.dtype.is_complex and not dtype.is_complex:
        raise DTypeError(
            f"convert: operand is {operand}, and {dtype} would lose its imaginary part. "
            f"Take steepest.real(...) or steepest.abs(...) first."
        )
    return TensorType(operand.shape, dtype)


def _convert(operand: np.ndarray, *, dtype: DType) -> np.ndarray:
    return operand.astype(dtype.compute)


def _convert_gradient(
    index: int, output_grad: Tensor, output: Tensor, operand: Tensor, *, dtype: DType
) -> Tensor | None:
    """A real number that became complex takes the real part of the gradient."""
    if not operand.dtype.is_differentiable or not dtype.is_differentiable:
        return None
    if dtype.is_complex and not operand.dtype.is_complex:
        from steepest.ops.elementwise.complex_parts import real

        output_grad = real(output_grad)
    return convert(output_grad, dtype=operand.dtype)


def _convert_samples() -> Iterable[Sample]:
    numbers = sample_numbers((3, 4), low=-5, high=5)
    yield Sample((numbers,), {"dtype": float64})
    yield Sample((numbers,), {"dtype": float32}, smooth=False)
    yield Sample((numbers,), {"dtype": bfloat16}, smooth=False)
    yield Sample((numbers,), {"dtype": int64})
    yield Sample((numbers,), {"dtype": bool_})
    yield Sample((numbers > 0,), {"dtype": float64})
    yield Sample((numbers + 1j * numbers[::-1],), {"dtype": complex128})
    yield Sample((numbers.astype("int64"),), {"dtype": float64})


convert: Primitive = Primitive(
    "convert",
    lower=lambda emit, operand, *, dtype: emit.convert(operand, dtype),
    infer=_infer_convert,
    evaluate=_convert,
    gradient=_convert_gradient,
    samples=_convert_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), complex64),),
            "convert: operand is complex64[2], and float32 would lose its imaginary part. "
            "Take steepest.real(...) or steepest.abs(...) first.",
            {"dtype": float32},
        )
    ],
    is_elementwise=True,
)


def _same_type(operand: TensorType) -> TensorType:
    return operand


stop_gradient: Primitive = Primitive(
    "stop_gradient",
    lower=lambda emit, operand: operand,
    infer=_same_type,
    evaluate=lambda operand: operand,
    gradient=None,
    samples=unary(smooth=False),
    is_elementwise=True,
)

identity: Primitive = Primitive(
    "identity",
    lower=lambda emit, operand: operand,
    infer=_same_type,
    evaluate=lambda operand: operand,
    gradient=lambda index, output_grad, output, operand: output_grad,
    samples=unary(),
    is_elementwise=True,
)

barrier: Primitive = Primitive(
    "barrier",
    lower=lambda emit, operand: operand,
    infer=_same_type,
    evaluate=lambda operand: operand,
    gradient=lambda index, output_grad, output, operand: output_grad,
    samples=unary(),
    is_elementwise=True,
    is_pure=False,
)
"""The identity, but what is computed from it is never merged with what was computed before."""
