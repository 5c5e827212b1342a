"""Turns convolutions with 3 x 3 windows into ones that multiply less.

The results of a tile of m x m positions are a product, place by place, of transforms of what the
tile sees and of the window, transformed back: (m + 2)^2 multiplications instead of 9 m^2, for each
pair of channels. For m = 4 that is a quarter. What is added in the transforms grows with the
channels, not with their square.

Source: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast algorithms
for convolutional neural networks" (2015), https://arxiv.org/abs/1509.09308.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.contraction import contract, parse_spec
from steepest.ops.movement import flip, pad, reshape, slice_, transpose
from steepest.ops.reduction import sum_
from steepest.ops.tiles import (
    IMAGE_AXES,
    Matrix,
    from_tiles,
    tile_count,
    to_tiles,
    transposed_matrix,
)
from steepest.ops.windows import windows
from steepest.passes.spread import made


@dataclasses.dataclass(frozen=True, slots=True)
class Transform:
    """How results of tiles of `size` are computed.

    Attributes:
        data, weight, result: what is taken of a tile of what is seen, of a window, and of the
            products.
    """

    size: int
    data: Matrix
    weight: Matrix
    result: Matrix


SMALL = Transform(
    2,
    ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
    ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    ((1, 1, 1, 0), (0, 1, -1, 1)),
)
NEAR, FAR = math.sqrt(0.5), math.sqrt(2.0)
"""Points which, with their opposites, 0 and infinity, lose fewer bits than whole ones."""
LARGE = Transform(
    4,
    (
        (1, 0, -2.5, 0, 1, 0),
        (0, -FAR, -2, NEAR, 1, 0),
        (0, FAR, -2, -NEAR, 1, 0),
        (0, -NEAR, -0.5, FAR, 1, 0),
        (0, NEAR, -0.5, -FAR, 1, 0),
        (0, 1, 0, -2.5, 0, 1),
    ),
    (
        (1, 0, 0),
        (-2 / 3, -2 / 3 * NEAR, -1 / 3),
        (-2 / 3, 2 / 3 * NEAR, -1 / 3),
        (1 / 6, 1 / 6 * FAR, 1 / 3),
        (1 / 6, -1 / 6 * FAR, 1 / 3),
        (0, 0, 1),
    ),
    (
        (1, 1, 1, 1, 1, 0),
        (0, NEAR, -NEAR, FAR, -FAR, 0),
        (0, 0.5, 0.5, 2, 2, 0),
        (0, NEAR / 2, -NEAR / 2, 2 * FAR, -2 * FAR, 1),
    ),
)

WINDOW = 3
MULTIPLY = 0.02
"""Nanoseconds of a multiplication and an addition."""
TRANSFORM = 0.35
"""Nanoseconds in which a number of a tile is computed, and goes to a near cache and back."""
WORTH = 0.8
"""The share of the time of windows that tiles may take."""
LEAST_TILES = 16
"""Tiles whose products are computed at a time, at least."""


MOST_TILES = 524_288
"""Bytes of tiles that stay in a near cache until they are used."""


def winograd(
    graph: Graph,
    transforms: Sequence[Transform] = (SMALL, LARGE),
    worth: float = WORTH,
) -> Graph:
    """Replace contractions of 3 x 3 windows where that takes less time.

    Args:
        transforms: those that may be used.
        worth: the share of the time of windows that tiles may take.
    """

    def rewrite(node: Node, operands: tuple[Node, ...]) -> Node:
        node = keep(node, operands)
        found = _convolution(node)
        transform = None if found is None else _best(found, transforms, worth)
        if found is None or transform is None:
            return node
        replace = _gradient if found.is_gradient else _results
        return replace(found, transform, node)

    return rebuild(graph, rewrite)


@dataclasses.dataclass(frozen=True, slots=True)
class _Convolution:
    """A contraction of 3 x 3 windows: a convolution, or the gradient of a kernel.

    Attributes:
        images: what the windows are of: (n, height, width, channels).
        other: the kernel, (channels, 3, 3, features); or a gradient, (n, height, width, features).
        is_gradient: whether the result is the gradient of a kernel.
        flipped: the axes of the kernel that are turned round.
        letters: n, height, width, features; or channels, the axes of windows, features.
        output: the same letters in the order of the result.
    """

    images: Node
    other: Node
    is_gradient: bool
    flipped: tuple[int, ...]
    letters: str
    output: str

    @property
    def features(self) -> int:
        return self.other.tensor_type.shape[-1]

    @property
    def positions(self) -> tuple[int, int]:
        """Where windows are, down and across."""
        _, height, width, _ = self.images.tensor_type.shape
        return height - WINDOW + 1, width - WINDOW + 1


def _convolution(node: Node) -> _Convolution | None:
    """What a contraction of windows is; `None` if it is nothing that is replaced."""
    if node.op is not contract or not node.tensor_type.dtype.is_floating:
        return None
    *terms, output = parse_spec(node.static["spec"])
    side = next((n for n, each in enumerate(node.operands) if each.op is windows), None)
    if side is None or not _is_square(node.operands[side]):
        return None
    seen, other, letters = node.operands[side], node.operands[1 - side], terms[1 - side]
    own, offsets = terms[side][:IMAGE_AXES], terms[side][IMAGE_AXES:]
    places = "".join(own[axis] for axis in seen.static["axes"])
    new = [each for each in letters if each not in own + offsets]
    rest = [each for each in own if each not in places]
    if len(new) != 1 or len(rest) != 2:
        return None
    for batch, channel in (rest, rest[::-1]):
        of_images, of_kernel = f"{batch}{places}{new[0]}", f"{channel}{offsets}{new[0]}"
        for wanted, result in ((of_kernel, of_images), (of_images, of_kernel)):
            if set(wanted) != set(letters) or set(result) != set(output):
                continue
            flipped, other = _unflipped(other, letters, wanted)
            images = _ordered(seen.operands[0], own, [batch, *places, channel], node)
            other = _ordered(other, letters, [*wanted], node)
            return _Convolution(images, other, result is of_kernel, flipped, result, output)
    return None


def _is_square(seen: Node) -> bool:
    """Whether windows are 3 x 3 neighbours of images, each of them a number and no gap."""
    static, (images,) = seen.static, seen.operands
    return (
        images.tensor_type.ndim == IMAGE_AXES
        and static["sizes"] == (WINDOW, WINDOW)
        and {*static["steps"], *static["dilations"]} == {1}
        and not (images.op is pad and any(images.static["interior"]))
    )


def _unflipped(node: Node, letters: str, wanted: str) -> tuple[tuple[int, ...], Node]:
    """Which axes of what is `wanted` are turned round, and what they are turned of."""
    if node.op is not flip:
        return (), node
    axes = sorted(wanted.index(letters[axis]) for axis in node.static["axes"])
    return tuple(axes), node.operands[0]


def _best(found: _Convolution, transforms: Sequence[Transform], worth: float) -> Transform | None:
    """The transform that takes the least time; `None` where windows take no more."""
    least, chosen = _work(found, None) * worth, None
    for each in transforms:
        work = _work(found, each)
        if min(found.positions) >= each.size and work < least:
            least, chosen = work, each
    return chosen


def _work(found: _Convolution, transform: Transform | None) -> float:
    """About how many nanoseconds a convolution takes, by windows or by tiles."""
    count, *_, channels = found.images.tensor_type.shape
    pairs = channels * found.features
    if transform is None:
        return count * math.prod(found.positions) * pairs * WINDOW**2 * MULTIPLY
    places = (transform.size + WINDOW - 1) ** 2
    tiles = count * math.prod(_grid(found, transform.size))
    moved = tiles * (channels + found.features) + pairs
    return places * (tiles * pairs * MULTIPLY + moved * TRANSFORM)


def _grid(found: _Convolution, size: int) -> tuple[int, int]:
    """How many tiles of results there are, down and across."""
    down, across = (tile_count(each, size, size) for each in found.positions)
    return down, across


def _flipped(node: Node, axes: tuple[int, ...], replaced: Node) -> Node:
    return made(flip, [node], {"axes": axes}, replaced) if axes else node


def _results(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The results of a convolution, by tiles."""
    count, *_, channels = found.images.tensor_type.shape
    grid = _grid(found, transform.size)
    together = _together(count, math.prod(grid))
    options = {"matrix": transform.data, "step": transform.size, "together": together}
    tiles = made(to_tiles, [found.images], options, node)
    kernel = _flipped(found.other, found.flipped, node)
    options = {"matrix": transform.weight, "step": WINDOW, "together": channels}
    weight = made(to_tiles, [kernel], options, node)
    weight = made(reshape, [weight], {"shape": weight.tensor_type.shape[1:]}, node)
    product = made(contract, [tiles, weight], {"spec": "npqc,pck->npqk"}, node)
    result = made(from_tiles, [product], {"matrix": transform.result, "grid": grid}, node)
    stop = (count, *found.positions, found.features)
    if result.tensor_type.shape != stop:
        static = {"start": (0,) * 4, "stop": stop, "step": (1,) * 4}
        result = made(slice_, [result], static, node)
    return _ordered(result, found.letters, [*found.output], node)


