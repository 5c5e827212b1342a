"""Whether operations are recorded for differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from steepest.trace.state import state


@contextmanager
def no_grad() -> Iterator[None]:
    """Record no gradients inside this block (or decorated function): faster, and less memory."""
    before = state.gradients_enabled
    state.gradients_enabled = False
    try:
        yield
    finally:
        state.gradients_enabled = before


@contextmanager
def enable_grad() -> Iterator[None]:
    """Record gradients inside this block even within `no_grad`."""
    before = state.gradients_enabled
    state.gradients_enabled = True
    try:
        yield
    finally:
        state.gradients_enabled = before


def is_grad_enabled() -> bool:
    """Whether operations are recorded for differentiation at this point."""
    return state.gradients_enabled
