"""The example with pretrained weights: two photographs, and the weights as PyTorch reads them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steepest import models
from steepest.train.pytorch_files import read_pytorch

EXAMPLE = Path(__file__).parents[2] / "examples" / "pretrained_efficientnet.py"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the example defines."""
    return runpy.run_path(str(EXAMPLE))


def test_the_file_is_read_as_pytorch_reads_it(example: dict[str, Any]) -> None:
    path = example["weights_file"]()
    expected = torch.load(path, weights_only=True)
    found = read_pytorch(path)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value.numpy())


def test_a_palace_and_a_daisy(example: dict[str, Any]) -> None:
    network = example["pretrained"](example["weights_file"]())
    assert isinstance(network, models.EfficientNet)
    shares = {
        name: example["probabilities"](network, photograph)
        for name, photograph in example["photographs"]([]).items()
    }
    assert {name: int(each.argmax()) for name, each in shares.items()} == {
        "china.jpg": 698,
        "flower.jpg": 985,
    }
    assert example["SOME_CLASSES"] == {698: "palace", 985: "daisy"}
    for each in shares.values():
        np.testing.assert_allclose(each.sum(), 1, rtol=1e-5)
        assert each.max() > 0.25


def test_the_example_prints_and_saves(
    example: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "lite0.safetensors"
    example["photographs"]([])["flower.jpg"].save(tmp_path / "mine.png")
    words = ["example", str(tmp_path / "mine.png"), "--save", str(target)]
    monkeypatch.setattr("sys.argv", words)
    example["main"]()
    assert capsys.readouterr().out.startswith("mine.png: class 985 (daisy), ")
    network = models.EfficientNet("lite0")
    from steepest.train import load

    network.load_state_dict(load(target))
