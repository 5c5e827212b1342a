"""`TableModel`: a table in, predictions out. The network, its recipe, and all that was learned."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import steepest as st
from steepest import nn, optim
from steepest.array.tensor import Tensor
from steepest.data.tables import (
    PreparedTable,
    Schema,
    TableArrays,
    TablePreprocessor,
    Target,
    prepare_table,
    read_table,
)
from steepest.data.tables.documents import as_number
from steepest.data.tables.messages import note
from steepest.errors import ArgumentError, CheckpointError, DataError
from steepest.models.tabular.features import FeatureEncoder
from steepest.models.tabular.files import DOCUMENT, read_model, write_model
from steepest.models.tabular.measures import table_metrics
from steepest.models.tabular.network import RowFeeder, TabularNetwork
from steepest.models.tabular.recipe import (
    CycleSelection,
    Recipe,
    best_temperature,
    folds,
    log_loss,
    rate_factor,
    rows_of_members,
    softmax,
)
from steepest.nn.summary import Summary
from steepest.train.callbacks import LearningRateSchedule
from steepest.train.files import checksum
from steepest.train.history import History
from steepest.train.trainer import Trainer

PREDICTION_ROWS = 4096
BACK_END = "native"
"""What runs the training: machine code takes a fraction of the interpreter's time."""


