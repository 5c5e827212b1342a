"""A table of a network: layers, output shapes, parameters, multiply-adds and bytes.

The network is traced, not run: nothing is computed and no state changes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.graph.node import Graph, Node
from steepest.nn.module import Module
from steepest.nn.parameter import Buffer, Parameter
from steepest.ops.contraction import contract, parse_spec
from steepest.trace.containers import flatten
from steepest.trace.recorder import Trace

HEADINGS = ("Layer", "Output shape", "Parameters", "Multiply-adds", "Bytes")


@dataclasses.dataclass(frozen=True)
class LayerSummary:
    """One row of a summary.

    Attributes:
        name: the qualified name, such as `"encoder.0"`; empty for the network itself.
        kind: the class's name.
        depth: how many parents it has.
        output_shapes: the shapes of what it returned, each tensor's, at its first call.
        calls: how often it was called in one pass; 0 for a container that is not called.
        parameters: numbers in its own parameters, without those of children and without those
            that an earlier layer shares.
        trainable: how many of them get gradients.
        multiply_adds: multiplications with an addition in its own contractions, for the given
            input with its batch.
        bytes: memory of its own parameters and buffers.
        output_bytes: memory of what it returned.
    """

    name: str
    kind: str
    depth: int
    output_shapes: tuple[tuple[int, ...], ...]
    calls: int
    parameters: int
    trainable: int
    multiply_adds: int
    bytes: int
    output_bytes: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """A network's layers and totals; `str()` and `print` give the table.

    Attributes:
        layers: one row for the network and for every module in it, parents first.
        input_shapes: the shapes it was traced with.
    """

    layers: tuple[LayerSummary, ...]
    input_shapes: tuple[tuple[int, ...], ...]

    @property
    def parameters(self) -> int:
        """How many numbers all parameters hold; shared ones count once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trainable(self) -> int:
        """How many of them get gradients."""
        return sum(layer.trainable for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiplications with an addition in one forward pass."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def bytes(self) -> int:
        """Memory of all parameters and buffers."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def output_bytes(self) -> int:
        """Memory of what the layers without children return, which training keeps."""
        parents = {layer.name.rpartition(".")[0] for layer in self.layers if layer.name}
        return sum(layer.output_bytes for layer in self.layers if layer.name not in parents)

    def __str__(self) -> str:
        rows = [HEADINGS, *(_cells(layer) for layer in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        lines = [_line(row, widths) for row in rows]
        rule = "-" * max(len(line) for line in lines)
        shapes = ", ".join(str(shape) for shape in self.input_shapes)
        return "\n".join(
            [
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"Input {shapes}",
                f"{self.parameters:,} parameters ({self.trainable:,} trained), "
                f"{format_bytes(self.bytes)}",
                f"{self.multiply_adds:,} multiply-adds and {format_bytes(self.output_bytes)} of "
                f"layer outputs in one forward pass",
            ]
        )

    def __repr__(self) -> str:
        return str(self)


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    own_name = layer.name.rpartition(".")[2]
    title = f"{'  ' * layer.depth}{layer.kind}"
    shapes = ", ".join(str(shape) for shape in layer.output_shapes)
    repeated = f" x{layer.calls}" if layer.calls > 1 else ""
    return (
        f"{title} {own_name!r}" if own_name else title,
        shapes + repeated,
        f"{layer.parameters:,}",
        f"{layer.multiply_adds:,}",
        f"{layer.bytes:,}",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*texts, *numbers])


def format_bytes(count: int) -> str:
    """Write a number of bytes with a unit: `"1.2 MiB"`."""
    if count < 1024:
        return f"{count} bytes"
    power = min(int(math.log(count, 1024)), 4)
    return f"{count / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"


def summarize(model: Module, *inputs: Any, dtype: Any = None) -> Summary:
    """Trace a network and tabulate its layers.

    Args:
        model: the network.
        inputs: one entry for each argument of `forward`: an example (Tensor or array), or a
            shape such as `(32, 784)` with the batch first.
        dtype: the data type of inputs given as shapes; that of the first parameter if `None`.

    Raises:
        ArgumentError: no input.
    """
    if not inputs:
        raise ArgumentError(
            "summary: needs an example input or its shape, such as model.summary((32, 784))."
        )
    examples = [_example(each, model, dtype) for each in inputs]
    calls: dict[int, list[list[Tensor]]] = {}

    def remember(module: Module, _inputs: Any, output: Any) -> None:
        leaves = [leaf for leaf in flatten(output)[0] if isinstance(leaf, Tensor)]
        calls.setdefault(id(module), []).append(leaves)

    handles = [module.register_forward_hook(remember) for module in model.modules()]
    trace = Trace("summary")
    try:
        with trace.recording():
            arguments = [trace.argument(f"input{n}", each) for n, each in enumerate(examples)]
            outputs = model(*arguments)
            results = [leaf for leaf in flatten(outputs)[0] if isinstance(leaf, Tensor)]
    finally:
        for handle in handles:
            handle.remove()
    work = _multiply_adds_by_scope(trace.finish(results).graph)
    layers = tuple(_layers(model, calls, work))
    return Summary(layers, tuple(example.shape for example in examples))


def _example(given: Any, model: Module, dtype: Any) -> Tensor:
    """Turn a shape or an example into a tensor."""
    if isinstance(given, tuple | list) and all(isinstance(each, int) for each in given):
        if dtype is None:
            floats = (each.dtype for each in model.parameters() if each.dtype.is_floating)
            dtype = next(floats, st.float32)
        return st.zeros(tuple(given), dtype=dtype)
    if isinstance(given, Tensor):
        return given
    return st.asarray(np.asarray(given))


def _multiply_adds_by_scope(graph: Graph) -> dict[str, int]:
    """Count the work of a graph's contractions by the layer that made them."""
    work: dict[str, int] = {}
    for node in graph.nodes():
        if node.op is contract:
            scope = node.origin.scope
            work[scope] = work.get(scope, 0) + multiply_adds(node)
    return work


def multiply_adds(node: Node) -> int:
    """How many products a contraction sums: the product of the sizes of all its axes."""
    left_letters, right_letters, _ = parse_spec(node.static["spec"])
    sizes: dict[str, int] = {}
    for letters, operand in zip((left_letters, right_letters), node.operands, strict=True):
        sizes.update(zip(letters, operand.tensor_type.shape, strict=True))
    return math.prod(sizes.values())


def _layers(
    model: Module, calls: dict[int, list[list[Tensor]]], work: dict[str, int]
) -> Iterator[LayerSummary]:
    counted: set[int] = set()
    for name, module in model.named_modules():
        parameters = _uncounted(module.parameters(recurse=False), counted)
        buffers = _uncounted(module.buffers(recurse=False), counted)
        own_calls = calls.get(id(module), [])
        outputs = own_calls[0] if own_calls else []
        yield LayerSummary(
            name=name,
            kind=type(module).__name__,
            depth=name.count(".") + 1 if name else 0,
            output_shapes=tuple(output.shape for output in outputs),
            calls=len(own_calls),
            parameters=sum(each.size for each in parameters),
            trainable=sum(each.size for each in parameters if each.requires_grad),
            multiply_adds=work.pop(module.label, 0),
            bytes=_bytes([*parameters, *buffers]),
            output_bytes=sum(_bytes(each) for each in own_calls),
        )


def _uncounted(
    tensors: Iterator[Parameter] | Iterator[Buffer], counted: set[int]
) -> list[Parameter | Buffer]:
    """Those tensors that no earlier layer shares."""
    fresh = [each for each in tensors if id(each) not in counted]
    counted.update(id(each) for each in fresh)
    return fresh


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.size * tensor.dtype.itemsize for tensor in tensors)
