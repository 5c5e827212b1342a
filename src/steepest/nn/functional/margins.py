"""Losses that ask for a margin: hinge losses and rankings."""

from __future__ import annotations

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import (
    as_tensor,
    complaint,
    numbers_of,
    require_floating,
    require_integers,
    require_same_shape,
)
from steepest.nn.functional.activations import logsigmoid, softplus_of
from steepest.nn.functional.classification import class_indices, class_weight, fitting_weight
from steepest.nn.functional.reduction import clamp_min, reduce_loss
from steepest.nn.functional.regression import pair

COSINE_EPS = 1e-12


def hinge_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target input), the loss of a support vector machine.

    Args:
        input: scores of any shape, positive for the one class and negative for the other.
        target: 1 or -1, of the same shape.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: a target other than 1 and -1 (checked where numbers exist: eagerly).
    """
    input, target = pair(input, target, "hinge_loss")
    _check_signs(target, "hinge_loss")
    return reduce_loss(clamp_min(margin - target * input, 0.0), reduction, "hinge_loss")


def _check_signs(target: Tensor, operation: str) -> None:
    numbers = numbers_of(target)
    if numbers is not None and (abs(numbers) != 1).any():
        wrong = numbers[abs(numbers) != 1].reshape(-1)[0]
        raise ArgumentError(
            complaint(
                f"{operation}: target must hold 1 and -1, but holds {wrong}. "
                f"For classes 0 and 1 use 2 * target - 1."
            )
        )


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1.

    Args:
        input: distances between pairs, any shape.
        target: 1 for pairs that belong together, -1 for others; of the same shape.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "hinge_embedding_loss")
    apart = st.where(target != 1, clamp_min(margin - input, 0.0), 0.0)
    together = st.where(target != -1, input, 0.0)
    return reduce_loss(apart + together, reduction, "hinge_embedding_loss")


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, -target (input1 - input2) + margin).

    Args:
        input1: scores, any shape.
        input2: scores of the same shape.
        target: 1 where input1 should rank higher, -1 where input2 should; of the same shape.

    Raises:
        ShapeError: the shapes differ.
    """
    operation = "margin_ranking_loss"
    input1, input2 = as_tensor(input1), as_tensor(input2)
    require_same_shape(input1, input2, operation, ("input1", "input2"))
    input1, target = pair(input1, target, operation)
    losses = clamp_min(margin - target * (input1 - input2), 0.0)
    return reduce_loss(losses, reduction, operation)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target input)), with targets 1 and -1.

    Raises:
        ShapeError: the shapes differ.
    """
    input, target = pair(input, target, "soft_margin_loss")
    losses = softplus_of(-(target * input))
    return reduce_loss(losses, reduction, "soft_margin_loss")


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over wrong classes of weight[target] max(0, margin - input[target] + input)^p / classes.

    Args:
        input: scores: (classes,) or (n, classes).
        target: class numbers: () or (n,).
        p: 1 or 2.
        weight: (classes,), the weight of each class.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the target does not hold integers.
        ArgumentError: another `p`, or a target outside the classes (checked eagerly).
    """
    operation = "multi_margin_loss"
    input, target = as_tensor(input), as_tensor(target)
    if input.ndim == 0:
        input = st.reshape(input, (1,))
    if input.ndim == 1 and target.shape == (1,):
        target = st.reshape(target, ())
    if p not in (1, 2):
        raise ArgumentError(complaint(f"{operation}: p must be 1 or 2, got {p}."))
    target = _class_numbers(input, target, operation)
    classes = input.shape[-1]
    right = st.expand_dims(target, axis=-1)
    violation = margin - st.take_along_axis(input, right, axis=-1) + input
    penalty = clamp_min(violation, 0.0)
    if p == 2:
        penalty = penalty * penalty
    weight = class_weight(input, weight, operation)
    if weight is not None:
        chosen = st.take(weight, st.reshape(target, (-1,)), axis=0)
        penalty = penalty * st.reshape(chosen, right.shape)
    is_right = right == st.arange(classes, dtype=right.dtype)
    wrong_only = st.where(is_right, 0.0, penalty)
    return reduce_loss(st.sum(wrong_only, axis=-1) / classes, reduction, operation)


