"""The reduction family: many numbers along some axes become one, or a running total.

Reduced axes are dropped from the shape; they are counted from 0 and given in ascending order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from steepest.errors import ArgumentError
from steepest.graph.dtypes import bool_, float32, int64
from steepest.graph.types import Shape, TensorType
from steepest.ops.contraction import contract
from steepest.ops.elementwise.comparison import equal
from steepest.ops.elementwise.selection import convert, where
from steepest.ops.movement import broadcast_to, concat, flip, reshape, slice_, transpose
from steepest.ops.primitive import (
    BadSample,
    GradientRule,
    Primitive,
    Sample,
    Tensor,
    check_axis,
    check_kind,
    constant_like,
    sample_numbers,
)


def reduction(
    name: str,
    *,
    evaluate: Callable[..., Any],
    gradient: GradientRule,
    accepts: str,
    needs_numbers: bool,
) -> Primitive:
    """Make a primitive that reduces `axes` to one number each.

    Args:
        needs_numbers: whether reducing an axis of size 0 is an error (there is no largest number
            of none).
    """

    def infer(operand: TensorType, *, axes: Shape) -> TensorType:
        check_kind(name, "operand", operand, accepts)
        for axis in axes:
            check_axis(name, axis, operand)
            if needs_numbers and operand.shape[axis] == 0:
                raise ArgumentError(
                    f"{name}: axis {axis} of the operand {operand.shape} is empty, "
                    f"and there is no {name} of no numbers."
                )
        shape = tuple(size for axis, size in enumerate(operand.shape) if axis not in axes)
        return TensorType(shape, operand.dtype)

    def samples() -> Iterable[Sample]:
        operand = sample_numbers((3, 4, 2), seed=3)
        for axes in ((0,), (1, 2), (0, 1, 2), (), (2,)):
            yield Sample((operand,), {"axes": axes})
        yield Sample((sample_numbers(()),), {"axes": ()})
        if not needs_numbers:
            yield Sample((sample_numbers((0, 3)),), {"axes": (0,)})

    return Primitive(
        name,
        infer=infer,
        evaluate=evaluate,
        gradient=gradient,
        samples=samples,
        bad_samples=[
            BadSample(
                (TensorType((2, 3), float32),),
                f"{name}: axis 2 does not exist: the operand (2, 3) has 2 axes.",
                {"axes": (2,)},
            )
        ],
    )


def expand(reduced: Tensor, shape: Shape, axes: Shape) -> Tensor:
    """Repeat a reduced value along the axes that were reduced, back to `shape`."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    if reduced.shape != kept:
        reduced = reshape(reduced, shape=kept)
    return reduced if kept == shape else broadcast_to(reduced, shape=shape)


def _sum(operand: np.ndarray, *, axes: Shape) -> np.ndarray:
    """Add in an order that depends on the shape only, not on how the numbers lie in memory."""
    return np.sum(np.asarray(operand, order="C"), axis=axes, dtype=operand.dtype)


def _product(operand: np.ndarray, *, axes: Shape) -> np.ndarray:
    """Multiply in an order that depends on the shape only."""
    return np.prod(np.asarray(operand, order="C"), axis=axes, dtype=operand.dtype)


sum_ = reduction(
    "sum",
    evaluate=_sum,
    gradient=lambda index, output_grad, output, operand, *, axes: expand(
        output_grad, operand.shape, axes
    ),
    accepts="number",
    needs_numbers=False,
)


def _product_gradient(
    index: int, output_grad: Tensor, output: Tensor, operand: Tensor, *, axes: Shape
) -> Tensor:
    """The product of all the others, found without dividing, so that zeros are right."""
    if not axes:
        return output_grad
    kept = tuple(axis for axis in range(operand.ndim) if axis not in axes)
    order = kept + axes
    moved = transpose(operand, axes=order)
    lead = tuple(operand.shape[axis] for axis in kept)
    count = operand.size // max(1, int(np.prod(lead))) if operand.size else 0
    flat = reshape(moved, shape=(*lead, count))
    last = len(lead)
    before = _exclusive_product(flat, last)
    after = flip(_exclusive_product(flip(flat, axes=(last,)), last), axes=(last,))
    others = reshape(before * after, shape=moved.shape)
    inverse = tuple(order.index(axis) for axis in range(operand.ndim))
    return expand(output_grad, operand.shape, axes) * transpose(others, axes=inverse)


def _exclusive_product(operand: Tensor, axis: int) -> Tensor:
    """The product of all numbers before each one, along the last axis."""
    if operand.shape[axis] == 0:
        return operand
    start, step = (0,) * operand.ndim, (1,) * operand.ndim
    first = slice_(operand, start=start, stop=(*operand.shape[:-1], 1), step=step)
    rest = slice_(
        operand, start=start, stop=(*operand.shape[:-1], operand.shape[-1] - 1), step=step
    )
    one = type(operand)._full(first.shape, 1, operand.dtype)
    return cumulative_product(concat(one, rest, axis=axis), axis=axis)


product = reduction(
    "product",
    evaluate=_product,
    gradient=_product_gradient,
    accepts="number",
    needs_numbers=False,
)


def _extremum_gradient(
    index: int, output_grad: Tensor, output: Tensor, operand: Tensor, *, axes: Shape
) -> Tensor:
    """The gradient goes to the extreme number, in equal shares where several tie."""
    is_extreme = equal(operand, expand(output, operand.shape, axes))
    share = convert(is_extreme, dtype=operand.dtype)
    count = sum_(share, axes=axes)
    return share * expand(output_grad / count, operand.shape, axes)


