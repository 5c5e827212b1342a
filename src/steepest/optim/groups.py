"""Parameter groups: which parameters an optimizer updates, and with which hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, DTypeError, did_you_mean
from steepest.graph.dtypes import float64
from steepest.optim.hyperparameters import HYPERPARAMETERS, plain

_NOT_OPTIONS = ("params", "param_names", "initial_lr")


class ParameterGroup(MutableMapping[str, Any]):
    """Parameters that share hyperparameters; reads and writes like a dictionary.

    `group["lr"] = 0.1` assigns to the 0-d float64 tensor that the step reads, so a compiled step
    sees the new value at once. `group["lr"]` returns that tensor; `float(group["lr"])` its number.
    The keys are `"params"`, `"param_names"` if they were given, the optimizer's options, and
    `"initial_lr"` once a schedule has taken charge of the learning rate.

    Args:
        owner: what error messages begin with, such as `"Adam"`.
        parameters: the parameters.
        names: their names, or None.
        options: every hyperparameter of the optimizer, checked, as plain Python.
        initial_lr: the learning rate from which schedules start, if that is known already.
    """

    def __init__(
        self,
        owner: str,
        parameters: list[Tensor],
        names: list[str] | None,
        options: Mapping[str, Any],
        initial_lr: float | None = None,
    ) -> None:
        self.owner = owner
        self.parameters = parameters
        self.names = names
        self.initial_lr = initial_lr
        self._options = {name: HYPERPARAMETERS[name].keep(options[name]) for name in options}
        _refuse_vanishing_eps(self)

    def __getitem__(self, key: str) -> Any:
        if key in self._options:
            return self._options[key]
        if key == "params":
            return self.parameters
        if key == "param_names" and self.names is not None:
            return self.names
        if key == "initial_lr" and self.initial_lr is not None:
            return self.initial_lr
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key in ("params", "param_names"):
            raise ArgumentError(
                f"{self.owner}: the parameters of a group cannot be replaced. "
                f"Add a group with add_param_group, or build a new optimizer."
            )
        if key == "initial_lr":
            self.initial_lr = HYPERPARAMETERS["lr"].check(value, f"{self.owner}: initial_lr")
            return
        if key not in self._options:
            raise ArgumentError(
                f"{self.owner}: {key!r} is not an option.{did_you_mean(key, self._options)} "
                f"The options are {', '.join(self._options)}."
            )
        rule = HYPERPARAMETERS[key]
        self._store(key, rule.check(value, self.owner))

    def _store(self, key: str, value: Any) -> None:
        """Keep a checked value, in the tensor that holds the old one if there is one."""
        held = self._options[key]
        if isinstance(held, Tensor):
            held.assign(np.float64(value))
        elif isinstance(held, tuple):
            for tensor, number in zip(held, value, strict=True):
                tensor.assign(np.float64(number))
        else:
            self._options[key] = HYPERPARAMETERS[key].keep(value)

    def __delitem__(self, key: str) -> None:
        raise ArgumentError(f"{self.owner}: {key!r} cannot be removed from a parameter group.")

    def __iter__(self) -> Iterator[str]:
        yield "params"
        if self.names is not None:
            yield "param_names"
        yield from self._options
        if self.initial_lr is not None:
            yield "initial_lr"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={plain(value)}" for name, value in self._options.items())
        return f"ParameterGroup({len(self.parameters)} parameters, {options})"

    @property
    def options(self) -> Mapping[str, Any]:
        """The hyperparameters as the step reads them."""
        return self._options

    def plain_options(self) -> dict[str, Any]:
        """The hyperparameters as plain Python numbers."""
        return {name: plain(value) for name, value in self._options.items()}

    def scheduled_options(self) -> list[Tensor]:
        """The tensors of the hyperparameters that may change while training."""
        tensors: list[Tensor] = []
        for value in self._options.values():
            if isinstance(value, Tensor):
                tensors.append(value)
            elif isinstance(value, tuple):
                tensors += value
        return tensors

    def static_options(self) -> tuple[Any, ...]:
        """The plain values that a traced step depends on, and which optional terms are in it."""
        return tuple(
            "scheduled" if isinstance(value, Tensor | tuple) else value
            for value in self._options.values()
        )

    def label(self, position: int) -> str:
        """How messages call the parameter at that position: its name if known, and its shape."""
        return describe(self.parameters[position], self.names[position] if self.names else None)


def describe(parameter: Tensor, name: str | None) -> str:
    """Call a parameter by its name if it has one, and by its shape."""
    known = name or parameter.name
    return f"{known!r} {parameter.shape}" if known else f"of shape {parameter.shape}"


def read_groups(params: Any, owner: str) -> list[dict[str, Any]]:
    """Turn what the user passed as `params` into a list of group dictionaries.

    Args:
        params: an iterable of parameters, of (name, parameter) pairs, or of dictionaries with a
            `"params"` entry.
        owner: what messages begin with.

    Raises:
        ArgumentError: something else, or nothing.
    """
    if isinstance(params, Tensor):
        raise ArgumentError(
            f"{owner}: params must be an iterable of parameters, but is one tensor of shape "
            f"{params.shape}. Pass [parameter]."
        )
    if isinstance(params, Mapping):
        raise ArgumentError(
            f"{owner}: params must be an iterable of parameters, but is a dictionary. "
            f"Pass a list: [{{'params': ...}}] for groups, or mapping.items() for named parameters."
        )
    if callable(getattr(params, "parameters", None)):
        raise ArgumentError(
            f"{owner}: params must be an iterable of parameters, but is a "
            f"{type(params).__name__}. Pass model.parameters()."
        )
    if not isinstance(params, Iterable):
        raise ArgumentError(
            f"{owner}: params must be an iterable of parameters, but is {params!r}. "
            f"Pass model.parameters()."
        )
    entries = list(params)
    if not entries:
        raise ArgumentError(
            f"{owner}: params is empty, so there is nothing to optimize. A generator such as "
            f"model.parameters() can be used only once: call it again for each optimizer."
        )
    if any(isinstance(entry, Mapping) for entry in entries):
        return [_as_group(entry, owner) for entry in entries]
    return [{"params": entries}]


def _as_group(entry: Any, owner: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ArgumentError(
            f"{owner}: params mixes group dictionaries with {type(entry).__name__}. "
            f"Wrap the loose parameters in a group: {{'params': [...]}}."
        )
    if "params" not in entry:
        raise ArgumentError(
            f"{owner}: a parameter group needs an entry 'params', but has only "
            f"{', '.join(map(repr, entry)) or 'nothing'}.{did_you_mean('params', entry)}"
        )
    return dict(entry)


def read_parameters(params: Any, owner: str) -> tuple[list[Tensor], list[str] | None]:
    """Return the parameters of one group and their names, if they came with names.

    Raises:
        ArgumentError: not parameters, none at all, or only some of them named.
        DTypeError: a parameter whose numbers are not floating-point.
    """
    entries = [params] if isinstance(params, Tensor) else list(params)
    if not entries:
        raise ArgumentError(f"{owner}: a parameter group is empty.")
    named = [isinstance(entry, tuple) for entry in entries]
    if any(named) and not all(named):
        raise ArgumentError(
            f"{owner}: some parameters come with a name and some without. "
            f"Pass model.parameters() or model.named_parameters()."
        )
    names = [str(entry[0]) for entry in entries] if all(named) else None
    parameters = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
    for position, parameter in enumerate(parameters):
        _check_parameter(parameter, owner, names[position] if names else None)
    return parameters, names


def _check_parameter(parameter: Any, owner: str, name: str | None) -> None:
    if not isinstance(parameter, Tensor):
        raise ArgumentError(
            f"{owner}: a parameter must be a steepest.Tensor, but {name or 'one'} is a "
            f"{type(parameter).__name__}."
        )
    if not parameter.dtype.is_floating:
        raise DTypeError(
            f"{owner}: parameter {describe(parameter, name)} is {parameter.dtype.name}, "
            f"and only floating-point parameters have a gradient."
        )


def check_group_keys(group: Mapping[str, Any], known: Iterable[str], owner: str) -> None:
    """Refuse a key of a group dictionary that is neither an option nor `"params"`."""
    allowed = [*known, *_NOT_OPTIONS]
    for key in group:
        if key not in allowed:
            raise ArgumentError(
                f"{owner}: {key!r} is not an option of a parameter group."
                f"{did_you_mean(key, allowed)} The options are {', '.join(allowed)}."
            )


def _refuse_vanishing_eps(group: ParameterGroup) -> None:
    """Refuse an eps that is zero, or flushed to zero, in the data type of a parameter."""
    if "eps" not in group.options:
        return
    for position, parameter in enumerate(group.parameters):
        storage = np.float64 if parameter.dtype is float64 else np.float32
        smallest = float(np.finfo(storage).tiny)
        if group.options["eps"] < smallest:
            raise ArgumentError(
                f"{group.owner}: eps {group.options['eps']} counts as 0 in "
                f"{parameter.dtype.name}, the data type of parameter {group.label(position)}. "
                f"Use at least {smallest:.3g}."
            )
