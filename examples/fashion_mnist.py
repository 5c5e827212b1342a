"""Ten kinds of clothes told apart by a convolutional network: Fashion-MNIST, all 60,000 images.

    pip install steepest
    python examples/fashion_mnist.py              93 % of the test images
    python examples/fashion_mnist.py --long       about 94 %
    python examples/fashion_mnist.py --validate   5,000 training images set apart and watched

The four files come with Debian's package dataset-fashion-mnist; see `WHERE` for elsewhere. The
settings were chosen with `--validate`; the test images are looked at once, after the last epoch.
`benchmarks/fashion_mnist.py` trains the same network in PyTorch.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import steepest as st
from steepest import nn, optim
from steepest.data.images import Augmentation, PreparedImages, prepare_images
from steepest.train import Batch, Callback, LearningRateSchedule

FOLDER = Path("/usr/share/datasets/fashion-mnist")
WHERE = """{folder} holds no IDX files of Fashion-MNIST. Where to get them:
  Debian and Ubuntu: apt install dataset-fashion-mnist
  elsewhere: the four files of https://github.com/zalandoresearch/fashion-mnist (data/fashion),
  in a folder named with --data"""

VALIDATION_IMAGES = 5_000
TRAINING_IMAGES = 60_000
CLASSES = 10
EVALUATION_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is made and trained.

    Attributes:
        epochs: passes over the training images.
        blocks: widths of the 3x3 convolutions between one halving of the sides and the next.
        dropout: share of what the last layer reads that is dropped in training.
        batch_size: images of a step.
        learning_rate: the largest; it begins at a 25th of it and falls to nothing.
        rise: the share of the training in which the rate rises.
        momentum: Nesterov's.
        weight_decay: of the weights of layers; biases and normalisation are free.
        label_smoothing: share of the target spread evenly over the classes.
        augmentation: what is done to training images.
    """

    epochs: int
    augmentation: Augmentation
    blocks: tuple[tuple[int, ...], ...] = ((32, 32), (64, 64), (128,))
    dropout: float = 0.2
    batch_size: int = 64
    learning_rate: float = 0.1
    rise: float = 0.25
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1


SHORT = Recipe(epochs=8, augmentation=Augmentation(flip=True))
LONG = Recipe(
    epochs=12,
    blocks=((32, 32), (64, 64), (128, 128)),
    augmentation=Augmentation(flip=True),
)


def build_network(recipe: Recipe, nn: Any = nn) -> Any:
    """The network; `nn` may also be `torch.nn`, whose layers have the same names and defaults."""
    layers = []
    channels, side = 1, 28
    for widths in recipe.blocks:
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
        side //= 2
    head = nn.Linear(channels * side * side, CLASSES)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(recipe.dropout), head)


def parameter_groups(network: Any) -> list[dict[str, Any]]:
    """Weights of layers, which decay, and all others."""
    parameters = list(network.parameters())
    return [
        {"params": [each for each in parameters if each.ndim > 1]},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]


def optimizer_settings(recipe: Recipe) -> dict[str, Any]:
    """The arguments of `SGD`."""
    return {
        "lr": recipe.learning_rate,
        "momentum": recipe.momentum,
        "nesterov": True,
        "weight_decay": recipe.weight_decay,
    }


