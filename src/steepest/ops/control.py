"""Operations that carry programs or rules, and values of several tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from steepest.graph.types import TensorType
from steepest.ops.primitive import Primitive, Sample, Tensor, sample_numbers


def _infer_custom_gradient(
    *operands: TensorType, input_count: int, rule: Callable[..., Any]
) -> tuple[TensorType, ...]:
    return operands[input_count:]


def _custom_gradient_rule(
    index: int,
    output_grad: tuple[Tensor, ...],
    output: tuple[Tensor, ...],
    *operands: Tensor,
    input_count: int,
    rule: Callable[..., Any],
) -> Tensor | None:
    if index >= input_count:
        return None
    return rule(index, output_grad, output, *operands[:input_count])


def _passing_rule(index: int, output_grads: Any, outputs: Any, operand: Tensor) -> Tensor:
    """The rule of the sample: the result is the operand itself, so its gradient passes on."""
    return output_grads[0]


def _custom_gradient_samples() -> Iterable[Sample]:
    numbers = sample_numbers((3,))
    yield Sample((numbers, numbers), {"input_count": 1, "rule": _passing_rule}, smooth=False)


custom_gradient = Primitive(
    "custom_gradient",
    infer=_infer_custom_gradient,
    evaluate=lambda *operands, input_count, rule: operands[input_count:],
    gradient=_custom_gradient_rule,
    samples=_custom_gradient_samples,
)
"""The last operands, as they are; their gradient with respect to the first ones is `rule`'s.

Operands are `input_count` inputs followed by the outputs already computed from them.
`rule(index, output_grads, outputs, *inputs)` returns the gradient of input number `index`.
"""


def _infer_item(operand: tuple[TensorType, ...], *, index: int) -> TensorType:
    return operand[index]


def _item_samples() -> Iterable[Sample]:
    return ()


item = Primitive(
    "item",
    infer=_infer_item,
    evaluate=lambda operand, *, index: np.asarray(operand[index]),
    gradient=None,
    samples=_item_samples,
)
"""One tensor of a value of several. The reverse pass knows it, so it has no rule of its own."""
