"""`steepest train IMAGES`: from a folder of images to a model and its report, in one command."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

from steepest.cli.failures import UsageError
from steepest.cli.folders import REPORT, check_folder, default_folder
from steepest.cli.output import Output
from steepest.cli.train_steps import (
    TEST_FRACTION,
    Stopwatch,
    check_test_fraction,
    command_line,
    further_commands,
    hand_over,
    keep_model,
    metrics_by_predictor,
    open_checkpoint,
    show_outcome,
    versions,
)
from steepest.data.images import Augmentation, PreparedImages, prepare_images
from steepest.models.images import ImageModel
from steepest.report import Command
from steepest.report.images import ImageReport, ImageRun, collect_images, write_image_html
from steepest.report.images.page import image_findings, image_verdict
from steepest.report.numbers import count


@dataclasses.dataclass(frozen=True)
class ImageRequest:
    """What was asked for on the command line; see the help of `steepest train`."""

    data: Path
    target: str | None = None
    output: Path | None = None
    overwrite: bool = False
    resume: bool = False
    test_fraction: float = TEST_FRACTION
    epochs: int | None = None
    seed: int = 0
    size: str | None = None
    network: str | None = None
    flip: bool | None = None
    augment: bool = True

    @property
    def folder(self) -> Path:
        """The folder for model and report."""
        return self.output or default_folder(Path(self.data.resolve().name))

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width asked for.

        Raises:
            UsageError: no size.
        """
        if self.size is None:
            return None
        parts = self.size.lower().split("x")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            raise UsageError(
                f"--size {self.size!r}: give a side in pixels, such as 64, or height x width, such "
                "as 64x96."
            )
        return int(parts[0]), int(parts[-1])


def train_images_command(request: ImageRequest, output: Output) -> None:
    """Train, save, measure and report; print what came of it.

    With `--json`, see `result_object`. Ctrl-C during training keeps the model as it is then and
    the checkpoint to go on from, and ends with exit code 130.
    """
    watch = Stopwatch()
    check_test_fraction(request.test_fraction)
    sides = request.sides
    folder = request.folder
    check_folder(folder, request.overwrite, request.resume)
    prepared = _prepare(request, sides, output)
    watch.lap("reading")
    model = ImageModel.fit(
        prepared,
        network=request.network,
        epochs=request.epochs,
        seed=request.seed,
        augmentation=_augmentation(request, prepared),
        progress="auto" if output.is_talking else "none",
        checkpoint=open_checkpoint(folder, request.resume),
        resume=request.resume,
    )
    watch.lap("training")
    resume_line = f"{train_line(request)} --resume"
    keep_model(model, folder, resume_line, output)
    report = _report(request, prepared, model, watch)
    write_image_html(report, folder / REPORT)
    _show(request, report, model, output)
    result = result_object(request, prepared, report, model)
    hand_over(result, model, folder, resume_line, output)


def _prepare(
    request: ImageRequest, sides: tuple[int, int] | None, output: Output
) -> PreparedImages:
    """Find, decode and split the images, and say what was found."""
    prepared = prepare_images(
        request.data,
        request.target,
        size=sides,
        test=request.test_fraction,
        seed=request.seed,
    )
    for note in prepared.notes:
        output.note(note)
    height, width = prepared.size
    kind = "grey" if prepared.channels == 1 else "colour"
    output.say(
        f"{request.data.name}: {count(len(prepared.images), 'image')} of "
        f"{count(len(prepared.classes), 'class', 'classes')}, as {height} x {width} {kind} pixels"
    )
    output.say(
        f"{len(prepared.train):,} images to learn from, {len(prepared.validation):,} to watch, "
        f"{len(prepared.test):,} kept away for the final measurement"
    )
    return prepared


def _augmentation(request: ImageRequest, prepared: PreparedImages) -> Augmentation:
    """What is done to training images, by default and by the options."""
    if not request.augment:
        return Augmentation()
    chosen = Augmentation.for_images(prepared.size, prepared.channels)
    return chosen if request.flip is None else dataclasses.replace(chosen, flip=request.flip)


def _report(
    request: ImageRequest, prepared: PreparedImages, model: ImageModel, watch: Stopwatch
) -> ImageReport:
    """Measure the network and the baselines on the test part."""
    run = ImageRun(
        prepared,
        model,
        request.data.resolve().name,
        split_note=(
            f"Images were assigned at random (seed {request.seed}) where the folders do not say "
            "otherwise, classes in equal shares, duplicates to the same part."
        ),
        commands=_commands(request),
        versions=versions("Pillow", "pillow"),
        seed=request.seed,
        created=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
    )
    report = collect_images(run)
    watch.lap("measuring")
    base = dataclasses.replace(report.base, durations=dict(watch.seconds))
    return dataclasses.replace(report, base=base)


def _commands(request: ImageRequest) -> list[Command]:
    folder = quote(str(request.folder))
    return [
        Command("Tell what is on new images", f"steepest predict {folder} photos -o answers.csv"),
        Command("Measure it on other images", f"steepest evaluate {folder} other-folder"),
        *further_commands(request.folder, "ImageModel", "new-photo.jpg", train_line(request)),
    ]


def train_line(request: ImageRequest) -> str:
    """The command line of this training."""
    named = {
        "--target": request.target,
        "--output": request.output,
        "--size": request.size,
        "--network": request.network,
        "--epochs": request.epochs,
    }
    words = []
    if request.flip is not None:
        words.append("--flip" if request.flip else "--no-flip")
    if not request.augment:
        words.append("--no-augment")
    return command_line(request.data, named, words, request.test_fraction, request.seed)


def _show(request: ImageRequest, report: ImageReport, model: ImageModel, output: Output) -> None:
    """Print the verdict, the metrics beside the baselines, and where things are."""
    show_outcome(
        request.folder,
        report.base,
        image_verdict(report),
        image_findings(report),
        "test images",
        output,
    )
    if not model.history.interrupted:
        output.line(f"next    steepest predict {quote(str(request.folder))} photos -o answers.csv")


def result_object(
    request: ImageRequest, prepared: PreparedImages, report: ImageReport, model: ImageModel
) -> Mapping[str, Any]:
    """What `--json` prints.

    `metrics` holds the measures on the test part of `"network"`, `"linear"` and `"constant"`;
    `refused` is about each file that was left out; `seconds` is by activity.
    """
    base = report.base
    return {
        "model": str(request.folder),
        "report": str(request.folder / REPORT),
        "data": str(request.data),
        "target": base.target,
        "task": base.task,
        "classes": list(prepared.classes),
        "images": base.rows,
        "size": list(prepared.size),
        "channels": prepared.channels,
        "parts": base.split_sizes,
        "network": model.network_name,
        "epochs": model.history.epochs,
        "best_epoch": model.history.best_epoch,
        "interrupted": model.history.interrupted,
        "metrics": metrics_by_predictor(base),
        "findings": [dataclasses.asdict(finding) for finding in image_findings(report)],
        "notes": list(prepared.notes),
        "refused": list(prepared.refused),
        "seed": request.seed,
        "seconds": base.durations,
        "version": version("steepest"),
    }
