"""Callbacks, early stopping, log files, history, progress, gradients and Ctrl-C."""

# ruff: noqa: ARG002 - hooks share one signature

import csv
import io
import json
import math
import os
import signal
import threading

import numpy as np
import pytest
from rich.console import Console

import steepest as st
from steepest import nn, optim
from steepest.errors import ArgumentError, CheckpointError
from steepest.train import (
    BarProgress,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    JSONLinesLogger,
    LearningRateSchedule,
    LineProgress,
)
from steepest.train.gradients import gradient_notes
from steepest.train.history import format_number
from steepest.train.interrupt import InterruptWatch
from steepest.train.progress import format_seconds, make_progress


def data(rows=40):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def make_trainer(learning_rate=0.1, metrics=(), seed=0, **options):
    st.random.seed(seed)
    model = nn.Linear(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    return st.Trainer(
        model, loss=nn.CrossEntropyLoss(), optimizer=optimizer, metrics=metrics, **options
    )


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def on_fit_begin(self, trainer):
        self.calls.append("fit begin")

    def on_epoch_begin(self, trainer, epoch):
        self.calls.append(f"epoch {epoch} begin")

    def on_batch_end(self, trainer, batch, loss):
        assert math.isfinite(loss)
        self.calls.append(f"batch {batch}")

    def on_epoch_end(self, trainer, epoch, record):
        assert trainer.history.last() == record
        self.calls.append(f"epoch {epoch} end {','.join(record)}")

    def on_fit_end(self, trainer, history):
        assert history is trainer.history
        self.calls.append("fit end")


class TestHooks:
    def test_order(self):
        x, y = data(10)
        recorder = Recorder()
        make_trainer(metrics=["accuracy"]).fit(
            x, y, epochs=2, batch_size=8, validation_data=(x, y), callbacks=[recorder],
            progress="none",
        )  # fmt: skip
        names = "loss,accuracy,val_loss,val_accuracy,lr"
        assert recorder.calls == [
            "fit begin",
            "epoch 1 begin",
            "batch 1",
            "batch 2",
            f"epoch 1 end {names}",
            "epoch 2 begin",
            "batch 1",
            "batch 2",
            f"epoch 2 end {names}",
            "fit end",
        ]

    def test_stop(self):
        class StopAt(Callback):
            def on_batch_end(self, trainer, batch, loss):
                if batch == 2:
                    trainer.stop("enough")

        x, y = data()
        trainer = make_trainer()
        history = trainer.fit(x, y, batch_size=8, callbacks=[StopAt()], progress="none")
        assert trainer.steps == 2
        assert history.stopped == "enough"
        assert not history.interrupted
        with pytest.raises(ArgumentError, match=r"Trainer\.stop: no fit is running"):
            trainer.stop("again")


class Frozen(Callback):
    """Sets the loss of each epoch: the model's bias makes the validation loss."""

    def __init__(self, biases):
        self.biases = biases

    def on_batch_end(self, trainer, batch, loss):
        epoch = trainer.history.epochs
        trainer.model.weight.assign(np.zeros((2, 3), np.float32))
        trainer.model.bias.assign(np.array([self.biases[epoch], 0.0], np.float32))


class TestEarlyStopping:
    """Targets are all of class 0, so a larger first bias is a smaller loss."""

    def fit(self, biases, early_stopping=None, **options):
        x, _ = data(8)
        trainer = make_trainer()
        history = trainer.fit(
            x, [0] * 8, epochs=len(biases), batch_size=8, validation_data=(x, [0] * 8),
            early_stopping=early_stopping, callbacks=[Frozen(biases)], progress="none", **options,
        )  # fmt: skip
        return trainer, history

    def test_restores_the_best(self):
        trainer, history = self.fit([1, 3, 2, 2, 2, 5], EarlyStopping(patience=3))
        assert history.epochs == 5
        assert history.best_epoch == 2
        assert float(trainer.model.bias[0]) == 3.0
        assert history.stopped == (
            "stopped early: val_loss has not improved on 0.0486 (epoch 2) for 3 epochs"
        )

    def test_restores_the_best_at_the_planned_end_too(self):
        trainer, history = self.fit([1, 3, 2], patience=5)
        assert (history.epochs, history.best_epoch, history.stopped) == (3, 2, "")
        assert float(trainer.model.bias[0]) == 3.0

    def test_keeps_the_last_on_request(self):
        trainer, history = self.fit([3, 2, 1], EarlyStopping(patience=2, restore_best=False))
        assert history.best_epoch is None
        assert float(trainer.model.bias[0]) == 1.0

    def test_min_delta(self):
        _, history = self.fit([1, 1.01, 1.02, 5], EarlyStopping(patience=2, min_delta=0.1))
        assert history.epochs == 3

    def test_direction_follows_the_metric(self):
        x, y = data(8)
        early = EarlyStopping("val_accuracy", patience=1)
        make_trainer(metrics=["accuracy"]).fit(
            x, y, validation_data=(x, y), early_stopping=early, progress="none"
        )
        assert early._sign == 1.0

    def test_nan_is_no_improvement(self):
        early = EarlyStopping("roc_auc", patience=2)
        x, _ = data(8)
        history = make_trainer(metrics=["roc_auc"]).fit(
            x, np.zeros(8, np.int64), epochs=5, early_stopping=early, progress="none"
        )
        assert history.stopped == "stopped early: roc_auc was NaN for 2 epochs"

    @pytest.mark.parametrize(
        ("monitor", "message"),
        [
            (
                "val_acuracy",
                "EarlyStopping: monitor 'val_acuracy' is not recorded. Did you mean "
                "'val_accuracy'? Recorded: loss, accuracy, val_loss, val_accuracy, lr.",
            ),
            (
                "val_loss",
                "EarlyStopping: monitor 'val_loss' is not recorded. Pass validation_data or "
                "validation_fraction to fit. Recorded: loss, accuracy, lr.",
            ),
        ],
    )
    def test_unknown_figure(self, monitor, message):
        x, y = data()
        with pytest.raises(ArgumentError) as caught:
            make_trainer(metrics=["accuracy"]).fit(
                x, y, early_stopping=EarlyStopping(monitor), progress="none",
                validation_data=(x, y) if "acu" in monitor else None,
            )  # fmt: skip
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"patience": 0}, "patience must be at least 1, got 0"),
            ({"min_delta": -1}, "min_delta must be at least 0, got -1"),
            ({"mode": "best"}, "mode must be 'min' or 'max', got 'best'"),
        ],
    )
    def test_arguments(self, options, message):
        with pytest.raises(ArgumentError, match=message):
            EarlyStopping(**options)


