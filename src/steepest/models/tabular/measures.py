"""Which metrics tell how good predictions of a table's column are."""

from __future__ import annotations

import numpy as np

from steepest.data.tables import Target
from steepest.train.metrics import compute, compute_all

METRICS = {
    "regression": ("mae", "rmse", "r2"),
    "binary": ("accuracy", "f1", "roc_auc", "log_loss"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "log_loss"),
}
"""Metrics by task."""


def table_metrics(target: Target, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
    """The metrics of the target's task.

    Args:
        target: the column that was predicted.
        truth: its true values as the table has them, shape `(rows,)`.
        answer: predicted numbers `(rows,)`, or class probabilities `(rows, classes)`.
    """
    if not target.is_classification:
        return compute_all(METRICS["regression"], truth, answer)
    codes = class_codes(target, truth)
    scores = answer[:, 1] if target.task == "binary" else answer
    return {name: compute(name, codes, scores) for name in METRICS[target.task]}


def class_codes(target: Target, truth: np.ndarray) -> np.ndarray:
    """Class numbers of class labels."""
    places = {label: place for place, label in enumerate(target.classes)}
    return np.array([places[label] for label in truth.tolist()], dtype=np.int64)
