"""What a gradient transform is, and how several become an optimizer.

A transform turns the gradient of a parameter into something better to subtract from it. It is pure:

    update(gradient, state, parameter, hyperparameters) -> (new gradient, changed state)

- `gradient`: tensor of the parameter's shape; what the previous transform returned.
- `state`: the parameter's named tensors (`"step"`, `"exp_avg"`, ...: PyTorch's names). A transform
  returns only the entries that it changed, and may change only those it declares in `slots`.
- `parameter`: the parameter's value before the step.
- `hyperparameters`: the parameter group's options by name: plain values, 0-d float64 tensors, or a
  pair of those. Cast a tensor with `cast` before combining it with a gradient.

The last transform of a chain returns the number that is *added* to the parameter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError
from steepest.graph.dtypes import DType, bfloat16, float32, float64
from steepest.optim.hyperparameters import outside_trace

Hyperparameters = Mapping[str, Any]
State = Mapping[str, Tensor]
Update = Callable[[Tensor, State, Tensor, Hyperparameters], tuple[Tensor, dict[str, Tensor]]]


@dataclasses.dataclass(frozen=True)
class Slot:
    """One named tensor that a transform keeps for each parameter.

    Attributes:
        fill: the number it starts from.
        scalar: a 0-d float64 tensor instead of one of the parameter's shape and working type.
    """

    fill: float = 0.0
    scalar: bool = False

    def shape(self, parameter: Tensor) -> tuple[int, ...]:
        """The shape of the tensor for that parameter."""
        return () if self.scalar else parameter.shape

    def dtype(self, parameter: Tensor) -> DType:
        """The data type of the tensor for that parameter."""
        return float64 if self.scalar else working_dtype(parameter)

    def create(self, parameter: Tensor) -> Tensor:
        """Return the starting tensor for that parameter."""
        dtype = self.dtype(parameter)
        numbers = np.full(self.shape(parameter), self.fill, dtype=dtype.storage)
        with outside_trace():
            return st.asarray(numbers, dtype=dtype)


Slots = Callable[[Hyperparameters], dict[str, Slot]]


def _no_slots(_: Hyperparameters) -> dict[str, Slot]:
    return {}


@dataclasses.dataclass(frozen=True)
class Transform:
    """One gradient transform.

    Attributes:
        name: the name of the function that made it.
        update: the pure function described at the top of this module.
        slots: the state it keeps for each parameter, given the hyperparameters.
        reads: the hyperparameters without which it cannot work.
        may_read: hyperparameters that it takes into account if the optimizer has them.
        gather: for a transform that needs all gradients at once (a global norm): takes the list of
            them and returns the list of new ones, before `update` sees any.
    """

    name: str
    update: Update
    slots: Slots = _no_slots
    reads: tuple[str, ...] = ()
    may_read: tuple[str, ...] = ()
    gather: Callable[[list[Tensor]], list[Tensor]] | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a chain needs to know of one parameter; see the top of this module."""

    gradient: Tensor
    state: State
    parameter: Tensor
    hyperparameters: Hyperparameters


@dataclasses.dataclass(frozen=True)
class Chain:
    """Transforms applied one after another. Build it with `chain(...)`."""

    transforms: tuple[Transform, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The hyperparameters that its transforms need, in order of first use."""
        names = [name for transform in self.transforms for name in transform.reads]
        return tuple(dict.fromkeys(names))

    @property
    def may_read(self) -> tuple[str, ...]:
        """The hyperparameters that its transforms need or take into account."""
        names = [name for transform in self.transforms for name in transform.may_read]
        return tuple(dict.fromkeys([*self.reads, *names]))

    def slots(self, hyperparameters: Hyperparameters) -> dict[str, Slot]:
        """The state kept for each parameter.

        Raises:
            ArgumentError: two transforms keep something under the same name.
        """
        slots: dict[str, Slot] = {}
        for transform in self.transforms:
            for name, slot in transform.slots(hyperparameters).items():
                if name in slots:
                    raise ArgumentError(
                        f"chain: {transform.name} keeps {name!r} in the state, and so does a "
                        f"transform before it. Give one of them another name."
                    )
                slots[name] = slot
        return slots

    def update(
        self,
        gradient: Tensor,
        state: State,
        parameter: Tensor,
        hyperparameters: Hyperparameters,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Apply the chain to one parameter, as if it were the only one."""
        return next(self.updates([Entry(gradient, state, parameter, hyperparameters)]))

    def updates(self, entries: Sequence[Entry]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Apply the chain to many parameters; yield (update, changed state) for each in turn.

        One parameter is finished before the next is begun, except where a transform gathers.
        """
        gradients = [entry.gradient for entry in entries]
        changes: list[dict[str, Tensor]] = [{} for _ in entries]
        stages = self._stages()
        for stage in stages[:-1]:
            for position, entry in enumerate(entries):
                gradients[position], changes[position] = _run(
                    stage.transforms, entry, gradients[position], changes[position]
                )
            gradients = stage.gather(gradients)
        for position, entry in enumerate(entries):
            yield _run(stages[-1].transforms, entry, gradients[position], changes[position])

    def _stages(self) -> list[_Stage]:
        """Cut the chain before each transform that gathers."""
        stages: list[_Stage] = []
        waiting: list[Transform] = []
        for transform in self.transforms:
            if transform.gather is not None:
                stages.append(_Stage(tuple(waiting), transform.gather))
                waiting = []
            waiting.append(transform)
        stages.append(_Stage(tuple(waiting), list))
        return stages


@dataclasses.dataclass(frozen=True)
class _Stage:
    """Transforms that see one parameter at a time, and what gathers their results."""

    transforms: tuple[Transform, ...]
    gather: Callable[[list[Tensor]], list[Tensor]]


def _run(
    transforms: tuple[Transform, ...],
    entry: Entry,
    gradient: Tensor,
    changed: dict[str, Tensor],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Apply transforms to one parameter; each sees what those before it changed."""
    changed = dict(changed)
    for transform in transforms:
        state = {**entry.state, **changed}
        gradient, news = transform.update(gradient, state, entry.parameter, entry.hyperparameters)
        changed.update(news)
    return gradient, changed


def chain(*transforms: Transform) -> Chain:
    """Join transforms into one that applies them from left to right.

    >>> momentum = chain(add_weight_decay(), trace_momentum(), scale_by_learning_rate())

    Raises:
        ArgumentError: no transform, or something that is not one.
    """
    if not transforms:
        raise ArgumentError("chain: needs at least one transform.")
    for transform in transforms:
        if not isinstance(transform, Transform):
            raise ArgumentError(
                f"chain: every argument must be a Transform, but one is {transform!r}. "
                f"Call the function that makes it: trace_momentum(), not trace_momentum."
            )
    return Chain(transforms)


def working_dtype(parameter: Tensor) -> DType:
    """The data type in which a parameter is updated: its own, but float32 for bfloat16."""
    return float32 if parameter.dtype is bfloat16 else parameter.dtype


def converted(tensor: Tensor, dtype: DType) -> Tensor:
    """Return the tensor in that data type: itself if it has it already."""
    return tensor if tensor.dtype is dtype else tensor.astype(dtype)


def cast(value: Any, like: Tensor) -> Any:
    """Bring a scalar to the data type of `like`; a plain number stays, for it takes that type.

    Scalars are computed in float64 and rounded once, here: beta2 ** step in float32 would lose
    half of its digits.
    """
    return converted(value, like.dtype) if isinstance(value, Tensor) else value
