"""Many image files -> one array, by several threads, through the cache.

Pillow decodes outside Python's global lock, so threads are enough. Which thread decodes which file
changes nothing: every image has its row.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from steepest.data.images import cache
from steepest.data.images.cache import CacheWriter, Decoded
from steepest.data.images.decode import ImageFacts, RefusedImageError, decode, fitted, probe
from steepest.data.images.sizes import choose_size
from steepest.errors import require

Given = TypeVar("Given")
Found = TypeVar("Found")

AT_ONCE = 1024
"""Files that wait for the threads at a time."""

Refused = list[tuple[int, str, str]]


def decode_files(
    paths: Sequence[Path],
    *,
    size: tuple[int, int] | None,
    channels: int | None,
    largest: int,
    cache_folder: Path | None,
    workers: int | None = None,
) -> Decoded:
    """Decode image files to one size.

    Args:
        paths: the files.
        size: height and width; None takes `choose_size` of those in the headers.
        channels: 1 or 3; None takes 1 where no image has colour.
        largest: the longest side that is chosen.
        cache_folder: where decoded images are kept; None keeps them in memory only.
        workers: threads; None takes as many as there are processors.

    A file that cannot be decoded is left out and told of in `Decoded.refused`; nothing is raised.
    """
    require("PIL.Image", extra="images")
    wanted = {"size": size, "channels": channels, "largest": largest}
    key = cache.cache_key(paths, wanted) if cache_folder is not None else ""
    if cache_folder is not None:
        known = cache.load(cache_folder, key)
        if known is not None:
            return known
    with _threads(workers) as pool, _quiet_about_size():
        facts, refused = _gather(pool, probe, paths, range(len(paths)))
        places = sorted(facts)
        if not places:
            return Decoded(
                np.empty((0, 1, 1, 1), np.uint8), np.empty(0, np.int64), tuple(refused), {}
            )
        chosen = size or choose_size(
            [(each.height, each.width) for each in facts.values()], largest
        )
        depth = channels or (1 if all(each.is_grey for each in facts.values()) else 3)
        shape = (*chosen, depth)
        if cache_folder is None:
            pixels = np.empty((len(places), *shape), np.uint8)
            return _fill(pool, pixels, paths, places, facts, refused)
        with _writer(cache_folder, key, len(places), shape) as writer:
            if writer is None:
                pixels = np.empty((len(places), *shape), np.uint8)
                return _fill(pool, pixels, paths, places, facts, refused)
            return writer.finish(_fill(pool, writer.pixels, paths, places, facts, refused))


def resize_array(pixels: np.ndarray, size: tuple[int, int], workers: int | None) -> np.ndarray:
    """Bring `(n, height, width, channels)` uint8 to another size, as `decode` does with files."""
    pillow = require("PIL.Image", extra="images")
    result = np.empty((len(pixels), *size, pixels.shape[3]), np.uint8)

    def one(place: int) -> None:
        image = pixels[place] if pixels.shape[3] == 3 else pixels[place, :, :, 0]
        result[place] = fitted(pillow.fromarray(np.ascontiguousarray(image)), size)

    with _threads(workers) as pool:
        for _ in _in_turn(pool, one, range(len(pixels))):
            pass
    return result


def _fill(
    pool: ThreadPoolExecutor,
    pixels: Any,
    paths: Sequence[Path],
    places: Sequence[int],
    facts: dict[int, ImageFacts],
    refused: Refused,
) -> Decoded:
    """Decode every file into its row, then close the gaps of those that could not be."""
    size, channels = pixels.shape[1:3], pixels.shape[3]
    row_of = {place: row for row, place in enumerate(places)}

    def one(place: int) -> bool:
        pixels[row_of[place]] = decode(paths[place], size, channels)
        return True

    done, failed = _gather(pool, one, places, places)
    kept = sorted(done)
    for row, place in enumerate(kept):
        if row_of[place] != row:
            pixels[row] = pixels[row_of[place]]
    remarks: dict[str, list[int]] = {}
    for place in kept:
        for remark in facts[place].remarks:
            remarks.setdefault(remark, []).append(place)
    return Decoded(
        pixels[: len(kept)],
        np.array(kept, np.int64),
        tuple(sorted(refused + failed)),
        {text: tuple(found) for text, found in remarks.items()},
    )


def _gather(
    pool: ThreadPoolExecutor,
    function: Callable[[Given], Found],
    values: Sequence[Given],
    places: Sequence[int],
) -> tuple[dict[int, Found], Refused]:
    """What a function makes of each value, and which of them it refused, by place."""

    def attempt(value: Given) -> Found | RefusedImageError:
        try:
            return function(value)
        except RefusedImageError as error:
            return error

    results: dict[int, Found] = {}
    refused: Refused = []
    for place, result in zip(places, _in_turn(pool, attempt, values), strict=True):
        if isinstance(result, RefusedImageError):
            refused.append((place, result.kind, str(result)))
        else:
            results[place] = result
    return results, refused


def _in_turn(
    pool: ThreadPoolExecutor, function: Callable[[Given], Found], values: Sequence[Given]
) -> Iterator[Found]:
    """`pool.map` in stretches, so that millions of files are not all queued at once."""
    for start in range(0, len(values), AT_ONCE):
        yield from pool.map(function, values[start : start + AT_ONCE])


def _threads(workers: int | None) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=workers or min(32, os.cpu_count() or 1))


@contextmanager
def _quiet_about_size() -> Iterator[None]:
    """Pillow warns of large images, and of what is odd in files; here such files are refused, or
    are read all the same."""
    pillow = require("PIL.Image", extra="images")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield


@contextmanager
def _writer(
    folder: Path, key: str, amount: int, shape: tuple[int, int, int]
) -> Iterator[CacheWriter | None]:
    """A cache to write to; None where the folder cannot be written to."""
    try:
        writer = CacheWriter(folder, key, amount, shape)
    except OSError:
        yield None
        return
    with writer:
        yield writer
