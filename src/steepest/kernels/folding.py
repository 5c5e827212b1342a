"""Loop nests of `fold`: each number of the result sums the windows that hold it.

Which windows hold a place is affine in the place only among the places of one phase, that is of one
remainder by the step: place = step * turn + remainder. So there is one nest for each phase.
"""

from __future__ import annotations

import dataclasses
import itertools

from steepest.graph.node import Node
from steepest.kernels.affine import Affine, Variable, linear, variable_index
from steepest.kernels.expression import Expression, Guarded, Number
from steepest.kernels.nest import MapNest, Nest, ReduceNest, Store
from steepest.kernels.reading import Reader
from steepest.ops import reduction


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
    for remainder in range(min(step, length)):
        turn = Variable(-(-(length - remainder) // step))
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
    phases = list(itertools.product(*(axis_phases(*each) for each in options)))
    return [_nest(node, reader, each, alone=len(phases) == 1) for each in phases]


def _nest(node: Node, reader: Reader, phases: tuple[AxisPhase, ...], alone: bool) -> Nest:
    axes, shape, dtype = node.static["axes"], node.tensor_type.shape, node.tensor_type.dtype
    loops = [Variable(size) for size in shape]
    places = [variable_index(each) for each in loops]
    windows = list(places)
    for axis, phase in zip(axes, phases, strict=True):
        loops[axis], places[axis], windows[axis] = phase.turn, phase.place, phase.window
    wide = tuple(each for each in loops if each.extent > 1)
    # A first loop of one turn where phases lie between each other: they are one unit of work.
    wide = wide if alone else (Variable(1), *wide)
    place = linear(tuple(places), shape)
    if any(phase.number.extent == 0 for phase in phases):
        return MapNest(node, wide, (Store(node, place, Number(dtype, 0)),))
    operand = node.operands[0]
    offsets = [phase.offset for phase in phases]
    value: Expression = reader.read(operand, (*windows, *offsets))
    ranges = [
        (windows[axis], 0, operand.tensor_type.shape[axis])
        for axis in axes
        if not _is_within(windows[axis], operand.tensor_type.shape[axis])
    ]
    if ranges:
        value = Guarded(dtype, tuple(ranges), value)
    reduced = tuple(phase.number for phase in phases)
    return ReduceNest(node, wide, reduced, reduction.sum_, place, value)


def _is_within(place: Affine, size: int) -> bool:
    low, high = place.bounds()
    return low >= 0 and high < size
