"""Trainer: what it computes, against plain loops; what it refuses, word for word."""

import numpy as np
import pytest
import torch

import steepest as st
from steepest import nn, optim
from steepest.data.batches import BatchPlan
from steepest.errors import ArgumentError, DataError, DTypeError, ShapeError
from steepest.train import LearningRateSchedule, Metric
from steepest.train.figures import kept_output, metric_values
from steepest.train.metrics import find_metrics
from steepest.train.plan import EpochBatches


def classes(rows=60, seed=0):
    numbers = np.random.default_rng(seed)
    x = numbers.normal(size=(rows, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0.5)


def network(outputs=3, dropout=0.0, seed=0):
    st.random.seed(seed)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, outputs)
    )


def trainer_of(model, loss=None, learning_rate=0.05, **options):
    optimizer = optim.SGD(model.parameters(), lr=learning_rate)
    return st.Trainer(model, loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer, **options)


def bits(model):
    return {name: np.asarray(tensor).tobytes() for name, tensor in model.state_dict().items()}


class TestFit:
    def test_is_the_plain_loop(self):
        """Against PyTorch in float64, with clipping, a schedule, and a smaller last batch."""
        x, y = classes(50)
        x = x.astype(np.float64)
        model = network().to(st.float64)
        other = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Tanh(),
            torch.nn.Dropout(0.0),
            torch.nn.Linear(8, 3),
        ).double()
        other.load_state_dict(
            {name: torch.tensor(np.asarray(each)) for name, each in model.state_dict().items()}
        )
        optimizer = optim.Adam(model.parameters(), lr=0.02)
        trainer = st.Trainer(
            model,
            loss=nn.CrossEntropyLoss(),
            optimizer=optimizer,
            schedule=optim.StepLR(optimizer, step_size=1, gamma=0.5),
            clip_norm=0.5,
            seed=7,
        )
        history = trainer.fit(x, y, epochs=3, batch_size=16, progress="none")
        losses = self.torch_loop(other, x, y, EpochBatches(BatchPlan(50, 16, seed=7)))
        np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
        for name, tensor in other.state_dict().items():
            np.testing.assert_allclose(
                model.state_dict()[name], tensor.numpy(), rtol=1e-9, atol=1e-9
            )
        assert history["lr"] == [0.02, 0.01, 0.005]

    def torch_loop(self, model, x, y, plan):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        losses = []
        for epoch in range(3):
            total = 0.0
            for batch in range(plan.batches):
                rows = plan.selection(epoch, batch)
                output = model(torch.tensor(x[rows]))
                loss = torch.nn.functional.cross_entropy(output, torch.tensor(y[rows]))
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimizer.step()
                total += loss.item() * len(rows)
            losses.append(total / 50)
            schedule.step()
        return losses

    def test_figures_are_of_the_whole_set(self):
        x, y = classes()
        x_val, y_val = classes(31, seed=1)
        trainer = trainer_of(network(), metrics=["accuracy", "f1_macro", "log_loss"])
        history = trainer.fit(
            x, y, epochs=2, batch_size=7, validation_data=(x_val, y_val), progress="none"
        )
        final = trainer.evaluate(x_val, y_val, batch_size=4)
        assert list(final) == ["loss", "accuracy", "f1_macro", "log_loss"]
        for name, value in final.items():
            assert history.last()[f"val_{name}"] == pytest.approx(value, rel=1e-6)
        predicted = trainer.predict(x_val, batch_size=5).argmax(axis=1)
        assert final["accuracy"] == np.mean(predicted == y_val)
        assert final["log_loss"] == pytest.approx(final["loss"], rel=1e-6)
        assert trainer.figure_names == tuple(history.names)

    def test_labels_are_kept_in_place_of_scores(self):
        metrics = find_metrics(["accuracy", "f1_macro"])
        scores = np.random.default_rng(0).normal(size=(6, 4, 2))
        target = np.random.default_rng(1).integers(0, 4, size=(6, 2))
        kept = kept_output(metrics, target, scores)
        assert kept.shape == (6, 2)
        expected = metric_values(metrics, target, [scores], from_logits=True)
        parts = [kept[:4], kept[4:]]
        assert metric_values(metrics, target, parts, from_logits=True) == expected
        scores[3, 1, 0] = np.nan
        values = metric_values(
            metrics, target, [kept_output(metrics, target, scores)], from_logits=True
        )
        assert np.isnan(list(values.values())).all()

    @pytest.mark.parametrize(
        ("names", "shape", "target"),
        [
            (["accuracy", "log_loss"], (6, 3), np.zeros(6, int)),
            (["accuracy"], (6,), np.zeros(6, int)),
            (["accuracy"], (6, 1), np.zeros(6, int)),
            (["accuracy"], (6, 3), np.full((6, 3), 1 / 3)),
        ],
    )
    def test_scores_are_kept_where_they_are_needed(self, names, shape, target):
        output = np.zeros(shape)
        assert kept_output(find_metrics(names), target, output) is output

    def test_training_metrics_are_of_the_outputs_of_the_steps(self):
        x, y = classes(20)
        model = network()
        seen = []
        model.register_forward_hook(lambda *each: seen.append(each[2]) if model.training else None)
        trainer = trainer_of(model, metrics=["accuracy"], compile=False)
        history = trainer.fit(x, y, batch_size=8, progress="none")
        order = BatchPlan(20, 8, seed=0).order(0)
        output = np.concatenate([np.asarray(each) for each in seen])
        assert history["accuracy"] == [np.mean(output.argmax(axis=1) == y[order])]

    def test_drop_last(self):
        x, y = classes(10)
        sizes = []
        model = network()
        model.register_forward_hook(
            lambda module, inputs, _: sizes.append(len(inputs[0])) if module.training else None
        )
        trainer = trainer_of(model, metrics=["accuracy"], compile=False)
        trainer.fit(x, y, epochs=2, batch_size=4, drop_last=True, progress="none")
        assert sizes == [4, 4, 4, 4]
        assert trainer.steps == 4

    def test_without_shuffling(self):
        x, y = classes(10)
        seen = []
        model = network()
        model.register_forward_hook(
            lambda module, inputs, _: seen.append(inputs[0]) if module.training else None
        )
        trainer = trainer_of(model, compile=False)
        trainer.fit(x, y, batch_size=4, shuffle=False, progress="none")
        np.testing.assert_array_equal(np.concatenate([np.asarray(each) for each in seen]), x)

    def test_fitting_twice_goes_on(self):
        x, y = classes()
        once, twice = network(dropout=0.5), network(dropout=0.5)
        trainer_of(once).fit(x, y, epochs=4, progress="none")
        trainer = trainer_of(twice)
        trainer.fit(x, y, epochs=1, progress="none")
        history = trainer.fit(x, y, epochs=3, progress="none")
        assert bits(once) == bits(twice)
        assert history.epochs == 3
        assert trainer.epochs == 4

    def test_modes_and_default_generator_are_left_as_they_were(self):
        x, y = classes()
        model = network(dropout=0.5)
        model[3].eval()
        st.random.seed(5)
        expected = np.asarray(st.random.uniform((3,)))
        st.random.seed(5)
        trainer = trainer_of(model)
        trainer.fit(x, y, progress="none")
        trainer.evaluate(x, y)
        trainer.predict(x)
        assert model.training
        assert not model[3].training
        np.testing.assert_array_equal(st.random.uniform((3,)), expected)

    def test_multiple_inputs(self):
        class Sum(nn.Module):
            def __init__(self):
                super().__init__()
                self.left, self.right = nn.Linear(2, 1), nn.Linear(3, 1)

            def forward(self, left, right):
                return self.left(left) + self.right(right)

        numbers = np.random.default_rng(0)
        left, right = numbers.normal(size=(20, 2)), numbers.normal(size=(20, 3))
        y = left.sum(axis=1, keepdims=True)
        results = []
        for x in [(left, right), {"right": right, "left": left}]:
            st.random.seed(0)
            model = Sum()
            trainer = trainer_of(model, loss=nn.MSELoss(), metrics=["rmse", "r2"])
            trainer.fit(x, y, epochs=3, validation_fraction=0.2, progress="none")
            results.append(trainer.predict(x))
            assert trainer.predict(x).shape == (20, 1)
        np.testing.assert_array_equal(results[0], results[1])

    def test_learns(self):
        x, y = classes(400)
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        trainer = trainer_of(model, learning_rate=0.5, metrics=["accuracy"])
        trainer.fit(x, y, epochs=30, batch_size=32, progress="none")
        assert trainer.evaluate(x, y)["accuracy"] > 0.95

    @pytest.mark.parametrize("dtype", [st.bfloat16, st.float32, st.float64])
    def test_data_takes_the_type_of_the_parameters(self, dtype, tmp_path):
        x, y = classes()
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
        seen = set()
        model.register_forward_hook(lambda *each: seen.add((each[1][0].dtype, each[2].dtype)))
        trainer = trainer_of(model, metrics=["accuracy"])
        trainer.fit(x, y, epochs=2, checkpoint=tmp_path, progress="none")
        assert seen == {(dtype, dtype)}
        other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
        again = trainer_of(other, metrics=["accuracy"])
        again.fit(x, y, epochs=2, checkpoint=tmp_path, resume=True, progress="none")
        assert bits(again.model) == bits(model)

    def test_per_step_schedule(self):
        x, y = classes(40)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = LearningRateSchedule(optim.ExponentialLR(optimizer, gamma=0.9), per="step")
        trainer = st.Trainer(
            model, loss=nn.CrossEntropyLoss(), optimizer=optimizer, schedule=schedule
        )
        history = trainer.fit(x, y, epochs=2, batch_size=10, progress="none")
        np.testing.assert_allclose(history["lr"], [0.1 * 0.9**4, 0.1 * 0.9**8])

    def test_reduce_on_plateau_is_given_the_loss(self):
        x, y = classes(40)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0)
        trainer = st.Trainer(
            model, loss=nn.CrossEntropyLoss(), optimizer=optimizer, schedule=schedule
        )
        history = trainer.fit(x, y, epochs=3, progress="none")
        assert history["lr"] == [0.1, 0.1, 0.05]

    def test_own_metric_and_function_loss(self):
        x, y = classes()
        worst = Metric("worst", "numbers", False, lambda t, p: float(abs(t - p).max()), "worst")
        model = nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))
        trainer = trainer_of(
            model, loss=lambda output, y: st.mean(st.abs(output - y)), metrics=[worst]
        )
        history = trainer.fit(x, y.astype(np.float32), progress="none")
        assert history.names == ["loss", "worst", "lr"]


