"""Data on its way into a network: tables, splits and mini-batches.

`steepest.data.batches` needs NumPy only. `steepest.data.tables` needs polars (the extra `tables`)
and is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from steepest.data.batches import BatchPlan, permutation

__all__ = ["BatchPlan", "permutation", "tables"]


def __getattr__(name: str) -> Any:
    if name == "tables":
        return importlib.import_module("steepest.data.tables")
    raise AttributeError(f"module 'steepest.data' has no attribute {name!r}")
