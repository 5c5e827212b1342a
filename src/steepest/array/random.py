"""Random tensors. A draw is a function of (seed, number of the draw, position) and of nothing else.

So results are the same eager and compiled, on any number of threads, and after a resume. The state
of a generator is two tensors, `key` and `counter`, which a compiled program reads and advances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.array.elementwise import cos, log, sqrt
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, DTypeError
from steepest.graph.dtypes import as_dtype, float32, float64, int64, uint64
from steepest.ops.elementwise.logical import bitwise_right_shift
from steepest.ops.elementwise.selection import convert
from steepest.ops.indexing import argsort
from steepest.ops.sources import random_bits
from steepest.trace.origin import located
from steepest.trace.value import assign, make_constant

Shape = int | Sequence[int]


class Generator:
    """A stream of random numbers.

    Args:
        seed: a whole number from 0 to 2^64 - 1; equal seeds give equal streams.

    Attributes:
        key: the seed, as uint32[2].
        counter: how many draws have been made, as int64[].
    """

    def __init__(self, seed: int = 0):
        self.key: Any = make_constant(_key(seed))
        self.counter: Any = make_constant(np.asarray(0, "int64"))
        self.key.name = "random_key"
        self.counter.name = "random_counter"

    def seed(self, seed: int) -> None:
        """Begin the stream of another seed."""
        assign(self.key, make_constant(_key(seed)))
        assign(self.counter, make_constant(np.asarray(0, "int64")))

    def bits(self, shape: Shape) -> Any:
        """Draw uniform uint32 numbers."""
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        drawn = random_bits(self.key, self.counter, shape=sizes)
        assign(self.counter, self.counter + 1)
        return drawn


def _key(seed: int) -> np.ndarray:
    if not 0 <= seed < 2**64:
        raise ArgumentError(located(f"seed {seed} is outside 0 to 2^64 - 1."))
    return np.array([seed & 0xFFFFFFFF, seed >> 32], dtype="uint32")


default_generator = Generator(0)
"""Used where no generator is given."""


def seed(seed: int) -> None:
    """Begin the default generator's stream anew."""
    default_generator.seed(seed)


def _unit(shape: Shape, dtype: Any, generator: Generator | None) -> Any:
    """Uniform numbers in [0, 1): 24 random bits for float32, 53 for float64."""
    source = generator or default_generator
    wanted = as_dtype(dtype)
    if not wanted.is_floating:
        raise DTypeError(located(f"random: {wanted} is not a floating type."))
    if wanted is not float64:
        top = bitwise_right_shift(source.bits(shape), make_constant(np.asarray(8, "uint32")))
        return convert(convert(top, dtype=float32) * 2.0**-24, dtype=wanted)
    high = convert(source.bits(shape), dtype=uint64)
    low = convert(source.bits(shape), dtype=uint64)
    joined = (high << 21) ^ (low >> 11)
    return convert(joined, dtype=float64) * 2.0**-53


def uniform(
    shape: Shape = (),
    low: float = 0.0,
    high: float = 1.0,
    dtype: Any = float32,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers spread evenly over [low, high)."""
    unit = _unit(shape, dtype, generator)
    return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low


def normal(
    shape: Shape = (),
    mean: float = 0.0,
    std: float = 1.0,
    dtype: Any = float32,
    generator: Generator | None = None,
) -> Tensor:
    """Normally distributed numbers (Box and Muller, Annals of Mathematical Statistics 29, 1958)."""
    radius = 1.0 - _unit(shape, dtype, generator)
    angle = _unit(shape, dtype, generator)
    standard = sqrt(log(radius) * -2.0) * cos(angle * (2 * math.pi))
    return standard if (mean, std) == (0.0, 1.0) else standard * std + mean


def bernoulli(p: float, shape: Shape = (), generator: Generator | None = None) -> Tensor:
    """True with probability `p`, else False."""
    return _unit(shape, float32, generator) < p


def randint(low: int, high: int, shape: Shape = (), generator: Generator | None = None) -> Tensor:
    """Whole numbers (int64) spread evenly over low, ..., high - 1; `high - low` is at most 2^32."""
    if not 0 < high - low <= 2**32:
        raise ArgumentError(located(f"randint: high - low is {high - low}, but must be 1 to 2^32."))
    source = generator or default_generator
    bits = convert(source.bits(shape), dtype=uint64)
    scaled = (bits * (high - low)) >> 32
    return convert(scaled, dtype=int64) + low


def permutation(n: int, generator: Generator | None = None) -> Tensor:
    """The numbers 0 to n - 1 (int64) in random order."""
    source = generator or default_generator
    high = convert(source.bits((n,)), dtype=uint64)
    low = convert(source.bits((n,)), dtype=uint64)
    return argsort((high << 32) ^ low, axis=0, descending=False)
