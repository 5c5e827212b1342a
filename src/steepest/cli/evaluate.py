"""`steepest evaluate`: how good a trained network is on a table with known answers."""

from __future__ import annotations

from pathlib import Path

from steepest.cli.models import read_rows
from steepest.cli.output import Output
from steepest.cli.tables import TextFormat
from steepest.models.tabular import TableModel
from steepest.report.measures import metric_facts


def evaluate_command(path: Path, data: Path, text_format: TextFormat, output: Output) -> None:
    """Measure the model in folder `path` on the table `data` and print the metrics.

    With `--json`: `{"model", "data", "target", "task", "rows", "metrics": {name: number},
    "notes": [text]}`.
    """
    model = TableModel.load(path)
    with read_rows(data, text_format, output) as (frame, notes):
        metrics = model.evaluate(frame)
        rows = int(model.target.has_value(frame).sum())
    output.line(f"{model.target.name} on {rows:,} rows of {data.name}")
    show_metrics(metrics, output)
    output.object(
        {
            "model": str(path),
            "data": str(data),
            "target": model.target.name,
            "task": model.target.task,
            "rows": rows,
            "metrics": metrics,
            "notes": notes,
        }
    )


def show_metrics(metrics: dict[str, float], output: Output) -> None:
    """Print metrics as a table, with what each means."""
    rows = []
    for name, value in metrics.items():
        facts = metric_facts(name)
        better = "more is better" if facts.higher_is_better else "less is better"
        rows.append([facts.label, facts.text(value), f"{facts.explanation} ({better})"])
    output.table(["", "", ""], rows, text=(0, 2))
