"""What each command does with what it was given: a table or images, a model of either."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from steepest.cli.failures import UsageError
from steepest.cli.images.source import is_image_model, is_image_source, looks_like_images
from steepest.cli.output import Output
from steepest.cli.tables import TextFormat
from steepest.cli.train import TrainRequest, train_command


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The options of `steepest train` that are about images; see its help."""

    size: str | None = None
    network: str | None = None
    flip: bool | None = None
    augment: bool = True

    @property
    def given(self) -> list[str]:
        """Those that were given."""
        known = {
            "--size": self.size is not None,
            "--network": self.network is not None,
            "--flip": self.flip is True,
            "--no-flip": self.flip is False,
            "--no-augment": not self.augment,
        }
        return [name for name, is_given in known.items() if is_given]


def train(request: TrainRequest, for_images: ImageOptions, output: Output) -> None:
    """Train on a table or on images, whichever `request.data` is.

    Raises:
        UsageError: options of the other kind of data, or a table without a target.
    """
    if is_image_source(request.data):
        _train_on_images(request, for_images, output)
        return
    if for_images.given:
        raise UsageError(f"{for_images.given[0]} is for images, but {request.data} is a table.")
    if not request.target:
        raise UsageError(
            "Missing option '--target' / '-t': a table needs the name of the column to predict."
        )
    train_command(request, output)


def evaluate(model: Path, data: Path, text_format: TextFormat, output: Output) -> None:
    """Measure a model on a table or on images."""
    if is_image_model(model):
        from steepest.cli.images.evaluate import evaluate_images_command

        evaluate_images_command(model, data, output)
        return
    _refuse_images(model, data)
    from steepest.cli.evaluate import evaluate_command

    evaluate_command(model, data, text_format, output)


def predict(
    model: Path,
    data: Path,
    file: Path | None,
    keep: tuple[str, ...],
    text_format: TextFormat,
    output: Output,
) -> None:
    """Predict the rows of a table or the classes of images."""
    if is_image_model(model):
        from steepest.cli.images.predict import predict_images_command

        predict_images_command(model, data, file, keep, output)
        return
    _refuse_images(model, data)
    from steepest.cli.predict import predict_command

    predict_command(model, data, file, keep, text_format, output)


def summary(model: Path, output: Output) -> None:
    """Show what a model is made of."""
    if is_image_model(model):
        from steepest.cli.images.summary import image_summary_command

        image_summary_command(model, output)
        return
    from steepest.cli.summary import summary_command

    summary_command(model, output)


def _train_on_images(request: TrainRequest, for_images: ImageOptions, output: Output) -> None:
    plain = TrainRequest(data=request.data, target="")
    for_tables = {
        "--task": request.task,
        "--column": request.columns,
        "--time-column": request.time_column,
        "--group-column": request.group_column,
        "--delimiter": request.text_format.delimiter,
        "--encoding": request.text_format.encoding != plain.text_format.encoding,
        "--rename-duplicates": request.text_format.rename_duplicates,
    }
    given = [name for name, value in for_tables.items() if value]
    if given:
        raise UsageError(f"{given[0]} is for tables, but {request.data} holds images.")
    if request.target and request.data.is_dir() and not _has_table(request.data):
        raise UsageError(
            f"--target {request.target!r} is a column of a table, but {request.data} is a folder "
            "of images, whose folders are the classes."
        )
    from steepest.cli.images.train import ImageRequest, train_images_command

    train_images_command(
        ImageRequest(
            data=request.data,
            target=request.target or None,
            output=request.output,
            overwrite=request.overwrite,
            resume=request.resume,
            test_fraction=request.test_fraction,
            epochs=request.epochs,
            seed=request.seed,
            size=for_images.size,
            network=for_images.network,
            flip=for_images.flip,
            augment=for_images.augment,
        ),
        output,
    )


def _has_table(folder: Path) -> bool:
    from steepest.data.images.files import table_in

    return table_in(folder) is not None


def _refuse_images(model: Path, data: Path) -> None:
    if (model / "model.json").exists() and looks_like_images(data):
        raise UsageError(f"{model} is a model of tables, but {data} holds images.")
