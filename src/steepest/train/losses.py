"""What training needs to know of a loss: what its input means, and how to weight samples in it."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import steepest as st
from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError

Loss = Callable[..., Tensor]
"""`loss(output, target)`, a 0-d tensor."""


_LOGIT_MODULES = (
    nn.CrossEntropyLoss,
    nn.NLLLoss,
    nn.KLDivLoss,
    nn.BCEWithLogitsLoss,
    nn.MultiMarginLoss,
    nn.MultiLabelSoftMarginLoss,
)
_LOGIT_FUNCTIONS = (
    nn.functional.cross_entropy,
    nn.functional.nll_loss,
    nn.functional.kl_div,
    nn.functional.binary_cross_entropy_with_logits,
    nn.functional.multi_margin_loss,
    nn.functional.multilabel_soft_margin_loss,
)


def takes_logits(loss: Loss) -> bool | None:
    """Return whether a model trained with this loss puts out logits; None if that is not known.

    Log-probabilities (`nn.NLLLoss`, `nn.KLDivLoss`) count as logits: their softmax is again the
    probabilities.
    """
    plain = getattr(loss, "func", loss)
    if isinstance(plain, _LOGIT_MODULES) or plain in _LOGIT_FUNCTIONS:
        return True
    if isinstance(plain, nn.BCELoss) or plain is nn.functional.binary_cross_entropy:
        return False
    return None


def loss_name(loss: Loss) -> str:
    """How messages call a loss."""
    if isinstance(loss, nn.Module):
        return type(loss).__name__
    return getattr(loss, "__name__", type(loss).__name__)


def weighted_loss(loss: Loss) -> Callable[[Any, Any, Tensor], Tensor]:
    """Return `f(output, target, weight)`: the mean over samples of weight times the sample's loss.

    Args:
        loss: a loss module with a `reduction`, or a function that takes `reduction=`.

    Raises:
        ArgumentError: a loss that cannot be had sample by sample.
    """
    each = _unreduced(loss)
    name = loss_name(loss)

    def weighted(output: Any, target: Any, weight: Tensor) -> Tensor:
        losses = each(output, target)
        if losses.ndim == 0 or losses.shape[0] != weight.shape[0]:
            raise ShapeError(
                f"{name}: with reduction='none' must give one loss a sample, ({weight.shape[0]}, "
                f"...), to be weighted, but gave {losses.shape}."
            )
        if losses.ndim > 1:
            losses = losses.reshape(losses.shape[0], -1).mean(axis=1)
        return st.mean(losses * weight.astype(losses.dtype))

    return weighted


def _unreduced(loss: Loss) -> Loss:
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        each = copy.copy(loss)
        each.reduction = "none"
        return each
    if not isinstance(loss, nn.Module) and "reduction" in inspect.signature(loss).parameters:
        return functools.partial(loss, reduction="none")
    raise ArgumentError(
        f"fit: sample and class weights need the loss sample by sample, but {loss_name(loss)} has "
        f"no 'reduction'. Use one of nn's losses, or give your function an argument reduction."
    )


def check_loss(loss: Any) -> None:
    """Raise ArgumentError unless this can be a training loss."""
    if isinstance(loss, type):
        raise ArgumentError(
            f"Trainer: loss is the class {loss.__name__}; make one: {loss.__name__}()."
        )
    if not callable(loss):
        raise ArgumentError(
            f"Trainer: loss must be callable, such as nn.CrossEntropyLoss(), got {loss!r}."
        )
    if getattr(loss, "reduction", "mean") == "none":
        raise ArgumentError(
            f"Trainer: {loss_name(loss)} with reduction='none' gives many numbers, but training "
            f"needs one. Use reduction='mean'; weights of samples are an argument of fit."
        )


def loss_share(loss: Loss, size: int) -> float:
    """Return what a batch's loss is multiplied by before batches are added up.

    A mean counts as often as the batch has samples; a sum (`reduction="sum"`) counts once, so that
    figures are means over samples either way.
    """
    return 1.0 if getattr(loss, "reduction", "mean") == "sum" else float(size)
