"""Losses between scores or probabilities and classes."""

from __future__ import annotations

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn.checks import (
    as_tensor,
    check_probability,
    check_reduction,
    complaint,
    first_outside,
    numbers_of,
    require_floating,
    require_integers,
)
from steepest.nn.functional.activations import log_softmax, softplus_of
from steepest.nn.functional.reduction import reduce_loss
from steepest.nn.functional.regression import pair

LOWEST_LOG = -100.0
SMALLEST_PROBABILITY = 1e-12


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), with logarithms of at least -100.

    Prefer `binary_cross_entropy_with_logits`, which loses no accuracy near 0 and 1.

    Args:
        input: probabilities.
        target: 0 or 1, or probabilities, of the same shape.
        weight: scales the losses; any shape that broadcasts to theirs.

    Raises:
        ShapeError: the shapes differ.
        ArgumentError: a number outside 0 to 1 (checked where numbers exist: eagerly).
    """
    operation = "binary_cross_entropy"
    input, target = pair(input, target, operation)
    _check_probabilities(input, operation)
    complement = 1.0 - input
    log_input = st.log(st.where(input < SMALLEST_PROBABILITY, 1.0, input))
    log_complement = st.log1p(st.where(complement < SMALLEST_PROBABILITY, 0.0, -input))
    likelihood = target * _bounded_log(input, log_input)
    likelihood = likelihood + (1.0 - target) * _bounded_log(complement, log_complement)
    return reduce_loss(_weighted(-likelihood, weight, operation), reduction, operation)


def _bounded_log(probability: Tensor, regular: Tensor) -> Tensor:
    """log(probability), at least -100, whose gradient below 1e-12 is 1e12 and not infinite.

    Args:
        regular: the logarithm where the probability is at least 1e-12.
    """
    constant = st.stop_gradient(probability)
    is_zero = constant <= 0
    logarithm = st.log(st.where(is_zero, 1.0, constant))
    bounded = st.where(is_zero | (logarithm < LOWEST_LOG), LOWEST_LOG, logarithm)
    slope = (probability - constant) * (1.0 / SMALLEST_PROBABILITY)
    return st.where(probability < SMALLEST_PROBABILITY, bounded + slope, regular)


def _check_probabilities(input: Tensor, operation: str) -> None:
    numbers = numbers_of(input)
    wrong = None if numbers is None else first_outside(numbers, 0.0, 1.0)
    if wrong is not None and numbers is not None:
        raise ArgumentError(
            complaint(
                f"{operation}: input {input.shape} must hold probabilities from 0 to 1, but holds "
                f"{numbers[wrong]} at position {wrong}. For scores that have not been through a "
                f"sigmoid use binary_cross_entropy_with_logits."
            )
        )


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The binary cross-entropy of sigmoid(input), computed without overflow.

    (1 - target) input + (1 + (pos_weight - 1) target) log(1 + exp(-input)).

    Args:
        input: scores of any size and sign (logits).
        target: 0 or 1, or probabilities, of the same shape.
        weight: scales the losses; any shape that broadcasts to theirs.
        pos_weight: scales the positive examples' part, above 1 for more recall; any shape that
            broadcasts to the input's.

    Raises:
        ShapeError: the shapes do not fit.
    """
    operation = "binary_cross_entropy_with_logits"
    input, target = pair(input, target, operation)
    softplus_negative = softplus_of(-input)
    if pos_weight is not None:
        positive = fitting_weight(pos_weight, input, operation, "pos_weight")
        softplus_negative = softplus_negative * (1.0 + (positive - 1.0) * target)
    losses = (1.0 - target) * input + softplus_negative
    return reduce_loss(_weighted(losses, weight, operation), reduction, operation)


def _weighted(losses: Tensor, weight: Tensor | None, operation: str) -> Tensor:
    return (
        losses if weight is None else losses * fitting_weight(weight, losses, operation, "weight")
    )


