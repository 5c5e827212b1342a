"""Whether and how a regression target is transformed before it is standardised."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Transform = Literal["none", "log", "log1p"]
TRANSFORMS: tuple[str, ...] = get_args(Transform)

ENOUGH_VALUES = 10
SKEWED = 1.0
LOG_RATIO = 4.0
LARGEST_EXPONENT = 709.0


def choose_transform(values: np.ndarray) -> Transform:
    """Whether a logarithm makes a regression target easier to learn.

    `log` if all values are positive, the greatest is at least 4 times the least, the skewness is at
    least 1, and the logarithm's is at most half of that in size. `log1p` by the same rule for
    values with zeros among them, the greatest being at least 4. `none` otherwise, and for fewer
    than 10 values.
    """
    least, greatest = float(values.min()), float(values.max())
    if least < 0 or len(values) < ENOUGH_VALUES:
        return "none"
    if greatest < (LOG_RATIO * least if least > 0 else LOG_RATIO):
        return "none"
    skew = skewness(values)
    chosen: Transform = "log" if least > 0 else "log1p"
    if skew >= SKEWED and abs(skewness(apply_transform(values, chosen))) <= skew / 2:
        return chosen
    return "none"


def apply_transform(values: np.ndarray, transform: str) -> np.ndarray:
    """The transform, with values below its domain moved to its edge."""
    if transform == "log":
        return np.log(np.maximum(values, np.finfo(np.float64).tiny))
    if transform == "log1p":
        return np.log1p(np.maximum(values, np.nextafter(-1.0, 0.0)))
    return values


def mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation without overflow; a deviation of 0 is given as 1."""
    size = float(np.abs(values).max()) or 1.0
    mean = float((values / size).mean()) * size
    deviation = float((values / size - mean / size).std()) * size
    return mean, deviation if deviation > 0 else 1.0


def skewness(values: np.ndarray) -> float:
    """The third standardised moment; 0 for a constant."""
    mean, deviation = mean_and_deviation(values)
    return float((((values - mean) / deviation) ** 3).mean())


def invert_transform(values: np.ndarray, transform: str) -> np.ndarray:
    """The way back from `apply_transform`, kept finite."""
    if transform == "log":
        return np.exp(np.minimum(values, LARGEST_EXPONENT))
    if transform == "log1p":
        return np.expm1(np.minimum(values, LARGEST_EXPONENT))
    return values
