"""One training of the network for tables."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import numpy as np

import steepest as st
from steepest import nn, optim
from steepest.array.tensor import Tensor
from steepest.data.tables import Target
from steepest.models.tabular.linear import LinearMembers, linear_members
from steepest.models.tabular.mixture import classification_weights, log_loss, mix
from steepest.models.tabular.network import MixedNetwork, RowFeeder, TabularNetwork
from steepest.models.tabular.recipe import (
    CycleSnapshots,
    Recipe,
    Snapshot,
    folds,
    rate_factor,
    rows_of_members,
)
from steepest.train.callbacks import LearningRateSchedule
from steepest.train.checkpoint import Checkpoint
from steepest.train.files import checksum
from steepest.train.history import History
from steepest.train.trainer import Trainer


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training gives; see the attributes of `TableModel`."""

    network: MixedNetwork
    history: History
    answer_range: tuple[float, float]
    settings: dict[str, Any]


class Training:
    """One run of the recipe.

    Args:
        target: the column to predict, fitted.
        matrix: (rows, features) float32, the input.
        answers: (rows,) standardised numbers or class codes.
        recipe: the settings.
        seed: of folds, first weights and shuffling.
        plain_columns: the columns of `matrix` that linear models see.
        epochs: passes over the rows; `None` decides by the number of rows.
        back_end: what runs the steps; see `steepest.compile`.
    """

    def __init__(
        self,
        target: Target,
        matrix: np.ndarray,
        answers: np.ndarray,
        plain_columns: np.ndarray,
        recipe: Recipe,
        seed: int,
        epochs: int | None,
        back_end: str,
    ):
        self.target = target
        self.recipe = recipe
        self.seed = seed
        self.answers = answers
        self.back_end = back_end
        self.plain_columns = plain_columns
        codes = answers if target.is_classification else None
        members = recipe.members_for(len(answers))
        self.label_smoothing = recipe.smoothing_for(len(answers))
        fold = folds(len(answers), members, codes, seed)
        self.train_rows = rows_of_members(fold, members, inside=False, seed=seed)
        self.check_rows = rows_of_members(fold, members, inside=True, seed=seed)
        self.batch_size = recipe.batch_for(len(self.train_rows))
        self.epochs = epochs or recipe.epochs_for(len(self.train_rows))
        self.steps = self.epochs * (len(self.train_rows) // self.batch_size)
        self.answer_range = (float(answers.min()), float(answers.max()))
        outputs = target.n_classes if target.is_classification else 1
        self.sizes = (matrix.shape[1], outputs, members, recipe.width, recipe.depth)
        self.network = TabularNetwork(*self.sizes, st.random.Generator(seed))
        self.feeder = RowFeeder(self.network, matrix)

    def run(
        self,
        progress: str,
        checkpoint: str | os.PathLike[str] | Checkpoint | None,
        resume: bool,
    ) -> TrainingResult:
        """Train, and weigh the networks at the end of each cycle."""
        optimizer = self._optimizer()
        schedule = optim.LambdaLR(optimizer, lambda step: rate_factor(step / self.steps))
        trainer = Trainer(
            self.feeder,
            loss=self._loss,
            optimizer=optimizer,
            schedule=LearningRateSchedule(schedule, per="step"),
            seed=self.seed,
            back_end=self.back_end,
        )
        cycles = CycleSnapshots(self.epochs, lambda: self._judge(trainer), self._identity())
        history = trainer.fit(
            self.train_rows,
            self.answers[self.train_rows],
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_data=(self.check_rows, self.answers[self.check_rows]),
            drop_last=True,
            callbacks=[cycles],
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,  # type: ignore[arg-type]
        )
        network, kept = self._mixed(cycles.snapshots)
        history.kept_epochs = [snapshot.epoch for snapshot in kept]
        settings = self._settings(network, kept)
        return TrainingResult(network, history, self.answer_range, settings)

    def _mixed(self, snapshots: list[Snapshot]) -> tuple[MixedNetwork, list[Snapshot]]:
        """The snapshots and linear models that get a weight, as one network; which snapshots."""
        linear = self._linear()
        outputs = np.stack([snapshot.outputs for snapshot in snapshots])
        weights, linear_weight = mix(
            outputs,
            None if linear is None else linear.outputs,
            self._checked_answers(),
            self.target.is_classification,
        )
        if weights.max() <= 0:  # as good as nothing: the best one alone
            values = [snapshot.value for snapshot in snapshots]
            weights[int(np.argmin(values))] = 1.0
        kept = [each for each, weight in zip(snapshots, weights, strict=True) if weight > 0]
        network = MixedNetwork(*self.sizes, weights[weights > 0].tolist(), linear_weight)
        for cycle, snapshot in zip(network.cycles, kept, strict=True):
            cycle.load_state_dict(
                {name.removeprefix("network."): value for name, value in snapshot.weights.items()}
            )
        if linear is not None and linear_weight > 0:
            network.linear.load_state_dict(self._linear_state(linear))
        return network, kept

    def _linear(self) -> LinearMembers | None:
        """Linear models on the columns without spikes and bins."""
        target = self.target
        return linear_members(
            self.feeder.matrix.numpy()[:, self.plain_columns],
            self.answers,
            target.n_classes if target.is_classification else 0,
            self.train_rows,
            self.check_rows,
        )

    def _linear_state(self, linear: LinearMembers) -> dict[str, np.ndarray]:
        """The linear models as the state of a `MemberLinear` over all columns."""
        features, outputs, members = self.sizes[:3]
        weight = np.zeros((members, features, outputs), np.float32)
        weight[:, self.plain_columns] = [model.weights for model in linear.models]
        bias = np.stack([model.bias for model in linear.models])[:, None].astype(np.float32)
        return {"weight": weight * np.float32(math.sqrt(features)), "bias": bias}

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be resumed, beyond what the trainer checks."""
        recipe = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.recipe).items()
        }
        matrix = np.ascontiguousarray(self.feeder.matrix.numpy())
        features = f"{matrix.shape} {checksum(matrix.tobytes())[:16]}"
        return {**recipe, "epochs": self.epochs, "features": features}

    def _optimizer(self) -> optim.Optimizer:
        """Adam with rates of their own for weights, biases and the feature scale."""
        recipe = self.recipe
        groups: dict[str, list[Tensor]] = {"weight": [], "bias": [], "scale": []}
        for name, parameter in self.network.named_parameters():
            kind = "scale" if name.startswith("scale.") else name.rpartition(".")[2]
            groups[kind].append(parameter)
        rates = {"weight": 1.0, "bias": recipe.bias_rate, "scale": recipe.scale_rate}
        return optim.Adam(
            [
                {"params": parameters, "lr": recipe.learning_rate * rates[kind]}
                for kind, parameters in groups.items()
            ],
            lr=recipe.learning_rate,
            betas=recipe.betas,
        )

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean over rows and members."""
        if not self.target.is_classification:
            difference = st.squeeze(output, axis=-1) - target
            return (difference * difference).mean()
        return nn.functional.cross_entropy(
            output.reshape(-1, output.shape[-1]),
            target.reshape(-1),
            label_smoothing=self.label_smoothing,
        )

    def _checked_answers(self) -> np.ndarray:
        """The answers of the rows that were left out, in the order of `Snapshot.outputs`."""
        return self.answers[self.check_rows].reshape(-1)

    def _judge(self, trainer: Trainer) -> tuple[np.ndarray, float]:
        """Outputs for the rows left out; their squared error, or log-loss after calibration."""
        predicted = trainer.predict(self.check_rows, batch_size=1024).astype(np.float64)
        answers = self._checked_answers()
        outputs = predicted.reshape(len(answers), -1)
        if not self.target.is_classification:
            inside = np.clip(outputs[:, 0], *self.answer_range)
            return outputs, float(((inside - answers) ** 2).mean())
        (factor,) = classification_weights(outputs[None], answers)
        return outputs, log_loss(outputs * factor, answers)

    def _settings(self, network: MixedNetwork, kept: list[Snapshot]) -> dict[str, Any]:
        """What was chosen, in plain words and numbers."""
        recipe = self.recipe
        is_class = self.target.is_classification
        smoothing = f"cross-entropy, label smoothing {self.label_smoothing:g}"
        return {
            "members": self.sizes[2],
            "hidden layers": f"{recipe.depth} x {recipe.width}, ReLU",
            "input features": self.sizes[0],
            "loss": smoothing if is_class else "mean squared error",
            "optimizer": f"Adam, rate {recipe.learning_rate:g} in four cycles",
            "batch size": self.batch_size,
            "epochs planned": self.epochs,
            "networks kept": ", ".join(
                f"epoch {snapshot.epoch} (weight {weight:.2f})"
                for snapshot, weight in zip(kept, network.cycle_weights, strict=True)
            ),
            "linear models": f"weight {network.linear_weight:.2f}",
            "seed": self.seed,
        }
