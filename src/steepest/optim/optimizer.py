"""What all optimizers share: parameter groups, the step, and saving and loading their state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.optim import checkpoints
from steepest.optim.groups import (
    ParameterGroup,
    check_group_keys,
    read_groups,
    read_parameters,
)
from steepest.optim.hyperparameters import check_all
from steepest.optim.transforms.base import Chain, Entry, converted, working_dtype
from steepest.trace import guards

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Mapping[str, Any]]
"""What an optimizer takes: parameters, (name, parameter) pairs, or group dictionaries."""


class Optimizer:
    """Base of every optimizer: a chain of gradient transforms over groups of parameters.

    A subclass names its chain in `transforms`. The state of each parameter is created with the
    optimizer, so checkpoints always hold the same entries and a compiled step never changes shape.

    Args:
        params: parameters, (name, parameter) pairs, or dictionaries with `"params"` and options
            that differ from the defaults.
        defaults: every hyperparameter by name.

    Attributes:
        param_groups: one `ParameterGroup` each; reads and writes like a dictionary.
        state: for each parameter its tensors by name.
        defaults: the hyperparameters a new group starts from, as plain Python.

    Raises:
        ArgumentError: no parameters, a parameter given twice, an unknown option, a value outside
            its range.
    """

    transforms: Chain

    def __init__(self, params: Parameters, defaults: Mapping[str, Any]) -> None:
        self.param_groups: list[ParameterGroup] = []
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self.defaults: dict[str, Any] = check_all(defaults, self.name)
        self._check_chain()
        self.check_together(self.defaults)
        for group in read_groups(params, self.name):
            self.add_param_group(group)

    @property
    def name(self) -> str:
        """The name of the optimizer's class; messages begin with it."""
        return type(self).__name__

    def check_together(self, options: Mapping[str, Any]) -> None:
        """Refuse options that are fine one by one but not together. For subclasses."""

    def _check_chain(self) -> None:
        missing = [name for name in self.transforms.reads if name not in self.defaults]
        if missing:
            raise ArgumentError(
                f"{self.name}: the transforms need the hyperparameter {missing[0]!r}, "
                f"which is not given."
            )
        for name in self.defaults:
            if name not in self.transforms.may_read:
                raise ArgumentError(f"{self.name}: no transform reads the hyperparameter {name!r}.")

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters, for example those of layers that were frozen until now.

        Args:
            param_group: `{"params": parameters, "lr": 1e-4, ...}`; options left out take the
                optimizer's defaults.

        Raises:
            ArgumentError: as for the optimizer itself. Nothing is added then.
        """
        if not isinstance(param_group, Mapping):
            raise ArgumentError(
                f"{self.name}: a parameter group must be a dictionary with an entry 'params', "
                f"but is a {type(param_group).__name__}."
            )
        owner = self.name
        if self.param_groups:
            owner = f"{self.name}, parameter group {len(self.param_groups)}"
        check_group_keys(param_group, self.defaults, owner)
        given = {name: value for name, value in param_group.items() if name in self.defaults}
        options = {**self.defaults, **check_all(given, owner)}
        self.check_together(options)
        parameters, names = read_parameters(param_group["params"], owner)
        group = ParameterGroup(self.name, parameters, names, options)
        if "initial_lr" in param_group:
            group["initial_lr"] = param_group["initial_lr"]
        self._check_members(group)
        self.param_groups.append(group)
        self._create_state(group)

    def _check_members(self, group: ParameterGroup) -> None:
        """Refuse a parameter that this optimizer already has, and groups only partly named."""
        seen = {id(each): index for index, each in self._numbered()}
        held = len(seen)
        for position, parameter in enumerate(group.parameters):
            if id(parameter) in seen:
                raise ArgumentError(
                    f"{self.name}: parameter {group.label(position)} is given twice "
                    f"(as number {seen[id(parameter)]} and number {held + position}), "
                    f"so it would be updated twice in each step. Leave one out."
                )
            seen[id(parameter)] = held + position
        if self.param_groups and (self.param_groups[0].names is None) != (group.names is None):
            raise ArgumentError(
                f"{self.name}: some parameter groups come with names and some without. "
                f"Name the parameters of all groups, or of none."
            )

    def _numbered(self) -> Iterator[tuple[int, Tensor]]:
        """All parameters in order of their groups, with the number that checkpoints use."""
        parameters = [each for group in self.param_groups for each in group.parameters]
        yield from enumerate(parameters)

    def _create_state(self, group: ParameterGroup) -> None:
        """Create the state that the group's trainable parameters lack."""
        slots = self.transforms.slots(group.options)
        for parameter in group.parameters:
            if not parameter.requires_grad:
                continue
            held = self.state.setdefault(parameter, {})
            for name, slot in slots.items():
                if name not in held:
                    held[name] = slot.create(parameter)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients.

        Args:
            set_to_none: drop them (the default), or set them to tensors of zeros.
        """
        for _, parameter in self._numbered():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = st.zeros_like(parameter.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient and is not frozen.

        Works eagerly and inside `steepest.compile`.

        Args:
            closure: computes the loss and its gradients anew and returns the loss; called once.

        Returns:
            What `closure` returned, or None.
        """
        loss = closure() if closure is not None else None
        guards.touch(self)
        with st.no_grad():
            for group in self.param_groups:
                self._create_state(group)
            taking_part = list(self._taking_part())
            entries = [
                _entry(parameter, self.state[parameter], group) for parameter, group in taking_part
            ]
            for (parameter, _), entry, (update, changed) in zip(
                taking_part, entries, self.transforms.updates(entries), strict=True
            ):
                parameter.assign(converted(entry.parameter + update, parameter.dtype))
                for name, value in changed.items():
                    self.state[parameter][name].assign(value)
        return loss

    def _taking_part(self) -> Iterator[tuple[Tensor, ParameterGroup]]:
        """The parameters that have a gradient and are not frozen, each with its group."""
        for group in self.param_groups:
            for parameter in group.parameters:
                if parameter.requires_grad and parameter.grad is not None:
                    yield parameter, group

    def _static_state(self) -> dict[str, Any]:
        """The plain values that a traced step depends on; when they change it is traced again."""
        return {
            "groups": tuple(group.static_options() for group in self.param_groups),
            "trainable": tuple(parameter.requires_grad for _, parameter in self._numbered()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs, as nested plain dictionaries.

            {"optimizer": "Adam",
             "state": {"0": {"step": Tensor, "exp_avg": Tensor, ...}, "1": ...},
             "param_groups": [{"params": [0, 1], "lr": 0.001, "betas": [0.9, 0.999], ...}]}

        The keys of `"state"` are the numbers of the parameters, counted through all groups. The
        tensors are the live ones: clone them to keep a copy that does not change. Flattened for a
        file, a tensor is called `state.<number>.<name>` and the rest is JSON.
        """
        for group in self.param_groups:
            self._create_state(group)
        return checkpoints.save(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state and the hyperparameters that `state_dict()` returned.

        Accepts tensors or NumPy arrays, also as PyTorch's optimizers save them.

        Raises:
            CheckpointError: it belongs to another optimizer or to other parameters, or an entry is
                missing, unknown or of the wrong shape. Nothing is changed then.
        """
        checkpoints.load(self, state_dict)

    def __repr__(self) -> str:
        groups = "; ".join(repr(group) for group in self.param_groups)
        return f"{self.name}({groups})"


def _entry(parameter: Tensor, state: dict[str, Tensor], group: ParameterGroup) -> Entry:
    """What the chain needs for one parameter, in its working data type."""
    dtype = working_dtype(parameter)
    gradient = parameter.grad
    assert gradient is not None
    return Entry(converted(gradient, dtype), state, converted(parameter, dtype), group.options)


class Custom(Optimizer):
    """An optimizer of your own, chained from transforms.

    >>> signs = optim.chain(clip_by_global_norm(1.0), scale_by_lion(), scale_by_learning_rate())
    >>> optimizer = optim.Custom(model.parameters(), signs, {"lr": 1e-4, "betas": (0.9, 0.99)})

    Args:
        params: as for every optimizer.
        transforms: a chain, as `chain(...)` returns it.
        hyperparameters: every hyperparameter that the chain reads.

    Raises:
        ArgumentError: a hyperparameter is missing, not read by the chain, or out of range.
    """

    def __init__(
        self, params: Parameters, transforms: Chain, hyperparameters: Mapping[str, Any]
    ) -> None:
        if not isinstance(transforms, Chain):
            raise ArgumentError(
                f"Custom: transforms must be a chain, but is a {type(transforms).__name__}. "
                f"Pass chain(...)."
            )
        self.transforms = transforms
        super().__init__(params, hyperparameters)
