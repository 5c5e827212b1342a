"""Machine code runs wherever the system maps its parts, however far apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GIB = 2**30
PAGE = 4096
FILLERS = (2**26, 2 * PAGE)
"""The largest and the smallest mapping that fill the gaps above the large one."""


def crowd_the_addresses() -> None:
    """Map 8 GiB, fill every gap above it, and leave free pages, one by one, at its upper end.

    The system then maps what takes one page above the 8 GiB, and what takes more below them.
    """
    import ctypes
    import mmap

    library = ctypes.CDLL(None)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

    def map_nothing(size: int) -> int:
        address = library.mmap(None, size, 0, flags, -1, 0)
        assert address != ctypes.c_void_p(-1).value
        return int(address)

    large = map_nothing(8 * GIB)
    size, smallest = FILLERS
    while size >= smallest:
        filler = map_nothing(size)
        if filler < large:
            library.munmap(filler, size)
            size //= 2
    for place in range(2, 8, 2):
        library.munmap(large + 8 * GIB - place * PAGE, PAGE)


def run_a_program() -> None:
    """Compile a program whose code takes more than a page; hold it against the eager result."""
    import numpy as np

    import steepest as st

    def program(x: st.Tensor) -> st.Tensor:
        for _ in range(6):
            x = st.exp(x) @ x.T + st.tanh(x)
        return x

    # What the first program needs is mapped before the addresses are crowded.
    st.compile(lambda x: x + 1, back_end="native")(st.zeros(3))
    crowd_the_addresses()
    numbers = np.linspace(-0.05, 0.05, 1600, dtype=np.float32).reshape(40, 40)
    found = np.asarray(st.compile(program, back_end="native")(st.asarray(numbers)))
    np.testing.assert_allclose(
        found, np.asarray(program(st.asarray(numbers))), rtol=1e-4, atol=1e-5
    )


@pytest.mark.skipif(sys.platform != "linux", reason="maps memory as Linux does")
def test_code_and_constants_may_be_gigabytes_apart() -> None:
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "STEEPEST_CACHE": "off"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    run_a_program()
