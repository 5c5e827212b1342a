"""Where NaN and infinity came from: the first step, and in it the first layer.

Training looks at each loss, which it reads anyway, and at all weights every `CHECK_STEPS` steps (or
more, where a step takes little beside a look) and at the end of every epoch. At each of these
points it keeps a copy of the state, known to be good. When something is not finite, the steps since
then are repeated from that copy, bit for bit, until the first bad one; that one is run eagerly with
a look at the output of every layer. The model is left with the weights from before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest import nn
from steepest.array.tensor import Tensor
from steepest.errors import NonFiniteError, SteepestError
from steepest.trace.containers import flatten
from steepest.train.history import format_number
from steepest.train.source import Batch
from steepest.train.state import TrainingState, all_finite, capture, nonfinite_name, restore
from steepest.train.step import TrainingStep
from steepest.train.step_schedules import ScheduleState, StepSchedules

CHECK_STEPS = 64
"""Fewest steps between two looks at all weights."""

MOST_CHECK_STEPS = 4096
"""Most steps between two looks: all of them are repeated, one by one, to find a fault."""

CHECK_SHARE = 0.02
"""About how much of the time the looks may take, where steps are short."""

LARGE = 1e4
"""Inputs beyond this size are suspected of not having been scaled."""


@dataclass(frozen=True)
class Fault:
    """Where the first number that is not finite appeared.

    Attributes:
        step: the training step, counted from 1 over all epochs.
        epoch: its epoch, counted from 1.
        batch: its batch in the epoch, counted from 1.
        layer: the module's qualified name; empty for the whole model or the loss.
        place: `"forward"`, `"loss"`, `"gradient"`, `"update"`, or `"unknown"` when repeating the
            steps did not bring it back.
        text: what was seen, as part of a sentence.
        fix: what to do.
    """

    step: int
    epoch: int
    batch: int
    layer: str
    place: str
    text: str
    fix: str


class TrainingFaultError(NonFiniteError):
    """Training that turned NaN or infinite.

    Attributes:
        fault: where it began.
    """

    def __init__(self, message: str, fault: Fault) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class Position:
    """A place in a training run.

    Attributes:
        epoch: epochs of this fit that are complete.
        batch: the batch of the epoch that comes next.
        steps: training steps done, over all epochs.
    """

    epoch: int
    batch: int
    steps: int


class FaultGuard:
    """Keeps the last good state of a training run, and finds the fault when there is one.

    Args:
        model: the network.
        optimizer: its optimizer.
        step: the training step.
        batch_at: returns the batch of an epoch and batch number.
        schedules: those that are stepped after each step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        step: TrainingStep,
        batch_at: Callable[[int, int], Batch],
        schedules: StepSchedules,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._step = step
        self._batch_at = batch_at
        self._schedules = schedules
        self._good: TrainingState | None = None
        self._good_schedules: ScheduleState = []
        self._marked_at: float | None = None
        self._looked_at: float | None = None
        self._spacing = CHECK_STEPS
        self.position = Position(0, 0, 0)

    def steps_left(self, steps: int) -> int:
        """How many steps may follow when so many were done, until it is time for a look."""
        return self.position.steps + self._spacing - steps

    def mark(self, position: Position, checked: bool = False) -> TrainingState:
        """Look at all weights, and keep a copy of the state as good.

        Args:
            checked: nothing has changed since they were looked at.

        Returns:
            The copy.

        Raises:
            TrainingFaultError: a weight is not finite.
        """
        if not checked:
            self.check(position)
        began = time.perf_counter()
        self._good = capture(self._model, self._optimizer)
        self._good_schedules = self._schedules.state()
        self._space_out(position.steps - self.position.steps, time.perf_counter() - began)
        self.position = position
        return self._good

    def _space_out(self, steps: int, seconds: float) -> None:
        """Set how many steps lie between looks, after some steps and a copy that took so long.

        A look takes about as long as a copy. What came between the first look after the steps and
        the copy, such as validation, counts neither as steps nor as a look.
        """
        if steps and self._marked_at is not None and self._looked_at is not None:
            allowed = CHECK_SHARE * max(self._looked_at - self._marked_at, 1e-9) / steps
            self._spacing = int(min(max(2 * seconds / allowed, CHECK_STEPS), MOST_CHECK_STEPS))
        self._marked_at, self._looked_at = time.perf_counter(), None

    def check(self, position: Position) -> None:
        """Raise TrainingFaultError if a weight or the optimizer's state is not finite."""
        if self._looked_at is None:
            self._looked_at = time.perf_counter()
        name = nonfinite_name(self._model, self._optimizer)
        if name and self._good is None:
            raise NonFiniteError(
                f"fit: {name} holds NaN or infinite numbers before training begins. Initialise "
                f"the model anew, or load other weights."
            )
        if name:
            raise self.fault(position, f"{name} became non-finite by")

    def loss_fault(self, position: Position, loss: float) -> TrainingFaultError:
        """Return the error for a loss that is not finite; `position` is before its step."""
        what = "NaN" if math.isnan(loss) else "infinite"
        after = Position(position.epoch, position.batch + 1, position.steps + 1)
        return self.fault(after, f"loss became {what} at")

    def fault(self, position: Position, what: str) -> TrainingFaultError:
        """Find the first bad step and layer, and go back to the state before it.

        Args:
            position: after the step at which something was seen.
            what: begins the message; the step follows.
        """
        seen = f"{what} step {position.steps} (epoch {position.epoch + 1}, batch {position.batch})"
        fault = self._locate(position)
        if fault.place == "unknown":
            message = f"{seen}: {fault.text}."
        elif fault.step == position.steps:
            message = f"{seen}: the first non-finite numbers {fault.text}."
        else:
            message = (
                f"{seen}: the first non-finite numbers appeared at step {fault.step} "
                f"(epoch {fault.epoch}, batch {fault.batch}) and {fault.text}."
            )
        kept = f"The model keeps its weights from before step {fault.step}."
        return TrainingFaultError(f"{message} Fix: {fault.fix} {kept}", fault)

    def _locate(self, position: Position) -> Fault:
        bad = self._first_bad_step(position.batch - self.position.batch)
        if bad is None:
            self._return()
            text = (
                f"repeating the steps since step {self.position.steps} brought nothing back, so "
                f"something outside of the training step changed the model"
            )
            return self._fault(0, "", "unknown", text, "look at what the callbacks do.")
        self._replay(bad)
        before = capture(self._model, self._optimizer)
        batch = self._batch_at(self.position.epoch, self.position.batch + bad)
        try:
            layer, place, text, fix = self._examine(batch)
        finally:
            restore(self._model, self._optimizer, before)
        return self._fault(bad, layer, place, text, fix or _usual_fix(batch))

    def _fault(self, offset: int, layer: str, place: str, text: str, fix: str) -> Fault:
        return Fault(
            step=self.position.steps + offset + 1,
            epoch=self.position.epoch + 1,
            batch=self.position.batch + offset + 1,
            layer=layer,
            place=place,
            text=text,
            fix=fix,
        )

    def _return(self) -> None:
        """Go back to the last good state."""
        assert self._good is not None
        restore(self._model, self._optimizer, self._good)
        self._schedules.restore(self._good_schedules)

    def _repeat(self, offset: int) -> float:
        """Run one step again and return its loss."""
        batch = self._batch_at(self.position.epoch, self.position.batch + offset)
        (loss,) = self._step(batch).losses
        self._schedules.step()
        return loss

    def _replay(self, count: int) -> None:
        self._return()
        for offset in range(count):
            self._repeat(offset)

    def _first_bad_step(self, count: int) -> int | None:
        """Return how many steps after the good state the first bad one is."""
        self._return()
        for offset in range(count):
            loss = self._repeat(offset)
            if not math.isfinite(loss) or nonfinite_name(self._model, self._optimizer):
                return offset
        return None

    def _examine(self, batch: Batch) -> tuple[str, str, str, str]:
        """Run the bad step eagerly; return layer, place, text and fix (empty for the usual)."""
        watch = _ForwardWatch(self._model)
        try:
            output = self._step.forward(batch)
        finally:
            watch.remove()
        if watch.found is not None:
            return watch.found
        try:
            loss = self._step.loss(output, batch)
            loss_is_finite = all_finite(loss)
        except SteepestError:
            loss_is_finite = False
        if not loss_is_finite:
            text = f"came out of the loss (model output {_range(output)})"
            fix = (
                "choose a loss that is finite for such outputs, such as one that takes logits, or "
                "lower the learning rate."
            )
            return "", "loss", text, fix
        self._step.take_gradients(loss)
        return self._examine_gradients(watch.order) or self._examine_update()

    def _examine_gradients(
        self, order: Sequence[tuple[str, nn.Module]]
    ) -> tuple[str, str, str, str] | None:
        """Look at the gradients in the order of the backward pass."""
        for name, module in reversed(order):
            for parameter_name, parameter in module.named_parameters(recurse=False):
                if parameter.grad is not None and not all_finite(parameter.grad):
                    text = (
                        f"were the gradient of {parameter_name!r} of {_label(module, name)} "
                        f"(its weights {_range(parameter)})"
                    )
                    fix = (
                        "look for a square root, logarithm or division at 0 behind this layer, "
                        "lower the learning rate, or scale the inputs."
                    )
                    return name, "gradient", text, fix
        return None

    def _examine_update(self) -> tuple[str, str, str, str]:
        gradients = [each.grad for each in self._model.parameters() if each.grad is not None]
        rate = float(self._optimizer.param_groups[0]["lr"])
        self._step.update()
        name = nonfinite_name(self._model, self._optimizer)
        if not name:
            text = "did not come back when the step was repeated eagerly"
            return "", "unknown", text, ""
        if name in dict(self._model.named_buffers()):
            text = f"came into {name!r}, which the forward pass keeps"
            return name.rpartition(".")[0], "forward", text, ""
        optimizer = type(self._optimizer).__name__
        text = (
            f"came out of the update of {name!r} by {optimizer} (learning rate "
            f"{format_number(rate)}, gradients {_range(gradients)})"
        )
        return name.rpartition(".")[0], "update", text, ""


