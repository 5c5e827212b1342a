"""Parts of the benchmarks that need no process of their own."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steepest as st
from benchmarks import fit, libraries
from benchmarks.contraction import chain_length
from benchmarks.libraries import LIBRARIES, installed
from benchmarks.libraries.session import Task
from benchmarks.machine import Peak, measure_peak
from benchmarks.measure import Measurement, largest_difference
from benchmarks.options import widths
from benchmarks.plot import Curve, line_plot
from benchmarks.remote import Remote, WorkerError
from benchmarks.results import markdown, speed_table, to_json
from benchmarks.timing import Times, warm_up_alone
from benchmarks.workloads import WORKLOADS, make_workload
from benchmarks.workloads.layers import Convolution, TransposedConvolution
from benchmarks.workloads.numbers import (
    initial_parameters,
    input_shape,
    make_batches,
    output_shape,
)
from steepest import models, nn
from steepest.train import History


def test_operations_are_those_of_the_contractions() -> None:
    workload = make_workload("mlp", {"layers": (4, 3, 2), "batch": 5})
    assert workload.operations(training=False) == 2 * 5 * (4 * 3 + 3 * 2)
    # The first layer needs no gradient of its input.
    assert workload.operations(training=True) == 2 * 5 * (2 * 4 * 3 + 3 * 3 * 2)


def test_the_update_moves_parameters_and_moments() -> None:
    assert make_workload("mlp", {}).update_bytes(10) == 10 * 4 * 6
    assert make_workload("mlp-sgd", {}).update_bytes(10) == 10 * 4 * 4
    assert make_workload("mlp-sgd", {"momentum": 0.0}).update_bytes(10) == 10 * 4 * 2


@pytest.mark.parametrize("name", WORKLOADS)
def test_numbers_are_the_same_each_time_and_of_the_stated_types(name: str) -> None:
    workload = make_workload(name, {})
    first, second = initial_parameters(workload.layers), initial_parameters(workload.layers)
    assert all(each.dtype == np.float32 for each in first)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    batch = make_batches(workload)[0]
    assert all(len(each) == workload.batch for each in (*batch.inputs, batch.target))


def test_workloads_without_randomness_have_no_dropout() -> None:
    workload = make_workload("mlp-dropout", {})
    assert workload.is_random
    assert workload.without_randomness().layers == make_workload("mlp", {}).layers


TINY = {
    "tabular": {"layers": (6, 8, 3)},
    "mlp-sgd": {"layers": (6, 8, 3), "dropout": 0.5},
    "mlp-clip": {"layers": (6, 8, 3), "activation": "tanh", "clip_norm": 0.1},
    "deep": {"layers": (6, 8, 8, 3)},
    "autoencoder": {"layers": (6, 4, 6)},
    "embedding": {"layers": (8, 1), "columns": 2, "values": 5, "width": 3, "numbers": 2},
}


TINY_IMAGES = {
    "resnet20": {"image": 8, "channels": (3, 4, 8), "blocks": (1, 1)},
    "resnet18": {"image": 16, "channels": (3, 4, 8), "blocks": (1, 1), "classes": 5},
    "mobilenet": {"image": 16, "scale": 0.2, "blocks": (0, 2, 0, 0, 0, 0, 0)},
    "dcgan-generator": {"image": 8, "channels": (5, 8, 4, 3)},
    "dcgan-discriminator": {"image": 8, "channels": (3, 4, 8, 1)},
}
TINY |= TINY_IMAGES


@pytest.mark.parametrize("name", TINY)
def test_both_back_ends_find_the_same_losses_and_outputs(name: str) -> None:
    workload = make_workload(name, {**TINY[name], "batch": 4})
    task = Task(workload, initial_parameters(workload.layers), make_batches(workload))
    found = []
    for library in (LIBRARIES["steepest"], LIBRARIES["evaluator"]):
        st.random.seed(0)
        training, prediction = library.training(task), library.prediction(task)
        losses = [training.numbers(training.step()) for _ in range(4)]
        found.append([*losses, prediction.numbers(prediction.step())])
    assert largest_difference(*found) < 1e-5


@pytest.mark.parametrize("package", ["torch", "jax"])
@pytest.mark.parametrize("name", TINY_IMAGES)
def test_peers_find_the_same_losses_and_outputs_for_images(name: str, package: str) -> None:
    pytest.importorskip(package)
    workload = make_workload(name, {**TINY_IMAGES[name], "batch": 4})
    task = Task(workload, initial_parameters(workload.layers), make_batches(workload))
    found = []
    for library in (LIBRARIES["evaluator"], LIBRARIES[package]):
        training, prediction = library.training(task), library.prediction(task)
        losses = [training.numbers(training.step()) for _ in range(3)]
        found.append([*losses, prediction.numbers(prediction.step())])
    assert found[0][-1].shape == found[1][-1].shape
    assert largest_difference(*found) < 1e-5


def sizes_of(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """Parameters, and multiply-adds for one image."""
    found = model.summary(shape)
    return found.parameters, found.multiply_adds


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("resnet20", lambda: models.ResNet(20, num_classes=10)),
        ("resnet18", lambda: models.ResNet(18)),
        ("mobilenet", lambda: models.MobileNetV2(10)),
    ],
)
def test_networks_are_as_large_as_the_models(name: str, model: Callable[[], nn.Module]) -> None:
    workload = make_workload(name, {})
    parameters = sum(each.size for each in initial_parameters(workload.layers))
    multiply_adds = workload.operations(training=False) // (2 * workload.batch)
    shape = (1, *input_shape(workload.layers))
    assert (parameters, multiply_adds) == sizes_of(model(), shape)


def test_dcgan_is_as_large_as_counted_by_hand() -> None:
    settings = {"image": 8, "channels": (5, 8, 4, 3), "batch": 2}
    generator = make_workload("dcgan-generator", settings)
    # 5-8 from 1x1 to 2x2 by 2x2, then 4x4 kernels from 2x2 to 4x4, from 4x4 to 8x8.
    forward = 5 * 8 * 4 + 8 * 4 * 16 * 4 + 4 * 3 * 16 * 16
    assert output_shape(generator.layers) == (3, 8, 8)
    assert generator.operations(training=False) == 2 * 2 * forward
    assert generator.operations(training=True) == 2 * 2 * (3 * forward - 5 * 8 * 4)
    settings["channels"] = (3, 4, 8, 1)
    discriminator = make_workload("dcgan-discriminator", settings)
    forward = 3 * 4 * 16 * 16 + 4 * 8 * 16 * 4 + 8 * 1 * 4
    assert output_shape(discriminator.layers) == (1,)
    assert discriminator.operations(training=False) == 2 * 2 * forward


def test_layers_know_their_sizes() -> None:
    strided = Convolution(6, 12, 3, 9, stride=2, padding=1, groups=3)
    assert (strided.output_size, strided.multiply_adds) == (5, 2 * 12 * 9 * 25)
    transposed = TransposedConvolution(6, 12, 4, 5, stride=2, padding=1)
    assert (transposed.output_size, transposed.multiply_adds) == (10, 6 * 12 * 16 * 25)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "dcgan-generator",
            {"image": 12, "channels": (5, 8, 8, 8, 3)},
            "dcgan-generator: image 12 must be a multiple of 8, because 4 convolutions halve or "
            "double its sides 3 times.",
        ),
        (
            "resnet18",
            {"blocks": (2, 2)},
            "resnet18: blocks (2, 2) must be 4 numbers, one for each stage of channels "
            "(3, 64, 128, 256, 512).",
        ),
        (
            "mobilenet",
            {"blocks": (2, 2)},
            "mobilenet: blocks (2, 2) must be 7 numbers, one a stage.",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make_workload(name, settings)


def test_widths() -> None:
    assert widths("784,3x256,10") == (784, 256, 256, 256, 10)


def test_a_library_that_is_not_installed_is_skipped_with_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries.importlib.util, "find_spec", lambda _: None)
    assert installed(["torch"]) == []
    assert capsys.readouterr().out == "skipped: torch: the package torch is not installed\n"


def test_an_error_in_a_worker_names_itself(tmp_path: Path) -> None:
    with Remote(LIBRARIES["numpy"], 1, tmp_path) as remote:
        remote.start()
        with pytest.raises(WorkerError, match=r"RuntimeError: nothing has been built yet\."):
            remote.call("results", steps=1)
        built = remote.call("build_contraction", size=4, form="tt", chain=2)
        assert built.result.shape == (4, 4)


@pytest.mark.parametrize("form", ["nn", "nt", "tn", "tt"])
def test_contractions_are_what_their_form_says(form: str) -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, 5, 5)).astype(np.float32)
    expected = (left.T if form[0] == "t" else left) @ (right.T if form[1] == "t" else right)
    for name in ("steepest", "numpy"):
        session = LIBRARIES[name].contraction(left, right, form, 1)
        found = session.numbers(session.step())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", fit.CASES)
def test_ways_to_train_with_fit(name: str) -> None:
    case = dataclasses.replace(fit.CASES[name], rows=100, epochs=2)
    assert case.steps == 8
    history = fit.by_fit(case)()
    assert isinstance(history, History)
    assert len(history["loss"]) == 2
    assert ("val_accuracy" in history.names) == case.validation
    assert ("accuracy" in history.names) == case.metric
    assert (history["lr"][-1] < fit.RATE / 2) == case.schedule
    losses = fit.by_steps(case)()
    assert isinstance(losses, st.Tensor)
    assert losses.shape == (8,)
    pytest.importorskip("torch")
    fit.by_torch(case, threads=1)()


def test_a_turn_begins_when_the_others_no_longer_run() -> None:
    class Spinning:
        """Its threads take a whole processor while three warm-ups run."""

        used = 0.0

        def call(self, method: str) -> float:
            assert method == "processor_seconds"
            return self.used

    class Timed:
        warm_ups = 0

        def call(self, method: str, steps: int) -> None:
            assert (method, steps) == ("warm_up", 7)
            self.warm_ups += 1
            if self.warm_ups <= 3:
                other.used += 1.0

    timed, other, idle = Timed(), Spinning(), Spinning()
    warm_up_alone(timed, 7, [other, idle])  # type: ignore[arg-type,list-item]
    assert timed.warm_ups == 4
    warm_up_alone(timed, 7, [])  # type: ignore[arg-type]
    assert timed.warm_ups == 5


def test_chains_are_long_for_small_sizes() -> None:
    assert [chain_length(size) for size in (8, 256, 2048)] == [16, 6, 1]


def test_differences_are_relative_to_the_largest_number() -> None:
    expected = [np.array([1.0, 100.0])]
    assert largest_difference([np.array([2.0, 100.0])], expected) == 0.01
    assert not largest_difference([np.array([np.nan, 100.0])], expected) <= 1.0


def measured() -> Measurement:
    workload = make_workload("mlp", {})
    times = {"steepest": Times((1e-3, 2e-3, 3e-3)), "torch": Times((4e-3,)), "jax": Times((6e-3,))}
    return Measurement(workload, 200_000_000, 24_000, times)


def test_ratio_is_the_fastest_peers_median_over_ours() -> None:
    found = to_json([measured()], {}, Peak(200.0, 50.0), "train")["results"][0]
    assert found["ratio"] == 2.0
    assert found["fastest_peer"] == "torch"
    assert found["share_of_peak"] == 0.5
    assert found["median_us"] == {"steepest": 2000.0, "torch": 4000.0, "jax": 6000.0}


def test_table_lines_up() -> None:
    lines = speed_table([measured()], ["steepest", "torch", "jax"], Peak(200.0, 50.0))
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split("|")[2].strip() == "2,000"
    assert markdown([["name", "us"], ["a", "1"]]) == [
        "| name | us |",
        "| ---- | -: |",
        "| a    |  1 |",
    ]


def test_peak_is_measured() -> None:
    peak = measure_peak(1, bursts=2, burst_seconds=0.001)
    assert peak.gflops > 1
    assert peak.bandwidth_gb_s > 0.1


def test_plot_names_its_curves() -> None:
    text = line_plot("Title", "size", "GFLOP/s", [Curve("one & two", [(8, 1.0), (64, 120.0)])])
    assert "one &amp; two" in text
    assert text.count("<polyline") == 1
