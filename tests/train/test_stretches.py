"""Batches that run together in one native call train as they do one by one, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.compile import Compiled
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


def test_evaluation_is_the_same_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = make_data()
    trainer = make_trainer()

    def alone(batch: Any, epoch: int | None) -> Any:
        del epoch
        return batch

    calls = []
    plain = Compiled.run_batches

    def counted(self: Any, rows: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(len(rows))
        return plain(self, rows, *args, **kwargs)

    monkeypatch.setattr(Compiled, "run_batches", counted)
    together = trainer.predict(x, batch_size=16)
    assert sum(calls) == 25
    assert together.shape == (403, 3)
    assert together.tobytes() == trainer.predict(x, batch_size=16, prepare=alone).tobytes()
    assert trainer.evaluate(x, y, batch_size=16) == trainer.evaluate(
        x, y, batch_size=16, prepare=alone
    )
    assert trainer.predict(x[:5], batch_size=16).tobytes() == together[:5].tobytes()


def test_data_in_columns_is_brought_into_order_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = make_data()
    columns = np.asfortranarray(x.astype("float32"))
    trainer = make_trainer()
    copied = []
    plain = np.ascontiguousarray

    def counted(array: Any, *args: Any, **kwargs: Any) -> Any:
        if np.asarray(array).shape[1:] == (6,) and not np.asarray(array).flags.c_contiguous:
            copied.append(len(array))
        return plain(array, *args, **kwargs)

    monkeypatch.setattr(np, "ascontiguousarray", counted)
    trainer.fit(columns, y, epochs=2, batch_size=4, progress="none")
    assert copied == [403, 403], "for the steps, and for the fingerprint"
    copied.clear()
    trainer.predict(columns, batch_size=4)
    assert sum(copied) == 400


def test_outputs_that_are_no_arrays(stretches: list[int]) -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 3)

        def forward(self, x: st.Tensor) -> dict[str, Any]:
            return {"scores": self.head(x), "note": None, "number": 3}

    def loss(output: dict[str, Any], target: st.Tensor) -> st.Tensor:
        return nn.functional.cross_entropy(output["scores"], target)

    x, y = make_data()
    model = Several()
    trainer = st.Trainer(
        model, loss=loss, optimizer=optim.SGD(model.parameters(), lr=0.1), back_end="native"
    )
    history = trainer.fit(
        x, y, epochs=2, batch_size=4, progress="none", validation_data=(x[:90], y[:90])
    )
    assert sum(stretches) > 100
    assert len(history["val_loss"]) == 2
    assert history["val_loss"][-1] == trainer.evaluate(x[:90], y[:90], batch_size=4)["loss"]


def test_schedules_are_taken_back_after_an_error() -> None:
    st.random.seed(0)
    words = np.random.default_rng(0).integers(0, 9, size=(400, 2))
    words[333, 1] = 99
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=250)
    trainer = st.Trainer(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        schedule=LearningRateSchedule(schedule, per="step"),
        back_end="native",
    )
    with pytest.raises(IndexError, match="99"):
        trainer.fit(words, words[:, 0] % 2, batch_size=4, shuffle=False, progress="none")
    assert 0 < trainer.steps <= 83
    assert schedule.last_epoch == trainer.steps
    expected = 0.01 * (1 + np.cos(np.pi * trainer.steps / 250))
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(expected)


def test_a_schedule_that_fails_does_so_at_its_own_step() -> None:
    def rate(step: int) -> float:
        if step == 60:
            raise ZeroDivisionError("no rate for step 60")
        return 1.0

    x, y = make_data()
    results = []
    for watchers in ([], [OneByOne()]):
        trainer = make_trainer()
        schedule = optim.LambdaLR(trainer.optimizer, rate)
        with pytest.raises(ZeroDivisionError, match="step 60"):
            trainer.fit(
                x,
                y,
                batch_size=4,
                progress="none",
                callbacks=[LearningRateSchedule(schedule, per="step"), *watchers],
            )
        weights = [each.numpy().tobytes() for each in trainer.model.parameters()]
        results.append((trainer.steps, schedule.last_epoch, weights))
    assert results[0] == results[1]
    assert results[0][:2] == (60, 59)


def test_a_schedule_that_changes_the_step_itself_runs_one_by_one() -> None:
    class Decaying(optim.ExponentialLR):
        def step(self) -> None:
            super().step()
            if self.last_epoch == 40:
                self.optimizer.param_groups[0]["weight_decay"] = 0.1

    x, y = make_data()
    weights = []
    for watchers in ([], [OneByOne()]):
        trainer = make_trainer()
        schedule = LearningRateSchedule(Decaying(trainer.optimizer, 0.999), per="step")
        trainer.fit(x, y, batch_size=4, progress="none", callbacks=[schedule, *watchers])
        weights.append([each.numpy() for each in trainer.model.parameters()])
        assert float(trainer.optimizer.param_groups[0]["weight_decay"]) == 0.1
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


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