class TestReproducibility:
    def run(self, seed=0, **options):
        x, y = classes()
        model = network(dropout=0.4)
        history = trainer_of(model, seed=seed, **options).fit(
            x, y, epochs=2, batch_size=16, validation_fraction=0.2, progress="none"
        )
        return bits(model), history.records

    def test_one_seed_one_result(self):
        assert self.run() == self.run()

    def test_another_seed_another_result(self):
        assert self.run()[0] != self.run(seed=1)[0]

    def test_what_was_drawn_before_does_not_matter(self):
        first = self.run()
        x, y = classes()
        model = network(dropout=0.4)
        st.random.uniform((100,))
        trainer_of(model).fit(
            x, y, epochs=2, batch_size=16, validation_fraction=0.2, progress="none"
        )
        assert bits(model) == first[0]

    def test_eager_equals_compiled(self):
        eager, compiled = self.run(compile=False), self.run()
        for name, values in eager[0].items():
            np.testing.assert_allclose(
                np.frombuffer(values, np.float32 if "num" not in name else np.int64),
                np.frombuffer(compiled[0][name], np.float32 if "num" not in name else np.int64),
                rtol=1e-4,
                atol=1e-6,
            )


class TestWeights:
    def test_sample_weights_weigh_losses(self):
        x, y = classes(30)
        weight = np.random.default_rng(0).uniform(0.1, 2.0, size=30)
        model = network().to(st.float64)
        trainer = trainer_of(model)
        output = np.asarray(model(st.asarray(x.astype(np.float64))))
        history = trainer.fit(x, y, batch_size=30, sample_weight=weight, progress="none")
        losses = np.log(np.exp(output).sum(axis=1)) - output[np.arange(30), y]
        expected = np.sum(losses * weight) / np.sum(weight)
        assert history["loss"] == [pytest.approx(expected, rel=1e-9)]

    def test_a_weight_of_zero_leaves_a_sample_out(self):
        x, y = classes(30)
        wrong = y.copy()
        wrong[:5] = 0
        models = []
        for target in (y, wrong):
            model = nn.Linear(4, 3)
            st.random.seed(0)
            nn.init.normal_(model.weight)
            nn.init.zeros_(model.bias)
            weight = np.ones(30)
            weight[:5] = 0.0
            trainer_of(model).fit(x, target, epochs=2, sample_weight=weight, progress="none")
            models.append(bits(model))
        assert models[0] == models[1]

    def test_balanced_classes(self):
        x, y = classes(40)
        results = []
        counts = np.bincount(y)
        by_hand = (40 / (3 * counts))[y]
        by_class = {int(label): 40 / (3 * count) for label, count in enumerate(counts)}
        for options in (
            {"class_weight": "balanced"},
            {"class_weight": by_class},
            {"sample_weight": by_hand},
        ):
            model = network()
            trainer_of(model).fit(x, y, progress="none", **options)
            results.append(bits(model))
        assert results[0] == results[1] == results[2]

    def test_wrong_class(self):
        x, y = classes()
        with pytest.raises(ArgumentError) as caught:
            trainer_of(network()).fit(x, y, class_weight={5: 2.0})
        assert str(caught.value) == (
            "fit: class_weight has the class 5, which y does not. Classes in y: 0, 1, 2."
        )

    def test_a_loss_that_cannot_be_weighted(self):
        x, y = classes()
        with pytest.raises(ArgumentError, match=r"has no 'reduction'. Use one of nn's losses"):
            trainer_of(network(), loss=lambda output, y: output.sum() + y.sum()).fit(
                x, y, sample_weight=np.ones(60)
            )


