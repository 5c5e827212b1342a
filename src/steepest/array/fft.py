"""Fourier transforms: the `fft` extension of the array API standard.

They run eagerly through NumPy, in the precision of their operand, and raise TraceError inside
`steepest.compile`. Gradients are of any order: the transforms are linear, and their rules are made
of one another. Those of several axes take one axis after the other, as NumPy does.

`norm` says where the factor 1/n goes: `"backward"` (default) to the inverse transform,
`"forward"` to the forward one, `"ortho"` its square root to both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.array.conversion import (
    as_value,
    floating,
    normal_axes,
    normal_axis,
    shape_of,
    type_of,
)
from steepest.array.creation import Device, check_device
from steepest.array.eager import through_numpy
from steepest.array.elementwise import conj, real
from steepest.array.manipulation import roll
from steepest.errors import ArgumentError, DTypeError
from steepest.graph.dtypes import as_dtype, bfloat16, float32
from steepest.ops.movement import pad, slice_
from steepest.trace.origin import located
from steepest.trace.value import Value, make_constant

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

OTHER_WAY = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The `norm` with which the opposite transform has the same factor."""


def _along_axis(
    name: str, transform: Transform, x: Any, n: int | None, axis: int, norm: str
) -> Any:
    """Transform one axis, cut or filled with zeros to `n` numbers first."""
    value = as_value(x)
    along = normal_axis(axis, len(shape_of(value)), f"fft.{name}")
    _check_norm(name, norm)
    if transform is RFFT:
        _check_real(name, value)
    function, gradient = transform
    rule = functools.partial(gradient, n=n, axis=along, norm=norm)
    return through_numpy(f"fft.{name}", function, value, gradient=rule, n=n, axis=along, norm=norm)


def _sizes_and_axes(
    name: str, x: Value, s: Sequence[int] | None, axes: Sequence[int] | None
) -> list[tuple[int | None, int]]:
    """The size to cut or fill to (`None` for as it is) and the axis, for each axis to transform.

    Args:
        s: those sizes; -1 for as it is.
        axes: default all, or the last `len(s)`.
    """
    shape = shape_of(x)
    if axes is None:
        count = len(shape) if s is None else len(s)
        axes = range(max(len(shape) - count, 0), len(shape))
    along = [normal_axis(axis, len(shape), f"fft.{name}") for axis in axes]
    if s is None:
        return [(None, axis) for axis in along]
    if len(s) != len(along):
        raise ArgumentError(
            located(f"fft.{name}: s {tuple(s)} must have one size for each of the axes {along}.")
        )
    return [(shape[axis] if n == -1 else n, axis) for n, axis in zip(s, along, strict=True)]


def _last_of(
    name: str, x: Value, pairs: Sequence[tuple[int | None, int]]
) -> tuple[int | None, int]:
    """The last axis to transform, which is the one that is halved."""
    if not pairs:
        raise ArgumentError(located(f"fft.{name}: no axis of {shape_of(x)} is to be transformed."))
    return pairs[-1]


