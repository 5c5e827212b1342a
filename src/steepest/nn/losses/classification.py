"""Losses of classes. The formulas are in `steepest.nn.functional.classification`."""

from __future__ import annotations

from typing import Any

from steepest.array.tensor import Tensor
from steepest.nn import functional
from steepest.nn.checks import check_probability
from steepest.nn.losses.base import Loss, weight_buffer


class CrossEntropyLoss(Loss):
    """The negative logarithm of the softmax probability of the right class.

    Called with scores (n, classes, ...) and class numbers (n, ...) or probabilities (n, classes,
    ...).

    Args:
        weight: (classes,), the weight of each class.
        ignore_index: targets of this number count for nothing.
        reduction: `"mean"`, `"sum"` or `"none"`.
        label_smoothing: the share of a uniform distribution in the target, from 0 to 1.
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__(reduction)
        check_probability(label_smoothing, "CrossEntropyLoss", "label_smoothing")
        self.weight = weight_buffer(weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, label_smoothing={self.label_smoothing}"


class NLLLoss(Loss):
    """The negative log-likelihood of the right classes, from log-probabilities.

    Args:
        weight: (classes,), the weight of each class.
        ignore_index: targets of this number count for nothing.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(reduction)
        self.weight = weight_buffer(weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(Loss):
    """The binary cross-entropy of probabilities; BCEWithLogitsLoss is more accurate.

    Args:
        weight: scales the losses; any shape that broadcasts to theirs.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self.weight = weight_buffer(weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Loss):
    """The binary cross-entropy of sigmoid(input).

    Args:
        weight: scales the losses; any shape that broadcasts to theirs.
        reduction: `"mean"`, `"sum"` or `"none"`.
        pos_weight: scales the positive examples' part; any shape that broadcasts to the input's.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        super().__init__(reduction)
        self.weight = weight_buffer(weight)
        self.pos_weight = weight_buffer(pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )
