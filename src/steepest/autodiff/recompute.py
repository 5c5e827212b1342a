"""Functions computed again in the backward pass, to save memory."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from steepest.autodiff.custom import all_at_once, attach, outside_tensors
from steepest.autodiff.modes import enable_grad
from steepest.autodiff.reverse import OutputGrads, as_tensor, reverse_arrived
from steepest.graph.node import next_serial
from steepest.graph.types import TensorType
from steepest.ops.elementwise.selection import barrier
from steepest.trace.containers import Structure, flatten, unflatten
from steepest.trace.runs import FirstRun, Noted, SecondRun
from steepest.trace.state import state
from steepest.trace.value import Value


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep nothing of `function` for the backward pass, but compute it again there.

    It trades time (one more forward pass) for memory. The function takes and returns tensors in
    nested containers. The second run finds every tensor as the first one did, so it draws the same
    random numbers, and what it assigns to tensors is not seen outside: the generator and running
    statistics are afterwards as without `checkpoint`, and the gradients are the same bits.

    Raises:
        GradientError: the function assigns to a tensor that requires a gradient.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        leaves, argument_structure = flatten(arguments)
        operands = [as_tensor(leaf) for leaf in leaves]
        started = next_serial()
        inputs = [_fresh_leaf(operand) for operand in operands]
        first = FirstRun()
        with first.noting() if state.gradients_enabled else nullcontext(), enable_grad():
            result = function(*unflatten(argument_structure, inputs))
        outputs, structure = flatten(result)
        outside = outside_tensors(outputs, inputs, started)
        del result
        outputs = [output._without_history() for output in outputs]
        noted = first.finish([*inputs, *outside])  # intermediate results are gone by now
        operands += [*outside, *(each.held for each in noted)]
        rerun = _rerun(function, argument_structure, len(inputs), outside, noted)
        return attach(all_at_once(rerun), operands, outputs, structure)

    return call


def _fresh_leaf(operand: Value) -> Value:
    """The same numbers as a leaf of its own, apart from the tensor that a function may close over.

    A gradient flows to both.
    """
    leaf = operand._without_history()
    leaf._requires_grad = operand._requires_grad
    return leaf


def _rerun(
    function: Callable[..., Any],
    structure: Structure,
    input_count: int,
    outside: Sequence[Value],
    noted: Sequence[Noted],
) -> Callable[..., Sequence[Value | None]]:
    """The gradients of a checkpointed function, found by computing it again.

    Args:
        outside: tensors that the function used and that gradients flow to.
        noted: all others that it used.
    """

    def find(
        output_grads: OutputGrads, _: Sequence[Value], operands: Sequence[Value]
    ) -> Sequence[Value | None]:
        given = operands[input_count : input_count + len(outside)]
        # They differ where the reverse pass replays a compiled program.
        pairs = [pair for pair in zip(outside, given, strict=True) if pair[0] is not pair[1]]
        for each, held in zip(noted, operands[input_count + len(outside) :], strict=True):
            tensor = each.tensor()
            if tensor is not None:
                pairs.append((tensor, barrier(held) if each.is_changed else held))
        with enable_grad():
            inputs = [_barred(each) for each in operands[:input_count]]
            with SecondRun(pairs).running():
                outputs = flatten(function(*unflatten(structure, inputs)))[0]
        found = reverse_arrived(outputs, output_grads, [*inputs, *given])
        return [*found, *(None for _ in noted)]

    return find


def _barred(operand: Value) -> Value:
    """The same numbers behind a barrier, so that no pass merges the two computations."""
    assert isinstance(operand._type, TensorType)
    if not operand._type.dtype.is_differentiable:
        return operand
    barred = barrier(operand)
    barred._requires_grad = operand._requires_grad
    return barred
