"""The reverse pass: the chain rule, from outputs back to the values they came from.

The gradient rules are made of ordinary operations on values, so a reverse pass inside a trace adds
nodes to the graph, outside of it computes at once, and either can be differentiated again.

What users see as the gradient by a complex z = x + iy is dL/dx + i dL/dy, the direction of steepest
ascent, as in PyTorch. The rules pass on its conjugate (see `primitive.GradientRule`): whoever
takes gradients from users, or hands them out, goes through `conjugated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from steepest.errors import GradientError, SteepestError
from steepest.graph.types import TensorType
from steepest.ops.control import item
from steepest.ops.elementwise.arithmetic import add
from steepest.ops.elementwise.complex_parts import conj
from steepest.trace.origin import located, origin_of
from steepest.trace.value import Record, Value, at_this_point


def reverse(
    outputs: Sequence[Value], output_grads: Sequence[Value], targets: Sequence[Value]
) -> list[Value | None]:
    """Return the gradient of `outputs` by each target, weighted by `output_grads`.

    Both are as the rules keep them (see `conjugated`).

    The targets count as independent of each other: the pass ends at each of them, even where one
    was computed from another. A target that the outputs do not depend on has gradient `None`.
    """
    gradients: dict[int, Any] = {}
    for output, output_grad in zip(outputs, output_grads, strict=True):
        _accumulate(gradients, output, output_grad)
    wanted = {id(target) for target in targets}
    found: dict[int, Value] = {}
    for value in _path(outputs, targets):
        gradient = gradients.pop(id(value), None)
        if gradient is None:
            continue
        if id(value) in wanted:
            found[id(value)] = gradient
        elif value._record is not None:
            _push(value, value._record, gradient, gradients)
    for target in targets:
        if id(target) in gradients:
            found.setdefault(id(target), gradients[id(target)])
    return [found.get(id(target)) for target in targets]


def history(outputs: Iterable[Value], ends: Sequence[Value] = ()) -> list[Value]:
    """All values that `outputs` came from through records, latest first; leaves come last.

    Args:
        ends: values whose own history is of no interest.
    """
    known = {id(value) for value in ends}
    seen: dict[int, Value] = {}
    stack = list(outputs)
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if value._record is not None and id(value) not in known:
            stack.extend(each for each in value._record.operands if each._requires_grad)
    return sorted(seen.values(), key=_age)


def _age(value: Value) -> int:
    """A sort key that puts later values first."""
    return 1 if value._record is None else -value._record.serial


def _path(outputs: Sequence[Value], targets: Sequence[Value]) -> list[Value]:
    """The values on a way from a target to an output, latest first."""
    values = history(outputs, targets)
    useful = {id(target) for target in targets}
    for value in reversed(values):
        if (
            id(value) not in useful
            and value._record is not None
            and any(id(operand) in useful for operand in value._record.operands)
        ):
            useful.add(id(value))
    return [value for value in values if id(value) in useful]


def _push(value: Value, record: Record, gradient: Any, gradients: dict[int, Any]) -> None:
    """Add what `value` passes on to the gradients of the operands it came from."""
    record.check_unchanged()
    if record.op is item:
        # A rule that uses the outputs takes them from the whole value anew.
        parts = gradients.setdefault(id(record.operands[0]), {})
        index = record.static["index"]
        parts[index] = add(parts[index], gradient) if index in parts else gradient
        return
    output: Any = value
    if isinstance(value._type, tuple):
        output, gradient = _parts(value, gradient)
    assert record.op.gradient is not None
    with origin_of(record.origin):
        for index, operand in enumerate(record.operands):
            if not operand._requires_grad:
                continue
            try:
                contribution = record.op.gradient(
                    index, gradient, output, *record.operands, **record.static
                )
            except SteepestError as error:
                message = f"in the backward pass of {record.op.name}: {error}"
                raise type(error)(message) from error
            except Exception as error:
                error.add_note(located(f"This happened in the backward pass of {record.op.name}."))
                raise
            if contribution is not None:
                _accumulate(gradients, operand, contribution)


class OutputGrads(tuple[Value, ...]):
    """The gradients of an operation of several results.

    Its rule is asked for one operand at a time; one that finds all answers at once (see
    `custom.all_at_once`) keeps them here, where they live as long as they are needed.

    Attributes:
        arrived: the numbers of the results that a gradient arrived at; it is zero for the others.
        answers: the gradient of each operand, once they have been found.
    """

    arrived: frozenset[int] = frozenset()
    answers: Sequence[Value | None] | None = None


def _parts(value: Value, gradient: dict[int, Value]) -> tuple[tuple[Value, ...], OutputGrads]:
    """The tensors of a value of several, and their gradients, zero where none arrived."""
    assert isinstance(value._type, tuple)
    outputs = value._apply_items()
    grads = OutputGrads(
        gradient[index] if index in gradient else Value._zeros(part.shape, part.dtype)
        for index, part in enumerate(value._type)
    )
    grads.arrived = frozenset(gradient)
    return outputs, grads


def reverse_arrived(
    outputs: Sequence[Value], output_grads: OutputGrads, targets: Sequence[Value]
) -> list[Value | None]:
    """As `reverse`, from the outputs that a gradient arrived at.

    A tensor that only the others depend on has no gradient, rather than one of zeros.
    """
    chosen = sorted(output_grads.arrived)
    grads = [output_grads[index] for index in chosen]
    return reverse([outputs[index] for index in chosen], grads, targets)


def _accumulate(gradients: dict[int, Any], value: Value, contribution: Value) -> None:
    before = gradients.get(id(value))
    gradients[id(value)] = contribution if before is None else add(before, contribution)


def conjugated(gradient: Value) -> Value:
    """Between a gradient as users see it and as the reverse pass keeps it; a real one is both."""
    assert isinstance(gradient._type, TensorType)
    return conj(gradient) if gradient._type.dtype.is_complex else gradient


def require_real(name: str, loss: Value) -> None:
    """Raise GradientError for a complex loss, of which no direction is the steepest."""
    assert isinstance(loss._type, TensorType)
    if loss._type.dtype.is_complex:
        raise GradientError(
            located(
                f"{name}: the loss {loss._type} is complex, and only a real number has a gradient. "
                f"Take steepest.real(...) or steepest.abs(...) of it, or give the weight of its "
                f"parts: backward(gradient=...), or vjp."
            )
        )


def as_tensor(argument: Any) -> Value:
    """Return a tensor as it is at this point of the program; an array or number becomes one."""
    value = argument if isinstance(argument, Value) else Value.result_class(argument)  # type: ignore[call-arg]
    return at_this_point(value)


def ones_like(value: Value) -> Value:
    """Ones of the shape and type of `value`: the gradient of a sum."""
    assert isinstance(value._type, TensorType)
    return Value._full(value._type.shape, 1, value._type.dtype)
