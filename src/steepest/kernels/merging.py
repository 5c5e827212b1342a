"""Joins loops that count through neighbours together, so that the innermost loop is long."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from steepest.kernels.affine import Affine, Variable, variable_index
from steepest.kernels.expression import Apply, Expression, Load, Number, walk
from steepest.kernels.nest import MapNest

Places = tuple[Affine, ...]


def merged_loops(loops: Sequence[Variable], places: Places) -> tuple[tuple[Variable, ...], Places]:
    """Make one loop of neighbours where every place moves as by one; the first loop stays.

    Returns:
        The loops, and the places by them.
    """
    found = list(loops[:2])
    for each in loops[2:]:
        last = found[-1]
        steps = [(place.step(last), place.step(each)) for place in places]
        if any(far != near * each.extent for far, near in steps):
            found.append(each)
            continue
        joined = found[-1] = Variable(last.extent * each.extent)
        places = tuple(
            place.without(last).without(each) + variable_index(joined) * near
            for place, (_, near) in zip(places, steps, strict=True)
        )
    return tuple(found), places


def with_merged_loops(nest: MapNest) -> MapNest:
    """The same nest with as few loops as its places allow; itself where selections are made."""
    loads: list[Load] = []
    for each in walk(*(store.value for store in nest.stores)):
        if not isinstance(each, (Load, Number, Apply)):
            return nest
        if isinstance(each, Load):
            if each.indices:
                return nest
            loads.append(each)
    places = (*(store.place for store in nest.stores), *(load.place for load in loads))
    loops, moved = merged_loops(nest.loops, places)
    if len(loops) == len(nest.loops):
        return nest
    count = len(nest.stores)
    made: dict[int, Expression] = {
        id(load): dataclasses.replace(load, place=place)
        for load, place in zip(loads, moved[count:], strict=True)
    }
    stores = tuple(
        dataclasses.replace(store, place=place, value=_rebuilt(store.value, made))
        for store, place in zip(nest.stores, moved, strict=False)
    )
    return MapNest(nest.node, loops, stores)


def _rebuilt(expression: Expression, made: dict[int, Expression]) -> Expression:
    """An expression of other loads; what is shared stays so."""
    found = made.get(id(expression))
    if found is None:
        found = expression
        if isinstance(expression, Apply):
            parts = tuple(_rebuilt(each, made) for each in expression.operands)
            found = dataclasses.replace(expression, operands=parts)
        made[id(expression)] = found
    return found
