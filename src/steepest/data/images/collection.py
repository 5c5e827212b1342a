"""What every source of images becomes before anything is decoded: items with names and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

PARTS = ("training", "validation", "test")
"""The parts of a data set; a part's number is its place here."""

UNASSIGNED = -1
"""Stands for the part of an image that the source does not assign to one."""


@dataclass(frozen=True, eq=False)
class ImageCollection:
    """Images as they were found, not yet decoded or not yet of one size.

    Attributes:
        source: what to call the source in messages.
        names: of the images: paths relative to the source, or `"image 17"`.
        labels: the class of each image; None where the source has none.
        parts: `(n,)` int64 numbers of `PARTS`, or `UNASSIGNED`.
        paths: the files, or None where the images are in memory.
        pixels: `(n, height, width, channels)` uint8 with 1 or 3 channels, or None where they are
            in files.
        target: what the labels are of: the name of a table's column, or `"class"`.
    """

    source: str
    names: Sequence[str]
    labels: tuple[str, ...] | None
    parts: npt.NDArray[np.int64]
    paths: tuple[Path, ...] | None = None
    pixels: npt.NDArray[np.uint8] | None = None
    target: str = "class"

    def __len__(self) -> int:
        return len(self.names)


class NumberedNames(Sequence[str]):
    """`"image 1"`, `"image 2"`, ...: names of images that have none, made when asked for."""

    def __init__(self, amount: int, noun: str = "image"):
        self._amount = amount
        self._noun = noun

    def __len__(self) -> int:
        return self._amount

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        if not -self._amount <= place < self._amount:
            raise IndexError(place)
        return f"{self._noun} {place % self._amount + 1}"


def unassigned(amount: int) -> npt.NDArray[np.int64]:
    """Parts of images whose source has no parts."""
    return np.full(amount, UNASSIGNED, np.int64)
