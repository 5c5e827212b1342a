"""ImageModel: learning, prediction, files and their damage, resuming."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from image_samples import CLASSES, drawn, image_folder, images, prepared, quick_fit
from PIL import Image

from steepest.data.images import Augmentation, prepare_images
from steepest.data.notes import DataWarning
from steepest.errors import ArgumentError, CheckpointError, DataError, ShapeError
from steepest.models import ImageModel
from steepest.models.images import ImageRecipe
from steepest.models.images.feeder import ImageFeeder
from steepest.models.images.network import NETWORKS, build_network, choose_network
from steepest.models.images.training import train_images
from steepest.train.checkpoint import Checkpoint


@pytest.fixture(scope="module", autouse=True)
def evaluator() -> Iterator[None]:
    """Short trainings are not worth compiling; `tests/native` compares the back ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.models.images.training.BACK_END", "evaluator")
        yield


@pytest.fixture(scope="module")
def model() -> ImageModel:
    return quick_fit(prepared())


def new_images() -> tuple[np.ndarray, list[str]]:
    labels = [label for label in CLASSES for _ in range(6)]
    pixels = [drawn(label, 1000 + number) for number, label in enumerate(labels)]
    return np.stack(pixels), labels


def test_it_learns(model: ImageModel) -> None:
    pixels, labels = new_images()
    assert model.classes == CLASSES
    assert (model.size, model.channels, model.network_name) == ((12, 12), 1, "lenet")
    found = model.predict(pixels)
    assert np.mean(found == np.array(labels)) >= 0.8
    measured = model.evaluate(pixels, labels)
    assert measured["accuracy"] == pytest.approx(np.mean(found == np.array(labels)))
    probabilities = model.predict_probabilities(pixels)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert model.history.epochs == 8
    assert model.history["loss"][-1] < model.history["loss"][0]


def test_the_same_seed_gives_the_same_bits(model: ImageModel) -> None:
    again, other = quick_fit(prepared()), quick_fit(prepared(), seed=1)
    for name, value in model.network.state_dict().items():
        np.testing.assert_array_equal(again.network.state_dict()[name].numpy(), value.numpy())
    assert again.history.records == model.history.records
    assert other.history.records != model.history.records


def test_one_image_in_many_forms(model: ImageModel, tmp_path: Path) -> None:
    image = drawn("poles", 5)
    path = tmp_path / "one.png"
    Image.fromarray(image).save(path)
    expected = model.predict_probabilities(image[None])
    for source in (path, str(path), tmp_path, [path], image, np.dstack([image] * 3)):
        np.testing.assert_allclose(model.predict_probabilities(source), expected, rtol=1e-5)


def test_files_that_cannot_be_used_have_no_answer(model: ImageModel, tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "new", each=1)
    (folder / "bars" / "zz.png").write_bytes(b"")
    with pytest.warns(DataWarning, match=r"^Left out 1 file that is an empty file: 'bars/zz.png'"):
        labels = model.predict(folder)
    assert labels[1] is None
    assert [each is not None for each in labels] == [True, False, True, True]
    with pytest.warns(DataWarning):
        probabilities = model.predict_probabilities(folder)
    assert np.isnan(probabilities[1]).all()
    assert not np.isnan(probabilities[[0, 2, 3]]).any()


