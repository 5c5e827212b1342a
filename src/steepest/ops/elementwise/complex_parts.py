"""The parts of complex numbers: where real and complex numbers pass into each other.

These are the functions that have no complex derivative, so their rules tell most about what the
reverse pass keeps for a complex z = x + iy: dL/dx - i dL/dy, which makes the rules of all other
functions the ones of real numbers (see `primitive.GradientRule`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from steepest.graph.dtypes import DType, complex64, float32, float64
from steepest.ops.elementwise.comparison import equal
from steepest.ops.elementwise.family import elementwise
from steepest.ops.elementwise.selection import convert, where
from steepest.ops.primitive import Primitive, Sample, Tensor, constant_like, sample_numbers


def _part_dtype(dtype: DType) -> DType:
    """The floating type of the two parts of a complex one."""
    return float32 if dtype is complex64 else float64


def _samples() -> Iterable[Sample]:
    for shape in ((), (5,), (3, 4), (2, 0)):
        numbers = sample_numbers(shape, low=-2, high=1.7) + 1j * sample_numbers(shape, seed=1)
        yield Sample((np.asarray(numbers),))


def _complex_part(
    name: str,
    evaluate: Callable[[np.ndarray], Any],
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor],
    result: Callable[[DType], DType] | None = _part_dtype,
) -> Primitive:
    return elementwise(
        name,
        lower=None,
        evaluate=evaluate,
        gradient=gradient,
        samples=_samples,
        accepts="complex",
        result=result,
    )


real = _complex_part(
    "real",
    lambda x: x.real,
    lambda output_grad, output, x: convert(output_grad, dtype=x.dtype),
)
imag = _complex_part(
    "imag",
    lambda x: x.imag,
    lambda output_grad, output, x: convert(output_grad, dtype=x.dtype) * constant_like(x, -1j),
)
conj: Primitive = _complex_part(
    "conj",
    lambda x: np.conj(x),
    lambda output_grad, output, x: conj(output_grad),
    result=None,
)
magnitude = _complex_part(
    "magnitude",
    lambda x: np.abs(x),
    lambda output_grad, output, x: convert(output_grad, dtype=x.dtype) * conj(direction(x)),
)


def _direction_gradient(output_grad: Tensor, output: Tensor, x: Tensor) -> Tensor:
    """What turns the direction, divided by the size; 0 at 0, where there is no derivative."""
    lengthening = convert(real(output_grad * output), dtype=x.dtype) * conj(output)
    is_zero = equal(x, constant_like(x, 0))
    size = where(is_zero, constant_like(x, 1), convert(magnitude(x), dtype=x.dtype))
    return where(is_zero, constant_like(x, 0), (output_grad - lengthening) / size)


direction: Primitive = _complex_part(
    "direction", lambda x: np.sign(x), _direction_gradient, result=None
)
"""x / abs(x), and 0 for 0."""
