"""Weights from files of `torch.save`, without PyTorch and without running code from the file.

PyTorch's files are pickles: programs that may call any function. Here the pickle is read by a
machine that knows a handful of names (storages, the functions that make tensors of them, and
`OrderedDict`) and refuses every other. Both forms of the file are read:

    zip     archive/data.pkl, archive/data/KEY for each storage (PyTorch 1.6 and later)
    legacy  pickles of a magic number, a version, a system, the object and the keys, then for each
            storage its length in 8 bytes and its numbers
"""

from __future__ import annotations

import functools
import io
import math
import os
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError
from steepest.graph import dtypes
from steepest.graph.types import TensorType

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
LARGEST_PICKLE = 100_000_000

STORAGES: Mapping[str, tuple[dtypes.DType, str]] = {
    "FloatStorage": (dtypes.float32, "<f4"),
    "DoubleStorage": (dtypes.float64, "<f8"),
    "HalfStorage": (dtypes.float32, "<f2"),
    "BFloat16Storage": (dtypes.bfloat16, "<u2"),
    "CharStorage": (dtypes.int8, "<i1"),
    "ShortStorage": (dtypes.int16, "<i2"),
    "IntStorage": (dtypes.int32, "<i4"),
    "LongStorage": (dtypes.int64, "<i8"),
    "ByteStorage": (dtypes.uint8, "<u1"),
    "BoolStorage": (dtypes.bool_, "<u1"),
}
"""The classes of storages: the type of the tensors, and how the numbers lie in the file. Half
precision becomes float32."""


class _RefusedPickleError(Exception):
    """A pickle that asks for something that is not allowed."""


@dataclass(frozen=True)
class _Kind:
    """A storage's class, as the pickle names it."""

    name: str


@dataclass
class _Storage:
    """A run of numbers of one type; `numbers` of the legacy form come after the pickle."""

    kind: str
    length: int
    numbers: npt.NDArray | None = None


