"""The indexing family: reading and adding at positions that are themselves numbers of the program.

Positions are integers from 0 up to the axis's size less 1; the evaluator raises IndexError for
others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from steepest.errors import ShapeError
from steepest.graph.dtypes import float32, int64
from steepest.graph.types import TensorType
from steepest.ops.primitive import (
    BadSample,
    Primitive,
    Sample,
    Tensor,
    check_axis,
    check_kind,
    check_same_dtype,
    per_operand,
    sample_numbers,
)


def _check_positions(name: str, operand: np.ndarray, indices: np.ndarray, axis: int) -> None:
    """Raise IndexError for a position outside of the axis."""
    size = operand.shape[axis]
    wrong = indices[(indices < 0) | (indices >= size)]
    if wrong.size:
        raise IndexError(
            f"{name}: index {wrong.flat[0]} is outside axis {axis}, which has size {size}."
        )


def _take(operand: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    _check_positions("take", operand, indices, axis)
    return np.take(operand, indices.astype(np.int64, copy=False), axis=axis)


def _infer_take(operand: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    check_kind("take", "indices", indices, "integer")
    check_axis("take", axis, operand)
    shape = operand.shape[:axis] + indices.shape + operand.shape[axis + 1 :]
    return TensorType(shape, operand.dtype)


def _take_samples() -> Iterable[Sample]:
    operand = sample_numbers((4, 3))
    yield Sample((operand, np.array([0, 3, 3])), {"axis": 0})
    yield Sample((operand, np.array([[2, 0], [1, 1]])), {"axis": 1})
    yield Sample((operand, np.array(2)), {"axis": 0})
    yield Sample((operand, np.zeros((0,), "int64")), {"axis": 0})


take: Primitive = Primitive(
    "take",
    infer=_infer_take,
    evaluate=_take,
    gradient=per_operand(
        lambda output_grad, output, operand, indices, *, axis: scatter_add(
            _zeros(operand), indices, output_grad, axis=axis
        ),
        None,
    ),
    samples=_take_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32), TensorType((2,), float32)),
            "take: indices is float32[2], but this operation takes integer data types. "
            "Convert it with .astype(...).",
            {"axis": 0},
        )
    ],
)


def _zeros(like: Tensor) -> Tensor:
    """Zeros that depend on no number, of the shape and type of `like`."""
    return type(like)._zeros(like.shape, like.dtype)


def _infer_scatter_add(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> TensorType:
    check_kind("scatter_add", "indices", indices, "integer")
    check_same_dtype("scatter_add", ("operand", "updates"), (operand, updates))
    check_axis("scatter_add", axis, operand)
    expected = operand.shape[:axis] + indices.shape + operand.shape[axis + 1 :]
    if updates.shape != expected:
        raise ShapeError(
            f"scatter_add: updates {updates.shape} must have shape {expected}: operand "
            f"{operand.shape} with axis {axis} replaced by indices {indices.shape}."
        )
    return operand


def _scatter_add(
    operand: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, axis: int
) -> np.ndarray:
    """Add each update at its position; updates of one position are added in their order."""
    _check_positions("scatter_add", operand, indices, axis)
    result = operand.copy()
    place: Any = (slice(None),) * axis + (indices,)
    np.add.at(result, place, updates)
    return result


def _scatter_add_samples() -> Iterable[Sample]:
    operand = sample_numbers((4, 3))
    updates = sample_numbers((3, 3), seed=1)
    yield Sample((operand, np.array([0, 3, 3]), updates), {"axis": 0})
    yield Sample((operand, np.array([2, 1]), sample_numbers((4, 2), seed=2)), {"axis": 1})
    yield Sample((operand, np.array(1), sample_numbers((3,), seed=2)), {"axis": 0})


scatter_add: Primitive = Primitive(
    "scatter_add",
    infer=_infer_scatter_add,
    evaluate=_scatter_add,
    gradient=per_operand(
        lambda output_grad, output, operand, indices, updates, *, axis: output_grad,
        None,
        lambda output_grad, output, operand, indices, updates, *, axis: take(
            output_grad, indices, axis=axis
        ),
    ),
    samples=_scatter_add_samples,
    bad_samples=[
        BadSample(
            (TensorType((4, 3), float32), TensorType((2,), int64), TensorType((2, 2), float32)),
            "scatter_add: updates (2, 2) must have shape (2, 3): operand (4, 3) with axis 0 "
            "replaced by indices (2,).",
            {"axis": 0},
        )
    ],
)


def _check_along(name: str, operand: TensorType, indices: TensorType, axis: int) -> None:
    """Check that operand and indices differ in no axis but `axis`."""
    check_kind(name, "indices", indices, "integer")
    check_axis(name, axis, operand)
    same = operand.shape[:axis] + operand.shape[axis + 1 :]
    if indices.ndim != operand.ndim or indices.shape[:axis] + indices.shape[axis + 1 :] != same:
        raise ShapeError(
            f"{name}: indices {indices.shape} must have the shape of the operand "
            f"{operand.shape} but for axis {axis}."
        )


def _infer_take_along_axis(operand: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _check_along("take_along_axis", operand, indices, axis)
    return TensorType(indices.shape, operand.dtype)


def _take_along(operand: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    _check_positions("take_along_axis", operand, indices, axis)
    return np.take_along_axis(operand, indices, axis)


def _take_along_axis_samples() -> Iterable[Sample]:
    operand = sample_numbers((4, 3))
    yield Sample((operand, np.array([[0, 3, 3], [1, 1, 2]])), {"axis": 0})
    yield Sample((operand, np.array([[2], [0], [1], [1]])), {"axis": 1})


take_along_axis: Primitive = Primitive(
    "take_along_axis",
    infer=_infer_take_along_axis,
    evaluate=_take_along,
    gradient=per_operand(
        lambda output_grad, output, operand, indices, *, axis: scatter_add_along_axis(
            _zeros(operand), indices, output_grad, axis=axis
        ),
        None,
    ),
    samples=_take_along_axis_samples,
    bad_samples=[
        BadSample(
            (TensorType((4, 3), float32), TensorType((2, 2), int64)),
            "take_along_axis: indices (2, 2) must have the shape of the operand (4, 3) "
            "but for axis 0.",
            {"axis": 0},
        )
    ],
)


def _infer_scatter_along(
    operand: TensorType, indices: TensorType, updates: TensorType, *, axis: int
) -> TensorType:
    name = "scatter_add_along_axis"
    _check_along(name, operand, indices, axis)
    check_same_dtype(name, ("operand", "updates"), (operand, updates))
    if updates.shape != indices.shape:
        raise ShapeError(
            f"{name}: updates {updates.shape} must have the shape of indices {indices.shape}."
        )
    return operand


def _scatter_add_along_axis(
    operand: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, axis: int
) -> np.ndarray:
    _check_positions("scatter_add_along_axis", operand, indices, axis)
    result = operand.copy()
    place: list[Any] = list(np.indices(indices.shape, sparse=True))
    place[axis] = indices
    np.add.at(result, tuple(place), updates)
    return result


def _scatter_along_samples() -> Iterable[Sample]:
    operand = sample_numbers((4, 3))
    indices = np.array([[0, 3, 3], [1, 1, 3]])
    yield Sample((operand, indices, sample_numbers((2, 3), seed=1)), {"axis": 0})


scatter_add_along_axis: Primitive = Primitive(
    "scatter_add_along_axis",
    infer=_infer_scatter_along,
    evaluate=_scatter_add_along_axis,
    gradient=per_operand(
        lambda output_grad, output, operand, indices, updates, *, axis: output_grad,
        None,
        lambda output_grad, output, operand, indices, updates, *, axis: take_along_axis(
            output_grad, indices, axis=axis
        ),
    ),
    samples=_scatter_along_samples,
    bad_samples=[
        BadSample(
            (TensorType((4, 3), float32), TensorType((2, 3), int64), TensorType((1, 3), float32)),
            "scatter_add_along_axis: updates (1, 3) must have the shape of indices (2, 3).",
            {"axis": 0},
        )
    ],
)


def _infer_argsort(operand: TensorType, *, axis: int, descending: bool) -> TensorType:
    check_kind("argsort", "operand", operand, "ordered")
    check_axis("argsort", axis, operand)
    return TensorType(operand.shape, int64)


def _argsort(operand: np.ndarray, *, axis: int, descending: bool) -> np.ndarray:
    """Sort stably, in either direction; NaN counts as larger than every number."""
    if not descending:
        return np.argsort(operand, axis=axis, kind="stable")
    backwards = np.flip(operand, axis)
    order = np.flip(np.argsort(backwards, axis=axis, kind="stable"), axis)
    return operand.shape[axis] - 1 - order


def _argsort_samples() -> Iterable[Sample]:
    for descending in (False, True):
        yield Sample((sample_numbers((4, 3)),), {"axis": 0, "descending": descending})
        ties = np.array([[1.0, 0.0, 1.0, 0.0]])
        yield Sample((ties,), {"axis": 1, "descending": descending})


argsort: Primitive = Primitive(
    "argsort",
    infer=_infer_argsort,
    evaluate=_argsort,
    gradient=None,
    samples=_argsort_samples,
    bad_samples=[
        BadSample(
            (TensorType((2,), float32),),
            "argsort: axis 1 does not exist: the operand (2,) has 1 axes.",
            {"axis": 1, "descending": False},
        )
    ],
)


def _infer_searchsorted(ordered: TensorType, values: TensorType, *, side: str) -> TensorType:
    check_same_dtype("searchsorted", ("ordered", "values"), (ordered, values))
    if ordered.ndim != 1:
        raise ShapeError(f"searchsorted: ordered {ordered.shape} must have one axis.")
    return TensorType(values.shape, int64)


def _searchsorted_samples() -> Iterable[Sample]:
    ordered = np.array([-1.0, 0.0, 0.0, 2.0])
    values = np.array([[-2.0, 0.0], [1.0, 3.0]])
    yield Sample((ordered, values), {"side": "left"})
    yield Sample((ordered, values), {"side": "right"})


searchsorted: Primitive = Primitive(
    "searchsorted",
    infer=_infer_searchsorted,
    evaluate=lambda ordered, values, *, side: np.searchsorted(ordered, values, side=side),
    gradient=None,
    samples=_searchsorted_samples,
    bad_samples=[
        BadSample(
            (TensorType((2, 2), float32), TensorType((2,), float32)),
            "searchsorted: ordered (2, 2) must have one axis.",
            {"side": "left"},
        )
    ],
)
