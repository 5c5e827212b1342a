"""NaN and infinity: the first step and the first layer are named, the weights from before kept."""

import time

import numpy as np
import pytest

import steepest as st
from steepest import nn, optim
from steepest.errors import NonFiniteError
from steepest.train import Callback, CheckpointStore, LearningRateSchedule, TrainingFaultError
from steepest.train.faults import CHECK_STEPS, MOST_CHECK_STEPS, FaultGuard, Position
from steepest.train.step_schedules import StepSchedules

FIX_RATE = "Fix: lower the learning rate, or clip gradients with Trainer(clip_norm=1.0)."


def data(rows=40, columns=3):
    x = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


class Bomb(nn.Module):
    """Passes its input on; in one training step, counted from 1, it spoils the output."""

    def __init__(self, at_step, spoil):
        super().__init__()
        self.register_buffer("calls", np.zeros((), np.int64))
        self.at_step = at_step
        self.spoil = spoil

    def forward(self, x):
        if not self.training:
            return x
        self.calls.assign(self.calls + 1)
        return st.where(self.calls == self.at_step, self.spoil(x), x)


def log_of_negative(x):
    return st.log(-st.abs(x) - 1.0)


def network(bomb):
    st.random.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), bomb, nn.Linear(4, 2))


def fit(model, optimizer=None, loss=None, epochs=3, batch_size=4, x=None, y=None, **options):
    inputs, targets = data()
    optimizer = optimizer or optim.Adam(model.parameters(), lr=0.01)
    trainer = st.Trainer(model, loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer, **options)
    trainer.fit(
        inputs if x is None else x,
        targets if y is None else y,
        epochs=epochs,
        batch_size=batch_size,
        progress="none",
    )
    return trainer


def fault_of(model, **options):
    with pytest.raises(TrainingFaultError) as caught:
        fit(model, **options)
    return caught.value


