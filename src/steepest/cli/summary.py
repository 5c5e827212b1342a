"""`steepest summary`: what a trained network was made of."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from steepest.cli.evaluate import show_metrics
from steepest.cli.folders import RESULT
from steepest.cli.output import Output
from steepest.models.tabular import TableModel
from steepest.report.collect import layer_rows
from steepest.train.history import kept_weights


def summary_command(path: Path, output: Output) -> None:
    """Show the model in folder `path`: target, columns, layers, training.

    With `--json`: `{"model", "target": {"name", "task", "classes"}, "columns": [{"name", "kind",
    "used", "reason"}], "layers": [{"name", "kind", "parameters"}], "parameters", "settings",
    "epochs", "best_epoch", "kept_epochs", "metrics"}`.
    """
    model = TableModel.load(path)
    target, schema = model.target, model.schema
    layers = layer_rows(model.summary())
    parameters = sum(layer.parameters for layer in layers)
    classes = f": {', '.join(map(str, target.classes[:12]))}" if target.classes else ""
    output.line(f"{path} predicts {target.name} ({target.task}{classes})")
    kinds = Counter(column.kind for column in schema.used)
    output.line(
        f"from {len(schema.used):,} columns: "
        + ", ".join(f"{amount:,} {kind}" for kind, amount in kinds.most_common())
    )
    epochs, best = model.history.epochs, model.history.best_epoch
    kept = kept_weights(model.history.kept_epochs, best)
    output.line(f"trained for {epochs:,} epochs{f', {kept} kept' if kept else ''}")
    output.line()
    rows = [[layer.kind, layer.name, f"{layer.parameters:,}"] for layer in layers]
    output.table(
        ["layer", "name", "parameters"], [*rows, ["all", "", f"{parameters:,}"]], text=(0, 1)
    )
    output.line()
    settings = {name: str(value) for name, value in model.settings.items()}
    output.table(["setting", ""], [[name, value] for name, value in settings.items()], text=(0, 1))
    metrics = trained_metrics(path)
    if metrics:
        output.line()
        show_metrics(metrics, output)
    output.object(
        {
            "model": str(path),
            "target": {"name": target.name, "task": target.task, "classes": target.classes},
            "columns": [
                {
                    "name": column.name,
                    "kind": column.kind,
                    "used": column.is_used,
                    "reason": column.reason,
                }
                for column in schema.columns
            ],
            "layers": [
                {"name": layer.name, "kind": layer.kind, "parameters": layer.parameters}
                for layer in layers
            ],
            "parameters": parameters,
            "settings": model.settings,
            "epochs": epochs,
            "best_epoch": best,
            "kept_epochs": model.history.kept_epochs,
            "metrics": metrics,
        }
    )


def trained_metrics(path: Path) -> dict[str, float]:
    """The network's measures on its test part, as training left them; empty without."""
    try:
        result = json.loads((path / RESULT).read_text("utf-8"))
        metrics = result["metrics"]["network"]
        return {str(name): float(value) for name, value in metrics.items() if value is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
