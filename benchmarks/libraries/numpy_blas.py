"""NumPy's matrix product, which is that of the BLAS it comes with; for contractions only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries.session import Library, Session, Task


class NumPy(Library):
    """NumPy; it trains nothing."""

    name = "numpy"
    package = "numpy"

    def environment(self, threads: int, cache: Path) -> dict[str, str]:
        del cache
        return {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}

    def prepare(self, threads: int) -> None:
        del threads

    def training(self, task: Task) -> Session:
        raise NotImplementedError("NumPy trains nothing.")

    def prediction(self, task: Task) -> Session:
        raise NotImplementedError("NumPy has no networks.")

    def contraction(self, left: np.ndarray, right: np.ndarray, form: str, chain: int) -> Session:
        return Contraction(left, right, form, chain)


class Contraction(Session):
    """A chain of matrix products into buffers that are there already."""

    def __init__(self, left: np.ndarray, right: np.ndarray, form: str, chain: int):
        self._left = left
        self._right = right.T if form[1] == "t" else right
        self._transposed = form[0] == "t"
        self._buffers = [np.empty_like(left) for _ in range(2)]
        self._chain = chain

    def step(self) -> np.ndarray:
        value = self._left
        for number in range(self._chain):
            out = self._buffers[number % 2]
            np.matmul(value.T if self._transposed else value, self._right, out=out)
            value = out
        return value

    def numbers(self, result: Any) -> np.ndarray:
        return result
