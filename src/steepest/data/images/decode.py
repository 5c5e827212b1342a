"""One image file -> pixels of a wanted size, or the reason why not.

    shape = probe(path)                     # from the header, without decoding
    pixels = decode(path, (32, 32), 3)      # (32, 32, 3) uint8

Only formats whose readers are in Pillow itself are tried: others, such as EPS, would start another
program. What cannot be used raises `RefusedImageError`, whose `kind` is the same for files with the
same trouble, so that a thousand of them are told in one line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.errors import DataError, require

FORMATS = ("PNG", "JPEG", "MPO", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "ICO")
"""The formats that are read, in Pillow's names."""

SUFFIXES = frozenset(
    (
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".gif"),
        *(".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".jp2", ".ico"),
    )
)
"""Endings by which files are taken for images."""

MOST_PIXELS = 80_000_000
"""A larger image is refused before it is decoded: a few kilobytes can unfold to gigabytes."""

SMALLEST_SIDE = 3
"""An image with a shorter side shows nothing that could be learned."""

GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))
ROTATION_TAG = 0x0112
SIDEWAYS = (5, 6, 7, 8)
"""The values of EXIF's orientation that swap width and height."""

BACKGROUND = 255
"""What transparent pixels are laid on: white."""


class RefusedImageError(DataError):
    """A file that cannot be used as an image.

    Attributes:
        kind: the trouble, in words that hold for every file with the same trouble, to follow
            "images that ...".
    """

    def __init__(self, name: str, kind: str, detail: str = ""):
        super().__init__(f"{name}: {detail or kind}.")
        self.kind = kind


@dataclass(frozen=True)
class ImageFacts:
    """What a file's header says.

    Attributes:
        height, width: as the image is shown, so after a rotation that EXIF asks for.
        is_grey: whether it has no colour by its kind (its pixels are not looked at).
        remarks: what will be done to it, such as `"have more than one frame; the first is used"`,
            to follow "images that ...".
    """

    height: int
    width: int
    is_grey: bool
    remarks: tuple[str, ...] = ()


def probe(path: Path) -> ImageFacts:
    """Read a file's header.

    Raises:
        RefusedImageError: it is no image that can be used.
    """
    with _opened(path) as image:
        width, height = image.size
        if image.getexif().get(ROTATION_TAG) in SIDEWAYS:
            width, height = height, width
        return ImageFacts(height, width, _is_grey(image), tuple(_remarks(image)))


def decode(path: Path, size: tuple[int, int], channels: int) -> npt.NDArray[np.uint8]:
    """Decode a file and bring it to a size.

    The image is scaled until it covers the size, and what stands out on two sides is cut off
    evenly. EXIF's rotation is applied; 16-bit grey is scaled to 8 bits; of an animation the first
    frame is taken; transparent parts become white.

    Args:
        path: the file.
        size: height and width.
        channels: 1 for grey, 3 for red, green and blue.

    Returns:
        `(height, width, channels)` uint8.

    Raises:
        RefusedImageError: it is no image that can be used.
    """
    operations = require("PIL.ImageOps", extra="images")
    with _opened(path) as image:
        longest = 2 * max(size)
        image.draft(None, (longest, longest))
        shown = operations.exif_transpose(image)
        return fitted(_plain(shown, channels, path.name), size)


