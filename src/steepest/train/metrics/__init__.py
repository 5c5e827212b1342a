"""Metrics: computed exactly over a whole set, in NumPy, held against scikit-learn."""

from steepest.train.metrics.predictions import ClassPredictions
from steepest.train.metrics.registry import (
    METRICS,
    Metric,
    check_targets,
    compute,
    compute_all,
    find_metric,
    find_metrics,
)

__all__ = [
    "METRICS",
    "ClassPredictions",
    "Metric",
    "check_targets",
    "compute",
    "compute_all",
    "find_metric",
    "find_metrics",
]