class TestSchedule:
    def test_arguments(self):
        with pytest.raises(ArgumentError, match=r"schedule must have a step\(\) method, but is a"):
            LearningRateSchedule(0.1)
        optimizer = optim.SGD([nn.Parameter(np.zeros(1))], lr=0.1)
        with pytest.raises(ArgumentError, match="per must be 'epoch' or 'step', got 'batch'"):
            LearningRateSchedule(optim.StepLR(optimizer, 1), per="batch")
        with pytest.raises(ArgumentError, match="figures are known once an epoch"):
            LearningRateSchedule(optim.ReduceLROnPlateau(optimizer), per="step")


class TestLoggers:
    def test_csv(self, tmp_path):
        x, y = data()
        history = make_trainer().fit(
            x, y, epochs=3, callbacks=[CSVLogger(tmp_path / "log.csv")], progress="none"
        )
        rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
        assert [float(row["loss"]) for row in rows] == history["loss"]
        assert [float(row["seconds"]) for row in rows] == history.seconds

    def test_json_lines(self, tmp_path):
        x, _ = data()
        make_trainer(metrics=["roc_auc"]).fit(
            x, np.zeros(40, np.int64), epochs=2, progress="none",
            callbacks=[JSONLinesLogger(tmp_path / "log.jsonl")],
        )  # fmt: skip
        rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows] == [1, 2]
        assert rows[0]["roc_auc"] is None
        assert list(rows[0]) == ["epoch", "loss", "roc_auc", "lr", "seconds"]


