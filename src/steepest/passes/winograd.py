"""Turns convolutions with windows of 3 x 3, or of 4 x 4 two apart, into ones that multiply less.

The results of a tile of m x m positions are a product, place by place, of transforms of what the
tile sees and of the window, transformed back: (m + 2)^2 multiplications instead of 9 m^2, for each
pair of channels. For m = 4 that is a quarter. What is added in the transforms grows with the
channels, not with their square.

Windows of 4 x 4 that lie two apart are the sum of four windows of 2 x 2: one for each *phase*, that
is for even or odd rows and columns of the image. And where numbers are spread two apart before such
windows, as in transposed convolutions, results of each phase are of windows of 2 x 2.

Source: Winograd, "Arithmetic complexity of computations" (1980); Lavin and Gray, "Fast algorithms
for convolutional neural networks" (2015), https://arxiv.org/abs/1509.09308.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from steepest.graph.dtypes import float32, float64
from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.contraction import contract, parse_spec
from steepest.ops.movement import flip, pad, reshape, slice_, transpose
from steepest.ops.reduction import sum_
from steepest.ops.tiles import IMAGE_AXES, from_tiles, to_tiles, transposed_matrix
from steepest.ops.windows import windows
from steepest.passes.spread import made
from steepest.passes.transforms import TRANSFORMS, Transform

MULTIPLY = 0.02
"""Nanoseconds of a multiplication and an addition."""
TRANSFORM = 0.35
"""Nanoseconds in which a number of a tile is computed, and goes to a near cache and back."""
WORTH = 0.8
"""The share of the time of windows that tiles may take."""
LEAST_TILES = 16
"""Tiles whose products are computed at a time, at least."""
MANY_TILES = 64
"""So many instead, where a transformed kernel comes from afar each time."""
NEAR_BYTES = 1_048_576
"""Bytes of a transformed kernel that stay in a near cache."""
MOST_TILES = 1_048_576
"""Bytes of tiles that stay in a near cache until they are used."""


def winograd(
    graph: Graph,
    transforms: Mapping[int, Sequence[Transform]] = TRANSFORMS,
    worth: float = WORTH,
) -> Graph:
    """Replace contractions of windows where that takes less time.

    Args:
        transforms: those that may be used, by how many numbers a window of one phase has.
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
    """A contraction of windows: a convolution, or the gradient of a kernel.

    Attributes:
        images: what the windows are of: (n, height, width, channels).
        other: the kernel, (channels, k, k, features); or a gradient, (n, height, width, features).
        positions: where windows are, of one phase where results have phases, down and across.
        window: how many numbers a window of one phase has, down and across.
        phases: how many phases there are, down and across.
        is_spread: whether results have phases, and not the images.
        start: where in the images the first window begins.
        is_gradient: whether the result is the gradient of a kernel.
        flipped: the axes of the kernel that are turned round.
        letters: n, height, width, features; or channels, the axes of windows, features.
        output: the same letters in the order of the result.
    """

    images: Node
    other: Node
    positions: tuple[int, int]
    window: int
    phases: int
    is_spread: bool
    start: int
    is_gradient: bool
    flipped: tuple[int, ...]
    letters: str
    output: str

    @property
    def channels(self) -> int:
        return self.images.tensor_type.shape[-1]

    @property
    def features(self) -> int:
        return self.other.tensor_type.shape[-1]

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.images.tensor_type.shape[0]


