"""Loop nests of `fold`: each number of the result sums the windows that hold it.

Which windows hold a place is affine in the place only among the places of one phase, that is of one
remainder by the step: place = step * turn + remainder. So there is one nest for each phase; but one
for all where no place is in two windows and phases have equally many places.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable, linear, variable_index
from steepest.kernels.expression import Expression, Guarded, Number
from steepest.kernels.nest import MapNest, Nest, ReduceNest, Store
from steepest.kernels.reading import Reader
from steepest.ops import reduction

MOST_STORES = 16
"""Phases that one nest writes at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class AxisPhase:
    """Places of one remainder along one axis, and the windows that hold them.

    Attributes:
        turn: the loop over the places.
        number: the loop over the offsets in the window at which such places lie.
        place: the place of a turn.
        window: the window that holds the place at an offset; it may lie outside of the axis.
        offset: the offset in the window.
    """

    turn: Variable
    number: Variable
    place: Affine
    window: Affine
    offset: Affine


def axis_phases(length: int, size: int, step: int, dilation: int) -> list[AxisPhase]:
    """The phases of an axis of the result, which windows of `size` numbers cover."""
    phases = []
    turns: dict[int, Variable] = {}
    for remainder in range(min(step, length)):
        count = -(-(length - remainder) // step)
        turn = turns.setdefault(count, Variable(count))
        fitting = [each for each in range(size) if (remainder - dilation * each) % step == 0]
        number = Variable(len(fitting))
        first = fitting[0] if fitting else 0
        apart = fitting[1] - first if len(fitting) > 1 else step
        window = variable_index(turn) + (remainder - dilation * first) // step
        phases.append(
            AxisPhase(
                turn,
                number,
                variable_index(turn) * step + remainder,
                window + variable_index(number) * -(dilation * apart // step),
                variable_index(number) * apart + first,
            )
        )
    return phases


def fold_nests(node: Node, reader: Reader) -> list[Nest]:
    """The nests that fill the buffer of a `fold`."""
    shape, operand = node.tensor_type.shape, node.operands[0].tensor_type.shape
    options = zip(
        node.static["lengths"],
        operand[len(shape) :],
        node.static["steps"],
        node.static["dilations"],
        strict=True,
    )
    by_axis = [axis_phases(*each) for each in options]
    outer = [Variable(size) for size in shape]
    parts = [_Part(node, outer, each) for each in itertools.product(*by_axis)]
    if len(parts) <= MOST_STORES and all(_is_apart(each) for each in by_axis):
        stores = tuple(Store(node, each.place, each.number(reader)) for each in parts)
        return [MapNest(node, parts[0].loops, stores)]
    return [_nest(node, reader, each) for each in parts]


def _is_apart(phases: Sequence[AxisPhase]) -> bool:
    """Whether each place along an axis is in one window at most, and phases are equally long."""
    is_single = all(each.number.extent <= 1 for each in phases)
    return is_single and len({each.turn.extent for each in phases}) == 1


def _nest(node: Node, reader: Reader, part: _Part) -> Nest:
    """The places of one part by themselves."""
    value = part.number(reader)
    if part.is_empty:
        return MapNest(node, part.loops, (Store(node, part.place, value),))
    return ReduceNest(node, part.loops, part.reduced, reduction.sum_, part.place, value)


class _Part:
    """One phase of each axis: where its places lie, and the numbers that each sums.

    Attributes:
        loops: over the places.
        reduced: the loops over the windows that hold a place.
        place: in the result's buffer.
        is_empty: whether no window holds them.
    """

    def __init__(self, node: Node, outer: Sequence[Variable], phases: tuple[AxisPhase, ...]):
        self._node, self._phases = node, phases
        loops = list(outer)
        places = [variable_index(each) for each in loops]
        self._windows = list(places)
        for axis, phase in zip(node.static["axes"], phases, strict=True):
            loops[axis], places[axis] = phase.turn, phase.place
            self._windows[axis] = phase.window
        self.loops = tuple(each for each in loops if each.extent > 1)
        self.reduced = tuple(phase.number for phase in phases)
        self.place = linear(tuple(places), node.tensor_type.shape)
        self.is_empty = any(each.extent == 0 for each in self.reduced)

    def number(self, reader: Reader) -> Expression:
        """One number of one window; 0 where the window is outside of its axis, or there is none."""
        operand = self._node.operands[0]
        if self.is_empty:
            return Number(self._node.tensor_type.dtype, 0)
        offsets = [phase.offset for phase in self._phases]
        value: Expression = reader.read(operand, (*self._windows, *offsets))
        ranges = [
            (self._windows[axis], 0, operand.tensor_type.shape[axis])
            for axis in self._node.static["axes"]
            if not _is_within(self._windows[axis], operand.tensor_type.shape[axis])
        ]
        return Guarded(value.dtype, tuple(ranges), value) if ranges else value


def _is_within(place: Affine, size: int) -> bool:
    low, high = place.bounds()
    return low >= 0 and high < size
