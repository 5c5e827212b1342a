"""What is computed for one turn of the loops: expressions over numbers in buffers.

expression ::= Load(buffer, place)            a number of a buffer
             | Number(value)                  a number known at compile time
             | Position(place)                a loop position as a number
             | Apply(primitive, expression*)  an elementwise operation
             | Guarded(ranges, expression)    the expression inside the ranges, 0 outside
             | Choice(place, expression*)     one of several, by where the place lies
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from steepest.graph.dtypes import DType
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable
from steepest.ops.primitive import Primitive

Ranges = tuple[tuple[Affine, int, int], ...]
"""Places, each with the first value and the one after the last that it may have."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Expression:
    """Base of all; compared by identity, so that a shared part is computed once."""

    dtype: DType

    def parts(self) -> tuple[Expression, ...]:
        """The expressions that this one is made of."""
        return ()


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Load(Expression):
    """The number at `place` of the buffer of `node`; `indices` add (index, step, extent) terms."""

    node: Node
    place: Affine
    indices: tuple[tuple[Expression, int, int], ...] = ()

    def parts(self) -> tuple[Expression, ...]:
        return tuple(index for index, _, _ in self.indices)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Number(Expression):
    """A number known at compile time."""

    value: Any


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Position(Expression):
    """A loop position as a number."""

    place: Affine


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Apply(Expression):
    """An elementwise primitive applied to one number of each operand."""

    primitive: Primitive
    static: Mapping[str, Any]
    operands: tuple[Expression, ...]

    def parts(self) -> tuple[Expression, ...]:
        return self.operands


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Guarded(Expression):
    """`value` where every affine lies in its [low, high) and divides evenly; otherwise 0."""

    ranges: Ranges
    value: Expression

    def parts(self) -> tuple[Expression, ...]:
        return (self.value,)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Choice(Expression):
    """The first of `values` whose guard holds: parts joined along an axis."""

    place: Affine
    ends: tuple[int, ...]
    values: tuple[Expression, ...]

    def parts(self) -> tuple[Expression, ...]:
        return self.values


def walk(*expressions: Expression) -> Iterator[Expression]:
    """Every expression that some are made of, themselves included, each once."""
    seen: set[int] = set()
    stack = [*expressions]
    while stack:
        each = stack.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            stack.extend(each.parts())


def loads(*expressions: Expression) -> Iterator[Load]:
    """Every read of a buffer, each once."""
    return (each for each in walk(*expressions) if isinstance(each, Load))


def stays_in_row(load: Load, row: Variable) -> bool:
    """Whether each turn of a loop over rows has a place of its own in what is read, by its step."""
    return 0 < load.place.step(row) * (row.extent - 1) < load.node.tensor_type.size


def guarded_loads(*expressions: Expression) -> Iterator[tuple[Load, Ranges]]:
    """Every read of a buffer with what is known of the turns at which its number is used."""
    seen: set[tuple[int, Ranges]] = set()
    stack: list[tuple[Expression, Ranges]] = [(each, ()) for each in expressions]
    while stack:
        each, ranges = stack.pop()
        if (id(each), ranges) in seen:
            continue
        seen.add((id(each), ranges))
        if isinstance(each, Load):
            yield each, ranges
        if isinstance(each, Guarded):
            ranges = (*ranges, *each.ranges)
        stack.extend((part, ranges) for part in each.parts())
