"""Plain Python values that a trace has read, which must be unchanged for its program to be reused.

A model's `training` flag or a dropout rate is baked into a traced program. Objects that hold such
values (modules, optimizers) call `touch(self)` when a trace may read them, and offer
`_static_state()`, a dictionary of those values.
"""

from __future__ import annotations

from typing import Any, Protocol

from steepest.trace.state import state


class HasStaticState(Protocol):
    """An object whose plain values may be baked into a program."""

    def _static_state(self) -> dict[str, Any]: ...


def touch(holder: HasStaticState) -> None:
    """Note that the running trace, if any, depends on the plain values of `holder`."""
    if state.trace is not None:
        state.trace.guard(holder)