def _gradient(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The gradient of a kernel, by tiles: the transforms of a convolution, transposed."""
    count, *_, channels = found.images.tensor_type.shape
    side = transform.size + WINDOW - 1
    grid = _grid(found, transform.size)
    itemsize = node.tensor_type.dtype.itemsize
    image = side**2 * math.prod(grid) * (channels + found.features) * itemsize
    fitting = [each for each in range(1, count + 1) if count % each == 0]
    together = max((each for each in fitting if each * image <= MOST_TILES), default=1)
    result_bytes = side**2 * channels * found.features * itemsize
    by_parts = count // together * result_bytes < count * image
    options = {"step": transform.size, "together": together}
    tiles = made(to_tiles, [found.images], {"matrix": transform.data, **options}, node)
    back = transposed_matrix(transform.result)
    other = _flipped(found.other, found.flipped, node)
    other = made(to_tiles, [other], {"matrix": back, **options}, node)
    if by_parts:
        parts = made(contract, [tiles, other], {"spec": "npqc,npqk->npck"}, node)
        product = made(sum_, [parts], {"axes": (0,)}, node)
    else:
        product = made(contract, [tiles, other], {"spec": "npqc,npqk->pck"}, node)
    product = made(reshape, [product], {"shape": (1, *product.tensor_type.shape)}, node)
    back = transposed_matrix(transform.weight)
    result = made(from_tiles, [product], {"matrix": back, "grid": (1, 1)}, node)
    return _ordered(result, found.letters, [*found.output], node)


def _together(count: int, tiles: int) -> int:
    """How many images' tiles lie together, so that enough do."""
    fitting = [each for each in range(1, count + 1) if count % each == 0]
    return next((each for each in fitting if each * tiles >= LEAST_TILES), count)


def _ordered(node: Node, letters: str, wanted: list[str], replaced: Node) -> Node:
    """A tensor with its axes in another order."""
    axes = tuple(letters.index(each) for each in wanted)
    if axes == tuple(range(len(axes))):
        return node
    return made(transpose, [node], {"axes": axes}, replaced)
