"""Linear maps, embeddings and similarities."""

from __future__ import annotations

import math

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import (
    as_tensor,
    complaint,
    first_outside,
    numbers_of,
    require_integers,
    require_same_dtype,
)


def linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, *, name: str = "linear"
) -> Tensor:
    """x @ weight.T + bias.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features), or (in_features,) for a single output.
        bias: (out_features,), or `None`.
        name: how error messages call the operation.

    Returns:
        (..., out_features).

    Raises:
        ShapeError: the last axis of the input does not match the weight.
        DTypeError: the input and the weight differ in data type.
    """
    x = as_tensor(input)
    weight = as_tensor(weight)
    if x.ndim == 0 or weight.ndim not in (1, 2):
        raise ShapeError(
            complaint(
                f"{name}: needs an input (..., in_features) and a weight (out_features, "
                f"in_features), got input {x.shape} and weight {weight.shape}."
            )
        )
    if x.shape[-1] != weight.shape[-1]:
        raise ShapeError(complaint(_linear_mismatch(x.shape, weight.shape, name)))
    require_same_dtype(x, weight, name)
    if weight.ndim == 1:
        product = x @ weight
    else:
        product = x @ weight.T
    return product if bias is None else product + as_tensor(bias)


def _linear_mismatch(given: tuple[int, ...], weight: tuple[int, ...], name: str) -> str:
    """Word the complaint about an input of the wrong width."""
    outputs = weight[0] if len(weight) == 2 else 1
    advice = f"Did you mean Linear({given[-1]}, {outputs})?"
    for axis in range(1, len(given) - 1):
        if math.prod(given[axis:]) == weight[-1]:
            advice = f"Flatten the last {len(given) - axis} axes first, with nn.Flatten({axis})."
    return (
        f"{name}: input {given} has {given[-1]} features, but this layer takes {weight[-1]} "
        f"(weight {weight}). {advice}"
    )


def bilinear(
    input1: Tensor,
    input2: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    name: str = "bilinear",
) -> Tensor:
    """y[..., o] = sum over i, j of input1[..., i] weight[o, i, j] input2[..., j], plus bias[o].

    Args:
        input1: (..., in1_features).
        input2: (..., in2_features), with the same leading axes.
        weight: (out_features, in1_features, in2_features).
        bias: (out_features,), or `None`.

    Raises:
        ShapeError: the operands do not fit together.
        DTypeError: an operand and the weight differ in data type.
    """
    input1 = as_tensor(input1)
    input2 = as_tensor(input2)
    weight = as_tensor(weight)
    fits = input1.ndim > 0 and input2.ndim > 0 and weight.ndim == 3
    if not fits or (input1.shape[-1], input2.shape[-1]) != weight.shape[1:]:
        raise ShapeError(
            complaint(
                f"{name}: input1 {input1.shape} and input2 {input2.shape} must end with the "
                f"{weight.shape[1:]} features of weight {weight.shape}."
            )
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            complaint(
                f"{name}: input1 {input1.shape} and input2 {input2.shape} must agree in all axes "
                f"but the last."
            )
        )
    require_same_dtype(input1, weight, name)
    require_same_dtype(input2, weight, name)
    outputs, left_size, right_size = weight.shape
    by_left = st.reshape(weight, (outputs * left_size, right_size))
    partial = st.reshape(input2 @ by_left.T, (*input2.shape[:-1], outputs, left_size))
    product = st.sum(partial * st.expand_dims(input1, axis=-2), axis=-1)
    return product if bias is None else product + as_tensor(bias)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, *, name: str = "embedding"
) -> Tensor:
    """Look up rows of a table.

    Args:
        input: integers of any shape, from 0 to `num_embeddings - 1`.
        weight: (num_embeddings, embedding_dim).
        padding_idx: the row that gets no gradient, or `None`.
        name: how error messages call the operation.

    Returns:
        (*input.shape, embedding_dim).

    Raises:
        DTypeError: the indices are not integers.
        ArgumentError: an index outside the table (checked where numbers exist: eagerly).
    """
    indices = as_tensor(input)
    weight = as_tensor(weight)
    require_integers(indices, name, "indices")
    rows = weight.shape[0]
    _check_indices(indices, rows, name)
    if padding_idx is not None:
        padding_idx = _row_number(padding_idx, rows, name)
    flat = st.reshape(indices, (-1,))
    taken = st.reshape(st.take(weight, flat, axis=0), (*indices.shape, *weight.shape[1:]))
    if padding_idx is None:
        return taken
    is_padding = st.expand_dims(indices == padding_idx, axis=-1)
    return st.where(is_padding, st.stop_gradient(taken), taken)