def schedule_settings(recipe: Recipe, images: int) -> dict[str, Any]:
    """The arguments of `OneCycleLR` for so many training images."""
    return {
        "max_lr": recipe.learning_rate,
        "total_steps": recipe.epochs * (images // recipe.batch_size),
        "pct_start": recipe.rise,
        "cycle_momentum": False,
    }


class ImageBatches:
    """Makes batches of images of batches of their numbers: the `prepare` of `Trainer.fit`.

    Args:
        data: whose images they are.
        augmentation: what is done to them in training.
        seed: of the augmentation.
    """

    def __init__(self, data: PreparedImages, augmentation: Augmentation, seed: int) -> None:
        self._images = data.images
        self._augmentation = augmentation
        self._seed = seed
        self._mean = np.float32(data.mean[0])
        self._scale = np.float32(1 / data.deviation[0])

    def __call__(self, batch: Batch, epoch: int | None) -> Batch:
        (places,) = batch.inputs
        return dataclasses.replace(batch, inputs=(self.images(places, epoch),))

    def images(self, places: npt.NDArray[np.int64], epoch: int | None) -> npt.NDArray[np.float32]:
        """`(n, 1, 28, 28)` of mean 0 and deviation 1; changed unless `epoch` is None."""
        pixels = self._images[places]
        if epoch is not None:
            pixels = self._augmentation(pixels, places, self._seed, epoch)
        return (pixels.reshape(-1, 1, 28, 28) - self._mean) * self._scale


def read_images(folder: Path, validate: bool = False) -> PreparedImages:
    """The images; of those to train on `VALIDATION_IMAGES` are set apart, or none.

    Raises:
        SystemExit: they are not there, with the places to get them from.
    """
    if not folder.is_dir() or not any(folder.glob("*idx3-ubyte*")):
        raise SystemExit(WHERE.format(folder=folder))
    share = VALIDATION_IMAGES / TRAINING_IMAGES if validate else 0.0
    return prepare_images(folder, validation=share, cache_folder=None)


def make_trainer(recipe: Recipe, images: int, seed: int) -> st.Trainer:
    """A new network with its optimizer and schedule, for so many training images."""
    st.random.seed(seed)
    network = build_network(recipe)
    optimizer = optim.SGD(parameter_groups(network), **optimizer_settings(recipe))
    schedule = optim.OneCycleLR(optimizer, **schedule_settings(recipe, images))
    return st.Trainer(
        network,
        loss=nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        optimizer=optimizer,
        metrics=["accuracy"],
        schedule=LearningRateSchedule(schedule, per="step"),
        seed=seed,
    )


def train(
    recipe: Recipe,
    data: PreparedImages,
    watched: npt.NDArray[np.int64],
    seed: int,
    callbacks: tuple[Callback, ...] = (),
    progress: Any = "auto",
) -> st.Trainer:
    """Train on the training part.

    Args:
        watched: the images that accuracy is measured on after every epoch; may be none.
        seed: of first weights, dropout, order and augmentation.
        callbacks, progress: see `Trainer.fit`.
    """
    trainer = make_trainer(recipe, len(data.train), seed)
    trainer.fit(
        data.train,
        data.codes[data.train],
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        drop_last=True,
        validation_data=(watched, data.codes[watched]) if len(watched) else None,
        callbacks=callbacks,
        progress=progress,
        prepare=ImageBatches(data, recipe.augmentation, seed),
    )
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=FOLDER, metavar="FOLDER", help="IDX files")
    parser.add_argument("--long", action="store_true", help="a deeper network, and more epochs")
    parser.add_argument("--epochs", type=int, help="passes over the images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--validate",
        action="store_true",
        help=f"leave the test images alone; watch {VALIDATION_IMAGES:,} training images",
    )
    options = parser.parse_args()
    recipe = LONG if options.long else SHORT
    if options.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    data = read_images(options.data, options.validate)
    print(f"{len(data.train):,} images to train on, {recipe.epochs} epochs, seed {options.seed}")
    began = time.perf_counter()
    trainer = train(recipe, data, data.validation, options.seed)
    seconds = time.perf_counter() - began
    name, shown = ("validation", data.validation) if options.validate else ("test", data.test)
    prepare = ImageBatches(data, recipe.augmentation, options.seed)
    figures = trainer.evaluate(
        shown, data.codes[shown], batch_size=EVALUATION_BATCH, prepare=prepare
    )
    print(f"{name} accuracy {100 * figures['accuracy']:.2f} %, trained in {seconds:.0f} s")


if __name__ == "__main__":
    main()
