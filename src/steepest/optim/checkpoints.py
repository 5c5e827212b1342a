"""Saving and loading the state of an optimizer. `Optimizer.state_dict` describes the layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, CheckpointError, DTypeError, did_you_mean
from steepest.graph.dtypes import from_numpy
from steepest.optim.groups import ParameterGroup
from steepest.optim.hyperparameters import HYPERPARAMETERS, is_left_out
from steepest.optim.transforms.base import Slot

if TYPE_CHECKING:
    from steepest.optim.optimizer import Optimizer

_PYTORCH_ONLY = ("foreach", "fused", "capturable", "differentiable")
"""Switches in PyTorch's files that choose among its implementations, not what is computed."""

_DECOUPLED = "decoupled_weight_decay"
"""A switch that PyTorch's AdamW carries, where it is always on."""


def save(optimizer: Optimizer) -> dict[str, Any]:
    """Return the nested dictionary that `Optimizer.state_dict` describes."""
    state: dict[str, dict[str, Tensor]] = {}
    groups: list[dict[str, Any]] = []
    number = 0
    for group in optimizer.param_groups:
        numbers = range(number, number + len(group.parameters))
        number = numbers.stop
        groups.append(_save_group(group, list(numbers)))
        for key, parameter in zip(numbers, group.parameters, strict=True):
            if optimizer.state.get(parameter):
                state[str(key)] = dict(optimizer.state[parameter])
    return {"optimizer": optimizer.name, "state": state, "param_groups": groups}


def _save_group(group: ParameterGroup, numbers: list[int]) -> dict[str, Any]:
    entry: dict[str, Any] = {"params": numbers}
    if group.names is not None:
        entry["param_names"] = list(group.names)
    for name, value in group.plain_options().items():
        entry[name] = list(value) if isinstance(value, tuple) else value
    if group.initial_lr is not None:
        entry["initial_lr"] = group.initial_lr
    return entry


def load(optimizer: Optimizer, state_dict: Mapping[str, Any]) -> None:
    """Check everything first, then take it over.

    Raises:
        CheckpointError: it does not fit; nothing is changed then.
    """
    name = optimizer.name
    _check_top(name, state_dict)
    saved_groups = state_dict["param_groups"]
    if len(saved_groups) != len(optimizer.param_groups):
        raise CheckpointError(
            f"{name}.load_state_dict: the state has {len(saved_groups)} parameter groups, "
            f"but this optimizer has {len(optimizer.param_groups)}."
        )
    saved_state = {str(key): value for key, value in state_dict["state"].items()}
    options: list[dict[str, Any]] = []
    arrays: list[tuple[Tensor, dict[str, np.ndarray]]] = []
    used: set[str] = set()
    for index, (group, saved) in enumerate(zip(optimizer.param_groups, saved_groups, strict=True)):
        where = f"{name}.load_state_dict: parameter group {index}"
        options.append(_read_options(group, saved, where))
        keys = _read_numbers(group, saved, where)
        used.update(keys)
        slots = optimizer.transforms.slots(_merged(group, options[-1]))
        for position, key in enumerate(keys):
            tensors = _read_state(group, position, saved_state.get(key, {}), slots, name)
            arrays.append((group.parameters[position], tensors))
    for key in saved_state:
        if key not in used:
            raise CheckpointError(
                f"{name}.load_state_dict: the state of parameter {key} belongs to no group."
            )
    _take_over(optimizer, options, arrays)


def _check_top(name: str, state_dict: Mapping[str, Any]) -> None:
    """Check the outermost keys, and whose state this is."""
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(
            f"{name}.load_state_dict: the state must be a dictionary, "
            f"but is a {type(state_dict).__name__}."
        )
    for key in ("state", "param_groups"):
        if key not in state_dict:
            raise CheckpointError(
                f"{name}.load_state_dict: the entry {key!r} is missing."
                f"{did_you_mean(key, state_dict)} Pass what {name}.state_dict() returned."
            )
    saved_name = state_dict.get("optimizer", name)
    if saved_name != name:
        raise CheckpointError(
            f"{name}.load_state_dict: this is the state of {saved_name}. "
            f"Build optim.{saved_name} to load it."
        )


