"""Checkpoints: damage is found, the one before is used, another training is refused."""

import json
import os
import shutil

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError, CheckpointError
from steepest.train import (
    Callback,
    Checkpoint,
    CheckpointStore,
    CheckpointWarning,
    EarlyStopping,
    LearningRateSchedule,
)


def make_state(value=1.0):
    return {"model": {"weight": st.asarray([value, 2.0])}, "epoch": 3, "losses": np.arange(2.0)}


def flip_a_bit(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


class TestStore:
    def test_there_and_back(self, tmp_path):
        store = CheckpointStore(tmp_path / "new" / "folder")
        assert store.load_latest() is None
        path = store.save(make_state())
        assert path.name == "checkpoint-000001.json"
        state = store.load_latest()
        assert state["epoch"] == 3
        np.testing.assert_array_equal(state["model"]["weight"], [1.0, 2.0])
        document = json.loads(path.read_text())
        assert document["software"]["steepest"] == st.__version__
        assert set(document["software"]) == {"steepest", "numpy", "python", "machine"}

    def test_the_last_two_are_kept(self, tmp_path):
        store = CheckpointStore(tmp_path)
        for value in range(5):
            store.save(make_state(value))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "checkpoint-000004.json",
            "checkpoint-000004.safetensors",
            "checkpoint-000005.json",
            "checkpoint-000005.safetensors",
        ]

    @pytest.mark.parametrize("ending", ["json", "safetensors"])
    @pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
    def test_the_one_before_is_used(self, tmp_path, ending, damage):
        store = CheckpointStore(tmp_path)
        store.save(make_state(1.0))
        path = store.save(make_state(2.0)).with_suffix(f".{ending}")
        if damage == "flip":
            flip_a_bit(path, place=len(path.read_bytes()) // 2)
        elif damage == "cut":
            path.write_bytes(path.read_bytes()[:-1])
        elif damage == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
        if (ending, damage) == ("json", "remove"):
            state = store.load_latest()
        else:
            with pytest.warns(CheckpointWarning, match=r"Going on from checkpoint-000001\.json"):
                state = store.load_latest()
        np.testing.assert_array_equal(state["model"]["weight"], [1.0, 2.0])

    def test_every_bit_of_the_json_counts(self, tmp_path):
        store = CheckpointStore(tmp_path)
        path = store.save(make_state())
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            flip_a_bit(path, place)
            try:
                store.load(path)
            except CheckpointError:
                pass
            else:
                # JSON may be written in several ways, such as 1 space or another: same content.
                assert json.loads(path.read_bytes()) == json.loads(whole)
            path.write_bytes(whole)

    def test_all_damaged(self, tmp_path):
        store = CheckpointStore(tmp_path)
        for _ in range(2):
            flip_a_bit(store.save(make_state()).with_suffix(".safetensors"))
        with pytest.raises(CheckpointError, match="none of the 2 in"):
            store.load_latest()

    def test_later_format(self, tmp_path):
        store = CheckpointStore(tmp_path)
        path = store.save(make_state())
        document = json.loads(path.read_text())
        document["version"] = 99
        path.write_text(json.dumps(document))
        with pytest.raises(CheckpointError, match="is of format version 99, but this steepest re"):
            store.load(path)

    def test_not_a_checkpoint(self, tmp_path):
        (tmp_path / "checkpoint-000001.json").write_text('{"some": "thing"}')
        with pytest.raises(CheckpointError, match="is no steepest training checkpoint"):
            CheckpointStore(tmp_path).load_latest()

    def test_leftovers_of_a_killed_writer_go(self, tmp_path):
        store = CheckpointStore(tmp_path)
        store.save(make_state())
        (tmp_path / ".checkpoint-000002.json.77.partial").write_bytes(b"half")
        (tmp_path / "checkpoint-000002.safetensors").write_bytes(b"without its json")
        (tmp_path / "notes.txt").write_text("the user's own")
        store.save(make_state())
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "checkpoint-000001.json",
            "checkpoint-000001.safetensors",
            "checkpoint-000002.json",
            "checkpoint-000002.safetensors",
            "notes.txt",
        ]

    def test_a_full_disk_leaves_the_one_before(self, tmp_path, monkeypatch):
        store = CheckpointStore(tmp_path)
        store.save(make_state(1.0))

        def refuse(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(CheckpointError) as caught:
            store.save(make_state(2.0))
        assert str(caught.value) == (
            f"checkpoint: cannot write to {str(tmp_path)!r}: No space left on device. Make room "
            f"or choose another folder."
        )
        np.testing.assert_array_equal(store.load_latest()["model"]["weight"], [1.0, 2.0])

    def test_a_file_in_the_way(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("")
        with pytest.raises(CheckpointError, match="is a file, but must be a folder"):
            CheckpointStore(path)

    @pytest.mark.parametrize(
        "options", [{"every_epochs": 0}, {"every_seconds": -1.0}, {"every_batches": 0}, {"keep": 0}]
    )
    def test_settings(self, options):
        with pytest.raises(ArgumentError, match=r"Checkpoint: \w+ must be"):
            Checkpoint("folder", **options)


def data(rows=48):
    x = np.random.default_rng(0).normal(size=(rows, 4))
    return x, (x[:, 0] > 0).astype(np.int64)


class CountSamples(nn.Module):
    """Scales by a number that follows a buffer outside of the `state_dict`."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", np.zeros((), np.float32), persistent=False)

    def forward(self, x):
        if self.training:
            self.seen.assign(self.seen + x.shape[0])
        return x * (1.0 + 0.001 * self.seen)


def make_trainer(dropout_generator=None, hidden=6, seed=2, weights=0, **options):
    st.random.seed(weights)
    model = nn.Sequential(
        nn.Linear(4, hidden),
        nn.BatchNorm1d(hidden),
        nn.Dropout(0.3, generator=dropout_generator),
        CountSamples(),
        nn.Linear(hidden, 2),
    )
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    schedule = LearningRateSchedule(optim.OneCycleLR(optimizer, 0.05, total_steps=40), per="step")
    return st.Trainer(
        model, loss=nn.CrossEntropyLoss(), optimizer=optimizer, schedule=schedule, seed=seed,
        **options,
    )  # fmt: skip


def outcome(trainer):
    model = {name: np.asarray(each).tobytes() for name, each in trainer.model.state_dict().items()}
    state = {
        key: {name: np.asarray(each).tobytes() for name, each in slots.items()}
        for key, slots in trainer.optimizer.state_dict()["state"].items()
    }
    return model, state, trainer.history.records, trainer.history.best_epoch


class Break(Callback):
    """Ends the process, as far as a test can, after a number of steps."""

    def __init__(self, at_step):
        self.at_step = at_step

    def on_batch_end(self, trainer, batch, loss):
        del batch, loss
        if trainer.steps == self.at_step:
            raise RuntimeError("cut off")


class TestResume:
    options = {"epochs": 4, "batch_size": 10, "validation_fraction": 0.25, "progress": "none"}  # noqa: RUF012

    def fit(self, trainer, at_step=-1, **options):
        x, y = data()
        trainer.fit(
            x, y, callbacks=[Break(at_step)], early_stopping=EarlyStopping(patience=4),
            **self.options | options,
        )  # fmt: skip
        return outcome(trainer)

    @pytest.mark.parametrize("at_step", range(1, 17))
    def test_from_every_step(self, tmp_path, at_step):
        """The file is written after every third step and every epoch; steps since then repeat."""
        metrics = ["accuracy"]
        expected = self.fit(make_trainer(metrics=metrics))
        checkpoint = Checkpoint(tmp_path, every_batches=3)
        with pytest.raises(RuntimeError, match="cut off"):
            self.fit(make_trainer(metrics=metrics), at_step, checkpoint=checkpoint)
        resumed = make_trainer(metrics=metrics, weights=7)
        if at_step <= 3:
            resumed = make_trainer(metrics=metrics)
        assert self.fit(resumed, checkpoint=checkpoint, resume=True) == expected

    def test_generators_inside_layers(self, tmp_path):
        expected = self.fit(make_trainer(st.random.Generator(5)))
        with pytest.raises(RuntimeError, match="cut off"):
            self.fit(make_trainer(st.random.Generator(5)), 7, checkpoint=tmp_path)
        resumed = make_trainer(st.random.Generator(6))
        assert self.fit(resumed, checkpoint=tmp_path, resume=True) == expected

    def test_waiting_goes_on(self, tmp_path):
        """Three epochs without improvement end training, also when resumed after two of them."""
        x, _ = data()
        x = np.zeros_like(x)
        y = np.arange(48) % 2

        def run(epochs, **options):
            trainer = make_trainer(weights=1)
            return trainer.fit(
                x, y, epochs=epochs, batch_size=10, validation_data=(x, 1 - y), progress="none",
                early_stopping=EarlyStopping(patience=3, min_delta=9.0), **options,
            )  # fmt: skip

        assert run(9).epochs == 4
        run(3, checkpoint=tmp_path)
        resumed = run(9, checkpoint=tmp_path, resume=True)
        assert resumed.epochs == 4
        assert resumed.stopped.startswith("stopped early: val_loss has not improved on ")

    def test_after_the_end_nothing_is_trained(self, tmp_path):
        first = make_trainer()
        expected = self.fit(first, checkpoint=tmp_path)
        again = make_trainer(weights=3)
        assert self.fit(again, checkpoint=tmp_path, resume=True) == expected
        assert again.steps == first.steps

    def test_more_epochs(self, tmp_path):
        expected = self.fit(make_trainer())
        self.fit(make_trainer(), checkpoint=tmp_path, epochs=2)
        resumed = make_trainer()
        assert self.fit(resumed, checkpoint=tmp_path, resume=True) == expected

    def test_by_time(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, every_epochs=None, every_seconds=1e-9)
        with pytest.raises(RuntimeError, match="cut off"):
            self.fit(make_trainer(), 3, checkpoint=checkpoint)
        resumed = make_trainer()
        self.fit(resumed, checkpoint=checkpoint, resume=True)
        assert CheckpointStore(tmp_path).load_latest()["steps"] == 16

    def test_a_folder_in_use_is_not_overwritten(self, tmp_path):
        self.fit(make_trainer(), checkpoint=tmp_path)
        with pytest.raises(CheckpointError) as caught:
            self.fit(make_trainer(), checkpoint=tmp_path)
        assert str(caught.value) == (
            f"fit: {str(tmp_path)!r} already holds checkpoints of a training. Pass resume=True "
            f"to go on with it, or choose another folder (or empty this one)."
        )

    def test_without_a_checkpoint_it_starts(self, tmp_path):
        expected = self.fit(make_trainer())
        assert self.fit(make_trainer(), checkpoint=tmp_path / "none", resume=True) == expected

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"batch_size": 12}, "batch_size was 10, but is 12 now. Use"),
            ({"shuffle": False}, "shuffle was True, but is False now. Use"),
            ({"drop_last": True}, "drop_last was False, but is True now. Use"),
            ({"seed": 3}, "seed was 2, but is 3 now"),
            ({"metrics": ["accuracy"]}, r"metrics was \[\], but is \['accuracy'\] now"),
            ({"clip_norm": 1.0}, "clip_norm was None, but is 1.0 now"),
            ({"sample_weight": np.arange(48.0)}, "data sample_weight was None, but is"),
        ],
    )
    def test_another_training_is_refused(self, tmp_path, change, message):
        self.fit(make_trainer(), checkpoint=tmp_path, epochs=1)
        own = {name: value for name, value in change.items() if name in self.fit_names()}
        trainer = make_trainer(weights=1, **{k: v for k, v in change.items() if k not in own})
        before = outcome(trainer)[:2]
        with pytest.raises(CheckpointError, match=message):
            self.fit(trainer, checkpoint=tmp_path, resume=True, **own)
        assert outcome(trainer)[:2] == before

    def fit_names(self):
        return ("batch_size", "shuffle", "drop_last", "sample_weight")

    def test_other_data_is_refused(self, tmp_path):
        self.fit(make_trainer(), checkpoint=tmp_path, epochs=1)
        x, y = data()
        x[20, 1] += 1e-9
        with pytest.raises(CheckpointError, match=r"is of another training .* data x was"):
            make_trainer().fit(
                x, y, checkpoint=tmp_path, resume=True, callbacks=[Break(-1)], patience=4,
                **self.options,
            )  # fmt: skip

    def test_another_model_is_refused_and_left_alone(self, tmp_path):
        self.fit(make_trainer(), checkpoint=tmp_path, epochs=1)
        trainer = make_trainer(hidden=7)
        before = outcome(trainer)[:2]
        with pytest.raises(CheckpointError, match=r"'0\.weight' is \(6, 4\) in the state, but"):
            self.fit(trainer, checkpoint=tmp_path, resume=True)
        assert outcome(trainer)[:2] == before

    def test_damage_falls_back_to_the_checkpoint_before(self, tmp_path):
        expected = self.fit(make_trainer())
        with pytest.raises(RuntimeError, match="cut off"):
            self.fit(make_trainer(), 14, checkpoint=tmp_path)
        newest = CheckpointStore(tmp_path).paths()[-1]
        flip_a_bit(newest.with_suffix(".safetensors"))
        resumed = make_trainer()
        with pytest.warns(CheckpointWarning, match="is damaged"):
            assert self.fit(resumed, checkpoint=tmp_path, resume=True) == expected

    def test_moved_to_another_folder(self, tmp_path):
        expected = self.fit(make_trainer())
        with pytest.raises(RuntimeError, match="cut off"):
            self.fit(make_trainer(), 9, checkpoint=tmp_path / "here")
        shutil.copytree(tmp_path / "here", tmp_path / "there")
        resumed = make_trainer()
        assert self.fit(resumed, checkpoint=tmp_path / "there", resume=True) == expected
