"""The safetensors format: named arrays in one file, from which no code can ever run.

The layout, as https://huggingface.co/docs/safetensors states it:

    8 bytes    length of the header, little-endian
    header     JSON {name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}},
               with text under "__metadata__", padded with spaces to a multiple of 8 bytes
    data       the arrays, row-major and little-endian, without gaps or overlaps

Written here rather than called from the package `safetensors`, whose calls on bytes differ from
version to version and which needs another package for bfloat16: so checkpoints work on a bare
installation. The tests hold it against that package in both directions.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError, DTypeError
from steepest.graph import dtypes
from steepest.graph.types import TensorType
from steepest.train.files import write_atomically

LARGEST_HEADER = 100_000_000
"""Bytes of header beyond which a file is refused, as the format's own reader does."""

METADATA_KEY = "__metadata__"

_CODES = {
    "BOOL": dtypes.bool_,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "I64": dtypes.int64,
    "U8": dtypes.uint8,
    "U16": dtypes.uint16,
    "U32": dtypes.uint32,
    "U64": dtypes.uint64,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "C64": dtypes.complex64,
}
_CODE_OF = {dtype.name: code for code, dtype in _CODES.items()}


@dataclass(frozen=True)
class StoredArray:
    """An array as it lies in a file.

    Attributes:
        dtype: what the numbers are.
        bits: the array in `dtype.storage` (bfloat16 lies in uint16).
    """

    dtype: dtypes.DType
    bits: npt.NDArray


def stored(values: Tensor | npt.NDArray) -> StoredArray:
    """Return the numbers of a tensor or array as they go into a file, without copying them."""
    if isinstance(values, Tensor):
        return StoredArray(values.dtype, values._stored())
    return StoredArray(dtypes.from_numpy(values.dtype), values)


def from_stored(array: StoredArray) -> Tensor:
    """Return a tensor with its own copy of the numbers."""
    bits = array.bits.copy()
    tensor = Tensor._from_storage(bits, TensorType(bits.shape, array.dtype))
    assert isinstance(tensor, Tensor)
    return tensor


def encode_tensors(
    tensors: Mapping[str, StoredArray], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return the bytes of a safetensors file.

    Args:
        tensors: arrays by name; widest numbers come first in the file, so that all lie aligned.
        metadata: text to keep in the header.

    Raises:
        DTypeError: a type that the format does not have.
    """
    header: dict[str, Any] = {}
    if metadata:
        header[METADATA_KEY] = dict(metadata)
    parts: list[bytes] = []
    position = 0
    for name in sorted(tensors, key=lambda each: (-tensors[each].dtype.itemsize, each)):
        array = tensors[name]
        if array.dtype.name not in _CODE_OF:
            raise DTypeError(
                f"save: tensor {name!r} holds {array.dtype.name}, which safetensors files lack."
            )
        little = array.bits.astype(array.bits.dtype.newbyteorder("<"), copy=False)
        content = np.ascontiguousarray(little).tobytes()
        header[name] = {
            "dtype": _CODE_OF[array.dtype.name],
            "shape": list(array.bits.shape),
            "data_offsets": [position, position + len(content)],
        }
        parts.append(content)
        position += len(content)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def decode_tensors(content: bytes, source: str) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """Return the arrays and the metadata in the bytes of a safetensors file.

    Everything is checked before any array is made: lengths, names, types, and that the arrays
    cover the data without gap or overlap.

    Args:
        content: the whole file.
        source: what to call the file in messages.

    Returns:
        Arrays by name, which share memory with `content` and cannot be written to, and the
        header's text.

    Raises:
        CheckpointError: the bytes are not a whole safetensors file.
    """
    header, data = _split(content, source)
    metadata = header.pop(METADATA_KEY, {})
    if not isinstance(metadata, dict):
        raise _damaged(source, "its metadata is not a JSON object")
    _check_coverage(header, len(data), source)
    tensors = {name: _read_array(entry, data) for name, entry in header.items()}
    return tensors, {str(key): str(value) for key, value in metadata.items()}


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, StoredArray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a safetensors file atomically; arguments as `encode_tensors`."""
    write_atomically(path, encode_tensors(tensors, metadata))


def read_tensors(
    path: str | os.PathLike[str],
) -> tuple[dict[str, StoredArray], dict[str, str]]:
    """Read a safetensors file; results and errors as `decode_tensors`."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"load: cannot read {str(path)!r}: {error.strerror}.") from error
    return decode_tensors(content, str(path))


def _split(content: bytes, source: str) -> tuple[dict[str, Any], memoryview]:
    """Separate the parsed header from the data."""
    if len(content) < 8:
        raise _damaged(source, f"it has {len(content)} bytes, fewer than the 8 of a length")
    header_size = int.from_bytes(content[:8], "little")
    if header_size > min(len(content) - 8, LARGEST_HEADER):
        raise _damaged(
            source, f"its header would take {header_size:,} bytes, but {len(content):,} are there"
        )
    try:
        header = json.loads(
            content[8 : 8 + header_size].decode(), object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise _damaged(source, f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(source, "its header is not a JSON object")
    return header, memoryview(content)[8 + header_size :]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _check_coverage(header: dict[str, Any], data_size: int, source: str) -> None:
    """Check each entry, and that together they cover the data exactly."""
    spans = sorted(_check_entry(name, entry, source) for name, entry in header.items())
    position = 0
    for begin, end, name in spans:
        if begin != position:
            raise _damaged(source, f"tensor {name!r} begins at byte {begin}, not at {position}")
        position = end
    if position != data_size:
        raise _damaged(source, f"its tensors take {position:,} bytes, but {data_size:,} are there")


def _check_entry(name: str, entry: Any, source: str) -> tuple[int, int, str]:
    """Return `(begin, end, name)` of one tensor after checking all that is said of it."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(source, f"tensor {name!r} lacks its type, shape or place")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if code not in _CODES:
        raise CheckpointError(
            f"load: {source!r}: tensor {name!r} is of type {code!r}, which steepest lacks. "
            f"Known types: {', '.join(_CODES)}."
        )
    if not _natural_numbers(shape):
        raise _damaged(source, f"tensor {name!r} has the shape {shape!r}")
    if not _natural_numbers(offsets) or len(offsets) != 2:
        raise _damaged(source, f"tensor {name!r} has the place {offsets!r}")
    begin, end = offsets
    size = math.prod(shape) * _CODES[code].itemsize
    if end - begin != size:
        raise _damaged(source, f"tensor {name!r} takes {end - begin} bytes, but needs {size}")
    return begin, end, name


def _natural_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(each) is int and each >= 0 for each in values)


def _read_array(entry: dict[str, Any], data: memoryview) -> StoredArray:
    dtype = _CODES[entry["dtype"]]
    begin, end = entry["data_offsets"]
    little = dtype.storage.newbyteorder("<")
    bits = np.frombuffer(data[begin:end], dtype=little).reshape(entry["shape"])
    return StoredArray(dtype, bits.astype(dtype.storage, copy=False))


def _damaged(source: str, fault: str) -> CheckpointError:
    return CheckpointError(
        f"load: {source!r} is not a whole safetensors file: {fault}. "
        f"It was cut short or damaged, or is of another format."
    )