def fitted(image: Any, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Scale a Pillow image in mode L or RGB to cover `size`, cut, and return its pixels."""
    height, width = size
    if image.size != (width, height):
        operations = require("PIL.ImageOps", extra="images")
        resampling = require("PIL.Image", extra="images").Resampling
        larger = image.size[0] < width or image.size[1] < height
        method = resampling.BICUBIC if larger else resampling.BOX
        if not larger and image.size[0] < 2 * width and image.size[1] < 2 * height:
            method = resampling.BILINEAR
        image = operations.fit(image, (width, height), method)
    pixels = np.asarray(image, np.uint8)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file as an image; whatever its reader raises becomes a `RefusedImageError`."""
    pillow = require("PIL.Image", extra="images")
    name = path.name
    try:
        content = path.read_bytes()
        if not content:
            raise RefusedImageError(name, "are empty files", "the file is empty")
        with pillow.open(io.BytesIO(content), formats=_formats()) as image:
            _check_size(name, image)
            yield image
    except RefusedImageError:
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except pillow.UnidentifiedImageError as error:
        raise RefusedImageError(
            name, "are no images that can be read", "it is no image that can be read"
        ) from error
    except OSError as error:
        raise _unreadable(name, error) from error
    except MemoryError as error:
        raise _too_large(name) from error
    except Exception as error:
        # Readers of damaged files raise almost anything: SyntaxError, struct.error, KeyError, ...
        raise _damaged(name, error) from error


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow has; naming another would be a KeyError."""
    pillow = require("PIL.Image", extra="images")
    pillow.init()
    return tuple(each for each in FORMATS if each in pillow.OPEN)


def _check_size(name: str, image: Any) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(name, f"it has {width:,} x {height:,} pixels")
    if min(width, height) < SMALLEST_SIDE:
        raise RefusedImageError(
            name,
            f"have a side of fewer than {SMALLEST_SIDE} pixels",
            f"it has {width} x {height} pixels, too few to show anything",
        )


def _too_large(name: str, detail: str = "it is too large") -> RefusedImageError:
    limit = f"more than {MOST_PIXELS // 1_000_000} million pixels"
    return RefusedImageError(
        name, f"have {limit}, or would need too much memory", f"{detail}; {limit} are refused"
    )


def _unreadable(name: str, error: OSError) -> RefusedImageError:
    if error.errno is not None:
        return RefusedImageError(
            name, "cannot be opened", f"the file cannot be opened ({error.strerror})"
        )
    if "truncated" in str(error).lower():
        return RefusedImageError(name, "are cut short", "the image is cut short")
    return _damaged(name, error)


def _damaged(name: str, error: Exception) -> RefusedImageError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "truncated" in text.lower():
        return RefusedImageError(name, "are cut short", "the image is cut short")
    return RefusedImageError(name, "are damaged", f"the image is damaged ({text})")


def _is_grey(image: Any) -> bool:
    """Whether an image has no colour by its kind; a palette of greys counts as grey."""
    if image.mode != "P":
        return image.mode in GREY_MODES
    palette = np.frombuffer(bytes(image.palette.getdata()[1]), np.uint8)
    width = 4 if image.palette.mode == "RGBA" else 3
    colours = palette[: len(palette) // width * width].reshape(-1, width)
    return bool((colours[:, :1] == colours[:, 1:3]).all())


def _remarks(image: Any) -> Iterator[str]:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        yield "have more than one frame; the first is used"
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        yield "have transparent parts, which become white"
    if image.mode.startswith("I"):
        yield "have 16 bits a pixel, which are scaled to 8"
    if image.mode in ("CMYK", "LAB", "HSV"):
        yield f"are in {image.mode} colours, which are converted to red, green and blue"


def _plain(image: Any, channels: int, name: str) -> Any:
    """The image in mode L or RGB."""
    if image.mode.startswith("I"):
        image = _from_16_bits(image, name)
    if image.mode == "F":
        raise RefusedImageError(
            name,
            "hold floating-point numbers, whose range is not known",
            "its pixels are floating-point numbers, whose range is not known",
        )
    if image.mode in ("LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        pillow = require("PIL.Image", extra="images")
        paper = pillow.new("RGBA", image.size, (BACKGROUND,) * 4)
        image = pillow.alpha_composite(paper, image)
    wanted = "L" if channels == 1 else "RGB"
    if image.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
        image = image.convert("RGB")
    return image if image.mode == wanted else image.convert(wanted)


def _from_16_bits(image: Any, name: str) -> Any:
    """Grey with 16 bits a pixel as grey with 8."""
    values = np.asarray(image).astype(np.int64)
    if values.max(initial=0) > 65535 or values.min(initial=0) < 0:
        raise RefusedImageError(
            name,
            "have 32 bits a pixel, whose range is not known",
            "its pixels have 32 bits, whose range is not known",
        )
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    return require("PIL.Image", extra="images").fromarray(grey)
