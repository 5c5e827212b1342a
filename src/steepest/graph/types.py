"""What a value of a program is: its shape, its data type, and where the user wrote it."""

from __future__ import annotations

import dataclasses
import math

from steepest.graph.dtypes import DType

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class TensorType:
    """The type of one tensor: a logical shape and a data type."""

    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where in the user's program a node comes from.

    Attributes:
        file: the source file's name, empty when unknown.
        line: the line number, from 1.
        scope: the layer inside which it was made, such as `"Linear 'head'"`; may be empty.
    """

    file: str = ""
    line: int = 0
    scope: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file else ""
        if self.scope:
            return f"{place} in {self.scope}" if place else f"in {self.scope}"
        return place


UNKNOWN = Origin()
