"""Machine code from disk runs without LLVM, and only what is understood is loaded so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native.programs import traced_graph

import steepest as st
from steepest.kernels.tuning import FINEST
from steepest.runtime import machine
from steepest.runtime.executable import NativeExecutable, symbols
from steepest.runtime.loading import RELOCATION, LoadedCode, UnknownCode

pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="object files of x86-64 Linux",
)

STEP = """
import sys
import numpy as np
import steepest as st
from steepest import nn, optim

st.random.seed(0)
model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 3))
optimizer = optim.Adam(model.parameters(), lr=1e-2)

@st.compile
def step(x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss

x, y = np.ones((8, 20), "float32"), np.arange(8) % 3
losses = [float(step(x, y)).hex() for _ in range(3)]
print("llvmlite" in sys.modules, *losses)
"""


def test_the_second_process_trains_without_llvm(tmp_path: Path) -> None:
    environment = {**os.environ, "STEEPEST_CACHE": str(tmp_path / "kept")}
    environment.pop("STEEPEST_BACK_END", None)

    def run() -> list[str]:
        arguments = [sys.executable, "-c", STEP]
        done = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    first, second = run(), run()
    assert (first[0], second[0]) == ("True", "False")
    assert first[1:] == second[1:]


X = np.linspace(0.1, 4, 300, dtype="float32").reshape(20, 15)


@pytest.fixture(scope="module")
def executable() -> NativeExecutable:
    """A program with a table of constants, cleared memory, and functions of the C library."""
    table = st.asarray([[0.5, 0.25], [2.0, 3.0]])

    def function(x: st.Tensor) -> tuple[st.Tensor, ...]:
        moved = st.take(table, st.asarray([1, 0]), axis=0)
        return (x @ x.T) @ x, st.pow(x, 2.5), st.pad(st.sin(x), [(1, 1), (0, 2)]), moved

    return NativeExecutable(traced_graph(function, st.asarray(X)), threads=2, tuning=FINEST)


def test_loaded_code_gives_the_same_bits(executable: NativeExecutable) -> None:
    inputs = [X if each.tensor_type.shape == X.shape else None for each in executable.graph.inputs]
    arrays = [
        np.asarray([[0.5, 0.25], [2.0, 3.0]], "float32") if each is None else each
        for each in inputs
    ]
    expected = [each.tobytes() for each in executable(arrays)]
    loaded = LoadedCode(executable.code.code, symbols())
    executable.code, executable._function = loaded, loaded.address("run")
    assert [each.tobytes() for each in executable(arrays)] == expected


def test_loaded_code_cannot_be_written(executable: NativeExecutable) -> None:
    loaded = LoadedCode(executable.code.code, symbols())
    address = loaded.address("run")
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(each, 16) for each in line.split()[0].split("-"))
        if first <= address < last:
            assert line.split()[1] == "r-xp"
            return
    raise AssertionError("the code is not mapped")


def test_what_is_not_understood_is_left_to_llvm(
    executable: NativeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = executable.code.code
    with pytest.raises(UnknownCode, match="not an object file"):
        LoadedCode(b"MZ" + code[2:], symbols())
    with pytest.raises(UnknownCode, match="not an object file"):
        LoadedCode(code[:18] + b"\xb7" + code[19:], symbols())
    with pytest.raises(UnknownCode, match="a place of kind 99"):
        LoadedCode(with_other_kinds(code), symbols())
    called = "steepest_meet"
    with pytest.raises(UnknownCode, match=f"no address of '{called}'"):
        LoadedCode(code, {})
    assert isinstance(machine.load_code(code, machine.host(), symbols()), LoadedCode)

    def refuse(*_: object) -> None:
        raise UnknownCode("nothing")

    monkeypatch.setattr(LoadedCode, "__init__", refuse)
    other = machine.load_code(code, machine.host(), symbols())
    assert not isinstance(other, LoadedCode)
    assert other.address("run")


def with_other_kinds(code: bytes) -> bytes:
    """An object file whose places to fill in are of a kind that there is not."""
    changed = bytearray(code)
    loaded = LoadedCode(code, symbols())
    for section in loaded._sections[loaded._sections["kind"] == 4]:
        if int(section["info"]) in loaded._bases:
            count = int(section["size"]) // RELOCATION.itemsize
            start = int(section["offset"])
            table = np.frombuffer(changed, RELOCATION, count, start)
            table["kind"] = 99
    return bytes(changed)