def _read_options(group: ParameterGroup, saved: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the hyperparameters of one saved group, checked."""
    skipped = ("params", "param_names", *_PYTORCH_ONLY)
    given = {key: value for key, value in saved.items() if key not in skipped}
    if _DECOUPLED not in group.options and given.get(_DECOUPLED) is True:
        del given[_DECOUPLED]
    for key in given:
        if key not in group.options and key != "initial_lr":
            raise CheckpointError(
                f"{where}: option {key!r} is unknown.{did_you_mean(key, group.options)}"
            )
    for key in group.options:
        # PyTorch has no L1 option: its files load as if they said 0.
        if key not in given and key != "l1":
            raise CheckpointError(f"{where}: option {key!r} is missing.")
    try:
        options = {
            key: HYPERPARAMETERS["lr" if key == "initial_lr" else key].check(value, where)
            for key, value in given.items()
        }
    except ArgumentError as error:
        raise CheckpointError(str(error)) from error
    return options


def _read_numbers(group: ParameterGroup, saved: Mapping[str, Any], where: str) -> list[str]:
    """Return the saved numbers of a group's parameters, as keys into the saved state."""
    numbers: Sequence[Any] = saved.get("params", ())
    if len(numbers) != len(group.parameters):
        raise CheckpointError(
            f"{where}: the state has {len(numbers)} parameters, "
            f"but this optimizer has {len(group.parameters)}."
        )
    names = saved.get("param_names")
    if names is not None and group.names is not None:
        for saved_name, known_name in zip(names, group.names, strict=True):
            if saved_name != known_name:
                raise CheckpointError(
                    f"{where}: the state is of parameter {saved_name!r} "
                    f"where this optimizer has {known_name!r}."
                )
    return [str(number) for number in numbers]


def _merged(group: ParameterGroup, options: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters after loading: a term that is switched on stays on, even at 0."""
    merged = dict(group.options)
    for key, value in options.items():
        if key in merged and (is_left_out(merged[key]) or not HYPERPARAMETERS[key].scheduled):
            merged[key] = value
    return merged


def _read_state(
    group: ParameterGroup,
    position: int,
    saved: Mapping[str, Any],
    slots: Mapping[str, Slot],
    name: str,
) -> dict[str, np.ndarray]:
    """Return the saved tensors of one parameter as checked arrays."""
    parameter = group.parameters[position]
    where = f"{name}.load_state_dict: parameter {group.label(position)}"
    if not saved and not parameter.requires_grad:
        return {}
    for key in saved:
        if key not in slots:
            raise CheckpointError(f"{where}: state {key!r} is unknown.{did_you_mean(key, slots)}")
    for key in slots:
        if key not in saved:
            raise CheckpointError(
                f"{where}: state {key!r} is missing. Was the parameter frozen, or another option "
                f"set, when the state was saved?"
            )
    return {
        key: _read_array(saved[key], slots[key], parameter, f"{where}: state {key!r}")
        for key in slots
    }


def _read_array(value: Any, slot: Slot, parameter: Tensor, where: str) -> np.ndarray:
    """Return one saved tensor as an array of the slot's shape and data type."""
    array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    shape = slot.shape(parameter)
    dtype = slot.dtype(parameter)
    if array.shape != shape:
        raise CheckpointError(f"{where} has shape {array.shape}, but must have {shape}.")
    if slot.scalar and array.dtype.kind in "fiu":
        return array.astype(dtype.storage)
    try:
        matches = from_numpy(array.dtype) is dtype
    except DTypeError:
        matches = False
    if not matches:
        raise CheckpointError(f"{where} is {array.dtype}, but must be {dtype.name}.")
    return array


def _take_over(
    optimizer: Optimizer,
    options: Sequence[Mapping[str, Any]],
    arrays: Sequence[tuple[Tensor, Mapping[str, np.ndarray]]],
) -> None:
    """Write what was checked; nothing here can fail."""
    for group, values in zip(optimizer.param_groups, options, strict=True):
        for key, value in values.items():
            group[key] = value
    slots = {
        parameter: optimizer.transforms.slots(group.options)
        for group in optimizer.param_groups
        for parameter in group.parameters
    }
    for parameter, tensors in arrays:
        held = optimizer.state.setdefault(parameter, {})
        for name, array in tensors.items():
            if name not in held:
                held[name] = slots[parameter][name].create(parameter)
            held[name].assign(array.copy())
