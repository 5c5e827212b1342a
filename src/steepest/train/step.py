"""One training step and one evaluation step, as functions that the compiler makes programs of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import steepest as st
from steepest import nn, optim
from steepest.array.tensor import Tensor
from steepest.compile import Compiled
from steepest.trace.containers import flatten, map_leaves
from steepest.train.losses import Loss, weighted_loss
from steepest.train.plan import slices
from steepest.train.source import ArraySource, Batch

STRETCH_SECONDS = 0.05
"""About how long steps are run with no look at Ctrl-C, callbacks or progress in between."""

MOST_STRETCH_BYTES = 64_000_000
"""Outputs that an evaluation's steps give back together."""

MOST_STRETCH_SAMPLES = 1_000_000
"""Samples that an evaluation's steps take together."""


@dataclass(frozen=True)
class StepResults:
    """What training steps give back, one after the other.

    Attributes:
        losses: each batch's loss.
        output: the model's outputs for all samples of the batches, a container of arrays; None
            unless they were asked for.
        gradient_norms: `(steps, parameters)` float64; None unless they are watched.
    """

    losses: list[float]
    output: Any
    gradient_norms: npt.NDArray[np.float64] | None


class TrainingStep:
    """Forward pass, loss, backward pass, clipping and update, as one function of the batch.

    Args:
        model: the network, in training mode when called.
        loss: `loss(output, target)`, a 0-d tensor.
        optimizer: updates the model's parameters.
        clip_norm: largest common norm of all gradients, or None.
        clip_value: largest absolute value of a gradient, or None.
        weighted: whether batches come with sample weights.
        keeps_output: whether the model's outputs are handed back.
        watches_gradients: whether the norm of each gradient, before clipping, is handed back.
        compiled: whether the step runs as a compiled program.
        back_end: what runs the program; see `steepest.compile`.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: Any,
        *,
        clip_norm: float | None,
        clip_value: float | None,
        weighted: bool,
        keeps_output: bool,
        watches_gradients: bool,
        compiled: bool,
        back_end: str | None = None,
    ) -> None:
        self._model = model
        self._loss = batch_loss(loss, weighted)
        self._optimizer = optimizer
        self._clip_norm = clip_norm
        self._clip_value = clip_value
        self._keeps_output = keeps_output
        self._watches_gradients = watches_gradients
        self._run = st.compile(self._step, back_end=back_end) if compiled else self._step

    def _step(self, inputs: Any, named: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        output = self._model(*inputs, **named)
        loss = self._loss(output, target, weight)
        norms = self.take_gradients(loss)
        self.update()
        return loss.detach(), detached(output) if self._keeps_output else None, norms

    def forward(self, batch: Batch) -> Any:
        """Return the model's output, eagerly."""
        inputs, named, _, _ = step_arguments(batch)
        return self._model(*inputs, **named)

    def loss(self, output: Any, batch: Batch) -> Tensor:
        """Return the loss of an output, eagerly."""
        _, _, target, weight = step_arguments(batch)
        return self._loss(output, target, weight)

    def take_gradients(self, loss: Tensor) -> Tensor | None:
        """Fill in the gradients of the loss; return their norms if they are watched."""
        self._optimizer.zero_grad()
        loss.backward()
        return gradient_norms(self._model) if self._watches_gradients else None

    def update(self) -> None:
        """Clip the gradients and change the parameters by them."""
        if self._clip_value is not None:
            optim.clip_grad_value_(self._model.parameters(), self._clip_value)
        if self._clip_norm is not None:
            optim.clip_grad_norm_(self._model.parameters(), self._clip_norm)
        self._optimizer.step()

    def __call__(self, batch: Batch) -> StepResults:
        """Update the model by one batch."""
        loss, output, norms = self._run(*step_arguments(batch))
        return StepResults(
            losses=[float(loss)],
            output=None if output is None else to_arrays(output),
            gradient_norms=None if norms is None else np.asarray(norms)[None],
        )

    def many(
        self,
        data: StepArguments,
        rows: npt.NDArray[np.int64],
        scheduled: Mapping[Tensor, npt.NDArray[np.float64]],
    ) -> StepResults:
        """Update the model by many batches, one after the other.

        Args:
            data: all samples.
            rows: `(steps, batch_size)`: which of them make up each batch.
            scheduled: what each hyperparameter that changes is at each step.
        """
        assert isinstance(self._run, Compiled)
        losses, outputs, norms = self._run.run_batches_varying(rows, scheduled, *data)
        return StepResults(
            losses=np.asarray(losses).tolist(),
            output=None if outputs is None else map_leaves(_joined, to_arrays(outputs)),
            gradient_norms=None if norms is None else np.asarray(norms),
        )

    @property
    def is_compiled(self) -> bool:
        """Whether the step runs as a compiled program."""
        return isinstance(self._run, Compiled)


