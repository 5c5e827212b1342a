"""Functions that run twice (see `checkpoint`): the second run finds what the first one found.

The first run notes which tensors from outside it uses, and what they held then. In the second run
these tensors stand for what they held, and what the function assigns to them is seen by that run
alone. So it draws the same random numbers, and running statistics move once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from steepest.trace.state import state
from steepest.trace.value import Value


class Noted:
    """A tensor that a first run used.

    Attributes:
        tensor: gives the tensor, or `None` once nobody holds it any more.
        held: what it held when the function first used it, without history.
        identity: the identity of the value that it was then.
        is_changed: whether the function assigned to it.
    """

    __slots__ = ("held", "identity", "is_changed", "tensor")

    def __init__(self, value: Value, now: Value, forget: Callable[[object], object]):
        self.tensor = weakref.ref(value, forget)
        self.held = now._without_history()
        self.identity = id(now)
        self.is_changed = False


class FirstRun:
    """What a function uses in its first run. One within another run is noted there too."""

    def __init__(self) -> None:
        self._outer: FirstRun | None = None
        self._noted: dict[int, Noted] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is used in this block."""
        before = self._outer = state.first_run
        state.first_run = self
        try:
            yield
        finally:
            state.first_run = before
            self._outer = None

    def note_use(self, value: Value, now: Value) -> None:
        """Note the use of a tensor that stands for `now`.

        One that was computed with a history cannot change, and is found by its history. The
        others go from the notes when they go, so that these keep no intermediate result.
        """
        key = id(value)
        if value._record is None and key not in self._noted:
            noted = self._noted
            self._noted[key] = Noted(value, now, lambda _: noted.pop(key, None))
        if self._outer is not None:
            self._outer.note_use(value, now)

    def note_change(self, value: Value, now: Value) -> None:
        """Note that the function changes a tensor, which stands for `now` until then."""
        self.note_use(value, now)
        noted = self._noted.get(id(value))
        if noted is not None:
            noted.is_changed = True
        if self._outer is not None:
            self._outer.note_change(value, now)

    def finish(self, known: Iterable[Value]) -> list[Noted]:
        """Hand out what was noted, without the values that are `known` otherwise."""
        identities = {id(value) for value in known}
        noted = list(self._noted.values())
        self._noted.clear()
        return [each for each in noted if each.identity not in identities]


class SecondRun:
    """What tensors stand for in a second run.

    Args:
        pairs: tensors, each with what it stands for at first.
    """

    def __init__(self, pairs: Iterable[tuple[Value, Value]]):
        self._outer: SecondRun | None = None
        self._now = {id(tensor): (tensor, value) for tensor, value in pairs}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the tensors stand for what they held in this block, which is no part of a first run.

        What it uses follows from what the first run noted.
        """
        before = state.first_run, state.second_run
        self._outer = state.second_run
        state.first_run, state.second_run = None, self
        try:
            yield
        finally:
            state.first_run, state.second_run = before
            self._outer = None

    def read(self, value: Value) -> Value:
        """What a tensor stands for at this point."""
        found = self._now.get(id(value))
        if found is not None:
            return found[1]
        return value if self._outer is None else self._outer.read(value)

    def change(self, target: Value, source: Value) -> None:
        """Let a tensor stand for `source`, which has no history, from here on."""
        # Records that used the value before notice that it changed, as they do otherwise.
        self.read(target)._version += 1
        self._now[id(target)] = (target, source)
