"""Fills a report from a trained image model: measures, baselines, mistakes, samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.data.images import PreparedImages
from steepest.errors import DataError
from steepest.models.images import ImageModel
from steepest.models.images.model import image_metrics
from steepest.report import baselines
from steepest.report.collect import layer_rows, report_history
from steepest.report.contents import Command, Predictor, Report
from steepest.report.images.contents import Confusion, ImageReport, Picture

WORST = 24
CONFUSIONS = 8
SAMPLE_CLASSES = 20
SAMPLES = 8
LINEAR_SIDE = 14
"""The linear model sees the images with sides of about so many pixels."""

LINEAR_IMAGES = 8_000
"""More images than these teach the linear model little, and take long."""


@dataclasses.dataclass(frozen=True, eq=False)
class ImageRun:
    """A finished training on images: what a report is made from.

    Attributes:
        prepared: the images as they were split; there is a test part.
        model: trained on them.
        data_file: name of their folder or file.
        split_note: how the parts were chosen, in words.
        commands: how to use the model.
        versions: versions of the packages that matter.
        seed: the seed of the run.
        durations: seconds by activity.
        created: date and time of the run, as text.
    """

    prepared: PreparedImages
    model: ImageModel
    data_file: str
    split_note: str = ""
    commands: Sequence[Command] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seed: int | None = None
    durations: Mapping[str, float] = dataclasses.field(default_factory=dict)
    created: str = ""


def collect_images(run: ImageRun) -> ImageReport:
    """Measure a finished run on its test part and put everything into a report.

    Raises:
        DataError: there is no test part.
    """
    prepared, model = run.prepared, run.model
    if not len(prepared.test):
        raise DataError("report: there are no test images to measure the network on.")
    codes = prepared.codes[prepared.test]
    answer = model.probabilities(prepared.images[prepared.test])
    trivial = baselines.constant_probabilities(
        prepared.codes[prepared.train], len(prepared.classes), len(codes)
    )
    commonest = prepared.classes[int(trivial[0].argmax())]
    names = np.array(prepared.classes)
    note = "logistic regression on the pixels of the images made small"
    base = Report(
        target=prepared.target,
        task="binary" if len(prepared.classes) == 2 else "multiclass",
        data_file=run.data_file,
        rows=len(prepared.images),
        columns=(),
        split_sizes=_sizes(prepared),
        split_note=run.split_note,
        layers=layer_rows(model.summary()),
        settings=model.settings,
        history=report_history(model.history),
        model=_predictor("Network", codes, answer, names),
        linear=_predictor("Linear model", codes, _linear(prepared), names, note),
        trivial=_predictor(f"Always “{commonest}”", codes, trivial, names),
        y_true=names[codes],
        classes=prepared.classes,
        probabilities=answer,
        warnings=prepared.notes,
        commands=run.commands,
        versions=run.versions,
        seed=run.seed,
        durations=run.durations,
        created=run.created,
    )
    amounts = np.bincount(prepared.codes[prepared.train], minlength=len(names))
    return ImageReport(
        base,
        prepared.size,
        prepared.channels,
        [(label, int(amount)) for label, amount in zip(prepared.classes, amounts, strict=True)],
        _worst(prepared, codes, answer),
        _confusions(prepared.classes, codes, answer),
        _samples(prepared),
        prepared.refused,
    )


def _sizes(prepared: PreparedImages) -> dict[str, int]:
    parts = {"train": prepared.train, "validation": prepared.validation, "test": prepared.test}
    return {name: len(part) for name, part in parts.items() if len(part)}


def _predictor(
    name: str,
    codes: npt.NDArray[np.int64],
    answer: npt.NDArray[np.float64],
    names: npt.NDArray[Any],
    note: str = "",
) -> Predictor:
    return Predictor(name, image_metrics(codes, answer), names[answer.argmax(axis=1)], note)


def _linear(prepared: PreparedImages) -> npt.NDArray[np.float64]:
    """Class probabilities of the test images by logistic regression on small images."""
    train = prepared.train
    if len(train) > LINEAR_IMAGES:
        train = np.sort(np.random.default_rng(0).choice(train, LINEAR_IMAGES, replace=False))
    model = baselines.fit_logistic(
        _small(prepared, train), prepared.codes[train], len(prepared.classes)
    )
    return model.probabilities(_small(prepared, prepared.test))


def _small(prepared: PreparedImages, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """`(n, pixels)` the images as means over squares of pixels."""
    step = max(1, round(max(prepared.size) / LINEAR_SIDE))
    rows, columns = (np.arange(0, side, step) for side in prepared.size)
    result = np.empty((len(places), len(rows) * len(columns) * prepared.channels))
    for start in range(0, len(places), 512):
        block = prepared.images[places[start : start + 512]].astype(np.float32)
        sums = np.add.reduceat(np.add.reduceat(block, rows, axis=1), columns, axis=2)
        result[start : start + 512] = sums.reshape(len(block), -1) / (255.0 * step * step)
    return result


def _worst(
    prepared: PreparedImages,
    codes: npt.NDArray[np.int64],
    answer: npt.NDArray[np.float64],
) -> list[Picture]:
    """The wrong answers that the network was most sure of."""
    predicted = answer.argmax(axis=1)
    wrong = np.flatnonzero(predicted != codes)
    ranked = wrong[np.argsort(-answer[wrong, predicted[wrong]], kind="stable")][:WORST]
    return [
        Picture(
            prepared.names[int(prepared.test[place])],
            np.array(prepared.images[prepared.test[place]]),
            prepared.classes[codes[place]],
            prepared.classes[predicted[place]],
            float(answer[place, predicted[place]]),
        )
        for place in ranked.tolist()
    ]


def _confusions(
    classes: Sequence[str],
    codes: npt.NDArray[np.int64],
    answer: npt.NDArray[np.float64],
) -> list[Confusion]:
    """The commonest pairs of a true class and a wrong answer."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (codes, answer.argmax(axis=1)), 1)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    ranked = np.argsort(-counts, axis=None, kind="stable")[:CONFUSIONS].tolist()
    pairs = [(place // len(classes), place % len(classes)) for place in ranked]
    return [
        Confusion(
            classes[true],
            classes[taken],
            int(counts[true, taken]),
            float(counts[true, taken] / totals[true]),
        )
        for true, taken in pairs
        if counts[true, taken]
    ]


def _samples(prepared: PreparedImages) -> list[tuple[str, list[Picture]]]:
    """The first training images of the first classes."""
    found = []
    for code, label in enumerate(prepared.classes[:SAMPLE_CLASSES]):
        places = prepared.train[prepared.codes[prepared.train] == code][:SAMPLES]
        pictures = [
            Picture(prepared.names[place], np.array(prepared.images[place]), label)
            for place in places.tolist()
        ]
        found.append((label, pictures))
    return found