def test_stretches_of_files_and_batches(
    model: ImageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = image_folder(tmp_path / "new", each=3)
    whole = model.predict_probabilities(folder)
    monkeypatch.setattr("steepest.models.images.model.FILES_AT_ONCE", 4)
    monkeypatch.setattr("steepest.models.images.model.BATCH", 3)
    np.testing.assert_allclose(model.predict_probabilities(folder), whole, rtol=1e-5)
    monkeypatch.setattr("steepest.models.images.model.WORTH_COMPILING", 1)
    np.testing.assert_allclose(model.predict_probabilities(folder), whole, rtol=1e-5)


def test_evaluation_takes_the_test_part(model: ImageModel, tmp_path: Path) -> None:
    image_folder(tmp_path / "set" / "train", each=2)
    image_folder(tmp_path / "set" / "test", each=1)
    with pytest.warns(DataWarning, match=r"^set has a test part, which is measured\.$"):
        found = model.evaluate(tmp_path / "set")
    assert found == model.evaluate(tmp_path / "set" / "test")


def test_unknown_labels(model: ImageModel) -> None:
    with pytest.raises(DataError) as caught:
        model.evaluate(drawn("bars", 1)[None], ["stripes"])
    assert str(caught.value) == (
        "evaluate: 1 label that the network has not learned: 'stripes'. It knows 'bars', 'dots' "
        "and 'poles'."
    )


def test_a_saved_model_is_the_same(model: ImageModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [
        ".json",
        ".safetensors",
    ]
    loaded = ImageModel.load(tmp_path / "model")
    pixels, _ = new_images()
    np.testing.assert_array_equal(
        loaded.predict_probabilities(pixels), model.predict_probabilities(pixels)
    )
    for name in (
        "target",
        "classes",
        "size",
        "channels",
        "network_name",
        "recipe",
        "augmentation",
        "settings",
    ):
        assert getattr(loaded, name) == getattr(model, name)
    assert loaded.history.to_dict() == model.history.to_dict()
    assert str(loaded.summary()) == str(model.summary())


def test_damaged_files(model: ImageModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no model: model\.json is not there"):
        ImageModel.load(tmp_path)
    model.save(tmp_path)
    document = tmp_path / "model.json"
    text = document.read_text()
    for damaged in (text[:-10], text.replace('"channels": 1', '"channels": 3'), "[]"):
        document.write_text(damaged)
        with pytest.raises(CheckpointError):
            ImageModel.load(tmp_path)
    fields = json.loads(text)
    document.write_text(text)
    (weights,) = tmp_path.glob("*.safetensors")
    assert fields["weights"]["file"] == weights.name
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"its checksum is not the one in model\.json"):
        ImageModel.load(tmp_path)


def test_a_training_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    """Bitwise, with augmentation and mix-up."""
    augmentation = Augmentation(flip=True, shift=0.1, mixup=0.2)
    recipe = ImageRecipe(epochs=4)

    def run(checkpoint: Checkpoint | None, resume: bool) -> dict[str, np.ndarray]:
        result = train_images(
            prepared(),
            "lenet",
            augmentation,
            recipe,
            3,
            progress="none",
            checkpoint=checkpoint,
            resume=resume,
        )
        return {name: each.numpy() for name, each in result.network.state_dict().items()}

    whole = run(None, False)
    folder = Checkpoint(tmp_path, every_batches=3, keep=100)
    run(folder, False)
    for path in sorted(tmp_path.glob("checkpoint-*"))[8:]:
        path.unlink()
    for name, value in run(folder, True).items():
        np.testing.assert_array_equal(value, whole[name])


def test_feeding_from_a_file_that_is_mapped(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "set", each=6)
    found = prepare_images(folder, cache_folder=tmp_path / "cache")
    assert isinstance(found.images, np.memmap)
    mapped = quick_fit(found, epochs=2)
    in_memory = quick_fit(prepare_images(folder, cache_folder=None), epochs=2)
    assert mapped.history.records == in_memory.history.records
    assert ImageFeeder(found.images).fingerprint() == "(18, 12, 12, 1) images, none, seed 0"


def test_networks_by_size() -> None:
    assert choose_network((28, 28), 1, 500) == "lenet"
    assert choose_network((28, 28), 1, 60_000) == "resnet20"
    assert choose_network((32, 32), 3, 500) == "resnet20"
    assert choose_network((8, 8), 1, 500) == "resnet20"
    assert choose_network((96, 96), 3, 500) == "resnet18"
    assert choose_network((96, 8), 3, 500) == "resnet20"


def test_every_network_can_be_built_and_takes_its_smallest_images() -> None:
    for name, form in NETWORKS.items():
        if name in ("vgg11", "resnet50", "resnet34"):
            continue  # 100 million weights to draw; they are built in their own tests
        network = build_network(name, 3, 1, (form.smallest, form.smallest))
        network.eval()
        output = network(np.zeros((1, 1, form.smallest, form.smallest), np.float32))
        assert output.shape == (1, 3)
        with pytest.raises(ArgumentError, match=f"network='{name}' takes images with sides of at"):
            build_network(name, 3, 1, (form.smallest, form.smallest - 1))


def test_wrong_arguments() -> None:
    with pytest.raises(
        ArgumentError, match=r"network='resnet21' is not known. Did you mean 'resnet"
    ):
        quick_fit(prepared(), network="resnet21")
    with pytest.raises(ArgumentError, match="batch_size must be a whole number of at least 1"):
        ImageRecipe(batch_size=0)
    with pytest.raises(ArgumentError, match="learning_rate must be above 0"):
        ImageRecipe(learning_rate=0.0)
    with pytest.raises(ArgumentError, match="label_smoothing must be from 0 to below 1"):
        ImageRecipe(label_smoothing=1.0)
    with pytest.raises(ArgumentError, match="belong to prepare_images, whose result was given"):
        quick_fit(prepared(), size=8)
    with pytest.raises(ShapeError, match="images are"):
        quick_fit(np.zeros((4, 5)), labels=[0, 1, 0, 1])


def test_notes_of_preparation_are_said() -> None:
    pixels, labels = images(each=12)
    with pytest.warns(DataWarning, match="repeats an earlier one"):
        quick_fit(np.concatenate([pixels, pixels[:1]]), labels=[*labels, labels[0]], epochs=1)