def _class_numbers(input: Tensor, target: Tensor, operation: str) -> Tensor:
    require_floating(input, operation)
    if input.ndim not in (1, 2):
        raise ShapeError(
            complaint(f"{operation}: needs an input (classes,) or (n, classes), got {input.shape}.")
        )
    return class_indices(input, target, None, operation)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """sum over right classes j and wrong classes i of max(0, 1 - input[j] + input[i]) / classes.

    Args:
        input: scores: (classes,) or (n, classes).
        target: integers of the same shape: the right classes, then -1; what follows the first
            -1 is ignored.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: the target does not hold integers.
    """
    operation = "multilabel_margin_loss"
    input, target = as_tensor(input), as_tensor(target)
    require_floating(input, operation)
    require_same_shape(input, target, operation, ("input", "target"))
    require_integers(target, operation, "target")
    if input.ndim == 0:
        flat = multilabel_margin_loss(st.reshape(input, (1,)), st.reshape(target, (1,)), reduction)
        return st.reshape(flat, ())
    counted = st.cumulative_prod((target >= 0).astype(st.int64), axis=-1) == 1
    safe = st.where(counted, target, 0)
    classes = st.arange(input.shape[-1], dtype=target.dtype)
    hits = (st.expand_dims(safe, axis=-1) == classes) & st.expand_dims(counted, axis=-1)
    is_right = st.expand_dims(st.any(hits, axis=-2), axis=-2)
    right_scores = st.expand_dims(st.take_along_axis(input, safe, axis=-1), axis=-1)
    penalty = clamp_min(1.0 - right_scores + st.expand_dims(input, axis=-2), 0.0)
    matters = st.expand_dims(counted, axis=-1) & ~is_right
    losses = st.sum(st.where(matters, penalty, 0.0), axis=(-2, -1))
    return reduce_loss(losses / input.shape[-1], reduction, operation)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of the binary cross-entropy of sigmoid(input).

    Args:
        input: scores: (..., classes).
        target: 0 or 1, of the same shape.
        weight: (classes,), the weight of each class.

    Raises:
        ShapeError: the shapes differ.
    """
    operation = "multilabel_soft_margin_loss"
    input, target = pair(input, target, operation)
    terms = -(target * logsigmoid(input) + (1.0 - target) * logsigmoid(-input))
    if weight is not None:
        terms = terms * fitting_weight(weight, terms, operation, "weight")
    losses = st.mean(terms, axis=-1) if terms.ndim else terms
    return reduce_loss(losses, reduction, operation)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1: vectors: (size,) or (n, size).
        input2: vectors of the same shape.
        target: 1 or -1: () or (n,).

    Raises:
        ShapeError: the shapes do not fit.
    """
    operation = "cosine_embedding_loss"
    input1, input2, target = as_tensor(input1), as_tensor(input2), as_tensor(target)
    require_floating(input1, operation)
    require_same_shape(input1, input2, operation, ("input1", "input2"))
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ShapeError(
            complaint(
                f"{operation}: inputs {input1.shape} must be (size,) or (n, size), and target "
                f"{target.shape} must be {input1.shape[:-1]}."
            )
        )
    product = st.sum(input1 * input2, axis=-1)
    squares1 = st.sum(input1 * input1, axis=-1) + COSINE_EPS
    squares2 = st.sum(input2 * input2, axis=-1) + COSINE_EPS
    cosine = product / st.sqrt(squares1 * squares2)
    together = st.where(target == 1, 1.0 - cosine, 0.0)
    apart = st.where(target == -1, clamp_min(cosine - margin, 0.0), 0.0)
    return reduce_loss(together + apart, reduction, operation)
