"""Augmentation: every image is shown a little different in every epoch.

What happens to an image is a function of (seed, epoch, image), drawn by the Philox counter-based
generator, and so the same whatever batch it is in, and after a resume. Mix-up alone also depends on
the batch, which is itself a function of seed, epoch and batch number.

Flips and whole-pixel shifts are one gather; turning,
scaling and shifting by fractions are one bilinear sampling.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError
from steepest.ops.philox import philox_blocks

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

DRAWS = 16
"""Uniform numbers drawn for each image and epoch; each effect has places of its own."""

SMALL_SIDE = 40
"""Images up to this side are shifted by whole pixels; larger ones are cut out and turned too."""

LIMITS = {
    "shift": (0.0, 0.5),
    "zoom": (0.0, 0.9),
    "stretch": (0.0, 0.9),
    "rotate": (0.0, 180.0),
    "brightness": (0.0, 1.0),
    "contrast": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "cutout": (0.0, 1.0),
    "mixup": (0.0, 0.5),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training images. All effects are off unless they are asked for.

    Attributes:
        flip: mirror left and right, half of the time.
        shift: largest shift along each axis, as a share of the side; edges are continued with
            black, as in images of digits and clothes.
        zoom: random cut-outs down to this share less of the side: 0.4 shows from 60 % to 100 %.
        stretch: how much more one side may be scaled than the other.
        rotate: largest turn, in degrees.
        brightness, contrast, saturation: largest change, as a share.
        cutout: side of a square painted in the image's mean colour, as a share of the shorter
            side, half of the time (DeVries and Taylor, arXiv 1708.04552).
        mixup: alpha of the beta distribution by which two images and their labels are blended
            (Zhang and others, arXiv 1710.09412); 0 for none.
    """

    flip: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    stretch: float = 0.0
    rotate: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and low <= value <= high):
                raise ArgumentError(
                    f"Augmentation: {name} must be from {low:g} to {high:g}, not {value!r}."
                )

    @classmethod
    def for_images(cls, size: tuple[int, int], channels: int) -> Augmentation:
        """What suits images of a size and kind.

        Small grey images may be characters, which are others when mirrored: they are shifted
        only. Small colour images are mirrored and shifted. Larger ones are cut out, mirrored,
        turned a little, and changed in colour.
        """
        if max(size) <= SMALL_SIDE:
            return cls(flip=channels == 3, shift=0.125 if channels == 3 else 0.08)
        return cls(
            flip=True,
            zoom=0.35,
            stretch=0.15,
            rotate=8.0,
            brightness=0.2,
            contrast=0.2,
            saturation=0.2 if channels == 3 else 0.0,
        )

    @property
    def is_none(self) -> bool:
        """Whether nothing is done."""
        return self == Augmentation()

    def __call__(
        self, images: Bytes, places: npt.NDArray[np.int64], seed: int, epoch: int
    ) -> Bytes:
        """Change a batch of images; labels are not blended (see `blended`).

        Args:
            images: `(n, height, width, channels)` uint8.
            places: `(n,)` number of each image in its data set.
            seed: from 0 to 2^64 - 1.
            epoch: counted from 0.

        Returns:
            `(n, height, width, channels)` uint8, a new array.
        """
        draws = uniform_draws(places, seed, epoch)
        if self.zoom or self.stretch or self.rotate:
            images = self._sampled(images, draws)
        elif self.flip or self.shift:
            images = self._moved(images, draws)
        if self.brightness or self.contrast or self.saturation:
            images = self._coloured(images, draws)
        if self.cutout:
            images = self._cut(images, draws)
        return images.copy() if self.is_none else images

    def blended(
        self,
        images: Bytes,
        targets: Floats,
        places: npt.NDArray[np.int64],
        seed: int,
        epoch: int,
    ) -> tuple[Bytes, Floats]:
        """Mix-up: blend every image with the next one of the batch, and their labels alike.

        Args:
            images: `(n, height, width, channels)` uint8.
            targets: `(n, classes)` probabilities of the classes.
            places, seed, epoch: as for calling.
        """
        if not self.mixup:
            return images, targets
        share = beta_draws(uniform_draws(places, seed, epoch)[:, 12:16], self.mixup)
        share = np.maximum(share, 1 - share).astype(np.float32)
        weight = share[:, None, None, None]
        mixed = images * weight + np.roll(images, -1, axis=0) * (1 - weight)
        labels = targets * share[:, None] + np.roll(targets, -1, axis=0) * (1 - share[:, None])
        return np.rint(mixed).astype(np.uint8), labels.astype(np.float32)

    def describe(self) -> str:
        """The effects in words."""
        parts = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value:
                shown = {"rotate": f" {value:g}°", "flip": "", "mixup": f" {value:g}"}
                parts.append(field.name + shown.get(field.name, f" {100 * value:.3g} %"))
        return ", ".join(parts) or "none"

    def _moved(self, images: Bytes, draws: npt.NDArray[np.float64]) -> Bytes:
        """Flips and shifts by whole pixels."""
        n, height, width, _ = images.shape
        rows = np.arange(height)[None] - _whole_shift(draws[:, 1], self.shift, height)[:, None]
        columns = np.arange(width)[None] - _whole_shift(draws[:, 2], self.shift, width)[:, None]
        if self.flip:
            columns = np.where(draws[:, :1] < 0.5, columns, width - 1 - columns)
        inside_rows = (rows >= 0) & (rows < height)
        inside_columns = (columns >= 0) & (columns < width)
        flat = (
            np.arange(n)[:, None, None] * height + np.clip(rows, 0, height - 1)[:, :, None]
        ) * width + np.clip(columns, 0, width - 1)[:, None, :]
        moved = _pixels(images)[flat].view(np.uint8).reshape(images.shape)
        outside = ~(inside_rows[:, :, None] & inside_columns[:, None, :])
        if outside.any():
            moved[outside] = 0
        return moved

    def _sampled(self, images: Bytes, draws: npt.NDArray[np.float64]) -> Bytes:
        """Turn, scale, shift and flip by one bilinear sampling; edges are continued."""
        height, width = images.shape[1:3]
        scale = 1.0 - self.zoom * draws[:, 3]
        ratio = np.exp((2 * draws[:, 4] - 1) * math.log1p(self.stretch))
        scale_y, scale_x = np.minimum(scale * ratio, 1.0), np.minimum(scale / ratio, 1.0)
        angle = np.deg2rad(self.rotate) * (2 * draws[:, 5] - 1)
        room_y, room_x = (1 - scale_y) / 2 + self.shift, (1 - scale_x) / 2 + self.shift
        centre_y = (height - 1) / 2 + room_y * (2 * draws[:, 1] - 1) * height
        centre_x = (width - 1) / 2 + room_x * (2 * draws[:, 2] - 1) * width
        side = np.where(self.flip & (draws[:, 0] >= 0.5), -1.0, 1.0)
        y = (np.arange(height) - (height - 1) / 2)[None] * scale_y[:, None]
        x = (np.arange(width) - (width - 1) / 2)[None] * (scale_x * side)[:, None]
        sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
        rows = centre_y[:, None, None] + y[:, :, None] * cosine - x[:, None, :] * sine
        columns = centre_x[:, None, None] + y[:, :, None] * sine + x[:, None, :] * cosine
        return _bilinear(images, rows.astype(np.float32), columns.astype(np.float32))

    def _coloured(self, images: Bytes, draws: npt.NDArray[np.float64]) -> Bytes:
        """Brightness, contrast and saturation: an affine map of the colours of each image."""
        spread = np.array([self.brightness, self.contrast, self.saturation], np.float32)
        gains = 1 + 2 * (draws[:, 6:9].astype(np.float32) - np.float32(0.5)) * spread
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        result = np.empty_like(images)
        for image, painted, gain in zip(images, result, gains, strict=True):
            bright, contrast, saturation = gain
            values = image.astype(np.float32)
            mean = values.mean(dtype=np.float32)
            if self.saturation and images.shape[3] == 3:
                grey = (values @ weights)[..., None]
                values = grey + (values - grey) * saturation
            values = values * (contrast * bright) + (mean * (1 - contrast) * bright)
            painted[:] = np.rint(np.clip(values, 0, 255))
        return result

    def _cut(self, images: Bytes, draws: npt.NDArray[np.float64]) -> Bytes:
        """Paint a square of each second image in its mean colour; it may stand out."""
        _, height, width, _ = images.shape
        half = self.cutout * min(height, width) / 2
        rows = np.abs(np.arange(height)[None] + 0.5 - draws[:, 9:10] * height) < half
        columns = np.abs(np.arange(width)[None] + 0.5 - draws[:, 10:11] * width) < half
        chosen = (draws[:, 11] < 0.5)[:, None, None]
        hidden = rows[:, :, None] & columns[:, None, :] & chosen
        mean = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
        return np.where(hidden[..., None], mean, images)


