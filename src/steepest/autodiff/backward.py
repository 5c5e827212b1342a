"""`loss.backward()`: gradients stored in the `.grad` of the tensors that asked for them.

That of a complex tensor is dL/dx + i dL/dy (see `reverse`).
"""

from __future__ import annotations

from steepest.autodiff.modes import enable_grad, no_grad
from steepest.autodiff.reverse import (
    as_tensor,
    conjugated,
    history,
    ones_like,
    require_real,
    reverse,
)
from steepest.errors import GradientError, ShapeError
from steepest.graph.types import TensorType
from steepest.ops.elementwise.arithmetic import add
from steepest.trace.origin import located
from steepest.trace.program import consumed_message
from steepest.trace.state import state
from steepest.trace.value import Consumed, Value


def backward(output: Value, gradient: Value | None = None, create_graph: bool = False) -> None:
    """Add the gradient of `output` to the `.grad` of every leaf it came from.

    Args:
        output: a tensor of one number, unless `gradient` is given.
        gradient: the weight of each number of `output` (default 1).
        create_graph: record the backward pass too, so that it can be differentiated.

    Raises:
        GradientError: `output` does not depend on any tensor with `requires_grad`, or, inside a
            compiled function, on one that was computed outside of it; or it is complex and no
            `gradient` was given.
        ShapeError: `output` has several numbers and no `gradient` was given.
    """
    if state.trace is not None:
        output = state.trace.read(output)
    if not output._requires_grad:
        raise GradientError(
            located(
                f"backward: the tensor {output._type} depends on no tensor with requires_grad. "
                f"Was it made under no_grad(), or by detach()?"
            )
        )
    output_grad = _initial_gradient(output, gradient)
    leaves = [value for value in history([output]) if value._record is None]
    for leaf in leaves:
        if leaf._leaf._record is not None:
            raise GradientError(
                located(
                    f"backward: the gradient flows to a tensor {leaf._type} that was computed "
                    f"outside of the compiled function, where it cannot follow. Compute it inside, "
                    f"use its detach(), or call backward() outside."
                )
            )
    with enable_grad() if create_graph else no_grad():
        gradients = reverse([output], [conjugated(output_grad)], leaves)
        for leaf, leaf_gradient in zip(leaves, gradients, strict=True):
            if leaf_gradient is not None:
                add_gradient(leaf, conjugated(leaf_gradient))


def _initial_gradient(output: Value, gradient: Value | None) -> Value:
    assert isinstance(output._type, TensorType)
    if gradient is None:
        if output._type.size != 1:
            raise ShapeError(
                located(
                    f"backward: the tensor {output._type} has {output._type.size} numbers. "
                    f"Call backward() on one number, such as its mean(), or pass gradient=."
                )
            )
        require_real("backward", output)
        return ones_like(output)
    gradient = as_tensor(gradient)
    if gradient._type != output._type:
        raise ShapeError(
            located(f"backward: gradient {gradient._type} does not fit tensor {output._type}.")
        )
    return gradient


def add_gradient(owner: Value, gradient: Value) -> None:
    """Add to a tensor's `.grad`, which is the sum over all backward passes since it was cleared."""
    before = get_gradient(owner)
    set_gradient(owner, gradient if before is None else add(before, gradient))


def get_gradient(owner: Value) -> Value | None:
    """Read a tensor's `.grad`.

    Raises:
        GradientError: a compiled function has used the gradient up.
    """
    if state.trace is not None:
        return state.trace.gradient_of(owner)
    if isinstance(owner._grad, Consumed):
        raise GradientError(located(consumed_message(owner)))
    return owner._grad


def set_gradient(owner: Value, gradient: Value | None) -> None:
    """Replace a tensor's `.grad`."""
    if state.trace is not None:
        state.trace.set_gradient(owner, gradient)
    else:
        owner._grad = gradient
