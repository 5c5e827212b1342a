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

from steepest.graph.dtypes import float32, float64
from steepest.graph.node import Graph, Node, keep, rebuild
from steepest.ops.contraction import contract, parse_spec
from steepest.ops.image_tiles import IMAGES_NDIM, from_tiles, to_tiles, transposed_matrix
from steepest.ops.movement import flip, pad, reshape, slice_
from steepest.ops.reduction import sum_
from steepest.ops.windows import windows
from steepest.passes.replacing import made, ordered
from steepest.passes.winograd_transforms import TRANSFORMS, Transform

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
KERNEL_BYTES = 1_048_576
"""Bytes of a transformed kernel that stay in a near cache."""
TILES_BYTES = 1_048_576
"""Bytes of tiles that stay in a near cache until they are used."""
IN_ONE_PIECE = {"apart": 1, "phases": 1, "start": 0}
"""How tiles lie in images of one phase."""


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
class _Geometry:
    """How windows lie in images.

    Attributes:
        images: what the windows are of, in the order of their own axes.
        positions: where windows are, of one phase where results have phases, down and across.
        window: how many numbers a window of one phase has, down and across.
        phases: how many phases there are, down and across.
        is_spread: whether results have phases, and not the images.
        start: where in the images the first window begins.
    """

    images: Node
    positions: tuple[int, int]
    window: int
    phases: int = 1
    is_spread: bool = False
    start: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class _Convolution:
    """A contraction of windows: a convolution, or the gradient of a kernel.

    Attributes:
        images: what the windows are of: (n, height, width, channels).
        other: the kernel, (channels, k, k, features); or a gradient, (n, height, width, features).
        lie: how the windows lie.
        is_gradient: whether the result is the gradient of a kernel.
        letters: n, height, width, features; or channels, the axes of windows, features.
        output: the same letters in the order of the result.
    """

    images: Node
    other: Node
    lie: _Geometry
    is_gradient: bool
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
    own, offsets = terms[side][:IMAGES_NDIM], terms[side][IMAGES_NDIM:]
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
            images = ordered(geometry.images, own, [batch, *places, channel], node)
            other = _turned(other, letters, wanted, node)
            is_gradient = result is of_kernel
            if is_gradient and geometry.is_spread:
                return None
            return _Convolution(images, other, geometry, is_gradient, result, output)
    return None


def _turned(node: Node, letters: str, wanted: str, replaced: Node) -> Node:
    """A kernel or a gradient in the order that is wanted; what is flipped is ordered before."""
    if node.op is not flip:
        return ordered(node, letters, wanted, replaced)
    axes = tuple(sorted(wanted.index(letters[axis]) for axis in node.static["axes"]))
    inner = ordered(node.operands[0], letters, wanted, replaced)
    return made(flip, [inner], {"axes": axes}, replaced)


