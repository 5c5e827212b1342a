"""The tiles family: square tiles of images, combined linearly along both of their axes, and back.

Between both, `contract` multiplies the numbers at each place of the tiles by themselves: that is
how a convolution is computed with fewer multiplications than windows have (`passes/winograd.py`).

Images are (n, height, width, channels). Tiles of them are (n / together, places, tiles, channels):
`places` are those within a tile, row by row; `tiles` are those of `together` neighbouring images,
image by image and row by row.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import float32, int32
from steepest.graph.types import Shape, TensorType
from steepest.ops.movement import reshape, slice_, transpose
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

IMAGE_AXES = 4


def tile_count(length: int, size: int, step: int) -> int:
    """How many tiles cover an axis; the last one may reach beyond its end."""
    return max(1, -(-(length - (size - step)) // step))


def _check_matrix(name: str, operand: TensorType, matrix: Matrix) -> None:
    check_kind(name, "operand", operand, "real floating")
    if operand.ndim != IMAGE_AXES:
        raise ShapeError(f"{name}: the operand {operand.shape} must have {IMAGE_AXES} axes.")
    if not matrix or len({len(row) for row in matrix}) != 1 or not matrix[0]:
        raise ArgumentError(f"{name}: matrix {matrix} must have rows of one length.")


def _infer_to_tiles(operand: TensorType, *, matrix: Matrix, step: int, together: int) -> TensorType:
    _check_matrix("to_tiles", operand, matrix)
    count, height, width, channels = operand.shape
    if step < 1 or together < 1 or count % together:
        raise ShapeError(
            f"to_tiles: {count} images of the operand {operand.shape} cannot be tiled {together} "
            f"at a time with step {step}."
        )
    size = len(matrix[0])
    tiles = tile_count(height, size, step) * tile_count(width, size, step)
    shape = (count // together, len(matrix) ** 2, together * tiles, channels)
    return TensorType(shape, operand.dtype)


def _to_tiles(operand: np.ndarray, *, matrix: Matrix, step: int, together: int) -> np.ndarray:
    count, height, width, channels = operand.shape
    rows = np.asarray(matrix, operand.dtype)
    places, size = rows.shape
    down, across = tile_count(height, size, step), tile_count(width, size, step)
    reach = [(each - 1) * step + size for each in (down, across)]
    padded = np.zeros((count, *reach, channels), operand.dtype)
    padded[:, :height, :width] = operand[:, : reach[0], : reach[1]]
    seen = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    seen = seen[:, ::step, ::step]
    made = np.einsum("ai,ntucij,bj->nabtuc", rows, seen, rows, optimize=True)
    made = made.reshape(count // together, together, places**2, down * across, channels)
    return made.transpose(0, 2, 1, 3, 4).reshape(
        count // together, places**2, together * down * across, channels
    )


def _to_tiles_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    matrix: Matrix,
    step: int,
    together: int,
) -> Tensor:
    """Each number of a tile gets back what it gave; numbers in several tiles sum it."""
    count, height, width, channels = operand.shape
    size = len(matrix[0])
    grid = (tile_count(height, size, step), tile_count(width, size, step))
    apart = from_tiles(output_grad, matrix=transposed_matrix(matrix), grid=grid)
    tiled = reshape(apart, shape=(count, grid[0], size, grid[1], size, channels))
    tiled = transpose(tiled, axes=(0, 1, 3, 5, 2, 4))
    lengths = tuple((each - 1) * step + size for each in grid)
    whole = fold(tiled, axes=(1, 2), lengths=lengths, steps=(step, step), dilations=(1, 1))
    return slice_(
        whole, start=(0, 0, 0, 0), stop=(count, height, width, channels), step=(1, 1, 1, 1)
    )


def transposed_matrix(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


SPREAD_OUT: Matrix = ((1.0, 0.0, -1.0), (0.5, 1.0, 0.25))
"""A matrix for samples."""


def _to_tiles_samples() -> Iterable[Sample]:
    images = sample_numbers((2, 5, 4, 3))
    yield Sample((images,), {"matrix": SPREAD_OUT, "step": 1, "together": 1})
    yield Sample((images,), {"matrix": SPREAD_OUT, "step": 2, "together": 2})
    yield Sample((images,), {"matrix": SPREAD_OUT, "step": 3, "together": 1})
    yield Sample((images[:, :2, :1],), {"matrix": SPREAD_OUT, "step": 3, "together": 2})


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
            {"matrix": SPREAD_OUT, "step": 1, "together": 1},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), float32),),
            "to_tiles: matrix ((1.0,), (1.0, 2.0)) must have rows of one length.",
            {"matrix": ((1.0,), (1.0, 2.0)), "step": 1, "together": 1},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), float32),),
            "to_tiles: 2 images of the operand (2, 4, 4, 1) cannot be tiled 3 at a time with "
            "step 1.",
            {"matrix": SPREAD_OUT, "step": 1, "together": 3},
        ),
        BadSample(
            (TensorType((2, 4, 4, 1), int32),),
            "to_tiles: operand is int32[2, 4, 4, 1], but this operation takes real floating data "
            "types. Convert it with .astype(...).",
            {"matrix": SPREAD_OUT, "step": 1, "together": 1},
        ),
    ],
)
"""Every tile of images: for tile X of numbers, `step` apart from the next, matrix X matrix^T.

What lies beyond an image's end is 0.
"""


def _infer_from_tiles(operand: TensorType, *, matrix: Matrix, grid: Shape) -> TensorType:
    _check_matrix("from_tiles", operand, matrix)
    parts, places, tiles, channels = operand.shape
    down, across = grid
    if places != len(matrix[0]) ** 2 or down * across < 1 or tiles % (down * across):
        raise ShapeError(
            f"from_tiles: the operand {operand.shape} does not hold images of {down} times "
            f"{across} tiles with {len(matrix[0])} times {len(matrix[0])} places."
        )
    count, size = parts * (tiles // (down * across)), len(matrix)
    return TensorType((count, down * size, across * size, channels), operand.dtype)


def _from_tiles(operand: np.ndarray, *, matrix: Matrix, grid: Shape) -> np.ndarray:
    parts, _, tiles, channels = operand.shape
    rows = np.asarray(matrix, operand.dtype)
    size, places = rows.shape
    together = tiles // (grid[0] * grid[1])
    seen = operand.reshape(parts, places, places, together, *grid, channels)
    made = np.einsum("ia,pabntuc,jb->pntiujc", rows, seen, rows, optimize=True)
    return made.reshape(parts * together, grid[0] * size, grid[1] * size, channels)


def _from_tiles_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    matrix: Matrix,
    grid: Shape,
) -> Tensor:
    """Tiles of the gradient."""
    together = operand.shape[2] // (grid[0] * grid[1])
    back = transposed_matrix(matrix)
    return to_tiles(output_grad, matrix=back, step=len(matrix), together=together)


def _from_tiles_samples() -> Iterable[Sample]:
    back = transposed_matrix(SPREAD_OUT)
    yield Sample((sample_numbers((2, 4, 6, 3)),), {"matrix": back, "grid": (2, 3)})
    yield Sample((sample_numbers((1, 4, 6, 2)),), {"matrix": back, "grid": (3, 1)})
    yield Sample((sample_numbers((2, 9, 2, 2)),), {"matrix": SPREAD_OUT, "grid": (1, 1)})


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
            {"matrix": transposed_matrix(SPREAD_OUT), "grid": (2, 2)},
        ),
    ],
)
"""Images of tiles that do not overlap: for the places Y of each tile, matrix Y matrix^T.

`grid` says how many tiles an image has down and across.
"""
