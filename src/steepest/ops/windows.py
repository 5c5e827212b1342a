"""The windows family: all windows along some axes, and the sum of windows back into place.

`windows` and `fold` are adjoint to one another, so each is the gradient of the other. With
`contract` they make convolutions, with reductions they make pooling:

    convolution     contract(windows(pad(image)), weight)
    max pooling     max(windows(image)) over the axes of the window

For each listed axis, the axis of length n becomes one of positions, and an axis of the window's
size k is added behind all others, in the order of the list. Window number p of an axis holds the
numbers at `p * step + dilation * offset` for the offsets 0 to k - 1, so that there are
`(n - dilation * (k - 1) - 1) // step + 1` positions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import bool_, float32
from steepest.graph.types import Shape, TensorType
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    check_axis,
    check_kind,
    sample_numbers,
)


def window_span(size: int, dilation: int) -> int:
    """How many neighbouring numbers of an axis a window reaches over."""
    return dilation * (size - 1) + 1


def window_positions(length: int, size: int, step: int, dilation: int) -> int:
    """How many windows fit in an axis of `length`; 0 or less if none does."""
    return (length - window_span(size, dilation)) // step + 1


def _check_windows(
    name: str, operand: TensorType, axes: Shape, *options: tuple[str, Shape, int]
) -> None:
    """Raise unless there is one option of each kind for each axis, none below its least value."""
    if list(axes) != sorted(set(axes)):
        raise ArgumentError(f"{name}: axes {axes} must ascend.")
    for axis in axes:
        check_axis(name, axis, operand)
    for role, numbers, least in options:
        if len(numbers) != len(axes) or min(numbers, default=least) < least:
            raise ArgumentError(
                f"{name}: {role} {numbers} must have one number of at least {least} for each of "
                f"the axes {axes}."
            )


def _infer_windows(
    operand: TensorType, *, axes: Shape, sizes: Shape, steps: Shape, dilations: Shape
) -> TensorType:
    options = (("sizes", sizes, 1), ("steps", steps, 1), ("dilations", dilations, 1))
    _check_windows("windows", operand, axes, *options)
    shape = list(operand.shape)
    for axis, size, step, dilation in zip(axes, sizes, steps, dilations, strict=True):
        span = window_span(size, dilation)
        if shape[axis] < span:
            raise ShapeError(
                f"windows: axis {axis} of the operand {operand.shape} is shorter than a window, "
                f"which reaches over {span} numbers."
            )
        shape[axis] = window_positions(shape[axis], size, step, dilation)
    return TensorType((*shape, *sizes), operand.dtype)


def _windows(
    operand: np.ndarray, *, axes: Shape, sizes: Shape, steps: Shape, dilations: Shape
) -> np.ndarray:
    """A view: nothing is copied."""
    shape, strides = list(operand.shape), list(operand.strides)
    inner = []
    for axis, size, step, dilation in zip(axes, sizes, steps, dilations, strict=True):
        inner.append(strides[axis] * dilation)
        shape[axis] = window_positions(shape[axis], size, step, dilation)
        strides[axis] *= step
    return as_strided(operand, (*shape, *sizes), (*strides, *inner), writeable=False)


def _windows_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    axes: Shape,
    sizes: Shape,
    steps: Shape,
    dilations: Shape,
) -> Tensor:
    """Each number counts in every window that holds it."""
    lengths = tuple(operand.shape[axis] for axis in axes)
    return fold(output_grad, axes=axes, lengths=lengths, steps=steps, dilations=dilations)


def _windows_samples() -> Iterable[Sample]:
    line, image = sample_numbers((7,)), sample_numbers((2, 5, 6))
    options: list[tuple[np.ndarray, Shape, Shape, Shape, Shape]] = [
        (line, (0,), (3,), (1,), (1,)),
        (line, (0,), (2,), (2,), (3,)),
        (line, (0,), (1,), (3,), (1,)),
        (image, (1, 2), (3, 2), (1, 1), (1, 1)),
        (image, (1, 2), (2, 3), (2, 1), (1, 2)),
        (image, (0, 2), (2, 6), (1, 5), (1, 1)),
        (image[:0], (1,), (2,), (2,), (1,)),
        (image, (), (), (), ()),
    ]
    for operand, axes, sizes, steps, dilations in options:
        static = {"axes": axes, "sizes": sizes, "steps": steps, "dilations": dilations}
        yield Sample((operand,), static)


windows: Primitive = Primitive(
    "windows",
    infer=_infer_windows,
    evaluate=_windows,
    gradient=_windows_gradient,
    samples=_windows_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 4), float32),),
            "windows: axis 1 of the operand (2, 4) is shorter than a window, which reaches over "
            "5 numbers.",
            {"axes": (1,), "sizes": (3,), "steps": (1,), "dilations": (2,)},
        ),
        BadSample(
            (TensorType((2, 4), float32),),
            "windows: steps (0,) must have one number of at least 1 for each of the axes (1,).",
            {"axes": (1,), "sizes": (3,), "steps": (0,), "dilations": (1,)},
        ),
        BadSample(
            (TensorType((2, 4), float32),),
            "windows: axes (1, 0) must ascend.",
            {"axes": (1, 0), "sizes": (1, 1), "steps": (1, 1), "dilations": (1, 1)},
        ),
    ],
)
"""Every window along some axes, as a view."""


def _infer_fold(
    operand: TensorType, *, axes: Shape, lengths: Shape, steps: Shape, dilations: Shape
) -> TensorType:
    check_kind("fold", "operand", operand, "number")
    options = (("lengths", lengths, 0), ("steps", steps, 1), ("dilations", dilations, 1))
    _check_windows("fold", operand, axes, *options)
    lead = operand.ndim - len(axes)
    if any(axis >= lead for axis in axes):
        raise ShapeError(
            f"fold: the operand {operand.shape} must have the axes of the windows behind the axes "
            f"{axes} of positions."
        )
    shape, sizes = list(operand.shape[:lead]), operand.shape[lead:]
    for axis, size, *options_here in zip(axes, sizes, lengths, steps, dilations, strict=True):
        length, step, dilation = options_here
        positions = window_positions(length, size, step, dilation)
        if positions != shape[axis] or positions < 1:
            raise ShapeError(
                f"fold: axis {axis} of the operand {operand.shape} has {shape[axis]} positions, "
                f"but {max(positions, 0)} windows of {size} numbers with step {step} and dilation "
                f"{dilation} fit in length {length}."
            )
        shape[axis] = length
    return TensorType(tuple(shape), operand.dtype)


def _fold(
    operand: np.ndarray, *, axes: Shape, lengths: Shape, steps: Shape, dilations: Shape
) -> np.ndarray:
    """Add the numbers of one offset in the window after another, in the order of offsets."""
    lead = operand.ndim - len(axes)
    shape = list(operand.shape[:lead])
    for axis, length in zip(axes, lengths, strict=True):
        shape[axis] = length
    result = np.zeros(shape, operand.dtype)
    for offsets in itertools.product(*map(range, operand.shape[lead:])):
        places = [slice(None)] * lead
        source: tuple[Any, ...] = (..., *offsets)
        for axis, offset, step, dilation in zip(axes, offsets, steps, dilations, strict=True):
            first = offset * dilation
            places[axis] = slice(first, first + (operand.shape[axis] - 1) * step + 1, step)
        result[tuple(places)] += operand[source]
    return result


def _fold_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    axes: Shape,
    lengths: Shape,
    steps: Shape,
    dilations: Shape,
) -> Tensor:
    """Each number of a window went to one place."""
    sizes = operand.shape[operand.ndim - len(axes) :]
    return windows(output_grad, axes=axes, sizes=sizes, steps=steps, dilations=dilations)


def _fold_samples() -> Iterable[Sample]:
    """The windows of the other primitive's samples, put back."""
    for sample in _windows_samples():
        operand, static = sample.operands[0], dict(sample.static)
        made = _windows(operand, **static)
        static["lengths"] = tuple(operand.shape[axis] for axis in static["axes"])
        del static["sizes"]
        yield Sample((sample_numbers(made.shape, seed=math.prod(made.shape)),), static)


fold: Primitive = Primitive(
    "fold",
    infer=_infer_fold,
    evaluate=_fold,
    gradient=_fold_gradient,
    samples=_fold_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 4, 3), float32),),
            "fold: axis 1 of the operand (2, 4, 3) has 4 positions, but 3 windows of 3 numbers "
            "with step 1 and dilation 1 fit in length 5.",
            {"axes": (1,), "lengths": (5,), "steps": (1,), "dilations": (1,)},
        ),
        BadSample(
            (TensorType((4, 3), float32),),
            "fold: the operand (4, 3) must have the axes of the windows behind the axes (1,) of "
            "positions.",
            {"axes": (1,), "lengths": (5,), "steps": (1,), "dilations": (1,)},
        ),
        BadSample(
            (TensorType((3, 3), bool_),),
            "fold: operand is bool[3, 3], but this operation takes number data types. "
            "Convert it with .astype(...).",
            {"axes": (0,), "lengths": (5,), "steps": (1,), "dilations": (1,)},
        ),
    ],
)
"""The sum of windows, each number back in its place along axes of the given lengths."""
