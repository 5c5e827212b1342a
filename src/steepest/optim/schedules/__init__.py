"""Learning-rate schedules, with PyTorch's names, options and defaults."""

from steepest.optim.schedules.base import LRScheduler
from steepest.optim.schedules.combined import ChainedScheduler, SequentialLR, WarmUp
from steepest.optim.schedules.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from steepest.optim.schedules.cyclic import CyclicLR
from steepest.optim.schedules.factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from steepest.optim.schedules.one_cycle import OneCycleLR
from steepest.optim.schedules.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmUp",
]
