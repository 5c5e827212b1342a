"""Which layer is being called, so that errors and graphs can name it."""

from __future__ import annotations

from types import TracebackType

from steepest.trace.state import state


class module_scope:  # noqa: N801 - used as a statement: `with module_scope("Linear 'head'")`
    """Name the layer inside which operations are made."""

    __slots__ = ("_name",)

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None:
        state.scopes.append(self._name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        state.scopes.pop()


def current_scope() -> str:
    """The innermost layer being called, such as `"Linear 'head'"`; empty outside of any."""
    return state.scopes[-1] if state.scopes else ""
