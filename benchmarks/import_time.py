"""How long `import steepest` takes beyond NumPy's own import: `python -m benchmarks.import_time`.

Fresh processes import NumPy alone, and NumPy and steepest, in turn; what is printed are medians. On
a busy machine look at the processor time: the aim is 0.15 s of it, and above it the exit code is 1.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

AIM = 0.15
"""Seconds that the import may take."""

TIMED = """
import time
wall, processor = time.perf_counter(), time.process_time()
import {modules}
print(time.perf_counter() - wall, time.process_time() - processor)
"""


def seconds(modules: str) -> tuple[float, float]:
    """Wall-clock and processor time that a fresh Python needs to import `modules`."""
    code = TIMED.format(modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    wall, processor = map(float, done.stdout.split())
    return wall, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="processes of each kind")
    rounds = parser.parse_args().rounds
    seconds("numpy, steepest")  # writes the bytecode
    alone, both = [], []
    for _ in range(rounds):
        alone.append(seconds("numpy"))
        both.append(seconds("numpy, steepest"))
    beyond = 0.0
    for name, kind in (("wall clock", 0), ("processor", 1)):
        first, second = (statistics.median(each[kind] for each in times) for times in (alone, both))
        beyond = second - first
        print(f"{name}: numpy {first:.3f} s, with steepest {second:.3f} s, beyond {beyond:.3f} s")
    print(f"aim: {AIM} s, {'reached' if beyond <= AIM else 'missed'}")
    sys.exit(beyond > AIM)


if __name__ == "__main__":
    main()
