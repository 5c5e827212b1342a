"""Creation functions and Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import steepest as st
from steepest import Tensor
from torch_operations.offered import NotOfferedError


def _created(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A creation function with the arguments that only place a tensor in PyTorch."""

    def call(
        *positional: Any,
        dtype: Any = None,
        device: Any = None,
        layout: Any = None,
        pin_memory: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        return function(*positional, dtype=dtype)

    return call


def _sized(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A creation function whose sizes may be given one by one."""

    def call(*sizes: Any, dtype: Any = None) -> Tensor:
        shape = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
        return function(tuple(shape), dtype=dtype)

    return _created(call)


def _linspace(start: float, end: float, steps: int, *, dtype: Any = None) -> Tensor:
    if dtype is not None and dtype.is_integer:
        raise NotOfferedError("rounding to integers")
    first, last = (each.item() if isinstance(each, Tensor) else each for each in (start, end))
    return st.linspace(first, last, steps, dtype=dtype)


def _one_axis(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Tensor, n: int | None = None, dim: int = -1, norm: str = "backward") -> Tensor:
        return function(input, n=n, axis=dim, norm=norm)

    return call


def _all_axes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(input: Tensor, s: Any = None, dim: Any = None, norm: str = "backward") -> Tensor:
        axes = [dim] if isinstance(dim, int) else dim
        return function(input, s=s, axes=axes, norm=norm)

    return call


CREATION = {
    "arange": _created(st.arange),
    "linspace": _created(_linspace),
    "eye": _created(st.eye),
    "zeros": _sized(st.zeros),
    "ones": _sized(st.ones),
    "full": _created(st.full),
    "zeros_like": _created(st.zeros_like),
    "ones_like": _created(st.ones_like),
    "full_like": _created(st.full_like),
    "fft.fft": _one_axis(st.fft.fft),
    "fft.ifft": _one_axis(st.fft.ifft),
    "fft.rfft": _one_axis(st.fft.rfft),
    "fft.irfft": _one_axis(st.fft.irfft),
    "fft.hfft": _one_axis(st.fft.hfft),
    "fft.ihfft": _one_axis(st.fft.ihfft),
    "fft.fftn": _all_axes(st.fft.fftn),
    "fft.ifftn": _all_axes(st.fft.ifftn),
    "fft.rfftn": _all_axes(st.fft.rfftn),
    "fft.irfftn": _all_axes(st.fft.irfftn),
    "fft.fftshift": lambda input, dim=None: st.fft.fftshift(input, axes=dim),
    "fft.ifftshift": lambda input, dim=None: st.fft.ifftshift(input, axes=dim),
}
