"""The size that images of many sizes are brought to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST_SIDE = 96
"""The longest side that is chosen where none is asked for: a network on two processors goes through
a thousand images of this size in a few seconds."""

SQUARE_RATIO = 1.25
"""Images whose typical sides differ by less are brought to a square."""

STEP = 8
"""Sides above `STEPPED_FROM` are multiples of this, so that halving them leaves whole numbers."""

STEPPED_FROM = 40


def choose_size(sizes: Sequence[tuple[int, int]], largest: int = LARGEST_SIDE) -> tuple[int, int]:
    """Height and width for images of these heights and widths: the medians, with a limit.

    Where all images are of one size within the limit, that size.
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= largest:
        return sizes[0]
    height, width = (float(each) for each in np.median(np.array(sizes), axis=0))
    if max(height, width) < SQUARE_RATIO * min(height, width):
        height = width = float(np.sqrt(height * width))
    shrink = min(1.0, largest / max(height, width))
    return _rounded(height * shrink), _rounded(width * shrink)


def _rounded(side: float) -> int:
    whole = max(1, round(side))
    return whole if whole < STEPPED_FROM else round(side / STEP) * STEP
