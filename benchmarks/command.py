"""The command line: `python -m benchmarks train | predict WORKLOAD...`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.libraries import EVALUATOR, OURS, PEERS, installed
from benchmarks.machine import describe, measure_peak
from benchmarks.measure import Measurement, Plan, measure
from benchmarks.options import add_network_options, network_settings
from benchmarks.results import speed_table, start_table, to_json
from benchmarks.timing import Rounds
from benchmarks.workloads import WORKLOADS, make_workload

DESCRIPTION = """Times steepest against other libraries on the same network with the same numbers.
Each library runs in a process of its own; they are timed in turn, in rounds, and the median counts.
"""

EPILOG = """Options of a network apply to all workloads named. `ratio` is the fastest peer's median
over ours; `arithmetic` is the time of the contractions at the peak that this machine measures, and
`update` that of moving parameters and moments if they come from memory."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 1 if a library failed."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    names = list(WORKLOADS) if options.workloads == ["all"] else options.workloads
    try:
        workloads = [make_workload(name, network_settings(options)) for name in names]
    except ValueError as error:
        parser.error(str(error))
    threads = options.threads
    if options.processor_time and threads != 1:
        parser.error("--processor-time is right on one thread only: add --threads 1")
    peak = measure_peak(threads)
    print(
        f"{threads} threads: peak {peak.gflops:.1f} GFLOP/s, {peak.bandwidth_gb_s:.1f} GB/s; "
        f"load average {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    own = [OURS, EVALUATOR] if options.evaluator else [OURS]
    libraries = installed([*own, *options.peers])
    rounds = Rounds(
        options.rounds, options.round_seconds, options.settle_seconds, options.processor_time
    )
    plan = Plan(options.mode == "train", threads, rounds, not options.no_warm_start)
    machine = describe(threads, peak)
    machine["clock"] = "processor" if options.processor_time else "wall"
    measurements: list[Measurement] = []
    for workload in workloads:
        measurements.append(measure(workload, libraries, plan))
        report_failures(measurements[-1])
        columns = [library.name for library in libraries]
        print("\n".join(["", *speed_table(measurements[-1:], columns, peak)]), flush=True)
        machine["load_average_after"] = [round(each, 2) for each in os.getloadavg()]
        if options.json:
            found = to_json(measurements, machine, peak, options.mode)
            options.json.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(["", *start_table(measurements, columns)]))
    if len(measurements) > 1:
        print("\n".join(["", *speed_table(measurements, columns, peak)]))
    return int(any(each.failed for each in measurements))


def report_failures(measurement: Measurement) -> None:
    for name, reason in measurement.failed.items():
        print(f"failed: {name} on {measurement.workload.name}: {reason}", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("mode", choices=["train", "predict"], help="a step, or a forward pass")
    parser.add_argument(
        "workloads", nargs="+", metavar="WORKLOAD", help=f"all, or some of {', '.join(WORKLOADS)}"
    )
    run = parser.add_argument_group("what to run")
    run.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, metavar="PEER")
    run.add_argument("--evaluator", action="store_true", help="time the NumPy evaluator too")
    run.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    run.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    run.add_argument("--rounds", type=int, default=Rounds.count)
    run.add_argument("--round-seconds", type=float, default=Rounds.seconds, help="per library")
    run.add_argument("--settle-seconds", type=float, default=Rounds.settle_seconds)
    run.add_argument(
        "--processor-time",
        action="store_true",
        help="count the processor's time, for busy machines; with --threads 1 only",
    )
    run.add_argument(
        "--no-warm-start", action="store_true", help="leave out the first step with a warm cache"
    )
    add_network_options(parser)
    return parser
