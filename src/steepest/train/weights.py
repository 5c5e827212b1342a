"""Saving and loading the numbers of a network by themselves, as one safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, CheckpointError
from steepest.train.tensor_files import from_stored, read_tensors, stored, write_tensors


def save(
    state: nn.Module | Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Save a model's parameters and buffers as a safetensors file, atomically.

    The names are those of the model's `state_dict`, which are PyTorch's, so other programs can
    read the file. The model's Python code is not part of it.

    Args:
        state: a model, or a mapping of names to Tensors or arrays.
        path: the file; its folder must exist.
        metadata: text to keep in the file.

    Raises:
        ArgumentError: neither a model nor a mapping of names to arrays.
    """
    tensors = state.state_dict() if isinstance(state, nn.Module) else state
    if not isinstance(tensors, Mapping):
        raise ArgumentError(
            f"save: needs a model or a mapping of names to arrays, got {type(state).__name__}."
        )
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, (Tensor, np.ndarray)):
            raise ArgumentError(
                f"save: the entry {name!r} is a {type(value).__name__}; a state is a mapping of "
                f"text to Tensors or arrays. (An optimizer's state belongs in a checkpoint.)"
            )
    try:
        write_tensors(path, {name: stored(value) for name, value in tensors.items()}, metadata)
    except OSError as error:
        raise CheckpointError(f"save: cannot write {str(path)!r}: {error.strerror}.") from error


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the tensors in a safetensors file by name, for `model.load_state_dict(load(path))`.

    No code in the file can run, whoever made it.

    Raises:
        CheckpointError: the file cannot be read, is damaged or is of another format.
    """
    tensors, _ = read_tensors(path)
    return {name: from_stored(each) for name, each in tensors.items()}