def fitting_weight(weight: Tensor, whole: Tensor, operation: str, role: str) -> Tensor:
    """Check that a weight broadcasts to the losses without making them larger."""
    weight = as_tensor(weight)
    padded = (1,) * (whole.ndim - weight.ndim) + weight.shape
    fits = len(padded) == whole.ndim
    if not fits or any(w not in (1, s) for w, s in zip(padded, whole.shape, strict=True)):
        raise ShapeError(
            complaint(
                f"{operation}: {role} {weight.shape} cannot be broadcast to input {whole.shape}."
            )
        )
    return weight.astype(whole.dtype)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target]: the negative log-likelihood of the right classes.

    Args:
        input: log-probabilities: (classes,), (n, classes) or (n, classes, ...).
        target: class numbers: (), (n,) or (n, ...).
        weight: (classes,), the weight of each class.
        ignore_index: targets of this number count for nothing.
        reduction: `"mean"` divides by the sum of the targets' weights.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the target does not hold integers.
        ArgumentError: a target outside the classes (checked where numbers exist: eagerly).
    """
    operation = "nll_loss"
    input = as_tensor(input)
    require_floating(input, operation)
    check_reduction(reduction, operation)
    target = class_indices(input, as_tensor(target), ignore_index, operation)
    weight = class_weight(input, weight, operation)
    losses, weights = _class_losses(input, target, weight, ignore_index)
    return _weighted_reduction(losses, weights, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative logarithm of the softmax probability of the right class.

    Args:
        input: scores (logits): (classes,), (n, classes) or (n, classes, ...).
        target: class numbers (integers) of shape (), (n,) or (n, ...); or the probabilities of
            all classes, of the input's shape.
        weight: (classes,), the weight of each class.
        ignore_index: targets of this number count for nothing.
        reduction: for class numbers, `"mean"` divides by the sum of the targets' weights; for
            probabilities, by the number of samples.
        label_smoothing: the share of a uniform distribution mixed into the target, from 0 to 1.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: integers where probabilities are needed, or the reverse.
        ArgumentError: a target outside the classes (checked where numbers exist: eagerly), or
            a label smoothing outside 0 to 1.
    """
    operation = "cross_entropy"
    input = as_tensor(input)
    target = as_tensor(target)
    require_floating(input, operation)
    check_reduction(reduction, operation)
    check_probability(label_smoothing, operation, "label_smoothing")
    weight = class_weight(input, weight, operation)
    if target.shape == input.shape and input.ndim and not target.dtype.is_integer:
        _refuse_ignored_probabilities(ignore_index)
        return _probability_loss(input, target, weight, reduction, label_smoothing)
    target = class_indices(input, target, ignore_index, operation)
    scores = log_softmax(input, _class_axis(input))
    losses, weights = _class_losses(scores, target, weight, ignore_index)
    if label_smoothing == 0.0:
        return _weighted_reduction(losses, weights, reduction)
    smooth = _smooth_losses(scores, target, weight, ignore_index) * label_smoothing
    mixed = losses * (1.0 - label_smoothing) + smooth
    return _weighted_reduction(mixed, weights, reduction)


def _refuse_ignored_probabilities(ignore_index: int) -> None:
    if ignore_index >= 0:
        raise ArgumentError(
            complaint(
                f"cross_entropy: ignore_index {ignore_index} works with class numbers only, but "
                f"the target holds probabilities."
            )
        )


def _probability_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    """Cross-entropy against probabilities of all classes."""
    axis = _class_axis(input)
    classes = input.shape[axis]
    target = target.astype(input.dtype)
    if label_smoothing > 0.0:
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
    terms = log_softmax(input, axis) * target
    if weight is not None:
        terms = terms * _along_classes(weight, input)
    losses = -st.sum(terms, axis=axis)
    if reduction == "mean":
        return st.sum(losses) / losses.size if losses.size else st.mean(losses)
    return reduce_loss(losses, reduction, "cross_entropy")


