"""`steepest summary` of a model for images."""

from __future__ import annotations

from pathlib import Path

from steepest.cli.evaluate import show_metrics
from steepest.cli.output import Output
from steepest.cli.summary import trained_metrics
from steepest.models.images import ImageModel
from steepest.report.collect import layer_rows

SHOWN_CLASSES = 12


def image_summary_command(path: Path, output: Output) -> None:
    """Show the model in folder `path`: classes, images, layers, training.

    With `--json`: `{"model", "classes", "size", "channels", "network", "layers": [{"name", "kind",
    "parameters"}], "parameters", "settings", "epochs", "best_epoch", "metrics"}`.
    """
    model = ImageModel.load(path)
    layers = layer_rows(model.summary())
    parameters = sum(layer.parameters for layer in layers)
    shown = ", ".join(model.classes[:SHOWN_CLASSES])
    more = f" and {len(model.classes) - SHOWN_CLASSES:,} more"
    tail = more if len(model.classes) > SHOWN_CLASSES else ""
    output.line(f"{path} tells {len(model.classes):,} classes of images: {shown}{tail}")
    kind = "grey" if model.channels == 1 else "colour"
    output.line(f"from {model.size[0]} x {model.size[1]} {kind} pixels")
    output.line(f"trained for {model.history.epochs:,} epochs")
    output.line()
    rows = [
        [layer.kind, layer.name, f"{layer.parameters:,}"] for layer in layers if layer.parameters
    ]
    output.table(
        ["layer", "name", "parameters"], [*rows, ["all", "", f"{parameters:,}"]], text=(0, 1)
    )
    output.line()
    settings = [[name, str(value)] for name, value in model.settings.items()]
    output.table(["setting", ""], settings, text=(0, 1))
    metrics = trained_metrics(path)
    if metrics:
        output.line()
        show_metrics(metrics, output)
    output.object(
        {
            "model": str(path),
            "classes": list(model.classes),
            "size": list(model.size),
            "channels": model.channels,
            "network": model.network_name,
            "layers": [
                {"name": layer.name, "kind": layer.kind, "parameters": layer.parameters}
                for layer in layers
            ],
            "parameters": parameters,
            "settings": model.settings,
            "epochs": model.history.epochs,
            "best_epoch": model.history.best_epoch,
            "metrics": metrics,
        }
    )
