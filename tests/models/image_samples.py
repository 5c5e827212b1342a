"""Small images that a small network learns in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steepest.data.images import PreparedImages, prepare_images
from steepest.models import ImageModel

CLASSES = ("bars", "dots", "poles")


def drawn(label: str, seed: int, side: int = 12) -> np.ndarray:
    """(side, side) uint8: horizontal bars, vertical poles or dots, moved at random, with noise."""
    random = np.random.default_rng([seed, CLASSES.index(label)])
    rows, columns = np.mgrid[:side, :side] + random.integers(0, 4, 2)[:, None, None]
    bars, poles = rows % 4 < 2, columns % 4 < 2
    pattern = {"bars": bars, "poles": poles, "dots": bars & poles}[label]
    return np.clip(pattern * 150 + random.normal(50, 15, (side, side)), 0, 255).astype(np.uint8)


def images(each: int = 30) -> tuple[np.ndarray, list[str]]:
    """`each` images of every class, and their labels."""
    labels = [label for label in CLASSES for _ in range(each)]
    pixels = [drawn(label, number) for number, label in enumerate(labels)]
    return np.stack(pixels), labels


def image_folder(folder: Path, each: int = 30) -> Path:
    """The same as PNG files, in a folder for each class."""
    pixels, labels = images(each)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / label / f"{number:03}.png")
    return folder


def prepared(**options: Any) -> PreparedImages:
    pixels, labels = images()
    return prepare_images(pixels, labels, **options)


def quick_fit(source: Any, **options: Any) -> ImageModel:
    """LeNet for some epochs, said to no one."""
    return ImageModel.fit(
        source, **{"network": "lenet", "epochs": 8, "progress": "none", **options}
    )
