"""PyTorch at its best on CPUs: fused optimizers, and `torch.compile` as a way of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries.session import Library, Session, Task
from benchmarks.workloads.workload import Optimizer


class Torch(Library):
    """PyTorch, eager or with `torch.compile` over forward pass and loss."""

    package = "torch"

    def __init__(self, name: str, compiled: bool):
        self.name = name
        self.compiled = compiled

    def environment(self, threads: int, cache: Path) -> dict[str, str]:
        return {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
        }

    def prepare(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def training(self, task: Task) -> Session:
        return Training(task, self.compiled)

    def prediction(self, task: Task) -> Session:
        return Prediction(task, self.compiled)

    def contraction(self, left: np.ndarray, right: np.ndarray, form: str, chain: int) -> Session:
        return Contraction(left, right, form, chain)


class TorchSession(Session):
    """What all sessions share."""

    def numbers(self, result: Any) -> np.ndarray:
        return result.detach().numpy()


class Training(TorchSession):
    """The usual training step."""

    def __init__(self, task: Task, compiled: bool):
        import torch
        from torch.nn import functional

        workload = task.workload
        model = make_model(task)
        self._loss = {
            "cross_entropy": functional.cross_entropy,
            "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
            "mean_squared": functional.mse_loss,
        }[workload.loss]
        self._model = model
        self._parameters = list(model.parameters())
        self._optimizer = make_optimizer(workload.optimizer, self._parameters)
        self._clip_norm = workload.optimizer.clip_norm
        self._objective = torch.compile(self._forward) if compiled else self._forward
        self._batches = make_tensors(task)
        self._done = 0

    def _forward(self, inputs: tuple[Any, ...], target: Any) -> Any:
        return self._loss(self._model(*inputs), target)

    def step(self) -> Any:
        import torch

        inputs, target = self._batches[self._done % len(self._batches)]
        self._done += 1
        loss = self._objective(inputs, target)
        self._optimizer.zero_grad()
        loss.backward()
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm, foreach=True)
        self._optimizer.step()
        return loss


class Prediction(TorchSession):
    """The forward pass in inference mode."""

    def __init__(self, task: Task, compiled: bool):
        import torch

        model = make_model(task).eval()
        self._model = torch.compile(model) if compiled else model
        self._batches = make_tensors(task)
        self._done = 0

    def step(self) -> Any:
        import torch

        inputs, _ = self._batches[self._done % len(self._batches)]
        self._done += 1
        with torch.inference_mode():
            return self._model(*inputs)


class Contraction(TorchSession):
    """A chain of matrix products into buffers that are there already."""

    def __init__(self, left: np.ndarray, right: np.ndarray, form: str, chain: int):
        import torch

        self._left = torch.from_numpy(left)
        self._right = torch.from_numpy(right).T if form[1] == "t" else torch.from_numpy(right)
        self._transposed = form[0] == "t"
        self._buffers = [torch.empty_like(self._left) for _ in range(2)]
        self._chain = chain

    def step(self) -> Any:
        import torch

        value = self._left
        for number in range(self._chain):
            out = self._buffers[number % 2]
            value = torch.mm(value.T if self._transposed else value, self._right, out=out)
        return value


def make_tensors(task: Task) -> list[tuple[tuple[Any, ...], Any]]:
    """The batches as tensors."""
    import torch

    def tensor(array: np.ndarray) -> Any:
        made = torch.from_numpy(array)
        return made.to(memory_format=torch.channels_last) if made.ndim == 4 else made

    return [
        (tuple(tensor(each) for each in batch.inputs), tensor(batch.target))
        for batch in task.batches
    ]


def make_optimizer(settings: Optimizer, parameters: list[Any]) -> Any:
    import torch

    if settings.name == "adam":
        return torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(
        parameters, lr=settings.learning_rate, momentum=settings.momentum, fused=True
    )


def make_model(task: Task) -> Any:
    """The network with the task's parameters."""
    import torch

    from benchmarks.libraries.pytorch_network import make_network

    model = make_network(task.workload.layers)
    with torch.no_grad():
        for parameter, numbers in zip(model.parameters(), task.parameters, strict=True):
            parameter.copy_(torch.from_numpy(numbers))
    # Images with channels last are PyTorch's fastest; other layers do not change.
    return model.to(memory_format=torch.channels_last)
