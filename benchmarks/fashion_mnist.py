"""Time to accuracy on Fashion-MNIST: `python -m benchmarks.fashion_mnist --library torch --seed 0`.

The recipe is that of `examples/fashion_mnist.py` to the letter, in each library: network, first
weights, batches and what is done to their images are the same numbers; only dropout draws its own.
PyTorch gets channels last and a fused optimizer; with `torch-compile`, `torch.compile` too. Seconds
count from the data in memory, and hold everything after it: making the network, compiling, training
and looking at the 10,000 test images after every epoch. Run it on an idle machine, one at a time.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import steepest as st
from examples.fashion_mnist import (
    EVALUATION_BATCH,
    FOLDER,
    LONG,
    SHORT,
    ImageBatches,
    Recipe,
    build_network,
    optimizer_settings,
    parameter_groups,
    read_images,
    schedule_settings,
    train,
)
from steepest.data.batches import BatchPlan
from steepest.data.images import PreparedImages
from steepest.train import Callback

AIMS = (0.93, 0.94)
"""The shares of the test images whose time is told."""


class Stopwatch:
    """Prints a line for every epoch, and keeps when an accuracy was reached first."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._reached: dict[float, str] = {}
        print("epoch  seconds  test accuracy")

    def epoch(self, number: int, accuracy: float) -> None:
        """Take in the share of test images that are right after an epoch, counted from 1."""
        seconds = time.perf_counter() - self._began
        print(f"{number:5d}  {seconds:7.1f}  {100 * accuracy:.2f} %", flush=True)
        for aim in AIMS:
            if accuracy >= aim:
                self._reached.setdefault(aim, f"{seconds:.1f} s, epoch {number}")

    def end(self) -> None:
        """Print the times to the aims."""
        for aim in AIMS:
            print(f"{100 * aim:.0f} % reached: {self._reached.get(aim, 'not')}")


class Lap(Callback):
    """Tells the stopwatch of each epoch of a `Trainer`."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_epoch_end(self, trainer: st.Trainer, epoch: int, record: Mapping[str, float]) -> None:
        del trainer
        self._watch.epoch(epoch, record["val_accuracy"])


def run_steepest(recipe: Recipe, data: PreparedImages, seed: int, watch: Stopwatch) -> None:
    """The example, with the test images watched."""
    train(recipe, data, data.test, seed, callbacks=(Lap(watch),), progress="none")


class TorchRun:
    """The same training as PyTorch does it fastest.

    Args:
        recipe: network and training.
        data: the images.
        seed: of first weights, dropout, order and augmentation.
        compiled: whether `torch.compile` makes the network's passes.
    """

    def __init__(self, recipe: Recipe, data: PreparedImages, seed: int, compiled: bool) -> None:
        import torch

        torch.manual_seed(seed)
        self._recipe = recipe
        self._data = data
        self._prepare = ImageBatches(data, recipe.augmentation, seed)
        self._plan = BatchPlan(len(data.train), recipe.batch_size, seed, drop_last=True)
        network = build_network(recipe, torch.nn)
        network.load_state_dict(first_weights(recipe, seed))
        network.to(memory_format=torch.channels_last)
        groups = parameter_groups(network)
        self._optimizer = torch.optim.SGD(groups, **optimizer_settings(recipe), fused=True)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, **schedule_settings(recipe, len(data.train))
        )
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.network = network
        self._passes = torch.compile(network) if compiled else network
        self._codes = torch.from_numpy(data.codes)

    def run(self, watch: Stopwatch) -> None:
        """Train, and look at the test images after every epoch."""
        for epoch in range(self._recipe.epochs):
            self.network.train()
            for rows in self._plan.batches(epoch):
                self._step(self._data.train[rows], epoch)
            watch.epoch(epoch + 1, self._accuracy())

    def _step(self, places: np.ndarray, epoch: int) -> None:
        loss = self._loss(self._passes(self._images(places, epoch)), self._codes[places])
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._schedule.step()

    def _accuracy(self) -> float:
        import torch

        self.network.eval()
        right = 0
        with torch.inference_mode():
            for first in range(0, len(self._data.test), EVALUATION_BATCH):
                places = self._data.test[first : first + EVALUATION_BATCH]
                chosen = self._passes(self._images(places, None)).argmax(1)
                right += int((chosen == self._codes[places]).sum())
        return right / len(self._data.test)

    def _images(self, places: np.ndarray, epoch: int | None) -> Any:
        import torch

        images = torch.from_numpy(self._prepare.images(places, epoch))
        return images.contiguous(memory_format=torch.channels_last)


def first_weights(recipe: Recipe, seed: int) -> dict[str, Any]:
    """The weights with which steepest's network begins, as PyTorch's tensors."""
    import torch

    st.random.seed(seed)
    state = build_network(recipe).state_dict()
    return {name: torch.from_numpy(np.array(value)) for name, value in state.items()}


def run_torch(
    recipe: Recipe, data: PreparedImages, seed: int, watch: Stopwatch, compiled: bool = False
) -> None:
    """See `TorchRun`."""
    TorchRun(recipe, data, seed, compiled).run(watch)


LIBRARIES: dict[str, Callable[[Recipe, PreparedImages, int, Stopwatch], None]] = {
    "steepest": run_steepest,
    "torch": run_torch,
    "torch-compile": partial(run_torch, compiled=True),
}


def use_threads(library: str, threads: int) -> None:
    """Leave the process so many processors, which is what steepest goes by, and tell PyTorch."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if library != "steepest":
        import torch

        torch.set_num_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.fashion_mnist")
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("--library", choices=LIBRARIES, default="steepest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long", action="store_true", help="the recipe for 94 %%")
    parser.add_argument("--epochs", type=int, help="other than the recipe's")
    parser.add_argument("--data", type=Path, default=FOLDER, metavar="FOLDER", help="IDX files")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    recipe = LONG if options.long else SHORT
    if options.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    use_threads(options.library, options.threads)
    data = read_images(options.data)
    load = os.getloadavg()[0]
    print(f"{options.library}, {options.threads} threads, seed {options.seed}, load {load:.1f}")
    watch = Stopwatch()
    LIBRARIES[options.library](recipe, data, options.seed, watch)
    watch.end()


if __name__ == "__main__":
    main()
