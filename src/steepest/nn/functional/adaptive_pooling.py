"""Adaptive pooling: one number for each of so many parts of the input, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.nn.checks import complaint
from steepest.nn.functional.pooling import averages
from steepest.nn.spatial import as_sizes, batched, mixed_along, unbatched


def _wanted_sizes(output_size: Any, lengths: Sequence[int], name: str) -> tuple[int, ...]:
    """The output's spatial sizes; `None` keeps a length."""
    dims = len(lengths)
    if output_size is None or isinstance(output_size, int | np.integer):
        listed: list[Any] = [output_size] * dims
    else:
        listed = list(output_size)
        listed = listed * dims if len(listed) == 1 else listed
    if len(listed) != dims:
        raise ArgumentError(
            complaint(
                f"{name}: output_size must be one or {dims} whole numbers, got {output_size!r}."
            )
        )
    kept = [length if each is None else each for each, length in zip(listed, lengths, strict=True)]
    return as_sizes(kept, dims, name, "output_size", 0)


def _bins(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The beginnings and ends of `count` parts that cover an axis; parts may share numbers."""
    numbers = np.arange(count)
    return numbers * length // max(count, 1), -(-(numbers + 1) * length // max(count, 1))


def _adaptive_avg_pool(dims: int, input: Any, output_size: Any, name: str) -> Tensor:
    x, had_batch = batched(input, dims, name)
    wanted = _wanted_sizes(output_size, x.shape[2:], name)
    if 0 in wanted:
        return unbatched(st.zeros((*x.shape[:2], *wanted), dtype=x.dtype) * 1, had_batch)
    axes = range(2, x.ndim)
    if all(count == 1 for count in wanted):
        return unbatched(st.mean(x, axis=tuple(axes), keepdims=True), had_batch)
    if all(length % count == 0 for length, count in zip(x.shape[2:], wanted, strict=True)):
        sizes = [length // count for length, count in zip(x.shape[2:], wanted, strict=True)]
        return unbatched(averages(dims, x, (sizes, None, 0), False, True, None, name), had_batch)
    for axis, count in zip(axes, wanted, strict=True):
        begin, end = _bins(x.shape[axis], count)
        places = np.arange(x.shape[axis])
        inside = (places >= begin[:, None]) & (places < end[:, None])
        x = mixed_along(x, axis, inside / (end - begin)[:, None])
    return unbatched(x, had_batch)


def adaptive_avg_pool1d(
    input: Tensor, output_size: Any, *, name: str = "adaptive_avg_pool1d"
) -> Tensor:
    """The means of `output_size` parts that cover the input, channel by channel.

    Part i reaches from floor(i * length / output_size) to ceil((i + 1) * length / output_size).

    Args:
        input: (n, channels, length), or without n.
        output_size: how many parts there are.
        name: how error messages call the operation.

    Returns:
        (n, channels, output_size).
    """
    return _adaptive_avg_pool(1, input, output_size, name)


def adaptive_avg_pool2d(
    input: Tensor, output_size: Any, *, name: str = "adaptive_avg_pool2d"
) -> Tensor:
    """As `adaptive_avg_pool1d`, with input (n, channels, height, width).

    `output_size` is one number, or one for each of height and width; `None` keeps an axis as it is.
    With 1 it is global average pooling.
    """
    return _adaptive_avg_pool(2, input, output_size, name)


def adaptive_avg_pool3d(
    input: Tensor, output_size: Any, *, name: str = "adaptive_avg_pool3d"
) -> Tensor:
    """As `adaptive_avg_pool2d`, with input (n, channels, depth, height, width)."""
    return _adaptive_avg_pool(3, input, output_size, name)


def _adaptive_max_pool(
    dims: int, input: Any, output_size: Any, return_indices: bool, name: str
) -> Any:
    x, had_batch = batched(input, dims, name)
    lengths = x.shape[2:]
    wanted = _wanted_sizes(output_size, lengths, name)
    if min(wanted) < 1:
        raise ArgumentError(complaint(f"{name}: output_size {wanted} must not hold a 0."))
    places = np.zeros((1,) * (2 * dims), "int64")
    widths = []
    for axis, (length, count) in enumerate(zip(lengths, wanted, strict=True)):
        begin, end = _bins(length, count)
        widths.append(int(max(end - begin)))
        # Parts that are shorter than the longest name their last number again.
        own = np.minimum(begin[:, None] + np.arange(widths[-1]), end[:, None] - 1)
        shape = [1] * (2 * dims)
        shape[axis], shape[dims + axis] = own.shape
        places = places * length + own.reshape(shape)
    flat_places = places.reshape(*wanted, math.prod(widths))
    flat = st.reshape(x, (*x.shape[:2], math.prod(lengths)))
    seen = st.take(flat, st.asarray(flat_places.reshape(-1)), axis=2)
    seen = st.reshape(seen, (*x.shape[:2], *flat_places.shape))
    chosen = st.expand_dims(st.argmax(seen.detach(), axis=-1), axis=-1)
    output = unbatched(st.squeeze(st.take_along_axis(seen, chosen, axis=-1), axis=-1), had_batch)
    if not return_indices:
        return output
    table = st.broadcast_to(st.asarray(flat_places), seen.shape)
    indices = st.squeeze(st.take_along_axis(table, chosen, axis=-1), axis=-1)
    return output, unbatched(indices, had_batch)


def adaptive_max_pool1d(
    input: Tensor,
    output_size: Any,
    return_indices: bool = False,
    *,
    name: str = "adaptive_max_pool1d",
) -> Any:
    """The largest numbers of `output_size` parts that cover the input, channel by channel.

    Parts are those of `adaptive_avg_pool1d`.

    Args:
        input: (n, channels, length), or without n.
        output_size: how many parts there are.
        return_indices: whether to return where the numbers stood, too.
        name: how error messages call the operation.
    """
    return _adaptive_max_pool(1, input, output_size, return_indices, name)


def adaptive_max_pool2d(
    input: Tensor,
    output_size: Any,
    return_indices: bool = False,
    *,
    name: str = "adaptive_max_pool2d",
) -> Any:
    """As `adaptive_max_pool1d`, with input (n, channels, height, width)."""
    return _adaptive_max_pool(2, input, output_size, return_indices, name)


def adaptive_max_pool3d(
    input: Tensor,
    output_size: Any,
    return_indices: bool = False,
    *,
    name: str = "adaptive_max_pool3d",
) -> Any:
    """As `adaptive_max_pool1d`, with input (n, channels, depth, height, width)."""
    return _adaptive_max_pool(3, input, output_size, return_indices, name)
