"""One training of a network for images."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import steepest as st
from steepest import nn, optim
from steepest.array.tensor import Tensor
from steepest.data.images import Augmentation, PreparedImages
from steepest.models.images.feeder import ImageFeeder
from steepest.models.images.network import NETWORKS, NormalizedInput, build_network
from steepest.models.images.recipe import ImageRecipe
from steepest.train.callbacks import LearningRateSchedule
from steepest.train.checkpoint import Checkpoint
from steepest.train.history import History
from steepest.train.trainer import Trainer

BACK_END = "native"
"""What runs the training and the predictions of many images; `"evaluator"` is the other choice."""

RISE = 0.2
"""Share of the training in which the learning rate rises."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a training gives; see the attributes of `ImageModel`."""

    network: NormalizedInput
    history: History
    settings: dict[str, Any]


def train_images(
    prepared: PreparedImages,
    name: str,
    augmentation: Augmentation,
    recipe: ImageRecipe,
    seed: int,
    *,
    progress: Any,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
    resume: bool,
) -> TrainingResult:
    """Train a network on the training part; the validation part is watched, not learned from.

    Args:
        prepared: the images.
        name: of the network, one of `NETWORKS`.
        augmentation: what is done to training images.
        recipe: the settings.
        seed: of first weights, shuffling, dropout and augmentation.
        progress, checkpoint, resume: see `Trainer.fit`.
    """
    st.random.seed(seed)
    plain = build_network(name, len(prepared.classes), prepared.channels, prepared.size)
    network = NormalizedInput(plain, prepared.mean, prepared.deviation)
    images = len(prepared.train)
    epochs, batch_size = recipe.epochs_for(images), recipe.batch_for(images)
    optimizer = _optimizer(network, recipe)
    schedule = optim.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        total_steps=max(1, epochs * (images // batch_size)),
        pct_start=RISE,
        cycle_momentum=False,
    )
    trainer = Trainer(
        network,
        loss=nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        optimizer=optimizer,
        metrics=["accuracy"],
        schedule=LearningRateSchedule(schedule, per="step"),
        seed=seed,
        back_end=BACK_END,
    )
    feeder = ImageFeeder(prepared.images, augmentation, seed, len(prepared.classes))
    validation = None
    if len(prepared.validation):
        validation = (prepared.validation, prepared.codes[prepared.validation])
    history = trainer.fit(
        prepared.train,
        prepared.codes[prepared.train],
        epochs=epochs,
        batch_size=batch_size,
        validation_data=validation,
        drop_last=True,
        checkpoint=checkpoint,
        resume=resume,
        progress=progress,
        prepare=feeder,
    )
    settings = {
        "network": NETWORKS[name].about,
        "images": f"{prepared.size[0]} x {prepared.size[1]}, {_colours(prepared.channels)}",
        "augmentation": augmentation.describe(),
        "loss": f"cross-entropy, label smoothing {recipe.label_smoothing:g}",
        "optimizer": f"AdamW, rate up to {recipe.learning_rate:g} and down again",
        "weight decay": recipe.weight_decay,
        "batch size": batch_size,
        "epochs planned": epochs,
        "back end": BACK_END,
        "seed": seed,
    }
    network.eval()
    return TrainingResult(network, history, settings)


def _colours(channels: int) -> str:
    return "grey" if channels == 1 else "colour"


def _optimizer(network: nn.Module, recipe: ImageRecipe) -> optim.Optimizer:
    """AdamW; weights of layers decay, biases and normalisation do not."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for parameter in network.parameters():
        (decayed if parameter.ndim > 1 else free).append(parameter)
    return optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
    )
