"""Modules that hold other modules: in sequence, in a list, or by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex, TypeVar, cast, overload

from steepest.errors import ArgumentError, did_you_mean
from steepest.nn.module import Module
from steepest.nn.parameter import Parameter

Item = TypeVar("Item", Module, Parameter)


def _position(index: SupportsIndex, count: int, holder: str) -> int:
    """Turn an index, which may count from the end, into a position.

    Raises:
        IndexError: there is no such entry.
    """
    position = operator.index(index)
    if not -count <= position < count:
        raise IndexError(f"{holder} has {count} entries, so index {position} is out of range.")
    return position % count


class _Numbered(Module):
    """What `Sequential`, `ModuleList` and `ParameterList` share: entries named "0", "1", ..."""

    def _replace_all(self, kind: type[Item], items: Iterable[Item]) -> None:
        """Make `items` the entries, in this order."""
        kept = list(items)
        for name, _ in list(self._own(kind)):
            if name.isdecimal():
                delattr(self, name)
        for number, item in enumerate(kept):
            self._set_numbered(kind, str(number), item)

    def _set_numbered(self, kind: type[Item], name: str, item: Item) -> None:
        if not isinstance(item, kind):
            raise ArgumentError(
                f"{type(self).__name__}: entry {name} must be a {kind.__name__}, got a "
                f"{type(item).__name__}.{_advice(item, kind)}"
            )
        setattr(self, name, item)


def _advice(item: Any, kind: type) -> str:
    if kind is Parameter:
        return " Wrap it: nn.Parameter(...)."
    if isinstance(item, type) and issubclass(item, Module):
        return f" Did you mean {item.__name__}()?"
    return ""


class Sequential(_Numbered):
    """Modules that run one after the other, each on the output of the one before.

    Args:
        modules: the modules, named "0", "1", ...; or one mapping of names to modules.

    Indexing gives a module, slicing gives another Sequential of the same modules.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, named in modules[0].items():
                self.add_module(name, named)
            return
        for number, module in enumerate(modules):
            self._set_numbered(Module, str(number), cast(Module, module))

    def forward(self, input: Any) -> Any:
        """Run all modules in order."""
        for _, module in self._own(Module):
            input = module(input)
        return input

    def _names(self) -> list[str]:
        return [name for name, _ in self._own(Module)]

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._own(Module)])

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Module | Sequential:
        entries = list(self._own(Module))
        if isinstance(index, slice):
            return _view(dict(entries[index]))
        return entries[_position(index, len(entries), type(self).__name__)][1]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        names = self._names()
        name = names[_position(index, len(names), type(self).__name__)]
        self._set_numbered(Module, name, module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        entries = list(self._own(Module))
        chosen = index if isinstance(index, slice) else slice_of(index, len(entries), self)
        doomed = {name for name, _ in entries[chosen]}
        kept = [(name, module) for name, module in entries if name not in doomed]
        for name, _ in entries:
            delattr(self, name)
        renumber = all(name.isdecimal() for name, _ in entries)
        for number, (name, module) in enumerate(kept):
            setattr(self, str(number) if renumber else name, module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self._set_numbered(Module, self._free_name(), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position `index`; the names of those after it move up."""
        modules = list(self)
        modules.insert(index, module)
        names = self._names()
        if not all(name.isdecimal() for name in names):
            raise ArgumentError("Sequential.insert works with numbered modules only.")
        self._replace_all(Module, modules)
        return self

    def _free_name(self) -> str:
        number = len(self)
        while str(number) in self.__dict__:
            number += 1
        return str(number)


def slice_of(index: SupportsIndex, count: int, holder: Module) -> slice:
    """The slice that holds the one entry at `index`."""
    position = _position(index, count, type(holder).__name__)
    return slice(position, position + 1)


def _view(modules: Mapping[str, Module]) -> Sequential:
    """A Sequential of modules that stay known by the names of their first parent."""
    view = Sequential()
    numbered = all(name.isdecimal() for name in modules)
    for number, (name, module) in enumerate(modules.items()):
        known_as = module._scope_name
        setattr(view, str(number) if numbered else name, module)
        module._take_scope_name(known_as)
    return view


class ModuleList(_Numbered):
    """A list of modules, which are children named "0", "1", ...

    Args:
        modules: the first entries.
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self._replace_all(Module, modules or ())

    def _modules(self) -> list[Module]:
        return [module for _, module in self._own(Module)]

    def __len__(self) -> int:
        return len(self._modules())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules())

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> list[Module]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Module | list[Module]:
        modules = self._modules()
        if isinstance(index, slice):
            return modules[index]
        return modules[_position(index, len(modules), "ModuleList")]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        self._set_numbered(Module, str(_position(index, len(self), "ModuleList")), module)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        modules = self._modules()
        del modules[index]
        self._replace_all(Module, modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self._set_numbered(Module, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before position `index`."""
        modules = self._modules()
        modules.insert(index, module)
        self._replace_all(Module, modules)


class ModuleDict(Module):
    """Modules by name.

    Args:
        modules: the first entries, a mapping or pairs of names and modules.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None):
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules."""
        pairs = modules.items() if isinstance(modules, Mapping) else modules
        for name, module in pairs:
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        found = self.__dict__.get(name)
        if not isinstance(found, Module):
            raise KeyError(f"ModuleDict has no module {name!r}.{did_you_mean(name, self.keys())}")
        return found

    def __setitem__(self, name: str, module: Module) -> None:
        if name in self and isinstance(module, Module):
            setattr(self, name, module)
        else:
            self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and isinstance(self.__dict__.get(name), Module)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """The names, in the order in which they were added."""
        return [name for name, _ in self._own(Module)]

    def values(self) -> list[Module]:
        """The modules."""
        return [module for _, module in self._own(Module)]

    def items(self) -> list[tuple[str, Module]]:
        """Pairs of names and modules."""
        return list(self._own(Module))

    def pop(self, name: str) -> Module:
        """Take a module out and return it."""
        module = self[name]
        del self[name]
        return module


class ParameterList(_Numbered):
    """A list of parameters, named "0", "1", ...

    Args:
        parameters: the first entries.
    """

    def __init__(self, parameters: Iterable[Parameter] | None = None):
        super().__init__()
        self._replace_all(Parameter, parameters or ())

    def _entries(self) -> list[Parameter]:
        return [parameter for _, parameter in self._own(Parameter)]

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._entries())

    def __getitem__(self, index: SupportsIndex) -> Parameter:
        entries = self._entries()
        return entries[_position(index, len(entries), "ParameterList")]

    def __setitem__(self, index: SupportsIndex, parameter: Parameter) -> None:
        self._set_numbered(Parameter, str(_position(index, len(self), "ParameterList")), parameter)

    def append(self, parameter: Parameter) -> Self:
        """Add a parameter at the end."""
        self._set_numbered(Parameter, str(len(self)), parameter)
        return self

    def extend(self, parameters: Iterable[Parameter]) -> Self:
        """Add parameters at the end."""
        for parameter in parameters:
            self.append(parameter)
        return self

    def extra_repr(self) -> str:
        return ", ".join(f"({name}): {each.shape}" for name, each in self._own(Parameter))
