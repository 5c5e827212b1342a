"""Nested containers and flat lists: one is the inverse of the other."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import pytest

import steepest as st
from steepest.errors import ArgumentError
from steepest.trace.containers import (
    LEAF,
    Structure,
    flatten,
    flatten_call,
    map_leaves,
    unflatten,
)

Point = namedtuple("Point", ["x", "y"])


@dataclasses.dataclass
class Layer:
    weight: Any
    name: str = "layer"


@dataclasses.dataclass(frozen=True)
class Derived:
    """A field that `__init__` does not take."""

    first: int
    second: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "second", self.first * 2)


class Names(list[str]):
    """A list of its own kind."""


TREES: list[Any] = [
    3,
    None,
    [],
    (),
    {},
    [1, (2, 3), {"a": 4, "b": [5]}],
    Point(1, [2, 3]),
    OrderedDict([("b", 1), ("a", (2,))]),
    Names(["x", "y"]),
    {1: "one", (2, 3): "tuple", None: "none"},
    [[], [[]], ({},)],
    Layer([1, 2], "head"),
    Derived(4),
    {"dtype": st.float32, "word": "kept"},
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_inverse(tree: Any) -> None:
    leaves, structure = flatten(tree)
    rebuilt = unflatten(structure, leaves)
    assert rebuilt == tree
    assert type(rebuilt) is type(tree)
    assert flatten(rebuilt) == (leaves, structure)
    hash(structure)


@pytest.mark.parametrize("tree", TREES, ids=repr)
@pytest.mark.parametrize("kwargs", [{}, {"rate": 0.5}], ids=repr)
def test_calls(tree: Any, kwargs: dict[str, Any]) -> None:
    for args in [(), (tree,), (tree, 1), (1, tree)]:
        assert flatten_call(args, kwargs) == flatten((args, kwargs))


def test_leaves_in_order() -> None:
    tree = {"b": [1, 2], "a": Point(3, Layer(4, "five"))}
    assert flatten(tree)[0] == [1, 2, 3, 4, "five"]


def test_a_leaf_is_its_own_structure() -> None:
    assert flatten("word") == (["word"], LEAF)
    assert flatten(Layer) == ([Layer], LEAF)


def test_data_types_are_leaves() -> None:
    """They are compared by identity, so a copy would be another type."""
    assert flatten([st.float32])[0] == [st.float32]


def test_containers_of_different_kinds_differ() -> None:
    kinds = [(1, 2), [1, 2], Point(1, 2), {"x": 1, "y": 2}, OrderedDict(x=1, y=2), {"y": 1, "x": 2}]
    structures = [flatten(each)[1] for each in kinds]
    assert len(set(structures)) == len(kinds)


def test_dictionaries_that_make_missing_items() -> None:
    tree = defaultdict(int, a=1)
    rebuilt = unflatten(flatten(tree)[1], [5])
    assert isinstance(rebuilt, defaultdict)
    assert rebuilt == {"a": 5}


def test_tensors_are_leaves() -> None:
    x = st.ones(3)
    leaves, structure = flatten([x, (x,)])
    assert leaves[0] is x
    assert structure == Structure(list, (), (LEAF, Structure(tuple, (), (LEAF,))))


def test_map_leaves() -> None:
    assert map_leaves(lambda x: x * 2, {"a": [1, 2], "b": 3}) == {"a": [2, 4], "b": 6}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_wrong_number_of_leaves(count: int) -> None:
    with pytest.raises(ArgumentError) as caught:
        unflatten(flatten([1, 2])[1], [0] * count)
    assert str(caught.value) == f"unflatten: {count} leaves for a structure of 2."
