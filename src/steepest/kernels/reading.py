"""How one number of a node's value is had: read from its buffer, or computed on the spot.

Movement operations compute nothing: they turn the index that is asked for into the index of their
operand. So a chain of elementwise and movement operations becomes one expression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.errors import GraphError
from steepest.graph.dtypes import DType, to_compute, to_storage
from steepest.graph.node import Node
from steepest.kernels.affine import Affine, linear, row_major
from steepest.kernels.expression import (
    Apply,
    Choice,
    Expression,
    Guarded,
    Load,
    Number,
    Position,
)
from steepest.ops import indexing, movement, sources, windows

if TYPE_CHECKING:
    from steepest.kernels.layout import Layout

Index = tuple[Affine, ...]


def contracted_groups(
    outer: tuple[int, ...], inner: tuple[int, ...]
) -> list[tuple[list[int], list[int]]] | None:
    """Match the axes of a reshape's result with those of its operand, in runs of equal size.

    Returns:
        Pairs (axes of `outer`, axes of `inner`), or `None` where a tensor is empty.
    """
    if 0 in outer or 0 in inner:
        return None
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(outer) or j < len(inner):
        left, right = [], []
        left_size = right_size = 1
        if i < len(outer):
            left.append(i)
            left_size = outer[i]
            i += 1
        if j < len(inner):
            right.append(j)
            right_size = inner[j]
            j += 1
        while left_size != right_size:
            if left_size < right_size:
                left.append(i)
                left_size *= outer[i]
                i += 1
            else:
                right.append(j)
                right_size *= inner[j]
                j += 1
        groups.append((left, right))
    return groups


def reshaped_index(index: Index, outer: tuple[int, ...], inner: tuple[int, ...]) -> Index | None:
    """The operand's index of a reshape, or `None` where it is not affine in the result's."""
    groups = contracted_groups(outer, inner)
    if groups is None:
        return None
    result: list[Affine] = [Affine(0)] * len(inner)
    for left, right in groups:
        wide = [axis for axis in right if inner[axis] != 1]
        place = Affine(0)
        for axis, step in zip(left, row_major(tuple(outer[n] for n in left)), strict=True):
            place = place + index[axis] * step
        if len(wide) == 1:
            result[wide[0]] = place
        elif wide and not _split(place, [inner[n] for n in wide], wide, result):
            return None
    return tuple(result)


def _split(place: Affine, sizes: list[int], axes: list[int], result: list[Affine]) -> bool:
    """Cut a place into an index for several axes, if every term belongs to one axis."""
    steps = row_major(tuple(sizes))
    parts: list[Affine] = [Affine(0)] * len(sizes)
    for variable, step in place.terms:
        for n, (axis_step, size) in enumerate(zip(steps, sizes, strict=True)):
            if step % axis_step == 0 and step // axis_step < size:
                parts[n] = parts[n] + Affine(0, ((variable, step // axis_step),))
                break
        else:
            return False
    rest = place.constant
    for n, axis_step in enumerate(steps):
        parts[n] = parts[n] + rest // axis_step
        rest %= axis_step
    for axis, part, size in zip(axes, parts, sizes, strict=True):
        low, high = part.bounds()
        if low < 0 or high >= size:
            return False
        result[axis] = part
    return True


class NeedsBuffer(Exception):  # noqa: N818 - a request, not an error
    """A node is read at an index that only a buffer can serve."""

    def __init__(self, node: Node):
        super().__init__(f"{node!r} needs a buffer")
        self.node = node


class NeedsPlainBuffer(NeedsBuffer):
    """A node is read as if its rows followed each other without padding."""


class Reader:
    """Builds expressions for values at indices; equal ones are made once.

    Args:
        stored: the nodes that have a buffer.
        layout: how their numbers lie.
    """

    def __init__(self, stored: set[int], layout: Layout):
        self._stored = stored
        self._layout = layout
        self._made: dict[Any, Expression] = {}

    def read(self, node: Node, index: Index) -> Expression:
        """The value of `node` at `index`."""
        key = (id(node), index)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._read(node, index)
        return found

    def compute(self, node: Node, index: Index) -> Expression:
        """The value of `node` at `index`, computed even if it has a buffer."""
        return self._compute(node, index)

    def keep(self, node: Node, index: Index, expression: Expression) -> None:
        """Use this expression for a value from here on."""
        self._made[id(node), index] = expression

    def _read(self, node: Node, index: Index) -> Expression:
        if node.tensor_type.size == 0:
            # No turn of any loop comes here, or its result is not used: there is nothing to read.
            return Number(node.tensor_type.dtype, 0)
        if node.is_input or id(node) in self._stored:
            return Load(node.tensor_type.dtype, node, self._layout.place(node, index))
        return self._compute(node, index)

    def _compute(self, node: Node, index: Index) -> Expression:
        op = node.op
        assert op is not None
        if getattr(op, "is_elementwise", False):
            operands = tuple(
                self.read(each, broadcast_index(index, each)) for each in node.operands
            )
            return Apply(node.tensor_type.dtype, op, node.static, operands)  # type: ignore[arg-type]
        rule = _RULES.get(op.name)
        if rule is None:
            raise GraphError(f"{node!r} at {node.origin} must have a buffer, but has none.")
        return rule(self, node, index)

    def _reshape(self, node: Node, index: Index) -> Expression:
        operand = node.operands[0]
        inner = reshaped_index(index, node.tensor_type.shape, operand.tensor_type.shape)
        if inner is not None:
            return self.read(operand, inner)
        if not operand.is_input and id(operand) not in self._stored:
            raise NeedsBuffer(operand)
        if self._layout.is_padded(operand):
            raise NeedsPlainBuffer(operand)
        return Load(node.tensor_type.dtype, operand, linear(index, node.tensor_type.shape))

    def _transpose(self, node: Node, index: Index) -> Expression:
        axes = node.static["axes"]
        inner = [index[axes.index(axis)] for axis in range(len(axes))]
        return self.read(node.operands[0], tuple(inner))

    def _broadcast(self, node: Node, index: Index) -> Expression:
        return self.read(node.operands[0], broadcast_index(index, node.operands[0]))

    def _slice(self, node: Node, index: Index) -> Expression:
        parts = zip(index, node.static["start"], node.static["step"], strict=True)
        return self.read(node.operands[0], tuple(each * by + first for each, first, by in parts))

    def _flip(self, node: Node, index: Index) -> Expression:
        shape = node.tensor_type.shape
        inner = [
            each * -1 + (shape[n] - 1) if n in node.static["axes"] else each
            for n, each in enumerate(index)
        ]
        return self.read(node.operands[0], tuple(inner))

    def _pad(self, node: Node, index: Index) -> Expression:
        operand = node.operands[0]
        inner, ranges = [], []
        parts = zip(index, node.static["low"], node.static["interior"], strict=True)
        for n, (each, low, between) in enumerate(parts):
            size = operand.tensor_type.shape[n]
            if between:
                inner.append(self._between(node, each + -low, between + 1))
                continue
            inner.append(each + -low)
            if node.tensor_type.shape[n] != size:
                ranges.append((each + -low, 0, size))
        value = self.read(operand, tuple(inner))
        return Guarded(node.tensor_type.dtype, tuple(ranges), value) if ranges else value

    @staticmethod
    def _between(node: Node, place: Affine, step: int) -> Affine:
        """Which number stands at a place where numbers, `step` apart, always stand."""
        steps = [by for _, by in place.terms]
        if any(each % step for each in (place.constant, *steps)):
            raise GraphError(f"{node!r}: interior padding is written by its own loops.")
        terms = tuple((variable, by // step) for variable, by in place.terms)
        return Affine(place.constant // step, terms)

    def _windows(self, node: Node, index: Index) -> Expression:
        static = node.static
        inner = list(index[: len(index) - len(static["axes"])])
        offsets = index[len(inner) :]
        parts = zip(static["axes"], offsets, static["steps"], static["dilations"], strict=True)
        for axis, offset, step, dilation in parts:
            inner[axis] = inner[axis] * step + offset * dilation
        return self.read(node.operands[0], tuple(inner))

    def _concat(self, node: Node, index: Index) -> Expression:
        axis = node.static["axis"]
        ends, values = [], []
        start = 0
        for operand in node.operands:
            size = operand.tensor_type.shape[axis]
            if size == 0:
                continue
            inner = (*index[:axis], index[axis] + -start, *index[axis + 1 :])
            values.append(self.read(operand, inner))
            start += size
            ends.append(start)
        return Choice(node.tensor_type.dtype, index[axis], tuple(ends), tuple(values))

    def _take(self, node: Node, index: Index) -> Expression:
        operand, indices = node.operands
        axis, width = node.static["axis"], indices.tensor_type.ndim
        where = self.read(indices, index[axis : axis + width])
        inner = (*index[:axis], Affine(0), *index[axis + width :])
        return self._indirect(operand, inner, where, axis)

    def _take_along_axis(self, node: Node, index: Index) -> Expression:
        operand, indices = node.operands
        axis = node.static["axis"]
        where = self.read(indices, index)
        return self._indirect(operand, (*index[:axis], Affine(0), *index[axis + 1 :]), where, axis)

    def _indirect(self, operand: Node, index: Index, where: Expression, axis: int) -> Expression:
        shape = operand.tensor_type.shape
        if operand.tensor_type.size == 0:
            return Number(operand.tensor_type.dtype, 0)
        step = self._layout.steps(operand)[axis]
        place = self._layout.place(operand, index)
        return Load(operand.tensor_type.dtype, operand, place, ((where, step, shape[axis]),))

    def _full(self, node: Node, _: Index) -> Expression:
        return _number(node.tensor_type.dtype, node.static["value"])

    def _constant(self, node: Node, _: Index) -> Expression:
        return _number(node.tensor_type.dtype, node.static["value"].reshape(-1)[0])

    def _iota(self, node: Node, index: Index) -> Expression:
        return Position(node.tensor_type.dtype, index[node.static["axis"]])


def _number(dtype: DType, value: Any) -> Number:
    """A constant, rounded and wrapped as the evaluator stores it."""
    with np.errstate(all="ignore"):
        numbers = np.full((), value, dtype.compute)
    return Number(dtype, to_compute(to_storage(numbers, dtype), dtype).item())


def broadcast_index(index: Index, operand: Node) -> Index:
    """The index of an operand that was broadcast: axes of size 1 stay at 0."""
    shape = operand.tensor_type.shape
    own = index[len(index) - len(shape) :]
    return tuple(Affine(0) if size == 1 else each for each, size in zip(own, shape, strict=True))


_RULES = {
    movement.reshape.name: Reader._reshape,
    movement.transpose.name: Reader._transpose,
    movement.broadcast_to.name: Reader._broadcast,
    movement.slice_.name: Reader._slice,
    movement.flip.name: Reader._flip,
    movement.pad.name: Reader._pad,
    movement.concat.name: Reader._concat,
    indexing.take.name: Reader._take,
    indexing.take_along_axis.name: Reader._take_along_axis,
    sources.full.name: Reader._full,
    sources.constant.name: Reader._constant,
    sources.iota.name: Reader._iota,
    windows.windows.name: Reader._windows,
}