@dataclass(frozen=True)
class _View:
    """A tensor as the pickle describes it: a strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pytorch(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the tensors of a file that `torch.save(model.state_dict())` wrote.

    Dictionaries in dictionaries, as checkpoints have them, give names joined by dots; entries that
    are no tensors, such as an epoch's number, are left out.

    Args:
        path: a `.pt` or `.pth` file.

    Raises:
        CheckpointError: the file cannot be read, is damaged, or asks for anything but tensors.
    """
    name = str(path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"read_pytorch: cannot read {name!r}: {error.strerror}.") from error
    try:
        if content[:4] == b"PK\x03\x04":
            found = _read_zip(content)
        else:
            found = _read_legacy(content)
        return {key: _tensor(view) for key, view in _views(found)}
    except _RefusedPickleError as error:
        raise CheckpointError(
            f"read_pytorch: {name!r} {error}. Only files of tensors are read, because others could "
            f"run code: save model.state_dict(), not the model."
        ) from error
    except Exception as error:
        # A damaged pickle can make its reader raise anything.
        raise CheckpointError(
            f"read_pytorch: {name!r} is no PyTorch file of weights, or is damaged "
            f"({type(error).__name__}: {error})."
        ) from error


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors and plain containers; any other name in the pickle is refused.

    What it hands out for a name is made anew each time, so that a pickle that sets attributes of it
    changes nothing that lasts.
    """

    def __init__(self, file: Any, storage: Callable[[str, str, int], _Storage] | None) -> None:
        super().__init__(file, encoding="latin1")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in STORAGES:
            return _Kind(name)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return functools.partial(_rebuild_tensor)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return functools.partial(_rebuild_parameter)
        raise _RefusedPickleError(f"asks for {module}.{name}")

    def persistent_load(self, identity: Any) -> _Storage:
        if self._storage is None or not isinstance(identity, tuple) or len(identity) < 5:
            raise _RefusedPickleError("refers to something outside itself")
        what, kind, key, _, length = identity[:5]
        if what != "storage" or not isinstance(kind, _Kind) or not _is_natural(length):
            raise _RefusedPickleError("refers to something that is no storage")
        if len(identity) > 5 and identity[5] is not None:
            raise _RefusedPickleError("holds views of storages in an old form")
        return self._storage(str(key), kind.name, length)


def _read_zip(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickle_name,) = [each for each in archive.namelist() if each.endswith("/data.pkl")]
        folder = pickle_name.removesuffix("data.pkl")
        order = "little"
        if f"{folder}byteorder" in archive.namelist():
            order = _member(archive, f"{folder}byteorder", 16).decode()
        known: dict[str, _Storage] = {}

        def storage(key: str, kind: str, length: int) -> _Storage:
            if key not in known:
                size = length * np.dtype(STORAGES[kind][1]).itemsize
                numbers = _member(archive, f"{folder}data/{key}", size)
                known[key] = _Storage(kind, length, _numbers(numbers, kind, length, order))
            return known[key]

        data = _member(archive, pickle_name, LARGEST_PICKLE)
        return _TensorUnpickler(io.BytesIO(data), storage).load()


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """The bytes of a file in an archive, if there are not more than expected."""
    size = archive.getinfo(name).file_size
    if size > largest:
        raise ValueError(f"{name} has {size:,} bytes, but {largest:,} are expected")
    return archive.read(name)


def _read_legacy(content: bytes) -> Any:
    file = io.BytesIO(content)
    magic, protocol, system = (_TensorUnpickler(file, None).load() for _ in range(3))
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL:
        raise ValueError("it does not begin as a file of torch.save")
    known: dict[str, _Storage] = {}

    def storage(key: str, kind: str, length: int) -> _Storage:
        return known.setdefault(key, _Storage(kind, length))

    found = _TensorUnpickler(file, storage).load()
    order = "little" if system.get("little_endian", True) else "big"
    for key in _TensorUnpickler(file, None).load():
        each = known[str(key)]
        (length,) = np.frombuffer(file.read(8), "<i8" if order == "little" else ">i8")
        if length != each.length:
            raise ValueError(f"storage {key} has {length} numbers, but {each.length} are expected")
        size = int(length) * np.dtype(STORAGES[each.kind][1]).itemsize
        each.numbers = _numbers(file.read(size), each.kind, each.length, order)
    return found


def _numbers(content: bytes, kind: str, length: int, order: str) -> npt.NDArray:
    stored = np.dtype(STORAGES[kind][1])
    if order not in ("little", "big") or len(content) != length * stored.itemsize:
        raise ValueError(f"a storage of {length} numbers has {len(content)} bytes")
    return np.frombuffer(content, stored.newbyteorder("<" if order == "little" else ">"))


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    """What the pickle calls to make a tensor of a storage; the rest tells of gradients."""
    shape, strides = tuple(shape), tuple(strides)
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise _RefusedPickleError("makes a tensor of something that is no storage")
    if not all(_is_natural(each) for each in numbers):
        raise _RefusedPickleError("makes a tensor of an impossible shape")
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= storage.length:
        raise _RefusedPickleError("makes a tensor that reaches beyond its storage")
    if math.prod(shape) > max(storage.length, 1):
        raise _RefusedPickleError("makes a tensor that is larger than its storage")
    return _View(storage, offset, shape, strides)


def _rebuild_parameter(view: Any, *_: Any) -> _View:
    if not isinstance(view, _View):
        raise _RefusedPickleError("makes a parameter of something that is no tensor")
    return view


def _views(found: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, _View]]:
    """The tensors in a dictionary, and in dictionaries in it, by name."""
    if depth > 8 or not isinstance(found, Mapping):
        raise _RefusedPickleError("holds no dictionary of tensors")
    views = []
    for key, value in found.items():
        if isinstance(value, _View):
            views.append((f"{prefix}{key}", value))
        elif isinstance(value, Mapping):
            views += _views(value, f"{prefix}{key}.", depth + 1)
    return views


def _tensor(view: _View) -> Tensor:
    numbers = view.storage.numbers
    if numbers is None:
        raise ValueError("a storage is missing")
    dtype, _ = STORAGES[view.storage.kind]
    size = numbers.itemsize
    strided = np.lib.stride_tricks.as_strided(
        numbers[view.offset :] if math.prod(view.shape) else numbers[:0],
        view.shape,
        tuple(step * size for step in view.strides),
        writeable=False,
    )
    bits = np.array(strided, dtype.storage, order="C")
    tensor = Tensor._from_storage(bits, TensorType(bits.shape, dtype))
    assert isinstance(tensor, Tensor)
    return tensor


def _is_natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < sys.maxsize
