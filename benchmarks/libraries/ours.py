"""steepest, as its README shows it: a compiled step on tensors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries.session import Library, Session, Task
from benchmarks.workloads.workload import Optimizer


class Steepest(Library):
    """steepest with its native back end, or with the evaluator."""

    package = "steepest"

    def __init__(self, name: str, back_end: str):
        self.name = name
        self.back_end = back_end

    def environment(self, threads: int, cache: Path) -> dict[str, str]:
        from steepest.options import Options

        variables = {"STEEPEST_THREADS": str(threads), "STEEPEST_CACHE": str(cache)}
        known = {f"STEEPEST_{field.name.upper()}" for field in dataclasses.fields(Options)}
        return {name: value for name, value in variables.items() if name in known}

    def prepare(self, threads: int) -> None:
        del threads
        import steepest  # noqa: F401

    def training(self, task: Task) -> Session:
        return Training(task, self.back_end)

    def prediction(self, task: Task) -> Session:
        return Prediction(task, self.back_end)

    def contraction(self, left: np.ndarray, right: np.ndarray, form: str, chain: int) -> Session:
        return Contraction(left, right, form, chain, self.back_end)


class SteepestSession(Session):
    """What all sessions share."""

    def numbers(self, result: Any) -> np.ndarray:
        return np.asarray(result)


class Training(SteepestSession):
    """The training step as one compiled function."""

    def __init__(self, task: Task, back_end: str):
        import steepest as st
        from steepest import nn, optim

        workload = task.workload
        model = make_model(task)
        optimizer = make_optimizer(workload.optimizer, model)
        clip_norm = workload.optimizer.clip_norm
        objective = {
            "cross_entropy": nn.functional.cross_entropy,
            "binary_cross_entropy": nn.functional.binary_cross_entropy_with_logits,
            "mean_squared": nn.functional.mse_loss,
        }[workload.loss]

        def step(inputs: tuple[st.Tensor, ...], target: st.Tensor) -> st.Tensor:
            loss = objective(model(*inputs), target)
            optimizer.zero_grad()
            loss.backward()
            if clip_norm is not None:
                optim.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            return loss.detach()

        self._run = st.compile(step, back_end=back_end)
        self._batches = make_tensors(task)
        columns = zip(*(inputs for inputs, _ in self._batches), strict=True)
        self._inputs = tuple(st.concat(column) for column in columns)
        self._target = st.concat([target for _, target in self._batches])
        self._done = 0

    def step(self) -> Any:
        inputs, target = self._batches[self._done % len(self._batches)]
        self._done += 1
        return self._run(inputs, target)

    def run(self, steps: int) -> None:
        """Run the steps as `fit` does: batches are taken from the data within one native call."""
        count = len(self._batches)
        numbers = (self._done + np.arange(steps)) % count
        self._done += steps
        size = self._batches[0][1].shape[0]
        rows = numbers[:, None] * size + np.arange(size)
        self._run.run_batches(rows, self._inputs, self._target)


class Prediction(SteepestSession):
    """The forward pass as one compiled function."""

    def __init__(self, task: Task, back_end: str):
        import steepest as st

        model = make_model(task).eval()

        def predict(inputs: tuple[st.Tensor, ...]) -> st.Tensor:
            with st.no_grad():
                return model(*inputs)

        self._run = st.compile(predict, back_end=back_end)
        self._batches = make_tensors(task)
        self._done = 0

    def step(self) -> Any:
        inputs, _ = self._batches[self._done % len(self._batches)]
        self._done += 1
        return self._run(inputs)


class Contraction(SteepestSession):
    """A chain of contractions in one program."""

    def __init__(self, left: np.ndarray, right: np.ndarray, form: str, chain: int, back_end: str):
        import steepest as st

        def contract(left: st.Tensor, right: st.Tensor) -> st.Tensor:
            for _ in range(chain):
                left = (left.T if form[0] == "t" else left) @ (right.T if form[1] == "t" else right)
            return left

        self._run = st.compile(contract, back_end=back_end)
        self._left, self._right = st.asarray(left), st.asarray(right)

    def step(self) -> Any:
        return self._run(self._left, self._right)


def make_tensors(task: Task) -> list[tuple[tuple[Any, ...], Any]]:
    """The batches as tensors."""
    import steepest as st

    return [
        (tuple(st.asarray(each) for each in batch.inputs), st.asarray(batch.target))
        for batch in task.batches
    ]


def make_optimizer(settings: Optimizer, model: Any) -> Any:
    from steepest import optim

    parameters = model.parameters()
    if settings.name == "adam":
        return optim.Adam(parameters, lr=settings.learning_rate)
    return optim.SGD(parameters, lr=settings.learning_rate, momentum=settings.momentum)


def make_model(task: Task) -> Any:
    """The network with the task's parameters."""
    import steepest as st
    from benchmarks.libraries.ours_network import make_network

    model = make_network(task.workload.layers)
    for parameter, numbers in zip(model.parameters(), task.parameters, strict=True):
        parameter.assign(st.asarray(numbers))
    return model
