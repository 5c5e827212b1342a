"""Resizing of images and the like, and pixels that are shuffled between channels and positions.

Resizing is done axis by axis. Each mode but the nearest ones is a table of weights for each axis,
so that it is one contraction an axis; an infinity or NaN of the input spreads along such an axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError, did_you_mean
from steepest.nn.checks import as_tensor, complaint, require_floating
from steepest.nn.functional import adaptive_pooling
from steepest.nn.spatial import POSITION_NAMES, as_sizes, mixed_along

NEAREST = ("nearest", "nearest-exact")
LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
"""Modes that weigh neighbours, and how many spatial axes each is for."""

MODES = (*NEAREST, *LINEAR, "area")


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    name: str = "interpolate",
) -> Tensor:
    """Resize the spatial axes.

    Args:
        input: (n, channels, *positions) with one to three spatial axes.
        size: the new sizes; or
        scale_factor: by how much each is multiplied (rounded down).
        mode: `"nearest"`; `"nearest-exact"`, which takes pixels at their middle; `"linear"`,
            `"bilinear"`, `"trilinear"` for one, two, three axes; `"bicubic"` for two; `"area"`
            for means.
        align_corners: whether the middles of the corner pixels stay where they are, or the outer
            borders (the default); for the linear modes and `"bicubic"`.
        recompute_scale_factor: whether pixels are placed by the sizes, after rounding, instead of
            by `scale_factor`.
        antialias: whether to average over all pixels that one of a smaller image covers; for
            `"bilinear"` and `"bicubic"`.
        name: how error messages call the operation.

    Raises:
        ArgumentError: neither or both of size and scale_factor, an unknown mode, an option that
            the mode does not take.
        ShapeError: an input of another rank than the mode takes.

    Source: PyTorch's conventions; Keys, "Cubic convolution interpolation" (1981), a = -0.75, and
    -0.5 with antialiasing.
    """
    x = as_tensor(input)
    _check_options(x, mode, align_corners, antialias, name)
    lengths = x.shape[2:]
    factors = _factors(scale_factor, len(lengths), name)
    if (size is None) == (factors is None):
        raise ArgumentError(complaint(f"{name}: give either size or scale_factor."))
    if factors is None:
        sizes = as_sizes(size, len(lengths), name, "size")
    else:
        sizes = tuple(
            math.floor(length * factor) for length, factor in zip(lengths, factors, strict=True)
        )
        if min(sizes) < 1:
            raise ArgumentError(
                complaint(
                    f"{name}: input {x.shape} with scale_factor {factors} has an empty result."
                )
            )
    if mode == "area":
        pool = getattr(adaptive_pooling, f"adaptive_avg_pool{len(lengths)}d")
        return pool(x, sizes, name=name)
    by_size = factors is None or recompute_scale_factor
    for axis, (length, new) in enumerate(zip(lengths, sizes, strict=True)):
        scale = length / new if by_size or factors is None else 1.0 / factors[axis]
        if mode in NEAREST:
            numbers = 2 * np.arange(new) + (mode == "nearest-exact")
            # Whole numbers where they are known: the middle of a pixel may fall on a border.
            places = numbers * length // (2 * new) if by_size else np.floor(numbers * (scale / 2))
            x = _picked(x, axis + 2, np.minimum(places, length - 1).astype("int64"))
        elif (new, scale) != (length, 1.0):
            table = _weights(length, new, scale, mode, bool(align_corners), antialias)
            x = mixed_along(x, axis + 2, table)
    return x


def _check_options(
    x: Tensor, mode: str, align_corners: bool | None, antialias: bool, name: str
) -> None:
    """Refuse a mode for other inputs, or options for other modes."""
    if mode not in MODES:
        raise ArgumentError(
            complaint(
                f"{name}: mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}."
                f"{did_you_mean(str(mode), MODES)}"
            )
        )
    dims = x.ndim - 2
    if dims not in (1, 2, 3) or LINEAR.get(mode, dims) != dims:
        wanted = LINEAR.get(mode)
        axes = f"(n, channels, {', '.join(POSITION_NAMES[wanted])})" if wanted else "3 to 5 axes"
        fitting = {1: "linear", 2: "bilinear", 3: "trilinear"}.get(dims)
        advice = f" Did you mean mode={fitting!r}?" if fitting and wanted else ""
        raise ShapeError(
            complaint(f"{name}: mode {mode!r} takes an input with {axes}, got {x.shape}.{advice}")
        )
    if align_corners is not None and mode not in LINEAR:
        raise ArgumentError(
            complaint(f"{name}: align_corners is for {', '.join(LINEAR)}, not for mode {mode!r}.")
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(
            complaint(f"{name}: antialias is for bilinear and bicubic, not for mode {mode!r}.")
        )
    if mode not in NEAREST:
        require_floating(x, name)


def _factors(scale_factor: Any, dims: int, name: str) -> tuple[float, ...] | None:
    if scale_factor is None:
        return None
    listed = [scale_factor] * dims if np.ndim(scale_factor) == 0 else list(scale_factor)
    listed = listed * dims if len(listed) == 1 else listed
    if len(listed) != dims or any(not float(each) > 0 for each in listed):
        raise ArgumentError(
            complaint(
                f"{name}: scale_factor must be one or {dims} positive numbers, got "
                f"{scale_factor!r}."
            )
        )
    return tuple(float(each) for each in listed)


def _picked(x: Tensor, axis: int, places: np.ndarray) -> Tensor:
    """Repeat, or leave out, numbers along an axis."""
    length, new = x.shape[axis], len(places)
    if np.array_equal(places, np.arange(length)):
        return x
    if np.array_equal(places, np.repeat(np.arange(length), new // length)):
        before, behind = x.shape[: axis + 1], x.shape[axis + 1 :]
        wide = st.broadcast_to(st.expand_dims(x, axis=axis + 1), (*before, new // length, *behind))
        return st.reshape(wide, (*x.shape[:axis], new, *behind))
    return st.take(x, st.asarray(places), axis=axis)


def _weights(
    length: int, new: int, scale: float, mode: str, align_corners: bool, antialias: bool
) -> np.ndarray:
    """How much each number of an axis counts in each new one: (new, length)."""
    if align_corners:
        scale = (length - 1) / (new - 1) if new > 1 else 0.0
    if antialias:
        return _smooth_weights(length, new, scale, mode)
    if align_corners:
        places = np.arange(new) * scale
    else:
        places = (np.arange(new) + 0.5) * scale - 0.5
    if mode == "bicubic":
        return _at_neighbours(length, places, range(-1, 3), lambda away: _cubic(away, -0.75))
    return _at_neighbours(length, np.maximum(places, 0.0), range(2), _triangle)


def _at_neighbours(
    length: int,
    places: np.ndarray,
    neighbours: Sequence[int],
    weight: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Weigh the neighbours of each place by their distance.

    The border stands for what lies beyond it.
    """
    table = np.zeros((len(places), length))
    first = np.floor(places)
    rows = np.arange(len(places))
    for neighbour in neighbours:
        columns = np.clip(first + neighbour, 0, length - 1).astype("int64")
        np.add.at(table, (rows, columns), weight(np.abs(places - first - neighbour)))
    return table


