"""The command line: `python -m benchmarks train | predict WORKLOAD...`."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.libraries import EVALUATOR, OURS, PEERS, installed
from benchmarks.machine import describe, measure_peak
from benchmarks.measure import Measurement, Plan, measure
from benchmarks.results import speed_table, start_table, to_json
from benchmarks.timing import Rounds
from benchmarks.workloads import WORKLOADS, make_workload
from benchmarks.workloads.workload import OPTIMIZERS

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
    network = parser.add_argument_group("the network")
    network.add_argument("--layers", type=widths, help="for example 784,256,10 or 784,20x256,10")
    network.add_argument("--batch", type=int, help="rows per step")
    network.add_argument("--activation", choices=["relu", "sigmoid", "tanh"])
    network.add_argument("--dropout", type=float, help="after each hidden activation")
    network.add_argument("--image", type=int, help="height and width")
    network.add_argument("--channels", type=widths, help="of image and convolutions: 1,32,32,64")
    network.add_argument("--pools", type=widths, help="after each convolution; 1 for none: 1,2,2")
    network.add_argument("--kernel", type=int, help="height and width of convolutions")
    network.add_argument("--paddings", type=sizes, help="of each convolution: 1,1,1")
    network.add_argument("--columns", type=int, help="of categories")
    network.add_argument("--values", type=int, help="of each column of categories")
    network.add_argument("--width", type=int, help="of each embedding")
    network.add_argument("--numbers", type=int, help="columns of numbers")
    network.add_argument("--optimizer", choices=OPTIMIZERS)
    network.add_argument("--learning-rate", type=float)
    network.add_argument("--momentum", type=float, help="of sgd")
    network.add_argument("--clip-norm", type=float, help="largest common norm of all gradients")
    return parser


NETWORK_OPTIONS = (
    "layers",
    "batch",
    "activation",
    "dropout",
    "image",
    "channels",
    "pools",
    "kernel",
    "paddings",
    "columns",
    "values",
    "width",
    "numbers",
    "optimizer",
    "learning_rate",
    "momentum",
    "clip_norm",
)


def network_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of a network that were given."""
    given = {name: getattr(options, name) for name in NETWORK_OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def sizes(text: str) -> tuple[int, ...]:
    """Read `1,0,1`: whole numbers with commas between."""
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers: write 1,0,1")
    return tuple(map(int, text.split(",")))


def widths(text: str) -> tuple[int, ...]:
    """Read `784,20x256,10`: widths with commas between, `20x256` for twenty of them."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\d+)x)?([1-9]\d*)", part)
        if match is None:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no width: write 256, or 20x256 for twenty of them"
            )
        found += [int(match[2])] * int(match[1] or 1)
    if len(found) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is one width: write two or more")
    return tuple(found)
