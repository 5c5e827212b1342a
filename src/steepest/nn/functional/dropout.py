"""Dropout."""

from __future__ import annotations

import math

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ShapeError
from steepest.nn.checks import as_tensor, check_probability, complaint, require_floating

SATURATION = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""What SELU gives for numbers far below 0."""

Generator = st.random.Generator | None


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: Generator = None,
    name: str = "dropout",
) -> Tensor:
    """Zero each number with probability `p` and divide the others by 1 - p.

    Outside training the input is returned as it is. The mask is a function of the generator's
    key and counter, so it is the same in eager mode, compiled, and after a resume.

    Args:
        input: any shape, floating point.
        p: the probability of a zero, from 0 to 1.
        training: whether to drop at all.
        generator: the source of randomness; the default generator if `None`.
        name: how error messages call the operation.

    Raises:
        ArgumentError: `p` outside 0 to 1.
        DTypeError: the input is not floating point.

    Source: Srivastava et al., "Dropout", JMLR 15 (2014).
    """
    x = _checked(input, p, name)
    return _dropped(x, x.shape, p, generator) if training and p else x


def _checked(input: Tensor, p: float, name: str) -> Tensor:
    x = as_tensor(input)
    check_probability(p, name)
    require_floating(x, name)
    return x


def _dropped(x: Tensor, mask_shape: tuple[int, ...], p: float, generator: Generator) -> Tensor:
    """Drop by a mask that broadcasts to the input."""
    if p == 1.0:
        return x * 0.0
    keep = st.random.bernoulli(1.0 - p, mask_shape, generator=generator)
    return st.where(keep, x * (1.0 / (1.0 - p)), 0.0)


def _channels_of(x: Tensor, ranks: dict[int, int], wanted: str, name: str) -> tuple[int, ...]:
    """The shape of a mask with one number for each channel.

    Args:
        ranks: how many leading axes count channels, by the rank of the input.
    """
    if x.ndim not in ranks:
        raise ShapeError(complaint(f"{name}: needs an input {wanted}, got {x.shape}."))
    lead = ranks[x.ndim]
    return (*x.shape[:lead], *(1,) * (x.ndim - lead))


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: Generator = None,
    name: str = "dropout1d",
) -> Tensor:
    """Zero whole channels with probability `p` and divide the others by 1 - p.

    Args:
        input: (n, channels, length) or (channels, length), floating point.
        p, training, generator: as for `dropout`.
        name: how error messages call the operation.

    Source: Tompson et al., arXiv 1411.4280.
    """
    x = _checked(input, p, name)
    wanted = "(n, channels, length) or (channels, length)"
    shape = _channels_of(x, {2: 1, 3: 2}, wanted, name)
    return _dropped(x, shape, p, generator) if training and p else x


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: Generator = None,
    name: str = "dropout2d",
) -> Tensor:
    """As `dropout1d`, with input (n, channels, height, width).

    As in PyTorch an input of three axes is (n, channels, length).
    """
    x = _checked(input, p, name)
    shape = _channels_of(x, {3: 2, 4: 2}, "(n, channels, height, width)", name)
    return _dropped(x, shape, p, generator) if training and p else x


def dropout3d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    *,
    generator: Generator = None,
    name: str = "dropout3d",
) -> Tensor:
    """As `dropout1d`, with input (n, channels, depth, height, width), or without n."""
    x = _checked(input, p, name)
    wanted = "(n, channels, depth, height, width) or (channels, depth, height, width)"
    shape = _channels_of(x, {4: 1, 5: 2}, wanted, name)
    return _dropped(x, shape, p, generator) if training and p else x


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    *,
    generator: Generator = None,
    name: str = "alpha_dropout",
) -> Tensor:
    """Set numbers to SELU's lowest value with probability `p`, then scale and shift.

    The scale and shift keep mean 0 and variance 1, which networks with SELU rely on.

    Args:
        input: any shape, floating point.
        p: the probability, from 0 to 1.
        training: whether to drop at all.
        generator: the source of randomness; the default generator if `None`.
        name: how error messages call the operation.

    Source: Klambauer et al., arXiv 1706.02515.
    """
    x = _checked(input, p, name)
    return _alpha_dropped(x, x.shape, p, generator) if training and p else x


def feature_alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    *,
    generator: Generator = None,
    name: str = "feature_alpha_dropout",
) -> Tensor:
    """As `alpha_dropout`, for whole channels.

    Args:
        input: (n, channels, ...), floating point.
        p, training, generator: as for `alpha_dropout`.
        name: how error messages call the operation.
    """
    x = _checked(input, p, name)
    if not training or p == 0.0:
        return x
    if x.ndim < 2:
        raise ShapeError(complaint(f"{name}: needs an input (n, channels, ...), got {x.shape}."))
    return _alpha_dropped(x, (*x.shape[:2], *(1,) * (x.ndim - 2)), p, generator)


def _alpha_dropped(
    x: Tensor, mask_shape: tuple[int, ...], p: float, generator: Generator
) -> Tensor:
    if p == 1.0:
        return x * 0.0
    keep = st.random.bernoulli(1.0 - p, mask_shape, generator=generator)
    scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * SATURATION * SATURATION))
    shift = -scale * SATURATION * p
    return st.where(keep, x, SATURATION) * scale + shift
