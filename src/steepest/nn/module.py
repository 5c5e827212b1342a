"""Module: what every layer and every network is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, did_you_mean
from steepest.nn import state
from steepest.nn.attributes import AttributeOwner, Entry
from steepest.nn.parameter import Buffer, Parameter
from steepest.trace import guards, scope

if TYPE_CHECKING:
    from steepest.nn.summary import Summary

_hook_numbers = itertools.count()


class Module(AttributeOwner):
    """A layer or a network: parameters, buffers and children, and a `forward` that uses them.

    Assigning an attribute registers it: a `Parameter` is trained, a `Buffer` is kept with the
    state, a `Module` becomes a child. Subclasses define `forward`, and are called like functions:

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(784, 256)
                self.head = nn.Linear(256, 10)

            def forward(self, x):
                return self.head(nn.functional.relu(self.hidden(x)))

    Attributes:
        training: whether layers such as dropout and batch normalization behave as in training.
    """

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output; every subclass that is called defines it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward method. Define forward(self, ...)."
        )

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Run `forward`, so that errors and graph nodes inside name this layer."""
        self._require_init()
        guards.touch(self)
        with scope.module_scope(self.label):
            output = self.forward(*inputs, **named)
            for hook in tuple(self._forward_hooks.values()):
                replaced = hook(self, inputs, output)
                output = output if replaced is None else replaced
        return output

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child. `None` sets an empty attribute.

        Raises:
            ArgumentError: a name that is empty, dotted or taken, or no `Module`.
        """
        self._check_new_name(name)
        if module is not None and not isinstance(module, Module):
            raise ArgumentError(
                f"{type(self).__name__}.{name} must be a Module, got a {type(module).__name__}."
            )
        setattr(self, name, module)

    # What a module holds

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each module once."""
        seen: set[int] = set()
        for name, child in self._own(Module):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module (named `prefix`) and all below it, parents first."""
        return self._walk(prefix, set() if remove_duplicate else None)

    def _walk(self, prefix: str, seen: set[int] | None) -> Iterator[tuple[str, Module]]:
        if seen is not None:
            if id(self) in seen:
                return
            seen.add(id(self))
        yield prefix, self
        for name, child in self._own(Module):
            yield from child._walk(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once, parents first."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their qualified names; a shared one once, by its first name."""
        return self._named(Parameter, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once; only this module's own if not `recurse`."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Buffer]]:
        """The buffers with their qualified names; a shared one once, by its first name."""
        return self._named(Buffer, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """The buffers, each once; only this module's own if not `recurse`."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(
        self, kind: type[Entry], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Entry]]:
        owners = self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]
        seen: set[int] = set()
        for owner_name, owner in owners:
            for name, entry in owner._own(kind):
                if remove_duplicate and id(entry) in seen:
                    continue
                seen.add(id(entry))
                yield f"{owner_name}.{name}" if owner_name else name, entry

    def get_submodule(self, path: str) -> Module:
        """Return the module of a dotted name, such as `"encoder.0.attention"`; `""` is this one.

        Raises:
            ArgumentError: there is none.
        """
        found = self
        for name in path.split(".") if path else ():
            child = found.__dict__.get(name)
            if not isinstance(child, Module):
                known = [each for each, _ in self.named_modules() if each]
                raise ArgumentError(
                    f"{type(self).__name__} has no module {path!r}.{did_you_mean(path, known)}"
                )
            found = child
        return found

    def get_parameter(self, path: str) -> Parameter:
        """Return the parameter of a dotted name, such as `"head.weight"`.

        Raises:
            ArgumentError: there is none.
        """
        known = dict(self.named_parameters(remove_duplicate=False))
        if path not in known:
            raise ArgumentError(
                f"{type(self).__name__} has no parameter {path!r}.{did_you_mean(path, known)}"
            )
        return known[path]

    # State

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of all parameters and persistent buffers, by PyTorch's names.

        Training on changes nothing in it. Shared parameters appear under each of their names.
        """
        return {name: tensor.detach().clone() for name, tensor in state.entries(self).items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> state.LoadResult:
        """Take the numbers of all parameters and buffers from a mapping of names to arrays.

        Values may be Tensors, NumPy arrays, or anything that `numpy.asarray` takes. Nothing is
        changed unless everything fits.

        Args:
            strict: whether missing and unexpected names are errors. Wrong shapes always are.

        Returns:
            The names that were missing and unexpected.

        Raises:
            CheckpointError: names, shapes or kinds of numbers that do not fit; all are listed.
        """
        return state.load(self, state_dict, strict)

    # Modes

    def train(self, mode: bool = True) -> Self:
        """Set training mode (or evaluation mode) for this module and all below it."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train: mode must be True or False, got {mode!r}.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: no dropout, normalization by running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Say whether gradients are taken of this module's parameters."""
        for module in self.modules():
            for _, parameter in module._own(Parameter):
                parameter.requires_grad = requires_grad
            module._count_change()
        return self

    def freeze(self) -> Self:
        """Keep all parameters as they are: no gradients, so that no optimizer changes them."""
        return self.requires_grad_(False)

    def unfreeze(self) -> Self:
        """Train all parameters again."""
        return self.requires_grad_(True)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, dtype: Any) -> Self:
        """Give all floating-point parameters and buffers another data type.

        They become new objects, so make the optimizer afterwards. Shared ones stay shared.
        """
        converted: dict[int, Parameter | Buffer] = {}
        for module in self.modules():
            own: list[tuple[str, Parameter | Buffer]] = [*module._own(Parameter)]
            own += module._own(Buffer)
            for name, entry in own:
                if entry.dtype.is_floating:
                    if id(entry) not in converted:
                        converted[id(entry)] = _convert(entry, dtype)
                    setattr(module, name, converted[id(entry)])
        return self

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module below this one, and on this one last."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def register_forward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call `hook(module, inputs, output)` after every `forward`.

        What it returns, unless `None`, replaces the output. Inside `steepest.compile` it runs
        once, while the program is traced, on tensors that have no numbers.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        handle = HookHandle(self, next(_hook_numbers))
        self._forward_hooks[handle.number] = hook
        object.__setattr__(self, "_static_cache", None)
        return handle

    # Text

    def extra_repr(self) -> str:
        """The options of this layer, as they appear between the parentheses of its text."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, child in self._own(Module):
            first, *rest = repr(child).split("\n")
            lines.append(f"  ({name}): {first}")
            lines.extend(f"  {line}" for line in rest)
        own, options = type(self).__name__, self.extra_repr()
        if not lines:
            return f"{own}({options})"
        head = [f"  {options}"] if options else []
        return "\n".join([f"{own}(", *head, *lines, ")"])

    def summary(self, *inputs: Any, dtype: Any = None) -> Summary:
        """Return a table of layers with shapes, parameters, multiply-adds and bytes.

        Args:
            inputs: an example input, or a shape such as `(32, 784)` with the batch first.
            dtype: the data type of inputs given as shapes; that of the parameters if `None`.
        """
        from steepest.nn.summary import summarize

        return summarize(self, *inputs, dtype=dtype)


class HookHandle:
    """Takes a forward hook away again."""

    def __init__(self, module: Module, number: int):
        self._module = module
        self.number = number

    def remove(self) -> None:
        """Take the hook away; harmless when it is gone already."""
        self._module._forward_hooks.pop(self.number, None)
        object.__setattr__(self._module, "_static_cache", None)


def _convert(entry: Parameter | Buffer, dtype: Any) -> Parameter | Buffer:
    data = st.astype(entry.detach(), dtype)
    if isinstance(entry, Parameter):
        return Parameter(data, entry.requires_grad)
    return Buffer(data, entry.persistent)
