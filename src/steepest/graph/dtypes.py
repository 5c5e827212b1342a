"""Data types: what they are called, how they are stored, and how two of them combine.

`bfloat16` is a storage type: its numbers are kept in 16 bits and every operation computes in
float32 and rounds the result (to nearest, ties to even).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from steepest.errors import DTypeError, did_you_mean


@dataclasses.dataclass(frozen=True)
class DType:
    """A data type.

    Attributes:
        name: the name in the Python array API standard, such as `"float32"`.
        kind: `"bool"`, `"signed"`, `"unsigned"`, `"floating"` or `"complex"`.
        itemsize: bytes of one stored number.
        storage: the NumPy data type that holds the bits.
        compute: the NumPy data type in which the evaluator computes.
    """

    name: str
    kind: str
    itemsize: int
    storage: np.dtype[Any]
    compute: np.dtype[Any]

    @property
    def is_floating(self) -> bool:
        return self.kind == "floating"

    @property
    def is_complex(self) -> bool:
        return self.kind == "complex"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    @property
    def is_bool(self) -> bool:
        return self.kind == "bool"

    @property
    def is_inexact(self) -> bool:
        """Whether its numbers have fractions: floating or complex."""
        return self.kind in ("floating", "complex")

    @property
    def is_differentiable(self) -> bool:
        """Whether gradients are taken by it."""
        return self.is_inexact

    def __repr__(self) -> str:
        return f"steepest.{self.name}"

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[Any, ...]:
        return by_name, (self.name,)


def _plain(name: str, kind: str) -> DType:
    storage = np.dtype(name)
    return DType(name, kind, storage.itemsize, storage, storage)


bool_ = _plain("bool", "bool")
int8 = _plain("int8", "signed")
int16 = _plain("int16", "signed")
int32 = _plain("int32", "signed")
int64 = _plain("int64", "signed")
uint8 = _plain("uint8", "unsigned")
uint16 = _plain("uint16", "unsigned")
uint32 = _plain("uint32", "unsigned")
uint64 = _plain("uint64", "unsigned")
bfloat16 = DType("bfloat16", "floating", 2, np.dtype("uint16"), np.dtype("float32"))
float32 = _plain("float32", "floating")
float64 = _plain("float64", "floating")
complex64 = _plain("complex64", "complex")
complex128 = _plain("complex128", "complex")

SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
FLOATING = (bfloat16, float32, float64)
COMPLEX = (complex64, complex128)
ALL = (bool_, *SIGNED, *UNSIGNED, *FLOATING, *COMPLEX)

_BY_NAME = {dtype.name: dtype for dtype in ALL}
_BY_NUMPY = {dtype.storage: dtype for dtype in ALL if dtype is not bfloat16}
_BY_PYTHON = {bool: bool_, int: int64, float: float32, complex: complex64}


def by_name(name: str) -> DType:
    """Return the data type of that name.

    Raises:
        DTypeError: there is none.
    """
    if name not in _BY_NAME:
        raise DTypeError(f"no data type is called {name!r}." + did_you_mean(name, _BY_NAME))
    return _BY_NAME[name]


def as_dtype(value: Any) -> DType:
    """Return the data type meant by a DType, a name, a NumPy data type or a Python type."""
    if isinstance(value, DType):
        return value
    if isinstance(value, str):
        return by_name(value)
    if isinstance(value, type) and value in _BY_PYTHON:
        return _BY_PYTHON[value]
    return from_numpy(np.dtype(value))


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """Return the data type that stores the numbers of a NumPy array.

    Raises:
        DTypeError: NumPy's type has no counterpart here (objects, strings, dates, float16, ...).
    """
    found = _BY_NUMPY.get(dtype)
    if found is None:
        if dtype.name == "bfloat16":
            return bfloat16
        native = dtype.newbyteorder("=")
        found = _BY_NUMPY.get(native)
    if found is None:
        raise DTypeError(
            f"NumPy data type {dtype} has no counterpart in steepest. "
            f"Convert the array first, for example with .astype('float32')."
        )
    return found


def _promote_integers(left: DType, right: DType) -> DType | None:
    """Combine two integer types of either signedness."""
    if left.kind == right.kind:
        return left if left.itemsize >= right.itemsize else right
    signed, unsigned = (left, right) if left.kind == "signed" else (right, left)
    if signed.itemsize > unsigned.itemsize:
        return signed
    wider = {1: int16, 2: int32, 4: int64}
    return wider.get(unsigned.itemsize)


def promote(left: DType, right: DType) -> DType:
    """Return the type in which two tensors of these types combine, as the standard says.

    Beyond the standard: booleans join numbers, integers join floating types (which keep
    their own width), and bfloat16 yields to float32.

    Raises:
        DTypeError: uint64 with a signed integer, which share no type.
    """
    if left is right:
        return left
    if left.is_bool:
        return right
    if right.is_bool:
        return left
    if left.is_integer and right.is_integer:
        joined = _promote_integers(left, right)
        if joined is None:
            raise DTypeError(
                f"{left.name} and {right.name} have no common data type. "
                f"Convert one of them with .astype(...)."
            )
        return joined
    if left.is_integer:
        return right
    if right.is_integer:
        return left
    if left.is_complex or right.is_complex:
        wide = complex128 in (left, right) or float64 in (left, right)
        return complex128 if wide else complex64
    return left if left.itemsize >= right.itemsize else right


def bfloat16_to_float32(bits: np.ndarray) -> np.ndarray:
    """Widen stored bfloat16 bits (uint16) to float32 numbers."""
    stored = np.asarray(bits)
    wide = np.atleast_1d(stored).astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32).reshape(stored.shape)


def float32_to_bfloat16(numbers: np.ndarray) -> np.ndarray:
    """Round float32 numbers to bfloat16 bits (uint16), to nearest with ties to even."""
    shape = np.shape(numbers)
    numbers = np.ascontiguousarray(numbers, dtype=np.float32)
    bits = numbers.view(np.uint32)
    rounding = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = ((bits + rounding) >> np.uint32(16)).astype(np.uint16)
    quiet_nan = ((bits >> np.uint32(16)) | np.uint32(0x0040)).astype(np.uint16)
    return np.where(np.isnan(numbers), quiet_nan, rounded).astype(np.uint16).reshape(shape)


def to_compute(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Turn stored bits into the numbers that the evaluator computes with."""
    return bfloat16_to_float32(array) if dtype is bfloat16 else array


def to_storage(array: np.ndarray, dtype: DType) -> np.ndarray:
    """Turn computed numbers into the bits that a tensor of `dtype` stores."""
    if dtype is bfloat16:
        return float32_to_bfloat16(array)
    if array.dtype is not dtype.storage and array.dtype != dtype.storage:
        return array.astype(dtype.storage)
    return array
