"""The parts of complex numbers. Gradients are not taken through complex numbers yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from steepest.graph.dtypes import DType, complex64, float32, float64
from steepest.ops.elementwise.family import elementwise
from steepest.ops.primitive import Primitive, Sample, sample_numbers


def _part_dtype(dtype: DType) -> DType:
    """The floating type of the two parts of a complex one."""
    return float32 if dtype is complex64 else float64


def _samples() -> Iterable[Sample]:
    for shape in ((), (5,), (3, 4), (2, 0)):
        numbers = sample_numbers(shape) + 1j * sample_numbers(shape, seed=1)
        yield Sample((np.asarray(numbers),), smooth=False)


def _complex_part(
    name: str,
    evaluate: Callable[[np.ndarray], Any],
    result: Callable[[DType], DType] | None = _part_dtype,
) -> Primitive:
    return elementwise(
        name,
        lower=None,
        evaluate=evaluate,
        gradient=None,
        samples=_samples,
        accepts="complex",
        result=result,
    )


real = _complex_part("real", lambda x: x.real)
imag = _complex_part("imag", lambda x: x.imag)
magnitude = _complex_part("magnitude", lambda x: np.abs(x))
conj = _complex_part("conj", lambda x: np.conj(x), result=None)
