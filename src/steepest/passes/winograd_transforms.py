"""How few multiplications give the results of a convolution: Winograd's transforms.

A transform of `size` results of windows of k numbers in one dimension multiplies size + k - 1
times, at as many points at which polynomials are known; of images it is applied down and across.
"""

from __future__ import annotations

import dataclasses
import math

from steepest.ops.image_tiles import Matrix


@dataclasses.dataclass(frozen=True, slots=True)
class Transform:
    """How results of tiles of `size` are computed.

    Attributes:
        data, weight, result: what is taken of a tile of what is seen, of a window, and of the
            products.
    """

    size: int
    data: Matrix
    weight: Matrix
    result: Matrix


SMALL = Transform(
    2,
    ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
    ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    ((1, 1, 1, 0), (0, 1, -1, 1)),
)
NEAR, FAR = math.sqrt(0.5), math.sqrt(2.0)
"""Points which, with their opposites, 0 and infinity, lose fewer bits than whole ones."""
LARGE = Transform(
    4,
    (
        (1, 0, -2.5, 0, 1, 0),
        (0, -FAR, -2, NEAR, 1, 0),
        (0, FAR, -2, -NEAR, 1, 0),
        (0, -NEAR, -0.5, FAR, 1, 0),
        (0, NEAR, -0.5, -FAR, 1, 0),
        (0, 1, 0, -2.5, 0, 1),
    ),
    (
        (1, 0, 0),
        (-2 / 3, -2 / 3 * NEAR, -1 / 3),
        (-2 / 3, 2 / 3 * NEAR, -1 / 3),
        (1 / 6, 1 / 6 * FAR, 1 / 3),
        (1 / 6, -1 / 6 * FAR, 1 / 3),
        (0, 0, 1),
    ),
    (
        (1, 1, 1, 1, 1, 0),
        (0, NEAR, -NEAR, FAR, -FAR, 0),
        (0, 0.5, 0.5, 2, 2, 0),
        (0, NEAR / 2, -NEAR / 2, 2 * FAR, -2 * FAR, 1),
    ),
)

PAIRS_SMALL = Transform(
    2,
    ((1, -1, 0), (0, 1, 0), (0, -1, 1)),
    ((1, 0), (1, 1), (0, 1)),
    ((1, 1, 0), (0, 1, 1)),
)
PAIRS_LARGE = Transform(
    4,
    (
        (1, FAR, -0.5, -NEAR, 0),
        (1, -FAR, -0.5, NEAR, 0),
        (-0.5, -NEAR / 2, 1, NEAR, 0),
        (-0.5, NEAR / 2, 1, -NEAR, 0),
        (1, 0, -2.5, 0, 1),
    ),
    (
        (2 / 3, 2 / 3 * NEAR),
        (2 / 3, -2 / 3 * NEAR),
        (1 / 3, 1 / 3 * FAR),
        (1 / 3, -1 / 3 * FAR),
        (0, 1),
    ),
    (
        (1, 1, 1, 1, 0),
        (NEAR, -NEAR, FAR, -FAR, 0),
        (0.5, 0.5, 2, 2, 0),
        (NEAR / 2, -NEAR / 2, 2 * FAR, -2 * FAR, 1),
    ),
)

TRANSFORMS = {3: (SMALL, LARGE), 2: (PAIRS_SMALL, PAIRS_LARGE)}
"""Those of windows of so many numbers."""
