"""Square matrix products of many sizes against NumPy and PyTorch.

    python -m benchmarks.contraction
    [--sizes 8 64 256] [--forms nn nt tn tt] [--peers numpy torch] [--threads N] [--chain N]
    [--processor-time] [--json FILE] [--plot FILE]

A form says which operands are transposed: `nt` is `left @ right.T`. A step is a chain of products,
each of the last result with the same right operand, long for small sizes, so that what is timed is
products as a program meets them and not the cost of calling one program.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.libraries import OURS, installed
from benchmarks.libraries.session import Library
from benchmarks.machine import Peak, describe, measure_peak
from benchmarks.measure import OUTPUT_TOLERANCE, largest_difference
from benchmarks.plot import Curve, line_plot
from benchmarks.remote import Remote, WorkerError
from benchmarks.results import markdown
from benchmarks.timing import Rounds, interleave

SIZES = (8, 16, 24, 32, 45, 46, 64, 96, 128, 192, 256, 384, 512, 768, 1000, 1024, 1536, 2048)
FORMS = ("nn", "nt", "tn", "tt")
PEERS = ("numpy", "torch")
LONGEST_CHAIN = 16
CHAIN_OPERATIONS = 2e8
"""A chain ends when it has done so many operations."""


@dataclass
class Point:
    """One size and form.

    Attributes:
        gflops: of each library.
        failed: why a library has no number.
    """

    size: int
    form: str
    chain: int
    gflops: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Our speed over the fastest peer's."""
        peers = [value for name, value in self.gflops.items() if name != OURS]
        if not peers or OURS not in self.gflops:
            return None
        return self.gflops[OURS] / max(peers)


def chain_length(size: int) -> int:
    """Products per step: many of a small size, one of a large one."""
    return max(1, min(LONGEST_CHAIN, round(CHAIN_OPERATIONS / (2 * size**3))))


def measure_point(workers: Mapping[str, Remote], point: Point, rounds: Rounds) -> None:
    """Build, compare and time one size and form in each library."""
    built = {}
    settings: dict[str, Any] = {"size": point.size, "form": point.form, "chain": point.chain}
    for name, worker in workers.items():
        try:
            built[name] = worker.call("build_contraction", **settings).result
        except WorkerError as error:
            point.failed[name] = str(error)
    reference = next((name for name in built if name != OURS), None)
    for name in built:
        difference = largest_difference([built[name]], [built[reference or name]])
        # Rounding grows with each product of the chain.
        if not difference <= OUTPUT_TOLERANCE * point.chain:
            point.failed[name] = f"differs from {reference} by a share of {difference:.2g}"
    timed = {name: workers[name] for name in built if name not in point.failed}
    operations = 2 * point.size**3 * point.chain
    for name, times in interleave(timed, rounds).items() if timed else ():
        point.gflops[name] = operations / times.median_us / 1e3


def sweep(
    libraries: Sequence[Library], points: Sequence[Point], threads: int, rounds: Rounds, peak: Peak
) -> None:
    """Measure all points, and print a line for each."""
    names = [library.name for library in libraries]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {}
        for library in libraries:
            worker = stack.enter_context(Remote(library, threads, folder / library.name))
            worker.start()
            workers[library.name] = worker
        for point in points:
            measure_point(workers, point, rounds)
            found = ", ".join(f"{name} {point.gflops.get(name, 0):.1f}" for name in names)
            share = point.gflops.get(OURS, 0) / peak.gflops
            print(f"{point.size} {point.form}: {found} GFLOP/s; {share:.0%} of peak", flush=True)
            for name, reason in point.failed.items():
                print(f"failed: {name} at {point.size} {point.form}: {reason}", flush=True)


def table(points: Sequence[Point], names: Sequence[str], peak: Peak) -> list[str]:
    """GFLOP/s by size and form; our share of the peak, and our speed over the fastest peer's."""
    rows = [["size", "form", *names, "of peak", "ratio"]]
    for point in points:
        numbers = [f"{point.gflops[name]:.1f}" if name in point.gflops else "–" for name in names]
        own = point.gflops.get(OURS)
        share = "–" if own is None else f"{own / peak.gflops:.0%}"
        ratio = "–" if point.ratio is None else f"{point.ratio:.2f}"
        rows.append([str(point.size), point.form, *numbers, share, ratio])
    return markdown(rows)


def plot(points: Sequence[Point], names: Sequence[str], peak: Peak) -> str:
    """One curve for each library: GFLOP/s by size, the worst of the forms."""
    sizes = sorted({point.size for point in points})
    curves = []
    for name in names:
        worst = [
            (size, min(values))
            for size in sizes
            if (values := [p.gflops[name] for p in points if p.size == size and name in p.gflops])
        ]
        curves.append(Curve(name, worst))
    curves.append(Curve("peak", [(sizes[0], peak.gflops), (sizes[-1], peak.gflops)]))
    return line_plot("Square float32 products, slowest of the forms", "size", "GFLOP/s", curves)


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 1 if a library failed."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.processor_time and options.threads != 1:
        parser.error("--processor-time is right on one thread only: add --threads 1")
    libraries = installed([OURS, *options.peers])
    names = [library.name for library in libraries]
    peak = measure_peak(options.threads)
    machine = describe(options.threads, peak)
    print(f"{options.threads} threads: peak {peak.gflops:.1f} GFLOP/s")
    points = [
        Point(size, form, options.chain or chain_length(size))
        for size in options.sizes
        for form in options.forms
    ]
    machine["clock"] = "processor" if options.processor_time else "wall"
    seconds = options.round_seconds
    rounds = Rounds(options.rounds, seconds, seconds, options.processor_time)
    sweep(libraries, points, options.threads, rounds, peak)
    print("\n".join(["", *table(points, names, peak)]))
    if options.json:
        results = [{**vars(point), "ratio": point.ratio} for point in points]
        text = json.dumps({"machine": machine, "results": results}, indent=1)
        options.json.write_text(text + "\n")
    if options.plot:
        options.plot.write_text(plot(points, names, peak))
    return int(any(point.failed for point in points))


def make_parser() -> argparse.ArgumentParser:
    title = __doc__.splitlines()[0] if __doc__ else None
    parser = argparse.ArgumentParser("python -m benchmarks.contraction", description=title)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=FORMS, metavar="FORM")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=[*PEERS, "jax"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--chain", type=int, help="products per step; default: by size")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-seconds", type=float, default=0.03, help="per library")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="count the processor's time, for busy machines; with --threads 1 only",
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG picture")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
