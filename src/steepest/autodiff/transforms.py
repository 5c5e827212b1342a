"""Derivatives of functions: `grad`, `value_and_grad`, `vjp`, `jvp`. They nest to any order.

The gradient of a real number L by a complex z = x + iy is dL/dx + i dL/dy, as in PyTorch: the
direction of steepest ascent. A derivative along a direction (`jvp`) is dz itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from steepest.autodiff.modes import enable_grad
from steepest.autodiff.reverse import (
    as_tensor,
    conjugated,
    history,
    ones_like,
    require_real,
    reverse,
)
from steepest.errors import ArgumentError, GradientError, ShapeError
from steepest.graph.types import TensorType
from steepest.ops.elementwise.selection import identity
from steepest.trace.containers import Structure, flatten, unflatten
from steepest.trace.origin import located
from steepest.trace.value import Value


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that computes the gradient of `function`.

    Args:
        function: returns a tensor of one real number.
        argnums: which positional argument to differentiate by (default the first), or several.
            Each may be a nested container of tensors, real or complex.

    Returns:
        A function of the same arguments; it gives the gradient in the container of the argument,
        or a tuple of them when `argnums` is a sequence.
    """
    value_and_gradient = value_and_grad(function, argnums)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return value_and_gradient(*args, **kwargs)[1]

    return gradient


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes both the value and the gradient of `function`.

    Args:
        function: returns a tensor of one real number; with `has_aux`, a pair of that and anything
            else.
        argnums: see `grad`.
        has_aux: whether `function` returns `(number, anything)`.

    Raises:
        ShapeError: the result has more than one number.
        GradientError: an argument is of integers or booleans, or the result is complex.
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(function)
    def compute(*args: Any, **kwargs: Any) -> Any:
        if not all(-len(args) <= position < len(args) for position in positions):
            raise ArgumentError(
                f"grad: argnums {argnums} asks for an argument that was not given by position: "
                f"the call has {len(args)}."
            )
        targets = Targets([args[position] for position in positions])
        arguments = list(args)
        for position, replacement in zip(positions, targets.arguments, strict=True):
            arguments[position] = replacement
        with enable_grad():
            result = function(*arguments, **kwargs)
            value = result[0] if has_aux else result
            gradients = targets.gradients([_one_number(value)], [ones_like(value)])
        value = without_dead_history([value], targets.leaves)[0]
        packed = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        return ((value, result[1]) if has_aux else value), packed

    return compute


def _one_number(value: Any) -> Value:
    if not isinstance(value, Value) or not isinstance(value._type, TensorType):
        raise GradientError(
            located(f"grad: the function returned {type(value).__name__}, not a tensor.")
        )
    if value._type.size != 1:
        raise ShapeError(
            located(
                f"grad: the function returned {value._type}, which has {value._type.size} "
                f"numbers. Reduce it to one, for example with sum(), or use vjp."
            )
        )
    require_real("grad", value)
    return value


class Targets:
    """Arguments prepared to be differentiated by.

    Attributes:
        arguments: the containers, each tensor replaced by a fresh leaf.
        leaves: those leaves.
    """

    def __init__(self, arguments: Sequence[Any]):
        self.leaves: list[Value] = []
        self._structures: list[tuple[Structure, int]] = []
        self.arguments = [self._prepare(argument) for argument in arguments]

    def _prepare(self, argument: Any) -> Any:
        parts, structure = flatten(argument)
        leaves = [self._leaf(part) for part in parts]
        self.leaves.extend(leaves)
        self._structures.append((structure, len(leaves)))
        return unflatten(structure, leaves)

    @staticmethod
    def _leaf(part: Any) -> Value:
        value = as_tensor(part)
        assert isinstance(value._type, TensorType)
        if not value._type.dtype.is_differentiable:
            raise GradientError(
                located(f"grad: argument {value._type} is not of a floating data type.")
            )
        with enable_grad():
            leaf = identity(value)
        leaf._requires_grad = True
        return leaf

    def gradients(self, outputs: Sequence[Value], output_grads: Sequence[Value]) -> list[Any]:
        """The gradients of the outputs, in the containers of the arguments; zeros where none."""
        found = reverse(outputs, [conjugated(each) for each in output_grads], self.leaves)
        filled = []
        for gradient, leaf in zip(found, self.leaves, strict=True):
            assert isinstance(leaf._type, TensorType)
            filled.append(
                Value._zeros(leaf._type.shape, leaf._type.dtype)
                if gradient is None
                else conjugated(gradient)
            )
        cleaned = iter(without_dead_history(filled, self.leaves))
        return [
            unflatten(structure, [next(cleaned) for _ in range(count)])
            for structure, count in self._structures
        ]