def _symmetric_gradient(transform: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a transform whose matrix is symmetric: it is its own transpose."""

    def gradient(
        output_grads: Any, outputs: Any, x: Any, *, n: int | None, axis: int, norm: str
    ) -> Any:
        return _as_operand(transform(output_grads[0], axis=axis, norm=norm), x, axis)

    return gradient


def _rfft_gradient(
    output_grads: Any, outputs: Any, x: Any, *, n: int | None, axis: int, norm: str
) -> Any:
    """As that of `fft`, where nothing depends on the frequencies left out."""
    size = x.shape[axis] if n is None else n
    return _as_operand(fft(output_grads[0], n=size, axis=axis, norm=norm), x, axis)


def _irfft_gradient(
    output_grads: Any, outputs: Any, x: Any, *, n: int | None, axis: int, norm: str
) -> Any:
    """Each frequency counts twice, for its mirror image too; the first and the middle one once."""
    found: Any = conj(rfft(output_grads[0], axis=axis, norm=OTHER_WAY[norm]))
    size = outputs[0].shape[axis]
    counts = np.full(size // 2 + 1, 2.0)
    counts[0] = 1
    if size % 2 == 0:
        counts[-1] = 1
    counts = counts.reshape((-1, *(1 for _ in x.shape[axis + 1 :])))
    return _as_operand(found * as_value(counts, found.dtype), x, axis)


def _as_operand(gradient: Any, x: Any, axis: int) -> Any:
    """A gradient by all numbers of an axis as one by `x`, which was cut or filled with zeros."""
    part = gradient if x.dtype.is_complex else real(gradient)
    size, wanted = part.shape[axis], x.shape[axis]
    zeros = (0,) * x.ndim
    if wanted < size:
        part = slice_(part, start=zeros, stop=_resized(part, axis, wanted), step=(1,) * x.ndim)
    elif wanted > size:
        more = tuple(wanted - size if n == axis else 0 for n in range(x.ndim))
        part = pad(part, low=zeros, high=more, interior=zeros)
    return as_value(part, x.dtype)


def _resized(x: Any, axis: int, size: int) -> tuple[int, ...]:
    """The shape of `x` with another size of one axis."""
    return tuple(size if n == axis else each for n, each in enumerate(x.shape))


def _check_real(name: str, x: Value) -> None:
    if type_of(x).dtype.is_complex:
        raise DTypeError(
            located(
                f"fft.{name}: the operand {x._type} is complex, but this transform takes real "
                f"numbers. Take steepest.real(...) first, or use another transform."
            )
        )


def _check_norm(name: str, norm: str) -> None:
    if norm not in ("backward", "ortho", "forward"):
        raise ArgumentError(
            located(f"fft.{name}: norm is {norm!r}, but must be 'backward', 'ortho' or 'forward'.")
        )


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The discrete Fourier transform of one axis."""
    return _along_axis("fft", FFT, x, n, axis, norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `fft`."""
    return _along_axis("ifft", IFFT, x, n, axis, norm)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of real numbers: the first n // 2 + 1 of the frequencies, the rest mirrors."""
    return _along_axis("rfft", RFFT, x, n, axis, norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `rfft`: `n` real numbers (default an even number of them)."""
    return _along_axis("irfft", IRFFT, x, n, axis, norm)


Transform = tuple[Callable[..., Any], Callable[..., Any]]
"""NumPy's function, and the gradient rule."""

FFT: Transform = (np.fft.fft, _symmetric_gradient(fft))
IFFT: Transform = (np.fft.ifft, _symmetric_gradient(ifft))
RFFT: Transform = (np.fft.rfft, _rfft_gradient)
IRFFT: Transform = (np.fft.irfft, _irfft_gradient)


def fftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The discrete Fourier transform of several axes (default all)."""
    return _backwards_through("fftn", FFT, x, s, axes, norm)


def ifftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `fftn`."""
    return _backwards_through("ifftn", IFFT, x, s, axes, norm)


def _backwards_through(
    name: str,
    transform: Transform,
    x: Any,
    s: Sequence[int] | None,
    axes: Sequence[int] | None,
    norm: str,
) -> Any:
    """Transform several axes, the last one first."""
    (value,) = floating(x)
    _check_norm(name, norm)
    for n, axis in reversed(_sizes_and_axes(name, value, s, axes)):
        value = _along_axis(name, transform, value, n, axis, norm)
    return value


def rfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The transform of real numbers over several axes; the last one is halved, as in `rfft`."""
    (value,) = floating(x)
    pairs = _sizes_and_axes("rfftn", value, s, axes)
    result = _along_axis("rfftn", RFFT, value, *_last_of("rfftn", value, pairs), norm)
    for n, axis in reversed(pairs[:-1]):
        result = _along_axis("rfftn", FFT, result, n, axis, norm)
    return result


def irfftn(
    x: Any,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
) -> Tensor:
    """The inverse of `rfftn`."""
    (value,) = floating(x)
    pairs = _sizes_and_axes("irfftn", value, s, axes)
    last = _last_of("irfftn", value, pairs)
    result = value
    for n, axis in pairs[:-1]:
        result = _along_axis("irfftn", IFFT, result, n, axis, norm)
    result = _along_axis("irfftn", IRFFT, result, *last, norm)
    dtype = type_of(value).dtype
    return as_value(result, dtype) if dtype is bfloat16 else result  # type: ignore[return-value]


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The transform of numbers whose second half mirrors the first, conjugated: it is real."""
    _check_norm("hfft", norm)
    return _along_axis("hfft", IRFFT, conj(x), n, axis, OTHER_WAY[norm])


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`."""
    _check_norm("ihfft", norm)
    return conj(_along_axis("ihfft", RFFT, x, n, axis, OTHER_WAY[norm]))


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
