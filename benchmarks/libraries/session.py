"""What the harness asks of a library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads.numbers import Batch
from benchmarks.workloads.workload import Workload


@dataclass(frozen=True)
class Task:
    """A workload with the numbers that it starts from.

    Attributes:
        parameters: in the order of the layers, float32.
        batches: steps go round them.
    """

    workload: Workload
    parameters: Sequence[np.ndarray]
    batches: Sequence[Batch]


class Session(ABC):
    """Something built by one library that runs step after step."""

    @abstractmethod
    def step(self) -> Any:
        """Run one step and return its result, which need not be ready."""

    @abstractmethod
    def numbers(self, result: Any) -> np.ndarray:
        """Wait for a step's result and return it as an array."""

    def run(self, steps: int) -> None:
        """Run so many steps, and wait for the last."""
        result = None
        for _ in range(steps):
            result = self.step()
        if result is not None:
            self.numbers(result)


class Library(ABC):
    """One library, or one way of using it.

    Attributes:
        name: as in `--peers` and in tables.
        package: the Python package that it needs.
    """

    name: str
    package: str

    def environment(self, threads: int, cache: Path) -> dict[str, str]:
        """Variables of the process in which it runs; `cache` is a folder for compiled code."""
        del threads, cache
        return {}

    @abstractmethod
    def prepare(self, threads: int) -> None:
        """Import the library and set it up."""

    @abstractmethod
    def training(self, task: Task) -> Session:
        """A session whose step is forward, loss, backward and update; its result is the loss."""

    @abstractmethod
    def prediction(self, task: Task) -> Session:
        """A session whose step is the forward pass; its result is the output."""

    def contraction(self, left: np.ndarray, right: np.ndarray, form: str, chain: int) -> Session:
        """A session whose step is `chain` contractions, each of the last result with `right`.

        Args:
            left: (size, size), what the first contraction takes.
            right: (size, size).
            form: `nn`, `nt`, `tn` or `tt`: which of left and right are transposed.
            chain: how many.
        """
        raise NotImplementedError(f"{self.name} has no contraction to time.")
