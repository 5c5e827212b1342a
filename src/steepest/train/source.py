"""The data that `fit`, `evaluate` and `predict` are given: checked once, then taken in batches."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.errors import ArgumentError, DataError, DTypeError, ShapeError
from steepest.graph.dtypes import DType

CHUNK_ROWS = 65_536
"""Rows that are looked at together when data is checked, so that a file mapped into memory is never
copied as a whole."""

WHOLE_HASH_BYTES = 4_000_000
"""Arrays up to this size are hashed whole for the fingerprint; larger ones by a sample."""

SAMPLE_ROWS = 256

MOST_CONVERTED_BYTES = 1_000_000_000
"""Data up to this size is converted, and put into plain order, as a whole before training, and not
batch by batch."""

Selection = npt.NDArray[np.int64] | slice


@dataclass(frozen=True)
class Batch:
    """Some samples, as the training step takes them.

    Attributes:
        inputs: positional inputs of the model.
        named: inputs by keyword.
        target: what the loss compares with; None when predicting.
        weight: `(n,)` weight of each sample, or None.
        size: number of samples.
        dtype: the type in which floating-point numbers go into the model.
    """

    inputs: tuple[npt.NDArray, ...]
    named: dict[str, npt.NDArray]
    target: npt.NDArray | None
    weight: npt.NDArray | None
    size: int
    dtype: DType


Prepare = Callable[[Batch, int | None], Batch]
"""Makes of a batch what the model takes, such as images of their numbers in a file.

It is given the batch and, in training, the number of the epoch, counted from 0; None elsewhere. The
batch that it returns must depend on these alone, so that a resumed training sees the same. A method
`fingerprint()` may return a text that two trainings must share for one to resume the other.
"""


class ArraySource:
    """Samples in arrays whose first axis runs over them.

    Args:
        x: one array; or a tuple of arrays for `model(*x)`; or a dict of arrays for `model(**x)`.
            NumPy arrays, Tensors, and whatever NumPy makes an array of numbers from.
        y: targets, or None.
        weight: `(n,)` weights, or None.
        dtype: floating-point type to which floating inputs, targets and weights are converted;
            batch by batch, so arrays in memory or on disk are not doubled.
        owner: what messages begin with, such as `"fit"`.
        suffix: ending of the arrays' names in messages, such as `"_val"`.
        prepare: what every batch goes through, or None.

    Raises:
        DataError: no samples, NaN or infinite numbers.
        DTypeError: not numbers.
        ShapeError: different numbers of samples.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        weight: Any = None,
        *,
        dtype: DType,
        owner: str,
        suffix: str = "",
        prepare: Prepare | None = None,
    ) -> None:
        self._dtype = dtype
        self._prepare = prepare
        self._owner = owner
        self._inputs = self._read_inputs(x, suffix)
        self._is_named = isinstance(x, Mapping)
        self.target = None if y is None else self._read(y, f"y{suffix}")
        self.weight = None if weight is None else self._read_weight(weight)
        self.rows = self._check_lengths(suffix)

    def batch(self, selection: Selection, epoch: int | None = None) -> Batch:
        """Return the samples at some positions, or in a slice (then without copying).

        Args:
            selection: which samples.
            epoch: for `prepare`: of the training, counted from 0; None elsewhere.
        """
        inputs = {name: self._take(array, selection) for name, array in self._inputs.items()}
        size = len(next(iter(inputs.values())))
        batch = Batch(
            inputs=() if self._is_named else tuple(inputs.values()),
            named=inputs if self._is_named else {},
            target=None if self.target is None else self._take(self.target, selection),
            weight=None if self.weight is None else self._take(self.weight, selection),
            size=size,
            dtype=self._dtype,
        )
        return batch if self._prepare is None else self._prepare(batch, epoch)

    def whole(self) -> Batch | None:
        """All samples as one batch, as the training step takes them, each array in plain order.

        None where batches are prepared one by one, or where bringing all of the data into `dtype`
        and plain order at once would take more than `MOST_CONVERTED_BYTES`.
        """
        arrays = [*self._inputs.values(), self.target, self.weight]
        converted = sum(map(self._copied_bytes, arrays))
        if self.is_prepared or converted > MOST_CONVERTED_BYTES:
            return None
        batch = self.batch(slice(None))
        return dataclasses.replace(
            batch,
            inputs=tuple(map(_plain, batch.inputs)),
            named={name: _plain(array) for name, array in batch.named.items()},
            target=_plain(batch.target),
            weight=_plain(batch.weight),
        )

    @property
    def is_prepared(self) -> bool:
        """Whether a function makes of each batch what the model takes."""
        return self._prepare is not None

    def _copied_bytes(self, array: npt.NDArray | None) -> int:
        """What the training step's form of an array takes beside the array."""
        if array is None:
            return 0
        is_float = array.dtype.kind == "f"
        dtype = self._dtype.compute if is_float else array.dtype
        is_ready = array.flags.c_contiguous and array.dtype == dtype
        return 0 if is_ready else array.size * dtype.itemsize

    def subset(self, selection: Selection) -> ArraySource:
        """Return a source of some of the samples, without checking them again."""
        part = object.__new__(ArraySource)
        part._dtype = self._dtype
        part._prepare = self._prepare
        part._owner = self._owner
        part._is_named = self._is_named
        part._inputs = {name: array[selection] for name, array in self._inputs.items()}
        part.target = None if self.target is None else self.target[selection]
        part.weight = None if self.weight is None else self.weight[selection]
        part.rows = len(next(iter(part._inputs.values())))
        return part

    def with_weight(self, weight: npt.NDArray | None) -> ArraySource:
        """Return the same samples with other weights."""
        same = self.subset(slice(None))
        same.weight = weight
        return same

    def fingerprint(self) -> dict[str, str]:
        """Describe the data: for each array its shape, type, and a hash of all or a sample of it.

        Two sources with one fingerprint are taken for the same data when training is resumed.
        """
        arrays = dict(self._inputs)
        if self.target is not None:
            arrays["y"] = self.target
        if self.weight is not None:
            arrays["sample_weight"] = self.weight
        prints = {name: _fingerprint(array) for name, array in arrays.items()}
        describe = getattr(self._prepare, "fingerprint", None)
        return prints if describe is None else {**prints, "prepare": str(describe())}

    def _take(self, array: npt.NDArray, selection: Selection) -> npt.NDArray:
        part = array[selection]
        if part.dtype.kind == "f":
            return part.astype(self._dtype.compute, copy=False)
        return part

    def _read_inputs(self, x: Any, suffix: str) -> dict[str, npt.NDArray]:
        if isinstance(x, tuple):
            parts = {f"x{suffix}[{index}]": each for index, each in enumerate(x)}
        elif isinstance(x, Mapping):
            parts = dict(x)
        else:
            parts = {f"x{suffix}": x}
        if not parts:
            raise DataError(f"{self._owner}: x{suffix} holds no arrays.")
        return {name: self._read(array, name) for name, array in parts.items()}

    def _read(self, values: Any, name: str) -> npt.NDArray:
        """Return an array of finite numbers with a first axis over samples."""
        array = np.asarray(values)
        if array.dtype.kind not in "iubf":
            raise DTypeError(
                f"{self._owner}: {name} {array.shape} holds {array.dtype}, but numbers are "
                f"needed. Encode text and categories as numbers first."
            )
        if array.ndim == 0:
            raise ShapeError(
                f"{self._owner}: {name} is a single number; its first axis must run over samples."
            )
        if array.size == 0:
            raise DataError(f"{self._owner}: {name} {array.shape} is empty.")
        if array.dtype.kind == "f":
            _check_finite(array, f"{self._owner}: {name}")
        return array

    def _read_weight(self, weight: Any) -> npt.NDArray:
        array = self._read(weight, "sample_weight").astype(np.float64)
        if array.ndim != 1:
            raise ShapeError(
                f"{self._owner}: sample_weight {array.shape} must be (n,): one weight a sample."
            )
        if (array < 0).any() or not array.any():
            raise ArgumentError(
                f"{self._owner}: sample_weight must hold numbers of at least 0, not all 0."
            )
        return array

    def _check_lengths(self, suffix: str) -> int:
        """Return the number of samples, which all arrays must share."""
        arrays = dict(self._inputs)
        if self.target is not None:
            arrays[f"y{suffix}"] = self.target
        if self.weight is not None:
            arrays["sample_weight"] = self.weight
        (first, array), *others = arrays.items()
        for name, other in others:
            if len(other) != len(array):
                raise ShapeError(
                    f"{self._owner}: {first} {array.shape} has {len(array)} samples, but "
                    f"{name} {other.shape} has {len(other)}. The first axis runs over samples."
                )
        return len(array)


