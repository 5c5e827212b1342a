"""Each layer of a network by itself: steepest's share of the peak in its three products.

    python -m benchmarks.layers WORKLOAD...
    [--threads N] [--rounds N] [--round-seconds S] [options of the network, as for `benchmarks`]

The products of a layer are its forward pass and the gradients of its data and of its weight, each
compiled as a program of its own, from images with channels last to such images, without bias. The
programs take turns and medians count: of the processor's time on one thread, else of the clock's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries import LIBRARIES, OURS
from benchmarks.machine import Peak, measure_peak
from benchmarks.options import add_network_options, network_settings
from benchmarks.results import markdown
from benchmarks.workloads import make_workload
from benchmarks.workloads.layers import (
    Convolution,
    Dense,
    TransposedConvolution,
    Weighted,
    weighted,
)
from benchmarks.workloads.numbers import weight_shape
from benchmarks.workloads.workload import Workload

FORWARD, DATA_GRADIENT, WEIGHT_GRADIENT = "forward", "data gradient", "weight gradient"
PRODUCTS = (FORWARD, DATA_GRADIENT, WEIGHT_GRADIENT)


@dataclass
class LayerSpeed:
    """What was found for one layer, or for all that are like it.

    Attributes:
        count: how many of the network's layers are like it.
        operations: floating-point operations of one product for a batch.
        seconds: the median time of each product; the network's first layer has no data gradient.
    """

    layer: Weighted
    count: int
    operations: int
    seconds: dict[str, float] = field(default_factory=dict)


def measure_layers(
    workload: Workload, rounds: int, round_seconds: float, clock: Callable[[], float]
) -> list[LayerSpeed]:
    """Compile and time the products of all layers that differ; see `interleave`."""
    first = next(weighted(workload.layers))
    found = []
    programs: list[Callable[[], Any]] = []
    for layer, count in Counter(weighted(workload.layers)).items():
        speed = LayerSpeed(layer, count, 2 * workload.batch * layer.multiply_adds)
        products = make_products(layer, workload.batch)
        if layer == first:
            del products[DATA_GRADIENT]
        speed.seconds = dict.fromkeys(products, 0.0)
        programs += products.values()
        found.append(speed)
    medians = iter(interleave(programs, rounds, round_seconds, clock))
    for speed in found:
        for product in speed.seconds:
            speed.seconds[product] = next(medians)
    return found


def make_products(
    layer: Weighted, batch: int, back_end: str = "native"
) -> dict[str, Callable[[], Any]]:
    """The three products as compiled programs on numbers of their own, which take no arguments.

    All are linear in each operand, so that with data x, weight w and output gradient g the sums of
    g * forward, of x * data gradient and of w * weight gradient are the same.
    """
    import steepest as st

    x, weight, output_grad = (st.asarray(each) for each in operands(layer, batch))
    product = product_of(layer)

    def data_gradient(x: st.Tensor, weight: st.Tensor, output_grad: st.Tensor) -> st.Tensor:
        return st.vjp(lambda x: product(x, weight), x)[1](output_grad)[0]

    def weight_gradient(x: st.Tensor, weight: st.Tensor, output_grad: st.Tensor) -> st.Tensor:
        return st.vjp(lambda weight: product(x, weight), weight)[1](output_grad)[0]

    forward = st.compile(product, back_end=back_end)
    to_data = st.compile(data_gradient, back_end=back_end)
    to_weight = st.compile(weight_gradient, back_end=back_end)
    return {
        FORWARD: lambda: forward(x, weight),
        DATA_GRADIENT: lambda: to_data(x, weight, output_grad),
        WEIGHT_GRADIENT: lambda: to_weight(x, weight, output_grad),
    }


def operands(layer: Weighted, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random data, weight and output gradient; images are (batch, height, width, channels)."""
    taken: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    if not isinstance(layer, Dense):
        taken, given = (layer.size,) * 2, (layer.output_size,) * 2
    random = np.random.default_rng(0)
    data = random.standard_normal((batch, *taken, layer.inputs), dtype=np.float32)
    weight = random.standard_normal(weight_shape(layer), dtype=np.float32)
    output_grad = random.standard_normal((batch, *given, layer.outputs), dtype=np.float32)
    return data, weight, output_grad


