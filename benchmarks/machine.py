"""What this machine can do at most: fused multiply-adds per second, bytes per second."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

ACCUMULATORS = 12
UNROLL = 4
TRIAD_NUMBERS = 16 * 2**20
PACKAGES = ("steepest", "numpy", "llvmlite", "torch", "jax")


@dataclass(frozen=True)
class Peak:
    """The measured limits of some threads together.

    Attributes:
        gflops: float32 operations per second, two for each fused multiply-add, in 1e9.
        bandwidth_gb_s: the triad `a = b + s * c`, 12 bytes for each number, in 1e9 bytes.
    """

    gflops: float
    bandwidth_gb_s: float


def measure_peak(threads: int, bursts: int = 15, burst_seconds: float = 0.02) -> Peak:
    """Measure in several short bursts.

    Multiply-adds are counted against the processor time of each thread, so that the peak is right
    on a busy machine too (the median counts); bytes against the clock (the best burst counts).
    """
    kernels = _kernels()
    together = min(threads, len(os.sched_getaffinity(0)))
    turns = 20_000
    first = _together(lambda _: kernels.multiply_add(turns), together)
    turns = max(turns, round(turns * burst_seconds / min(first.processor)))
    operations = 2 * kernels.lanes * ACCUMULATORS * UNROLL * turns
    rates = []
    for _ in range(bursts):
        burst = _together(lambda _: kernels.multiply_add(turns), together)
        rates.append(sum(operations / seconds for seconds in burst.processor))
    return Peak(float(np.median(rates)) / 1e9, _bandwidth(kernels, together, bursts))


def _bandwidth(kernels: Kernels, threads: int, bursts: int) -> float:
    arrays = [np.ones(TRIAD_NUMBERS, np.float32) for _ in range(3)]
    share = TRIAD_NUMBERS // threads // kernels.lanes * kernels.lanes

    def work(thread: int) -> None:
        starts = [each.ctypes.data + 4 * share * thread for each in arrays]
        kernels.triad(*starts, share)

    best = min(_together(work, threads).clock for _ in range(bursts))
    return 12 * share * threads / best / 1e9


@dataclass(frozen=True)
class Burst:
    """How long threads took that began at once.

    Attributes:
        clock: seconds until all had ended.
        processor: seconds of processor time of each.
    """

    clock: float
    processor: list[float]


def _together(work: Callable[[int], Any], threads: int) -> Burst:
    """Let threads do `work(thread)` at once."""
    barrier = threading.Barrier(threads)
    starts, ends, processor = [0.0] * threads, [0.0] * threads, [0.0] * threads

    def run(thread: int) -> None:
        barrier.wait()
        starts[thread] = time.perf_counter()
        used = time.thread_time()
        work(thread)
        processor[thread] = time.thread_time() - used
        ends[thread] = time.perf_counter()

    running = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    return Burst(max(ends) - min(starts), processor)


@dataclass(frozen=True)
class Kernels:
    """Machine code for the two loops, in vectors of `lanes` float32 numbers."""

    lanes: int
    multiply_add: Callable[[int], None]
    triad: Callable[[int, int, int, int], None]
    engine: Any


@lru_cache(maxsize=1)
def _kernels() -> Kernels:
    """Compile the loops for this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    lanes = 16 if features.get("avx512f", False) else 8 if features.get("avx2", False) else 4
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    module = llvm.parse_assembly(_multiply_add_text(lanes) + _triad_text(lanes))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    address, count = ctypes.c_void_p, ctypes.c_int64
    multiply_add = ctypes.CFUNCTYPE(None, count)(engine.get_function_address("multiply_add"))
    triad = ctypes.CFUNCTYPE(None, address, address, address, count)(
        engine.get_function_address("triad")
    )
    return Kernels(lanes, multiply_add, triad, engine)


def _multiply_add_text(lanes: int) -> str:
    """A loop over independent chains of multiply-adds, whose totals stay in registers."""
    vector = f"<{lanes} x float>"
    attributes = f'nounwind "prefer-vector-width"="{lanes * 32}"'
    splat = ", ".join(["float 0.5"] * lanes)
    chains = range(ACCUMULATORS)
    phis = [
        f"%c{n} = phi {vector} [ <{splat}>, %entry ], [ %c{n}.{UNROLL - 1}, %loop ]" for n in chains
    ]
    steps = []
    for turn in range(UNROLL):
        for n in chains:
            before = f"%c{n}" if turn == 0 else f"%c{n}.{turn - 1}"
            operands = f"{vector} {before}, {vector} %factor, {vector} %factor"
            steps.append(f"%c{n}.{turn} = call {vector} @llvm.fma.v{lanes}f32({operands})")
    sums = ["%s0 = fadd {0} %c0.{1}, %c1.{1}".format(vector, UNROLL - 1)]
    for n in range(2, ACCUMULATORS):
        sums.append(f"%s{n - 1} = fadd {vector} %s{n - 2}, %c{n}.{UNROLL - 1}")
    body = "\n".join([*phis, "%n = phi i64 [ 0, %entry ], [ %more, %loop ]", *steps])
    return f"""
@factor = global {vector} <{splat}>
@result = global {vector} <{splat}>
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define void @multiply_add(i64 %turns) {attributes} {{
entry:
%factor = load volatile {vector}, ptr @factor
br label %loop
loop:
{body}
%more = add i64 %n, 1
%again = icmp slt i64 %more, %turns
br i1 %again, label %loop, label %done
done:
{chr(10).join(sums)}
store volatile {vector} %s{ACCUMULATORS - 2}, ptr @result
ret void
}}
"""


def _triad_text(lanes: int) -> str:
    """`a[i] = b[i] + 3 * c[i]`."""
    vector = f"<{lanes} x float>"
    splat = ", ".join(["float 3.0"] * lanes)
    return f"""
define void @triad(ptr %a, ptr %b, ptr %c, i64 %count) nounwind {{
entry:
br label %loop
loop:
%n = phi i64 [ 0, %entry ], [ %more, %loop ]
%at_a = getelementptr float, ptr %a, i64 %n
%at_b = getelementptr float, ptr %b, i64 %n
%at_c = getelementptr float, ptr %c, i64 %n
%b.n = load {vector}, ptr %at_b, align 4
%c.n = load {vector}, ptr %at_c, align 4
%sum = call {vector} @llvm.fma.v{lanes}f32({vector} %c.n, {vector} <{splat}>, {vector} %b.n)
store {vector} %sum, ptr %at_a, align 4
%more = add i64 %n, {lanes}
%again = icmp slt i64 %more, %count
br i1 %again, label %loop, label %done
done:
ret void
}}
"""


def describe(threads: int, peak: Peak) -> dict[str, Any]:
    """The machine and the versions of what ran on it."""
    return {
        "processor": _processor_name(),
        "processors": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "threads": threads,
        "peak_gflops": round(peak.gflops, 1),
        "bandwidth_gb_s": round(peak.bandwidth_gb_s, 1),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
