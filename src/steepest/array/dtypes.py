"""Functions on data types, named as in the standard."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from steepest.array.conversion import is_scalar, scalar_dtype, type_of
from steepest.errors import DTypeError
from steepest.graph.dtypes import DType, as_dtype, bfloat16, float32, promote
from steepest.trace.origin import located
from steepest.trace.value import Value


@dataclasses.dataclass(frozen=True)
class FloatInfo:
    """What a floating type can hold; see `finfo`."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclasses.dataclass(frozen=True)
class IntegerInfo:
    """What an integer type can hold; see `iinfo`."""

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype_of(x: Any) -> DType:
    return type_of(x).dtype if isinstance(x, Value) else as_dtype(x)


def finfo(type: Any, /) -> FloatInfo:
    """The precision and range of a floating type (or of a tensor's)."""
    dtype = _dtype_of(type)
    if not dtype.is_inexact:
        raise DTypeError(located(f"finfo: {dtype} is not a floating type; use iinfo."))
    if dtype is bfloat16:
        return FloatInfo(
            16, 2.0**-7, 3.3895313892515355e38, -3.3895313892515355e38, 2.0**-126, dtype
        )
    found = np.finfo(dtype.compute)
    real = float32 if dtype.name in ("float32", "complex64") else as_dtype("float64")
    return FloatInfo(
        found.bits,
        float(found.eps),
        float(found.max),
        float(found.min),
        float(found.smallest_normal),
        real,
    )


def iinfo(type: Any, /) -> IntegerInfo:
    """The range of an integer type (or of a tensor's)."""
    dtype = _dtype_of(type)
    if not dtype.is_integer:
        raise DTypeError(located(f"iinfo: {dtype} is not an integer type; use finfo."))
    found = np.iinfo(dtype.compute)
    return IntegerInfo(found.bits, int(found.max), int(found.min), dtype)


_KINDS = {
    "bool": ("bool",),
    "signed integer": ("signed",),
    "unsigned integer": ("unsigned",),
    "integral": ("signed", "unsigned"),
    "real floating": ("floating",),
    "complex floating": ("complex",),
    "numeric": ("signed", "unsigned", "floating", "complex"),
}


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a data type is of a kind: a type, a name such as `"integral"`, or a tuple of them."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, each) for each in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return as_dtype(dtype).kind in _KINDS[kind]
    return as_dtype(dtype) is as_dtype(kind)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The data type that tensors, data types and Python numbers have in common."""
    common: DType | None = None
    for each in arrays_and_dtypes:
        if not is_scalar(each):
            dtype = _dtype_of(each)
            common = dtype if common is None else promote(common, dtype)
    if common is None:
        raise DTypeError(located("result_type: at least one tensor or data type is needed."))
    for each in arrays_and_dtypes:
        if is_scalar(each):
            common = promote(common, scalar_dtype(each, common))
    return common


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a conversion loses nothing by type promotion: the two combine to `to`."""
    source, target = _dtype_of(from_), as_dtype(to)
    try:
        return promote(source, target) is target
    except DTypeError:
        return False
