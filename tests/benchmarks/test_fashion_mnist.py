"""The recipe for Fashion-MNIST and its PyTorch twin, on a few images made up here."""

from __future__ import annotations

import dataclasses
import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fashion_mnist as benchmark
from examples import fashion_mnist as example
from steepest.data.images import PreparedImages

SMALL = dataclasses.replace(
    example.SHORT, epochs=2, batch_size=16, blocks=((8,), (16,)), dropout=0.0, learning_rate=0.03
)
"""At the rate of 0.1 rounding grows over the steps to the bound of the comparison below."""


def write_idx(folder: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    for role, array in (("images-idx3", images), ("labels-idx1", labels)):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        path = folder / f"{part}-{role}-ubyte.gz"
        path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten kinds of squares in grey, 240 images to train on and 50 for the test."""
    folder = tmp_path_factory.mktemp("patterns")
    random = np.random.default_rng(0)
    patterns = np.kron(random.uniform(0, 255, (10, 4, 4)), np.ones((7, 7)))
    for part, count in (("train", 240), ("t10k", 50)):
        labels = np.arange(count) % 10
        images = 0.8 * patterns[labels] + random.uniform(0, 50, (count, 28, 28))
        write_idx(folder, part, images, labels)
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> PreparedImages:
    return example.read_images(folder)


def test_pytorch_trains_the_same_network_on_the_same_images(
    data: PreparedImages, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = example.train(SMALL, data, data.test, seed=3, progress="none")
    twin = benchmark.TorchRun(SMALL, data, 3, compiled=False)
    twin.run(benchmark.Stopwatch())
    expected = twin.network.state_dict()
    found = ours.model.state_dict()
    assert list(found) == list(expected)
    # They differ by a hundredth of this; without weight decay by 28 times as much, and by more with
    # any other setting.
    for name, value in expected.items():
        np.testing.assert_allclose(
            np.asarray(found[name]), value.numpy(), rtol=2e-3, atol=2e-4, err_msg=name
        )
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"{100 * ours.history['val_accuracy'][-1]:.2f} %" in last


def test_training_changes_images_by_seed_and_epoch_and_the_test_shows_them_as_they_are(
    data: PreparedImages,
) -> None:
    batches = example.ImageBatches(data, example.LONG.augmentation, seed=1)
    places = data.train[:40]
    shown = batches.images(places, None)
    pixels = data.images[places].astype(np.float64).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(
        shown, (pixels - data.mean[0]) / data.deviation[0], rtol=1e-4, atol=1e-5
    )
    first = batches.images(places, 0)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, batches.images(places, 0))
    # Half of them are mirrored in one epoch and not in the other.
    assert 0.25 < (first != batches.images(places, 1)).any(axis=(1, 2, 3)).mean() < 0.75


def test_the_example_sets_images_apart_only_when_asked(folder: Path, data: PreparedImages) -> None:
    assert (len(data.train), len(data.validation), len(data.test)) == (240, 0, 50)
    validated = example.read_images(folder, validate=True)
    assert (len(validated.train), len(validated.validation)) == (220, 20)
    np.testing.assert_array_equal(validated.test, data.test)


def test_the_example_trains_and_tells_the_accuracy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(example, "SHORT", dataclasses.replace(SMALL, epochs=3))
    monkeypatch.setattr("sys.argv", ["example", "--data", str(folder), "--seed", "1"])
    example.main()
    out = capsys.readouterr().out
    assert out.startswith("240 images to train on, 3 epochs, seed 1\n")
    found = re.search(r"^test accuracy ([\d.]+) %, trained in \d+ s$", out, re.MULTILINE)
    assert found is not None
    assert float(found[1]) > 50


def test_the_example_says_where_to_get_the_images(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        example.read_images(tmp_path / "nowhere")
    assert str(raised.value) == (
        f"{tmp_path / 'nowhere'} holds no IDX files of Fashion-MNIST. Where to get them:\n"
        "  Debian and Ubuntu: apt install dataset-fashion-mnist\n"
        "  elsewhere: the four files of https://github.com/zalandoresearch/fashion-mnist "
        "(data/fashion),\n"
        "  in a folder named with --data"
    )


def test_the_stopwatch_tells_when_an_accuracy_was_reached_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([10.0, 40.0, 70.0, 100.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    watch = benchmark.Stopwatch()
    for epoch, accuracy in enumerate((0.92, 0.93, 0.935), 1):
        watch.epoch(epoch, accuracy)
    watch.end()
    assert capsys.readouterr().out.splitlines() == [
        "epoch  seconds  test accuracy",
        "    1     30.0  92.00 %",
        "    2     60.0  93.00 %",
        "    3     90.0  93.50 %",
        "93 % reached: 60.0 s, epoch 2",
        "94 % reached: not",
    ]
