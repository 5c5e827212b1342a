"""Machine code on disk: used when it is sound and ours, and never otherwise."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from native.programs import traced_graph

import steepest as st
from steepest.codegen.machine_code import MachineCode
from steepest.graph.node import Graph
from steepest.options import Options
from steepest.runtime import cache
from steepest.runtime.executable import NativeExecutable
from steepest.runtime.threads import native


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    native()
    kept = tmp_path / "kept"
    chosen = dataclasses.replace(Options.from_environment({}), cache=str(kept))
    monkeypatch.setattr(cache, "options", lambda: chosen)
    return kept


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with every compilation."""
    made: list[str] = []
    plain = MachineCode.__init__

    def counted(self: MachineCode, *arguments: object) -> None:
        made.append("compiled")
        plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(MachineCode, "__init__", counted)
    return made


X = np.linspace(-1, 1, 300, dtype="float32").reshape(20, 15)


def make_graph() -> Graph:
    weight = st.asarray(X.T[:, :7].copy())
    table = st.asarray([[0.5, 0.25], [2.0, 3.0]])

    def function(x: st.Tensor) -> tuple[st.Tensor, ...]:
        y = st.tanh(x @ weight)
        weight.assign(weight * 0.5)
        return st.sum(y, axis=0), st.take(table, st.asarray([1, 0]), axis=0), x, st.ones((2, 3))

    return traced_graph(function, st.asarray(X))


def run(graph: Graph) -> list[bytes]:
    arrays = [np.linspace(0, 1, each.tensor_type.size) for each in graph.inputs]
    given = [
        array.astype(each.tensor_type.dtype.storage).reshape(each.tensor_type.shape)
        for array, each in zip(arrays, graph.inputs, strict=True)
    ]
    return [each.tobytes() for each in NativeExecutable(graph, threads=2)(given)]


def test_the_second_program_is_not_compiled_and_gives_the_same_bits(
    folder: Path, compilations: list[str]
) -> None:
    first = run(make_graph())
    (entry,) = folder.iterdir()
    assert run(make_graph()) == first
    assert compilations == ["compiled"]
    assert [each.name for each in folder.iterdir()] == [entry.name]
    assert entry.stat().st_mode & 0o777 == 0o600


def test_another_graph_is_another_entry(folder: Path, compilations: list[str]) -> None:
    NativeExecutable(traced_graph(lambda x: x * 2.0, st.ones(3)))
    NativeExecutable(traced_graph(lambda x: x * 2.5, st.ones(3)))
    NativeExecutable(traced_graph(lambda x: x * 2.0, st.ones(4)))
    assert len(compilations) == 3
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "another format"])
def test_a_damaged_entry_is_compiled_again(
    folder: Path, compilations: list[str], damage: str
) -> None:
    first = run(make_graph())
    (entry,) = folder.iterdir()
    content = entry.read_bytes()
    changed = bytearray(content)
    changed[-200] ^= 1
    made = {
        "cut": content[:-1],
        "changed": bytes(changed),
        "emptied": b"",
        "another format": b"x" + content,
    }
    entry.write_bytes(made[damage])
    assert run(make_graph()) == first
    assert len(compilations) == 2
    assert entry.read_bytes() == content


@pytest.mark.parametrize("what", ["entry", "folder"])
def test_what_others_may_write_is_not_trusted(
    folder: Path, compilations: list[str], what: str
) -> None:
    first = run(make_graph())
    (entry,) = folder.iterdir()
    (entry if what == "entry" else folder).chmod(0o777)
    assert run(make_graph()) == first
    assert len(compilations) == 2


def test_a_folder_that_cannot_be_made_is_no_error(folder: Path, compilations: list[str]) -> None:
    folder.write_text("a file")
    run(make_graph())
    assert len(compilations) == 1


def test_many_at_once_leave_one_sound_entry(folder: Path, compilations: list[str]) -> None:
    graph = make_graph()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: run(graph), range(8)))
    assert found == [found[0]] * 8
    count = len(compilations)
    assert run(graph) == found[0]
    assert len(compilations) == count
    assert len(list(folder.iterdir())) == 1


def test_old_entries_go_when_there_is_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LARGEST_TOTAL", 5000)
    folder.mkdir(mode=0o700)
    of_somebody_else = folder / "thesis.txt"
    of_somebody_else.write_bytes(b"y" * 9000)
    names = [str(n) * 64 for n in range(5)]
    for age, name in enumerate(reversed(names)):
        cache.store(name, {}, b"x" * 2000)
        moment = 1_000_000_000 - age
        os.utime(folder / name, (moment, moment))
    cache.store("a" * 64, {}, b"x" * 2000)
    entries = [each for each in folder.iterdir() if each != of_somebody_else]
    assert sum(each.stat().st_size for each in entries) <= 5000
    assert cache.load("a" * 64) == ({}, b"x" * 2000)
    assert cache.load("0" * 64) is None
    assert of_somebody_else.read_bytes() == b"y" * 9000


def test_the_option_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Options.from_environment({"STEEPEST_CACHE": "off"})
    monkeypatch.setattr(cache, "options", lambda: chosen)
    assert cache.folder() is None
    chosen = Options.from_environment({"XDG_CACHE_HOME": "/somewhere"})
    assert cache.folder() == Path("/somewhere/steepest")