def without_dead_history(values: Sequence[Value], dead: Sequence[Value]) -> list[Value]:
    """Drop the history of values that depend on no tensor but the `dead` leaves.

    Otherwise the result of an eager `grad` would keep every intermediate tensor alive.
    """
    dead_leaves = {id(leaf) for leaf in dead if leaf._record is None}
    alive: set[int] = set()
    for each in reversed(history(values)):
        if each._record is None:
            is_alive = each._requires_grad and id(each) not in dead_leaves
        else:
            is_alive = any(id(operand) in alive for operand in each._record.operands)
        if is_alive:
            alive.add(id(each))
    return [value if id(value) in alive else value._detached() for value in values]


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
    """Vector-Jacobian product: reverse mode.

    Args:
        function: any function from tensors (in containers) to tensors (in containers).
        primals: where to differentiate.

    Returns:
        The outputs, and a function that takes output gradients in the container of the outputs
        and returns a tuple with the gradient of each primal. It may be called many times. The
        gradients u of outputs f weigh their parts: what is differentiated is the sum of
        real(conj(u) * f).
    """
    targets = Targets(primals)
    with enable_grad():
        result = function(*targets.arguments)
    outputs, structure = flatten(result)

    def pullback(output_grads: Any) -> tuple[Any, ...]:
        given, grads_structure = flatten(output_grads)
        if grads_structure != structure:
            raise ArgumentError(
                "vjp: the output gradients do not have the container of the outputs."
            )
        grads = [as_tensor(each) for each in given]
        for output, output_grad in zip(outputs, grads, strict=True):
            if output._type != output_grad._type:
                raise ShapeError(
                    located(
                        f"vjp: output gradient {output_grad._type} does not fit output "
                        f"{output._type}."
                    )
                )
        with enable_grad():
            return tuple(targets.gradients(outputs, grads))

    cleaned = without_dead_history(outputs, targets.leaves)
    return unflatten(structure, cleaned), pullback


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Jacobian-vector product: forward mode.

    It is had from two reverse passes: the vjp is linear in the output gradient u, and the
    derivative of that linear map by u, applied to the tangents, is the jvp. So each primitive
    needs one rule only, and the two modes cannot disagree.

    Args:
        function: as for `vjp`.
        primals: a sequence with each argument.
        tangents: the direction, in the containers of `primals`.

    Returns:
        The outputs and their directional derivatives, both in the container of the outputs.
    """
    targets = Targets(primals)
    directions = [as_tensor(each) for each in flatten(list(tangents))[0]]
    if [each._type for each in directions] != [leaf._type for leaf in targets.leaves]:
        raise ShapeError(located("jvp: the tangents do not have the shapes of the primals."))
    with enable_grad():
        result = function(*targets.arguments)
        outputs, structure = flatten(result)
        dummies = []
        for output in outputs:
            dummy = Value._zeros(output._type.shape, output._type.dtype)
            dummy._requires_grad = True
            dummies.append(dummy)
        gradients = reverse(outputs, dummies, targets.leaves)
        pairs = [
            (gradient, direction)
            for gradient, direction in zip(gradients, directions, strict=True)
            if gradient is not None and gradient._requires_grad
        ]
        derivatives = reverse([each for each, _ in pairs], [each for _, each in pairs], dummies)
        filled = [
            Value._zeros(output._type.shape, output._type.dtype)
            if derivative is None
            else derivative
            for output, derivative in zip(outputs, derivatives, strict=True)
        ]
    dead = [*targets.leaves, *dummies]
    return (
        unflatten(structure, without_dead_history(outputs, dead)),
        unflatten(structure, without_dead_history(filled, dead)),
    )
