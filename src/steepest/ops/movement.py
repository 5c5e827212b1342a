"""The movement family: operations that rearrange numbers and compute none."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from steepest.errors import ArgumentError, ShapeError
from steepest.graph.dtypes import float32
from steepest.graph.types import Shape, TensorType
from steepest.ops.elementwise.family import sum_to
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    check_axis,
    check_same_dtype,
    sample_numbers,
)


def _infer_reshape(operand: TensorType, *, shape: Shape) -> TensorType:
    if math.prod(shape) != operand.size:
        raise ShapeError(
            f"reshape: operand {operand.shape} has {operand.size} numbers, "
            f"but shape {shape} holds {math.prod(shape)}."
        )
    return TensorType(shape, operand.dtype)


def _reshape_samples() -> Iterable[Sample]:
    yield Sample((sample_numbers((3, 4)),), {"shape": (2, 6)})
    yield Sample((sample_numbers((2, 3, 4)),), {"shape": (24,)})
    yield Sample((sample_numbers(()),), {"shape": (1, 1)})
    yield Sample((sample_numbers((0, 3)),), {"shape": (3, 0)})


reshape: Primitive = Primitive(
    "reshape",
    infer=_infer_reshape,
    evaluate=lambda operand, *, shape: operand.reshape(shape),
    gradient=lambda index, output_grad, output, operand, *, shape: reshape(
        output_grad, shape=operand.shape
    ),
    samples=_reshape_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 3), float32),),
            "reshape: operand (2, 3) has 6 numbers, but shape (4,) holds 4.",
            {"shape": (4,)},
        )
    ],
)


def _infer_transpose(operand: TensorType, *, axes: Shape) -> TensorType:
    if sorted(axes) != list(range(operand.ndim)):
        raise ShapeError(
            f"transpose: axes {axes} are no order of the {operand.ndim} axes of {operand.shape}."
        )
    return TensorType(tuple(operand.shape[axis] for axis in axes), operand.dtype)


def _transpose_samples() -> Iterable[Sample]:
    yield Sample((sample_numbers((3, 4)),), {"axes": (1, 0)})
    yield Sample((sample_numbers((2, 3, 4)),), {"axes": (2, 0, 1)})
    yield Sample((sample_numbers(()),), {"axes": ()})


transpose: Primitive = Primitive(
    "transpose",
    infer=_infer_transpose,
    evaluate=lambda operand, *, axes: operand.transpose(axes),
    gradient=lambda index, output_grad, output, operand, *, axes: transpose(
        output_grad, axes=tuple(axes.index(axis) for axis in range(len(axes)))
    ),
    samples=_transpose_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 3), float32),),
            "transpose: axes (0, 0) are no order of the 2 axes of (2, 3).",
            {"axes": (0, 0)},
        )
    ],
)


def _infer_broadcast(operand: TensorType, *, shape: Shape) -> TensorType:
    padded = (1,) * (len(shape) - operand.ndim) + operand.shape
    fits = len(padded) == len(shape) and all(
        old in (1, new) for old, new in zip(padded, shape, strict=True)
    )
    if not fits:
        raise ShapeError(f"broadcast_to: operand {operand.shape} does not broadcast to {shape}.")
    return TensorType(shape, operand.dtype)


def _broadcast_samples() -> Iterable[Sample]:
    yield Sample((sample_numbers((3, 1)),), {"shape": (2, 3, 4)})
    yield Sample((sample_numbers(()),), {"shape": (2, 3)})
    yield Sample((sample_numbers((3,)),), {"shape": (3,)})


broadcast_to: Primitive = Primitive(
    "broadcast_to",
    infer=_infer_broadcast,
    evaluate=lambda operand, *, shape: np.broadcast_to(operand, shape),
    gradient=lambda index, output_grad, output, operand, *, shape: sum_to(
        output_grad, operand.shape
    ),
    samples=_broadcast_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 3), float32),),
            "broadcast_to: operand (2, 3) does not broadcast to (3, 2).",
            {"shape": (3, 2)},
        )
    ],
)


def _slice_sizes(start: Shape, stop: Shape, step: Shape) -> Shape:
    triples = zip(start, stop, step, strict=True)
    return tuple(max(0, -(-(last - first) // by)) for first, last, by in triples)


def _infer_slice(operand: TensorType, *, start: Shape, stop: Shape, step: Shape) -> TensorType:
    ranges = zip(start, stop, step, operand.shape, strict=True)
    if any(not 0 <= first <= last <= size or by < 1 for first, last, by, size in ranges):
        raise ArgumentError(
            f"slice: start {start}, stop {stop}, step {step} leave the operand {operand.shape}."
        )
    return TensorType(_slice_sizes(start, stop, step), operand.dtype)


def _slice(operand: np.ndarray, *, start: Shape, stop: Shape, step: Shape) -> np.ndarray:
    return operand[tuple(map(slice, start, stop, step))]


def _slice_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    start: Shape,
    stop: Shape,
    step: Shape,
) -> Tensor:
    """Put the gradient back where the numbers came from, zeros elsewhere."""
    covered = tuple(
        first + (size - 1) * by + 1 if size else first
        for first, size, by in zip(start, output.shape, step, strict=True)
    )
    high = tuple(size - end for size, end in zip(operand.shape, covered, strict=True))
    return pad(output_grad, low=start, high=high, interior=tuple(by - 1 for by in step))


def _slice_samples() -> Iterable[Sample]:
    operand = sample_numbers((5, 6))
    yield Sample((operand,), {"start": (1, 0), "stop": (4, 6), "step": (1, 2)})
    yield Sample((operand,), {"start": (0, 1), "stop": (5, 6), "step": (3, 4)})
    yield Sample((operand,), {"start": (2, 0), "stop": (2, 6), "step": (1, 1)})


slice_: Primitive = Primitive(
    "slice",
    infer=_infer_slice,
    evaluate=_slice,
    gradient=_slice_gradient,
    samples=_slice_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32),),
            "slice: start (0,), stop (3,), step (1,) leave the operand (2,).",
            {"start": (0,), "stop": (3,), "step": (1,)},
        )
    ],
)


def _infer_pad(operand: TensorType, *, low: Shape, high: Shape, interior: Shape) -> TensorType:
    if not len(low) == len(high) == len(interior) == operand.ndim:
        raise ArgumentError(
            f"pad: low {low}, high {high}, interior {interior} must each have one number for "
            f"each axis of the operand {operand.shape}."
        )
    if min((*low, *high, *interior), default=0) < 0:
        raise ArgumentError(f"pad: low {low}, high {high}, interior {interior} must not be < 0.")
    sizes = zip(operand.shape, low, high, interior, strict=True)
    shape = tuple(
        before + size + max(size - 1, 0) * between + after for size, before, after, between in sizes
    )
    return TensorType(shape, operand.dtype)


def _pad(operand: np.ndarray, *, low: Shape, high: Shape, interior: Shape) -> np.ndarray:
    """Surround with zeros, and put `interior` zeros between neighbours."""
    sizes = list(zip(operand.shape, low, high, interior, strict=True))
    shape = [
        before + size + max(size - 1, 0) * between + after for size, before, after, between in sizes
    ]
    result = np.zeros(shape, operand.dtype)
    places = tuple(
        slice(before, before + max(size - 1, 0) * (between + 1) + (size > 0), between + 1)
        for size, before, _, between in sizes
    )
    result[places] = operand
    return result


def _pad_gradient(
    index: int,
    output_grad: Tensor,
    output: Tensor,
    operand: Tensor,
    *,
    low: Shape,
    high: Shape,
    interior: Shape,
) -> Tensor:
    step = tuple(between + 1 for between in interior)
    stop = tuple(
        first + (size - 1) * by + 1 if size else first
        for first, size, by in zip(low, operand.shape, step, strict=True)
    )
    return slice_(output_grad, start=low, stop=stop, step=step)


def _pad_samples() -> Iterable[Sample]:
    operand = sample_numbers((3, 4))
    yield Sample((operand,), {"low": (1, 0), "high": (0, 2), "interior": (0, 0)})
    yield Sample((operand,), {"low": (0, 1), "high": (2, 0), "interior": (1, 2)})
    yield Sample((operand[:0],), {"low": (1, 0), "high": (1, 0), "interior": (0, 0)})


pad: Primitive = Primitive(
    "pad",
    infer=_infer_pad,
    evaluate=_pad,
    gradient=_pad_gradient,
    samples=_pad_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32),),
            "pad: low (-1,), high (0,), interior (0,) must not be < 0.",
            {"low": (-1,), "high": (0,), "interior": (0,)},
        )
    ],
)


def _infer_flip(operand: TensorType, *, axes: Shape) -> TensorType:
    for axis in axes:
        check_axis("flip", axis, operand)
    return operand


def _flip(operand: np.ndarray, *, axes: Shape) -> np.ndarray:
    """Copied to plain order: NumPy's functions can round otherwise where strides are negative."""
    return np.asarray(np.flip(operand, axes), order="C")


