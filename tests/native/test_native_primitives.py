"""Every primitive compiled natively, on every sample, against the evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from native.programs import assert_equal_to_evaluator, one_node

from steepest.errors import GraphError
from steepest.ops import REGISTRY, Sample
from steepest.runtime.executable import NativeExecutable

BUNDLES = {"item", "custom_gradient"}
CASES = [
    pytest.param(name, number, dtype, id=f"{name}-{number}-{dtype}")
    for name, primitive in REGISTRY.items()
    if name not in BUNDLES
    for number in range(len(list(primitive.samples())))
    for dtype in ("float32", "float64")
]
TOLERANCE = {"float32": (3e-6, 1e-6), "float64": (1e-13, 1e-13)}


def operands(sample: Sample, dtype: str) -> list[np.ndarray]:
    """The operands of a sample, with floating ones in `dtype`."""
    arrays = [np.asarray(each) for each in sample.operands]
    return [each.astype(dtype) if each.dtype == np.float64 else each for each in arrays]


@pytest.mark.parametrize(("name", "number", "dtype"), CASES)
def test_primitive(name: str, number: int, dtype: str) -> None:
    sample = list(REGISTRY[name].samples())[number]
    arrays = operands(sample, dtype)
    graph = one_node(REGISTRY[name], arrays, sample.static)
    if any(array.dtype.kind == "c" for array in arrays):
        with pytest.raises(GraphError, match="has no native code"):
            NativeExecutable(graph)
        return
    assert_equal_to_evaluator(graph, arrays, *TOLERANCE[dtype])


def test_all_primitives_are_covered() -> None:
    assert len({case.values[0] for case in CASES}) == len(REGISTRY) - len(BUNDLES)
    assert len(CASES) > 700