def _geometry(seen: Node) -> _Geometry | None:
    """How windows lie in images; `None` if tiles cannot see them."""
    static, (images,) = seen.static, seen.operands
    axes = static["axes"]
    if images.tensor_type.ndim != IMAGES_NDIM or len(axes) != 2 or {*static["dilations"]} != {1}:
        return None
    down, across = (seen.tensor_type.shape[axis] for axis in axes)
    kind = (static["sizes"], static["steps"])
    if images.op is pad and any(images.static["interior"]):
        is_spread = kind == ((4, 4), (1, 1)) and down % 2 == across % 2 == 0
        return _spread_geometry(images, axes, (down // 2, across // 2)) if is_spread else None
    if kind == ((3, 3), (1, 1)):
        return _Geometry(images, (down, across), window=3)
    if kind == ((4, 4), (2, 2)):
        return _Geometry(images, (down, across), window=2, phases=2)
    return None


def _spread_geometry(
    spread: Node, axes: tuple[int, ...], positions: tuple[int, int]
) -> _Geometry | None:
    """Windows of 4 x 4 in images whose numbers are spread two apart, and padded."""
    static = spread.static
    others = [axis for axis in range(IMAGES_NDIM) if axis not in axes]
    lows = {static["low"][axis] for axis in axes}
    is_alike = len(lows) == 1 and min(lows) % 2 == 0
    is_alike &= all(static["interior"][axis] == 1 for axis in axes)
    names = ("low", "high", "interior")
    if not is_alike or any(static[name][axis] for name in names for axis in others):
        return None
    start = -(min(lows) // 2)
    return _Geometry(spread.operands[0], positions, 2, phases=2, is_spread=True, start=start)


def _best(
    found: _Convolution, transforms: Mapping[int, Sequence[Transform]], worth: float
) -> Transform | None:
    """The transform that takes the least time; `None` where windows take no more."""
    least, chosen = _work(found, None) * worth, None
    for each in transforms.get(found.lie.window, ()):
        work = _work(found, each)
        if min(found.lie.positions) >= each.size and work < least:
            least, chosen = work, each
    return chosen


def _work(found: _Convolution, transform: Transform | None) -> float:
    """About how many nanoseconds a convolution takes, by windows or by tiles."""
    pairs = found.channels * found.features * found.lie.phases**2
    if transform is None:
        return found.count * math.prod(found.lie.positions) * pairs * found.lie.window**2 * MULTIPLY
    places = (transform.size + found.lie.window - 1) ** 2
    tiles = found.count * math.prod(_grid(found, transform))
    features = found.features * (found.lie.phases**2 if found.lie.is_spread else 1)
    moved = tiles * (found.channels * found.lie.phases**2 + features) + pairs
    return places * (tiles * pairs * MULTIPLY + moved * TRANSFORM)


def _grid(found: _Convolution, transform: Transform) -> tuple[int, int]:
    """How many tiles of results there are, down and across."""
    down, across = (-(-each // transform.size) for each in found.lie.positions)
    return down, across


def _tiles(found: _Convolution, transform: Transform, together: int, node: Node) -> Node:
    """The tiles of the images."""
    static = {
        "matrix": transform.data,
        "grid": _grid(found, transform),
        "step": transform.size,
        "together": together,
        "phases": found.lie.phases,
        "apart": 1 if found.lie.is_spread else found.lie.phases,
        "start": found.lie.start,
    }
    return made(to_tiles, [found.images], static, node)


def _results(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The results of a convolution, by tiles."""
    grid = _grid(found, transform)
    weight = _tiles_of_kernel(found, transform, node)
    least = LEAST_TILES if weight.tensor_type.nbytes <= KERNEL_BYTES else MANY_TILES
    tiles = _tiles(found, transform, _together(found.count, math.prod(grid), least), node)
    apart = found.lie.phases if found.lie.is_spread else 1
    spec = "npqc,pck->npqk"
    if found.lie.phases > 1:
        spec = "npqec,pcek->npqek" if found.lie.is_spread else "npqec,pcek->npqk"
    product = made(contract, [tiles, weight], {"spec": spec}, node)
    static = {"matrix": transform.result, "grid": grid, "apart": apart}
    result = made(from_tiles, [product], static, node)
    stop = (found.count, *(each * apart for each in found.lie.positions), found.features)
    if result.tensor_type.shape != stop:
        static = {"start": (0,) * 4, "stop": stop, "step": (1,) * 4}
        result = made(slice_, [result], static, node)
    return ordered(result, found.letters, [*found.output], node)


def _tiles_of_kernel(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The kernel, transformed: (places, channels, features), with phases before features."""
    static = {
        "matrix": transform.weight,
        "grid": (1, 1),
        "step": found.lie.window,
        "together": found.channels,
        "phases": found.lie.phases,
        "apart": found.lie.phases,
        "start": 0,
    }
    tiles = made(to_tiles, [found.other], static, node)
    return made(reshape, [tiles], {"shape": tiles.tensor_type.shape[1:]}, node)


def _gradient(found: _Convolution, transform: Transform, node: Node) -> Node:
    """The gradient of a kernel, by tiles: the transforms of a convolution, transposed.

    Each part of the batch gives a gradient, and these are summed, where that moves fewer bytes than
    the tiles of all images have; else all tiles are there before the gradient is computed.
    """
    side, phases = transform.size + found.lie.window - 1, found.lie.phases**2
    grid = _grid(found, transform)
    itemsize = node.tensor_type.dtype.itemsize
    places = side**2 * math.prod(grid)
    image = places * (found.channels * phases + found.features) * itemsize
    fitting = (each for each in _divisors(found.count) if each * image <= TILES_BYTES)
    together = max(fitting, default=1)
    result_bytes = side**2 * found.channels * phases * found.features * itemsize
    by_parts = found.count // together * result_bytes < found.count * image
    tiles = _tiles(found, transform, together, node)
    back = transposed_matrix(transform.result)
    static = {"matrix": back, "grid": grid, "step": transform.size, "together": together}
    other = made(to_tiles, [found.other], {**static, **IN_ONE_PIECE}, node)
    inner = "e" if found.lie.phases > 1 else ""
    spec = f"npq{inner}c,npqk->{'n' if by_parts else ''}pc{inner}k"
    product = made(contract, [tiles, other], {"spec": spec}, node)
    if by_parts:
        product = made(sum_, [product], {"axes": (0,)}, node)
    product = made(reshape, [product], {"shape": (1, *product.tensor_type.shape)}, node)
    back = transposed_matrix(transform.weight)
    static = {"matrix": back, "grid": (1, 1), "apart": found.lie.phases}
    result = made(from_tiles, [product], static, node)
    return ordered(result, found.letters, [*found.output], node)


def _together(count: int, tiles: int, least: int) -> int:
    """How many images' tiles lie together, so that enough do."""
    return next((each for each in _divisors(count) if each * tiles >= least), count)


def _divisors(count: int) -> list[int]:
    return [each for each in range(1, count + 1) if count % each == 0]
