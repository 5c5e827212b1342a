"""What was measured, as tables for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.libraries import OURS
from benchmarks.machine import Peak
from benchmarks.measure import Measurement


def to_json(
    measurements: Sequence[Measurement], machine: dict[str, Any], peak: Peak, mode: str
) -> dict[str, Any]:
    """`{"machine": {...}, "results": [...]}`; see `_result` for a result."""
    return {
        "machine": machine,
        "mode": mode,
        "results": [_result(each, peak) for each in measurements],
    }


def _result(measurement: Measurement, peak: Peak) -> dict[str, Any]:
    """One workload. Ratio and share of peak are ours; `null` where there is nothing to compare."""
    times = measurement.times
    share = measurement.share_of_peak(OURS, peak) if OURS in times else None
    first = {
        name: {"cold": _rounded(seconds), "warm": _rounded(measurement.warm_s.get(name))}
        for name, seconds in measurement.cold_s.items()
    }
    return {
        "workload": measurement.workload.name,
        "batch": measurement.workload.batch,
        "median_us": {name: _rounded(each.median_us) for name, each in times.items()},
        "quartiles_us": {
            name: [_rounded(limit) for limit in each.quartiles_us] for name, each in times.items()
        },
        "ratio": _rounded(measurement.ratio),
        "fastest_peer": measurement.fastest_peer,
        "gflops": {name: _rounded(measurement.gflops(name)) for name in times},
        "share_of_peak": _rounded(share),
        "arithmetic_us": _rounded(measurement.arithmetic_us(peak)),
        "update_traffic_us": _rounded(measurement.update_us(peak)),
        "first_step_s": first,
        "peak_memory_mb": {
            name: _rounded(each) for name, each in measurement.peak_memory_mb.items()
        },
        "difference": {name: _rounded(each) for name, each in measurement.differences.items()},
        "failed": measurement.failed,
    }


def _rounded(value: float | None) -> float | None:
    """Four digits that count."""
    return None if value is None else float(f"{value:.4g}")


def speed_table(
    measurements: Sequence[Measurement], libraries: Sequence[str], peak: Peak
) -> list[str]:
    """Median microseconds of a step in each library, our ratio and our share of the peak."""
    header = ["µs per step", *libraries, "ratio", "GFLOP/s", "of peak", "arithmetic", "update"]
    rows = []
    for each in measurements:
        row = [each.workload.name]
        for name in libraries:
            row.append(_number(each.times[name].median_us) if name in each.times else "–")
        row.append("–" if each.ratio is None else f"{each.ratio:.2f}")
        if OURS in each.times:
            row += [f"{each.gflops(OURS):.1f}", f"{each.share_of_peak(OURS, peak):.0%}"]
        else:
            row += ["–", "–"]
        row += [_number(each.arithmetic_us(peak)), _number(each.update_us(peak))]
        rows.append(row)
    return markdown([header, *rows])


def start_table(measurements: Sequence[Measurement], libraries: Sequence[str]) -> list[str]:
    """The first step of each library in seconds, cold and warm, and its peak memory."""
    header = ["first step: cold / warm s; peak MiB", *libraries]
    rows = []
    for each in measurements:
        row = [each.workload.name]
        for name in libraries:
            if name not in each.cold_s:
                row.append("–")
                continue
            warm = f"{each.warm_s[name]:.2f}" if name in each.warm_s else "–"
            memory = each.peak_memory_mb.get(name)
            held = "–" if memory is None else f"{memory:.0f}"
            row.append(f"{each.cold_s[name]:.2f} / {warm}; {held}")
        rows.append(row)
    return markdown([header, *rows])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns are aligned; the first row is the header."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            rules = [
                "-" * width if n == 0 else "-" * (width - 1) + ":" for n, width in enumerate(widths)
            ]
            lines.append(f"| {' | '.join(rules)} |")
    return lines
