"""Convolutional networks for images, with torchvision's parameter names where it has them."""

from steepest.models.convolutional.efficientnet import EfficientNet
from steepest.models.convolutional.lenet import LeNet
from steepest.models.convolutional.mobilenet import MobileNetV2
from steepest.models.convolutional.resnet import ResNet
from steepest.models.convolutional.vgg import VGG

__all__ = ["VGG", "EfficientNet", "LeNet", "MobileNetV2", "ResNet"]
