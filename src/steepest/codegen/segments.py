"""Splits loops where what is read changes: at the joints of a concatenation, at a padding's edge.

Inside a segment it is known which part of a `Choice` is read and whether a `Guarded` number is
inside its ranges, so the loop's body needs no selection and is a plain copy where it can be.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import Choice, Expression, Guarded, walk

MOST_SEGMENTS = 9

Bounds = dict[Variable, tuple[int, int]]
"""First and last value (exclusive) of each loop that was split."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of the turns of a nest's loops, in which selections are known.

    Attributes:
        bounds: of the loops that were split.
    """

    bounds: Bounds

    def at(self, turns: Mapping[Variable, int]) -> Segment:
        """This part at one turn of some more loops."""
        return Segment({**self.bounds, **{each: (n, n + 1) for each, n in turns.items()}})

    def range_of(self, place: Affine) -> tuple[int, int] | None:
        """The smallest and largest value of a place; `None` if other loops than these move it."""
        if not all(variable in self.bounds for variable, _ in place.terms):
            return None
        return place.bounds(
            {variable: (low, high - 1) for variable, (low, high) in self.bounds.items()}
        )

    def is_inside(self, place: Affine, low: int, high: int) -> bool | None:
        """Whether a place is in [low, high) everywhere (True) or nowhere (False)."""
        found = self.range_of(place)
        if found is None:
            return None
        if low <= found[0] and found[1] < high:
            return True
        return False if found[1] < low or found[0] >= high else None

    def part_of(self, choice: Choice) -> Expression | None:
        """The one part of a choice that is read here."""
        start = 0
        for end, part in zip(choice.ends, choice.values, strict=True):
            if self.is_inside(choice.place, start, end):
                return part
            start = end
        return None


EVERYTHING = Segment({})


def segments_of(
    loops: Sequence[Variable], values: Sequence[Expression], written_out: Sequence[Variable] = ()
) -> list[Segment]:
    """The segments of a nest; one of everything where nothing is selected or too much is.

    Args:
        written_out: inner loops of which each turn is emitted by itself.
    """
    cuts: dict[Variable, set[int]] = {}
    for each in walk(*values):
        if isinstance(each, Choice):
            _cut(cuts, each.place, (0, *each.ends), written_out)
        elif isinstance(each, Guarded):
            for place, low, high in each.ranges:
                _cut(cuts, place, (low, high), written_out)
    spans: list[list[tuple[Variable, tuple[int, int]]]] = []
    for variable in loops:
        inner = sorted(each for each in cuts.get(variable, ()) if 0 < each < variable.extent)
        if variable in cuts:
            borders = [0, *inner, variable.extent]
            spans.append([(variable, each) for each in itertools.pairwise(borders)])
    found = [Segment(dict(each)) for each in itertools.product(*spans)]
    return found if len(found) <= MOST_SEGMENTS else [EVERYTHING]


def _cut(
    cuts: dict[Variable, set[int]],
    place: Affine,
    borders: Sequence[int],
    written_out: Sequence[Variable],
) -> None:
    """Note where a loop that moves a place alone, at any turns of others, crosses the borders."""
    moving = [term for term in place.terms if term[0] not in written_out]
    if len(moving) != 1 or moving[0][1] < 1:
        return
    ((variable, step),) = moving
    others = [range(each.extent) for each, _ in place.without(variable).terms]
    for turns in itertools.product(*others):
        steps = (by for _, by in place.without(variable).terms)
        start = place.constant + sum(by * n for by, n in zip(steps, turns, strict=True))
        cuts.setdefault(variable, set()).update(-(-(each - start) // step) for each in borders)
