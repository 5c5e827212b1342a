"""Categories -> integer codes. Code 0 is for missing values and for what training never saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from steepest.data.tables.documents import as_strings, check_keys
from steepest.errors import CheckpointError

MANY_CATEGORIES = 50
CODER_KEYS = ("labels", "rare")


@dataclass(frozen=True)
class Coder:
    """The codes of one column: `labels[i]` has code i + 1.

    Attributes:
        labels: sorted; each was seen in training.
        rare: labels that were seen in training but share code 0, since they are too rare to learn.
    """

    labels: tuple[str, ...]
    rare: tuple[str, ...] = ()

    @property
    def cardinality(self) -> int:
        """The number of codes, code 0 included."""
        return len(self.labels) + 1

    @classmethod
    def fit(cls, texts: pl.Series, max_categories: int) -> Coder:
        """Learn the labels of the training rows.

        A column of more than 50 labels keeps those seen at least twice, so that code 0, which
        will stand for unseen labels, is learned from something. Of the rest, the
        `max_categories` most frequent are kept (ties in the order of the alphabet).

        Args:
            texts: (n_rows,) String; null is missing.
            max_categories: the most labels that get a code of their own.
        """
        counts = Counter(text for text in texts.to_list() if text is not None)
        kept = list(counts)
        if len(kept) > MANY_CATEGORIES:
            kept = [label for label in kept if counts[label] > 1]
        kept = sorted(kept, key=lambda label: (-counts[label], label))[:max_categories]
        return cls(tuple(sorted(kept)), tuple(sorted(set(counts).difference(kept))))

    def transform(self, texts: pl.Series) -> tuple[np.ndarray, list[str | None]]:
        """(n_rows,) int64 codes, and the labels that training never saw, one for each such row."""
        known: dict[str | None, int] = {None: 0, **dict.fromkeys(self.rare, 0)}
        known.update((label, code) for code, label in enumerate(self.labels, start=1))
        labels = texts.to_list()
        codes = np.array([known.get(label, -1) for label in labels], dtype=np.int64)
        unseen = np.flatnonzero(codes < 0)
        codes[unseen] = 0
        return codes, [labels[row] for row in unseen]

    def to_dict(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "rare": list(self.rare)}

    @classmethod
    def from_dict(cls, fields: Any) -> Coder:
        check_keys(fields, CODER_KEYS, "table categories")
        labels = as_strings(fields["labels"], "table categories: labels")
        rare = as_strings(fields["rare"], "table categories: rare")
        if len(set(labels) | set(rare)) != len(labels) + len(rare):
            raise CheckpointError("table categories: a label repeats.")
        return cls(labels, rare)
