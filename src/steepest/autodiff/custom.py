"""Functions with a gradient rule of their own, and ones computed again to save memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from steepest.autodiff.modes import enable_grad, no_grad
from steepest.autodiff.reverse import reverse
from steepest.errors import GradientError, ShapeError
from steepest.graph.node import next_serial
from steepest.ops.control import custom_gradient as custom_gradient_primitive
from steepest.ops.elementwise.selection import barrier
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
            container, `output_grad` and `output` are that container.

    The function's positional arguments are tensors; it must not use other tensors that require a
    gradient (GradientError), since the rule would lose theirs.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Value) -> Any:
            inputs = [_as_value(argument) for argument in arguments]
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

            def rule(
                index: int, output_grads: Sequence[Value], made: Sequence[Value], *operands: Value
            ) -> Value | None:
                found = gradient(
                    unflatten(structure, output_grads), unflatten(structure, made), *operands
                )
                listed = found if isinstance(found, tuple | list) else (found,)
                return _checked(listed, index, operands, function.__name__)

            return _attach(rule, inputs, outputs, structure)

        return call

    return decorate


def _checked(
    listed: Sequence[Value | None], index: int, operands: Sequence[Value], name: str
) -> Value | None:
    """Return one gradient of a user's rule, once its shape is right."""
    if len(listed) != len(operands):
        raise GradientError(
            f"custom_gradient: the rule of {name} returned {len(listed)} gradients for "
            f"{len(operands)} arguments."
        )
    found = listed[index]
    if found is not None and found._type != operands[index]._type:
        raise ShapeError(
            f"custom_gradient: the rule of {name} returned gradient {found._type} for argument "
            f"{index}, which is {operands[index]._type}."
        )
    return found


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep nothing of `function` for the backward pass, but compute it again there.

    It trades time (one more forward pass) for memory. The function takes and returns tensors in
    nested containers; it must not assign to tensors or draw random numbers, whose second run would
    differ.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        leaves, argument_structure = flatten(arguments)
        started = next_serial()
        inputs = [_as_value(leaf) for leaf in leaves]
        with enable_grad():
            result = function(*unflatten(argument_structure, inputs))
        outputs, structure = flatten(result)
        operands = inputs + outside_tensors(outputs, inputs, started)
        outputs = [output._detached() for output in outputs]
        rerun = _Rerun(function, argument_structure, len(inputs))
        return _attach(rerun.rule, operands, outputs, structure)

    return call


class _Rerun:
    """Computes a checkpointed function again and differentiates it, once for all operands."""

    def __init__(self, function: Callable[..., Any], structure: Structure, input_count: int):
        self._function = function
        self._structure = structure
        self._input_count = input_count
        self._made_for: Any = None
        self._gradients: list[Value | None] = []

    def rule(
        self, index: int, output_grads: Sequence[Value], _: Any, *operands: Value
    ) -> Value | None:
        """The gradient rule of the `custom_gradient` primitive."""
        if self._made_for is not output_grads:
            self._gradients = self._run(output_grads, operands)
            self._made_for = output_grads
        found = self._gradients[index]
        if index == len(operands) - 1:
            self._made_for = None
            self._gradients = []
        return found

    def _run(self, output_grads: Sequence[Value], operands: Sequence[Value]) -> list[Value | None]:
        with enable_grad():
            inputs = [
                barrier(each) if each._type.dtype.is_differentiable else each  # type: ignore[union-attr]
                for each in operands[: self._input_count]
            ]
            for again, first in zip(inputs, operands, strict=False):
                again._requires_grad = first._requires_grad
            result = self._function(*unflatten(self._structure, inputs))
            outputs, _ = flatten(result)
            targets = [*inputs, *operands[self._input_count :]]
            return reverse(outputs, output_grads, targets)


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


def _attach(
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


def _as_value(argument: Any) -> Value:
    value = argument if isinstance(argument, Value) else Value.result_class(argument)  # type: ignore[call-arg]
    return state.trace.read(value) if state.trace is not None else value
