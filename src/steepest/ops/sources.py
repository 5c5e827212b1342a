"""Operations without operands: constants, counting, and random bits (which take only a key)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steepest.errors import DTypeError
from steepest.graph.dtypes import DType, float32, from_numpy, int64, uint32
from steepest.graph.types import Shape, TensorType
from steepest.ops.philox import philox_bits
from steepest.ops.primitive import BadSample, Primitive, Sample, check_axis


def _infer_constant(*, value: np.ndarray, dtype: DType | None = None) -> TensorType:
    return TensorType(value.shape, dtype or from_numpy(value.dtype))


def _constant_samples() -> Iterable[Sample]:
    yield Sample((), {"value": np.array([[1.5, -2.0]])})
    yield Sample((), {"value": np.array(3)})


constant = Primitive(
    "constant",
    infer=_infer_constant,
    evaluate=lambda *, value, dtype=None: value,
    gradient=None,
    samples=_constant_samples,
)
"""Numbers known when the program is made; `dtype` names a type that NumPy has not (bfloat16)."""


def _infer_full(*, shape: Shape, value: float, dtype: DType) -> TensorType:
    return TensorType(shape, dtype)


def _full_samples() -> Iterable[Sample]:
    yield Sample((), {"shape": (2, 3), "value": 1.5, "dtype": float32})
    yield Sample((), {"shape": (), "value": 7, "dtype": int64})


full = Primitive(
    "full",
    infer=_infer_full,
    evaluate=lambda *, shape, value, dtype: np.full(shape, value, dtype.compute),
    gradient=None,
    samples=_full_samples,
)
"""One number, repeated."""


def _infer_iota(*, shape: Shape, axis: int, dtype: DType) -> TensorType:
    result = TensorType(shape, dtype)
    check_axis("iota", axis, result)
    return result


def _iota(*, shape: Shape, axis: int, dtype: DType) -> np.ndarray:
    along = tuple(size if each == axis else 1 for each, size in enumerate(shape))
    counted = np.arange(shape[axis], dtype=dtype.compute).reshape(along)
    return np.broadcast_to(counted, shape)


def _iota_samples() -> Iterable[Sample]:
    yield Sample((), {"shape": (4,), "axis": 0, "dtype": int64})
    yield Sample((), {"shape": (2, 3), "axis": 1, "dtype": float32})


iota = Primitive(
    "iota",
    infer=_infer_iota,
    evaluate=_iota,
    gradient=None,
    samples=_iota_samples,
    bad_samples=[
        BadSample(
            (),
            "iota: axis 1 does not exist: the operand (2,) has 1 axes.",
            {"shape": (2,), "axis": 1, "dtype": int64},
        )
    ],
)
"""0, 1, 2, ... along one axis."""


def _infer_random_bits(key: TensorType, counter: TensorType, *, shape: Shape) -> TensorType:
    if key != TensorType((2,), uint32) or counter != TensorType((), int64):
        raise DTypeError(
            f"random_bits: key {key} and counter {counter} must be uint32[2] and int64[]."
        )
    return TensorType(shape, uint32)


def _random_bits_samples() -> Iterable[Sample]:
    key = np.array([1, 2], dtype="uint32")
    yield Sample((key, np.array(0)), {"shape": (3, 5)})
    yield Sample((key, np.array(2**40 + 1)), {"shape": ()})


random_bits = Primitive(
    "random_bits",
    infer=_infer_random_bits,
    evaluate=lambda key, counter, *, shape: philox_bits(key, int(counter), shape),
    gradient=None,
    samples=_random_bits_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), int64), TensorType((), int64)),
            "random_bits: key int64[2] and counter int64[] must be uint32[2] and int64[].",
            {"shape": (2,)},
        )
    ],
)
"""Uniform 32-bit numbers, a function of the key, the counter and the position only."""
