"""Checkpoints: everything a run needs to go on, on disk, whole at every moment.

A checkpoint is two files of one number in the checkpoint folder:

    checkpoint-000012.safetensors   all arrays
    checkpoint-000012.json          the rest of the state, and the checksums of both files

The arrays are written first, so that the JSON file makes a checkpoint complete. A damaged or torn
checkpoint is recognised by its checksum and passed over for the one before it, which is why the
last two are kept. Nothing in these files can run code.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from steepest.errors import ArgumentError, CheckpointError
from steepest.train.files import checksum, partial_files, write_atomically
from steepest.train.packing import pack, unpack
from steepest.train.tensor_files import StoredArray, decode_tensors, encode_tensors

FORMAT = "steepest training checkpoint"
FORMAT_VERSION = 1

_NAME = re.compile(r"checkpoint-(\d{6,})\.(json|safetensors)")


class CheckpointWarning(UserWarning):
    """A checkpoint that could not be used, while another one could."""


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often training is saved.

    Attributes:
        folder: the folder; it is made if missing.
        every_epochs: save after every so many epochs; None for not at epochs.
        every_batches: save also after every so many training steps, within epochs too.
        every_seconds: save also when so many seconds have passed since the last one.
        keep: how many checkpoints are kept; at least 2 let a run survive a damaged file.

    Whatever is set, the end of training and Ctrl-C are saved too. How often it is saved changes
    no number of the training.
    """

    folder: str | os.PathLike[str]
    every_epochs: int | None = 1
    every_batches: int | None = None
    every_seconds: float | None = None
    keep: int = 2

    def __post_init__(self) -> None:
        for name in ("every_epochs", "every_batches", "every_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ArgumentError(f"Checkpoint: {name} must be above 0 or None, got {value!r}.")
        if not isinstance(self.keep, int) or self.keep < 1:
            raise ArgumentError(f"Checkpoint: keep must be at least 1, got {self.keep!r}.")


class CheckpointStore:
    """The checkpoints in one folder.

    Args:
        folder: where they lie; made, with its parents, at the first save.
        keep: how many to keep.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep
        if self.folder.exists() and not self.folder.is_dir():
            raise CheckpointError(f"checkpoint: {str(folder)!r} is a file, but must be a folder.")

    def paths(self) -> list[Path]:
        """Return the JSON files of the checkpoints, oldest first."""
        return [path for _, path in sorted(self._numbered("json"))]

    def save(self, state: dict[str, Any]) -> Path:
        """Write a checkpoint and remove the oldest beyond `keep`.

        Args:
            state: nested dicts, lists, numbers, text, Tensors and NumPy arrays.

        Returns:
            The path of its JSON file.

        Raises:
            CheckpointError: the disk refused; the checkpoints before it are as they were.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            numbers = [number for number, _ in self._numbered("json")]
            path = self._write(max(numbers, default=0) + 1, state)
            self._prune()
        except OSError as error:
            raise CheckpointError(
                f"checkpoint: cannot write to {str(self.folder)!r}: {error.strerror}. "
                f"Make room or choose another folder."
            ) from error
        return path

    def load_latest(self) -> dict[str, Any] | None:
        """Return the state of the newest checkpoint that is whole; None when there is none at all.

        Damaged ones are passed over with a `CheckpointWarning`.

        Raises:
            CheckpointError: all of them are damaged, or of a later format.
        """
        paths = self.paths()
        faults: list[str] = []
        for path in reversed(paths):
            try:
                state = self.load(path)
            except CheckpointError as error:
                faults.append(str(error))
                continue
            for fault in faults:
                warnings.warn(
                    f"{fault} Going on from {path.name}, the one before.",
                    CheckpointWarning,
                    stacklevel=2,
                )
            return state
        if faults:
            raise CheckpointError(
                f"checkpoint: none of the {len(paths)} in {str(self.folder)!r} can be used. "
                + " ".join(faults)
            )
        return None

    def load(self, path: Path) -> dict[str, Any]:
        """Return the state in one checkpoint, after checking all of it.

        Raises:
            CheckpointError: it is damaged, incomplete or of a later format.
        """
        document = _read_document(path)
        expected = document["tensors"]
        tensor_path = path.with_suffix(".safetensors")
        try:
            content = tensor_path.read_bytes()
        except OSError as error:
            raise CheckpointError(
                f"checkpoint: {str(tensor_path)!r} cannot be read: {error.strerror}."
            ) from error
        if len(content) != expected["bytes"] or checksum(content) != expected["sha256"]:
            raise CheckpointError(
                f"checkpoint: {str(tensor_path)!r} is damaged: it has {len(content):,} bytes and "
                f"another checksum than the {expected['bytes']:,} bytes that were written."
            )
        arrays, _ = decode_tensors(content, str(tensor_path))
        state = unpack(document["state"], arrays)
        assert isinstance(state, dict)
        return state

    def _write(self, number: int, state: dict[str, Any]) -> Path:
        arrays: dict[str, StoredArray] = {}
        packed = {key: pack(value, key, arrays) for key, value in state.items()}
        content = encode_tensors(arrays)
        path = self.folder / f"checkpoint-{number:06d}.json"
        document = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "software": _software(),
            "tensors": {"bytes": len(content), "sha256": checksum(content)},
            "state": packed,
        }
        document["sha256"] = _document_checksum(document)
        write_atomically(path.with_suffix(".safetensors"), content)
        write_atomically(path, json.dumps(document, indent=1, allow_nan=False).encode())
        return path

    def _prune(self) -> None:
        for path in self.paths()[: -self.keep]:
            path.unlink()
            path.with_suffix(".safetensors").unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove what a process that was killed while writing left behind."""
        for path in partial_files(self.folder):
            if _NAME.match(path.name[1:]):
                path.unlink(missing_ok=True)
        for _, path in self._numbered("safetensors"):
            if not path.with_suffix(".json").exists():
                path.unlink()

    def _numbered(self, ending: str) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        found = []
        for path in self.folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match and match[2] == ending:
                found.append((int(match[1]), path))
        return found


def _read_document(path: Path) -> dict[str, Any]:
    """Return the parsed JSON file of a checkpoint, after checking it."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"checkpoint: {str(path)!r} cannot be read: {error.strerror}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint: {str(path)!r} is damaged: {error}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"checkpoint: {str(path)!r} is no {FORMAT}.")
    if document.get("version") != FORMAT_VERSION:
        raise CheckpointError(
            f"checkpoint: {str(path)!r} is of format version {document.get('version')}, but this "
            f"steepest reads version {FORMAT_VERSION}. Resume with the version that wrote it."
        )
    written = document.pop("sha256", None)
    if written != _document_checksum(document):
        raise CheckpointError(f"checkpoint: {str(path)!r} is damaged: its checksum is wrong.")
    return document


def _document_checksum(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return checksum(text.encode())


def _software() -> dict[str, str]:
    return {
        "steepest": metadata.version("steepest"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
