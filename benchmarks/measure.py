"""Measures one workload: the same network in each library, checked, then timed in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.libraries import EVALUATOR, OURS
from benchmarks.libraries.session import Library
from benchmarks.machine import Peak
from benchmarks.remote import Remote, WorkerError
from benchmarks.timing import Rounds, Times, interleave
from benchmarks.workloads.numbers import initial_parameters
from benchmarks.workloads.workload import Workload

STEPS_COMPARED = 3
OUTPUT_TOLERANCE = 1e-4
"""Difference of outputs, relative to the largest of them."""


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        training: the training step, or else the forward pass.
        warm_start: whether to take the first step again in a new process with a warm cache.
    """

    training: bool
    threads: int
    rounds: Rounds
    warm_start: bool = True


@dataclass
class Measurement:
    """What was found; each dictionary is by library.

    Attributes:
        operations: of one step, in floating-point operations.
        update_bytes: that the update of one step must move; 0 when predicting.
        differences: the largest relative difference from the reference over the first steps.
        cold_s, warm_s: the first step, from building the network, without and with a warm cache.
        failed: why a library has no times.
    """

    workload: Workload
    operations: int
    update_bytes: int
    times: dict[str, Times] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    cold_s: dict[str, float] = field(default_factory=dict)
    warm_s: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def fastest_peer(self) -> str | None:
        """The peer with the smallest median."""
        peers = [name for name in self.times if name not in (OURS, EVALUATOR)]
        return min(peers, key=lambda name: self.times[name].median_us, default=None)

    @property
    def ratio(self) -> float | None:
        """The fastest peer's median over ours."""
        if self.fastest_peer is None or OURS not in self.times:
            return None
        return self.times[self.fastest_peer].median_us / self.times[OURS].median_us

    def gflops(self, library: str) -> float:
        return self.operations / self.times[library].median_us / 1e3

    def share_of_peak(self, library: str, peak: Peak) -> float:
        return self.gflops(library) / peak.gflops

    def arithmetic_us(self, peak: Peak) -> float:
        """The time of the contractions alone, at the machine's peak."""
        return self.operations / peak.gflops / 1e3

    def update_us(self, peak: Peak) -> float:
        """The time to move what the update must move, where it comes from memory."""
        return self.update_bytes / peak.bandwidth_gb_s / 1e3


def measure(workload: Workload, libraries: Sequence[Library], plan: Plan) -> Measurement:
    """Build, compare and time a workload in each library."""
    size = sum(each.size for each in initial_parameters(workload.layers))
    measurement = Measurement(
        workload,
        workload.operations(training=plan.training),
        workload.update_bytes(size) if plan.training else 0,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        compared = workload.without_randomness()
        if plan.training and workload.is_random:
            _compare_apart(compared, libraries, plan, measurement)
        workers: dict[str, Remote] = {}
        first: dict[str, list[np.ndarray]] = {}
        for library in libraries:
            if library.name in measurement.failed:
                continue
            remote = stack.enter_context(Remote(library, plan.threads, folder / library.name))
            try:
                first[library.name] = _first_steps(remote, workload, plan, measurement)
                workers[library.name] = remote
            except WorkerError as error:
                measurement.failed[library.name] = str(error)
        if not (plan.training and workload.is_random):
            _compare(first, plan, measurement)
        timed = {name: each for name, each in workers.items() if name not in measurement.failed}
        if timed:
            measurement.times = interleave(timed, plan.rounds)
        for name, remote in timed.items():
            measurement.peak_memory_mb[name] = remote.call("peak_memory_mb")
        if plan.warm_start:
            _start_again(libraries, workload, plan, folder, measurement)
    return measurement


def _first_steps(
    remote: Remote, workload: Workload, plan: Plan, measurement: Measurement
) -> list[np.ndarray]:
    """Build the workload; return the results of the first steps and note the time of the first."""
    remote.start()
    first = remote.call("build", workload=workload, training=plan.training)
    measurement.cold_s[remote.library.name] = first.seconds
    return [first.result, *remote.call("results", steps=STEPS_COMPARED - 1)]


def _compare(results: dict[str, list[np.ndarray]], plan: Plan, measurement: Measurement) -> None:
    """Hold each library's first results against the reference's; who differs is not timed.

    The reference is the first peer, or else the first library there is.
    """
    peers = [name for name in results if name not in (OURS, EVALUATOR)]
    reference = next(iter(peers), next(iter(results), None))
    if reference is None:
        return
    tolerance = measurement.workload.loss_tolerance if plan.training else OUTPUT_TOLERANCE
    for name, found in results.items():
        difference = largest_difference(found, results[reference])
        measurement.differences[name] = difference
        if not difference <= tolerance:
            measurement.failed[name] = (
                f"its first {STEPS_COMPARED} results differ from those of {reference} by a share "
                f"of {difference:.2g}, more than {tolerance:g}"
            )


def largest_difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the largest expected number of the same step."""
    differences = [
        np.max(np.abs(np.float64(one).ravel() - np.float64(other).ravel()))
        / max(float(np.max(np.abs(other))), 1e-30)
        for one, other in zip(found, expected, strict=True)
    ]
    return float(np.max(differences))


def _compare_apart(
    workload: Workload, libraries: Sequence[Library], plan: Plan, measurement: Measurement
) -> None:
    """Compare a workload in processes of its own, because what is timed differs by chance."""
    results = {}
    for library in libraries:
        with (
            tempfile.TemporaryDirectory() as folder,
            Remote(library, plan.threads, Path(folder)) as remote,
        ):
            try:
                results[library.name] = _first_steps(remote, workload, plan, measurement)
            except WorkerError as error:
                measurement.failed[library.name] = str(error)
    _compare(results, plan, measurement)


def _start_again(
    libraries: Sequence[Library],
    workload: Workload,
    plan: Plan,
    folder: Path,
    measurement: Measurement,
) -> None:
    """Take the first step in a new process that finds the code which the first one kept."""
    for library in libraries:
        cache = folder / library.name
        kept_code = cache.is_dir() and any(cache.iterdir())
        if library.name not in measurement.times or not kept_code:
            continue
        with Remote(library, plan.threads, cache) as remote:
            remote.start()
            first = remote.call("build", workload=workload, training=plan.training)
            measurement.warm_s[library.name] = first.seconds