class TableModel:
    """A network trained on a table.

        model = TableModel.fit("houses.csv", target="price")
        model.predict("new-houses.csv")
        model.save("houses-model")

    Four networks are trained side by side; each leaves out another quarter of the training rows,
    which decide when to stop. The prediction is their mean. See docs/tables.md.

    Attributes:
        target: the column that is predicted.
        preprocessor: what turns a table into arrays, learned from the training rows.
        features: what turns arrays into the network's input.
        network: the trained network.
        recipe: how it was trained.
        history: the figures of each epoch; `val_loss` is over the rows left out.
        settings: what was chosen, in plain words and numbers.
        answer_range: least and largest standardised training target; predictions stay inside.
        temperature: factor on the logits that calibrates probabilities.
    """

    def __init__(
        self,
        target: Target,
        preprocessor: TablePreprocessor,
        features: FeatureEncoder,
        recipe: Recipe,
        seed: int = 0,
    ):
        self.target = target
        self.preprocessor = preprocessor
        self.features = features
        self.recipe = recipe
        self.history = History()
        self.settings: dict[str, Any] = {}
        self.answer_range = (0.0, 0.0)
        self.temperature = 1.0
        self.network = TabularNetwork(
            features.width,
            target.n_classes if target.is_classification else 1,
            recipe.members,
            recipe.width,
            recipe.depth,
            st.random.Generator(seed),
        )

    @property
    def schema(self) -> Schema:
        """The kinds of the columns."""
        return self.preprocessor.schema

    @classmethod
    def fit(
        cls,
        source: Any,
        target: str | None = None,
        *,
        task: str | None = None,
        columns: Mapping[str, str] | None = None,
        epochs: int | None = None,
        seed: int = 0,
        recipe: Recipe | None = None,
        progress: str = "auto",
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> TableModel:
        """Train on a table.

        Args:
            source: a file, a pandas or polars frame, an Arrow table, NumPy arrays or a dictionary
                of columns, of which all rows are used for training; or a `PreparedTable`, whose
                test rows are left alone.
            target: the column to predict; not with a `PreparedTable`.
            task: `"regression"`, `"binary"` or `"multiclass"`; default: found from the column.
            columns: kinds of columns, such as `{"Zip": "category"}`, where the guess is wrong.
            epochs: passes over the rows; default by the size of the table.
            seed: of folds, first weights and shuffling; one seed gives the same bits every time.
            recipe: other settings of the training.
            progress: `"auto"`, `"bar"`, `"lines"` or `"none"`.
            checkpoint: a folder to save to after every epoch.
            resume: go on from the newest checkpoint there; the result is bitwise equal to that of
                a training that was never cut off.

        What was decided about the table (columns left out, a logarithm learned) is said as
        `DataWarning`s, except for a `PreparedTable`, which holds it in `notes`.

        Raises:
            DataError: data that cannot be learned from; the message says what to do.
            CheckpointError: the checkpoint is of a training on other data or by another recipe.
        """
        _check_seed(seed)
        prepared = _prepared(source, target, task, columns, seed)
        chosen = recipe or Recipe()
        if epochs is not None:
            if epochs < 1:
                raise ArgumentError(f"TableModel.fit: epochs must be at least 1, not {epochs}.")
            chosen = dataclasses.replace(chosen, epochs=epochs)
        arrays, answers = _training_part(prepared)
        encoder = FeatureEncoder.fit(arrays, prepared.preprocessor.cardinalities)
        chosen = _for_few_rows(chosen, len(answers))
        model = cls(prepared.target, prepared.preprocessor, encoder, chosen, seed)
        training = _Training(model, encoder.transform(arrays), answers, seed, epochs)
        training.run(progress, checkpoint, resume)
        return model

    def predict(self, source: Any) -> np.ndarray:
        """Predict every row of a table.

        Returns:
            (rows,) numbers in the target's own units, or class labels as the training table has
            them.

        Raises:
            DataError: a column is missing or does not fit its kind.
        """
        if self.target.is_classification:
            return self.target.labels(self.predict_probabilities(source).argmax(axis=1))
        outputs = self._outputs(source)[:, :, 0]
        standard = np.clip(outputs, *self.answer_range).mean(axis=0)
        return self.target.decode(standard, clip=True)

    def predict_probabilities(self, source: Any) -> np.ndarray:
        """Predict the probability of each class for every row: (rows, classes)."""
        if not self.target.is_classification:
            raise ArgumentError(
                f"predict_probabilities: {self.target.name!r} is a number; use predict."
            )
        return softmax(self._outputs(source) * self.temperature).mean(axis=0)

    def evaluate(self, source: Any) -> dict[str, float]:
        """Measure the predictions on a table that has the target; rows without it are left out."""
        frame = self.target.drop_missing(read_table(source))
        answer: np.ndarray
        if self.target.is_classification:
            answer = self.predict_probabilities(frame)
        else:
            answer = self.predict(frame)
        return table_metrics(self.target, self.target.values(frame), answer)

    def summary(self) -> Summary:
        """The layers of the network with shapes, parameters and multiply-adds, for one row."""
        return self.network.summary(np.zeros((1, 1, self.features.width), np.float32))

    def _outputs(self, source: Any) -> np.ndarray:
        """The raw outputs for every row, (members, rows, outputs)."""
        matrix = self.features.transform(self.preprocessor.transform(read_table(source)))
        parts = []
        with st.no_grad():
            for start in range(0, len(matrix), PREDICTION_ROWS):
                block = matrix[None, start : start + PREDICTION_ROWS]
                parts.append(self.network(st.asarray(block)).numpy())
        outputs = self.network.output.weight.shape[-1]
        empty = np.empty((self.recipe.members, 0, outputs), np.float32)
        return np.concatenate([empty, *parts], axis=1).astype(np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save to a folder, which is made if need be: `model.json` and a safetensors file.

        The JSON file names the weights file by its checksum and is written last, so a model is
        there as a whole or not at all, and one that was there before stays usable until then.

        Raises:
            CheckpointError: the disk refused.
        """
        fields = {
            "target": self.target.to_dict(),
            "preprocessor": self.preprocessor.to_dict(),
            "features": self.features.to_dict(),
            "recipe": dataclasses.asdict(self.recipe),
            "answer_range": list(self.answer_range),
            "temperature": self.temperature,
            "history": self.history.to_dict(),
            "settings": self.settings,
        }
        write_model(Path(path), fields, self.network.state_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Load what `save` wrote. No code in the files can run.

        Raises:
            CheckpointError: there is no model, or its files are damaged or do not fit together.
        """
        folder = Path(path)
        fields, weights = read_model(folder)
        try:
            recipe = Recipe(**{**fields["recipe"], "betas": tuple(fields["recipe"]["betas"])})
            model = cls(
                Target.from_dict(fields["target"]),
                TablePreprocessor.from_dict(fields["preprocessor"]),
                FeatureEncoder.from_dict(fields["features"]),
                recipe,
            )
            low, high = (as_number(each, "answer_range") for each in fields["answer_range"])
            model.answer_range = (low, high)
            model.temperature = as_number(fields["temperature"], "temperature")
            model.history = History.from_dict(fields["history"])
            model.settings = dict(fields["settings"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{folder / DOCUMENT} is damaged: {error!r}.") from error
        model.network.load_state_dict(weights)
        return model


class _Training:
    """One run of the recipe."""

    def __init__(
        self,
        model: TableModel,
        matrix: np.ndarray,
        answers: np.ndarray,
        seed: int,
        epochs: int | None,
    ):
        recipe, target = model.recipe, model.target
        self.model = model
        self.seed = seed
        self.answers = answers
        codes = answers if target.is_classification else None
        fold = folds(len(answers), recipe.members, codes, seed)
        self.train_rows = rows_of_members(fold, recipe.members, inside=False, seed=seed)
        self.check_rows = rows_of_members(fold, recipe.members, inside=True, seed=seed)
        self.batch_size = recipe.batch_for(len(self.train_rows))
        self.epochs = epochs or recipe.epochs_for(len(self.train_rows))
        self.steps = self.epochs * (len(self.train_rows) // self.batch_size)
        self.feeder = RowFeeder(model.network, matrix)

    def run(self, progress: str, checkpoint: Any, resume: bool) -> None:
        """Train, keep the best cycle, calibrate, and write down what was done."""
        model = self.model
        if not model.target.is_classification:
            model.answer_range = (float(self.answers.min()), float(self.answers.max()))
        optimizer = self._optimizer()
        schedule = optim.LambdaLR(optimizer, lambda step: rate_factor(step / self.steps))
        trainer = Trainer(
            self.feeder,
            loss=self._loss,
            optimizer=optimizer,
            schedule=LearningRateSchedule(schedule, per="step"),
            seed=self.seed,
            back_end=BACK_END,
        )
        judge = CycleSelection(self.epochs, lambda: self._judge(trainer), self._identity())
        model.history = trainer.fit(
            self.train_rows,
            self.answers[self.train_rows],
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_data=(self.check_rows, self.answers[self.check_rows]),
            drop_last=True,
            callbacks=[judge],
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,  # type: ignore[arg-type]
        )
        if model.target.is_classification:
            logits, codes = self._checked(trainer)
            model.temperature = best_temperature(logits, codes)
        model.settings = self._settings()

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be resumed, beyond what the trainer checks."""
        recipe = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.model.recipe).items()
        }
        matrix = np.ascontiguousarray(self.feeder.matrix.numpy())
        features = f"{matrix.shape} {checksum(matrix.tobytes())[:16]}"
        return {**recipe, "epochs": self.epochs, "features": features}

    def _optimizer(self) -> optim.Optimizer:
        """Adam with rates of their own for weights, biases and the feature scale."""
        recipe = self.model.recipe
        groups: dict[str, list[Tensor]] = {"weight": [], "bias": [], "scale": []}
        for name, parameter in self.model.network.named_parameters():
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
        if not self.model.target.is_classification:
            difference = st.squeeze(output, axis=-1) - target
            return (difference * difference).mean()
        return nn.functional.cross_entropy(
            output.reshape(-1, output.shape[-1]),
            target.reshape(-1),
            label_smoothing=self.model.recipe.label_smoothing,
        )

    def _checked(self, trainer: Trainer) -> tuple[np.ndarray, np.ndarray]:
        """The outputs for all rows, each by the member that left it out, and the answers."""
        outputs = trainer.predict(self.check_rows, batch_size=1024).astype(np.float64)
        answers = self.answers[self.check_rows].reshape(-1)
        return outputs.reshape(len(answers), -1), answers

    def _judge(self, trainer: Trainer) -> float:
        """The mean squared error, or the log-loss after calibration, on the rows left out."""
        outputs, answers = self._checked(trainer)
        if not self.model.target.is_classification:
            inside = np.clip(outputs[:, 0], *self.model.answer_range)
            return float(((inside - answers) ** 2).mean())
        return log_loss(outputs * best_temperature(outputs, answers), answers)

    def _settings(self) -> dict[str, Any]:
        recipe = self.model.recipe
        is_class = self.model.target.is_classification
        return {
            "members": recipe.members,
            "hidden layers": f"{recipe.depth} x {recipe.width}, ReLU",
            "input features": self.model.features.width,
            "loss": "cross-entropy, label smoothing 0.1" if is_class else "mean squared error",
            "optimizer": f"Adam, rate {recipe.learning_rate:g} in four cycles",
            "batch size": self.batch_size,
            "epochs planned": self.epochs,
            "seed": self.seed,
        }


def _check_seed(seed: Any) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ArgumentError(
            f"TableModel.fit: seed must be a whole number of at least 0, not {seed!r}."
        )


def _prepared(
    source: Any,
    target: str | None,
    task: str | None,
    columns: Mapping[str, str] | None,
    seed: int,
) -> PreparedTable:
    """The table split and preprocessed; one that is so already stays as it is."""
    if isinstance(source, PreparedTable):
        if target is not None or task is not None or columns is not None:
            raise ArgumentError(
                "TableModel.fit: target, task and columns belong to prepare_table, whose result "
                "was given."
            )
        return source
    if target is None:
        raise ArgumentError("TableModel.fit: target= must name the column to predict.")
    prepared = prepare_table(
        source,
        target,
        task=task,
        columns=columns,
        validation=0.0,
        test=0.0,
        seed=seed,
        numeric_transform="log_robust",
    )
    for each in prepared.notes:
        note(each)
    return prepared


def _training_part(prepared: PreparedTable) -> tuple[TableArrays, np.ndarray]:
    """All rows that are not for the test, and their answers."""
    arrays, answers = prepared.train.arrays, prepared.train.targets
    more = prepared.validation
    if more is None:
        return arrays, answers
    joined = [
        np.concatenate([getattr(arrays, name), getattr(more.arrays, name)])
        for name in ("numbers", "categories", "missing")
    ]
    return TableArrays(*joined), np.concatenate([answers, more.targets])


def _for_few_rows(recipe: Recipe, rows: int) -> Recipe:
    """Fewer members than rows.

    Raises:
        DataError: there are too few rows to leave one out.
    """
    if rows < 2:
        raise DataError(
            f"The table has {rows} row to learn from, but at least 2 are needed: some train, the "
            f"others check."
        )
    return dataclasses.replace(recipe, members=min(recipe.members, rows))
