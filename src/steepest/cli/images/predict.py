"""`steepest predict` with a model for images: the class of every image."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from steepest.cli.failures import UsageError
from steepest.cli.output import Output
from steepest.cli.tables import ENDINGS, check_output, write_table
from steepest.data.images.predicting import find_images_to_predict
from steepest.data.notes import collected_notes
from steepest.models.images import ImageModel
from steepest.train.files import write_atomically


def predict_images_command(
    path: Path, data: Path, file: Path | None, keep: tuple[str, ...], output: Output
) -> None:
    """Tell the class of every image in `data` with the model in folder `path`.

    One row comes out for each image: its file, the class, the probability of each class, and, for
    files that cannot be used, what is wrong with them. It goes to `file`, or as CSV to standard
    output; a file that ends in `.json` gets a list of objects.

    With `--json`: `{"model", "data", "output", "images", "refused", "columns": [name], "notes"}`.
    """
    if keep:
        raise UsageError("--keep copies columns of a table; the model is for images.")
    if file is None and output.as_json:
        raise UsageError("--json needs --output FILE: standard output is for the JSON object.")
    is_json_file = file is not None and file.suffix.lower() == ".json"
    if file is not None and not is_json_file:
        check_output(file, data, (*ENDINGS, ".json"))
    model = ImageModel.load(path)
    with collected_notes() as notes:
        collection = find_images_to_predict(data)
        probabilities, messages = model.answers(collection)
    for note in notes:
        output.note(note)
    columns = answer_columns(model, list(collection.names), probabilities, messages)
    if file is None or not is_json_file:
        import polars as pl

        table = pl.DataFrame(columns)
        if file is None:
            sys.stdout.write(table.write_csv())
            return
        write_table(table, file)
    else:
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        write_atomically(file, json.dumps(rows, indent=1, ensure_ascii=False).encode())
    output.line(f"{len(collection):,} predictions in {file}")
    output.object(
        {
            "model": str(path),
            "data": str(data),
            "output": str(file),
            "images": len(collection),
            "refused": len(messages),
            "columns": list(columns),
            "notes": notes,
        }
    )


def answer_columns(
    model: ImageModel,
    names: list[str],
    probabilities: np.ndarray[Any, Any],
    messages: dict[int, str],
) -> dict[str, list[Any]]:
    """The columns of the table of predictions; None where a file cannot be used."""
    unusable = np.isnan(probabilities[:, 0])
    best = np.where(unusable, 0, probabilities.argmax(axis=1))
    columns: dict[str, list[Any]] = {
        "image": names,
        "predicted": [
            None if refused else model.classes[place]
            for place, refused in zip(best.tolist(), unusable.tolist(), strict=True)
        ],
    }
    for place, label in enumerate(model.classes):
        values = probabilities[:, place].tolist()
        columns[f"probability_{label}"] = [
            None if refused else value for value, refused in zip(values, unusable, strict=True)
        ]
    if messages:
        columns["problem"] = [messages.get(place) for place in range(len(names))]
    return columns
