"""The command on images: whole runs, what is printed, and what bad input is told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_samples import Command, Result, Trained
from PIL import Image
from typer.testing import CliRunner

from steepest.cli.app import app
from steepest.cli.images.source import is_image_source
from steepest.models import ImageModel


@pytest.fixture(scope="module", autouse=True)
def image_evaluator() -> Iterator[None]:
    """Short trainings are not worth compiling, and no cache is left in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.models.images.training.BACK_END", "evaluator")
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "steepest.data.images.cache.default_folder", lambda: tmp_path_factory.mktemp("cache")
    )


def shade(label: str, seed: int) -> Image.Image:
    """A 12 x 12 image: bright above, or bright below."""
    random = np.random.default_rng([seed, label == "top"])
    pixels = random.integers(0, 90, (12, 12))
    half = slice(0, 6) if label == "top" else slice(6, 12)
    pixels[half] += 120
    return Image.fromarray(pixels.astype(np.uint8))


def shades(folder: Path, each: int = 30, first: int = 0) -> Path:
    for label in ("bottom", "top"):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            shade(label, first + number).save(folder / label / f"{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with two files that cannot be used."""
    folder = shades(tmp_path_factory.mktemp("photos") / "shades")
    (folder / "top" / "broken.png").write_bytes(b"no image")
    (folder / "top" / "empty.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def shade_model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("models") / "shades"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("steepest.data.images.cache.default_folder", lambda: folder.parent / "cache")
        words = ["train", photos, "--output", folder, "--epochs", 8, "--network", "lenet", "--json"]
        result = CliRunner().invoke(app, [str(each) for each in words], prog_name="steepest")
    assert result.exit_code == 0, result.output
    return Trained(folder, Result(result.exit_code, result.stdout, result.stderr))


def test_train_prints_one_json_object(shade_model: Trained) -> None:
    result = shade_model.result.json
    assert shade_model.result.err == ""
    assert result["classes"] == ["bottom", "top"]
    assert result["parts"] == {"train": 42, "validation": 6, "test": 12}
    assert (result["images"], result["size"], result["channels"]) == (60, [12, 12], 1)
    assert (result["network"], result["epochs"], result["interrupted"]) == ("lenet", 8, False)
    assert result["refused"] == [
        "broken.png: it is no image that can be read.",
        "empty.png: the file is empty.",
    ]
    assert result["notes"] == [
        "Left out 1 file that is no image that can be read: 'top/broken.png'.",
        "Left out 1 file that is an empty file: 'top/empty.png'.",
    ]
    assert result["metrics"]["network"]["accuracy"] >= 0.9
    assert result["metrics"]["constant"]["accuracy"] == 0.5
    assert list(result["metrics"]) == ["network", "linear", "constant"]


def test_the_folder_holds_model_and_report(shade_model: Trained) -> None:
    names = sorted(path.name.split("-")[0] for path in shade_model.folder.iterdir())
    assert names == ["model.json", "report.html", "result.json", "weights"]
    assert json.loads((shade_model.folder / "result.json").read_text()) == shade_model.result.json
    page = (shade_model.folder / "report.html").read_text()
    assert "On images it has never seen" in page
    assert page.count('src="data:image/png;base64,') >= 16
    assert "http://" not in page
    assert "https://" not in page
    assert ImageModel.load(shade_model.folder).classes == ("bottom", "top")


def test_train_says_what_it_does(steepest: Command, photos: Path) -> None:
    result = steepest("train", photos, "--epochs", 2, "--network", "lenet", "--output", "out")
    assert result.code == 0
    assert (
        "shades: 60 images of 2 classes, as 12 x 12 grey pixels\n"
        "42 images to learn from, 6 to watch, 12 kept away for the final measurement\n"
    ) in result.err
    assert "note: Left out 1 file that is an empty file: 'top/empty.png'.\n" in result.err
    assert result.out.startswith("On images it has never seen, ")
    assert "on 12 test images" in result.out
    assert "next    steepest predict out photos -o answers.csv\n" in result.out


def test_predict_as_csv_json_and_parquet(
    steepest: Command, shade_model: Trained, tmp_path: Path
) -> None:
    new = shades(tmp_path / "new", each=2, first=500)
    (new / "top" / "x.jpg").write_bytes(b"")
    result = steepest("predict", shade_model.folder, new)
    assert result.code == 0
    assert result.err == "note: Left out 1 file that is an empty file: 'top/x.jpg'.\n"
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [row["image"] for row in rows] == [
        *("bottom/00.png", "bottom/01.png", "top/00.png", "top/01.png", "top/x.jpg")
    ]
    assert [row["predicted"] for row in rows] == ["bottom", "bottom", "top", "top", ""]
    assert rows[4]["problem"] == "x.jpg: the file is empty."
    assert float(rows[0]["probability_bottom"]) + float(rows[0]["probability_top"]) == (
        pytest.approx(1)
    )
    result = steepest("predict", shade_model.folder, new, "-o", "answers.json", "--json")
    assert result.json["columns"] == [
        *("image", "predicted", "probability_bottom", "probability_top", "problem")
    ]
    assert (result.json["images"], result.json["refused"]) == (5, 1)
    answers = json.loads(Path("answers.json").read_text())
    assert [each["predicted"] for each in answers] == ["bottom", "bottom", "top", "top", None]
    assert steepest("predict", shade_model.folder, new, "-o", "a.parquet").code == 0
    assert pl.read_parquet("a.parquet")["predicted"].to_list()[:2] == ["bottom", "bottom"]


def test_predict_one_file(steepest: Command, shade_model: Trained, tmp_path: Path) -> None:
    shade("top", 77).save(tmp_path / "one.png")
    result = steepest("predict", shade_model.folder, tmp_path / "one.png")
    assert result.out.splitlines()[0] == "image,predicted,probability_bottom,probability_top"
    assert result.out.splitlines()[1].split(",")[1] == "top"


def test_evaluate(steepest: Command, shade_model: Trained, tmp_path: Path) -> None:
    new = shades(tmp_path / "new", each=5, first=500)
    result = steepest("evaluate", shade_model.folder, new)
    assert result.out.startswith("classes of 10 images of new\n")
    assert "Accuracy" in result.out
    result = steepest("evaluate", shade_model.folder, new, "--json")
    assert result.json["images"] == 10
    assert result.json["metrics"]["accuracy"] >= 0.9
    (new / "left").mkdir()
    shade("top", 1).save(new / "left" / "1.png")
    result = steepest("evaluate", shade_model.folder, new)
    assert result.code == 3
    assert result.err == (
        "error: evaluate: 1 label that the network has not learned: 'left'. It knows 'bottom' and "
        "'top'.\n"
    )


def test_summary(steepest: Command, shade_model: Trained) -> None:
    result = steepest("summary", shade_model.folder)
    assert result.out.splitlines()[:3] == [
        f"{shade_model.folder} tells 2 classes of images: bottom, top",
        "from 12 x 12 grey pixels",
        "trained for 8 epochs",
    ]
    found = steepest("summary", shade_model.folder, "--json").json
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["metrics"] == shade_model.result.json["metrics"]["network"]
    assert found["settings"]["network"] == "LeNet-5"


def test_a_table_of_files(steepest: Command, photos: Path, tmp_path: Path) -> None:
    rows = [
        {"file": str(path), "half": path.parent.name, "number": number}
        for number, path in enumerate(sorted(photos.rglob("[0-9]*.png")))
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "labels.csv")
    words = ["train", tmp_path / "labels.csv", "--epochs", 1, "--network", "lenet", "--json"]
    result = steepest(*words, "--target", "half", "--output", "out", "--size", "14x12")
    assert result.code == 0
    assert (result.json["target"], result.json["size"]) == ("half", [14, 12])
    measured = steepest("evaluate", "out", tmp_path / "labels.csv", "--json")
    assert measured.json["images"] == 60
    result = steepest(*words)
    assert result.code == 2
    assert result.error["message"] == (
        "labels.csv: which column holds the labels? Beside the images in 'file' there are 'half' "
        "and 'number'."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "big"], "--size 'big': give a side in pixels, such as 64, or height x width"),
        (["--size", "2"], "size must be a side or (height, width), each from 4 to 2048"),
        (["--network", "resnet21"], "--network resnet21 is not known. Did you mean 'resnet20'?"),
        (["--network", "resnet18"], "takes images with sides of at least 16 pixels, but these"),
        (["--task", "binary"], "--task is for tables, but"),
        (["--column", "a=ignore"], "--column is for tables, but"),
        (["--target", "kind"], "is a folder of images, whose folders are the classes"),
        (["--test-fraction", "1"], "--test-fraction 1: must be above 0 and below 1"),
    ],
)
def test_wrong_options(steepest: Command, photos: Path, options: list[str], message: str) -> None:
    result = steepest("train", photos, "--output", "out", *options)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


