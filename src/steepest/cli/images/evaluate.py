"""`steepest evaluate` with a model for images: how good it is on labelled images."""

from __future__ import annotations

from pathlib import Path

from steepest.cli.evaluate import show_metrics
from steepest.cli.output import Output
from steepest.data.notes import collected_notes
from steepest.errors import DataError
from steepest.models.images import ImageModel
from steepest.models.images.model import image_metrics


def evaluate_images_command(path: Path, data: Path, output: Output) -> None:
    """Measure the model in folder `path` on labelled images and print the metrics.

    With `--json`: `{"model", "data", "images", "metrics": {name: number}, "notes": [text]}`.
    """
    model = ImageModel.load(path)
    with collected_notes() as notes:
        collection = model.labelled(data)
        codes = model.codes(collection.labels)
        probabilities, _ = model.answers(collection)
    usable = probabilities[:, 0] == probabilities[:, 0]
    if not usable.any():
        raise DataError(f"{data}: none of the images can be used.")
    for note in notes:
        output.note(note)
    metrics = image_metrics(codes[usable], probabilities[usable])
    output.line(f"classes of {int(usable.sum()):,} images of {data.name}")
    show_metrics(metrics, output)
    output.object(
        {
            "model": str(path),
            "data": str(data),
            "images": int(usable.sum()),
            "metrics": metrics,
            "notes": notes,
        }
    )