def _triangle(away: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - away, 0.0)


def _cubic(away: np.ndarray, a: float) -> np.ndarray:
    """Keys's cubic convolution."""
    near = ((a + 2) * away - (a + 3)) * away * away + 1
    far = ((away - 5) * away + 8) * away * a - 4 * a
    return np.where(away < 1, near, np.where(away < 2, far, 0.0))


def _smooth_weights(length: int, new: int, scale: float, mode: str) -> np.ndarray:
    """Weights of a filter that is stretched over all that one new number covers."""
    reach, weigh = 1.0, _triangle
    if mode == "bicubic":
        reach = 2.0

        def weigh(away: np.ndarray) -> np.ndarray:
            return _cubic(away, -0.5)

    stretch = max(scale, 1.0)
    table = np.zeros((new, length))
    for row in range(new):
        middle = scale * (row + 0.5)
        first = max(int(middle - reach * stretch + 0.5), 0)
        end = min(int(middle + reach * stretch + 0.5), length)
        own = weigh(np.abs((np.arange(first, end) - middle + 0.5) / stretch))
        table[row, first:end] = own / np.sum(own)
    return table


def pixel_shuffle(input: Tensor, upscale_factor: int, *, name: str = "pixel_shuffle") -> Tensor:
    """Make every r * r channels one channel of an image r times as high and wide.

    Args:
        input: (..., channels * r * r, height, width).
        upscale_factor: r.
        name: how error messages call the operation.

    Returns:
        (..., channels, height * r, width * r).

    Source: Shi et al., arXiv 1609.05158.
    """
    x = as_tensor(input)
    r = upscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-3] % (r * r):
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must be (..., channels, height, width) with channels "
                f"divisible by {r} * {r}."
            )
        )
    *lead, channels, height, width = x.shape
    split = st.reshape(x, (*lead, channels // (r * r), r, r, height, width))
    n = len(lead)
    moved = st.permute_dims(split, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return st.reshape(moved, (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(
    input: Tensor, downscale_factor: int, *, name: str = "pixel_unshuffle"
) -> Tensor:
    """Make every r * r pixels of an image channels: the way back from `pixel_shuffle`.

    Args:
        input: (..., channels, height, width), height and width divisible by r.
        downscale_factor: r.
        name: how error messages call the operation.

    Returns:
        (..., channels * r * r, height / r, width / r).
    """
    x = as_tensor(input)
    r = downscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-1] % r or x.shape[-2] % r:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must be (..., channels, height, width) with height and "
                f"width divisible by {r}."
            )
        )
    *lead, channels, height, width = x.shape
    split = st.reshape(x, (*lead, channels, height // r, r, width // r, r))
    n = len(lead)
    moved = st.permute_dims(split, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return st.reshape(moved, (*lead, channels * r * r, height // r, width // r))


def channel_shuffle(input: Tensor, groups: int, *, name: str = "channel_shuffle") -> Tensor:
    """Deal the channels of each group out to all groups.

    Args:
        input: (n, channels, *positions), channels divisible by `groups`.
        groups: how many groups of neighbouring channels there are.
        name: how error messages call the operation.

    Source: Zhang et al., arXiv 1707.01083.
    """
    x = as_tensor(input)
    if x.ndim < 3 or groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            complaint(
                f"{name}: input {x.shape} must be (n, channels, *positions) with channels "
                f"divisible by {groups} groups."
            )
        )
    n, channels, *positions = x.shape
    split = st.reshape(x, (n, groups, channels // groups, *positions))
    return st.reshape(st.permute_dims(split, (0, 2, 1, *range(3, split.ndim))), x.shape)