def test_images_and_tables_are_told_apart(
    steepest: Command, data: Path, shade_model: Trained, house_model: Trained, photos: Path
) -> None:
    assert is_image_source(photos)
    assert not is_image_source(data)
    assert not is_image_source(data / "houses.csv")
    assert not is_image_source(data / "mails.parquet")
    result = steepest("train", data / "houses.csv", "--target", "price", "--no-flip")
    assert (result.code, result.err) == (
        2,
        f"error: --no-flip is for images, but {data / 'houses.csv'} is a table.\n",
    )
    result = steepest("train", data / "houses.csv")
    assert result.code == 2
    assert "Missing option '--target'" in result.err
    result = steepest("predict", house_model.folder, photos)
    assert (result.code, result.err) == (
        2,
        f"error: {house_model.folder} is a model of tables, but {photos} holds images.\n",
    )
    result = steepest("predict", shade_model.folder, data / "houses.csv")
    assert result.code == 3
    assert "houses.csv: no column holds the names of image files" in result.err
    assert steepest("predict", shade_model.folder, photos, "--keep", "id").code == 2


def test_data_that_cannot_be_used(steepest: Command, tmp_path: Path) -> None:
    folder = shades(tmp_path / "one", each=3)
    for path in (folder / "top").iterdir():
        path.write_bytes(b"")
    result = steepest("train", folder)
    assert result.code == 3
    assert result.err.endswith(
        "error: one holds only the class 'bottom' (3 files could not be used); at least two "
        "classes are needed, each in a folder of its own.\n"
    )
    assert not Path("one-model").exists()
    result = steepest("predict", tmp_path, folder)
    assert result.code == 3
    assert "holds no model" in result.err


def test_a_model_is_not_replaced_unasked(
    steepest: Command, photos: Path, shade_model: Trained
) -> None:
    result = steepest("train", photos, "--output", shade_model.folder)
    assert result.code == 2
    assert "holds a model already. --overwrite replaces it" in result.err