def _convolution(node: Node) -> _Convolution | None:
    """What a contraction of windows is; `None` if it is nothing that is replaced.

    Transforms of bfloat16 numbers would lose most of their bits.
    """
    if node.op is not contract or node.tensor_type.dtype not in (float32, float64):
        return None
    *terms, output = parse_spec(node.static["spec"])
    side = next((n for n, each in enumerate(node.operands) if each.op is windows), None)
    geometry = None if side is None else _geometry(node.operands[side])
    if side is None or geometry is None:
        return None
    seen, other, letters = node.operands[side], node.operands[1 - side], terms[1 - side]
    own, offsets = terms[side][:IMAGE_AXES], terms[side][IMAGE_AXES:]
    places = "".join(own[axis] for axis in seen.static["axes"])
    new = [each for each in letters if each not in own + offsets]
    rest = [each for each in own if each not in places]
    if len(new) != 1 or len(rest) != 2:
        return None
    images = seen.operands[0].operands[0] if geometry["is_spread"] else seen.operands[0]
    for batch, channel in (rest, rest[::-1]):
        of_images, of_kernel = f"{batch}{places}{new[0]}", f"{channel}{offsets}{new[0]}"
        for wanted, result in ((of_kernel, of_images), (of_images, of_kernel)):
            is_gradient = result is of_kernel
            if set(wanted) != set(letters) or set(result) != set(output):
                continue
            if is_gradient and geometry["is_spread"]:
                return None
            flipped, other = _unflipped(other, letters, wanted)
            return _Convolution(
                images=_ordered(images, own, [batch, *places, channel], node),
                other=_ordered(other, letters, [*wanted], node),
                is_gradient=is_gradient,
                flipped=flipped,
                letters=result,
                output=output,
                **geometry,
            )
    return None


