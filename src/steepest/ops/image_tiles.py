"""The tiles family: square tiles of images, combined linearly along both of their axes, and back.

Between both, `contract` multiplies the numbers at each place of the tiles by themselves: that is
how a convolution is computed with fewer multiplications than windows have (`passes/winograd.py`).

Images are (n, height, width, channels). Tiles of them are (n / together, places, tiles, channels):
`places` are those within a tile, row by row; `tiles` are those of `together` neighbouring images,
image by image and row by row, `grid` of them down and across each. Where an image has several
phases, that is kinds of rows and of columns, tiles are of one phase of both, and an axis for the
pairs of phases comes before that of channels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import float32, int32
from steepest.graph.types import Shape, TensorType
from steepest.ops.elementwise.arithmetic import add
from steepest.ops.movement import pad, reshape, slice_, transpose
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    check_kind,
    sample_numbers,
)
from steepest.ops.windows import fold

Matrix = tuple[tuple[float, ...], ...]
"""Rows of numbers: what each number of a result takes of each number of a tile."""

IMAGES_NDIM = 4
"""The axes of images."""


def transposed_matrix(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


def _check(name: str, operand: TensorType, ndim: int, matrix: Matrix, **counts: int) -> None:
    check_kind(name, "operand", operand, "real floating")
    if operand.ndim != ndim:
        raise ShapeError(f"{name}: the operand {operand.shape} must have {ndim} axes.")
    if not matrix or len({len(row) for row in matrix}) != 1 or not matrix[0]:
        raise ArgumentError(f"{name}: matrix {matrix} must have rows of one length.")
    for role, number in counts.items():
        if number < 1:
            raise ArgumentError(f"{name}: {role} is {number}, but must be at least 1.")


def _infer_to_tiles(
    operand: TensorType,
    *,
    matrix: Matrix,
    grid: Shape,
    step: int,
    together: int,
    apart: int,
    phases: int,
    start: int,
) -> TensorType:
    counts = {"step": step, "together": together, "apart": apart, "phases": phases}
    _check("to_tiles", operand, IMAGES_NDIM, matrix, **counts)
    count, _, _, channels = operand.shape
    if count % together:
        raise ShapeError(
            f"to_tiles: {count} images of the operand {operand.shape} cannot be tiled {together} "
            f"at a time."
        )
    own = (phases**2, channels) if phases > 1 else (channels,)
    shape = (count // together, len(matrix) ** 2, together * math.prod(grid), *own)
    return TensorType(shape, operand.dtype)


def _to_tiles(
    operand: np.ndarray,
    *,
    matrix: Matrix,
    grid: Shape,
    step: int,
    together: int,
    apart: int,
    phases: int,
    start: int,
) -> np.ndarray:
    rows = np.asarray(matrix, operand.dtype)
    places, size = rows.shape
    count, channels = operand.shape[0], operand.shape[-1]
    framed = np.zeros((count, *(each + 1 for each in operand.shape[1:3]), channels), operand.dtype)
    framed[:, :-1, :-1] = operand
    made = []
    for begins in itertools.product(range(start, start + phases), repeat=2):
        seen = framed
        for axis, (begin, tiles) in enumerate(zip(begins, grid, strict=True)):
            at = (np.arange(tiles)[:, None] * step + np.arange(size)) * apart + begin
            end = operand.shape[1 + axis]
            at = np.where((at >= 0) & (at < end), at, end)
            seen = np.take(seen, at, 1 + 2 * axis)
        made.append(np.einsum("ai,ntiujc,bj->nabtuc", rows, seen, rows, optimize=True))
    tiled = np.stack(made, -2).reshape(
        count // together, together, places**2, math.prod(grid), phases**2, channels
    )
    tiled = tiled.transpose(0, 2, 1, 3, 4, 5)
    own = (phases**2, channels) if phases > 1 else (channels,)
    return tiled.reshape(count // together, places**2, together * math.prod(grid), *own)


def _to_tiles_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    matrix: Matrix,
    grid: Shape,
    step: int,
    together: int,
    apart: int,
    phases: int,
    start: int,
) -> Tensor:
    """Each number of a tile gets back what it gave; numbers in several tiles sum it."""
    back, size = transposed_matrix(matrix), len(matrix[0])
    count, channels = operand.shape[0], operand.shape[-1]
    total = None
    for phase, begins in enumerate(itertools.product(range(start, start + phases), repeat=2)):
        own = output_grad if phases == 1 else _phase(output_grad, phase)
        tiled = from_tiles(own, matrix=back, grid=grid, apart=1)
        tiled = reshape(tiled, shape=(count, grid[0], size, grid[1], size, channels))
        tiled = transpose(tiled, axes=(0, 1, 3, 5, 2, 4))
        lengths = tuple((each - 1) * step + size for each in grid)
        whole = fold(tiled, axes=(1, 2), lengths=lengths, steps=(step, step), dilations=(1, 1))
        placed = _placed(whole, begins, apart, operand.shape)
        total = placed if total is None else add(total, placed)
    return total


def _phase(tiles: Tensor, phase: int) -> Tensor:
    """The tiles of one pair of phases."""
    shape = tiles.shape
    begin, end = (0, 0, 0, phase, 0), (*shape[:3], phase + 1, shape[4])
    one = slice_(tiles, start=begin, stop=end, step=(1,) * len(shape))
    return reshape(one, shape=(*shape[:3], shape[4]))


def _placed(images: Tensor, begins: Shape, apart: int, shape: Shape) -> Tensor:
    """Images whose rows and columns go `apart` from each other, from `begins` on, into a shape."""
    for axis, begin in enumerate(begins, 1):
        spaced = (images.shape[axis] - 1) * apart + 1
        low = max(begin, 0)
        high = max(shape[axis] - begin - spaced, 0)
        options = {"low": low, "high": high, "interior": apart - 1}
        static = {name: _at(axis, value) for name, value in options.items()}
        images = pad(images, **static)
        first = max(-begin, 0)
        stop = list(images.shape)
        stop[axis] = first + shape[axis]
        images = slice_(images, start=_at(axis, first), stop=tuple(stop), step=(1,) * 4)
    return images


def _at(axis: int, value: int) -> Shape:
    """A number for one axis of images, and 0 for the others."""
    return tuple(value if each == axis else 0 for each in range(IMAGES_NDIM))


SPREAD_OUT: Matrix = ((1.0, 0.0, -1.0), (0.5, 1.0, 0.25))
"""A matrix for samples."""


_SAMPLE: dict[str, Any] = {
    "matrix": SPREAD_OUT,
    "grid": (3, 2),
    "step": 1,
    "together": 1,
    "apart": 1,
    "phases": 1,
    "start": 0,
}


def _to_tiles_samples() -> Iterable[Sample]:
    images = sample_numbers((2, 5, 4, 3))
    yield Sample((images,), _SAMPLE)
    yield Sample((images,), {**_SAMPLE, "step": 2, "together": 2, "grid": (2, 2)})
    yield Sample((images,), {**_SAMPLE, "step": 3, "grid": (2, 1)})
    yield Sample((images[:, :2, :1],), {**_SAMPLE, "step": 3, "together": 2, "grid": (1, 1)})
    yield Sample((images,), {**_SAMPLE, "apart": 2, "phases": 2, "grid": (1, 2)})
    yield Sample((images,), {**_SAMPLE, "phases": 2, "start": -1, "together": 2, "step": 2})


to_tiles: Primitive = Primitive(
    "to_tiles",
    infer=_infer_to_tiles,
    evaluate=_to_tiles,
    gradient=_to_tiles_gradient,
    samples=_to_tiles_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 4, 4), float32),),
            "to_tiles: the operand (2, 4, 4) must have 4 axes.",
            _SAMPLE,
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), float32),),
            "to_tiles: matrix ((1.0,), (1.0, 2.0)) must have rows of one length.",
            {**_SAMPLE, "matrix": ((1.0,), (1.0, 2.0))},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), float32),),
            "to_tiles: 2 images of the operand (2, 4, 4, 1) cannot be tiled 3 at a time.",
            {**_SAMPLE, "together": 3},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), float32),),
            "to_tiles: step is 0, but must be at least 1.",
            {**_SAMPLE, "step": 0},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), int32),),
            "to_tiles: operand is int32[2, 4, 4, 1], but this operation takes real floating data "
            "types. Convert it with .astype(...).",
            _SAMPLE,
        ),
    ],
)
"""Tiles of images: for the numbers X of each tile, matrix X matrix^T.

