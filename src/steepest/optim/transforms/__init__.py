"""Gradient transforms: the pieces that optimizers are chained from. See `base` for the rules."""

from steepest.optim.transforms.adam import (
    scale_by_adam,
    scale_by_adamax,
    scale_by_nadam,
    scale_by_radam,
)
from steepest.optim.transforms.adaptive import scale_by_adadelta, scale_by_adagrad, scale_by_rms
from steepest.optim.transforms.base import Chain, Entry, Slot, Transform, chain
from steepest.optim.transforms.momentum import scale_by_lion, trace_momentum
from steepest.optim.transforms.penalties import (
    add_l1,
    add_weight_decay,
    clip_by_global_norm,
    clip_by_value,
    count_steps,
    decay_over_steps,
    decoupled_weight_decay,
    flip_sign,
    scale_by_learning_rate,
)

__all__ = [
    "Chain",
    "Entry",
    "Slot",
    "Transform",
    "add_l1",
    "add_weight_decay",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "count_steps",
    "decay_over_steps",
    "decoupled_weight_decay",
    "flip_sign",
    "scale_by_adadelta",
    "scale_by_adagrad",
    "scale_by_adam",
    "scale_by_adamax",
    "scale_by_learning_rate",
    "scale_by_lion",
    "scale_by_nadam",
    "scale_by_radam",
    "scale_by_rms",
    "trace_momentum",
]
