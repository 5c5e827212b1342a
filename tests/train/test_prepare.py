"""`prepare`: batches made when they are needed, in training, validation and prediction."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import CheckpointError
from steepest.train import Batch

TABLE = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
ANSWERS = (TABLE[:, 0] > 0).astype(np.int64)
ROWS = np.arange(40)


class Rows:
    """Makes rows of the table of their numbers, moved by the epoch in training."""

    def __init__(self, name: str = "rows", shift: float = 0.0) -> None:
        self.name = name
        self.shift = shift
        self.epochs: list[int | None] = []

    def __call__(self, batch: Batch, epoch: int | None) -> Batch:
        self.epochs.append(epoch)
        moved = TABLE[batch.inputs[0]] + np.float32(self.shift * (epoch or 0))
        return dataclasses.replace(batch, inputs=(moved,))

    def fingerprint(self) -> str:
        return self.name


def trainer() -> st.Trainer:
    st.random.seed(0)
    model = nn.Linear(3, 2)
    return st.Trainer(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.SGD(model.parameters(), lr=0.1),
        metrics=["accuracy"],
        back_end="evaluator",
    )


def test_prepared_rows_train_like_the_rows_themselves() -> None:
    plain, by_number = trainer(), trainer()
    expected = plain.fit(
        TABLE[:30], ANSWERS[:30], validation_data=(TABLE[30:], ANSWERS[30:]), epochs=3
    )
    rows = Rows()
    found = by_number.fit(
        ROWS[:30],
        ANSWERS[:30],
        validation_data=(ROWS[30:], ANSWERS[30:]),
        epochs=3,
        prepare=rows,
    )
    assert found.records == expected.records
    assert set(rows.epochs) == {None, 0, 1, 2}
    np.testing.assert_array_equal(by_number.predict(ROWS, prepare=rows), plain.predict(TABLE))
    assert by_number.evaluate(ROWS, ANSWERS, prepare=rows) == plain.evaluate(TABLE, ANSWERS)


def test_a_resumed_training_sees_the_same(tmp_path: Path) -> None:
    whole = trainer().fit(ROWS, ANSWERS, epochs=4, prepare=Rows(shift=0.1))
    first = trainer()
    first.fit(ROWS, ANSWERS, epochs=2, prepare=Rows(shift=0.1), checkpoint=tmp_path)
    second = trainer()
    resumed = second.fit(
        ROWS, ANSWERS, epochs=4, prepare=Rows(shift=0.1), checkpoint=tmp_path, resume=True
    )
    assert resumed.records == whole.records
    with pytest.raises(CheckpointError, match="data prepare was 'rows', but is 'others' now"):
        trainer().fit(
            ROWS, ANSWERS, epochs=5, prepare=Rows("others"), checkpoint=tmp_path, resume=True
        )


def test_targets_may_become_probabilities() -> None:
    """As mix-up does; metrics are still computed against the classes."""

    def blend(batch: Batch, epoch: int | None) -> Batch:
        if epoch is None:
            return batch
        target = np.eye(2, dtype=np.float32)[batch.target] * 0.8 + 0.1
        return dataclasses.replace(batch, target=target.astype(np.float32))

    smooth = trainer()
    history = smooth.fit(TABLE, ANSWERS, epochs=2, prepare=blend)
    plain = trainer()
    plain.loss = nn.CrossEntropyLoss(label_smoothing=0.2)
    expected = plain.fit(TABLE, ANSWERS, epochs=2)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(history["accuracy"], expected["accuracy"])