def _geometry(seen: Node) -> dict[str, Any] | None:
    """How windows lie in images, as a `_Convolution` has it; `None` if tiles cannot see them."""
    static, (images,) = seen.static, seen.operands
    sizes, steps, axes = static["sizes"], static["steps"], static["axes"]
    if images.tensor_type.ndim != IMAGE_AXES or len(axes) != 2 or set(static["dilations"]) != {1}:
        return None
    down, across = (seen.tensor_type.shape[axis] for axis in axes)
    how = {"positions": (down, across), "is_spread": False, "start": 0}
    interior = images.static["interior"] if images.op is pad else (0,) * IMAGE_AXES
    if not any(interior):
        kinds = {((3, 3), (1, 1)): (3, 1), ((4, 4), (2, 2)): (2, 2)}
        window, phases = kinds.get((sizes, steps), (0, 0))
        return {**how, "window": window, "phases": phases} if window else None
    lows = {images.static["low"][axis] for axis in axes}
    between = tuple(int(axis in axes) for axis in range(IMAGE_AXES))
    (low, *others) = lows
    if others or low % 2 or down % 2 or across % 2 or interior != between:
        return None
    if (
        sizes != (4, 4)
        or steps != (1, 1)
        or any(
            images.static[name][axis] for name in ("low", "high") for axis in {0, 1, 2, 3} - {*axes}
        )
    ):
        return None
    how = {"positions": (down // 2, across // 2), "is_spread": True, "start": -(low // 2)}
    return {**how, "window": 2, "phases": 2}


def _unflipped(node: Node, letters: str, wanted: str) -> tuple[tuple[int, ...], Node]:
    """Which axes of what is `wanted` are turned round, and what they are turned of."""
    if node.op is not flip:
        return (), node
    axes = sorted(wanted.index(letters[axis]) for axis in node.static["axes"])
    return tuple(axes), node.operands[0]


def _best(
    found: _Convolution, transforms: Mapping[int, Sequence[Transform]], worth: float
) -> Transform | None:
    """The transform that takes the least time; `None` where windows take no more."""
    least, chosen = _work(found, None) * worth, None
    for each in transforms.get(found.window, ()):
        work = _work(found, each)
        if min(found.positions) >= each.size and work < least:
            least, chosen = work, each
    return chosen


def _work(found: _Convolution, transform: Transform | None) -> float:
    """About how many nanoseconds a convolution takes, by windows or by tiles."""
    pairs = found.channels * found.features * found.phases**2
    if transform is None:
        return found.count * math.prod(found.positions) * pairs * found.window**2 * MULTIPLY
    places = (transform.size + found.window - 1) ** 2
    tiles = found.count * math.prod(_grid(found, transform))
    features = found.features * (found.phases**2 if found.is_spread else 1)
    moved = tiles * (found.channels * found.phases**2 + features) + pairs
    return places * (tiles * pairs * MULTIPLY + moved * TRANSFORM)


def _grid(found: _Convolution, transform: Transform) -> tuple[int, int]:
    """How many tiles of results there are, down and across."""
    down, across = (-(-each // transform.size) for each in found.positions)
    return down, across


def _tiles(found: _Convolution, transform: Transform, together: int, node: Node) -> Node:
    """The tiles of the images."""
    static = {
        "matrix": transform.data,
        "grid": _grid(found, transform),
        "step": transform.size,
        "together": together,
        "phases": found.phases,
        "apart": 1 if found.is_spread else found.phases,
        "start": found.start,
    }
    return made(to_tiles, [found.images], static, node)


def _results(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The results of a convolution, by tiles."""
    grid = _grid(found, transform)
    weight = _tiles_of_kernel(found, transform, node)
    least = LEAST_TILES if weight.tensor_type.nbytes <= NEAR_BYTES else MANY_TILES
    tiles = _tiles(found, transform, _together(found.count, math.prod(grid), least), node)
    static: dict[str, Any] = {"matrix": transform.result, "grid": grid}
    spec = "npqc,pck->npqk"
    if found.phases > 1:
        spec = "npqec,pcek->npqk"
    if found.is_spread:
        spec = "npqec,pcek->npqek"
        static["apart"] = found.phases
    product = made(contract, [tiles, weight], {"spec": spec}, node)
    result = made(from_tiles, [product], static, node)
    apart = found.phases if found.is_spread else 1
    stop = (found.count, *(each * apart for each in found.positions), found.features)
    if result.tensor_type.shape != stop:
        static = {"start": (0,) * 4, "stop": stop, "step": (1,) * 4}
        result = made(slice_, [result], static, node)
    return _ordered(result, found.letters, [*found.output], node)


def _tiles_of_kernel(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The kernel, transformed: (places, channels, features), with phases before features."""
    kernel = found.other
    if found.flipped:
        kernel = made(flip, [kernel], {"axes": found.flipped}, node)
    static = {
        "matrix": transform.weight,
        "grid": (1, 1),
        "step": found.window,
        "together": found.channels,
        "phases": found.phases,
        "apart": found.phases,
    }
    tiles = made(to_tiles, [kernel], static, node)
    return made(reshape, [tiles], {"shape": tiles.tensor_type.shape[1:]}, node)


def _gradient(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The gradient of a kernel, by tiles: the transforms of a convolution, transposed.

    Each part of the batch gives a gradient, and these are summed, where that moves fewer bytes than
    the tiles of all images have; else all tiles are there before the gradient is computed.
    """
    side, phases = transform.size + found.window - 1, found.phases**2
    grid = _grid(found, transform)
    itemsize = node.tensor_type.dtype.itemsize
    places = side**2 * math.prod(grid)
    image = places * (found.channels * phases + found.features) * itemsize
    fitting = [each for each in range(1, found.count + 1) if found.count % each == 0]
    together = max((each for each in fitting if each * image <= MOST_TILES), default=1)
    result_bytes = side**2 * found.channels * phases * found.features * itemsize
    by_parts = found.count // together * result_bytes < found.count * image
    tiles = _tiles(found, transform, together, node)
    back = transposed_matrix(transform.result)
    other = found.other
    if found.flipped:
        other = made(flip, [other], {"axes": found.flipped}, node)
    static = {"matrix": back, "grid": grid, "step": transform.size, "together": together}
    other = made(to_tiles, [other], static, node)
    inner = "e" if found.phases > 1 else ""
    spec = f"npq{inner}c,npqk->{'n' if by_parts else ''}pc{inner}k"
    product = made(contract, [tiles, other], {"spec": spec}, node)
    if by_parts:
        product = made(sum_, [product], {"axes": (0,)}, node)
    product = made(reshape, [product], {"shape": (1, *product.tensor_type.shape)}, node)
    back = transposed_matrix(transform.weight)
    static = {"matrix": back, "grid": (1, 1), "apart": found.phases}
    result = made(from_tiles, [product], static, node)
    return _ordered(result, found.letters, [*found.output], node)


def _together(count: int, tiles: int, least: int) -> int:
    """How many images' tiles lie together, so that enough do."""
    fitting = [each for each in range(1, count + 1) if count % each == 0]
    return next((each for each in fitting if each * tiles >= least), count)


def _ordered(node: Node, letters: str, wanted: list[str], replaced: Node) -> Node:
    """A tensor with its axes in another order."""
    axes = tuple(letters.index(each) for each in wanted)
    if axes == tuple(range(len(axes))):
        return node
    return made(transpose, [node], {"axes": axes}, replaced)
