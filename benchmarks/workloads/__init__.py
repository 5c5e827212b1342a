"""The workloads by name. A family is a file beside this one; a workload gives it sizes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.workloads.autoencoder import autoencoder
from benchmarks.workloads.convolutional import convolutional
from benchmarks.workloads.dcgan import discriminator, generator
from benchmarks.workloads.embedding import embedding
from benchmarks.workloads.mobilenet import mobilenet
from benchmarks.workloads.perceptron import perceptron
from benchmarks.workloads.residual import residual
from benchmarks.workloads.resnet import large_resnet, small_resnet
from benchmarks.workloads.workload import Optimizer, Workload


@dataclasses.dataclass(frozen=True)
class Preset:
    """A family of networks with the sizes and settings that a workload's name stands for."""

    family: Callable[..., Workload]
    settings: Mapping[str, Any]

    def options(self) -> list[str]:
        """What may be set: the arguments of the family, and those of the optimizer."""
        own = [name for name in inspect.signature(self.family).parameters if name != "name"]
        own.remove("optimizer")
        return [*own, *OPTIMIZER_OPTIONS]


OPTIMIZER_OPTIONS = ("optimizer", "learning_rate", "momentum", "clip_norm")

_MLP = {"layers": (784, 256, 128, 10), "batch": 128}

WORKLOADS: dict[str, Preset] = {
    "tabular": Preset(perceptron, {"layers": (20, 64, 64, 2), "batch": 32}),
    "mlp": Preset(perceptron, _MLP),
    "mlp-sgd": Preset(
        perceptron, {**_MLP, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01}
    ),
    "mlp-clip": Preset(perceptron, {**_MLP, "clip_norm": 1.0}),
    "mlp-dropout": Preset(perceptron, {**_MLP, "dropout": 0.2}),
    "wide": Preset(perceptron, {"layers": (784, 1024, 1024, 1024, 10), "batch": 256}),
    "deep": Preset(residual, {"layers": (784, *(256,) * 20, 10), "batch": 64}),
    "autoencoder": Preset(
        autoencoder, {"layers": (784, 512, 128, 32, 128, 512, 784), "batch": 256}
    ),
    "cnn": Preset(
        convolutional,
        {
            "image": 28,
            "channels": (1, 32, 32, 64),
            "pools": (1, 2, 2),
            "kernel": 3,
            "paddings": (1, 1, 1),
            "layers": (128, 10),
            "batch": 64,
        },
    ),
    "lenet": Preset(
        convolutional,
        {
            "image": 28,
            "channels": (1, 6, 16),
            "pools": (2, 2),
            "kernel": 5,
            "paddings": (2, 0),
            "layers": (120, 84, 10),
            "batch": 64,
        },
    ),
    "resnet20": Preset(
        small_resnet,
        {
            "image": 32,
            "channels": (3, 16, 32, 64),
            "blocks": (3, 3, 3),
            "classes": 10,
            "batch": 64,
        },
    ),
    "resnet18": Preset(
        large_resnet,
        {
            "image": 64,
            "channels": (3, 64, 128, 256, 512),
            "blocks": (2, 2, 2, 2),
            "classes": 1000,
            "batch": 16,
        },
    ),
    # At Adam's usual rate all libraries' float32 losses are 1 to 2 % from PyTorch's float64 ones
    # after two steps.
    "mobilenet": Preset(
        mobilenet,
        {
            "image": 64,
            "scale": 1.0,
            "blocks": (1, 2, 3, 4, 3, 3, 1),
            "classes": 10,
            "batch": 32,
            "learning_rate": 1e-4,
        },
    ),
    "dcgan-generator": Preset(
        generator, {"image": 64, "channels": (100, 512, 256, 128, 64, 3), "batch": 64}
    ),
    "dcgan-discriminator": Preset(
        discriminator, {"image": 64, "channels": (3, 64, 128, 256, 512, 1), "batch": 64}
    ),
    "embedding": Preset(embedding, {"layers": (256, 128, 1), "batch": 512}),
}


def make_workload(name: str, settings: Mapping[str, Any]) -> Workload:
    """The workload of a name, with some of its settings changed.

    Raises:
        ValueError: an unknown name, or a setting that this workload does not have.
    """
    if name not in WORKLOADS:
        raise ValueError(f"no workload is called {name!r}; there are {', '.join(WORKLOADS)}.")
    preset = WORKLOADS[name]
    for each in settings:
        if each not in preset.options():
            raise ValueError(
                f"{name} has no option {each!r}; it takes {', '.join(preset.options())}."
            )
    chosen = {**preset.settings, **settings}
    renamed = {"name": chosen.pop("optimizer", "adam")}
    renamed |= {each: chosen.pop(each) for each in OPTIMIZER_OPTIONS if each in chosen}
    return preset.family(name, optimizer=Optimizer(**renamed), **chosen)
