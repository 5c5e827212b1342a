"""The files of a saved model: all but the numbers in `model.json`, those in safetensors.

    model.json                            what the model is, and the checksums of both files
    weights-0123456789abcdef.safetensors  the weights, named by the beginning of their checksum

Both are data that is parsed and checked; nothing in them can run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.array.tensor import Tensor
from steepest.data.documents import check_keys, new_document, open_document
from steepest.errors import CheckpointError
from steepest.train.files import checksum, partial_files, write_atomically
from steepest.train.tensor_files import decode_tensors, encode_tensors, from_stored, stored

DOCUMENT = "model.json"
FORMAT_PREFIX = "steepest."

_OWN_FILES = re.compile(r"weights-[0-9a-f]{16}\.safetensors|model\.json")


@dataclass(frozen=True)
class ModelFormat:
    """What a kind of model writes into its document.

    Attributes:
        kind: such as `"table_model"` or `"image_model"`.
        version: of the fields.
        keys: names of the fields, without those of the weights and the checksum.
        owner: the class, for messages.
    """

    kind: str
    version: int
    keys: Sequence[str]
    owner: str


def kind_of(folder: Path) -> str | None:
    """The kind of model in a folder; None if there is none that can be read."""
    try:
        document = json.loads((folder / DOCUMENT).read_text("utf-8"))
        return str(document["format"]).removeprefix(FORMAT_PREFIX)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def write_model(
    folder: Path, form: ModelFormat, fields: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> None:
    """Write both files, the weights first, then remove those that they replace.

    Args:
        folder: made if need be.
        form: the kind of model.
        fields: the values of its keys, as plain JSON values.
        weights: the tensors by name.

    Raises:
        CheckpointError: the disk refused.
    """
    content = encode_tensors({name: stored(value) for name, value in weights.items()})
    name = f"weights-{checksum(content)[:16]}.safetensors"
    described = {**fields, "weights": {"file": name, "checksum": checksum(content)}}
    document = new_document(form.kind, form.version, described)
    document["checksum"] = _document_checksum(document)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
        write_atomically(folder / DOCUMENT, json.dumps(document, indent=1).encode())
        _remove_replaced(folder, name)
    except OSError as error:
        raise CheckpointError(
            f"{form.owner}.save: cannot write to {str(folder)!r}: {error.strerror}. Make room or "
            f"choose another folder."
        ) from error


def read_model(folder: Path, form: ModelFormat) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the fields of `model.json` and the tensors of the weights file, both checked.

    Raises:
        CheckpointError: there is no model of this kind, or one of its files is damaged.
    """
    document = _read_document(folder, form)
    fields = open_document(document, form.kind, form.version, (*form.keys, "weights", "checksum"))
    expected = document.pop("checksum")
    if expected != _document_checksum(document):
        raise CheckpointError(f"{folder / DOCUMENT} is damaged: its checksum is wrong.")
    check_keys(fields["weights"], ("file", "checksum"), f"{form.kind} weights")
    file = Path(str(fields["weights"]["file"])).name
    return fields, _read_weights(folder / file, fields["weights"]["checksum"])


def _read_document(folder: Path, form: ModelFormat) -> Any:
    try:
        return json.loads((folder / DOCUMENT).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(
            f"{str(folder)!r} holds no model: {DOCUMENT} is not there. Give the folder that "
            f"{form.owner}.save or `steepest train` wrote."
        ) from None
    except OSError as error:
        raise CheckpointError(f"{folder / DOCUMENT} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / DOCUMENT} is damaged: {error}.") from error


def _read_weights(path: Path, expected: Any) -> dict[str, Tensor]:
    """The tensors of a weights file, once its checksum is right."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if checksum(content) != expected:
        raise CheckpointError(f"{path} is damaged: its checksum is not the one in {DOCUMENT}.")
    tensors, _ = decode_tensors(content, str(path))
    return {name: from_stored(each) for name, each in tensors.items()}


def _document_checksum(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return checksum(text.encode())


def _remove_replaced(folder: Path, name: str) -> None:
    """Remove the weights of the model before this one, and what killed processes left behind."""
    for path in folder.iterdir():
        is_weights = path.name.endswith(".safetensors") and _OWN_FILES.fullmatch(path.name)
        if is_weights and path.name != name:
            path.unlink()
    for path in partial_files(folder):
        if _OWN_FILES.match(path.name[1:]):
            path.unlink(missing_ok=True)
