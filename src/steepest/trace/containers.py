"""Nested containers and flat lists: what a function takes and returns, taken apart and rebuilt.

Tuples (named ones too), lists, dictionaries (in the order of their keys as inserted) and
dataclass instances are containers; everything else is a leaf, data types among them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from steepest.errors import ArgumentError
from steepest.graph.dtypes import DType


@dataclasses.dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a nested container: its kind, keys and parts; a leaf has kind `None`."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()


LEAF = Structure(None)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Take a nested container apart: its leaves in order, and its structure."""
    leaves: list[Any] = []
    structure = _flatten(tree, leaves)
    return leaves, structure


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    if isinstance(tree, tuple | list):
        return Structure(kind, (), tuple(_flatten(part, leaves) for part in tree))
    if isinstance(tree, dict):
        parts = tuple(_flatten(part, leaves) for part in tree.values())
        return Structure(kind, tuple(tree), parts)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type | DType):
        names = tuple(field.name for field in dataclasses.fields(tree))
        parts = tuple(_flatten(getattr(tree, name), leaves) for name in names)
        return Structure(kind, names, parts)
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """Rebuild a container from its structure and leaves; the inverse of `flatten`.

    Raises:
        ArgumentError: more or fewer leaves than the structure holds.
    """
    wanted = count_leaves(structure)
    if len(leaves) != wanted:
        raise ArgumentError(f"unflatten: {len(leaves)} leaves for a structure of {wanted}.")
    return _unflatten(structure, iter(leaves))


def count_leaves(structure: Structure) -> int:
    """How many leaves a structure holds."""
    if structure.kind is None:
        return 1
    return sum(map(count_leaves, structure.parts))


def _unflatten(structure: Structure, leaves: Any) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_unflatten(part, leaves) for part in structure.parts]
    if issubclass(kind, dict):
        # Not every kind of dictionary takes its items when made: a defaultdict does not.
        tree: Any = kind()
        tree.update(zip(structure.keys, parts, strict=True))
        return tree
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*parts)
    if issubclass(kind, tuple | list):
        return kind(parts)
    return _rebuilt_dataclass(kind, structure.keys, parts)


def _rebuilt_dataclass(kind: type, names: tuple[str, ...], parts: list[Any]) -> Any:
    """Set the fields of a new instance, past `__init__`, which may not take them all."""
    tree: Any = object.__new__(kind)
    for name, part in zip(names, parts, strict=True):
        object.__setattr__(tree, name, part)
    return tree


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf of a nested container."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
