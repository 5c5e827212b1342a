"""Folds into few features, such as the colours of an image, as sums of shifted images.

A dense contraction would compute a few numbers side by side, of which a vector holds more. Here one
contraction gives all numbers of the windows of a position, which are many; where a window is as
long as some whole steps, those of each step stand side by side in an image of the result's
positions, and these images, moved by their steps, are summed.
"""

from __future__ import annotations

import itertools
import math

from steepest.graph.node import Node
from steepest.ops.contraction import contract
from steepest.ops.elementwise.arithmetic import add
from steepest.ops.movement import pad, reshape, slice_, transpose
from steepest.passes.replacing import made, ordered
from steepest.passes.spread import Spread

THIN = 4
"""Features of a result that leave most of a vector idle."""
FULL = 16
"""Numbers side by side that fill a vector."""


def is_thin(spread: Spread) -> bool:
    """Whether a fold has few features, is of whole steps, and sums enough."""
    data, weight = spread.data.tensor_type.shape, spread.weight.tensor_type.shape
    sizes = dict(zip(spread.data_letters + spread.weight_letters, data + weight, strict=True))
    own = [each for each in _features(spread) if each not in spread.data_letters]
    offsets = [sizes[offset] for _, offset in spread.letters]
    features = math.prod(sizes[each] for each in own)
    are_whole = all(size % step == 0 for size, step in zip(offsets, spread.steps, strict=True))
    is_plain = set(spread.dilations) == {1} and own == _features(spread)
    is_wide = math.prod(offsets) * features >= FULL
    summed = math.prod(sizes[each] for each in _summed(spread))
    return is_plain and are_whole and features <= THIN and is_wide and summed >= FULL


def shifted(spread: Spread, node: Node) -> Node:
    """The sum of shifted images that stands for the fold `node`."""
    places = [place for place, _ in spread.letters]
    offsets = [offset for _, offset in spread.letters]
    summed, features = _summed(spread), _features(spread)
    rows = [each for each in spread.data_letters if each not in (*places, *summed)]
    data = ordered(spread.data, spread.data_letters, [*rows, *places, *summed], node)
    weight = ordered(spread.weight, spread.weight_letters, [*summed, *offsets, *features], node)
    kept, window = weight.tensor_type.shape[: len(summed)], weight.tensor_type.shape[len(summed) :]
    flat = made(reshape, [weight], {"shape": (*kept, math.prod(window))}, node)
    left, right = "".join([*rows, *places]), "".join(summed)
    spec = f"{left}{right},{right}{offsets[0]}->{left}{offsets[0]}"
    windows = made(contract, [data, flat], {"spec": spec}, node)
    result = _sum_of_images(windows, window, len(rows), spread, node)
    return ordered(result, "".join([*rows, *places, *features]), [*spread.output_letters], node)


def _sum_of_images(
    windows: Node, window: tuple[int, ...], rows: int, spread: Spread, node: Node
) -> Node:
    """Sum the windows, (*rows, *positions, numbers), into (*rows, *lengths, *features).

    Args:
        window: the sizes of a window, and of the features.
        rows: how many axes come before the positions.
    """
    count, steps = len(spread.steps), spread.steps
    lead = windows.tensor_type.shape[: rows + count]
    turns = [size // step for size, step in zip(window, steps, strict=False)]
    parts = [each for pair in zip(turns, steps, strict=True) for each in pair]
    features = window[count:]
    cut = made(reshape, [windows], {"shape": (*lead, *parts, *features)}, node)
    lengths = [node.static["lengths"][n] for n in range(count)]
    total: Node | None = None
    for turn in itertools.product(*map(range, turns)):
        image = _image(cut, turn, rows, steps, features, node)
        low, high = [0] * image.tensor_type.ndim, [0] * image.tensor_type.ndim
        for n, (each, step) in enumerate(zip(turn, steps, strict=True)):
            low[rows + n] = each * step
            high[rows + n] = lengths[n] - each * step - image.tensor_type.shape[rows + n]
        static = {"low": tuple(low), "high": tuple(high), "interior": (0,) * len(low)}
        moved = made(pad, [image], static, node)
        total = moved if total is None else made(add, [total, moved], {}, node)
    assert total is not None
    return total


def _image(
    cut: Node,
    turn: tuple[int, ...],
    rows: int,
    steps: tuple[int, ...],
    features: tuple[int, ...],
    node: Node,
) -> Node:
    """The numbers of one step of all windows, side by side: (*rows, *positions * steps, ...)."""
    count, shape = len(steps), cut.tensor_type.shape
    start, stop = [0] * len(shape), list(shape)
    for n, each in enumerate(turn):
        start[rows + count + 2 * n] = each
        stop[rows + count + 2 * n] = each + 1
    static = {"start": tuple(start), "stop": tuple(stop), "step": (1,) * len(shape)}
    one = made(slice_, [cut], static, node)
    lead = shape[: rows + count]
    one = made(reshape, [one], {"shape": (*lead, *steps, *features)}, node)
    pairs = [each for n in range(count) for each in (rows + n, rows + count + n)]
    last = range(rows + 2 * count, one.tensor_type.ndim)
    one = made(transpose, [one], {"axes": (*range(rows), *pairs, *last)}, node)
    lengths = [size * step for size, step in zip(lead[rows:], steps, strict=True)]
    return made(reshape, [one], {"shape": (*lead[:rows], *lengths, *features)}, node)


def _summed(spread: Spread) -> list[str]:
    both = set(spread.data_letters) & set(spread.weight_letters)
    return [each for each in spread.data_letters if each in both - set(spread.output_letters)]


def _features(spread: Spread) -> list[str]:
    """The letters of the weight in the result."""
    return [each for each in spread.weight_letters if each in spread.output_letters]
