"""Hashable copies of plain attribute values, by which a compiled program sees that one changed."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

_IMMUTABLE = (bool, int, float, complex, str, bytes, type(None), type)


def is_immutable(value: Any) -> bool:
    """Whether a value stays equal as long as it is the same object."""
    if isinstance(value, tuple | frozenset):
        return all(is_immutable(each) for each in value)
    if isinstance(value, _IMMUTABLE) or callable(value):
        return True
    return isinstance(value, Hashable) and type(value).__eq__ is object.__eq__


def snapshot(value: Any) -> Hashable:
    """Return a hashable value that equals another snapshot only if the contents are equal.

    Objects that cannot be hashed count by identity.
    """
    if isinstance(value, list | tuple):
        return (type(value).__name__, *(snapshot(each) for each in value))
    if isinstance(value, dict):
        return ("dict", *((key, snapshot(each)) for key, each in value.items()))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(value))
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, bool | int | float):
        return (type(value).__name__, value)
    if isinstance(value, Hashable):
        return value
    return ("object", id(value))
