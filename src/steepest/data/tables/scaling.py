"""Numbers -> numbers of about unit size: robust, logarithmic, standard or quantile scaling.

A scaler is learned column by column from the training rows and applied to any row. Missing values
(NaN) are passed over while learning, and become 0 when applied: the middle of the training data in
every method. No finite input gives NaN or infinity.

- `robust` (Holzmuller, Grinsztajn and Steinwart, "Better by default", arXiv 2407.04491): subtract
  the median; divide by the distance between the quartiles, or, if that is 0, by half the distance
  between least and greatest; then clip smoothly to (-3, 3): `x / sqrt(1 + (x / 3)^2)`.
- `log_robust`: columns without negative values whose skewness is beyond 1, and which a logarithm
  makes less skewed, become `log(1 + x / m)`, m the median of the values above 0; then `robust`.
- `standard`: subtract the mean, divide by the standard deviation.
- `auto`: `standard` for up to 1,000 training rows, `log_robust` for more: so few rows are better
  shown as they are than bent by what little they say of their tails.
- `quantile`: the value's rank among the training values, as a quantile of the normal distribution;
  linear between up to 1,000 quantiles, and from -3.1 to 3.1 for a continuous column.

A column that is constant in the training rows becomes 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal, cast, get_args

import numpy as np

from steepest.data.tables.documents import as_number, check_keys
from steepest.data.tables.messages import check_keyword
from steepest.errors import CheckpointError

Method = Literal["robust", "log_robust", "standard", "quantile"]
METHODS: tuple[str, ...] = get_args(Method)
CHOICES = ("auto", *METHODS)
ROWS_FOR_STANDARD = 1_000
SCALER_KEYS = ("method", "centers", "scales", "quantiles", "log_units")

CLIP = 3.0
LARGEST = 1e30
LARGEST_INPUT = 1e300
QUANTILES = 1000
BLOCK_VALUES = 1 << 24


@dataclass(frozen=True, eq=False)
class Scaler:
    """A learned scaling of `n_columns` columns.

    Attributes:
        method: `robust`, `log_robust`, `standard` or `quantile`.
        centers: (n_columns,) what is subtracted; NaN-free.
        scales: (n_columns,) what the difference is divided by; 0 marks a constant column.
        quantiles: for `quantile`, each column's ascending quantiles; otherwise empty.
        log_units: for `log_robust`, (n_columns,) the m of the module; 0 where no logarithm is
            taken. Otherwise empty.
    """

    method: Method
    centers: np.ndarray
    scales: np.ndarray
    quantiles: tuple[np.ndarray, ...] = field(default=())
    log_units: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scaler) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_columns(self) -> int:
        return len(self.centers)

    @classmethod
    def fit(cls, values: np.ndarray, method: str = "robust") -> Scaler:
        """Learn from training rows.

        Args:
            values: (n_rows, n_columns) float64; NaN is missing.
            method: `auto`, `robust`, `log_robust`, `standard` or `quantile`.
        """
        check_keyword(method, CHOICES, "numeric_transform")
        if method == "auto":
            method = "standard" if len(values) <= ROWS_FOR_STANDARD else "log_robust"
        chosen = cast(Method, method)
        values = np.clip(values, -LARGEST_INPUT, LARGEST_INPUT)
        log_units = np.empty(0)
        if chosen == "log_robust":
            log_units = np.array([log_unit(column) for column in values.T])
            values = take_logarithms(values, log_units)
        width = max(1, BLOCK_VALUES // max(1, len(values)))
        blocks = [
            fit_block(values[:, start : start + width], chosen)
            for start in range(0, values.shape[1], width)
        ]
        if not blocks:
            return cls(chosen, np.empty(0), np.empty(0), log_units=log_units)
        centers = np.concatenate([centers for centers, _, _ in blocks])
        scales = np.concatenate([scales for _, scales, _ in blocks])
        quantiles = tuple(each for _, _, columns in blocks for each in columns)
        return cls(chosen, centers, scales, quantiles, log_units)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scale rows.

        Args:
            values: (n_rows, n_columns) float64; NaN is missing.

        Returns:
            (n_rows, n_columns) float32; missing values are 0.
        """
        values = np.clip(values, -LARGEST_INPUT, LARGEST_INPUT)
        if self.method == "log_robust":
            values = take_logarithms(values, self.log_units)
        if self.method == "quantile":
            scaled = self.rank(values)
        else:
            constant = self.scales == 0
            divisors = np.where(constant, 1.0, self.scales)
            with np.errstate(over="ignore"):
                scaled = (values - self.centers) / divisors
            scaled = np.clip(scaled, -LARGEST, LARGEST)
            scaled[:, constant] = 0.0
        if self.method in ("robust", "log_robust"):
            scaled = smooth_clip(scaled)
        scaled[np.isnan(scaled)] = 0.0
        return scaled.astype(np.float32)

    def rank(self, values: np.ndarray) -> np.ndarray:
        """Each value's normal quantile; values tied in training take the middle of their ranks."""
        ranked = np.empty_like(values)
        for place, quantiles in enumerate(self.quantiles):
            column = values[:, place]
            if self.scales[place] == 0:
                ranked[:, place] = np.where(np.isnan(column), np.nan, 0.0)
                continue
            scores = normal_scores(len(quantiles))
            above = np.interp(column, quantiles, scores)
            below = -np.interp(-column, -quantiles[::-1], -scores[::-1])
            ranked[:, place] = (above + below) / 2
        return ranked

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "centers": self.centers.tolist(),
            "scales": self.scales.tolist(),
            "quantiles": [each.tolist() for each in self.quantiles],
            "log_units": self.log_units.tolist(),
        }

    @classmethod
    def from_dict(cls, fields: Any) -> Scaler:
        """Read what `to_dict` wrote; raises CheckpointError for anything else."""
        check_keys(fields, SCALER_KEYS, "table scaler")
        if fields["method"] not in METHODS:
            raise CheckpointError(f"table scaler: no method {fields['method']!r}.")
        centers = number_array(fields["centers"], "table scaler centers")
        scales = number_array(fields["scales"], "table scaler scales")
        if not isinstance(fields["quantiles"], list):
            raise CheckpointError("table scaler: quantiles is not a list.")
        quantiles = tuple(
            number_array(each, "table scaler quantiles") for each in fields["quantiles"]
        )
        log_units = number_array(fields["log_units"], "table scaler log_units")
        if len(log_units) != (len(centers) if fields["method"] == "log_robust" else 0):
            raise CheckpointError("table scaler: log_units do not fit the method.")
        wanted = len(centers) if fields["method"] == "quantile" else 0
        if len(scales) != len(centers) or len(quantiles) != wanted or np.any(scales < 0):
            raise CheckpointError(
                "table scaler: centers, scales and quantiles do not fit together."
            )
        if any(len(each) < 2 or np.any(np.diff(each) < 0) for each in quantiles):
            raise CheckpointError("table scaler: quantiles must be two or more, ascending.")
        return cls(fields["method"], centers, scales, quantiles, log_units)


