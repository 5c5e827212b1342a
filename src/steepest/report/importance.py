"""Permutation importance: how much worse predictions become when a column is shuffled.

Breiman, Random forests (2001), section 10. Measured on the test part, so it says what the network
uses, and not what it has memorised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from steepest.report.contents import Importance

Array = np.ndarray[Any, Any]
REPEATS = 3
MAX_COLUMNS = 200
MAX_ROWS = 1_000
MIN_ROWS = 100
PREDICTED_ROWS = 60_000
BLOCK_ROWS = 30_000


def permutation_importance(
    frame: pl.DataFrame,
    columns: Sequence[str],
    predict: Callable[[pl.DataFrame], Array],
    error: Callable[[Array, Array], float],
    seed: int = 0,
) -> list[Importance]:
    """Shuffle one column at a time and measure by how much the error grows.

    The number of rows is chosen so that about `PREDICTED_ROWS` rows are predicted in all. Tables
    with more than `MAX_COLUMNS` columns are not measured: the list is empty.

    Args:
        frame: the test part.
        columns: the columns to shuffle.
        predict: gives predictions for rows, in any form that `error` takes.
        error: gives the error of predictions, less being better, for row positions in `frame`
            (shape `(rows,)`) and the predictions for these rows.
        seed: the same for the same shuffles.
    """
    if not columns or len(columns) > MAX_COLUMNS or frame.height < 2:
        return []
    generator = np.random.default_rng(seed)
    wanted = PREDICTED_ROWS // (len(columns) * REPEATS)
    size = min(frame.height, MAX_ROWS, max(MIN_ROWS, wanted))
    rows = np.sort(generator.choice(frame.height, size, replace=False))
    sample = frame[rows]
    before = error(rows, predict(sample))
    jobs = [(name, generator.permutation(size)) for name in columns for _ in range(REPEATS)]
    increases = []
    block = max(1, BLOCK_ROWS // size)
    for start in range(0, len(jobs), block):
        part = jobs[start : start + block]
        shuffled = pl.concat([_shuffle(sample, name, order) for name, order in part])
        predictions = predict(shuffled)
        for place in range(len(part)):
            own = predictions[place * size : (place + 1) * size]
            increases.append(error(rows, own) - before)
    table = np.array(increases).reshape(len(columns), REPEATS)
    return [
        Importance(name, float(values.mean()), float(values.std()))
        for name, values in zip(columns, table, strict=True)
    ]


def _shuffle(frame: pl.DataFrame, name: str, order: Array) -> pl.DataFrame:
    """The table with one column in another order."""
    return frame.with_columns(frame[name].gather(order).alias(name))
