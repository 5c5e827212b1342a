"""The network for tables: `TableModel` trains, uses, saves and loads it. See docs/tables.md."""

from steepest.models.tabular.model import TableModel
from steepest.models.tabular.recipe import Recipe

__all__ = ["Recipe", "TableModel"]
