"""`TableModel`: a table in, predictions out. The network, its recipe, and all that was learned."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import steepest as st
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
from steepest.models.files import DOCUMENT, ModelFormat, read_model, write_model
from steepest.models.tabular.features import FeatureEncoder
from steepest.models.tabular.measures import table_metrics
from steepest.models.tabular.mixture import softmax
from steepest.models.tabular.network import MixedNetwork
from steepest.models.tabular.recipe import Recipe
from steepest.models.tabular.training import Training
from steepest.nn.summary import Summary
from steepest.train.checkpoint import Checkpoint
from steepest.train.history import History

FORMAT = ModelFormat(
    "table_model",
    1,
    (
        *("target", "preprocessor", "features", "recipe", "answer_range", "mixture"),
        *("history", "settings"),
    ),
    "TableModel",
)

PREDICTION_ROWS = 4096
BACK_END = "native"
"""What runs the training: machine code takes a fraction of the interpreter's time."""


class TableModel:
    """A network trained on a table.

        model = TableModel.fit("houses.csv", target="price")
        model.predict("new-houses.csv")
        model.save("houses-model")

    Several networks (members) are trained side by side; each leaves out another part of the
    training rows. Training goes through four cycles, and the networks at the end of each are kept
    and weighed, together with linear models, by how good they are on the rows left out. The
    prediction is the mean over the members. See docs/tables.md.

    Attributes:
        target: the column that is predicted.
        preprocessor: what turns a table into arrays, learned from the training rows.
        features: what turns arrays into the network's input.
        network: the trained networks of every kept cycle, and linear models, with their weights.
        recipe: how it was trained.
        history: the figures of each epoch; `val_loss` is over the rows left out.
        settings: what was chosen, in plain words and numbers.
        answer_range: least and largest standardised training target; predictions stay inside.
    """

    def __init__(
        self,
        target: Target,
        preprocessor: TablePreprocessor,
        features: FeatureEncoder,
        recipe: Recipe,
        network: MixedNetwork,
    ):
        self.target = target
        self.preprocessor = preprocessor
        self.features = features
        self.recipe = recipe
        self.history = History()
        self.settings: dict[str, Any] = {}
        self.answer_range = (0.0, 0.0)
        self.network = network

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
        target_transform: str | None = None,
        epochs: int | None = None,
        seed: int = 0,
        recipe: Recipe | None = None,
        progress: str = "auto",
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
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
            target_transform: what is done to a number to predict before it is standardised:
                `"none"`, `"log"`, `"log1p"`; default: the logarithm of a positive, skewed one.
            epochs: passes over the rows; default by the size of the table.
            seed: of folds, first weights and shuffling; one seed gives the same bits every time.
            recipe: other settings of the training.
            progress: `"auto"`, `"bar"`, `"lines"` or `"none"`.
            checkpoint: a folder to save to after every epoch, or a `Checkpoint`.
            resume: go on from the newest checkpoint there; the result is bitwise equal to that of
                a training that was never cut off.

        What was decided about the table (columns left out, a logarithm learned) is said as
        `DataWarning`s, except for a `PreparedTable`, which holds it in `notes`.

        Raises:
            DataError: data that cannot be learned from; the message says what to do.
            CheckpointError: the checkpoint is of a training on other data or by another recipe.
        """
        _check_seed(seed)
        prepared = _prepared(source, target, task, columns, target_transform, seed)
        chosen = recipe or Recipe()
        if epochs is not None:
            if epochs < 1:
                raise ArgumentError(f"TableModel.fit: epochs must be at least 1, not {epochs}.")
            chosen = dataclasses.replace(chosen, epochs=epochs)
        arrays, answers = _training_part(prepared)
        encoder = FeatureEncoder.fit(arrays, prepared.preprocessor.cardinalities)
        chosen = _for_rows(chosen, len(answers))
        training = Training(
            prepared.target,
            encoder.transform(arrays),
            answers,
            encoder.plain_columns,
            chosen,
            seed,
            epochs,
            BACK_END,
        )
        result = training.run(progress, checkpoint, resume)
        model = cls(prepared.target, prepared.preprocessor, encoder, chosen, result.network)
        model.history = result.history
        model.answer_range = result.answer_range
        model.settings = result.settings
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
        return softmax(self._outputs(source)).mean(axis=0)

    def evaluate(self, source: Any) -> dict[str, float]:
        """Measure the predictions on a table that has the target; rows without it are left out."""
        frame = self.target.drop_missing(read_table(source))
        if frame.height == 0:
            raise DataError(
                f"The target {self.target.name!r} has no value in any row: nothing to measure."
            )
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
        """The outputs for every row: (members, rows, outputs)."""
        matrix = self.features.transform(self.preprocessor.transform(read_table(source)))
        parts = []
        with st.no_grad():
            for start in range(0, len(matrix), PREDICTION_ROWS):
                block = matrix[None, start : start + PREDICTION_ROWS]
                parts.append(self.network(st.asarray(block)).numpy())
        outputs = self.target.n_classes if self.target.is_classification else 1
        empty = np.empty((self.network.members, 0, outputs), np.float32)
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
            "mixture": {
                "cycles": list(self.network.cycle_weights),
                "linear": self.network.linear_weight,
            },
            "history": self.history.to_dict(),
            "settings": self.settings,
        }
        write_model(Path(path), FORMAT, fields, self.network.state_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """Load what `save` wrote. No code in the files can run.

        Raises:
            CheckpointError: there is no model, or its files are damaged or do not fit together.
        """
        folder = Path(path)
        fields, weights = read_model(folder, FORMAT)
        try:
            recipe = Recipe(**{**fields["recipe"], "betas": tuple(fields["recipe"]["betas"])})
            target = Target.from_dict(fields["target"])
            preprocessor = TablePreprocessor.from_dict(fields["preprocessor"])
            features = FeatureEncoder.from_dict(fields["features"])
            if not features.fits(preprocessor):
                raise CheckpointError("table features: they do not fit the preprocessor.")
            mixture = fields["mixture"]
            network = MixedNetwork(
                features.width,
                target.n_classes if target.is_classification else 1,
                fields["recipe"]["members"],
                recipe.width,
                recipe.depth,
                [as_number(each, "mixture") for each in mixture["cycles"]],
                as_number(mixture["linear"], "mixture"),
            )
            model = cls(target, preprocessor, features, recipe, network)
            low, high = (as_number(each, "answer_range") for each in fields["answer_range"])
            model.answer_range = (low, high)
            model.history = History.from_dict(fields["history"])
            model.settings = dict(fields["settings"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{folder / DOCUMENT} is damaged: {error!r}.") from error
        model.network.load_state_dict(weights)
        return model


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
    target_transform: str | None,
    seed: int,
) -> PreparedTable:
    """The table split and preprocessed; one that is so already stays as it is."""
    if isinstance(source, PreparedTable):
        if any(each is not None for each in (target, task, columns, target_transform)):
            raise ArgumentError(
                "TableModel.fit: target, task, columns and target_transform belong to "
                "prepare_table, whose result was given."
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
        numeric_transform="auto",
        target_transform=target_transform or "auto",
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


def _for_rows(recipe: Recipe, rows: int) -> Recipe:
    """The recipe with the number of members and the label smoothing that suit so many rows.

    Raises:
        DataError: there are too few rows to leave one out.
    """
    if rows < 2:
        raise DataError(
            f"The table has {rows} row to learn from, but at least 2 are needed: some train, the "
            f"others check."
        )
    return dataclasses.replace(
        recipe,
        members=recipe.members_for(rows),
        label_smoothing=recipe.smoothing_for(rows),
    )