class TestPredict:
    def test_last_batch_and_conversion(self):
        x, _ = classes(23)
        trainer = trainer_of(network(dropout=0.5))
        whole = trainer.predict(x.astype(np.float64), batch_size=23)
        assert whole.shape == (23, 3)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(trainer.predict(x, batch_size=5), whole, rtol=1e-5, atol=1e-6)

    def test_several_outputs(self):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(4, 1)

            def forward(self, x):
                return {"mean": self.head(x), "input": x}

        x, _ = classes(9)
        trainer = trainer_of(Two(), loss=lambda output, y: st.mean((output["mean"] - y) ** 2))
        trainer.fit(x, np.zeros((9, 1)), batch_size=4, progress="none")
        output = trainer.predict(x, batch_size=4)
        assert output["mean"].shape == (9, 1)
        np.testing.assert_array_equal(output["input"], x)

    def test_probabilities_of_a_bce_loss_are_known_as_such(self):
        x, y = classes()
        y = (y > 0).astype(np.float32)[:, None]
        model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
        trainer = trainer_of(model, loss=nn.BCELoss(), metrics=["accuracy", "log_loss"])
        trainer.fit(x, y, epochs=1, progress="none")
        scores = trainer.evaluate(x, y)
        assert scores["accuracy"] == np.mean((trainer.predict(x) > 0.5) == y)
        assert scores["log_loss"] == pytest.approx(scores["loss"], rel=1e-5)