def _class_losses(
    scores: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Return the weighted loss of every sample, and every sample's weight (0 if ignored)."""
    axis = _class_axis(scores)
    counts = target != ignore_index
    safe = st.where(counts, target, 0)
    picked = st.take_along_axis(scores, st.expand_dims(safe, axis=axis), axis=axis)
    losses = -st.squeeze(picked, axis=axis)
    if weight is None:
        return st.where(counts, losses, 0.0), counts.astype(scores.dtype)
    flat = st.take(weight, st.reshape(safe, (-1,)), axis=0)
    weights = st.where(counts, st.reshape(flat, safe.shape), 0.0)
    return st.where(counts, losses * weights, 0.0), weights


def _smooth_losses(
    scores: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> Tensor:
    """The loss of every sample against the uniform distribution; 0 if ignored."""
    axis = _class_axis(scores)
    terms = scores if weight is None else scores * _along_classes(weight, scores)
    losses = -st.sum(terms, axis=axis) / scores.shape[axis]
    return st.where(target != ignore_index, losses, 0.0)


def _weighted_reduction(losses: Tensor, weights: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return st.sum(losses) / st.sum(weights)
    return st.sum(losses) if reduction == "sum" else losses


def _class_axis(input: Tensor) -> int:
    return 0 if input.ndim == 1 else 1


def _along_classes(weight: Tensor, input: Tensor) -> Tensor:
    """(classes,) to the shape that meets an input (n, classes, ...)."""
    if input.ndim == 1:
        return weight
    return st.reshape(weight, (weight.size,) + (1,) * (input.ndim - 2))


def class_weight(input: Tensor, weight: Tensor | None, operation: str) -> Tensor | None:
    """Check that there is one weight for each class, and give it the input's data type."""
    if input.ndim == 0:
        raise ShapeError(
            complaint(
                f"{operation}: needs an input (classes,) or (n, classes, ...), got a single number."
            )
        )
    if weight is None:
        return None
    weight = as_tensor(weight)
    classes = input.shape[_class_axis(input)]
    if weight.shape != (classes,):
        raise ShapeError(
            complaint(
                f"{operation}: weight {weight.shape} must be ({classes},), one weight for each "
                f"class of input {input.shape}."
            )
        )
    return weight.astype(input.dtype)


def class_indices(
    input: Tensor, target: Tensor, ignore_index: int | None, operation: str
) -> Tensor:
    """Check class numbers against the scores and return them with a signed data type."""
    axis = _class_axis(input)
    wanted = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != wanted:
        raise ShapeError(
            complaint(_index_shape_message(input.shape, target.shape, wanted, operation))
        )
    require_integers(target, operation, "target")
    _check_classes(target, input.shape[axis], ignore_index, input.shape, operation)
    return target.astype(st.int64) if target.dtype.kind == "unsigned" else target


def _index_shape_message(
    input: tuple[int, ...], target: tuple[int, ...], wanted: tuple[int, ...], operation: str
) -> str:
    message = f"{operation}: target {target} must be {wanted} (class numbers)"
    if operation == "cross_entropy":
        message += f" or {input} (floating-point probabilities)"
    message += f" for input {input}."
    if target == input:
        return message + " Convert the probabilities with .astype(steepest.float32)."
    if [size for size in target if size != 1] == [size for size in wanted if size != 1]:
        return message + f" Use target.reshape{wanted}."
    return message


def _check_classes(
    target: Tensor,
    classes: int,
    ignore_index: int | None,
    input: tuple[int, ...],
    operation: str,
) -> None:
    """Where numbers exist, refuse a target that is no class of the input."""
    numbers = numbers_of(target)
    if numbers is None:
        return
    if ignore_index is not None:
        numbers = np.where(numbers == ignore_index, 0, numbers)
    wrong = first_outside(numbers, 0, classes - 1)
    if wrong is not None:
        raise ArgumentError(
            complaint(
                f"{operation}: target holds class {numbers[wrong]} at position {wrong}, but input "
                f"{input} has scores for the classes 0 to {classes - 1}."
            )
        )