def number_array(value: Any, what: str) -> np.ndarray:
    if not isinstance(value, list):
        raise CheckpointError(f"{what}: expected a list of numbers.")
    return np.array([as_number(each, what) for each in value], dtype=np.float64)


def log_unit(column: np.ndarray) -> float:
    """The m of `log_robust` for one column, or 0 where the column stays as it is."""
    present = column[~np.isnan(column)]
    if not len(present) or present.min() < 0 or present.max() <= 0:
        return 0.0
    unit = float(np.median(present[present > 0]))
    before = abs(skewness(present))
    return unit if before > 1 and abs(skewness(np.log1p(present / unit))) < before else 0.0


def skewness(values: np.ndarray) -> float:
    """The third standardised moment; 0 for equal values. Computed without overflow."""
    centred = values / max(float(np.abs(values).max()), 1e-300)
    centred = centred - centred.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / spread**3 if spread > 1e-9 else 0.0


def take_logarithms(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """`log(1 + max(x, 0) / unit)` in the columns whose unit is above 0."""
    chosen = units > 0
    if not chosen.any():
        return values
    result = values.copy()
    result[:, chosen] = np.log1p(np.maximum(values[:, chosen], 0.0) / units[chosen])
    return result


def fit_block(
    values: np.ndarray, method: Method
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Centers, scales and quantiles of some columns."""
    ordered = np.sort(values, axis=0)
    counts = np.count_nonzero(~np.isnan(values), axis=0)
    if method == "standard":
        centers, scales = standard_scale(values, counts)
        return centers, scales, []
    centers, scales = robust_scale(ordered, counts)
    quantiles = []
    if method == "quantile":
        quantiles = [column_quantiles(ordered[:n, place]) for place, n in enumerate(counts)]
    return centers, scales, quantiles


def robust_scale(ordered: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians, and quartile distances with the fallbacks of the module."""
    if not len(ordered):
        return np.zeros(len(counts)), np.zeros(len(counts))
    lower, median, upper = (sorted_quantile(ordered, counts, each) for each in (0.25, 0.5, 0.75))
    least = sorted_quantile(ordered, counts, 0.0)
    greatest = sorted_quantile(ordered, counts, 1.0)
    scales = upper - lower
    scales = np.where(scales > 0, scales, (greatest - least) / 2)
    return median, scales


def sorted_quantile(ordered: np.ndarray, counts: np.ndarray, share: float) -> np.ndarray:
    """Quantiles of sorted columns whose first `counts` values are present; linear between values.

    A column without any value has quantile 0.
    """
    position = np.maximum(counts - 1, 0) * share
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(counts - 1, 0))
    columns = np.arange(ordered.shape[1])
    weight = position - below
    low, high = ordered[below, columns], ordered[above, columns]
    quantile = low * (1 - weight) + high * weight
    return np.where(counts > 0, np.clip(quantile, low, high), 0.0)


def standard_scale(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the values present, without overflow."""
    missing = np.isnan(values)
    present = np.where(missing, 0.0, values)
    sizes = np.abs(present).max(axis=0, initial=0.0)
    sizes = np.where(sizes > 0, sizes, 1.0)
    numbers = np.maximum(counts, 1)
    shrunk = present / sizes
    means = shrunk.sum(axis=0) / numbers
    deviations = np.where(missing, 0.0, shrunk - means)
    spread = np.sqrt((deviations**2).sum(axis=0) / numbers)
    constant = np.where(missing, -np.inf, values).max(axis=0, initial=-np.inf) == np.where(
        missing, np.inf, values
    ).min(axis=0, initial=np.inf)
    scales = np.where(constant | (counts == 0), 0.0, spread * sizes)
    return means * sizes, scales


def column_quantiles(ordered: np.ndarray) -> np.ndarray:
    """Up to 1,000 ascending quantiles of the sorted values of one column; at least two."""
    if not len(ordered):
        return np.zeros(2)
    number = min(QUANTILES, max(2, len(ordered)))
    return np.interp(np.linspace(0, len(ordered) - 1, number), np.arange(len(ordered)), ordered)


@lru_cache(maxsize=64)
def normal_scores(number: int) -> np.ndarray:
    """The normal quantiles of `number` evenly spaced ranks, ends kept half a rank from 0 and 1."""
    distribution = NormalDist()
    return np.array([distribution.inv_cdf((rank + 0.5) / number) for rank in range(number)])


def smooth_clip(values: np.ndarray) -> np.ndarray:
    """`x / sqrt(1 + (x / 3)^2)`: about x near 0, and never beyond -3 or 3."""
    return values / np.hypot(1.0, values / CLIP)