class TestMessages:
    def refuse(self, kind, message, x, y, **options):
        with pytest.raises(kind) as caught:
            trainer_of(network()).fit(x, y, progress="none", **options)
        assert str(caught.value) == message

    def test_lengths(self):
        x, y = classes()
        self.refuse(
            ShapeError,
            "fit: x (60, 4) has 60 samples, but y (59,) has 59. The first axis runs over samples.",
            x,
            y[:59],
        )

    def test_empty(self):
        self.refuse(DataError, "fit: x (0, 4) is empty.", np.zeros((0, 4)), np.zeros(0, int))

    def test_nan(self):
        x, y = classes()
        x[17, 2] = np.nan
        self.refuse(
            DataError,
            "fit: x (60, 4) holds nan at [17, 2]. Fill in or leave out missing values first: a "
            "network cannot learn from them.",
            x,
            y,
        )

    def test_text(self):
        x, _ = classes()
        self.refuse(
            DTypeError,
            "fit: y (60,) holds <U4, but numbers are needed. Encode text and categories as "
            "numbers first.",
            x,
            np.array(["spam"] * 60),
        )

    def test_column_of_labels(self):
        x, y = classes()
        with pytest.raises(ShapeError, match="cross_entropy"):
            trainer_of(network()).fit(x, y[:, None], progress="none")

    def test_column_against_row(self):
        x, y = classes()
        with pytest.raises(ShapeError, match=r"\(32, 1\).*\(32,\)"):
            trainer_of(network(1), loss=nn.MSELoss()).fit(x, y.astype(np.float32), progress="none")

    def test_a_label_too_large_far_down(self):
        x, y = classes()
        y[59] = 3
        self.refuse(
            ArgumentError,
            "fit: y holds the class 3, but the model has 3 outputs: classes are numbers from 0 "
            "to 2.",
            x,
            y,
            shuffle=False,
        )

    def test_a_binary_metric_of_three_classes_fails_before_training(self):
        x, y = classes()
        model = network()
        before = bits(model)
        with pytest.raises(ArgumentError, match="f1: is about two classes, but y holds 3"):
            trainer_of(model, metrics=["f1"]).fit(x, y, progress="none")
        assert bits(model) == before

    def test_batches_larger_than_the_data_are_all_of_it(self):
        x, y = classes(10)
        trainer = trainer_of(network())
        trainer.fit(x, y, epochs=2, drop_last=True, progress="none")
        assert trainer.steps == 2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"epochs": 0}, "fit: epochs must be a whole number of at least 1, got 0."),
            ({"batch_size": 0}, "fit: batch_size must be at least 1, got 0."),
            ({"batch_size": 2.5}, "fit: batch_size must be a whole number, got 2.5."),
            (
                {"progress": "lines!"},
                "fit: progress 'lines!' is unknown. Did you mean 'lines'? "
                "Choose from: auto, bar, lines, none.",
            ),
            ({"validation_data": 3}, "fit: validation_data must be a pair (x, y)."),
            (
                {"validation_fraction": 1.5},
                "fit: validation_fraction must be between 0 and 1, got 1.5.",
            ),
            ({"resume": True}, "fit: resume=True needs checkpoint=FOLDER to resume from."),
            ({"callbacks": [3]}, "fit: a callback must be a steepest.train.Callback, got int."),
        ],
    )
    def test_arguments(self, options, message):
        x, y = classes()
        with pytest.raises(ArgumentError) as caught:
            trainer_of(network()).fit(x, y, **options)
        assert str(caught.value) == message

    def test_optimizer_of_another_model(self):
        model, other = network(), network()
        with pytest.raises(ArgumentError) as caught:
            st.Trainer(model, loss=nn.MSELoss(), optimizer=optim.SGD(other.parameters(), lr=0.1))
        assert str(caught.value) == (
            "Trainer: the optimizer holds none of the model's parameters. Make it after the "
            "model: optimizer = optim.AdamW(model.parameters())."
        )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"loss": nn.MSELoss}, "Trainer: loss is the class MSELoss; make one: MSELoss()."),
            (
                {"loss": "mse"},
                "Trainer: loss must be callable, such as nn.CrossEntropyLoss(), got 'mse'.",
            ),
            (
                {"loss": nn.MSELoss(reduction="none")},
                "Trainer: MSELoss with reduction='none' gives many numbers, but training needs "
                "one. Use reduction='mean'; weights of samples are an argument of fit.",
            ),
            (
                {"loss": nn.MSELoss(), "metrics": ["rmse", "accuracy"]},
                "Trainer: the metric 'accuracy' needs to know what the model puts out, which "
                "MSELoss does not tell. Pass from_logits=True for raw scores, from_logits=False "
                "for probabilities.",
            ),
            ({"clip_norm": 0}, "Trainer: clip_norm must be above 0 or None, got 0."),
            ({"seed": -1}, "Trainer: seed must be a whole number of at least 0, got -1."),
            (
                {"metrics": ["acuracy"]},
                "metric 'acuracy' is unknown. Did you mean 'accuracy'? Known metrics: ",
            ),
        ],
    )
    def test_constructor(self, options, message):
        with pytest.raises(ArgumentError) as caught:
            trainer_of(network(), **options)
        assert str(caught.value).startswith(message)

    def test_no_targets(self):
        x, _ = classes()
        self.refuse(ArgumentError, "fit: y is None, but the loss needs targets.", x, None)

    def test_weights_that_are_broken_already(self):
        x, y = classes()
        model = network()
        model[0].weight.assign(np.full((8, 4), np.nan, np.float32))
        with pytest.raises(st.errors.NonFiniteError) as caught:
            trainer_of(model).fit(x, y, progress="none")
        assert str(caught.value) == (
            "fit: 0.weight holds NaN or infinite numbers before training begins. Initialise the "
            "model anew, or load other weights."
        )

    def test_loss_with_many_numbers(self):
        x, y = classes()
        with pytest.raises(ShapeError, match=r"the loss must be one number, of shape \(\), but"):
            trainer_of(network(), loss=lambda output, y: output.sum(axis=1) + y).fit(x, y)
