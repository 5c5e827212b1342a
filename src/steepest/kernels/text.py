"""The loop nests of a program as text, for people to read.

group of 32 rows, 16 at a time, divided among threads, after a meeting
  for i0 < 32, i1 < 8:
    %4[8 i0 + i1] = sum over i2 < 20 of %0[20 i0 + i2] * %3[8 i2 + i1]

`%4[...]` is a number of the buffer of node %4 of the graph, at the place in the brackets.
"""

from __future__ import annotations

from collections.abc import Sequence

from steepest.graph.node import Graph, Node
from steepest.graph.text import node_numbers
from steepest.kernels.affine import Affine, Variable
from steepest.kernels.expression import (
    Apply,
    Choice,
    Expression,
    Guarded,
    Load,
    Number,
    Position,
)
from steepest.kernels.grouping import Group
from steepest.kernels.nest import (
    CheckNest,
    ContractNest,
    CumulativeNest,
    MapNest,
    Nest,
    RandomNest,
    ReduceNest,
    ScatterNest,
    SearchNest,
    SortNest,
)
from steepest.kernels.schedule import Schedule

OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def to_text(graph: Graph, made: Schedule) -> str:
    """Print the groups of a schedule and the nests in them."""
    numbers = node_numbers(graph)
    for new, old in made.updates.items():
        numbers[new] = numbers[id(old)]
    return "\n".join(line for group in made.groups for line in _group(group, numbers)) + "\n"


def _group(group: Group, numbers: dict[int, int]) -> list[str]:
    head = [f"group of {group.rows} rows" if group.rows > 1 else "group of one row"]
    if group.block < group.rows:
        head.append(f"{group.block} at a time")
    if group.rows > 1:
        head.append("by one thread" if group.is_serial else "divided among threads")
    if group.meets:
        head.append("after a meeting")
    passing = sorted(numbers[key] for key in group.passing if key in numbers)
    if passing and group.block < group.rows:
        head.append("each block of " + ", ".join(f"%{each}" for each in passing) + " in one place")
    lines = [", ".join(head)]
    for nest in group.nests:
        lines += [f"  {line}" for line in _Writer(numbers).nest(nest)]
    return lines


class _Writer:
    """Writes one nest; its loops are numbered in the order in which they are met."""

    def __init__(self, numbers: dict[int, int]):
        self._numbers = numbers
        self._loops: dict[Variable, str] = {}

    def nest(self, nest: Nest) -> list[str]:
        opened = self._ranges(nest.loops)
        lines = [f"for {opened}:"] if opened else ["once:"]
        return lines + [f"  {line}" for line in self._body(nest)]

    def _ranges(self, loops: Sequence[Variable]) -> str:
        for each in loops:
            self._loops.setdefault(each, f"i{len(self._loops)}")
        return ", ".join(f"{self._loops[each]} < {each.extent}" for each in loops)

    def _body(self, nest: Nest) -> list[str]:
        match nest:
            case MapNest():
                return [
                    f"{self._at(store.node, store.place)} = {self.value(store.value)}"
                    for store in nest.stores
                ]
            case ContractNest():
                over = self._ranges(nest.reduced)
                product = f"{self.value(nest.broadcast)} * {self.value(nest.vector)}"
                return [f"{self._at(nest.node, nest.place)} = sum over {over} of {product}"]
            case ReduceNest():
                over = self._ranges(nest.reduced)
                name = nest.primitive.name
                value = self.value(nest.value)
                return [f"{self._at(nest.node, nest.place)} = {name} over {over} of {value}"]
            case CumulativeNest():
                along = self._ranges([nest.along])
                value = self.value(nest.value)
                total = self._at(nest.node, nest.place)
                return [f"{total} = {nest.primitive.name} along {along} of {value}"]
            case ScatterNest():
                copy = f"{self._at(nest.node, nest.copy_place)} = {self.value(nest.copy_value)}"
                turns = self._ranges(nest.updates)
                where = f"{self._place(nest.target)} + {nest.step} {self.value(nest.index)}"
                target = f"%{self._numbers[id(nest.node)]}[{where}]"
                return [copy, f"for {turns}: {target} += {self.value(nest.update)}"]
            case SortNest():
                along = self._ranges([nest.along])
                order = "descending" if nest.descending else "ascending"
                value = self.value(nest.value)
                return [
                    f"{self._at(nest.node, nest.place)} = {order} order along {along} of {value}"
                ]
            case SearchNest():
                side = "right" if nest.right else "left"
                found = f"{self.value(nest.value)} in {self.value(nest.ordered)}, {side}"
                return [f"{self._at(nest.node, nest.place)} = place of {found}"]
            case RandomNest():
                return [f"%{self._numbers[id(nest.node)]}: {nest.row_numbers} random numbers a row"]
            case CheckNest():
                high = "" if nest.high is None else f" < {nest.high}"
                return [f"fault unless {nest.low} <= {self.value(nest.value)}{high}"]
        raise TypeError(f"{type(nest).__name__} has no text.")

    def _at(self, node: Node, place: Affine) -> str:
        number = self._numbers.get(id(node))
        name = node.name if number is None else f"%{number}"
        return f"{name}[{self._place(place)}]"

    def _place(self, place: Affine) -> str:
        terms = [
            self._loops[variable] if step == 1 else f"{step} {self._loops[variable]}"
            for variable, step in sorted(place.terms, key=lambda term: -abs(term[1]))
        ]
        if place.constant or not terms:
            terms.append(str(place.constant))
        return " + ".join(terms)

    def value(self, expression: Expression) -> str:
        """An expression, fully in parentheses."""
        match expression:
            case Load():
                found = self._at(expression.node, expression.place)
                for index, step, _ in expression.indices:
                    found = f"{found[:-1]} + {step} {self.value(index)}]"
                return found
            case Number():
                return str(expression.value)
            case Position():
                return self._place(expression.place)
            case Apply():
                parts = [self.value(each) for each in expression.operands]
                name = expression.primitive.name
                if name in OPERATORS and len(parts) == 2:
                    return f"({parts[0]} {OPERATORS[name]} {parts[1]})"
                return f"{name}({', '.join(parts)})"
            case Guarded():
                ranges = " and ".join(
                    f"{low} <= {self._place(place)} < {high}"
                    for place, low, high in expression.ranges
                )
                return f"({self.value(expression.value)} if {ranges} else 0)"
            case Choice():
                parts = [self.value(each) for each in expression.values]
                return f"({' | '.join(parts)} by {self._place(expression.place)})"
        raise TypeError(f"{type(expression).__name__} has no text.")