class TestHistory:
    def make(self, epochs=3):
        history = History(epochs)
        for epoch in range(epochs):
            history.add({"loss": 1.0 / (epoch + 1), "val_loss": abs(epoch - 1.0)}, 0.5)
        return history

    def test_table(self):
        history = self.make()
        history.best_epoch = 2
        history.notes.append("epoch 1: a remark")
        assert repr(history) == (
            "History: 3 of 3 epochs; weights of epoch 2 kept\n"
            "epoch    loss  val_loss\n"
            "    1  1.0000    1.0000\n"
            "    2  0.5000    0.0000\n"
            "    3  0.3333    1.0000\n"
            "epoch 1: a remark"
        )

    def test_several_kept_epochs(self):
        history = self.make()
        history.best_epoch = 2
        history.kept_epochs = [1, 2, 3]
        head = "History: 3 of 3 epochs; weights of epochs 1, 2 and 3 kept"
        assert repr(history).startswith(head + "\n")
        assert History.from_dict(history.to_dict()).kept_epochs == [1, 2, 3]

    def test_long_table(self):
        lines = repr(self.make(100)).splitlines()
        assert len(lines) == 2 + 6 + 1 + 6
        assert lines[8].split() == ["...", "...", "..."]
        assert lines[-1].split()[0] == "100"

    def test_figures(self):
        history = self.make()
        assert history["val_loss"] == [1.0, 0.0, 1.0]
        assert history.best() == 2
        assert history.best("loss", larger_is_better=True) == 1
        assert "loss" in history
        assert len(history) == 3
        with pytest.raises(ArgumentError) as caught:
            history["val_los"]
        assert str(caught.value) == (
            "history: 'val_los' was not recorded. Did you mean 'val_loss'? "
            "Recorded: loss, val_loss."
        )

    def test_there_and_back(self):
        history = self.make()
        assert History.from_dict(history.to_dict()).to_dict() == history.to_dict()
        with pytest.raises(CheckpointError, match="the entry 'records' is missing"):
            History.from_dict({})

    @pytest.mark.parametrize(
        ("number", "text"),
        [(0, "0.0000"), (0.12345, "0.1235"), (1234.5, "1234.5000"), (12345.6, "1.235e+04"),
         (1e-5, "1.00e-05"), (1e7, "1.00e+07"), (math.nan, "nan"), (-math.inf, "-inf")],
    )  # fmt: skip
    def test_numbers(self, number, text):
        assert format_number(number) == text


