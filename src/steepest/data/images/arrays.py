"""Images that are numbers already: arrays, NPZ and IDX files -> a collection in memory."""

from __future__ import annotations

import itertools
import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.data.images.collection import ImageCollection, NumberedNames, unassigned
from steepest.data.notes import list_names, note
from steepest.errors import DataError, DTypeError, ShapeError

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_NAME = re.compile(
    r"(?P<part>train|t10k|test|val|valid)?[-_.]?(?P<role>images|labels)[-_.]?idx(?P<axes>[13])"
    r"[-_.]?ubyte(?P<zipped>\.gz)?",
    re.IGNORECASE,
)
IDX_PARTS = {"t10k": 2, "test": 2, "val": 1, "valid": 1}
LARGEST_IDX = 16 << 30

IMAGE_KEYS = ("images", "image", "x", "data", "arr_0")
LABEL_KEYS = ("labels", "label", "y", "target", "targets", "arr_1")
NPZ_PARTS = (("train", 0), ("val", 1), ("valid", 1), ("test", 2))


def from_arrays(images: Any, labels: Any, source: str = "the array") -> ImageCollection:
    """Arrays of images and labels.

    Args:
        images: `(n, height, width)`, `(n, height, width, channels)` or `(n, channels, height,
            width)` with 1, 3 or 4 channels. Bytes from 0 to 255 (a memory-mapped file stays on
            disk), 16-bit numbers, or floating-point numbers from 0 to 1 or from 0 to 255.
        labels: `(n,)` numbers or text; None where there are none.
        source: what to call it in messages.

    Raises:
        DTypeError, ShapeError, DataError: arrays that are no images.
    """
    pixels = as_pixels(images, source)
    names = NumberedNames(len(pixels))
    found = None if labels is None else _labels(labels, len(pixels), source)
    return ImageCollection(source, names, found, unassigned(len(pixels)), pixels=pixels)


def as_pixels(images: Any, source: str) -> npt.NDArray[np.uint8]:
    """Bring an array of images to `(n, height, width, 1 or 3)` uint8; see `from_arrays`."""
    array = images if isinstance(images, np.ndarray) else np.asarray(images)
    if array.dtype.kind not in "iufb":
        raise DTypeError(f"{source} holds {array.dtype}, but images are numbers.")
    if array.ndim == 3:
        array = array[:, :, :, None]
    if array.ndim != 4:
        raise ShapeError(
            f"{source} {array.shape}: images are (n, height, width) or (n, height, width, channels)"
        )
    if array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = np.moveaxis(array, 1, 3)
    if array.shape[3] not in (1, 3, 4):
        raise ShapeError(
            f"{source} {array.shape}: neither the last axis nor the one after the first has 1, 3 "
            f"or 4 channels."
        )
    if 0 in array.shape:
        raise DataError(f"{source} {array.shape} is empty.")
    if array.shape[3] == 4:
        note(f"Left out the fourth channel (transparency) of {source}.")
        array = array[:, :, :, :3]
    return array if array.dtype == np.uint8 else _as_bytes(array, source)


def read_npz(path: Path) -> ImageCollection:
    """An NPZ file with images and labels, as `x_train`, `y_train`, `x_test`, `y_test` or alike.

    Raises:
        DataError: it is damaged, holds objects (which could run code), or no such arrays.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise DataError(
            f"{path.name}: the NPZ file is damaged, or holds objects instead of numbers ({error})."
        ) from error
    parts = [
        (arrays[x], arrays[y], part)
        for prefix, part in NPZ_PARTS
        for x, y in _named_pairs(arrays, prefix)
    ]
    if not parts:
        image_key = next((key for key in IMAGE_KEYS if key in arrays), None)
        label_key = next((key for key in LABEL_KEYS if key in arrays), None)
        if image_key is None or label_key is None:
            raise DataError(
                f"{path.name} holds {list_names(arrays)}; expected are 'images' and 'labels', or "
                f"'x_train', 'y_train', 'x_test' and 'y_test'."
            )
        return from_arrays(arrays[image_key], arrays[label_key], path.name)
    return joined([from_arrays(x, y, path.name) for x, y, _ in parts], [part for *_, part in parts])


def idx_pairs(folder: Path) -> list[tuple[Path, Path, int]]:
    """The pairs of IDX files of images and labels in a folder, each with the number of its part."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = IDX_NAME.fullmatch(path.name)
        if match:
            found.setdefault((match["part"] or "").lower(), {})[match["role"].lower()] = path
    return [
        (pair["images"], pair["labels"], IDX_PARTS.get(part, 0))
        for part, pair in sorted(found.items(), key=lambda item: IDX_PARTS.get(item[0], 0))
        if len(pair) == 2
    ]


