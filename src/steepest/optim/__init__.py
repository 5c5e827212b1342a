"""Optimizers, learning-rate schedules and gradient clipping, with PyTorch's names and defaults.

- `optimizer`: the base class; `groups` and `hyperparameters`: what it is given; `checkpoints`:
  saving and loading.
- `descent`, `adam`, `adaptive`: the optimizers, each a chain of `transforms`.
- `schedules`: learning rates over time. `clipping`: gradients kept small. `finder`: a first rate.
"""

from steepest.optim import schedules, transforms
from steepest.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from steepest.optim.adaptive import Adadelta, Adagrad, RMSprop
from steepest.optim.clipping import clip_grad_norm_, clip_grad_value_, get_total_norm
from steepest.optim.descent import SGD, Lion
from steepest.optim.finder import LearningRateSearch, find_learning_rate
from steepest.optim.groups import ParameterGroup
from steepest.optim.optimizer import Custom, Optimizer
from steepest.optim.schedules import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
    WarmUp,
)
from steepest.optim.transforms import chain

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "Custom",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LearningRateSearch",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "MultiplicativeLR",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "ParameterGroup",
    "PolynomialLR",
    "RAdam",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmUp",
    "chain",
    "clip_grad_norm_",
    "clip_grad_value_",
    "find_learning_rate",
    "get_total_norm",
    "schedules",
    "transforms",
]
