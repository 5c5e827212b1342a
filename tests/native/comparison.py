"""Whether native numbers agree with the evaluator's, as closely as rounding lets them.

A function that is off by an ulp can turn a comparison, a rounding or an order further on. So a
program is also evaluated with every inexact step disturbed by a few ulp, several times: where that
moves a result, a native result may differ as much; where that turns it, it is not compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from steepest.graph.dtypes import DType, bfloat16, to_compute, to_storage
from steepest.graph.evaluate import evaluate_operation
from steepest.graph.node import Graph, Node

SUMS = {"sum", "contract", "cumulative_sum", "scatter_add", "scatter_add_along_axis"}
INEXACT = SUMS | {
    *("exp", "expm1", "log", "log1p", "sigmoid", "logaddexp", "tanh", "erf", "power", "hypot"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh"),
    *("atanh", "product", "cumulative_product"),
}
"""Operations of which native code may round otherwise than NumPy; all others agree to the bit."""

ULPS = 8.0
TRIALS = 6


@dataclasses.dataclass
class Agreement:
    """What a comparison found.

    Attributes:
        faults: what is wrong, one line for each output; empty if all agrees.
        compared, skipped: how many numbers were compared, and how many could not be.
    """

    faults: list[str]
    compared: int = 0
    skipped: int = 0


def agreement(graph: Graph, arrays: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Agreement:
    """Compare native results with the evaluator's."""
    result = Agreement([])
    rounded = _rounded(graph)
    random = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        expected = evaluated(graph, arrays)
        trials = [evaluated(graph, arrays, random) for _ in range(TRIALS)]
        for number, (node, native) in enumerate(zip(graph.outputs, found, strict=True)):
            disturbed = [trial[number] for trial in trials]
            inexact = id(node) in rounded
            fault = _compare(node, inexact, expected[number], disturbed, native, result)
            if fault:
                result.faults.append(f"output {number}: {fault}")
    return result


def evaluated(
    graph: Graph, arrays: Sequence[np.ndarray], random: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Evaluate a graph in compute numbers; with `random`, every inexact step is disturbed."""
    values = {
        id(node): to_compute(array, node.tensor_type.dtype)
        for node, array in zip(graph.inputs, arrays, strict=True)
    }
    for node in graph.nodes():
        if node.op is None:
            continue
        operands = [values[id(operand)] for operand in node.operands]
        result = evaluate_operation(node.op, operands, node.static, node.type)
        if random is not None and node.tensor_type.dtype.is_floating and node.op.name in INEXACT:
            result = _disturbed(node, operands, result, random)
        values[id(node)] = result
    return [values[id(node)] for node in graph.outputs]


def _rounded(graph: Graph) -> set[int]:
    """The nodes (by id) that an inexact operation leads to."""
    found: set[int] = set()
    for node in graph.nodes():
        inexact = node.op is not None and node.op.name in INEXACT
        if inexact or any(id(operand) in found for operand in node.operands):
            found.add(id(node))
    return found


def precision(dtype: DType) -> float:
    """The distance from 1 to the next number."""
    return 2.0**-8 if dtype is bfloat16 else float(np.finfo(dtype.compute).eps)


def _disturbed(
    node: Node, operands: Sequence[np.ndarray], result: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """A result moved by a few ulp; a sum by those of its terms, which may cancel each other."""
    dtype = node.tensor_type.dtype
    assert node.op is not None
    size = np.abs(result)
    if node.op.name in SUMS:
        sizes = [np.abs(each) if each.dtype.kind == "f" else each for each in operands]
        size = evaluate_operation(node.op, sizes, node.static, node.type)
    if node.op.name == "logaddexp":
        size = size + np.maximum(*(np.abs(each) for each in operands))
    ulps = 1.0 if dtype is bfloat16 else ULPS
    noise = random.uniform(-ulps, ulps, result.shape) * precision(dtype) * size
    moved = np.where(np.isfinite(result) & np.isfinite(noise), result + noise, result)
    return to_compute(to_storage(moved.astype(dtype.compute), dtype), dtype)


def _compare(
    node: Node,
    inexact: bool,
    expected: np.ndarray,
    disturbed: Sequence[np.ndarray],
    stored: np.ndarray,
    result: Agreement,
) -> str:
    """Say what is wrong with one output."""
    dtype = node.tensor_type.dtype
    if stored.dtype != dtype.storage or stored.shape != expected.shape:
        return f"{stored.dtype}{stored.shape} instead of {node.type}"
    native = to_compute(stored, dtype)
    turned = np.zeros(expected.shape, bool)
    spread = np.zeros(expected.shape)
    for other in disturbed:
        same = (expected == other) | ((expected != expected) & (other != other))
        if dtype.is_floating:
            distance = np.abs(expected.astype(np.float64) - other)
            finite = np.isfinite(distance)
            spread = np.maximum(spread, np.where(finite, distance, 0))
            same = same | finite
        turned |= ~same
    equal = (native == expected) | ((native != native) & (expected != expected))
    if dtype.is_floating:
        # A step that is off by half an ulp may turn the rounding of the next one.
        room = 4 * spread + 2 * precision(dtype) * np.abs(expected) * inexact
        equal = equal | (np.abs(native.astype(np.float64) - expected) <= room)
    wrong = ~equal & ~turned
    result.compared += expected.size
    result.skipped += int(turned.sum())
    if not wrong.any():
        return ""
    place = tuple(int(each) for each in np.argwhere(wrong)[0])
    return (
        f"{node!r} at {place}: {native[place]!r} instead of {expected[place]!r}, "
        f"and {int(wrong.sum())} of {wrong.size} in all"
    )
