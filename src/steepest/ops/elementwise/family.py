"""The elementwise family: each number of the result depends on one number of each operand.

The family owns broadcasting, its reverse in the gradient, and the check of data types; a member
states its meaning, its derivative, and where to try it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from steepest.graph.dtypes import DType, bool_, complex64, float32, float64, int8, int32
from steepest.graph.types import Shape, TensorType
from steepest.ops.primitive import (
    KINDS,
    BadSample,
    GradientRule,
    Lowering,
    Primitive,
    Sample,
    Tensor,
    broadcast_shapes,
    check_kind,
    check_same_dtype,
    sample_numbers,
)

ROLES = {1: ("operand",), 2: ("left", "right"), 3: ("first", "second", "third")}


def elementwise(
    name: str,
    *,
    evaluate: Callable[..., Any],
    lower: Lowering | None,
    gradient: Sequence[Callable[..., Tensor] | None] | Callable[..., Tensor] | None,
    samples: Callable[[], Iterable[Sample]],
    accepts: str = "floating",
    result: DType | Callable[[DType], DType] | None = None,
    roles: Sequence[str] | None = None,
) -> Primitive:
    """Make an elementwise primitive.

    Args:
        evaluate: a NumPy function of the operands, which have one data type.
        lower: the same for one number of each operand, in machine operations; `None` where native
            code has none (complex numbers).
        gradient: one function `(output_grad, output, *operands)` per operand, a single one for a
            unary operation, or `None` where the derivative is zero everywhere.
        samples: where the tests try it (see `unary` and `binary`).
        accepts: the data types taken, a key of `primitive.KINDS`.
        result: the data type of the result, when it is not that of the operands: a fixed one, or
            a function of theirs.
        roles: what messages call the operands.
    """
    count = evaluate.nin if isinstance(evaluate, np.ufunc) else evaluate.__code__.co_argcount
    names = tuple(roles or ROLES[count])

    def infer(*operands: TensorType) -> TensorType:
        for role, operand in zip(names, operands, strict=True):
            check_kind(name, role, operand, accepts)
        check_same_dtype(name, names, operands)
        shape = broadcast_shapes(name, names, [operand.shape for operand in operands])
        own = operands[0].dtype
        dtype = own if result is None else result if isinstance(result, DType) else result(own)
        return TensorType(shape, dtype)

    rules = (gradient,) if callable(gradient) else gradient
    return Primitive(
        name,
        infer=infer,
        evaluate=evaluate,
        gradient=None if rules is None else unbroadcasting(tuple(rules)),
        samples=samples,
        lower=lower,
        bad_samples=_bad_samples(name, names, accepts),
        is_elementwise=True,
    )


def unbroadcasting(rules: Sequence[Callable[..., Tensor] | None]) -> GradientRule:
    """Make a gradient rule that sums gradients over the axes an operand was broadcast along."""

    def gradient(
        index: int, output_grad: Tensor, output: Tensor, *operands: Tensor
    ) -> Tensor | None:
        rule = rules[index]
        if rule is None:
            return None
        return sum_to(rule(output_grad, output, *operands), operands[index].shape)

    return gradient


def sum_to(value: Tensor, shape: Shape) -> Tensor:
    """Sum `value` over the axes along which `shape` was broadcast to it."""
    from steepest.ops.movement import reshape
    from steepest.ops.reduction import sum_

    if value.shape == shape:
        return value
    lead = value.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        axis + lead
        for axis, size in enumerate(shape)
        if size == 1 and value.shape[axis + lead] != 1
    )
    summed = sum_(value, axes=axes) if axes else value
    return summed if summed.shape == shape else reshape(summed, shape=shape)


def _bad_samples(name: str, roles: Sequence[str], accepts: str) -> list[BadSample]:
    """A data type that is not taken, two that differ, and shapes that do not broadcast."""
    refused = [dtype for dtype in (bool_, float32, complex64) if dtype.kind not in KINDS[accepts]]
    taken = next(each for each in (float32, int32, complex64) if each.kind in KINDS[accepts])
    good = TensorType((2, 3), taken)
    bad_samples = []
    for dtype in refused[:1]:
        bad = TensorType((2, 3), dtype)
        message = (
            f"{name}: {roles[0]} is {bad}, but this operation takes {accepts} data types. "
            f"Convert it with .astype(...)."
        )
        bad_samples.append(BadSample((bad, *(good for _ in roles[1:])), message))
    if len(roles) == 2:
        other = TensorType((2, 3), int8 if int8.kind in KINDS[accepts] else float64)
        message = (
            f"{name}: data types differ: {roles[0]} is {good}, {roles[1]} is {other}. "
            f"Convert with .astype(...)."
        )
        bad_samples.append(BadSample((good, other), message))
        message = (
            f"{name}: {roles[0]} (2, 3), {roles[1]} (4,) do not broadcast: "
            f"axis -1 has sizes 3 and 4."
        )
        bad_samples.append(BadSample((good, TensorType((4,), taken)), message))
    return bad_samples


def unary(
    low: float = -2.1, high: float = 1.8, smooth: bool = True
) -> Callable[[], Iterable[Sample]]:
    """Samples for a unary operation of floating numbers within (low, high).

    The default range puts none of them on a whole number or half of one, where rounding jumps.
    """

    def samples() -> Iterable[Sample]:
        for shape in ((), (5,), (3, 4), (2, 0)):
            yield Sample((sample_numbers(shape, low, high),), smooth=smooth)

    return samples


def binary(
    low: float = -2.0, high: float = 2.0, right_low: float | None = None, smooth: bool = True
) -> Callable[[], Iterable[Sample]]:
    """Samples for a binary operation of floating numbers, with every kind of broadcasting."""
    right = low if right_low is None else right_low

    def samples() -> Iterable[Sample]:
        shapes: list[tuple[Shape, Shape]] = [
            ((), ()),
            ((3, 4), (3, 4)),
            ((3, 4), (4,)),
            ((3, 1), (2, 1, 4)),
            ((), (2, 2)),
            ((0, 3), (3,)),
        ]
        for left_shape, right_shape in shapes:
            yield Sample(
                (
                    sample_numbers(left_shape, low, high, seed=1),
                    sample_numbers(right_shape, right, high + 0.1, seed=2),
                ),
                smooth=smooth,
            )

    return samples


def integers(count: int, low: int = -9, high: int = 9) -> Callable[[], Iterable[Sample]]:
    """Samples of `count` integer operands."""

    def samples() -> Iterable[Sample]:
        for shape in ((), (7,), (3, 4)):
            operands = [
                sample_numbers(shape, low, high, seed=seed, dtype="int64") for seed in range(count)
            ]
            yield Sample(tuple(operands))

    return samples


def compare(
    name: str, evaluate: np.ufunc, lower: Lowering, *, accepts: str = "ordered"
) -> Primitive:
    """Make a comparison: two operands of one data type give a boolean."""

    def samples() -> Iterable[Sample]:
        yield from binary()()
        same = sample_numbers((3, 4), seed=1)
        yield Sample((same, same.copy()))
        yield Sample((np.array([np.nan, np.inf, 0.0]), np.array([np.nan, np.inf, -0.0])))
        yield from integers(2)()

    return elementwise(
        name,
        evaluate=evaluate,
        lower=lower,
        gradient=None,
        samples=samples,
        accepts=accepts,
        result=bool_,
    )
