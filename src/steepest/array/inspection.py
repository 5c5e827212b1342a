"""What this array library offers, as the standard's inspection functions say it."""

from __future__ import annotations

from typing import Any

from steepest.array.dtypes import isdtype
from steepest.graph.dtypes import ALL, DType, bfloat16, bool_, float32, int64

_OFFERED = tuple(dtype for dtype in ALL if dtype is not bfloat16)


class NamespaceInfo:
    """Answers questions about devices, data types and capabilities."""

    def capabilities(self) -> dict[str, Any]:
        """What the library can do; boolean indexing and unknown shapes work eagerly."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": 52,
        }

    def default_device(self) -> str:
        return "cpu"

    def devices(self) -> list[str]:
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, DType]:
        """The data types of numbers made without one."""
        from steepest.graph.dtypes import complex64

        return {
            "real floating": float32,
            "complex floating": complex64,
            "integral": int64,
            "indexing": int64,
        }

    def dtypes(
        self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The data types of the standard that are offered, by name."""
        wanted = [each for each in _OFFERED if kind is None or isdtype(each, kind)]
        return {("bool" if each is bool_ else each.name): each for each in wanted}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 - the standard's name
    """Return the object that answers questions about this library."""
    return NamespaceInfo()
