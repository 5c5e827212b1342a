"""The libraries by name: one file each."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from benchmarks.libraries.jax_jit import Jax, JaxLoop
from benchmarks.libraries.numpy_blas import NumPy
from benchmarks.libraries.ours import Steepest
from benchmarks.libraries.pytorch import Torch
from benchmarks.libraries.session import Library

OURS = "steepest"
EVALUATOR = "evaluator"
PEERS = ("torch", "torch-compile", "jax", "jax-loop")

LIBRARIES: dict[str, Library] = {
    library.name: library
    for library in (
        Steepest(OURS, "native"),
        Steepest(EVALUATOR, "evaluator"),
        Torch("torch", compiled=False),
        Torch("torch-compile", compiled=True),
        Jax(),
        JaxLoop(),
        NumPy(),
    )
}


def installed(names: Sequence[str]) -> list[Library]:
    """The libraries of these names; one that is not installed is left out with a line saying so."""
    found = []
    for name in names:
        library = LIBRARIES[name]
        if importlib.util.find_spec(library.package) is None:
            print(f"skipped: {name}: the package {library.package} is not installed", flush=True)
        else:
            found.append(library)
    return found
