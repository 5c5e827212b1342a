"""How a module's attributes become parameters, buffers and children, and what a trace reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, did_you_mean
from steepest.nn.parameter import Buffer, Parameter
from steepest.nn.snapshot import is_immutable, snapshot

Entry = TypeVar("Entry")

_INTERNAL = frozenset({"_scope_name", "_static_cache", "_forward_hooks"})
_CONTAINERS = (list, tuple, dict)


class AttributeOwner:
    """The part of `Module` that keeps its attributes.

    A `Parameter`, `Buffer` or `Module` lives in the instance's dictionary like any other value;
    what it is, is asked when somebody needs to know.
    """

    training: bool
    _scope_name: str
    _structure: int
    _static_cache: dict[str, Any] | None
    _forward_hooks: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        super().__setattr__("_structure", 0)
        super().__setattr__("_scope_name", "")
        super().__setattr__("_static_cache", None)
        super().__setattr__("_forward_hooks", {})
        super().__setattr__("training", True)

    def __setattr__(self, name: str, value: Any) -> None:
        self._require_init(name)
        current = self.__dict__.get(name)
        if isinstance(current, Buffer) and _is_plain_array(value):
            current.assign(value)
            return
        self._check_replacement(name, current, value)
        if isinstance(value, AttributeOwner) and value._holds(self):
            raise ArgumentError(
                f"{type(self).__name__}.{name}: a module cannot hold itself, nor a module that "
                f"holds it."
            )
        _pass_name(value, f"{self._scope_name}.{name}" if self._scope_name else name)
        if _is_registered(value) or _is_registered(current):
            self._count_change()
        super().__setattr__("_static_cache", None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name not in self.__dict__:
            raise AttributeError(self._no_attribute(name))
        super().__delattr__(name)
        self._count_change()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(self._no_attribute(name))

    def _count_change(self) -> None:
        """Let compiled programs know that what this module holds is no longer the same."""
        object.__setattr__(self, "_structure", self._structure + 1)
        object.__setattr__(self, "_static_cache", None)

    def _no_attribute(self, name: str) -> str:
        if "_structure" not in self.__dict__:
            return self._missing_init(name)
        known = [each for each in dir(self) if not each.startswith("_")]
        return f"{type(self).__name__} has no attribute {name!r}.{did_you_mean(name, known)}"

    def _check_replacement(self, name: str, current: Any, value: Any) -> None:
        """Refuse to turn a parameter or child into something that training would not find."""
        advice: dict[type, str] = {
            Parameter: "Change its numbers with .assign(...).",
            AttributeOwner: f"Delete it first (del module.{name}).",
        }
        for kind, fix in advice.items():
            if isinstance(current, kind) and value is not None and not isinstance(value, kind):
                word = "Parameter" if kind is Parameter else "Module"
                raise ArgumentError(
                    f"{type(self).__name__}.{name} is a {word} and cannot become a "
                    f"{type(value).__name__}. {fix}"
                )

    def _require_init(self, name: str = "") -> None:
        if "_structure" not in self.__dict__:
            raise ArgumentError(self._missing_init(name))

    def _missing_init(self, name: str) -> str:
        doing = f"{name!r} is used" if name else "the module is used"
        own = type(self).__name__
        return (
            f"{own}: {doing} before Module.__init__ has run. "
            f"Call super().__init__() in the first line of {own}.__init__."
        )

    # Registration by name

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a buffer: state that is not trained. `None` sets an empty attribute.

        Raises:
            ArgumentError: a name that is empty, dotted or taken.
        """
        self._check_new_name(name)
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent))

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Add a parameter. `None` sets an empty attribute.

        Raises:
            ArgumentError: a name that is empty, dotted or taken, or no `Parameter`.
        """
        self._check_new_name(name)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise ArgumentError(
                f"{type(self).__name__}.{name} must be a Parameter, got a "
                f"{type(parameter).__name__}. Wrap it: nn.Parameter(...)."
            )
        setattr(self, name, parameter)

    def _check_new_name(self, name: str) -> None:
        self._require_init(name)
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(
                f"{type(self).__name__}: a name must be a non-empty text without dots, "
                f"got {name!r}."
            )
        if self.__dict__.get(name) is not None or hasattr(type(self), name):
            raise ArgumentError(f"{type(self).__name__} already has an attribute {name!r}.")

    # What is registered

    def _own(self, kind: type[Entry]) -> Iterator[tuple[str, Entry]]:
        """The attributes of one kind, in the order in which they were first assigned."""
        self._require_init()
        for name, value in list(self.__dict__.items()):
            if isinstance(value, kind):
                yield name, value
            elif isinstance(value, _CONTAINERS) and name not in _INTERNAL:
                self._refuse_hidden(name, value)

    def _refuse_hidden(self, name: str, value: Any) -> None:
        """Refuse a plain list of layers, which training would never find."""
        entries = value.values() if isinstance(value, dict) else value
        kinds = AttributeOwner | Parameter
        hidden = next((each for each in entries if isinstance(each, kinds)), None)
        if hidden is None:
            return
        is_module = isinstance(hidden, AttributeOwner)
        if isinstance(value, dict):
            fix = "ModuleDict" if is_module else "Module with attributes"
        else:
            fix = "ModuleList" if is_module else "ParameterList"
        raise ArgumentError(
            f"{type(self).__name__}.{name} is a plain {type(value).__name__} that holds a "
            f"{type(hidden).__name__}, which training would not find. "
            f"Use nn.{fix} instead."
        )

    def _holds(self, other: AttributeOwner) -> bool:
        """Whether `other` is this module or one below it."""
        return self is other or any(child._holds(other) for _, child in self._own(AttributeOwner))

    # Names

    @property
    def label(self) -> str:
        """How errors call this layer: its class and the name its parent knows it by."""
        name = self._scope_name
        return f"{type(self).__name__} {name!r}" if name else type(self).__name__

    def _take_scope_name(self, name: str) -> None:
        """Learn the qualified name that a parent gives, and pass it on to what this holds."""
        object.__setattr__(self, "_scope_name", name)
        for own_name, value in self.__dict__.items():
            _pass_name(value, f"{name}.{own_name}")

    # What a trace may have read

    def _static_state(self) -> dict[str, Any]:
        """The plain attribute values of this module, for a compiled program's guards.

        Values are hashable and compare by content. The entry `_structure` changes when a
        parameter, buffer or child is added, replaced, removed or frozen.
        """
        if self._static_cache is not None:
            return self._static_cache
        plain = {
            name: value
            for name, value in self.__dict__.items()
            if name not in _INTERNAL and not isinstance(value, Tensor | AttributeOwner)
        }
        plain["_forward_hooks"] = tuple(self._forward_hooks.values())
        frozen = {name: snapshot(value) for name, value in plain.items()}
        if all(is_immutable(value) for value in plain.values()):
            object.__setattr__(self, "_static_cache", frozen)
        return frozen


def _pass_name(value: Any, qualified: str) -> None:
    """Tell a parameter, buffer or module by which name the outermost module knows it."""
    if isinstance(value, AttributeOwner):
        value._take_scope_name(qualified)
    elif isinstance(value, Parameter | Buffer):
        value.name = qualified


def _is_registered(value: Any) -> bool:
    return isinstance(value, Parameter | Buffer | AttributeOwner)


def _is_plain_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and not isinstance(value, Parameter | Buffer)
