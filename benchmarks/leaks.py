"""Whether memory grows over 100,000 steps and 1,000 compilations: `python -m benchmarks.leaks`.

Memory is what the operating system counts as resident, and what is mapped for machine code made at
run time. The first tenth of a run fills caches and pools; growth is counted from there.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import steepest as st
from steepest import nn, optim

ALLOWED_MIB = 4.0
"""Growth over a whole run at which the exit code is 1."""
PAGE_MIB = 4096 / 2**20


@dataclass(frozen=True)
class Sample:
    """Memory at one moment.

    Attributes:
        done: turns so far.
        resident_mib: of the whole process.
        code_mib: mapped for machine code that no file holds.
    """

    done: int
    resident_mib: float
    code_mib: float


def watch(turn: Callable[[int], object], count: int, samples: int = 20) -> list[Sample]:
    """Take turns, and look at the memory after each of `samples` equal parts."""
    found = []
    for part in range(samples):
        for number in range(part * count // samples, (part + 1) * count // samples):
            turn(number)
        gc.collect()
        done = (part + 1) * count // samples
        found.append(Sample(done, resident_mib(), code_mib()))
    return found


def growth(samples: list[Sample]) -> float:
    """MiB of resident memory won from the first tenth of the samples to the last one."""
    return samples[-1].resident_mib - samples[len(samples) // 10].resident_mib


def resident_mib() -> float:
    """Linux's count of this process's pages in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MIB


def code_mib() -> float:
    """Memory of this process that can be executed and is no part of a file."""
    size = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights, _, _, file = line.split()[:5]
        if "x" in rights and file == "0" and "[" not in line:
            low, high = (int(each, 16) for each in bounds.split("-"))
            size += high - low
    return size / 2**20


def training_step(back_end: str) -> Callable[[int], object]:
    """A compiled step with everything that keeps state: Adam, batch norm, dropout, a schedule."""
    model = nn.Sequential(
        nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 2)
    )
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    random = np.random.default_rng(0)
    batches = [
        (random.normal(size=(32, 20)).astype("float32"), random.integers(0, 2, 32))
        for _ in range(4)
    ]

    def step(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    compiled = st.compile(step, back_end=back_end)

    def turn(number: int) -> None:
        loss = compiled(*batches[number % len(batches)])
        if number % 100 == 0:
            assert np.isfinite(float(loss))
            optimizer.param_groups[0]["lr"] = 1e-3 / (1 + number * 1e-5)

    return turn


def compilation(back_end: str) -> Callable[[int], object]:
    """Compile, run once and drop a program with a contraction, vector maths and a reduction."""
    weight = st.asarray(np.full((24, 24), 0.1, "float32"))

    def turn(number: int) -> None:
        def function(x: st.Tensor) -> st.Tensor:
            return st.sum(st.tanh(x @ weight) * float(number), axis=1)

        # Shapes come back; the number makes each program another one.
        x = np.ones((1 + number % 10, 24), "float32")
        st.compile(function, back_end=back_end)(x)

    return turn


def report(name: str, samples: list[Sample], seconds: float) -> bool:
    """Print one run; return whether memory grew."""
    print(f"\n{name}: {samples[-1].done:,} in {seconds:.0f} s\n")
    print("| done | resident MiB | machine code MiB |\n|---|---|---|")
    for each in samples[:: max(1, len(samples) // 5)] + samples[-1:]:
        print(f"| {each.done:,} | {each.resident_mib:.1f} | {each.code_mib:.2f} |")
    won = growth(samples)
    print(f"\ngrowth after the first tenth: {won:+.2f} MiB")
    return won > ALLOWED_MIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--compilations", type=int, default=1_000)
    parser.add_argument("--back-end", default="native", choices=["native", "evaluator"])
    options = parser.parse_args()
    # Programs are to be compiled, not found where an earlier run left them.
    os.environ["STEEPEST_CACHE"] = "off"
    grew = False
    for name, turn, count in (
        ("steps", training_step(options.back_end), options.steps),
        ("compilations", compilation(options.back_end), options.compilations),
    ):
        start = time.perf_counter()
        samples = watch(turn, count)
        grew |= report(name, samples, time.perf_counter() - start)
    return int(grew)


if __name__ == "__main__":
    sys.exit(main())
