"""From any source of images to arrays ready for training, in one call.

prepared = prepare_images("flowers", seed=1)
prepared.images[prepared.train]     # (n, height, width, channels) uint8
prepared.codes[prepared.train]      # (n,) class numbers
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from steepest.data.images import arrays, cache, files
from steepest.data.images.cache import Decoded
from steepest.data.images.collection import ImageCollection
from steepest.data.images.decoding import decode_files, resize_array
from steepest.data.images.sizes import LARGEST_SIDE, choose_size
from steepest.data.images.split import duplicates, note_duplicates, split_images
from steepest.data.notes import collected_notes, count, list_names, note
from steepest.errors import ArgumentError, DataError, require

FEW_IMAGES = 10
"""Fewer training images of a class are said to be few."""

FEWEST = 4
"""Images that a data set needs at least."""

STATISTICS_IMAGES = 4096
"""Training images from which the mean and the spread are taken."""

CacheChoice = Literal["default"] | str | os.PathLike[str] | None


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """Images of one size, with classes and parts.

    Attributes:
        source: what they came from.
        images: `(n, height, width, channels)` uint8; a memory-mapped file where they were decoded.
        codes: `(n,)` int64 class numbers.
        classes: the class names, sorted.
        names: of the images.
        train, validation, test: ascending places in `images`; the last two may be empty.
        mean, deviation: of each channel over the training images, from 0 to 255.
        refused: a message for each image that was left out.
        notes: everything that was decided on the way.
        target: what the classes are of: the name of a table's column, or `"class"`.
    """

    source: str
    images: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    names: Sequence[str]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]
    target: str = "class"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.images.shape[1]), int(self.images.shape[2])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.images.shape[3])


def prepare_images(
    source: Any,
    labels: Any = None,
    *,
    image_column: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    largest: int = LARGEST_SIDE,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    cache_folder: CacheChoice = "default",
    workers: int | None = None,
) -> PreparedImages:
    """Find, decode and split images.

    Args:
        source: a folder with a folder for each class; a folder or a path of IDX files; an NPZ file;
            a table of file names and labels; or an array.
        labels: for an array, `(n,)` labels; for a table, the name of the column.
        image_column: for a table, the column of file names; found where it is not given.
        size: side, or height and width; chosen from the images where it is not given.
        channels: 1 for grey, 3 for colour; 1 where no image has colour.
        largest: the longest side that is chosen.
        validation, test: shares of the images, where the source has no such parts.
        seed: of the split.
        cache_folder: where decoded files are kept; None keeps them in memory.
        workers: threads that decode.

    Raises:
        DataError: too few images, or only one class.
        ArgumentError: arguments that do not fit the source.
    """
    shape = _checked_size(size)
    if channels not in (None, 1, 3):
        raise ArgumentError(f"prepare_images: channels must be 1 or 3, not {channels!r}.")
    with collected_notes() as notes:
        collection = find_images(source, labels, image_column)
        if collection.labels is None:
            raise DataError(f"{collection.source}: the images have no labels to learn.")
        decoded = decoded_images(collection, shape, channels, largest, cache_folder, workers)
        note_decoding(decoded, collection)
        texts = [collection.labels[place] for place in decoded.kept.tolist()]
        classes = _classes(texts)
        _check_enough(collection.source, len(texts), classes, decoded)
        places = {label: code for code, label in enumerate(classes)}
        codes = np.array([places[text] for text in texts], np.int64)
        parts = collection.parts[decoded.kept]
        units = duplicates(decoded.pixels)
        note_duplicates(units, codes)
        numbers = split_images(codes, parts, units, validation=validation, test=test, seed=seed)
        train = np.flatnonzero(numbers == 0)
        _note_small_classes(codes[train], classes)
    mean, deviation = _statistics(decoded.pixels, train)
    return PreparedImages(
        source=collection.source,
        images=decoded.pixels,
        codes=codes,
        classes=classes,
        names=kept_names(collection.names, decoded),
        train=train,
        validation=np.flatnonzero(numbers == 1),
        test=np.flatnonzero(numbers == 2),
        mean=mean,
        deviation=deviation,
        refused=tuple(message for _, _, message in decoded.refused),
        notes=tuple(notes),
        target=collection.target,
    )


def find_images(
    source: Any, labels: Any = None, image_column: str | None = None
) -> ImageCollection:
    """The images of a source; see `prepare_images`. Nothing is decoded."""
    if not isinstance(source, str | os.PathLike):
        return arrays.from_arrays(source, labels)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder.")
    if labels is not None and not isinstance(labels, str):
        raise ArgumentError(
            f"labels= for {path} must be the name of a table's column, not "
            f"{type(labels).__name__}: folders and files of images hold their labels."
        )
    is_column = isinstance(labels, str)
    if path.is_dir():
        pairs = arrays.idx_pairs(path)
        if pairs:
            return arrays.from_idx(pairs, path.name)
        table = files.table_in(path)
        if table is not None and (is_column or not _has_class_folders(path)):
            return files.from_table(table, labels, image_column)
        return files.from_folder(path)
    if path.suffix.lower() == ".npz":
        return arrays.read_npz(path)
    if arrays.IDX_NAME.fullmatch(path.name):
        pairs = [each for each in arrays.idx_pairs(path.parent) if path in each]
        if not pairs:
            raise DataError(
                f"{path.name}: the file with the labels (or the images) is not beside it."
            )
        return arrays.from_idx(pairs, path.name)
    return files.from_table(path, labels, image_column)


def decoded_images(
    collection: ImageCollection,
    size: tuple[int, int] | None,
    channels: int | None,
    largest: int,
    cache_folder: CacheChoice,
    workers: int | None = None,
) -> Decoded:
    """The pixels of a collection, all of one size."""
    if collection.paths is not None:
        folder = cache.default_folder() if cache_folder == "default" else cache_folder
        return decode_files(
            collection.paths,
            size=size,
            channels=channels,
            largest=largest,
            cache_folder=None if folder is None else Path(folder),
            workers=workers,
        )
    pixels = collection.pixels
    assert pixels is not None
    present = (int(pixels.shape[1]), int(pixels.shape[2]))
    wanted = size or choose_size([present], largest)
    if wanted != present:
        pixels = resize_array(pixels, wanted, workers)
    if channels is not None and channels != pixels.shape[3]:
        pixels = _with_channels(pixels, channels)
    return Decoded(pixels, np.arange(len(pixels), dtype=np.int64), (), {})


def note_decoding(decoded: Decoded, collection: ImageCollection) -> None:
    """Say what was left out and what was done, in a line for each kind of trouble."""
    kinds: dict[str, list[int]] = {}
    for place, kind, _ in decoded.refused:
        kinds.setdefault(kind, []).append(place)
    for kind, places in kinds.items():
        names = list_names([collection.names[place] for place in places], 4)
        note(f"Left out {count(len(places), 'file')} that {_singular(kind, len(places))}: {names}.")
    for remark, found in decoded.remarks.items():
        names = list_names([collection.names[place] for place in found], 2)
        note(f"{count(len(found), 'image')} {_singular(remark, len(found))} ({names}).")


def kept_names(names: Sequence[str], decoded: Decoded) -> Sequence[str]:
    """The names of the images that were not refused."""
    if len(names) == len(decoded.kept):
        return names
    return [names[place] for place in decoded.kept.tolist()]


def _singular(text: str, amount: int) -> str:
    """`have a side ...` as `has a side ...` where it is about one image."""
    if amount != 1:
        return text
    verb, _, rest = text.partition(" ")
    single = {"have": "has", "are": "is", "hold": "holds", "cannot": "cannot"}[verb]
    plain = {"empty files": "an empty file", "no images that": "no image that"}
    for several, one in plain.items():
        if rest.startswith(several):
            rest = one + rest.removeprefix(several)
    return f"{single} {rest}"


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(each, int) and 4 <= each <= 2048 for each in sides):
        raise ArgumentError(
            f"prepare_images: size must be a side or (height, width), each from 4 to 2048 pixels, "
            f"not {size!r}."
        )
    return int(sides[0]), int(sides[1])


def _has_class_folders(folder: Path) -> bool:
    return any(each.is_dir() and files.holds_images(each) for each in folder.iterdir())


def _classes(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels, each once: numbers by size, else by the alphabet."""
    found = set(labels)
    if all(each.removeprefix("-").isdecimal() for each in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def _check_enough(source: str, images: int, classes: tuple[str, ...], decoded: Decoded) -> None:
    refused = len(decoded.refused)
    left_out = f" ({count(refused, 'file')} could not be used)" if refused else ""
    if images == 0 and refused:
        raise DataError(
            f"{source}: none of the {count(refused, 'file')} can be used. The first: "
            f"{decoded.refused[0][2]}"
        )
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no images"
        raise DataError(
            f"{source} holds {found}{left_out}; at least two classes are needed, each in a folder "
            f"of its own."
        )
    if images < FEWEST:
        raise DataError(
            f"{source} holds {count(images, 'image')}{left_out}; at least {FEWEST} are needed, and "
            f"far more to learn anything."
        )


def _note_small_classes(codes: npt.NDArray[np.int64], classes: tuple[str, ...]) -> None:
    amounts = np.bincount(codes, minlength=len(classes))
    few = [
        f"{label} ({amounts[code]})"
        for code, label in enumerate(classes)
        if amounts[code] < FEW_IMAGES
    ]
    if few:
        shown = ", ".join(few[:6]) + (f" and {len(few) - 6} more" if len(few) > 6 else "")
        noun = "class has" if len(few) == 1 else "classes have"
        note(
            f"{len(few)} {noun} fewer than {FEW_IMAGES} training images: {shown}; expect poor "
            f"predictions of {'it' if len(few) == 1 else 'them'}."
        )


def _statistics(
    pixels: npt.NDArray[np.uint8], train: npt.NDArray[np.int64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over an even choice of training images."""
    chosen = train[np.linspace(0, len(train) - 1, min(len(train), STATISTICS_IMAGES)).astype(int)]
    channels = pixels.shape[3]
    amounts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(chosen), 256):
        block = pixels[np.unique(chosen[start : start + 256])]
        for channel in range(channels):
            amounts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    total = amounts.sum(axis=1)
    mean = (amounts * values).sum(axis=1) / total
    variance = (amounts * np.square(values - mean[:, None])).sum(axis=1) / total
    deviation = np.sqrt(np.maximum(variance, 1.0))
    return tuple(mean.tolist()), tuple(deviation.tolist())


def _with_channels(pixels: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Grey as three equal channels, or colour as grey (ITU-R 601, as Pillow does)."""
    if channels == 3:
        return np.repeat(pixels, 3, axis=3)
    pillow = require("PIL.Image", extra="images")
    grey = [np.asarray(pillow.fromarray(each).convert("L")) for each in pixels]
    return np.stack(grey)[:, :, :, None]
