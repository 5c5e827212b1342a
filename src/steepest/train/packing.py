"""Nested state (dicts, lists, numbers, arrays) as JSON text plus named arrays, and back.

JSON keeps everything but the arrays, exactly: floats round-trip by their shortest form, and what
JSON lacks is written as an object with one reserved key:

    {"$tensor": "optimizer.0.moment"}   a Tensor, in the file of tensors under that name
    {"$array": "figures.losses"}        a NumPy array, likewise
    {"$float": "nan"}                   also "inf" and "-inf"
    {"$tuple": [...]}                   a tuple
    {"$items": [[key, value], ...]}     a dict whose keys are not all text
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError
from steepest.train.tensor_files import StoredArray, from_stored, stored

TENSOR_KEY = "$tensor"
ARRAY_KEY = "$array"
FLOAT_KEY = "$float"
TUPLE_KEY = "$tuple"
ITEMS_KEY = "$items"
_RESERVED = (TENSOR_KEY, ARRAY_KEY, FLOAT_KEY, TUPLE_KEY, ITEMS_KEY)


def pack(tree: Any, prefix: str, arrays: dict[str, StoredArray]) -> Any:
    """Return a tree that JSON can hold; its arrays are added to `arrays`.

    Args:
        tree: nested dicts, lists and tuples of None, booleans, numbers, text, Tensors and
            NumPy arrays.
        prefix: begins the name of every array; the path inside the tree follows.
        arrays: receives the arrays by name.

    Raises:
        CheckpointError: a value of a type that a checkpoint cannot hold.
    """
    if isinstance(tree, (Tensor, np.ndarray)):
        name = _free_name(prefix, arrays)
        arrays[name] = stored(tree)
        return {TENSOR_KEY if isinstance(tree, Tensor) else ARRAY_KEY: name}
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    if isinstance(tree, np.generic):
        return pack(tree.item(), prefix, arrays)
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else {FLOAT_KEY: repr(tree)}
    if isinstance(tree, tuple):
        return {TUPLE_KEY: _pack_list(tree, prefix, arrays)}
    if isinstance(tree, list):
        return _pack_list(tree, prefix, arrays)
    if isinstance(tree, Mapping):
        return _pack_mapping(tree, prefix, arrays)
    raise CheckpointError(
        f"checkpoint: {prefix!r} holds a value of type {type(tree).__name__}, which cannot be "
        f"saved. State is made of dicts, lists, numbers, text and arrays."
    )


def unpack(tree: Any, arrays: Mapping[str, StoredArray]) -> Any:
    """Return what `pack` was given.

    Raises:
        CheckpointError: the text names an array that is not there, or is malformed.
    """
    if isinstance(tree, list):
        return [unpack(each, arrays) for each in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1:
        key, value = next(iter(tree.items()))
        if key == TENSOR_KEY:
            return from_stored(_find(value, arrays))
        if key == ARRAY_KEY:
            return _find(value, arrays).bits.copy()
        if key == FLOAT_KEY:
            return _unpack_float(value)
        if key == TUPLE_KEY and isinstance(value, list):
            return tuple(unpack(each, arrays) for each in value)
        if key == ITEMS_KEY and isinstance(value, list):
            return _unpack_items(value, arrays)
    return {key: unpack(value, arrays) for key, value in tree.items()}


def _pack_list(values: Any, prefix: str, arrays: dict[str, StoredArray]) -> list[Any]:
    return [pack(value, f"{prefix}.{index}", arrays) for index, value in enumerate(values)]


def _pack_mapping(tree: Mapping[Any, Any], prefix: str, arrays: dict[str, StoredArray]) -> Any:
    text_keys = all(isinstance(key, str) and key not in _RESERVED for key in tree)
    if text_keys:
        return {key: pack(value, f"{prefix}.{key}", arrays) for key, value in tree.items()}
    items = [
        [pack(key, f"{prefix}.key{index}", arrays), pack(value, f"{prefix}.{key}", arrays)]
        for index, (key, value) in enumerate(tree.items())
    ]
    return {ITEMS_KEY: items}


def _free_name(wanted: str, arrays: Mapping[str, StoredArray]) -> str:
    """A name that no other array has, even where `a.b` is both a key and a path."""
    name = wanted
    count = 1
    while name in arrays:
        count += 1
        name = f"{wanted}~{count}"
    return name


def _find(name: Any, arrays: Mapping[str, StoredArray]) -> StoredArray:
    if not isinstance(name, str) or name not in arrays:
        raise CheckpointError(f"checkpoint: the tensor {name!r} is missing from its file.")
    return arrays[name]


def _unpack_float(value: Any) -> float:
    if value not in ("nan", "inf", "-inf"):
        raise CheckpointError(f"checkpoint: {value!r} is no number.")
    return float(value)


def _unpack_items(items: list[Any], arrays: Mapping[str, StoredArray]) -> dict[Any, Any]:
    result = {}
    for item in items:
        if not isinstance(item, list) or len(item) != 2:
            raise CheckpointError("checkpoint: an entry of a dict is no pair of key and value.")
        result[unpack(item[0], arrays)] = unpack(item[1], arrays)
    return result
