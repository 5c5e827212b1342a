"""How a step on all cores slows down beside busy processes: `python -m benchmarks.load`.

One process on each core turns as fast as it can; they are stopped and continued in turn, and steps
are timed with and without them. Shared fairly, half of each core is left to the step, so it would
take twice as long: that much is explained. Above 1.5 times that, the exit code is 1. The figures
say little where other programs run as well.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import benchmarks.worker as worker
from benchmarks.libraries.ours import Training
from benchmarks.libraries.session import Session, Task
from benchmarks.workloads import WORKLOADS, make_workload

EXPLAINED = 2.0
"""The slowdown of a step on all cores that shares each of them with one other."""
ALLOWED = 1.5
"""Times the slowdown that is explained."""
BUSY = "while True: pass"


@dataclass(frozen=True)
class Round:
    """One stretch of steps.

    Attributes:
        step_seconds: the mean by the clock.
        taken: the share of all cores' time that the busy processes took, which is more than half
            where threads wait for each other.
    """

    step_seconds: float
    taken: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=["tabular", "mlp", "wide"])
    parser.add_argument("--rounds", type=int, default=9, help="with and without, each")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(WORKLOADS):
        parser.error(f"no workloads: {', '.join(sorted(unknown))}")
    print(f"load average {os.getloadavg()[0]:.1f} before\n")
    print("| workload | quiet us | busy us | slowdown | taken by others | over what is explained |")
    print("|---|---|---|---|---|---|")
    worst = max(measure(name, options.rounds, options.seconds) for name in options.workloads)
    return int(worst > ALLOWED)


def measure(name: str, rounds: int, seconds: float) -> float:
    """Print the line of one workload; return its slowdown over the one that is explained."""
    workload = make_workload(name, {})
    parameters = worker.initial_parameters(workload.layers)
    session = Training(Task(workload, parameters, worker.make_batches(workload)), "native")
    session.run(20)
    cores = sorted(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in cores]
    try:
        for core, process in zip(cores, busy, strict=True):
            os.sched_setaffinity(process.pid, {core})
            process.send_signal(signal.SIGSTOP)
        pairs = [one_pair(session, busy, seconds) for _ in range(rounds)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    quiet = statistics.median(first.step_seconds for first, _ in pairs)
    loaded = statistics.median(second.step_seconds for _, second in pairs)
    taken = statistics.median(second.taken for _, second in pairs)
    slowdown = loaded / quiet
    over = slowdown / EXPLAINED
    print(
        f"| {name} | {quiet * 1e6:,.0f} | {loaded * 1e6:,.0f} | {slowdown:.2f} | {taken:.0%} | "
        f"{over:.2f} |",
        flush=True,
    )
    return over


def one_pair(
    session: Session, busy: list[subprocess.Popen[bytes]], seconds: float
) -> tuple[Round, Round]:
    """A round without the busy processes and one beside them."""
    quiet = one_round(session, busy, seconds)
    for process in busy:
        process.send_signal(signal.SIGCONT)
    time.sleep(0.1)
    loaded = one_round(session, busy, seconds)
    for process in busy:
        process.send_signal(signal.SIGSTOP)
    return quiet, loaded


def one_round(session: Session, busy: list[subprocess.Popen[bytes]], seconds: float) -> Round:
    taken = sum(processor_seconds(process.pid) for process in busy)
    steps, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        session.run(5)
        steps += 5
    taken = sum(processor_seconds(process.pid) for process in busy) - taken
    return Round(elapsed / steps, min(taken / (elapsed * len(busy)), 0.99))


def processor_seconds(pid: int) -> float:
    """What a process has used so far; Linux counts it to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