def _flip_samples() -> Iterable[Sample]:
    yield Sample((sample_numbers((3, 4)),), {"axes": (1,)})
    yield Sample((sample_numbers((3, 4)),), {"axes": (0, 1)})
    yield Sample((sample_numbers(()),), {"axes": ()})


flip: Primitive = Primitive(
    "flip",
    infer=_infer_flip,
    evaluate=_flip,
    gradient=lambda index, output_grad, output, operand, *, axes: flip(output_grad, axes=axes),
    samples=_flip_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32),),
            "flip: axis 1 does not exist: the operand (2,) has 1 axes.",
            {"axes": (1,)},
        )
    ],
)


def _infer_concat(*operands: TensorType, axis: int) -> TensorType:
    first = operands[0]
    check_same_dtype("concat", [f"operand {n}" for n in range(len(operands))], operands)
    check_axis("concat", axis, first)
    for other in operands[1:]:
        if other.shape[:axis] + other.shape[axis + 1 :] != (
            first.shape[:axis] + first.shape[axis + 1 :]
        ):
            shapes = " and ".join(str(operand.shape) for operand in operands)
            raise ShapeError(f"concat: shapes {shapes} differ in more than axis {axis}.")
    total = sum(operand.shape[axis] for operand in operands)
    return TensorType((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _concat_gradient(
    index: int, output_grad: Tensor, output: Tensor, *operands: Tensor, axis: int
) -> Tensor:
    """Cut out the part of the gradient that belongs to one operand."""
    before = sum(operand.shape[axis] for operand in operands[:index])
    size = operands[index].shape[axis]
    start = tuple(before if each == axis else 0 for each in range(output.ndim))
    stop = tuple(before + size if each == axis else full for each, full in enumerate(output.shape))
    return slice_(output_grad, start=start, stop=stop, step=(1,) * output.ndim)


def _concat_samples() -> Iterable[Sample]:
    parts = (sample_numbers((2, 3)), sample_numbers((2, 1), seed=1), sample_numbers((2, 2), seed=2))
    yield Sample(parts, {"axis": 1})
    yield Sample((parts[0],), {"axis": 0})


concat: Primitive = Primitive(
    "concat",
    infer=_infer_concat,
    evaluate=lambda *operands, axis: np.concatenate(operands, axis),
    gradient=_concat_gradient,
    samples=_concat_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 3), float32), TensorType((3, 3), float32)),
            "concat: shapes (2, 3) and (3, 3) differ in more than axis 1.",
            {"axis": 1},
        )
    ],
)
