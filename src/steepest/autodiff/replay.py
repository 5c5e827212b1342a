"""Compiled programs and gradients taken outside of them: the traced graph is run again.

A program's backward pass, unlike that of `loss.backward()` inside it, is not part of the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steepest.autodiff.custom import all_at_once
from steepest.autodiff.modes import enable_grad
from steepest.autodiff.reverse import OutputGrads, reverse_arrived
from steepest.graph.node import Graph
from steepest.ops.control import custom_gradient, item
from steepest.trace.origin import origin_of
from steepest.trace.program import TracedProgram
from steepest.trace.value import Value


def differentiable(
    traced: TracedProgram, sources: Sequence[Value], outputs: Sequence[Value]
) -> list[Value]:
    """Let gradients flow from a program's outputs back to its inputs.

    The reverse pass replays the traced graph, so it costs one more forward pass.
    """

    def find(
        output_grads: OutputGrads, _: Sequence[Value], operands: Sequence[Value]
    ) -> Sequence[Value | None]:
        with enable_grad():
            again = replay(traced.graph, operands, traced.paths)
        return reverse_arrived([again[n] for n in traced.tracked], output_grads, operands)

    # What no gradient flows to may change before the reverse pass: the program itself advances a
    # random counter.
    kept = [
        source if number in traced.sources else source._detached()
        for number, source in enumerate(sources)
    ]
    made = Value._apply(
        custom_gradient,
        (*kept, *(outputs[position] for position in traced.tracked)),
        {"input_count": len(sources), "rule": all_at_once(find)},
    )
    values = list(outputs)
    for position, value in zip(traced.tracked, made, strict=True):
        values[position] = value
    return values


def replay(
    graph: Graph, sources: Sequence[Value], paths: Mapping[int, tuple[bool, ...]] | None = None
) -> list[Value]:
    """Run a graph operation by operation on values, recording gradients.

    Args:
        paths: through which operands of each node gradients flow (default all).
    """
    values: dict[int, Any] = {
        id(node): source for node, source in zip(graph.inputs, sources, strict=True)
    }
    for node in graph.nodes():
        if node.op is item:
            values[id(node)] = values[id(node.operands[0])][node.static["index"]]
        elif node.op is not None:
            operands = [values[id(operand)] for operand in node.operands]
            if paths is not None and operands:
                flows = zip(operands, paths[id(node)], strict=True)
                operands = [each if path else each._detached() for each, path in flows]
            with origin_of(node.origin):
                values[id(node)] = Value._apply(node.op, operands, node.static)  # type: ignore[arg-type]
    return [values[id(node)] for node in graph.outputs]
