"""Whole models: networks with the recipe that trains them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steepest.models.tabular import TableModel

__all__ = ["TableModel"]


def __getattr__(name: str) -> Any:
    """Import a model when it is first asked for: each may need extras of its own."""
    if name != "TableModel":
        raise AttributeError(f"module 'steepest.models' has no attribute {name!r}")
    return importlib.import_module("steepest.models.tabular").TableModel
