"""Functions of `steepest.nn.functional`, which take PyTorch's arguments as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from steepest.nn import functional

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

RANDOM = {
    *("alpha_dropout", "dropout", "dropout2d", "dropout3d", "feature_alpha_dropout", "rrelu"),
}
"""Functions that draw random numbers, which cannot be compared."""

PREFIX = "nn.functional."


def _same_names() -> dict[str, Callable[..., Any]]:
    shorts = {info.name.removeprefix(PREFIX) for info in op_db if info.name.startswith(PREFIX)}
    return {
        PREFIX + short: getattr(functional, short)
        for short in sorted(shorts - RANDOM)
        if hasattr(functional, short)
    }


def _embedding(weight: Any, input: Any, *, padding_idx: int | None = None) -> Any:
    return functional.embedding(input, weight, padding_idx=padding_idx)


NETWORKS: dict[str, Callable[..., Any]] = {
    **_same_names(),
    "nn.functional.embedding": _embedding,
    "softmax": functional.softmax,
    "log_softmax": functional.log_softmax,
}
