"""Files that are either whole or absent, whatever moment the machine stops at.

A file is written aside in the same folder, flushed to the disk, and then renamed over its final
name; the folder is flushed too, so that the new name itself survives a power cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PARTIAL_SUFFIX = ".partial"
"""How the name of a file ends while it is being written. A crash can leave one behind."""


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file, replacing what the name held before.

    At every moment the name holds all of the old content or all of the new.

    Args:
        path: where; the folder must exist.
        content: all bytes of the file.
    """
    final = Path(path)
    partial = final.with_name(f".{final.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, final)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    flush_folder(final.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable (POSIX; elsewhere the file system does it itself)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def partial_files(folder: Path) -> Iterator[Path]:
    """Yield the leftovers of writes that never finished."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") and entry.name.endswith(PARTIAL_SUFFIX):
            yield entry


def checksum(content: bytes | memoryview) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
