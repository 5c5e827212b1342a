"""Image files of every kind, and files that are none, for the tests of this folder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: a smooth picture, which JPEG keeps well."""
    generator = np.random.default_rng(seed)
    tilt = generator.uniform(-1, 1, (3, 2))
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    waves = [np.sin(3 * (a * rows / height + b * columns / width)) for a, b in tilt]
    return (127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def write_classes(
    folder: Path,
    amounts: dict[str, int],
    size: tuple[int, int] = (12, 12),
    suffix: str = ".png",
    first_seed: int = 0,
) -> Path:
    """A folder for each class with so many pictures; no two are equal."""
    seed = first_seed
    for label, amount in amounts.items():
        (folder / label).mkdir(parents=True)
        for number in range(amount):
            seed += 1
            Image.fromarray(picture(*size, seed)).save(folder / label / f"{number}{suffix}")
    return folder


def png_header_only(width: int, height: int) -> bytes:
    """A PNG file whose header promises so many pixels, with hardly any data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def save_animation(path: Path, frames: Sequence[np.ndarray]) -> None:
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others)
