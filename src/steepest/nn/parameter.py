"""Tensors that belong to a module: parameters, which are trained, and buffers, which are not."""

from __future__ import annotations

from typing import Any

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import DTypeError


class Parameter(Tensor):
    """A tensor that training changes. As a module's attribute it is found by `parameters()`.

    Args:
        data: the first numbers, a Tensor or a NumPy array; the parameter holds its own copy.
        requires_grad: whether gradients are taken; `False` for a frozen parameter.

    Raises:
        DTypeError: gradients of numbers that are not floating point.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(_own_copy(data))
        if requires_grad and not self.dtype.is_floating:
            raise DTypeError(
                f"Parameter: data {self.shape} is {self.dtype.name}, but gradients need floating "
                f"point. Convert it with .astype(steepest.float32), or pass requires_grad=False."
            )
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return _titled("Parameter", super().__repr__())


class Buffer(Tensor):
    """A tensor of a module's state that is not trained, such as a running mean.

    Args:
        data: the first numbers, a Tensor or a NumPy array; the buffer holds its own copy.
        persistent: whether it is part of the module's `state_dict`.
    """

    __slots__ = ("persistent",)
    persistent: bool

    def __init__(self, data: Any, persistent: bool = True):
        super().__init__(_own_copy(data))
        self.persistent = persistent

    def __repr__(self) -> str:
        return _titled("Buffer", super().__repr__())


def _titled(kind: str, text: str) -> str:
    """A tensor's text with the name of its kind, its rows still below each other."""
    first, *rest = text.split("\n")
    shift = " " * max(len(kind) - len("Tensor"), 0)
    return "\n".join([kind + first.removeprefix("Tensor"), *(shift + line for line in rest)])


def _own_copy(data: Any) -> Tensor:
    tensor = data.detach() if isinstance(data, Tensor) else data
    return st.asarray(tensor, copy=True)
