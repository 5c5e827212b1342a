"""What `fit` takes beside its steps, and a usual loop in PyTorch: `python -m benchmarks.fit`.

The network of the workload `tabular` (20-64-64-2, batch 32, Adam) is trained by `Trainer.fit`, by
its step alone (`run_batches` over rows in order) and by a loop in PyTorch that does the same: it
takes shuffled rows, and figures are read once an epoch. Rounds in turn, in one process; medians.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTHS = (20, 64, 64, 2)
BATCH = 32
RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """One way to train.

    Attributes:
        rows: of the training data.
        epochs: of one round.
        metric: whether the accuracy is computed, in training too.
        validation: whether every epoch is followed by a validation on a quarter as many rows.
        schedule: whether the learning rate falls along a cosine, step by step.
    """

    rows: int = 64_000
    epochs: int = 1
    metric: bool = False
    validation: bool = False
    schedule: bool = False

    @property
    def steps(self) -> int:
        """Steps of one round."""
        return self.epochs * -(-self.rows // BATCH)


CASES = {
    "plain": Case(),
    "accuracy": Case(metric=True),
    "accuracy and validation": Case(metric=True, validation=True),
    "schedule by the step": Case(schedule=True),
    "1,000 rows, accuracy and validation": Case(1_000, 50, metric=True, validation=True),
}


def data(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and two classes that depend on them."""
    x = np.random.default_rng(0).normal(size=(rows, WIDTHS[0])).astype(np.float32)
    return x, (x[:, 0] > x[:, 1]).astype(np.int64)


def by_fit(case: Case) -> Callable[[], object]:
    """A round of `Trainer.fit`."""
    import steepest as st
    from steepest import optim
    from steepest.train import LearningRateSchedule

    x, y = data(case.rows)
    part = case.rows // 4
    validation = (x[:part], y[:part]) if case.validation else None
    model = network(st.nn)
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    trainer = st.Trainer(
        model,
        loss=st.nn.CrossEntropyLoss(),
        optimizer=optimizer,
        metrics=["accuracy"] if case.metric else [],
    )

    def turn() -> object:
        callbacks = []
        if case.schedule:
            schedule = optim.CosineAnnealingLR(optimizer, T_max=case.steps)
            callbacks.append(LearningRateSchedule(schedule, per="step"))
        return trainer.fit(
            x,
            y,
            epochs=case.epochs,
            batch_size=BATCH,
            validation_data=validation,
            callbacks=callbacks,
            progress="none",
        )

    return turn


def by_steps(case: Case) -> Callable[[], object]:
    """As many steps with nothing around them."""
    import steepest as st
    from steepest import nn, optim

    model = network(nn)
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    @st.compile
    def step(x: st.Tensor, y: st.Tensor) -> st.Tensor:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    x, y = map(st.asarray, data(case.rows))
    full = case.rows // BATCH
    rows = np.resize(np.arange(full * BATCH).reshape(full, BATCH), (case.steps, BATCH))
    return lambda: step.run_batches(rows, x, y)


def network(nn: Any) -> Any:
    """The network, made of the layers of either library, which have the same names."""
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(WIDTHS):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def by_torch(case: Case, threads: int) -> Callable[[], object]:
    """A round of the usual loop in PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    model = network(nn)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    objective = nn.CrossEntropyLoss()
    x, y = map(torch.from_numpy, data(case.rows))
    part = case.rows // 4

    def train_epoch(schedule: object) -> None:
        model.train()
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        order = torch.randperm(case.rows)
        for start in range(0, case.rows, BATCH):
            rows = order[start : start + BATCH]
            output = model(x[rows])
            loss = objective(output, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total += loss.detach() * len(rows)
            if case.metric:
                right += (output.argmax(1) == y[rows]).sum()
        total.item(), right.item()

    def validate() -> None:
        model.eval()
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        with torch.no_grad():
            for start in range(0, part, BATCH):
                output = model(x[start : start + BATCH])
                total += objective(output, y[start : start + BATCH]) * len(output)
                right += (output.argmax(1) == y[start : start + BATCH]).sum()
        total.item(), right.item()

    def turn() -> None:
        schedule = None
        if case.schedule:
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=case.steps)
        for _ in range(case.epochs):
            train_epoch(schedule)
            if case.validation:
                validate()

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each library")
    parser.add_argument("--cases", default="", help=f"of {', '.join(CASES)}; default all")
    arguments = parser.parse_args()
    os.environ["STEEPEST_THREADS"] = str(arguments.threads)
    chosen = arguments.cases.split(",") if arguments.cases else list(CASES)
    print("| µs per step | fit | its steps alone | PyTorch | ratio |\n|---|---|---|---|---|")
    for name in chosen:
        case = CASES[name]
        turns = (by_fit(case), by_steps(case), by_torch(case, arguments.threads))
        times: list[list[float]] = [[] for _ in turns]
        for number in range(arguments.rounds + 1):
            for turn, found in zip(turns, times, strict=True):
                start = time.perf_counter()
                turn()
                if number:
                    found.append((time.perf_counter() - start) / case.steps * 1e6)
        fit, steps, torch = map(statistics.median, times)
        print(f"| {name} | {fit:.1f} | {steps:.1f} | {torch:.1f} | {torch / fit:.1f} |", flush=True)


if __name__ == "__main__":
    main()
