"""Tables of real data -> arrays that a network can learn from. Needs polars (the extra `tables`).

The steps, each of them a module:

    read_table -> infer_target -> infer_schema -> find_leaks -> split_rows -> TablePreprocessor

`prepare_table` does them all. Nothing is decided silently: see `DataWarning` and `collected_notes`.
"""

from steepest.errors import require

require("polars", extra="tables")

from steepest.data.tables.infer import infer_schema  # noqa: E402
from steepest.data.tables.leaks import find_leaks  # noqa: E402
from steepest.data.tables.messages import DataWarning, collected_notes  # noqa: E402
from steepest.data.tables.prepare import PreparedTable, TablePart, prepare_table  # noqa: E402
from steepest.data.tables.preprocess import TableArrays, TablePreprocessor  # noqa: E402
from steepest.data.tables.read import read_table  # noqa: E402
from steepest.data.tables.schema import Column, Schema  # noqa: E402
from steepest.data.tables.split import Split, split_rows  # noqa: E402
from steepest.data.tables.target import Target  # noqa: E402
from steepest.data.tables.task import infer_target  # noqa: E402

__all__ = [
    "Column",
    "DataWarning",
    "PreparedTable",
    "Schema",
    "Split",
    "TableArrays",
    "TablePart",
    "TablePreprocessor",
    "Target",
    "collected_notes",
    "find_leaks",
    "infer_schema",
    "infer_target",
    "prepare_table",
    "read_table",
    "split_rows",
]
