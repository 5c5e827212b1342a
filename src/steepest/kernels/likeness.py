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
        return tuple(self.write(getattr(value, each.name)) for each in dataclasses.fields(value))

    def write(self, value: Any) -> Hashable:
        """A nest's part as a tuple."""
        if isinstance(value, Node):
            # A node beyond the buffers only says where a check belongs.
            return ("node", self._numbers.get(id(value)), str(value.type))
        if isinstance(value, Primitive | DType):
            return (type(value).__name__, value.name)
        if isinstance(value, tuple):
            return tuple(self.write(each) for each in value)
        if isinstance(value, Mapping):
            return static_key(value)
        if isinstance(value, float | np.generic):
            return (type(value).__name__, np.float64(value).tobytes())
        if not dataclasses.is_dataclass(value):
            return (type(value).__name__, value)
        if type(value).__hash__ is not object.__hash__:
            return (type(value).__name__, self.fields(value))
        number = self._numbers.get(id(value))
        if number is not None:
            return ("again", number)
        self._numbers[id(value)] = self._next
        self._next += 1
        self._kept.append(value)
        if isinstance(value, Variable):
            return ("loop", value.extent)
        return (type(value).__name__, self.fields(value))
