"""Which nests do the same to different buffers, so that one function serves them all."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from steepest.graph.dtypes import DType
from steepest.graph.node import Node, static_key
from steepest.kernels.affine import Variable
from steepest.kernels.nest import Nest
from steepest.ops.primitive import Primitive


def likeness(nest: Nest, arguments: Mapping[int, int]) -> Hashable:
    """A key that is equal for two nests if their code is: buffers and loops go by number.

    Args:
        arguments: the number of the buffer of each node that the nest touches, by the node's id.
    """
    return (type(nest), _Writer(arguments).fields(nest))


class _Writer:
    """Writes a nest as nested tuples; what was written before is written as its number."""

    def __init__(self, arguments: Mapping[int, int]):
        self._numbers = dict(arguments)
        self._next = len(arguments)
        self._kept: list[Any] = []

    def fields(self, value: Any) -> Hashable:
        return tuple([self.write(getattr(value, name)) for name in _handling(type(value))[1]])

    def write(self, value: Any) -> Hashable:
        """A nest's part as a tuple."""
        kind = type(value)
        way = _handling(kind)[0]
        if way == "tuple":
            return tuple([self.write(each) for each in value])
        if way == "plain":
            return (kind.__name__, value)
        if way == "value":
            return (kind.__name__, self.fields(value))
        if way == "node":
            # A node beyond the buffers only says where a check belongs.
            return ("node", self._numbers.get(id(value)), str(value.type))
        if way == "named":
            return (kind.__name__, value.name)
        if way == "mapping":
            return static_key(value)
        if way == "float":
            return (kind.__name__, np.float64(value).tobytes())
        number = self._numbers.get(id(value))
        if number is not None:
            return ("again", number)
        self._numbers[id(value)] = self._next
        self._next += 1
        self._kept.append(value)
        if isinstance(value, Variable):
            return ("loop", value.extent)
        return (kind.__name__, self.fields(value))


def _handling(kind: type) -> tuple[str, tuple[str, ...]]:
    """How values of a class are written, and the names of its fields; a program has thousands."""
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = _find_handling(kind)
    return found


_known: dict[type, tuple[str, tuple[str, ...]]] = {}


def _find_handling(kind: type) -> tuple[str, tuple[str, ...]]:
    plain = (
        ("node", (Node,)),
        ("named", (Primitive, DType)),
        ("tuple", (tuple,)),
        ("mapping", (Mapping,)),
        ("float", (float, np.generic)),
    )
    names: tuple[str, ...] = ()
    if dataclasses.is_dataclass(kind):
        names = tuple(each.name for each in dataclasses.fields(kind))
    for way, classes in plain:
        if issubclass(kind, classes):
            return way, names
    if not dataclasses.is_dataclass(kind):
        return "plain", names
    return ("value" if kind.__hash__ is not object.__hash__ else "shared"), names
