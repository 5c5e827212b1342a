"""Small images as PNG files in a page, written here so that no package is needed."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2}


def png_bytes(pixels: npt.NDArray[np.uint8]) -> bytes:
    """`(height, width, 1 or 3)` uint8 as the bytes of a PNG file (ISO/IEC 15948).

    Each line is stored as differences to the pixel on its left, which packs photographs better.
    """
    height, width, channels = pixels.shape
    lines = pixels.reshape(height, width * channels)
    left = np.zeros_like(lines)
    left[:, channels:] = lines[:, :-channels]
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1:] = lines - left
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def data_address(pixels: npt.NDArray[np.uint8]) -> str:
    """The image as an address that holds it: `data:image/png;base64,...`."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(pixels)).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