def from_idx(pairs: list[tuple[Path, Path, int]], source: str) -> ImageCollection:
    """Pairs of IDX files, such as MNIST and Fashion-MNIST are given out in."""
    collections = [
        from_arrays(read_idx(images), read_idx(labels), images.name) for images, labels, _ in pairs
    ]
    if len(pairs) == 1:
        return collections[0]
    return joined(collections, [part for *_, part in pairs], source)


def read_idx(path: Path) -> npt.NDArray:
    """Read an IDX file, plain or gzipped.

    The format: two zero bytes, a byte for the type, a byte for the number of axes, the length of
    each axis as a big-endian 32-bit number, and the numbers (Y. LeCun, the MNIST page).

    Raises:
        DataError: it is missing, damaged or cut short.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = _unzipped(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: the IDX file cannot be read ({error}).") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise DataError(f"{path.name} is no IDX file: its first bytes are {content[:4]!r}.")
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    dtype = np.dtype(IDX_TYPES[content[2]])
    expected = start + math.prod(shape) * dtype.itemsize
    if axes == 0 or len(shape) != axes or len(content) != expected:
        raise DataError(
            f"{path.name}: the IDX file is damaged: its header asks for {expected:,} bytes, but it "
            f"has {len(content):,}."
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def joined(
    collections: list[ImageCollection], parts: list[int], source: str | None = None
) -> ImageCollection:
    """Several collections in memory as one, each as a part."""
    shapes = {each.pixels.shape[1:] for each in collections if each.pixels is not None}
    source = source or collections[0].source
    if len(shapes) != 1:
        raise ShapeError(f"{source}: the parts hold images of different shapes: {sorted(shapes)}.")
    pixels = np.concatenate([each.pixels for each in collections if each.pixels is not None])
    numbers = [np.full(len(each), part) for each, part in zip(collections, parts, strict=True)]
    labels = [label for each in collections for label in each.labels or ()]
    return ImageCollection(
        source,
        NumberedNames(len(pixels)),
        tuple(labels),
        np.concatenate(numbers).astype(np.int64),
        pixels=pixels,
    )


def _named_pairs(arrays: dict[str, npt.NDArray], part: str) -> list[tuple[str, str]]:
    """Names such as `("x_train", "y_train")` and `("train_images", "train_labels")`, if there."""
    keys = list(itertools.product(IMAGE_KEYS, LABEL_KEYS))
    names = [(f"{x}_{part}", f"{y}_{part}") for x, y in keys]
    names += [(f"{part}_{x}", f"{part}_{y}") for x, y in keys]
    return [(x, y) for x, y in names if x in arrays and y in arrays][:1]


def _labels(labels: Any, amount: int, source: str) -> tuple[str, ...]:
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) != amount:
        raise ShapeError(
            f"{source} holds {amount:,} images, but labels of shape {np.shape(labels)}; "
            f"expected is one label for each."
        )
    if array.dtype.kind == "f":
        if not (array == np.round(array)).all():
            raise DTypeError(f"{source}: labels are whole numbers or text, not {array.dtype}.")
        array = array.astype(np.int64)
    return tuple(str(each) for each in array.tolist())


def _as_bytes(array: npt.NDArray, source: str) -> npt.NDArray[np.uint8]:
    """Numbers of another type than bytes as bytes, by their range."""
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{source} holds NaN or infinite numbers.")
    low, high = float(array.min()), float(array.max())
    is_share = array.dtype.kind == "f" and high <= 1.0
    limit = 1.0 if is_share else 255.0 if high <= 255 else 65535.0
    if low < 0 or high > limit:
        raise DataError(
            f"{source} holds numbers from {low:g} to {high:g}; images are numbers from 0 to 1, "
            f"from 0 to 255, or from 0 to 65535."
        )
    if limit != 255.0:
        note(f"{source}: numbers from 0 to {limit:g} were scaled to bytes from 0 to 255.")
    scaled = array.astype(np.float32) * np.float32(255.0 / limit)
    return np.rint(scaled).astype(np.uint8)


def _unzipped(content: bytes) -> bytes:
    """Unpack gzip, but no more than `LARGEST_IDX` bytes; what is cut short stays short."""
    return zlib.decompressobj(wbits=31).decompress(content, LARGEST_IDX)
