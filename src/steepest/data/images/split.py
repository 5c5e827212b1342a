"""Training, validation and test images: classes in equal shares, duplicates in one part."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from steepest.data.batches import permutation
from steepest.data.images.collection import UNASSIGNED
from steepest.data.notes import count, note
from steepest.errors import ArgumentError

IntArray = npt.NDArray[np.int64]


def split_images(
    codes: IntArray,
    parts: IntArray,
    units: IntArray,
    *,
    validation: float,
    test: float,
    seed: int,
) -> IntArray:
    """The part of each image.

    Images that the source has put into a part stay there. If it has no test part, `test` of the
    others become one; if it has no validation part, `validation` of what then is left. Classes keep
    their shares; each keeps at least one training image. Exact duplicates stay together.

    Args:
        codes: `(n,)` class numbers.
        parts: `(n,)` numbers of `PARTS`, or `UNASSIGNED`.
        units: `(n,)` what must stay together, as `duplicates` gives it.
        validation, test: shares from 0 to below 1, together below 1.
        seed: of the choice.

    Returns:
        `(n,)` numbers of `PARTS`.
    """
    for name, share in (("validation", validation), ("test", test)):
        if not 0 <= share < 1:
            raise ArgumentError(f"{name} must be a share from 0 to below 1, not {share}.")
    if validation + test >= 1:
        raise ArgumentError(
            f"validation={validation:g} and test={test:g} leave no images to train on."
        )
    result = np.where(parts == UNASSIGNED, 0, parts)
    for number, share in ((2, test), (1, validation)):
        if share > 0 and not (parts == number).any():
            whole = int((parts != 2).sum()) if number == 1 else len(parts)
            _take(result, codes, units, number, share * whole / max(1, (result == 0).sum()), seed)
    return result


def duplicates(pixels: npt.NDArray[np.uint8]) -> IntArray:
    """`(n,)` for each image the place of the first image with the same pixels."""
    first: dict[bytes, int] = {}
    units = np.empty(len(pixels), np.int64)
    for place, image in enumerate(pixels):
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        units[place] = first.setdefault(digest, place)
    return units


def note_duplicates(units: IntArray, codes: IntArray) -> None:
    """Say how many images repeat another one, and how many of these under another label."""
    repeated = int((units != np.arange(len(units))).sum())
    if not repeated:
        return
    verb = "repeats" if repeated == 1 else "repeat"
    other = int((codes != codes[units]).sum())
    tail = f"; {other:,} of them with another label than the first" if other else ""
    note(
        f"{count(repeated, 'image')} {verb} an earlier one; duplicates stay in the same part of "
        f"the data{tail}."
    )


def _take(
    result: IntArray, codes: IntArray, units: IntArray, number: int, share: float, seed: int
) -> None:
    """Move a share of the training images of each class into a part, whole units at a time."""
    members: dict[int, list[int]] = {}
    for place in np.flatnonzero(result == 0).tolist():
        members.setdefault(int(units[place]), []).append(place)
    firsts = np.array(sorted(members), np.int64)
    for code in np.unique(codes):
        own = firsts[codes[firsts] == code]
        total = sum(len(members[first]) for first in own.tolist())
        wanted = round(share * total) or (1 if len(own) > 2 else 0)
        order = permutation(len(own), seed, (number << 32) + int(code))
        for first in own[order].tolist()[:-1]:
            if wanted <= 0:
                break
            result[members[first]] = number
            wanted -= len(members[first])
