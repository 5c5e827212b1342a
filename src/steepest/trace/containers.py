"""Nested containers and flat lists: what a function takes and returns, taken apart and rebuilt.

Tuples (named ones too), lists, dictionaries (in the order of their keys as inserted) and
dataclass instances are containers; everything else is a leaf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any


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
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(field.name for field in dataclasses.fields(tree))
        parts = tuple(_flatten(getattr(tree, name), leaves) for name in names)
        return Structure(kind, names, parts)
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: Sequence[Any]) -> Any:
    """Rebuild a container from its structure and leaves; the inverse of `flatten`."""
    remaining = iter(leaves)
    tree = _unflatten(structure, remaining)
    if next(remaining, remaining) is not remaining:
        raise ValueError("unflatten: more leaves than the structure holds.")
    return tree


def _unflatten(structure: Structure, leaves: Any) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_unflatten(part, leaves) for part in structure.parts]
    if issubclass(kind, dict):
        return kind(zip(structure.keys, parts, strict=True))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*parts)
    if issubclass(kind, tuple | list):
        return kind(parts)
    return kind(**dict(zip(structure.keys, parts, strict=True)))


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Apply `function` to every leaf of a nested container."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