FEW = 32
"""Numbers per result up to which an extremum goes number by number over all results at once.

NumPy's own reduction takes about ten times as long for the four numbers of a pooling window.
"""


def _extremum(function: np.ufunc) -> Callable[..., np.ndarray]:
    """The evaluation of a reduction that gives the same number in any order."""

    def evaluate(operand: np.ndarray, *, axes: Shape) -> np.ndarray:
        lead = operand.ndim - len(axes)
        count = math.prod(operand.shape[lead:])
        is_trailing = axes == tuple(range(lead, operand.ndim))
        if not is_trailing or not 1 < count <= FEW or operand.size < FEW * count:
            return function.reduce(operand, axis=axes)
        offsets: list[tuple[Any, ...]] = [(..., *each) for each in np.ndindex(operand.shape[lead:])]
        result = function(operand[offsets[0]], operand[offsets[1]])
        for offset in offsets[2:]:
            function(result, operand[offset], out=result)
        return result

    return evaluate


max_ = reduction(
    "max",
    evaluate=_extremum(np.maximum),
    gradient=_extremum_gradient,
    accepts="ordered",
    needs_numbers=True,
)

min_ = reduction(
    "min",
    evaluate=_extremum(np.minimum),
    gradient=_extremum_gradient,
    accepts="ordered",
    needs_numbers=True,
)


def _position(name: str, evaluate: Callable[..., Any]) -> Primitive:
    """Make a primitive that gives the position (int64) of an extreme number along one axis."""

    def infer(operand: TensorType, *, axis: int) -> TensorType:
        check_kind(name, "operand", operand, "ordered")
        check_axis(name, axis, operand)
        if operand.shape[axis] == 0:
            raise ArgumentError(f"{name}: axis {axis} of the operand {operand.shape} is empty.")
        return TensorType(operand.shape[:axis] + operand.shape[axis + 1 :], int64)

    def samples() -> Iterable[Sample]:
        yield Sample((sample_numbers((3, 4)),), {"axis": 0})
        yield Sample((np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]]),), {"axis": 1})

    return Primitive(
        name,
        infer=infer,
        evaluate=lambda operand, *, axis: evaluate(operand, axis=axis),
        gradient=None,
        samples=samples,
        bad_samples=[
            BadSample(
                (TensorType((0, 3), float32),),
                f"{name}: axis 0 of the operand (0, 3) is empty.",
                {"axis": 0},
            )
        ],
    )


argmax = _position("argmax", np.argmax)
argmin = _position("argmin", np.argmin)


def _cumulative(
    name: str, evaluate: np.ufunc, gradient: Callable[[Tensor, Tensor, int], Tensor]
) -> Primitive:
    """Make a primitive that gives, along one axis, the total of all numbers so far."""

    def infer(operand: TensorType, *, axis: int) -> TensorType:
        check_kind(name, "operand", operand, "number")
        check_axis(name, axis, operand)
        return operand

    def samples() -> Iterable[Sample]:
        yield Sample((sample_numbers((3, 4)),), {"axis": 0})
        yield Sample((sample_numbers((3, 4)),), {"axis": 1})
        yield Sample((np.array([2.0, 0.0, 3.0, 0.0]),), {"axis": 0})

    return Primitive(
        name,
        infer=infer,
        evaluate=lambda operand, *, axis: evaluate.accumulate(
            operand, axis=axis, dtype=operand.dtype
        ),
        gradient=lambda index, output_grad, output, operand, *, axis: gradient(
            output_grad, operand, axis
        ),
        samples=samples,
        bad_samples=[
            BadSample(
                (TensorType((2,), float32),),
                f"{name}: axis 1 does not exist: the operand (2,) has 1 axes.",
                {"axis": 1},
            )
        ],
    )


def _cumulative_sum_gradient(output_grad: Tensor, operand: Tensor, axis: int) -> Tensor:
    """Each number counts in every later total: a running sum from the end."""
    backwards = flip(output_grad, axes=(axis,))
    return flip(cumulative_sum(backwards, axis=axis), axes=(axis,))


def _cumulative_product_gradient(output_grad: Tensor, operand: Tensor, axis: int) -> Tensor:
    """Sum over later totals of (total without this number), by a table of size n x n.

    The table costs n times the memory of the operand, but divides by nothing, so it is right at
    zeros and for derivatives of any order.
    """
    size = operand.shape[axis]
    order = (*(each for each in range(operand.ndim) if each != axis), axis)
    inverse = tuple(order.index(each) for each in range(operand.ndim))
    rows = transpose(operand, axes=order)
    table = broadcast_to(
        reshape(rows, shape=(*rows.shape[:-1], 1, size)), shape=(*rows.shape[:-1], size, size)
    )
    itself = _truths(operand, np.eye(size))
    later = _truths(operand, np.triu(np.ones((size, size))))
    without = where(itself, constant_like(operand, 1), table)
    every_total = cumulative_product(without, axis=operand.ndim)
    totals = where(later, every_total, constant_like(operand, 0))
    gradient = contract(transpose(output_grad, axes=order), totals, spec=_table_spec(operand.ndim))
    return transpose(gradient, axes=inverse)


def _table_spec(ndim: int) -> str:
    """`abj,abij->abi` for two leading axes."""
    lead = "abcdefgh"[: ndim - 1]
    return f"{lead}j,{lead}ij->{lead}i"


def _truths(like: Tensor, array: np.ndarray) -> Tensor:
    """A boolean constant, true where `array` is not zero."""
    return type(like)._constant(array != 0, bool_)


cumulative_sum = _cumulative("cumulative_sum", np.add, _cumulative_sum_gradient)
cumulative_product = _cumulative("cumulative_product", np.multiply, _cumulative_product_gradient)
