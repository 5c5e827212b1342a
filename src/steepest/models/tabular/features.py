"""From the arrays of a table to one matrix of numbers, the input of the network.

Besides the scaled numbers it has columns that make simple shapes easy to learn:

- *spikes*: where one value holds a quarter of the rows or more (no garage, no such word), whether
  it is that value, as +1 or -1;
- *bins*: how far each number has gone through each eighth of the training rows, or up to each
  sixteenth in larger tables, from 0 to 0.3 (piecewise-linear encoding; Gorishniy et al.,
  arXiv 2203.05556);
- categories one-hot, or as +1 or -1 where there are two; missing and unseen ones are zeros;
- whether a number was missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.tables import TableArrays, TablePreprocessor
from steepest.data.tables.documents import new_document, open_document
from steepest.errors import CheckpointError

VERSION = 1
SPIKE_SHARE = 0.25
FEWEST_BINS, MOST_BINS, ROWS_OF_A_BIN = 8, 16, 250
BIN_SIZE = 0.3
LARGEST_NUMBER = 32.0
"""Numbers beyond count as this. None of up to 1,000 standardised training numbers can be larger
than the root of 1,000; those of larger tables stay below 3 anyway."""
KEYS = ("number_count", "spikes", "edges", "cardinalities", "missing_count")


@dataclass(frozen=True, eq=False)
class FeatureEncoder:
    """What was learned from the training rows; make it with `fit`.

    Attributes:
        number_count: columns of `TableArrays.numbers`.
        spikes: (column, value) of each spike.
        edges: (column, ascending edges of its bins) of each binned column.
        cardinalities: codes of each category column, code 0 (missing or unseen) included.
        missing_count: columns of `TableArrays.missing`.
    """

    number_count: int
    spikes: tuple[tuple[int, float], ...]
    edges: tuple[tuple[int, tuple[float, ...]], ...]
    cardinalities: tuple[int, ...]
    missing_count: int

    @classmethod
    def fit(cls, arrays: TableArrays, cardinalities: Sequence[int]) -> FeatureEncoder:
        """Learn spikes and bins from the training rows."""
        spikes: list[tuple[int, float]] = []
        edges: list[tuple[int, tuple[float, ...]]] = []
        bins = min(max(FEWEST_BINS, len(arrays.numbers) // ROWS_OF_A_BIN), MOST_BINS)
        for column, values in enumerate(arrays.numbers.T):
            distinct, counts = np.unique(values, return_counts=True)
            if len(distinct) <= 2:
                continue
            if counts.max() >= SPIKE_SHARE * len(values):
                spikes.append((column, float(distinct[counts.argmax()])))
            found = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
            if len(found) > 2:
                edges.append((column, tuple(float(each) for each in found)))
        return cls(
            arrays.numbers.shape[1],
            tuple(spikes),
            tuple(edges),
            tuple(int(each) for each in cardinalities),
            arrays.missing.shape[1],
        )

    @property
    def width(self) -> int:
        """How many columns the matrix has."""
        bins = sum(len(edges) - 1 for _, edges in self.edges)
        codes = sum(_category_width(each) for each in self.cardinalities)
        return self.number_count + self.missing_count + len(self.spikes) + bins + codes

    @property
    def plain_columns(self) -> np.ndarray:
        """Places of the columns that are no spikes and no bins: numbers, missing, categories."""
        made = len(self.spikes) + sum(len(edges) - 1 for _, edges in self.edges)
        first = self.number_count + self.missing_count
        return np.concatenate([np.arange(first), np.arange(first + made, self.width)])

    def fits(self, preprocessor: TablePreprocessor) -> bool:
        """Whether the arrays that a preprocessor makes have the columns that this takes."""
        return (
            self.number_count == len(preprocessor.number_names)
            and self.cardinalities == preprocessor.cardinalities
            and self.missing_count == len(preprocessor.missing_names)
        )

    def transform(self, arrays: TableArrays) -> np.ndarray:
        """Return the matrix, (n_rows, width) float32."""
        parts = [np.clip(arrays.numbers, -LARGEST_NUMBER, LARGEST_NUMBER), arrays.missing]
        for column, value in self.spikes:
            is_spike = arrays.numbers[:, column] == np.float32(value)
            parts.append(np.where(is_spike, 1.0, -1.0)[:, None])
        for column, edges in self.edges:
            parts.append(_progress(arrays.numbers[:, column], np.array(edges)))
        for column, cardinality in enumerate(self.cardinalities):
            parts.append(_one_hot(arrays.categories[:, column], cardinality))
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return new_document(
            "table_features",
            VERSION,
            {
                "number_count": self.number_count,
                "spikes": [list(each) for each in self.spikes],
                "edges": [[column, list(edges)] for column, edges in self.edges],
                "cardinalities": list(self.cardinalities),
                "missing_count": self.missing_count,
            },
        )

    @classmethod
    def from_dict(cls, document: Any) -> FeatureEncoder:
        """Read what `to_dict` wrote; raises CheckpointError for anything else."""
        fields = open_document(document, "table_features", VERSION, KEYS)
        try:
            encoder = cls(
                int(fields["number_count"]),
                tuple((int(column), float(value)) for column, value in fields["spikes"]),
                tuple(
                    (int(column), tuple(float(each) for each in edges))
                    for column, edges in fields["edges"]
                ),
                tuple(int(each) for each in fields["cardinalities"]),
                int(fields["missing_count"]),
            )
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"table features: the document is damaged: {error}.") from error
        encoder._check()
        return encoder

    def _check(self) -> None:
        """Raise a CheckpointError if the parts do not fit together."""
        places = [column for column, _ in (*self.spikes, *self.edges)]
        counts_fit = min(self.number_count, self.missing_count, 0) == 0
        if not counts_fit or not all(0 <= column < self.number_count for column in places):
            raise CheckpointError("table features: the document is damaged: no such column.")
        if any(each < 1 for each in self.cardinalities):
            raise CheckpointError("table features: the document is damaged: a cardinality below 1.")
        for column, edges in self.edges:
            if len(edges) < 2 or not np.all(np.diff(edges) > 0) or not np.isfinite(edges).all():
                raise CheckpointError(
                    f"table features: the document is damaged: the edges of column {column} do not "
                    f"rise."
                )


def _progress(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far each value has gone through each bin, from 0 to BIN_SIZE."""
    gone = (values[:, None] - edges[:-1]) / (edges[1:] - edges[:-1])
    return BIN_SIZE * np.clip(gone, 0.0, 1.0)


def _category_width(cardinality: int) -> int:
    """Columns of a category: one for two values, else one for each; none for a constant."""
    values = cardinality - 1
    return 0 if values < 2 else 1 if values == 2 else values


def _one_hot(codes: np.ndarray, cardinality: int) -> np.ndarray:
    """Codes as columns; code 0 is all zeros."""
    width = _category_width(cardinality)
    if width == 1:
        return np.where(codes == 0, 0.0, 2.0 * codes - 3.0)[:, None]
    columns = np.zeros((len(codes), width))
    rows = np.flatnonzero(codes > 0) if width else np.empty(0, np.int64)
    columns[rows, codes[rows] - 1] = 1.0
    return columns
