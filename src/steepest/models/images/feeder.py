"""Images on their way into the network: taken by number, changed, channels first."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from steepest.data.images import Augmentation
from steepest.train.source import Batch


class ImageFeeder:
    """Makes batches of images of batches of their numbers; the `prepare` of `Trainer.fit`.

    Only the images of one batch are in memory at a time, if they lie in a memory-mapped file.

    Args:
        images: `(n, height, width, channels)` uint8.
        augmentation: what is done to them in training.
        seed: of the augmentation.
        classes: how many, for labels blended by mix-up.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        classes: int = 0,
    ) -> None:
        self._images = images
        self._augmentation = augmentation or Augmentation()
        self._seed = seed
        self._classes = classes

    def __call__(self, batch: Batch, epoch: int | None) -> Batch:
        (places,) = batch.inputs
        pixels = self._images[places]
        target = batch.target
        if epoch is not None and not self._augmentation.is_none:
            pixels = self._augmentation(pixels, places, self._seed, epoch)
            if self._augmentation.mixup and target is not None:
                probabilities = np.eye(self._classes, dtype=np.float32)[target]
                pixels, target = self._augmentation.blended(
                    pixels, probabilities, places, self._seed, epoch
                )
        return dataclasses.replace(batch, inputs=(channels_first(pixels),), target=target)

    def fingerprint(self) -> str:
        """What two trainings share if one may resume the other, beyond numbers and labels."""
        return f"{self._images.shape} images, {self._augmentation.describe()}, seed {self._seed}"


def channels_first(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """`(n, channels, height, width)` of `(n, height, width, channels)`."""
    return np.ascontiguousarray(np.moveaxis(pixels, 3, 1))
