"""All numbers that a training step reads and writes: taken as a copy, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import steepest as st
from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import CheckpointError
from steepest.trace.containers import map_leaves


@dataclass(frozen=True)
class TrainingState:
    """A copy of everything a step changes; nothing in it is shared with the training.

    Attributes:
        model: the model's `state_dict`.
        buffers: buffers that are not part of it, by name.
        optimizer: the optimizer's `state_dict`.
        generators: key and counter of every random generator the model may draw from; the
            default generator comes first.
    """

    model: dict[str, Tensor]
    buffers: dict[str, Tensor]
    optimizer: dict[str, Any]
    generators: list[dict[str, Tensor]]


def capture(model: nn.Module, optimizer: Any) -> TrainingState:
    """Copy the state of a model, its optimizer and the random generators."""
    return TrainingState(
        model=model.state_dict(),
        buffers={name: _copy(buffer) for name, buffer in _hidden_buffers(model).items()},
        optimizer=map_leaves(_copy, optimizer.state_dict()),
        generators=[
            {"key": _copy(each.key), "counter": _copy(each.counter)} for each in generators(model)
        ],
    )


def restore(model: nn.Module, optimizer: Any, state: TrainingState) -> None:
    """Put a captured state back, bit for bit; it stays as it is when training goes on.

    Raises:
        CheckpointError: it belongs to another model or optimizer; nothing is changed then.
    """
    before = capture(model, optimizer)
    try:
        _put_back(model, optimizer, state)
    except CheckpointError:
        _put_back(model, optimizer, before)
        raise


def generators(model: nn.Module) -> list[st.random.Generator]:
    """Return the default generator, then those that modules hold as attributes, each once."""
    found = [st.random.default_generator]
    for module in model.modules():
        for value in vars(module).values():
            is_new = all(value is not each for each in found)
            if isinstance(value, st.random.Generator) and is_new:
                found.append(value)
    return found


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Leave every layer in the mode, training or evaluation, in which it was found."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def randomness_kept(model: nn.Module) -> Iterator[None]:
    """Put all random generators that the model draws from back to where they were."""
    sources = generators(model)
    before = [{"key": _copy(each.key), "counter": _copy(each.counter)} for each in sources]
    try:
        yield
    finally:
        for generator, saved in zip(sources, before, strict=True):
            put_generator(generator, saved)


@contextmanager
def randomness_from(generator: st.random.Generator) -> Iterator[None]:
    """Let the default generator go on where `generator` stands, and keep its own place."""
    default = st.random.default_generator
    outside = {"key": _copy(default.key), "counter": _copy(default.counter)}
    put_generator(default, vars(generator))
    try:
        yield
    finally:
        put_generator(generator, vars(default))
        put_generator(default, outside)


def nonfinite_name(model: nn.Module, optimizer: Any) -> str:
    """Return the name of the first number that is NaN or infinite; empty if all are finite.

    Looks at parameters, buffers, then at what the optimizer keeps for each parameter.
    """
    parameters = list(model.named_parameters())
    for name, tensor in [*parameters, *model.named_buffers()]:
        if not all_finite(tensor):
            return name
    names = {id(tensor): name for name, tensor in parameters}
    for parameter, held in getattr(optimizer, "state", {}).items():
        for slot, tensor in held.items():
            if isinstance(tensor, Tensor) and not all_finite(tensor):
                return f"{names.get(id(parameter), 'a parameter')} ({slot} of the optimizer)"
    return ""


def all_finite(values: Any) -> bool:
    """Return whether an array or tensor holds neither NaN nor infinities."""
    array = np.asarray(values)
    if array.dtype.kind not in "fc":
        return True
    return bool(np.isfinite(array).all())


def _put_back(model: nn.Module, optimizer: Any, state: TrainingState) -> None:
    hidden = _hidden_buffers(model)
    own = generators(model)
    if set(hidden) != set(state.buffers) or len(own) != len(state.generators):
        raise CheckpointError(
            f"resume: the checkpoint is of another model: it has {len(state.buffers)} further "
            f"buffers and {len(state.generators)} random generators, this one has {len(hidden)} "
            f"and {len(own)}."
        )
    model.load_state_dict(map_leaves(_copy, state.model))
    optimizer.load_state_dict(map_leaves(_copy, state.optimizer))
    for name, buffer in hidden.items():
        buffer.assign(_copy(state.buffers[name]))
    for generator, saved in zip(own, state.generators, strict=True):
        put_generator(generator, saved)


def put_generator(generator: st.random.Generator, saved: Mapping[str, Any]) -> None:
    """Set a random generator to a saved key and counter."""
    generator.key.assign(_copy(saved["key"]))
    generator.counter.assign(_copy(saved["counter"]))


def _hidden_buffers(model: nn.Module) -> dict[str, Tensor]:
    """Buffers that a `state_dict` leaves out."""
    return dict(_named_hidden(model))


def _named_hidden(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, buffer in model.named_buffers():
        if not buffer.persistent:
            yield name, buffer


def _copy(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, Tensor) else leaf
