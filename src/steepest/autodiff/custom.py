"""Functions with a gradient rule of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from steepest.autodiff.modes import enable_grad, no_grad
from steepest.autodiff.reverse import OutputGrads, as_tensor, conjugated
from steepest.errors import GradientError, ShapeError
from steepest.graph.node import next_serial
from steepest.ops.control import custom_gradient as custom_gradient_primitive
from steepest.trace.containers import Structure, flatten, unflatten
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value


def custom_gradient(*, gradient: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function a gradient rule of its own.

        def straight_through(output_grad, output, x):
            return output_grad

        @steepest.custom_gradient(gradient=straight_through)
        def quantise(x):
            return steepest.round(x)

    Args:
        gradient: `gradient(output_grad, output, *arguments)` returns the gradient of each argument
            (a tuple, or one tensor for one argument; `None` where there is none). It is made of
            tensor operations, so it can be differentiated again. For a function that returns a
            container, `output_grad` and `output` are that container. A gradient by complex
            numbers is dL/dx + i dL/dy, so that of f(z) with derivative f' is
            `output_grad * conj(f')`.

    The function's positional arguments are tensors; it must not use other tensors that require a
    gradient (GradientError), since the rule would lose theirs.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Value) -> Any:
            inputs = [as_tensor(argument) for argument in arguments]
            started = next_serial()
            with enable_grad():
                result = function(*inputs)
            outputs, structure = flatten(result)
            outside = outside_tensors(outputs, inputs, started)
            if outside and state.gradients_enabled:
                raise GradientError(
                    located(
                        f"custom_gradient: {function.__name__} uses a tensor {outside[0]._type} "
                        f"that requires a gradient but is not an argument. Pass it as one."
                    )
                )

            def find(
                output_grads: OutputGrads, made: Sequence[Value], operands: Sequence[Value]
            ) -> Sequence[Value | None]:
                given = [conjugated(each) for each in output_grads]
                found = gradient(unflatten(structure, given), unflatten(structure, made), *operands)
                listed = found if isinstance(found, tuple | list) else (found,)
                checked = _checked(listed, operands, function.__name__)
                return [None if each is None else conjugated(each) for each in checked]

            return attach(all_at_once(find), inputs, outputs, structure)

        return call

    return decorate


def _checked(
    listed: Sequence[Value | None], operands: Sequence[Value], name: str
) -> Sequence[Value | None]:
    """Return the gradients of a user's rule, once their number and types are right."""
    if len(listed) != len(operands):
        raise GradientError(
            located(
                f"custom_gradient: the rule of {name} returned {len(listed)} gradients for "
                f"{len(operands)} arguments."
            )
        )
    for index, (found, operand) in enumerate(zip(listed, operands, strict=True)):
        if found is not None and found._type != operand._type:
            raise ShapeError(
                located(
                    f"custom_gradient: the rule of {name} returned gradient {found._type} for "
                    f"argument {index}, which is {operand._type}."
                )
            )
    return listed


def all_at_once(
    find: Callable[[OutputGrads, Sequence[Value], Sequence[Value]], Sequence[Value | None]],
) -> Callable[..., Value | None]:
    """Make a rule of the `custom_gradient` primitive that does its work once for all operands.

    Args:
        find: `find(output_grads, outputs, operands)` returns the gradient of every operand.
    """

    def rule(
        index: int, output_grads: OutputGrads, outputs: Sequence[Value], *operands: Value
    ) -> Value | None:
        if output_grads.answers is None:
            output_grads.answers = find(output_grads, outputs, operands)
        return output_grads.answers[index]

    return rule


def outside_tensors(outputs: Sequence[Value], inputs: Sequence[Value], started: int) -> list[Value]:
    """Tensors that require a gradient, which `outputs` use and which are no input.

    They existed before serial number `started`: leaves, or results of earlier operations.
    """
    known = {id(value) for value in inputs}
    found: list[Value] = []
    seen: set[int] = set()
    stack = [value for value in outputs if value._requires_grad]
    while stack:
        value = stack.pop()
        if id(value) in seen or id(value) in known:
            continue
        seen.add(id(value))
        if value._record is None or value._record.serial < started:
            found.append(value)
            continue
        stack.extend(each for each in value._record.operands if each._requires_grad)
    return found


def attach(
    rule: Callable[..., Any],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    structure: Structure,
) -> Any:
    """Return the outputs with `rule` as their gradient by the inputs."""
    with no_grad():
        bare = [output._detached() for output in outputs]
    made = Value._apply(
        custom_gradient_primitive,
        (*inputs, *bare),
        {"input_count": len(inputs), "rule": rule},
    )
    return unflatten(structure, made)
