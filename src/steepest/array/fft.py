"""Fourier transforms: the `fft` extension of the array API standard.

They run eagerly through NumPy, in the precision of their operand, and raise TraceError inside
`steepest.compile` and GradientError for an operand that requires a gradient.

`norm` says where the factor 1/n goes: `"backward"` (default) to the inverse transform,
`"forward"` to the forward one, `"ortho"` its square root to both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import as_value, normal_axes, normal_axis, shape_of
from steepest.array.creation import Device, check_device
from steepest.array.eager import through_numpy
from steepest.array.manipulation import roll
from steepest.errors import ArgumentError
from steepest.graph.dtypes import as_dtype, float32
from steepest.trace.origin import located
from steepest.trace.value import make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor


def _along_axis(
    name: str, function: Callable[..., Any], x: Any, n: int | None, axis: int, norm: str
) -> Any:
    """Transform one axis, cut or filled with zeros to `n` numbers first."""
    value = as_value(x)
    normal_axis(axis, len(shape_of(value)), f"fft.{name}")
    _check_norm(name, norm)
    return through_numpy(f"fft.{name}", function, value, n=n, axis=axis, norm=norm)


def _along_axes(
    name: str,
    function: Callable[..., Any],
    x: Any,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: str,
) -> Any:
    """Transform several axes (default all, or the last `len(s)`)."""
    value = as_value(x)
    ndim = len(shape_of(value))
    if axes is None and s is not None:
        axes = range(ndim - len(s), ndim)
    if axes is not None:
        axes = [normal_axis(axis, ndim, f"fft.{name}") for axis in axes]
    _check_norm(name, norm)
    return through_numpy(f"fft.{name}", function, value, s=s, axes=axes, norm=norm)


def _check_norm(name: str, norm: str) -> None:
    if norm not in ("backward", "ortho", "forward"):
        raise ArgumentError(
            located(f"fft.{name}: norm is {norm!r}, but must be 'backward', 'ortho' or 'forward'.")
        )


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The discrete Fourier transform of one axis."""
    return _along_axis("fft", np.fft.fft, x, n, axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `fft`."""
    return _along_axis("ifft", np.fft.ifft, x, n, axis, norm)


def fftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The discrete Fourier transform of several axes (default all)."""
    return _along_axes("fftn", np.fft.fftn, x, s, axes, norm)


def ifftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `fftn`."""
    return _along_axes("ifftn", np.fft.ifftn, x, s, axes, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of real numbers: the first n // 2 + 1 of the frequencies, the rest mirrors."""
    return _along_axis("rfft", np.fft.rfft, x, n, axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `rfft`: `n` real numbers (default an even number of them)."""
    return _along_axis("irfft", np.fft.irfft, x, n, axis, norm)


def rfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The transform of real numbers over several axes; the last one is halved, as in `rfft`."""
    return _along_axes("rfftn", np.fft.rfftn, x, s, axes, norm)


def irfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `rfftn`."""
    return _along_axes("irfftn", np.fft.irfftn, x, s, axes, norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of numbers whose second half mirrors the first, conjugated: it is real."""
    return _along_axis("hfft", np.fft.hfft, x, n, axis, norm)


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`."""
    return _along_axis("ihfft", np.fft.ihfft, x, n, axis, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Device = None) -> Tensor:
    """The frequency of each number of `fft`, in cycles per unit of `d`, the sample spacing."""
    check_device(device)
    wanted = float32 if dtype is None else as_dtype(dtype)
    return make_constant(np.fft.fftfreq(n, d), wanted)  # type: ignore[return-value]


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Device = None) -> Tensor:
    """The frequency of each number of `rfft`, in cycles per unit of `d`, the sample spacing."""
    check_device(device)
    wanted = float32 if dtype is None else as_dtype(dtype)
    return make_constant(np.fft.rfftfreq(n, d), wanted)  # type: ignore[return-value]


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Frequency 0 moved to the middle of each axis (default all)."""
    value = as_value(x)
    moved = normal_axes(axes, len(shape_of(value)), "fft.fftshift")
    return roll(value, tuple(shape_of(value)[axis] // 2 for axis in moved), axis=moved)


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`."""
    value = as_value(x)
    moved = normal_axes(axes, len(shape_of(value)), "fft.ifftshift")
    return roll(value, tuple(-(shape_of(value)[axis] // 2) for axis in moved), axis=moved)
