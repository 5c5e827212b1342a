"""The closed set of primitives: one primitive, one place.

Families: `elementwise/`, `reduction`, `movement`, `contraction`, `indexing`, `sources`, `windows`,
`control`.
`REGISTRY` holds them all by name, and the tests run over it.
"""

from steepest.ops import (
    contraction,
    control,
    indexing,
    movement,
    reduction,
    sources,
    windows,
)
from steepest.ops.elementwise import (
    arithmetic,
    comparison,
    complex_parts,
    exponential,
    logical,
    rounding,
    selection,
    trigonometric,
)
from steepest.ops.primitive import REGISTRY, BadSample, Primitive, Sample

__all__ = [
    "REGISTRY",
    "BadSample",
    "Primitive",
    "Sample",
    "arithmetic",
    "comparison",
    "complex_parts",
    "contraction",
    "control",
    "exponential",
    "indexing",
    "logical",
    "movement",
    "reduction",
    "rounding",
    "selection",
    "sources",
    "trigonometric",
    "windows",
]
