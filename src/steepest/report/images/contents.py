"""What the report of a training on images says: plain frozen data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steepest.report.contents import Report


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """One image in the report.

    Attributes:
        name: its file, or its number.
        pixels: `(height, width, 1 or 3)` uint8.
        true: its class.
        predicted: the answer; empty where none is shown.
        probability: given to the answer.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    true: str
    predicted: str = ""
    probability: float = 0.0


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Two classes that are taken for each other.

    Attributes:
        true: the class of the images.
        predicted: what they are taken for.
        images: how many.
        share: of the images of the class.
    """

    true: str
    predicted: str
    images: int
    share: float


@dataclasses.dataclass(frozen=True, eq=False)
class ImageReport:
    """Everything that one report on images shows.

    Attributes:
        base: what it shares with a report on a table: history, measures, settings.
        size: height and width of the images.
        channels: 1 for grey, 3 for colour.
        class_sizes: training images by class.
        worst: the wrong answers that the network was most sure of, worst first.
        confusions: the commonest mistakes, commonest first.
        samples: some training images of each class.
        refused: a message for each file that could not be used.
    """

    base: Report
    size: tuple[int, int]
    channels: int
    class_sizes: Sequence[tuple[str, int]]
    worst: Sequence[Picture] = ()
    confusions: Sequence[Confusion] = ()
    samples: Sequence[tuple[str, Sequence[Picture]]] = ()
    refused: Sequence[str] = ()
