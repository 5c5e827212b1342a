"""DLPack, by which array libraries share memory without copying.

NumPy's own import and export do the work, but for bfloat16, which it has not: its numbers travel
as 16-bit unsigned integers, whose type code is rewritten on the way.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from steepest.graph.dtypes import DType, bfloat16, from_numpy

UNSIGNED_CODE = 1
BFLOAT16_CODE = 4
CPU = (1, 0)

# Where a tensor's type code stands in memory, by the name of its capsule (dlpack.h).
_CODE_OFFSETS = {b"dltensor": 20, b"dltensor_versioned": 52}

_get_name = ctypes.pythonapi.PyCapsule_GetName
_get_name.restype = ctypes.c_char_p
_get_name.argtypes = [ctypes.py_object]
_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _type_code(capsule: Any) -> Any:
    """The byte of a capsule that says what kind of numbers it holds; it can be changed."""
    name = _get_name(capsule)
    address = _get_pointer(capsule, name)
    return ctypes.c_uint8.from_address(address + _CODE_OFFSETS[name])


def export_numbers(
    array: np.ndarray,
    dtype: DType,
    max_version: tuple[int, int] | None,
    dl_device: tuple[Any, int] | None,
    copy: bool | None,
) -> Any:
    """Hand stored numbers out as a capsule that shares their memory.

    Memory that must not be written to is copied for a consumer of DLPack before 1.0, which has no
    mark for it.
    """
    old = max_version is None or max_version[0] < 1
    if not array.flags.writeable and old:
        array = array.copy()
    capsule = array.__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)
    if dtype is bfloat16:
        _type_code(capsule).value = BFLOAT16_CODE
    return capsule


class _AsIntegers:
    """Offers another library's tensor to NumPy, bfloat16 as 16-bit integers."""

    def __init__(self, source: Any):
        self._source = source
        self.is_bfloat16 = False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self._source.__dlpack__(**options)
        code = _type_code(capsule)
        if code.value == BFLOAT16_CODE:
            code.value = UNSIGNED_CODE
            self.is_bfloat16 = True
        return capsule

    def __dlpack_device__(self) -> Any:
        return self._source.__dlpack_device__()


def import_numbers(source: Any, copy: bool | None = None) -> tuple[np.ndarray, DType]:
    """Take in any object that offers the protocol.

    Returns:
        The stored numbers, which share the object's memory unless `copy`, and their data type.
    """
    offered = _AsIntegers(source)
    array = np.from_dlpack(offered, copy=copy)
    return array, bfloat16 if offered.is_bfloat16 else from_numpy(array.dtype)
