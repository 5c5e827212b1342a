"""`steepest predict`: the target for every row of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.cli.failures import UsageError
from steepest.cli.models import read_rows
from steepest.cli.output import Output
from steepest.cli.tables import TextFormat, check_output, write_table
from steepest.errors import did_you_mean
from steepest.models.tabular import TableModel

if TYPE_CHECKING:
    import polars as pl


def predict_command(
    path: Path,
    data: Path,
    file: Path | None,
    keep: tuple[str, ...],
    text_format: TextFormat,
    output: Output,
) -> None:
    """Predict each row of the table `data` with the model in folder `path`.

    The table of predictions has the columns `keep`, then `predicted_TARGET`, then, for classes,
    `probability_CLASS` for each class. It goes to `file`, or as CSV to standard output.

    With `--json`: `{"model", "data", "output", "target", "rows", "columns": [name], "notes"}`.
    """
    if file is None and output.as_json:
        raise UsageError("--json needs --output FILE: standard output is for the JSON object.")
    if file is not None:
        check_output(file, data)
    model = TableModel.load(path)
    with read_rows(data, text_format, output) as (frame, notes):
        table = predictions(model, frame, keep)
    if file is None:
        sys.stdout.write(table.write_csv())
        return
    write_table(table, file)
    output.line(f"{table.height:,} predictions of {model.target.name} in {file}")
    output.object(
        {
            "model": str(path),
            "data": str(data),
            "output": str(file),
            "target": model.target.name,
            "rows": table.height,
            "columns": table.columns,
            "notes": notes,
        }
    )


def predictions(model: TableModel, frame: pl.DataFrame, keep: tuple[str, ...]) -> pl.DataFrame:
    """The table of predictions for every row of `frame`, in its order.

    Raises:
        UsageError: a column to keep that the table has not, or that would stand there twice.
    """
    import polars as pl

    columns: dict[str, Any] = {}
    for name in keep:
        if name not in frame.columns:
            raise UsageError(
                f"--keep {name!r}: the table has no such column.{did_you_mean(name, frame.columns)}"
            )
        columns[name] = frame[name]
    target = model.target
    made: dict[str, np.ndarray[Any, Any]] = {}
    if target.is_classification:
        probabilities = model.predict_probabilities(frame)
        made[f"predicted_{target.name}"] = target.labels(probabilities.argmax(axis=1))
        for place, label in enumerate(target.classes):
            made[f"probability_{label}"] = probabilities[:, place]
    else:
        made[f"predicted_{target.name}"] = model.predict(frame)
    for name, values in made.items():
        if name in columns:
            raise UsageError(f"--keep {name!r} has the name of a column of predictions.")
        columns[name] = values
    return pl.DataFrame(columns)