Row i of tile t of phase a is row `(t * step + i) * apart + start + a` of the image, and so with
columns. What lies outside of an image is 0.
"""


def _infer_from_tiles(
    operand: TensorType, *, matrix: Matrix, grid: Shape, apart: int
) -> TensorType:
    _check("from_tiles", operand, 5 if apart > 1 else IMAGES_NDIM, matrix, apart=apart)
    parts, places, tiles, *phases, channels = operand.shape
    down, across = grid
    fits = places == len(matrix[0]) ** 2 and phases in ([], [apart**2])
    if not fits or down * across < 1 or tiles % (down * across):
        raise ShapeError(
            f"from_tiles: the operand {operand.shape} does not hold images of {down} times "
            f"{across} tiles with {len(matrix[0])} times {len(matrix[0])} places."
        )
    count, size = parts * (tiles // (down * across)), len(matrix) * apart
    return TensorType((count, down * size, across * size, channels), operand.dtype)


def _from_tiles(operand: np.ndarray, *, matrix: Matrix, grid: Shape, apart: int) -> np.ndarray:
    parts, _, tiles = operand.shape[:3]
    channels = operand.shape[-1]
    rows = np.asarray(matrix, operand.dtype)
    size, places = rows.shape
    together = tiles // math.prod(grid)
    seen = operand.reshape(parts, places, places, together, *grid, apart, apart, channels)
    made = np.einsum("ia,pabntuxyc,jb->pntixujyc", rows, seen, rows, optimize=True)
    lengths = (each * size * apart for each in grid)
    return made.reshape(parts * together, *lengths, channels)


def _from_tiles_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    matrix: Matrix,
    grid: Shape,
    apart: int,
) -> Tensor:
    """Tiles of the gradient."""
    together = operand.shape[2] // math.prod(grid)
    back, step = transposed_matrix(matrix), len(matrix)
    how = {"step": step, "together": together, "apart": apart, "phases": apart, "start": 0}
    return to_tiles(output_grad, matrix=back, grid=grid, **how)


def _from_tiles_samples() -> Iterable[Sample]:
    back = transposed_matrix(SPREAD_OUT)
    options: list[tuple[Shape, Matrix, Shape, int]] = [
        ((2, 4, 6, 3), back, (2, 3), 1),
        ((1, 4, 6, 2), back, (3, 1), 1),
        ((2, 9, 2, 2), SPREAD_OUT, (1, 1), 1),
        ((2, 4, 2, 4, 3), back, (1, 2), 2),
    ]
    for shape, matrix, grid, apart in options:
        static = {"matrix": matrix, "grid": grid, "apart": apart}
        yield Sample((sample_numbers(shape),), static)


from_tiles: Primitive = Primitive(
    "from_tiles",
    infer=_infer_from_tiles,
    evaluate=_from_tiles,
    gradient=_from_tiles_gradient,
    samples=_from_tiles_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 4, 6, 1), float32),),
            "from_tiles: the operand (2, 4, 6, 1) does not hold images of 2 times 2 tiles with 2 "
            "times 2 places.",
            {"matrix": transposed_matrix(SPREAD_OUT), "grid": (2, 2), "apart": 1},
        ),
    ],
)
"""Images of tiles that do not overlap: for the places Y of each tile, matrix Y matrix^T.

Row i of tile t of phase a becomes row `(t * size + i) * apart + a`, and so with columns.
"""