class EvaluationStep:
    """Forward pass, and the loss where there is a target; no gradients, nothing is changed.

    Args:
        model: the network, in evaluation mode when called.
        loss: `loss(output, target)`, or None to predict only.
        compiled: whether the step runs as a compiled program.
        back_end: what runs the program; see `steepest.compile`.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss | None,
        *,
        compiled: bool,
        back_end: str | None = None,
    ) -> None:
        compute_loss = None if loss is None else batch_loss(loss, weighted=False)

        def step(inputs: Any, named: Any, target: Any, weight: Any) -> tuple[Any, Any]:
            with st.no_grad():
                output = model(*inputs, **named)
                value = None if compute_loss is None else compute_loss(output, target, weight)
                return value, output

        self.run = st.compile(step, back_end=back_end) if compiled else step
        self._samples_a_call = 1

    def __call__(self, batch: Batch) -> tuple[float, Any]:
        """Return the batch's loss (0 when only predicting) and the output as arrays."""
        value, output = self.run(*step_arguments(batch))
        return 0.0 if value is None else float(value), to_arrays(output)

    def over(self, source: ArraySource, batch_size: int) -> Iterator[tuple[slice, float, Any]]:
        """Go over all samples batch by batch, many in one call where none is prepared by itself.

        A call takes about `STRETCH_SECONDS`, and gives back `MOST_STRETCH_BYTES` at most.

        Yields:
            Which samples, and what a call returns for their batch.
        """
        parts = slices(source.rows, batch_size)
        together = isinstance(self.run, Compiled) and not source.is_prepared
        full = source.rows // batch_size if together else 0
        done = 0
        while done < full:
            some = parts[done : min(full, done + max(1, self._samples_a_call // batch_size))]
            yield from self._many(source, some)
            done += len(some)
        for part in parts[full:]:
            yield part, *self(source.batch(part))

    def _many(
        self, source: ArraySource, parts: Sequence[slice]
    ) -> Iterator[tuple[slice, float, Any]]:
        """The same for consecutive batches of one size in one call."""
        assert isinstance(self.run, Compiled)
        began = time.perf_counter()
        batch = source.batch(slice(parts[0].start, parts[-1].stop))
        rows = np.arange(batch.size).reshape(len(parts), -1)
        values, outputs = self.run.run_batches(rows, *step_arguments(batch))
        arrays = to_arrays(outputs)
        seconds = max(time.perf_counter() - began, 1e-6)
        given = sum(leaf.nbytes for leaf in flatten(arrays)[0] if isinstance(leaf, np.ndarray))
        share = min(STRETCH_SECONDS / seconds, MOST_STRETCH_BYTES / max(given, 1))
        self._samples_a_call = int(min(batch.size * share, MOST_STRETCH_SAMPLES))
        losses = [0.0] * len(parts) if values is None else np.asarray(values).tolist()
        for number, part in enumerate(parts):
            yield part, losses[number], _at(arrays, number)


def batch_loss(loss: Loss, weighted: bool) -> Callable[[Any, Any, Any], Tensor]:
    """Return `f(output, target, weight)`; without weights that is the loss itself."""
    if weighted:
        return weighted_loss(loss)

    def plain(output: Any, target: Any, weight: Any) -> Tensor:
        del weight
        return loss(output, target)

    return plain


StepArguments = tuple[Any, Any, Any, Any]
"""What the steps take: inputs, named inputs, target or None, weight or None."""


def step_arguments(batch: Batch) -> StepArguments:
    """The batch as tensors, in the order in which the steps take it."""

    def tensor(array: npt.NDArray) -> Tensor:
        return st.asarray(array, dtype=batch.dtype if array.dtype.kind == "f" else None)

    return (
        tuple(tensor(each) for each in batch.inputs),
        {name: tensor(each) for name, each in batch.named.items()},
        None if batch.target is None else tensor(batch.target),
        None if batch.weight is None else tensor(batch.weight),
    )


def gradient_norms(model: nn.Module) -> Tensor:
    """Return `(parameters,)` float64: the norm of each trainable parameter's gradient, or 0."""
    norms = []
    for _, parameter in trainable(model):
        gradient = parameter.grad
        if gradient is None:
            norms.append(st.zeros((), dtype=st.float64))
        else:
            norms.append(st.sqrt(st.sum(st.square(gradient.detach().astype(st.float64)))))
    return st.stack(norms)


def trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters that training changes, with their names."""
    return [(name, each) for name, each in model.named_parameters() if each.requires_grad]


def detached(output: Any) -> Any:
    """Return a model's output without its history."""
    return map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, output)


def _joined(leaf: Any) -> Any:
    """A model's output `(steps, batch, ...)` as that of all samples; what is no array stays."""
    return leaf.reshape(-1, *leaf.shape[2:]) if isinstance(leaf, np.ndarray) else leaf


def _at(outputs: Any, step: int) -> Any:
    """The outputs of one of many steps; what is no array is that of all."""
    return map_leaves(lambda leaf: leaf[step] if isinstance(leaf, np.ndarray) else leaf, outputs)


def to_arrays(output: Any) -> Any:
    """Return a container of tensors as a container of NumPy arrays."""
    return map_leaves(lambda leaf: np.asarray(leaf) if isinstance(leaf, Tensor) else leaf, output)
