"""Every elementwise primitive on every data type at corners: zeros, limits, infinities, NaN."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from native.comparison import INEXACT, precision

import steepest as st
from steepest.errors import SteepestError
from steepest.graph.dtypes import ALL, DType, to_compute, to_storage
from steepest.graph.evaluate import evaluate
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.ops import REGISTRY
from steepest.ops.primitive import Primitive
from steepest.runtime.executable import NativeExecutable

FLOATS = [
    *(0.0, 1.0, 0.5, 1.5, 2.5, 0.1, 3.0, 7.0, 20.0, 100.0, 300.0, 70000.0, 0.624, 0.626, 1e-3),
    *(1e-45, 1e-40, 1.2e-38, 88.0, 89.5, 103.0, 2.0**24 + 1, 2.0**31, 2.0**31 - 1, 2.0**63),
    *(2.0**64, 1e10, 1e19, 3e38, 1e308, 5e-324, 2147483648.5, 709.5, 745.0, np.inf),
]
INTEGERS = [0, 1, 2, 3, 7, 10, 31, 32, 63, 64, 65, 100, 127, 128]
NUMBERS = [dtype for dtype in ALL if not dtype.is_complex]
ELEMENTWISE = [p for p in REGISTRY.values() if p.is_elementwise and p.lower is not None]


def corners(dtype: DType) -> np.ndarray:
    """Compute numbers at which things go wrong."""
    if dtype.is_bool:
        return np.array([True, False])
    if dtype.is_floating:
        both = np.array([*FLOATS, *(-each for each in FLOATS), np.nan])
        with np.errstate(over="ignore"):
            return to_compute(to_storage(both.astype(dtype.compute), dtype), dtype)
    limits = np.iinfo(dtype.storage)
    both = [*INTEGERS, *(-each for each in INTEGERS), limits.min, limits.max, limits.max - 1]
    return np.array([each for each in both if limits.min <= each <= limits.max], dtype.storage)


def cases(primitive: Primitive, dtype: DType) -> list[tuple[dict[str, object], list[DType]]]:
    """The static arguments and operand types with which a primitive takes `dtype`."""
    statics: list[dict[str, object]] = [{}]
    if primitive.name == "convert":
        statics = [{"dtype": each} for each in NUMBERS]
    found = []
    for static in statics:
        for types in ([dtype], [dtype, dtype], [st.bool, dtype, dtype]):
            try:
                primitive.infer(*(TensorType((), each) for each in types), **static)
            except (SteepestError, TypeError, ValueError):
                continue
            found.append((static, types))
            break
    return found


def all_operations(dtype: DType) -> tuple[Graph, list[np.ndarray]]:
    """One graph of everything that takes `dtype`, and all combinations of corners."""
    inputs: dict[tuple[str, ...], list[Node]] = {}
    arrays: list[np.ndarray] = []
    outputs = []
    for primitive in ELEMENTWISE:
        for static, types in cases(primitive, dtype):
            key = tuple(each.name for each in types)
            only_positive = primitive.name == "power" and dtype.kind == "signed"
            key = (*key, "positive") if only_positive else key
            if key not in inputs:
                columns = [corners(each) for each in types]
                if only_positive:
                    columns[1] = columns[1][columns[1] >= 0]
                table = zip(*itertools.product(*columns), strict=True)
                numbers = [np.array(c, t.compute) for c, t in zip(table, types, strict=True)]
                stored = [to_storage(c, t) for c, t in zip(numbers, types, strict=True)]
                inputs[key] = [
                    make_input(f"x{len(arrays) + n}", TensorType(column.shape, each))
                    for n, (column, each) in enumerate(zip(stored, types, strict=True))
                ]
                arrays.extend(stored)
            operands = tuple(inputs[key])
            made = primitive.infer(*(each.type for each in operands), **static)
            outputs.append(Node(primitive, operands, static, made))
    named = tuple(node for nodes in inputs.values() for node in nodes)
    return Graph("corners", named, tuple(outputs)), arrays


def defined(node: Node, operand: np.ndarray) -> np.ndarray:
    """Where the result is defined: fractions and sizes that an integer type does not hold are not.

    NumPy itself gives one number or another, as its loops go by vectors or not.
    """
    dtype = node.tensor_type.dtype
    source = node.operands[0].tensor_type.dtype
    if not (dtype.is_integer and source.is_floating):
        return np.ones(operand.shape, bool)
    limits = np.iinfo(dtype.storage)
    return (np.trunc(operand) >= float(limits.min)) & (np.trunc(operand) < float(limits.max))


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_corners(dtype: DType) -> None:
    graph, arrays = all_operations(dtype)
    assert len(graph.outputs) > (8 if dtype.is_bool else 25)
    by_node = {id(node): array for node, array in zip(graph.inputs, arrays, strict=True)}
    expected = evaluate(graph, arrays)
    found = NativeExecutable(graph)(arrays)
    for node, wanted, native in zip(graph.outputs, expected, found, strict=True):
        assert node.op is not None
        made = node.tensor_type.dtype
        one, other = to_compute(wanted, made), to_compute(native, made)
        with np.errstate(all="ignore"):
            same = (one == other) | ((one != one) & (other != other))
            if made.is_floating:
                if node.op.name in INEXACT:
                    tiny = 4 * float(np.finfo(made.compute).smallest_subnormal)
                    near = np.abs(one) * 8 * precision(made) + tiny
                    same |= np.abs(one.astype(np.float64) - other) <= near
                same &= (np.signbit(one) == np.signbit(other)) | np.isnan(one)
        operand = to_compute(by_node[id(node.operands[0])], node.operands[0].tensor_type.dtype)
        wrong = ~same & defined(node, operand)
        places = np.flatnonzero(wrong)[:3]
        detail = [(by_node[id(o)][n] for o in node.operands) for n in places]
        assert not wrong.any(), (
            f"{node.op.name} {dict(node.static)}: {[tuple(each) for each in detail]} gives "
            f"{other[places]} instead of {one[places]}"
        )


def test_infinities_and_nan_become_integers_alike_everywhere() -> None:
    """Not what a number was, but always the same: no thread or vector sees another one."""
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30] * 13, "float32")
    node = make_input("x", TensorType(x.shape, st.float32))
    for dtype in (st.int32, st.int64):
        made = Node(REGISTRY["convert"], (node,), {"dtype": dtype}, TensorType(x.shape, dtype))
        found = NativeExecutable(Graph("convert", (node,), (made,)))([x])[0]
        assert set(found.tolist()) == {np.iinfo(dtype.storage).min}
