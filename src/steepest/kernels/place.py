"""Where the numbers of the nodes with a buffer lie."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where the numbers of a node lie: a slot of the table of pointers, and bytes from there."""

    slot: int
    offset: int


Places = Mapping[int, Place]
"""The place of each node with a buffer, by the node's id."""
