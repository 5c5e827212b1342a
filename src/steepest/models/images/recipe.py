"""How a network for images is trained."""

from __future__ import annotations

import dataclasses
import math

from steepest.errors import ArgumentError

SHOWN_IMAGES = 400_000
"""About so many images, each epoch's counted anew, are shown where no epochs are given."""

FEWEST_EPOCHS = 10
MOST_EPOCHS = 60

LEAST = {"epochs": 1, "batch_size": 1}


@dataclasses.dataclass(frozen=True)
class ImageRecipe:
    """The settings of a training on images.

    Attributes:
        epochs: passes over the images; None decides by their number.
        batch_size: images of a step.
        learning_rate: the largest rate; it rises over the first fifth of the training and falls
            to nothing by its end.
        weight_decay: of AdamW; not on biases and normalisation.
        label_smoothing: share of the target spread evenly over the classes.
    """

    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ArgumentError(
                    f"ImageRecipe: {name} must be a whole number of at least {least}, not "
                    f"{value!r}."
                )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ArgumentError(
                f"ImageRecipe: learning_rate must be above 0, not {self.learning_rate!r}."
            )
        for name in ("weight_decay", "label_smoothing"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ArgumentError(
                    f"ImageRecipe: {name} must be from 0 to below 1, not {value!r}."
                )

    def epochs_for(self, images: int) -> int:
        """The epochs for so many training images."""
        if self.epochs is not None:
            return self.epochs
        return max(FEWEST_EPOCHS, min(MOST_EPOCHS, round(SHOWN_IMAGES / images)))

    def batch_for(self, images: int) -> int:
        """The batch size for so many training images: at least four batches an epoch."""
        return max(1, min(self.batch_size, images // 4))
