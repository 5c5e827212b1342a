"""Decoded images in a memory-mapped file, so that they are decoded once and need no memory.

    images-KEY.npy    (n, height, width, channels) uint8, an ordinary NumPy file
    images-KEY.json   how they were decoded, which files were refused, and checksums of the images

KEY is a hash of the names, sizes and times of the files and of the wanted size. The images are
written aside, flushed to the disk and renamed, the JSON file last, so an interrupted run leaves
nothing that looks whole; a cache whose checksums are wrong is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.data.documents import new_document, open_document
from steepest.errors import CheckpointError

KIND = "image_cache"
VERSION = 1
KEYS = ("height", "width", "channels", "kept", "refused", "remarks", "checksums", "own_checksum")
CHECKED_BYTES = 1 << 26
"""How much of the file one checksum covers."""


@dataclass(frozen=True)
class Decoded:
    """Images of one size, and what became of the others.

    Attributes:
        pixels: `(kept, height, width, channels)` uint8.
        kept: places of the images in the source, ascending.
        refused: `(place, kind, message)` of each image that was left out; see
            `RefusedImageError`.
        remarks: what was done to some images, each with the places of the images.
    """

    pixels: npt.NDArray[np.uint8]
    kept: npt.NDArray[np.int64]
    refused: tuple[tuple[int, str, str], ...]
    remarks: Mapping[str, tuple[int, ...]]


def default_folder() -> Path:
    """Where decoded images are kept: below the user's own folder."""
    return Path.home() / ".cache" / "steepest" / "images"


def cache_key(paths: Iterable[Path], wanted: Mapping[str, Any]) -> str:
    """The name of the cache of some files: it changes when one of them or the wish changes."""
    digest = hashlib.blake2b(digest_size=12)
    digest.update(json.dumps([KIND, VERSION, dict(wanted)], sort_keys=True).encode())
    for path in paths:
        try:
            state = path.stat()
            line = f"{path.absolute()}\0{state.st_size}\0{state.st_mtime_ns}\n"
        except OSError:
            line = f"{path.absolute()}\0absent\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def load(folder: Path, key: str) -> Decoded | None:
    """The cache of a name; None if there is none, or one that is damaged."""
    try:
        document = json.loads(_document_path(folder, key).read_text("utf-8"))
        fields = open_document(document, KIND, VERSION, KEYS)
        if document.pop("own_checksum") != _text_checksum(document):
            return None
        pixels = np.load(_pixels_path(folder, key), mmap_mode="r", allow_pickle=False)
        kept = np.array(fields["kept"], np.int64)
        shape = (len(kept), fields["height"], fields["width"], fields["channels"])
        if pixels.dtype != np.uint8 or pixels.shape != shape:
            return None
        if checksums(pixels) != fields["checksums"]:
            return None
        refused = tuple(
            (int(place), str(kind), str(text)) for place, kind, text in fields["refused"]
        )
        remarks = {str(text): tuple(places) for text, places in fields["remarks"].items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, CheckpointError):
        return None
    return Decoded(pixels, kept, refused, remarks)


class CacheWriter:
    """A new cache, filled in place; used by `with`, after which nothing unfinished is left.

        with CacheWriter(folder, key, n, (32, 32, 3)) as writer:
            writer.pixels[place] = ...
            decoded = writer.finish(decoded)

    Args:
        folder: made if need be.
        key: of `cache_key`.
        amount: rows to make room for.
        shape: of one image.

    Attributes:
        pixels: `(amount, height, width, channels)` to write to.
    """

    def __init__(self, folder: Path, key: str, amount: int, shape: tuple[int, int, int]) -> None:
        self._folder = folder
        self._key = key
        folder.mkdir(parents=True, exist_ok=True)
        final = _pixels_path(folder, key)
        self._partial = final.with_name(f".{final.name}.{os.getpid()}.partial")
        self.pixels: npt.NDArray[np.uint8] = np.lib.format.open_memmap(
            self._partial, mode="w+", dtype=np.uint8, shape=(amount, *shape)
        )

    def __enter__(self) -> CacheWriter:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def finish(self, decoded: Decoded) -> Decoded:
        """Make what was written the cache; return it opened for reading.

        Args:
            decoded: its `pixels` are the first rows of this writer's.
        """
        amount = len(decoded.kept)
        shape = self.pixels.shape[1:]
        if isinstance(self.pixels, np.memmap):
            self.pixels.flush()
        if amount < len(self.pixels):
            self._cut(amount)
        document = new_document(
            KIND,
            VERSION,
            {
                "height": shape[0],
                "width": shape[1],
                "channels": shape[2],
                "kept": decoded.kept.tolist(),
                "refused": [list(each) for each in decoded.refused],
                "remarks": {text: list(places) for text, places in decoded.remarks.items()},
                "checksums": checksums(self.pixels[:amount]),
            },
        )
        document["own_checksum"] = _text_checksum(document)
        with open(self._partial, "rb+") as file:
            os.fsync(file.fileno())
        final = _pixels_path(self._folder, self._key)
        os.replace(self._partial, final)
        _write_whole(_document_path(self._folder, self._key), json.dumps(document).encode())
        return replace(decoded, pixels=np.load(final, mmap_mode="r"))

    def _cut(self, amount: int) -> None:
        """Keep the first rows only: write the header anew and shorten the file."""
        shape = (amount, *self.pixels.shape[1:])
        start = self.pixels.offset if isinstance(self.pixels, np.memmap) else 0
        header = _header(shape, start)
        with open(self._partial, "rb+") as file:
            file.write(header)
            file.truncate(start + int(np.prod(shape)))


def checksums(pixels: npt.NDArray[np.uint8]) -> list[int]:
    """CRC-32 of consecutive stretches of images."""
    if len(pixels) == 0:
        return []
    rows = max(1, CHECKED_BYTES // max(1, pixels[0].size))
    return [
        zlib.crc32(np.ascontiguousarray(pixels[start : start + rows]).data)
        for start in range(0, len(pixels), rows)
    ]


def _text_checksum(document: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(document, sort_keys=True).encode())


def _header(shape: tuple[int, ...], length: int) -> bytes:
    """The header of a NumPy file, padded to a length that a larger array's header has."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head = b"\x93NUMPY\x01\x00" + (length - 10).to_bytes(2, "little")
    return head + text.encode().ljust(length - 11) + b"\n"


def _pixels_path(folder: Path, key: str) -> Path:
    return folder / f"images-{key}.npy"


def _document_path(folder: Path, key: str) -> Path:
    return folder / f"images-{key}.json"


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file aside, flush it and rename it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
