"""Turns the data gradient of a convolution, and a transposed convolution, into a dense contraction.

Differentiation gives the data gradient of a convolution as `fold(contract(output_grad, weight))`:
every number of the output gradient is spread over a window, and windows are summed in place. It is
also the convolution of the output gradient, with zeros around it and `step - 1` zeros between its
numbers, with the flipped weight:

    contract(windows(pad(output_grad, interior=step - 1)), flip(weight))

which writes each number once, and which a compiler makes like any other convolution. Sums run in
another order, so the result can differ in its last bits. What goes into few features is turned into
a sum of shifted images instead (`thin_folds.py`).
"""

from __future__ import annotations

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.contraction import contract
from steepest.ops.movement import flip, pad, slice_
from steepest.ops.windows import window_span, windows
from steepest.passes.replacing import made
from steepest.passes.spread import Spread, spread_of
from steepest.passes.thin_folds import is_thin, shifted


def dense_data_gradients(graph: Graph) -> Graph:
    """Replace folds of contractions by contractions of windows, where windows overlap.

    A slice of the result is taken of the windows instead, so that nothing is computed in vain:
    the gradient of padding is such a slice.
    """

    def cropped(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        if node.op is not slice_ or 0 in node.tensor_type.shape:
            return node
        spread = spread_of(node.operands[0])
        if spread is None or is_thin(spread):
            return node
        inner = node.operands[0].tensor_type.shape
        plain = zip(inner, node.tensor_type.shape, strict=True)
        kept = [axis for axis, (before, after) in enumerate(plain) if before == after]
        if not all(axis in spread.axes or axis in kept for axis in range(len(inner))):
            return node
        return _dense(spread, node, node.static["start"], node.static["step"])

    def whole(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        spread = spread_of(node)
        if spread is None:
            return node
        if is_thin(spread):
            return shifted(spread, node)
        ndim = node.tensor_type.ndim
        return _dense(spread, node, (0,) * ndim, (1,) * ndim)

    return rebuild(rebuild(graph, cropped), whole)


def _dense(spread: Spread, node: Node, start: tuple[int, ...], step: tuple[int, ...]) -> Node:
    """The dense contraction that stands for `node`.

    Args:
        node: the fold, or a slice of it.
        start, step: where the slice begins on each axis, and how far apart its numbers are.
    """
    data, ndim = spread.data, spread.data.tensor_type.ndim
    low, high, interior = [0] * ndim, [0] * ndim, [0] * ndim
    options: list[tuple[int, int, int, int, str]] = []
    for n, (axis, (place, offset)) in enumerate(zip(spread.axes, spread.letters, strict=True)):
        own = spread.data_letters.index(place)
        size = spread.weight.tensor_type.shape[spread.weight_letters.index(offset)]
        reach = window_span(size, spread.dilations[n])
        interior[own] = spread.steps[n] - 1
        low[own] = reach - 1 - start[axis]
        needed = (node.tensor_type.shape[axis] - 1) * step[axis] + reach
        spaced = (data.tensor_type.shape[own] - 1) * spread.steps[n] + 1
        high[own] = needed - low[own] - spaced
        options.append((own, size, step[axis], spread.dilations[n], offset))
    options.sort()
    axes, sizes, steps, dilations, offsets = zip(*options, strict=True)
    padded = _padded(data, low, high, interior, node)
    static = {"axes": axes, "sizes": sizes, "steps": steps, "dilations": dilations}
    seen = made(windows, (padded,), static, node)
    flipped_axes = tuple(sorted(spread.weight_letters.index(each) for each in offsets))
    flipped = made(flip, (spread.weight,), {"axes": flipped_axes}, node)
    spec = (
        f"{spread.data_letters}{''.join(offsets)},{spread.weight_letters}->{spread.output_letters}"
    )
    return made(contract, (seen, flipped), {"spec": spec}, node)


def _padded(data: Node, low: list[int], high: list[int], interior: list[int], origin: Node) -> Node:
    """Zeros around and between the numbers; where `low` or `high` is negative, numbers cut off."""
    static = {
        "low": tuple(max(each, 0) for each in low),
        "high": tuple(max(each, 0) for each in high),
        "interior": tuple(interior),
    }
    if any(map(any, static.values())):
        data = made(pad, (data,), static, origin)
    if min(*low, *high) >= 0:
        return data
    shape = data.tensor_type.shape
    start = tuple(max(-each, 0) for each in low)
    stop = tuple(size - max(-each, 0) for size, each in zip(shape, high, strict=True))
    static = {"start": start, "stop": stop, "step": (1,) * len(shape)}
    return made(slice_, (data,), static, origin)
