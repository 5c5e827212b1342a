"""Batches that run together in one native call train as they do one by one, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.train import Callback, LearningRateSchedule
from steepest.train.faults import TrainingFaultError
from steepest.train.step import TrainingStep


class OneByOne(Callback):
    """Looks at every batch, so that batches run one by one."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_batch_end(self, trainer: Any, batch: int, loss: float) -> None:
        del trainer, batch
        self.losses.append(loss)


def make_trainer(**options: Any) -> st.Trainer:
    st.random.seed(11)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 3))
    return st.Trainer(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(model.parameters(), lr=0.02),
        metrics=["accuracy"],
        seed=5,
        back_end="native",
        **options,
    )


def make_data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    x = random.normal(size=(403, 6))
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps each native call of many took."""
    counts: list[int] = []
    plain = TrainingStep.many

    def counted(self: TrainingStep, data: Any, rows: np.ndarray, scheduled: Any) -> Any:
        counts.append(len(rows))
        return plain(self, data, rows, scheduled)

    monkeypatch.setattr(TrainingStep, "many", counted)
    return counts


@pytest.mark.parametrize("options", [{}, {"shuffle": False}, {"watch_gradients": True}])
def test_the_same_bits_as_one_by_one(options: dict[str, Any], stretches: list[int]) -> None:
    x, y = make_data()
    together, apart = make_trainer(), make_trainer()
    one = together.fit(x, y, epochs=3, batch_size=4, progress="none", **options)
    assert sum(stretches) > 200
    count = len(stretches)
    other = apart.fit(
        x, y, epochs=3, batch_size=4, progress="none", callbacks=[OneByOne()], **options
    )
    assert len(stretches) == count
    assert {**one.to_dict(), "seconds": 0} == {**other.to_dict(), "seconds": 0}
    assert together.steps == apart.steps == 303
    for first, second in zip(together.model.parameters(), apart.model.parameters(), strict=True):
        assert first.numpy().tobytes() == second.numpy().tobytes()


SCHEDULES = {
    "cosine": lambda optimizer: [optim.CosineAnnealingLR(optimizer, T_max=250)],
    "one cycle": lambda optimizer: [optim.OneCycleLR(optimizer, max_lr=0.05, total_steps=304)],
    "two": lambda optimizer: [
        optim.WarmUp(optim.ExponentialLR(optimizer, 0.999), 20),
        optim.LambdaLR(optimizer, lambda step: 1 / (1 + step)),
    ],
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedules_by_the_step_run_together(kind: str, stretches: list[int]) -> None:
    x, y = make_data()
    results = []
    for watchers in ([], [OneByOne()]):
        trainer = make_trainer()
        schedules = [
            LearningRateSchedule(each, per="step") for each in SCHEDULES[kind](trainer.optimizer)
        ]
        history = trainer.fit(
            x, y, epochs=3, batch_size=4, progress="none", callbacks=[*schedules, *watchers]
        )
        weights = [each.numpy().tobytes() for each in trainer.model.parameters()]
        state = [float(each) for each in trainer.optimizer.param_groups[0].scheduled_options()]
        places = [each.state_dict() for each in schedules]
        results.append(({**history.to_dict(), "seconds": 0}, weights, state, places))
        together = sum(stretches)
        stretches.clear()
        assert (together > 200) == (not watchers)
    assert results[0] == results[1]


def test_a_schedule_of_ones_own_sees_every_step(stretches: list[int]) -> None:
    class Counter:
        steps = 0

        def step(self) -> None:
            self.steps += 1

        def state_dict(self) -> dict[str, Any]:
            return {}

    x, y = make_data()
    counter = Counter()
    make_trainer().fit(
        x,
        y,
        batch_size=4,
        progress="none",
        callbacks=[LearningRateSchedule(counter, per="step")],
    )
    assert counter.steps == 101
    assert not stretches


def test_evaluation_is_the_same_batch_by_batch() -> None:
    x, y = make_data()
    trainer = make_trainer()

    def alone(batch: Any, epoch: int | None) -> Any:
        del epoch
        return batch

    together = trainer.predict(x, batch_size=16)
    assert together.shape == (403, 3)
    assert together.tobytes() == trainer.predict(x, batch_size=16, prepare=alone).tobytes()
    assert trainer.evaluate(x, y, batch_size=16) == trainer.evaluate(
        x, y, batch_size=16, prepare=alone
    )
    assert trainer.predict(x[:5], batch_size=16).tobytes() == together[:5].tobytes()


def test_checkpoints_are_where_they_were_asked_for(tmp_path: Any, stretches: list[int]) -> None:
    from steepest.train import Checkpoint

    x, y = make_data()
    folder = tmp_path / "kept"
    whole = make_trainer()
    whole.fit(x, y, epochs=2, batch_size=4, progress="none")
    count = len(stretches)
    first = make_trainer()
    settings = Checkpoint(folder, every_batches=7)
    first.fit(x, y, epochs=1, batch_size=4, progress="none", checkpoint=settings)
    assert max(stretches[count:]) <= 7
    assert len(stretches) > count
    second = make_trainer()
    second.fit(x, y, epochs=2, batch_size=4, progress="none", checkpoint=settings, resume=True)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()


def test_a_fault_within_a_stretch_is_told_as_one_by_one() -> None:
    x, y = make_data()
    x[300] = 1e30
    messages = []
    for callbacks in ([], [OneByOne()]):
        trainer = make_trainer()
        with pytest.raises(TrainingFaultError) as caught:
            trainer.fit(
                x, y, epochs=1, batch_size=4, progress="none", shuffle=False, callbacks=callbacks
            )
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "step 76" in messages[0]