class TestProgress:
    def test_lines(self, capsys):
        x, y = data()
        history = make_trainer().fit(x, y, epochs=2, progress="lines")
        captured = capsys.readouterr()
        assert captured.out == ""
        lines = captured.err.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(
            f"epoch 1/2  loss {format_number(history['loss'][0])}  lr 0.1000  0."
        )

    def test_not_a_terminal_means_lines(self):
        assert isinstance(make_progress("auto"), LineProgress)

    def test_many_epochs_are_thinned_out(self, capsys):
        x, y = data(8)
        make_trainer().fit(x, y, epochs=120, progress="lines")
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 41
        assert lines[0].startswith("epoch   1/120")
        assert lines[-1].startswith("epoch 120/120")

    def test_heartbeat_within_long_epochs(self, monkeypatch):
        stream = io.StringIO()
        clock = iter(range(0, 1000, 20))
        monkeypatch.setattr("steepest.train.progress.time.monotonic", lambda: next(clock))
        display = LineProgress(stream)
        display.begin(epochs=2, batches=4)
        for batch in (1, 2, 3):
            display.batch(0, batch, samples=10, loss=0.5)
        assert stream.getvalue().splitlines()[0].startswith("epoch 1/2   50 %  loss 0.5000  ")

    def test_bar(self):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=True, width=100)
        x, y = data()
        make_trainer().fit(x, y, epochs=2, batch_size=8, progress=BarProgress(console))
        text = stream.getvalue()
        assert "epoch 1/2" in text
        assert "samples/s" in text
        assert "left" in text

    def test_without_rich(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        monkeypatch.setattr("sys.stderr", type("Tty", (), {"isatty": lambda _self: True})())
        assert isinstance(make_progress("auto"), LineProgress)

    def test_time_left(self, monkeypatch):
        clock = iter([0.0, 10.0])
        monkeypatch.setattr("steepest.train.progress.time.monotonic", lambda: next(clock))
        display = LineProgress(io.StringIO())
        display.begin(epochs=4, batches=10, epoch=1, batch=5)
        assert display.seconds_left(epoch=2, batch=5) == 15.0

    @pytest.mark.parametrize(
        ("seconds", "text"), [(0.04, "0.0 s"), (42, "42 s"), (600, "10 min"), (9000, "2.5 h")]
    )
    def test_durations(self, seconds, text):
        assert format_seconds(seconds) == text


class TestGradients:
    def test_flowing(self):
        assert gradient_notes({"a": 1.0, "b": 0.1}, {"a": (4,), "b": (2, 2)}) == []

    def test_faults(self):
        shapes = {"first": (100, 100), "head": (10, 1), "bias": (10,), "unused": (3,)}
        norms = {"first": 1e-7, "head": 5e3, "bias": 1e-9, "unused": 0.0}
        assert gradient_notes(norms, shapes) == [
            "vanishing gradient at 'first': 1.00e-09 a number, against 1581.1388 at 'head'. Use "
            "ReLU-like activations, normalization layers or residual connections.",
            "no gradient at 'unused': it is not used, or the units behind it are dead.",
            "exploding gradient at 'head': the common norm is 5000.0000. Clip with "
            "Trainer(clip_norm=1.0), or lower the learning rate.",
        ]

    def test_in_the_history(self):
        st.random.seed(0)
        layers = [each for _ in range(12) for each in (nn.Linear(3, 3), nn.Sigmoid())]
        model = nn.Sequential(*layers, nn.Linear(3, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        trainer = st.Trainer(model, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
        x, y = data()
        history = trainer.fit(x, y, epochs=2, watch_gradients=True, progress="none")
        names = [name for name, _ in model.named_parameters()]
        assert [list(norms) for norms in history.gradient_norms] == [names, names]
        assert len(history.notes) == len(set(history.notes))
        assert history.notes[0].startswith("epoch 1: vanishing gradient at '0.weight': ")

    def test_norms_are_right(self):
        x, y = data(8)
        trainer = make_trainer()
        output = nn.functional.cross_entropy(trainer.model(st.asarray(x)), st.asarray(y))
        output.backward()
        expected = {
            name: float(np.linalg.norm(parameter.grad))
            for name, parameter in trainer.model.named_parameters()
        }
        history = trainer.fit(x, y, batch_size=8, watch_gradients=True, progress="none")
        assert history.gradient_norms[0] == pytest.approx(expected, rel=1e-5)


class PressCtrlC(Callback):
    def __init__(self, at_step, times=1):
        self.at_step = at_step
        self.times = times

    def on_batch_end(self, trainer, batch, loss):
        if trainer.steps == self.at_step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


class TestInterrupt:
    @pytest.fixture(autouse=True)
    def as_in_the_foreground(self):
        """A test run that was started in the background has inherited that Ctrl-C is ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_stops_after_the_batch_and_keeps_the_work(self):
        x, y = data()
        trainer = make_trainer()
        before = signal.getsignal(signal.SIGINT)
        history = trainer.fit(
            x, y, epochs=3, batch_size=10, callbacks=[PressCtrlC(6)], progress="none"
        )
        assert trainer.steps == 6
        assert history.interrupted
        assert history.stopped == "interrupted in epoch 2 after batch 2"
        assert history.epochs == 1
        assert signal.getsignal(signal.SIGINT) is before

    def test_the_second_is_immediate(self):
        x, y = data()
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            make_trainer().fit(x, y, callbacks=[PressCtrlC(1, times=2)], progress="none")
        assert signal.getsignal(signal.SIGINT) is before

    def test_resumed_run_ends_with_the_same_bits(self, tmp_path):
        x, y = data()
        whole = make_trainer()
        expected = whole.fit(x, y, epochs=3, batch_size=10, progress="none")
        stopped = make_trainer()
        stopped.fit(
            x, y, epochs=3, batch_size=10, callbacks=[PressCtrlC(6)], progress="none",
            checkpoint=tmp_path,
        )  # fmt: skip
        resumed = make_trainer(seed=9)
        history = resumed.fit(
            x, y, epochs=3, batch_size=10, callbacks=[PressCtrlC(-1)], progress="none",
            checkpoint=tmp_path, resume=True,
        )  # fmt: skip
        assert history.records == expected.records
        assert not history.interrupted
        np.testing.assert_array_equal(resumed.model.weight, whole.model.weight)

    def test_during_validation(self, tmp_path):
        x, y = data()

        class PressInValidation(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(3, 2)
                self.presses = False

            def forward(self, x):
                if self.presses and not self.training:
                    os.kill(os.getpid(), signal.SIGINT)
                return self.layer(x) + 0.1 * st.random.uniform((2,))

        class Arm(Callback):
            def on_epoch_begin(self, trainer, epoch):
                trainer.model.presses = epoch == 2 and self.is_armed

        def run(is_armed, **options):
            st.random.seed(0)
            model = PressInValidation()
            optimizer = optim.SGD(model.parameters(), lr=0.1)
            trainer = st.Trainer(
                model, loss=nn.CrossEntropyLoss(), optimizer=optimizer, compile=False
            )
            callback = Arm()
            callback.is_armed = is_armed
            history = trainer.fit(
                x, y, epochs=2, batch_size=10, validation_data=(x, y), callbacks=[callback],
                progress="none", **options,
            )  # fmt: skip
            return history, np.asarray(model.layer.weight)

        expected, weight = run(is_armed=False)
        history, _ = run(is_armed=True, checkpoint=tmp_path)
        assert history.interrupted
        assert history.epochs == 1
        resumed, resumed_weight = run(is_armed=False, checkpoint=tmp_path, resume=True)
        assert resumed.records == expected.records
        np.testing.assert_array_equal(weight, resumed_weight)

    def test_other_threads_leave_signals_alone(self):
        found = []

        def watch():
            with InterruptWatch() as watching:
                found.append((watching.requested, signal.getsignal(signal.SIGINT)))

        before = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=watch)
        thread.start()
        thread.join()
        assert found == [(False, before)]

    def test_a_background_program_stays_deaf(self):
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with InterruptWatch():
                assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)
