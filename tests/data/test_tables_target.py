"""Tasks, classes, transforms, and the way back to the target's own values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.tables import Target, collected_notes, infer_target
from steepest.data.tables.target_transform import apply_transform, invert_transform, skewness
from steepest.errors import CheckpointError, DataError


def target_of(values: Any, task: str | None = None, transform: str = "auto") -> Target:
    table = pl.DataFrame({"y": pl.Series(values, strict=False)})
    with collected_notes():
        return infer_target(table, "y", task).fit(table, transform)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([0.5, 1.5, 2.5], "regression", ()),
        ([3, 5, 90, 7], "regression", ()),
        ([0, 1, 0, 1], "binary", (0, 1)),
        ([1.0, 2.0, 1.0], "binary", (1, 2)),
        ([-1, 1, 1], "binary", (-1, 1)),
        ([True, False], "binary", (False, True)),
        (["no", "yes", " yes "], "binary", ("no", "yes")),
        (["b", "a", "c"], "multiclass", ("a", "b", "c")),
        ([0, 1, 2] * 5, "multiclass", (0, 1, 2)),
        ([1, 2, 3] * 5, "multiclass", (1, 2, 3)),
        ([1, 2, 3] * 4, "regression", ()),
        ([0, 1, 3] * 5, "regression", ()),
        ([3, 4, 5] * 5, "regression", ()),
        (list(range(21)) * 5, "regression", ()),
        (["$1,200", "$900", "?"], "regression", ()),
        (["01", "02", "01"], "binary", ("01", "02")),
        (["0", "1", "1", "?"], "binary", ("0", "1")),
        (["no", "yes", "?"], "multiclass", ("?", "no", "yes")),
    ],
    ids=repr,
)
def test_tasks(values: Any, task: str, classes: tuple[Any, ...]) -> None:
    target = target_of(values)
    assert (target.task, target.classes) == (task, classes)


def test_tasks_can_be_chosen() -> None:
    assert target_of([0, 1, 2] * 5, "regression").task == "regression"
    assert target_of([3, 5, 9], "multiclass").classes == (3, 5, 9)
    assert target_of([3, 5], "classification").task == "binary"
    assert target_of([3, 5, 9], "classification").task == "multiclass"
    assert target_of(["a", "b"], "multiclass").task == "multiclass"


@pytest.mark.parametrize(
    ("trained", "seen"),
    [
        ([0, 1, 1], [0.0, 1.0, 1.0]),
        ([0, 1, 1], ["0", " 1", "1"]),
        (["0", "1", "1"], [0, 1, 1]),
        ([True, False, True], ["TRUE", "false", "True"]),
        (["True", "False", "True"], [True, False, True]),
        (["a", "b", "a"], ["a ", "b", " a"]),
    ],
    ids=repr,
)
def test_labels_are_known_again_in_another_type(trained: Any, seen: Any) -> None:
    target = target_of(trained)
    codes = target.encode(pl.DataFrame({"y": trained}))
    assert codes.dtype == np.int64
    assert np.array_equal(target.encode(pl.DataFrame({"y": seen})), codes)
    assert target.labels(codes).tolist() == trained


def test_unknown_labels_are_refused() -> None:
    target = target_of(["a", "b", "a"])
    with pytest.raises(DataError) as caught:
        target.encode(pl.DataFrame({"y": ["a", "c", "c"]}))
    assert str(caught.value) == (
        "Column 'y', row 2: 'c' is not a class of the target (1 more like it in this column). The "
        "classes are 'a' and 'b'."
    )
    with pytest.raises(DataError) as caught:
        target.encode(pl.DataFrame({"y": ["a", None]}))
    assert str(caught.value) == (
        "The target 'y' has no value in 1 row (first in row 2). Target.drop_missing leaves these "
        "rows out."
    )


def test_class_weights_even_the_classes_out() -> None:
    target = target_of(["a"] * 8 + ["b"] * 2)
    assert target.class_counts == (8, 2)
    assert target.class_weights == (10 / 16, 10 / 4)
    weighted = [n * w for n, w in zip(target.class_counts, target.class_weights, strict=True)]
    assert weighted == [5.0, 5.0]


@pytest.mark.parametrize(
    ("values", "transform"),
    [
        (np.exp(np.linspace(0, 6, 50)), "log"),
        (np.floor(np.exp(np.linspace(0, 6, 50))) - 1, "log1p"),
        (np.linspace(1, 100, 50), "none"),
        (-np.exp(np.linspace(0, 6, 50)), "none"),
        (100 + np.exp(np.linspace(0, 3, 50)), "none"),
        (np.exp(np.linspace(0, 6, 9)), "none"),
    ],
    ids=["log", "log1p", "even", "negative", "narrow", "few"],
)
def test_choice_of_transform(values: np.ndarray, transform: str) -> None:
    target = target_of(values)
    assert target.transform == transform
    transformed = apply_transform(values, transform)
    assert np.allclose(invert_transform(transformed, transform), values, rtol=1e-12)


def test_regression_targets_are_standardised_and_come_back() -> None:
    values = np.exp(np.random.default_rng(0).normal(12, 0.4, size=500))
    target = target_of(values)
    table = pl.DataFrame({"y": values})
    encoded = target.encode(table)
    assert encoded.dtype == np.float32
    assert abs(encoded.mean()) < 1e-6
    assert encoded.std() == pytest.approx(1.0, abs=1e-6)
    assert np.allclose(target.decode(encoded), values, rtol=1e-6)
    assert np.array_equal(target.values(table), values)
    clipped = target.decode(np.array([-99.0, 99.0]), clip=True)
    assert clipped == pytest.approx([values.min(), values.max()])


def test_skewness_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).gamma(2.0, size=200)
    assert skewness(values) == pytest.approx(stats.skew(values), rel=1e-12)


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=30),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
)
@settings(deadline=None)
def test_encode_and_decode_are_always_finite(values: list[float], outputs: list[float]) -> None:
    if min(values) == max(values):
        return
    target = target_of(values, "regression")
    assert np.isfinite(target.encode(pl.DataFrame({"y": values}))).all()
    assert np.isfinite(target.decode(np.array(outputs), clip=True)).all()


@given(st.lists(st.sampled_from(["a", "b", "c", "né", "1"]), min_size=2, max_size=20))
@settings(deadline=None)
def test_classes_survive_json(labels: list[str]) -> None:
    if len(set(labels)) < 2:
        return
    target = target_of(labels, "classification")
    again = Target.from_dict(json.loads(json.dumps(target.to_dict())))
    assert again == target
    table = pl.DataFrame({"y": labels})
    assert again.labels(again.encode(table)).tolist() == labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "ranking"}, "table target: task 'ranking' is not known."),
        ({"scale": 0}, "table target: scale must be above 0."),
        ({"mean": None}, "table target mean: expected a finite number, not None."),
        ({"classes": "ab"}, "table target: classes is not a list."),
    ],
)
def test_damaged_targets_are_refused(change: dict[str, Any], message: str) -> None:
    document = target_of([1.5, 2.5]).to_dict()
    with pytest.raises(CheckpointError) as caught:
        Target.from_dict({**document, **change})
    assert str(caught.value) == message