class _ForwardWatch:
    """Looks at the output of every module while it runs, innermost first."""

    def __init__(self, model: nn.Module) -> None:
        self.found: tuple[str, str, str, str] | None = None
        self.order: list[tuple[str, nn.Module]] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._handles = [each.register_forward_hook(self._look) for each in model.modules()]

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()

    def _look(self, module: nn.Module, inputs: Any, output: Any) -> None:
        name = self._names[id(module)]
        self.order.append((name, module))
        if self.found is not None or _is_finite(output):
            return
        label = _label(module, name)
        if not _is_finite(inputs):
            text = f"came into {label} as its input, from what the model does before it"
            fix = "look at the operations before this layer, for example a division by 0."
            self.found = (name, "forward", text, fix)
            return
        weights = list(module.parameters(recurse=False))
        largest = f", largest weight {_largest(weights)}" if weights else ""
        text = f"came out of {label} (input {_range(inputs)}{largest})"
        self.found = (name, "forward", text, "")


def _usual_fix(batch: Batch) -> str:
    """What helps against numbers that grow out of bounds, given what the model was fed."""
    inputs = (batch.inputs, batch.named)
    lowest, highest = _bounds(inputs)
    if max(abs(lowest), abs(highest)) > LARGE:
        return (
            f"scale the model's inputs, here {_range(inputs)}, to mean 0 and deviation 1; lower "
            f"the learning rate, or clip gradients with Trainer(clip_norm=1.0)."
        )
    return "lower the learning rate, or clip gradients with Trainer(clip_norm=1.0)."


def _label(module: nn.Module, name: str) -> str:
    return f"{type(module).__name__} {name!r}" if name else type(module).__name__


def _arrays(tree: Any) -> list[Any]:
    leaves, _ = flatten(tree)
    arrays = [np.asarray(leaf) for leaf in leaves if isinstance(leaf, Tensor | np.ndarray)]
    return [array for array in arrays if array.size and array.dtype.kind in "iuf"]


def _is_finite(tree: Any) -> bool:
    return all(all_finite(array) for array in _arrays(tree))


def _bounds(tree: Any) -> tuple[float, float]:
    arrays = _arrays(tree)
    if not arrays:
        return 0.0, 0.0
    lowest = min(float(np.min(array)) for array in arrays)
    highest = max(float(np.max(array)) for array in arrays)
    return lowest, highest


def _range(tree: Any) -> str:
    lowest, highest = _bounds(tree)
    return f"from {format_number(lowest)} to {format_number(highest)}"


def _largest(tree: Any) -> str:
    lowest, highest = _bounds(tree)
    return format_number(max(abs(lowest), abs(highest)))
