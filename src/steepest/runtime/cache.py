"""Machine code on disk, so that a program that was compiled once starts at once the next time.

An entry is named by a hash of all that its code depends on: the graph, the machine, the sizes at
which programs are divided, the compiler's version, and the source files of this package that make
code. It is written aside and renamed, so that processes may share a folder. An entry that is
damaged, or that somebody else could have written, is not used: it holds code that would be run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from steepest.codegen.target import Machine, compiler_version
from steepest.graph.node import Graph
from steepest.graph.text import to_text
from steepest.kernels.tuning import Tuning
from steepest.options import options

MAGIC = b"steepest machine code 1\n"
DIGEST_BYTES = 32
ENTRY = re.compile(r"[0-9a-f]{64}")
"""What entries are called; other files of the folder are not ours to remove."""

LARGEST_TOTAL = 512_000_000
"""Bytes that all entries may take; beyond, those not used for the longest time go."""

CODE_FOLDERS = ("graph", "ops", "kernels", "codegen", "runtime")
"""The folders of this package whose files decide what code is made."""


def folder() -> Path | None:
    """Where entries are kept; `None` if nothing is to be kept."""
    chosen = options().cache
    return None if chosen == "off" else Path(chosen)


@lru_cache(maxsize=1)
def _source_files() -> str:
    """Names, sizes and times of the files that make code: another version makes other entries."""
    package = Path(__file__).parent.parent
    lines = []
    for name in CODE_FOLDERS:
        for path in sorted((package / name).rglob("*")):
            if path.suffix in (".py", ".ll"):
                found = path.stat()
                lines.append(f"{path.relative_to(package)} {found.st_size} {found.st_mtime_ns}")
    return "\n".join(lines)


def entry_name(what: str, machine: Machine, tuning: Tuning) -> str:
    """The name of the entry of a program, given by its text."""
    versions = (compiler_version(), np.__version__, _source_files())
    return name_of(what, repr(machine), repr(tuning), *versions)


def name_of(*parts: str) -> str:
    """The name of the entry of all that is said by some texts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}\n".encode())
        digest.update(part.encode())
    return digest.hexdigest()


def graph_key(graph: Graph) -> str:
    """The text of a graph, without what its code does not depend on."""
    return to_text(Graph("", graph.inputs, graph.outputs, graph.updates), origins=False)


def load(name: str) -> tuple[dict[str, Any], bytes] | None:
    """The notes and machine code of an entry, if there is a sound one of our own."""
    place = folder()
    if place is None:
        return None
    path = place / name
    try:
        if not (_is_ours(place.stat()) and _is_ours(path.stat())):
            return None
        content = path.read_bytes()
        with contextlib.suppress(OSError):
            os.utime(path)
    except OSError:
        return None
    start = len(MAGIC) + DIGEST_BYTES
    payload = content[start:]
    if content[: len(MAGIC)] != MAGIC:
        return None
    if hashlib.sha256(payload).digest() != content[len(MAGIC) : start]:
        return None
    size = int.from_bytes(payload[:8], "little")
    return json.loads(payload[8 : 8 + size]), payload[8 + size :]


def store(name: str, notes: Mapping[str, Any], code: bytes) -> None:
    """Keep an entry; where that is not possible, nothing is kept."""
    place = folder()
    if place is None:
        return
    head = json.dumps(notes).encode()
    payload = len(head).to_bytes(8, "little") + head + code
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(place.stat()):
            return
        _write(place / name, MAGIC + hashlib.sha256(payload).digest() + payload)
        _drop_old(place)
    except OSError:
        return


def _write(path: Path, content: bytes) -> None:
    """Write aside, then rename: a reader finds all of it or nothing."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def _is_ours(found: os.stat_result) -> bool:
    """Whether a file is this user's, and nobody else may write it."""
    others = stat.S_IWGRP | stat.S_IWOTH
    return not hasattr(os, "getuid") or (
        found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & others
    )


def _drop_old(place: Path) -> None:
    """Remove the entries not used for the longest time, if there is too much."""
    entries = []
    for path in place.iterdir():
        if ENTRY.fullmatch(path.name):
            with contextlib.suppress(OSError):
                found = path.stat()
                entries.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LARGEST_TOTAL:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