def _row_number(padding_idx: int, rows: int, name: str) -> int:
    """Turn a padding index, which may count from the end, into a row number."""
    if not -rows <= padding_idx < rows:
        raise ArgumentError(
            complaint(f"{name}: padding_idx {padding_idx} is outside the table of {rows} rows.")
        )
    return padding_idx % rows


def _check_indices(indices: Tensor, rows: int, name: str) -> None:
    numbers = numbers_of(indices)
    if numbers is None:
        return
    wrong = first_outside(numbers, 0, rows - 1)
    if wrong is None:
        return
    needed = int(numbers.max()) + 1
    advice = f" Did you mean num_embeddings={needed}?" if needed > rows else ""
    raise ArgumentError(
        complaint(
            f"{name}: index {numbers[wrong]} at position {wrong} of indices {indices.shape} is "
            f"outside 0..{rows - 1}, the rows of weight.{advice}"
        )
    )


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Turn class numbers into rows of zeros with a single one (int64).

    Args:
        tensor: integers of any shape, from 0 to `num_classes - 1`.
        num_classes: the size of the new last axis; -1 takes the largest number plus 1, which
            exists only eagerly.

    Returns:
        (*tensor.shape, num_classes).

    Raises:
        DTypeError: the tensor does not hold integers.
        ArgumentError: an index outside the classes (checked where numbers exist: eagerly), or no
            `num_classes` where it cannot be found.
    """
    indices = as_tensor(tensor)
    require_integers(indices, "one_hot", "indices")
    numbers = numbers_of(indices)
    if num_classes == -1:
        if numbers is None or not numbers.size:
            raise ArgumentError(
                complaint(
                    "one_hot: needs num_classes while compiling, and where there are no indices."
                )
            )
        num_classes = int(numbers.max()) + 1
    wrong = None if numbers is None else first_outside(numbers, 0, num_classes - 1)
    if wrong is not None and numbers is not None:
        raise ArgumentError(
            complaint(
                f"one_hot: index {numbers[wrong]} at position {wrong} is outside "
                f"0..{num_classes - 1}, the classes."
            )
        )
    classes = st.arange(num_classes, dtype=indices.dtype)
    return (st.expand_dims(indices, axis=-1) == classes).astype(st.int64)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along an axis, or by `eps` where the norm is smaller."""
    x = as_tensor(input)
    if x.ndim == 0:
        return st.reshape(normalize(st.reshape(x, (1,)), p, dim, eps), ())
    size = vector_norm(x, p, dim)
    return x / st.where(size < eps, eps, size)


def vector_norm(x: Tensor, p: float, dim: int) -> Tensor:
    """The p-norm along an axis, which stays with size 1; the gradient at the zero vector is 0.

    For p = 0 it is the count of numbers that are not 0; infinity gives the largest magnitude.
    """
    if p == 0:
        return st.sum((x != 0).astype(x.dtype), axis=dim, keepdims=True)
    magnitude = st.abs(x)
    if p == math.inf:
        return st.max(magnitude, axis=dim, keepdims=True)
    if p == 1:
        return st.sum(magnitude, axis=dim, keepdims=True)
    powers = x * x if p == 2 else magnitude**p
    total = st.sum(powers, axis=dim, keepdims=True)
    is_zero = total == 0
    safe = st.where(is_zero, 1.0, total)
    root = st.sqrt(safe) if p == 2 else safe ** (1.0 / p)
    return st.where(is_zero, 0.0, root)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis; each norm counts as at least eps.

    The shapes broadcast.
    """
    left, right = st.broadcast_arrays(as_tensor(x1), as_tensor(x2))
    product = normalize(left, 2.0, dim, eps) * normalize(right, 2.0, dim, eps)
    return st.sum(product, axis=dim) if product.ndim else product