def uniform_draws(places: npt.NDArray[np.int64], seed: int, epoch: int) -> npt.NDArray[np.float64]:
    """`(n, DRAWS)` numbers from 0 to below 1 for each image of an epoch."""
    number = np.asarray(places, np.int64).astype(np.uint64)[:, None]
    blocks = np.arange(1, DRAWS // 4 + 1, dtype=np.uint64)[None]
    counter = (
        number & np.uint64(0xFFFFFFFF),
        number >> np.uint64(32),
        np.array([[epoch & 0xFFFFFFFF]], np.uint64),
        blocks,
    )
    words = philox_blocks(counter, (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF))
    return np.stack(words, axis=2).reshape(len(number), DRAWS).astype(np.float64) / 2.0**32


def beta_draws(uniforms: npt.NDArray[np.float64], alpha: float) -> npt.NDArray[np.float64]:
    """`(n,)` numbers of the symmetric beta distribution from `(n, 4)` uniform ones.

    The quotient of powers (M. D. Johnk, 1964) with two tries, of which for alpha up to 0.4 one is
    accepted in 98 of 100 cases; else one of both ends.
    """
    power = 1.0 / alpha
    result = np.where(uniforms[:, 0] < 0.5, 0.0, 1.0)
    for first in (2, 0):
        left = np.log(np.maximum(uniforms[:, first], 1e-12)) * power
        right = np.log(np.maximum(uniforms[:, first + 1], 1e-12)) * power
        total = np.logaddexp(left, right)
        result = np.where(total <= 0, np.exp(left - total), result)
    return result


def _whole_shift(draw: npt.NDArray[np.float64], share: float, side: int) -> npt.NDArray[np.int64]:
    most = round(share * side)
    return np.minimum((draw * (2 * most + 1)).astype(np.int64), 2 * most) - most


def _pixels(images: Bytes) -> npt.NDArray[Any]:
    """The images as a flat array with one entry for each pixel, all channels in it."""
    whole = np.ascontiguousarray(images)
    channels = whole.shape[3]
    if channels == 1:
        return whole.reshape(-1)
    return whole.reshape(-1).view(np.dtype((np.void, channels)))


def _bilinear(images: Bytes, rows: Floats, columns: Floats) -> Bytes:
    """Sample images at places between pixels; beyond the edge the edge goes on.

    One image at a time, so that all of it stays in the cache.

    Args:
        images: `(n, height, width, channels)`, sides of at least 2.
        rows, columns: `(n, height, width)` places in pixels.
    """
    n, height, width, channels = images.shape
    planes = np.ascontiguousarray(np.moveaxis(images, 3, 1)).reshape(n, channels, -1)
    result = np.empty_like(planes)
    rows = np.clip(rows, 0, height - 1).reshape(n, -1)
    columns = np.clip(columns, 0, width - 1).reshape(n, -1)
    top = np.minimum(rows.astype(np.intp), height - 2)
    left = np.minimum(columns.astype(np.intp), width - 2)
    down, right = rows - top.astype(np.float32), columns - left.astype(np.float32)
    corners = top * width + left
    half = np.float32(0.5)
    for image in range(n):
        corner, across, along = corners[image], right[image], down[image]
        for plane, painted in zip(planes[image].astype(np.float32), result[image], strict=True):
            upper = plane.take(corner)
            upper += (plane[1:].take(corner) - upper) * across
            lower = plane[width:].take(corner)
            lower += (plane[width + 1 :].take(corner) - lower) * across
            upper += (lower - upper) * along
            painted[:] = upper + half
    return np.ascontiguousarray(np.moveaxis(result.reshape(n, channels, height, width), 1, 3))
