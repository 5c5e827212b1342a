"""Functions of each number by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.offered import NotOfferedError, axis_of, swapped


def _alpha(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
        return function(input, other if alpha == 1 else other * alpha)

    return call


def _divide(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    if rounding_mode is None:
        return st.divide(input, other)
    return st.floor_divide(input, other) if rounding_mode == "floor" else st.trunc(input / other)


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    bounds = [each for each in (min, max) if isinstance(each, Tensor)]
    if any(each.dtype != input.dtype for each in bounds):
        raise NotOfferedError("bounds of another data type than the operand's")
    return st.clip(input, min, max)


def _max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Tensor):
        return st.maximum(input, dim)
    if dim is None:
        return st.max(input)
    axis = axis_of(input, dim)
    largest = st.max(input, axis=axis, keepdims=keepdim)
    return largest, st.argmax(input, axis=axis, keepdims=keepdim)


def _min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, Tensor):
        return st.minimum(input, dim)
    if dim is None:
        return st.min(input)
    axis = axis_of(input, dim)
    smallest = st.min(input, axis=axis, keepdims=keepdim)
    return smallest, st.argmin(input, axis=axis, keepdims=keepdim)


def _addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    return input + tensor1 * tensor2 * value


def _to(dtype: st.DType) -> Callable[..., Tensor]:
    def call(input: Tensor, *, memory_format: Any = None) -> Tensor:
        return input.astype(dtype)

    return call


ELEMENTWISE = {
    "abs": st.abs,
    "acos": st.acos,
    "acosh": st.acosh,
    "asin": st.asin,
    "asinh": st.asinh,
    "atan": st.atan,
    "atan2": st.atan2,
    "atanh": st.atanh,
    "bitwise_and": st.bitwise_and,
    "bitwise_left_shift": st.bitwise_left_shift,
    "bitwise_or": st.bitwise_or,
    "bitwise_right_shift": st.bitwise_right_shift,
    "bitwise_xor": st.bitwise_xor,
    "ceil": st.ceil,
    "conj": st.conj,
    "copysign": st.copysign,
    "cos": st.cos,
    "cosh": st.cosh,
    "erf": st.erf,
    "exp": st.exp,
    "expm1": st.expm1,
    "floor": st.floor,
    "floor_divide": st.floor_divide,
    "hypot": st.hypot,
    "isfinite": st.isfinite,
    "isinf": st.isinf,
    "isnan": st.isnan,
    "log": st.log,
    "log10": st.log10,
    "log1p": st.log1p,
    "log2": st.log2,
    "logaddexp": st.logaddexp,
    "logical_and": st.logical_and,
    "logical_not": st.logical_not,
    "logical_or": st.logical_or,
    "logical_xor": st.logical_xor,
    "maximum": st.maximum,
    "minimum": st.minimum,
    "nextafter": st.nextafter,
    "positive": st.positive,
    "pow": st.pow,
    "real": st.real,
    "sgn": st.sign,
    "complex": lambda real, imag: real + 1j * imag,
    "polar": lambda abs, angle: abs * st.exp(1j * angle),
    "reciprocal": st.reciprocal,
    "remainder": st.remainder,
    "round": st.round,
    "rsqrt": st.rsqrt,
    "sigmoid": st.sigmoid,
    "sign": st.sign,
    "signbit": st.signbit,
    "sin": st.sin,
    "sinh": st.sinh,
    "sqrt": st.sqrt,
    "square": st.square,
    "tan": st.tan,
    "tanh": st.tanh,
    "trunc": st.trunc,
    "bitwise_not": st.bitwise_invert,
    "conj_physical": st.conj,
    "clone": lambda input: input.clone(),
    "neg": st.negative,
    "add": _alpha(st.add),
    "sub": _alpha(st.subtract),
    "rsub": lambda input, other, *, alpha=1: other - input * alpha,
    "mul": st.multiply,
    "div": _divide,
    "true_divide": st.divide,
    "addcmul": _addcmul,
    "eq": st.equal,
    "ne": st.not_equal,
    "lt": st.less,
    "le": st.less_equal,
    "gt": st.greater,
    "ge": st.greater_equal,
    "__radd__": swapped(st.add),
    "__rsub__": swapped(st.subtract),
    "__rmul__": swapped(st.multiply),
    "__rdiv__": swapped(st.divide),
    "__rmod__": swapped(st.remainder),
    "__rpow__": swapped(st.pow),
    "__rand__": swapped(st.bitwise_and),
    "__ror__": swapped(st.bitwise_or),
    "__rxor__": swapped(st.bitwise_xor),
    "clamp": _clamp,
    "clamp_min": st.maximum,
    "clamp_max": st.minimum,
    "max": _max,
    "min": _min,
    "where": lambda input, condition, other: st.where(condition, input, other),
    "masked_fill": lambda input, mask, value: st.where(mask, value, input),
    "isin": lambda elements, test_elements: st.isin(elements, test_elements),
    "double": _to(st.float64),
    "float": _to(st.float32),
    "bfloat16": _to(st.bfloat16),
    "long": _to(st.int64),
    "int": _to(st.int32),
    "short": _to(st.int16),
    "char": _to(st.int8),
    "byte": _to(st.uint8),
    "bool": _to(st.bool),
    "cfloat": _to(st.complex64),
    "cdouble": _to(st.complex128),
}
