"""The report on images: pictures as PNG, words about images, and everything escaped."""

from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image
from report_samples import history

from steepest.report import LayerRow, Predictor, Report
from steepest.report.images import ImageReport, Picture, render_image_html
from steepest.report.images.contents import Confusion
from steepest.report.images.page import image_verdict, of_images
from steepest.report.images.png import png_bytes

NAMES = np.array(["cat", "dog", "row"])
RANDOM = np.random.default_rng(0)


def picture(name: str, true: str, predicted: str = "", channels: int = 3) -> Picture:
    pixels = RANDOM.integers(0, 256, (8, 10, channels), dtype=np.uint8)
    return Picture(name, pixels, true, predicted, 0.875)


def report(**changes: object) -> ImageReport:
    codes = np.arange(60) % 3
    answers = np.where(np.arange(60) < 50, codes, (codes + 1) % 3)
    base = Report(
        target="kind",
        task="multiclass",
        data_file="pets",
        rows=300,
        columns=(),
        split_sizes={"train": 210, "validation": 30, "test": 60},
        history=history(),
        model=Predictor("Network", {"accuracy": 5 / 6}, NAMES[answers]),
        linear=Predictor("Linear model", {"accuracy": 0.5}, NAMES[codes * 0], "on pixels"),
        trivial=Predictor("Always “cat”", {"accuracy": 1 / 3}, NAMES[codes * 0]),
        y_true=NAMES[codes],
        classes=tuple(NAMES),
        probabilities=np.eye(3)[answers],
        layers=[LayerRow("conv1", "Conv2d", "(1, 4, 8, 8)", 100, 6400)],
        settings={"network": "LeNet-5"},
        seed=3,
    )
    whole = ImageReport(
        base,
        (8, 10),
        3,
        [("cat", 70), ("dog", 80), ("row", 60)],
        [picture("a/1.png", "cat", "dog"), picture("<b>.png", "dog", "row", 1)],
        [Confusion("cat", "dog", 4, 0.2)],
        [("cat", [picture("c.png", "cat")])],
        ("x.png: the file is empty.",),
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 1), (1, 1, 3), (64, 64, 3)])
def test_png_files_hold_the_pixels(shape: tuple[int, int, int]) -> None:
    pixels = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(png_bytes(pixels)))
    found = np.asarray(image)
    np.testing.assert_array_equal(found if shape[2] == 3 else found[..., None], pixels)
    assert image.mode == ("RGB" if shape[2] == 3 else "L")


def test_the_page() -> None:
    page = render_image_html(report())
    assert "Telling the <b>kind</b> of the images in <b>pets</b>" in page
    assert re.search(r"On images it has never seen, <em>83\.3%</em> of the answers are right", page)
    assert page.count("data:image/png;base64,") == 3
    assert "taken for <b>dog</b>, 87.5% sure" in page
    assert "Measured once, on 60 test images that took no part in training." in page
    assert '<body class="pixelated">' in page
    assert "<script" not in page


def test_everything_is_escaped() -> None:
    page = render_image_html(report())
    assert "<b>.png" not in page
    assert "&lt;b&gt;.png" in page


def test_large_images_are_drawn_smoothly_and_perfect_answers_are_said() -> None:
    page = render_image_html(report(size=(96, 96), worst=()))
    assert "<body>" in page
    assert "There is no wrong answer on the test images." in page


def test_words_about_images() -> None:
    assert of_images("On 12 rows a linear model on the same columns") == (
        "On 12 images a linear model on the pixels"
    )
    assert of_images("Rows are the truth") == "Rows are the truth"
    verdict = image_verdict(report())
    assert verdict.sentence == "On images it has never seen, 83.3% of the answers are right."
    assert verdict.comparison.startswith("A linear model on the pixels is right in 50.0% of cases")


def test_a_class_called_row_keeps_its_name() -> None:
    page = render_image_html(report())
    assert re.search(r"<text[^>]*>\s*row\b", page)
    assert "taken for <b>row</b>" in page


def test_tooltips_speak_of_images() -> None:
    page = render_image_html(report())
    assert "images of true class cat predicted as cat" in page
    assert "rows of true class" not in page
    assert "test images are on the diagonal" in page
