"""Affine functions of loop variables: a constant plus each variable times a fixed step.

Where a number lies in a buffer is such a function, which is how a transposed, sliced or broadcast
tensor is read without being copied.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

_numbers = itertools.count()


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """The counter of one loop, which runs from 0 to `extent` - 1."""

    extent: int
    number: int = dataclasses.field(default_factory=lambda: next(_numbers))


@dataclasses.dataclass(frozen=True, slots=True)
class Affine:
    """`constant + sum(step * variable)`; terms are ordered by variable and never zero."""

    constant: int
    terms: tuple[tuple[Variable, int], ...] = ()

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.constant + other, self.terms) if other else self
        steps: dict[Variable, int] = dict(self.terms)
        for variable, step in other.terms:
            steps[variable] = steps.get(variable, 0) + step
        return make(self.constant + other.constant, steps)

    def __mul__(self, factor: int) -> Affine:
        if factor == 1:
            return self
        return make(
            self.constant * factor, {variable: step * factor for variable, step in self.terms}
        )

    def step(self, variable: Variable) -> int:
        """How far one turn of a loop moves this."""
        return dict(self.terms).get(variable, 0)

    def without(self, variable: Variable) -> Affine:
        """This, with a variable held at 0."""
        return Affine(self.constant, tuple(term for term in self.terms if term[0] is not variable))

    def bounds(self, limits: Mapping[Variable, tuple[int, int]] | None = None) -> tuple[int, int]:
        """The smallest and the largest value over all turns of all loops.

        Args:
            limits: the first and last turn of the loops of which only some turns count.
        """
        low = high = self.constant
        for variable, step in self.terms:
            first, last = (limits or {}).get(variable, (0, variable.extent - 1))
            low += min(step * first, step * last)
            high += max(step * first, step * last)
        return low, high


def make(constant: int, steps: Mapping[Variable, int]) -> Affine:
    """Build an affine function in its one canonical form."""
    kept = [(variable, step) for variable, step in steps.items() if step and variable.extent > 1]
    return Affine(constant, tuple(sorted(kept, key=lambda term: term[0].number)))


def constant(value: int) -> Affine:
    """A number that no loop moves."""
    return Affine(value)


def variable_index(variable: Variable) -> Affine:
    """The counter of a loop itself."""
    return make(0, {variable: 1})


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far apart neighbours along each axis lie when the last axis is contiguous."""
    steps = []
    size = 1
    for extent in reversed(shape):
        steps.append(size)
        size *= extent
    return tuple(reversed(steps))


def linear(index: tuple[Affine, ...], shape: tuple[int, ...]) -> Affine:
    """The place of an index in a row-major buffer."""
    place = Affine(0)
    for each, step in zip(index, row_major(shape), strict=True):
        place = place + each * step
    return place
