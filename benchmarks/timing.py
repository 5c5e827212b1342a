"""Interleaved rounds: every library in turn, again and again, so that all meet the same machine.

Some libraries' threads go on spinning for a tenth of a second or longer after their work is done.
Each turn begins with steps that are not counted, until nobody else's threads run, so that none pays
for the one before it; there is no pause, after which a virtual machine's processors are slow.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.remote import Remote

WARM_UP_SECONDS = 0.02
"""Steps before each round that are not counted: threads wake, caches fill again."""

IDLE_SHARE = 0.1
"""A process is idle when it takes less than this share of a processor while another warms up."""

MOST_WARM_UP_SECONDS = 2.0
"""How long a turn waits for the others to be idle."""


@dataclass(frozen=True)
class Rounds:
    """How long to time.

    Attributes:
        count: rounds; the median over them is reported.
        seconds: of each library in each round, at least one step.
        settle_seconds: of each library before the first round.
        processor_time: count the processor's time and not the clock's. What other processes do
            then hardly matters; it is right on one thread only, because waiting counts as well.
    """

    count: int = 21
    seconds: float = 0.1
    settle_seconds: float = 0.5
    processor_time: bool = False


@dataclass(frozen=True)
class Times:
    """Seconds per step, one for each round."""

    seconds: tuple[float, ...]

    @property
    def median_us(self) -> float:
        return float(np.median(self.seconds)) * 1e6

    @property
    def quartiles_us(self) -> tuple[float, float]:
        low, high = np.quantile(self.seconds, (0.25, 0.75)) * 1e6
        return float(low), float(high)


def interleave(workers: Mapping[str, Remote], rounds: Rounds) -> dict[str, Times]:
    """Time all workers' sessions in turn. Each round begins with another one."""
    names = list(workers)
    steps: dict[str, int] = {}
    warm_up: dict[str, int] = {}
    for name, worker in workers.items():
        step_seconds = worker.call("steady", seconds=rounds.settle_seconds)
        steps[name] = max(1, round(rounds.seconds / step_seconds))
        warm_up[name] = max(1, min(steps[name], round(WARM_UP_SECONDS / step_seconds)))
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds.count):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            others = [worker for other, worker in workers.items() if other != name]
            warm_up_alone(workers[name], warm_up[name], others)
            seconds = workers[name].call(
                "time",
                steps=steps[name],
                processor_time=rounds.processor_time,
            )
            found[name].append(seconds)
    return {name: Times(tuple(seconds)) for name, seconds in found.items()}


def warm_up_alone(worker: Remote, steps: int, others: Collection[Remote]) -> None:
    """Run steps that are not counted until none of the others' threads run any more."""
    end = time.monotonic() + MOST_WARM_UP_SECONDS
    while time.monotonic() < end:
        start = time.monotonic()
        before = [other.call("processor_seconds") for other in others]
        worker.call("warm_up", steps=steps)
        after = [other.call("processor_seconds") for other in others]
        used = max((b - a for a, b in zip(before, after, strict=True)), default=0.0)
        if used < IDLE_SHARE * (time.monotonic() - start):
            return