class TestForward:
    @pytest.mark.parametrize("compile", [True, False])
    @pytest.mark.parametrize("step", [1, 2, 10, 11, 24, 30])
    def test_first_layer_and_step(self, step, compile):
        error = fault_of(network(Bomb(step, log_of_negative)), compile=compile)
        epoch, batch = (step - 1) // 10 + 1, (step - 1) % 10 + 1
        fault = error.fault
        assert (fault.step, fault.epoch, fault.batch) == (step, epoch, batch)
        assert (fault.layer, fault.place) == ("2", "forward")
        assert str(error).startswith(
            f"loss became NaN at step {step} (epoch {epoch}, batch {batch}): the first non-finite "
            f"numbers came out of Bomb '2' (input from "
        )
        assert str(error).endswith(
            f"{FIX_RATE} The model keeps its weights from before step {step}."
        )

    def test_is_an_arithmetic_error_of_steepest(self):
        error = fault_of(network(Bomb(1, log_of_negative)))
        assert isinstance(error, NonFiniteError)
        assert isinstance(error, ArithmeticError)

    def test_far_from_the_last_look_at_the_weights(self):
        step = CHECK_STEPS + 30
        x, y = data(400)
        error = fault_of(network(Bomb(step, log_of_negative)), x=x, y=y)
        assert (error.fault.step, error.fault.batch) == (step, step)

    def test_looks_are_further_apart_where_steps_are_short(self):
        model = network(Bomb(-1, log_of_negative))
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        guard = FaultGuard(model, optimizer, None, None, StepSchedules(optimizer, []))
        guard.mark(Position(0, 0, 0))
        assert guard.steps_left(0) == CHECK_STEPS
        guard.mark(Position(0, 64, 64))
        assert guard.steps_left(64) == MOST_CHECK_STEPS
        time.sleep(1)
        guard.mark(Position(0, 100, 100))
        assert guard.steps_left(110) == CHECK_STEPS - 10

    def test_weights_from_before_the_fault_are_kept(self):
        class StopAt(Callback):
            def on_batch_end(self, trainer, batch, loss):
                del batch, loss
                if trainer.steps == 13:
                    trainer.stop("here")

        faulty, sound = network(Bomb(14, log_of_negative)), network(Bomb(-1, log_of_negative))
        optimizers = [optim.Adam(each.parameters(), lr=0.01) for each in (faulty, sound)]
        fault_of(faulty, optimizer=optimizers[0])
        trainer = st.Trainer(sound, loss=nn.CrossEntropyLoss(), optimizer=optimizers[1])
        trainer.fit(*data(), epochs=3, batch_size=4, callbacks=[StopAt()], progress="none")
        for name, tensor in sound.state_dict().items():
            np.testing.assert_array_equal(faulty.state_dict()[name], tensor, err_msg=name)
        for key, slots in optimizers[1].state_dict()["state"].items():
            for name, tensor in slots.items():
                np.testing.assert_array_equal(
                    optimizers[0].state_dict()["state"][key][name], tensor
                )

    def test_with_a_per_step_schedule(self):
        model = network(Bomb(17, log_of_negative))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = LearningRateSchedule(optim.ExponentialLR(optimizer, 0.9), per="step")
        error = fault_of(model, optimizer=optimizer, schedule=schedule)
        assert error.fault.step == 17
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.1 * 0.9**16)

    def test_between_layers(self):
        class Careless(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(3, 2)

            def forward(self, x):
                return self.head(st.log(x - x) if self.training else x)

        assert str(fault_of(Careless(), clip_norm=1.0)) == (
            "loss became NaN at step 1 (epoch 1, batch 1): the first non-finite numbers came into "
            "Linear 'head' as its input, from what the model does before it. Fix: look at the "
            "operations before this layer, for example a division by 0. The model keeps its "
            "weights from before step 1."
        )

    def test_inputs_that_were_not_scaled(self):
        x, y = data()
        st.random.seed(0)
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
        error = fault_of(model, x=x * np.float32(3e38 / np.abs(x).max()), y=y)
        assert (error.fault.place, error.fault.step) == ("update", 1)
        assert error.fault.fix.startswith("scale the model's inputs, here from -")
        assert "e+38, to mean 0 and deviation 1; lower the learning rate" in error.fault.fix


class TestOtherPlaces:
    def test_loss(self):
        class LogLoss(nn.Module):
            def forward(self, output, target):
                return st.mean(st.log(output * 0.0) * target)

        st.random.seed(0)
        error = fault_of(nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)), loss=LogLoss())
        assert error.fault.place == "loss"
        assert str(error).startswith(
            "loss became NaN at step 1 (epoch 1, batch 1): the first non-finite numbers came out "
            "of the loss (model output from "
        )

    def test_infinite_loss(self):
        class Growing(nn.Module):
            def forward(self, output, target):
                del target
                return st.exp(st.mean(output) * 0.0 + 1000.0)

        st.random.seed(0)
        error = fault_of(nn.Linear(3, 2), loss=Growing())
        assert str(error).startswith("loss became infinite at step 1 (epoch 1, batch 1): ")

    def test_gradient(self):
        """The square root has an infinite slope at 0; the loss itself is fine."""

        class Root(nn.Module):
            def forward(self, output, target):
                del target
                return st.mean(st.sqrt(st.abs(output * 0.0)))

        st.random.seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        error = fault_of(model, loss=Root())
        assert (error.fault.layer, error.fault.place, error.fault.step) == ("2", "gradient", 1)
        assert str(error).startswith(
            "loss became NaN at step 2 (epoch 1, batch 2): the first non-finite numbers appeared "
            "at step 1 (epoch 1, batch 1) and were the gradient of 'weight' of Linear '2' (its "
            "weights from -"
        )

    def test_update(self):
        st.random.seed(0)
        model = nn.Linear(3, 2)
        error = fault_of(model, optimizer=optim.SGD(model.parameters(), lr=1e39))
        assert error.fault.place == "update"
        assert str(error).startswith(
            "loss became NaN at step 2 (epoch 1, batch 2): the first non-finite numbers appeared "
            "at step 1 (epoch 1, batch 1) and came out of the update of 'weight' by SGD (learning "
            "rate 1.00e+39, gradients from -"
        )
        assert str(error).endswith(f"{FIX_RATE} The model keeps its weights from before step 1.")
        assert np.isfinite(model.weight).all()

    def test_in_the_last_step_of_all(self):
        """No later loss would show it."""
        st.random.seed(0)
        model = nn.Linear(3, 2)
        with pytest.raises(
            TrainingFaultError, match=r"^weight became non-finite by step 1 \(epoch 1, "
        ):
            fit(
                model,
                optimizer=optim.SGD(model.parameters(), lr=1e39),
                epochs=1,
                batch_size=40,
            )

    def test_optimizer_state_that_overflows_unseen(self):
        """A second moment of infinity makes updates 0: training would stand still in silence."""

        class Steep(nn.Module):
            def forward(self, output, target):
                del target
                return st.mean(output) * 1e25

        st.random.seed(0)
        model = nn.Linear(3, 2)
        error = fault_of(model, loss=Steep(), epochs=1)
        assert error.fault.step == 1
        assert "(exp_avg_sq of the optimizer)" in str(error)

    def test_running_statistics(self):
        st.random.seed(0)
        model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
        x, y = data()
        error = fault_of(model, x=x * np.float32(1e25), y=y)
        assert error.fault.step == 1

    def test_something_else_changed_the_model(self):
        class Vandal(Callback):
            def on_batch_end(self, trainer, batch, loss):
                del loss
                if batch == 5:
                    trainer.model.weight.assign(np.full((2, 3), np.nan, np.float32))

        st.random.seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        trainer = st.Trainer(model, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
        with pytest.raises(TrainingFaultError) as caught:
            trainer.fit(*data(), batch_size=4, callbacks=[Vandal()], progress="none")
        assert caught.value.fault.place == "unknown"
        assert str(caught.value) == (
            "loss became NaN at step 6 (epoch 1, batch 6): repeating the steps since step 0 "
            "brought nothing back, so something outside of the training step changed the model. "
            "Fix: look at what the callbacks do. The model keeps its weights from before step 1."
        )
        assert np.isfinite(model.weight).all()


class TestCheckpointsStayGood:
    def test_none_holds_nan(self, tmp_path):
        x, y = data()
        model = network(Bomb(15, log_of_negative))
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        trainer = st.Trainer(model, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
        with pytest.raises(TrainingFaultError):
            trainer.fit(x, y, epochs=3, batch_size=4, checkpoint=tmp_path, progress="none")
        state = CheckpointStore(tmp_path).load_latest()
        assert state["steps"] == 10
        for tensor in state["training"]["model"].values():
            assert np.isfinite(tensor).all()
