"""Whole models: networks with the recipe that trains them, and networks to train."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from steepest.errors import did_you_mean

if TYPE_CHECKING:
    from steepest.models.convolutional import VGG, EfficientNet, LeNet, MobileNetV2, ResNet
    from steepest.models.images import ImageModel
    from steepest.models.tabular import TableModel

__all__ = [
    "VGG",
    "EfficientNet",
    "ImageModel",
    "LeNet",
    "MobileNetV2",
    "ResNet",
    "TableModel",
]

_HOMES = {
    "TableModel": "tabular",
    "ImageModel": "images",
    **dict.fromkeys(("EfficientNet", "LeNet", "MobileNetV2", "ResNet", "VGG"), "convolutional"),
}


def __getattr__(name: str) -> Any:
    """Import a model when it is first asked for: each may need extras of its own."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'steepest.models' has no attribute {name!r}.{did_you_mean(name, _HOMES)}"
        )
    return getattr(importlib.import_module(f"steepest.models.{_HOMES[name]}"), name)