def _plain(array: Any) -> Any:
    """An array in plain order; None stays None."""
    return None if array is None else np.ascontiguousarray(array)


def class_weights(target: npt.NDArray, class_weight: Any) -> npt.NDArray[np.float64]:
    """Return the weight of each sample that a weight of each class gives.

    Args:
        target: `(n,)` class numbers.
        class_weight: `{class: weight}`, classes left out weigh 1; or `"balanced"`: every class
            present counts the same in total, n / (classes * members).

    Raises:
        ArgumentError: no such value, or a class that does not occur.
        ShapeError: targets that are not one class a sample.
    """
    flat = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    if flat.ndim != 1:
        raise ShapeError(
            f"fit: class_weight needs y of shape (n,) with one class a sample, got {target.shape}."
        )
    classes, numbers, counts = np.unique(flat, return_inverse=True, return_counts=True)
    if isinstance(class_weight, str) and class_weight == "balanced":
        return (len(flat) / (len(classes) * counts))[numbers]
    if not isinstance(class_weight, Mapping):
        raise ArgumentError(
            f"fit: class_weight must be 'balanced' or a dict of weights by class, "
            f"got {class_weight!r}."
        )
    present = [each.item() for each in classes]
    for key in class_weight:
        if key not in present:
            raise ArgumentError(
                f"fit: class_weight has the class {key!r}, which y does not. "
                f"Classes in y: {', '.join(map(repr, present[:20]))}."
            )
    return np.array([float(class_weight.get(key, 1.0)) for key in present])[numbers]


def _check_finite(array: npt.NDArray, label: str) -> None:
    """Raise DataError with the first row that holds NaN or an infinity."""
    for start in range(0, len(array), CHUNK_ROWS):
        chunk = array[start : start + CHUNK_ROWS]
        finite = np.isfinite(chunk)
        if not finite.all():
            place = tuple(int(index) for index in np.argwhere(~finite)[0])
            shown = ", ".join(str(index) for index in (start + place[0], *place[1:]))
            raise DataError(
                f"{label} {array.shape} holds {chunk[place]} at [{shown}]. Fill in or leave out "
                f"missing values first: a network cannot learn from them."
            )


def _fingerprint(array: npt.NDArray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    sample = array
    if array.nbytes > WHOLE_HASH_BYTES:
        sample = array[np.linspace(0, len(array) - 1, SAMPLE_ROWS).astype(np.int64)]
    digest.update(np.ascontiguousarray(sample).tobytes())
    return f"{array.shape} {array.dtype} {digest.hexdigest()}"