def product_of(layer: Weighted) -> Callable[[Any, Any], Any]:
    """The layer without its bias, as a function of data and weight."""
    from steepest.nn import functional

    match layer:
        case Dense():
            return lambda x, weight: x @ weight.T
        case Convolution(stride=stride, padding=padding, groups=groups):

            def convolve(x: Any, weight: Any) -> Any:
                return functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups)
        case TransposedConvolution(stride=stride, padding=padding):

            def convolve(x: Any, weight: Any) -> Any:
                return functional.conv_transpose2d(x, weight, stride=stride, padding=padding)

    # Inside a network images have their channels last, and cost no copies here either.
    return lambda x, weight: convolve(x.permute(0, 3, 1, 2), weight).permute(0, 2, 3, 1)


def interleave(
    programs: Sequence[Callable[[], Any]],
    rounds: int,
    round_seconds: float,
    clock: Callable[[], float],
) -> list[float]:
    """The median seconds of each program over rounds in which all take their turn.

    Args:
        round_seconds: of each program in each round, at least one run.
        clock: gives seconds.
    """

    def seconds(program: Callable[[], Any], times: int) -> float:
        start = clock()
        for _ in range(times):
            program()
        return (clock() - start) / times

    for program in programs:
        program()
    times = [max(1, round(round_seconds / seconds(program, 1))) for program in programs]
    turns = [
        [seconds(program, count) for program, count in zip(programs, times, strict=True)]
        for _ in range(rounds)
    ]
    return [float(np.median(each)) for each in zip(*turns, strict=True)]


def layer_table(speeds: Sequence[LayerSpeed], batch: int, peak: Peak) -> list[str]:
    """GFLOP/s and share of the peak of each product of each layer, and of all layers together."""
    header = [f"layer, batch {batch}", "times", "MFLOP"]
    for product in PRODUCTS:
        header += [product, "of peak"]
    rows = [header]
    for speed in speeds:
        row = [name_of(speed.layer), str(speed.count), f"{speed.operations / 1e6:,.1f}"]
        for product in PRODUCTS:
            row += _rate([speed], product, peak)
        rows.append(row)
    total = sum(speed.operations * speed.count for speed in speeds)
    last = ["all", str(sum(speed.count for speed in speeds)), f"{total / 1e6:,.1f}"]
    for product in PRODUCTS:
        last += _rate(speeds, product, peak)
    return markdown([*rows, last])


def _rate(speeds: Sequence[LayerSpeed], product: str, peak: Peak) -> list[str]:
    timed = [speed for speed in speeds if product in speed.seconds]
    if not timed:
        return ["–", "–"]
    operations = sum(speed.operations * speed.count for speed in timed)
    gflops = operations / sum(speed.seconds[product] * speed.count for speed in timed) / 1e9
    return [f"{gflops:.1f}", f"{gflops / peak.gflops:.0%}"]


def name_of(layer: Weighted) -> str:
    """Such as `3x3 16-32 of 32x32, stride 2`: kernel, channels, what it takes."""
    if isinstance(layer, Dense):
        return f"dense {layer.inputs}-{layer.outputs}"
    sides = f"of {layer.size}x{layer.size}"
    name = f"{layer.kernel}x{layer.kernel} {layer.inputs}-{layer.outputs} {sides}"
    if layer.stride != 1:
        name += f", stride {layer.stride}"
    if isinstance(layer, TransposedConvolution):
        return f"transposed {name}"
    if layer.groups == layer.inputs == layer.outputs:
        return f"depthwise {name}"
    return name if layer.groups == 1 else f"{name}, {layer.groups} groups"


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        workloads = [make_workload(name, network_settings(options)) for name in options.workloads]
    except ValueError as error:
        parser.error(str(error))
    clock = time.process_time if options.threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        # Read when steepest is first used.
        os.environ.update(LIBRARIES[OURS].environment(options.threads, Path(folder)))
        peak = measure_peak(options.threads)
        print(
            f"{options.threads} threads: peak {peak.gflops:.1f} GFLOP/s; "
            f"load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        for workload in workloads:
            speeds = measure_layers(workload, options.rounds, options.round_seconds, clock)
            table = layer_table(speeds, workload.batch, peak)
            print("\n".join(["", f"**{workload.name}**", "", *table]), flush=True)
    return 0


def make_parser() -> argparse.ArgumentParser:
    title = __doc__.splitlines()[0] if __doc__ else None
    parser = argparse.ArgumentParser("python -m benchmarks.layers", description=title)
    parser.add_argument("workloads", nargs="+", metavar="WORKLOAD")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round-seconds", type=float, default=0.03, help="of each product")
    add_network_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
