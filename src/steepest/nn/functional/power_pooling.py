"""Pooling by a power mean: between the mean of each window and its largest number."""

from __future__ import annotations

import math
from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.nn.functional.pooling import averages
from steepest.nn.spatial import Sizes, as_sizes, batched, unbatched


def lp_pool1d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
    *,
    name: str = "lp_pool1d",
) -> Tensor:
    """The p-th root of the sum of p-th powers of each window, channel by channel.

    As in PyTorch odd powers keep their sign, and a negative sum gives NaN. The gradient where the
    sum is 0 is 0.

    Args:
        input: (n, channels, length), or without n.
        norm_type: the power p.
        kernel_size: how many numbers a window has.
        stride: how far apart windows begin; `kernel_size` if `None`.
        ceil_mode: whether there is a last window that reaches beyond the input.
        name: how error messages call the operation.
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode, name)


def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
    *,
    name: str = "lp_pool2d",
) -> Tensor:
    """As `lp_pool1d`, with input (n, channels, height, width)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode, name)


def lp_pool3d(
    input: Tensor,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
    *,
    name: str = "lp_pool3d",
) -> Tensor:
    """As `lp_pool1d`, with input (n, channels, depth, height, width)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode, name)


def _lp_pool(
    dims: int,
    input: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
    name: str,
) -> Tensor:
    x, had_batch = batched(input, dims, name)
    powers = x**norm_type
    if ceil_mode:
        count = math.prod(as_sizes(kernel_size, dims, name, "kernel_size"))
        options = (kernel_size, stride, 0)
        total = averages(dims, powers, options, ceil_mode, True, None, name) * count
    else:
        total = averages(dims, powers, (kernel_size, stride, 0), ceil_mode, True, 1, name)
    is_zero = total == 0
    root = st.where(is_zero, 1.0, total) ** (1.0 / norm_type)
    return unbatched(st.where(is_zero, 0.0, root), had_batch)
