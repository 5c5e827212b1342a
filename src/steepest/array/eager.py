"""Functions that run only on known numbers, through NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from steepest.array.conversion import floating, type_of
from steepest.autodiff.custom import all_at_once, attach
from steepest.autodiff.reverse import OutputGrads
from steepest.errors import GradientError, TraceError
from steepest.graph.dtypes import DType, bfloat16, to_compute
from steepest.trace.containers import flatten
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, make_constant


def known_numbers(name: str, value: Value) -> np.ndarray:
    """The numbers of a tensor, as the evaluator computes with them.

    Args:
        name: the function that needs them, for messages.

    Raises:
        TraceError: a program is being traced, in which they are not known.
    """
    if value.is_symbolic or state.trace is not None:
        raise TraceError(
            located(
                f"{name}: runs on known numbers only, and inside steepest.compile there are none "
                f"yet. Call it outside, and pass the result in as an argument."
            )
        )
    return to_compute(value._stored(), type_of(value).dtype)


def _refuse_gradient(name: str, value: Value) -> None:
    """Raise GradientError for an operand whose gradient would be lost."""
    if state.gradients_enabled and value._requires_grad:
        raise GradientError(
            located(
                f"{name}: the operand {value._type} requires a gradient, but {name} has no "
                f"gradient rule yet. Use detach() on the operand, or no_grad()."
            )
        )


Rule = Callable[..., Any]
"""`rule(output_grads, outputs, *operands)` returns the gradient of each operand (a tuple, or one
tensor for one operand; `None` where there is none), made of operations on tensors. Those of
complex numbers are as the reverse pass keeps them (see `primitive.GradientRule`)."""


def through_numpy(
    name: str,
    function: Callable[..., Any],
    *operands: Any,
    gradient: Rule | None = None,
    **options: Any,
) -> Any:
    """Apply a NumPy function to the numbers of floating or complex tensors.

    Integers are converted to the default floating type, and bfloat16 is computed in float32.

    Args:
        name: the function that the user called, for messages.
        function: takes one array for each operand, and `options`.
        gradient: the rule; without one, gradients are refused.

    Returns:
        A tensor, or a tuple of them when the function returns several arrays.

    Raises:
        TraceError: a program is being traced.
        GradientError: an operand requires a gradient, and there is no rule.
    """
    values = floating(*operands)
    arrays = [known_numbers(name, value) for value in values]
    for value in values:
        if gradient is None:
            _refuse_gradient(name, value)
    with np.errstate(all="ignore"):
        result = function(*arrays, **options)
    dtype = type_of(values[0]).dtype
    is_one = not isinstance(result, tuple)
    outputs = [_tensor(part, dtype) for part in ([result] if is_one else result)]
    if gradient is not None and any(value._requires_grad for value in values):
        outputs = _with_rule(gradient, values, outputs)
    return outputs[0] if is_one else tuple(outputs)


def _with_rule(gradient: Rule, values: Sequence[Value], outputs: Sequence[Value]) -> list[Value]:
    """Let gradients flow from the outputs back to the operands."""

    def find(
        output_grads: OutputGrads, made: Sequence[Value], operands: Sequence[Value]
    ) -> Sequence[Value | None]:
        found = gradient(output_grads, made, *operands)
        return found if isinstance(found, tuple) else (found,)

    structure = flatten(list(outputs))[1]
    return cast(list[Value], attach(all_at_once(find), values, outputs, structure))


def _tensor(array: Any, dtype: DType) -> Value:
    """A tensor of a result, in bfloat16 when the operands were."""
    array = np.asarray(array)
    narrow = dtype is bfloat16 and array.dtype == bfloat16.compute
    return make_constant(array, bfloat16 if narrow else None)
