"""Operations on bits, which on booleans are the logical ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from steepest.ops.elementwise.family import elementwise, integers
from steepest.ops.primitive import Lowering, Primitive, Sample


def _bits(count: int) -> Callable[[], Iterable[Sample]]:
    """Samples of `count` integer operands, and of as many boolean ones."""

    def samples() -> Iterable[Sample]:
        yield from integers(count)()
        truths = [np.array([True, True, False, False]), np.array([True, False, True, False])]
        yield Sample(tuple(truths[:count]))

    return samples


def _bitwise(name: str, evaluate: np.ufunc, lower: Lowering) -> Primitive:
    return elementwise(
        name,
        evaluate=evaluate,
        lower=lower,
        gradient=None,
        samples=_bits(evaluate.nin),
        accepts="integer or bool",
    )


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, lambda emit, left, right: left & right)
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, lambda emit, left, right: left | right)
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, lambda emit, left, right: left ^ right)
bitwise_invert = _bitwise("bitwise_invert", np.invert, lambda emit, x: ~x)


def _shift(name: str, evaluate: np.ufunc, lower: Lowering) -> Primitive:
    return elementwise(
        name,
        evaluate=evaluate,
        lower=lower,
        gradient=None,
        samples=integers(2, low=0, high=9),
        accepts="integer",
        roles=("bits", "shift"),
    )


bitwise_left_shift = _shift(
    "bitwise_left_shift", np.left_shift, lambda emit, left, right: left << right
)
bitwise_right_shift = _shift(
    "bitwise_right_shift", np.right_shift, lambda emit, left, right: left >> right
)
