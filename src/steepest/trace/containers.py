"""Nested containers and flat lists: what a function takes and returns, taken apart and rebuilt.

Tuples (named ones too), lists, dictionaries (in the order of their keys as inserted) and
dataclass instances are containers; everything else is a leaf, data types among them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from steepest.errors import ArgumentError
from steepest.graph.dtypes import DType


class Structure(NamedTuple):
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


def flatten_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Structure]:
    """The same as `flatten((args, kwargs))`, sooner where no argument is a container."""
    if kwargs or any(map(_parted, map(type, args))):
        return flatten((args, kwargs))
    return list(args), _plain_call(len(args))


@lru_cache(maxsize=64)
def _plain_call(count: int) -> Structure:
    """The structure of a call with so many leaves and no names."""
    return flatten(((None,) * count, {}))[1]


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind: Any = type(tree)
    parted = _parted(kind)
    if parted is None:
        leaves.append(tree)
        return LEAF
    keys, parts = parted(tree)
    return Structure(kind, keys, tuple([_flatten(part, leaves) for part in parts]))


Parts = tuple[tuple[Any, ...], Sequence[Any]]
"""The keys of a container, and what it holds."""


@lru_cache(maxsize=1024)
def _parted(kind: type) -> Callable[[Any], Parts] | None:
    """How to take a container of a kind apart; `None` for leaves."""
    if issubclass(kind, tuple | list):
        return lambda tree: ((), tree)
    if issubclass(kind, dict):
        return lambda tree: (tuple(tree), tuple(tree.values()))
    if not dataclasses.is_dataclass(kind) or issubclass(kind, type | DType):
        return None
    names = tuple(field.name for field in dataclasses.fields(kind))
    return lambda tree: (names, [getattr(tree, name) for name in names])


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
