"""State dictionaries: all numbers of a network by name, and strict loading of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError, did_you_mean
from steepest.nn.parameter import Buffer, Parameter

if TYPE_CHECKING:
    from steepest.nn.module import Module

MOST_LISTED = 10


class LoadResult(NamedTuple):
    """What did not match when a state dictionary was loaded without `strict`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def entries(module: Module) -> dict[str, Parameter | Buffer]:
    """All parameters and persistent buffers by qualified name, in PyTorch's order."""
    found: dict[str, Parameter | Buffer] = {}
    for owner_name, owner in module.named_modules(remove_duplicate=False):
        prefix = f"{owner_name}." if owner_name else ""
        for name, parameter in owner._own(Parameter):
            found[prefix + name] = parameter
        for name, buffer in owner._own(Buffer):
            if buffer.persistent:
                found[prefix + name] = buffer
    return found


def load(module: Module, state_dict: Mapping[str, Any], strict: bool) -> LoadResult:
    """Check a whole state dictionary against a module, then copy its numbers in.

    Raises:
        CheckpointError: something does not fit; the module is as it was.
    """
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(
            f"load_state_dict: needs a mapping of names to arrays, got a "
            f"{type(state_dict).__name__}."
        )
    targets = entries(module)
    missing = [name for name in targets if name not in state_dict]
    unexpected = [name for name in state_dict if name not in targets]
    problems: list[str] = []
    values: dict[str, Tensor] = {}
    for name, target in targets.items():
        if name in state_dict:
            _check_entry(name, target, state_dict[name], values, problems)
    _check_shared(targets, values, problems)
    if strict:
        problems += _name_problems(missing, unexpected, targets, state_dict)
    if problems:
        raise CheckpointError(_message(type(module).__name__, problems))
    for name, value in values.items():
        targets[name].assign(value)
    return LoadResult(missing, unexpected)


def _check_entry(
    name: str, target: Tensor, given: Any, values: dict[str, Tensor], problems: list[str]
) -> None:
    """Convert one value to what its tensor stores, or note why it does not fit."""
    try:
        tensor = given if isinstance(given, Tensor) else st.asarray(np.asarray(given))
    except (TypeError, ValueError, RuntimeError) as error:
        problems.append(f"{name!r} cannot be read as an array of numbers: {error}")
        return
    if tensor.shape != target.shape:
        problems.append(f"{name!r} is {tensor.shape} in the state, but {target.shape} here")
    elif _kind(tensor) != _kind(target):
        problems.append(
            f"{name!r} is {tensor.dtype.name} in the state, but {target.dtype.name} here"
        )
    else:
        values[name] = st.astype(tensor.detach(), target.dtype)


def _kind(tensor: Tensor) -> str:
    return "integer" if tensor.dtype.is_integer else tensor.dtype.kind


def _check_shared(
    targets: Mapping[str, Tensor], values: Mapping[str, Tensor], problems: list[str]
) -> None:
    """Refuse different numbers for one shared parameter."""
    first_name: dict[int, str] = {}
    for name, value in values.items():
        other = first_name.setdefault(id(targets[name]), name)
        if other != name and not _same_numbers(values[other], value):
            problems.append(
                f"{other!r} and {name!r} are one shared tensor here, but differ in the state"
            )


def _same_numbers(left: Any, right: Any) -> bool:
    return np.asarray(left).tobytes() == np.asarray(right).tobytes()


def _name_problems(
    missing: list[str],
    unexpected: list[str],
    targets: Mapping[str, Tensor],
    state_dict: Mapping[str, Any],
) -> list[str]:
    lines = [f"missing {name!r} {targets[name].shape}" for name in missing[:MOST_LISTED]]
    if len(missing) > MOST_LISTED:
        lines.append(f"and {len(missing) - MOST_LISTED} more missing")
    for name in unexpected[:MOST_LISTED]:
        shape = getattr(state_dict[name], "shape", None)
        shown = "" if shape is None else f" {tuple(shape)}"
        hint = did_you_mean(name, missing or targets)
        lines.append(f"unexpected {name!r}{shown}{'.' + hint if hint else ''}")
    if len(unexpected) > MOST_LISTED:
        lines.append(f"and {len(unexpected) - MOST_LISTED} more unexpected")
    return lines


def _message(module_name: str, problems: list[str]) -> str:
    listed = "".join(f"\n  {problem}" for problem in problems[: 3 * MOST_LISTED])
    return f"load_state_dict: the state does not fit {module_name}, nothing was changed:{listed}"
