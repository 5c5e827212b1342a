"""The `fft` extension against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import EXAMPLES, FLOATING, assert_same, check, numbers, seeds, shapes
from hypothesis import given
from hypothesis import strategies as some

import steepest as st
from steepest import fft
from steepest.errors import ArgumentError, AxisError, GradientError, TraceError

LOOSE = {"float32": 2e-4, "complex64": 2e-4, "float64": 1e-10, "complex128": 1e-10}
NORMS = some.sampled_from(["backward", "ortho", "forward"])


def _real(name):
    return name in ("rfft", "ihfft", "rfftn")


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@EXAMPLES
@given(seed=seeds(), n=some.none() | some.integers(2, 9), axis=some.integers(-2, 1), norm=NORMS)
def test_one_axis(name, seed, n, axis, norm):
    dtype = "float32" if _real(name) else "complex64"
    if seed % 2:
        dtype = {"float32": "float64", "complex64": "complex128"}[dtype]
    check(
        lambda x: getattr(fft, name)(x, n=n, axis=axis, norm=norm),
        lambda x: getattr(np.fft, name)(x, n=n, axis=axis, norm=norm),
        numbers((4, 5), dtype, seed),
        tolerance=LOOSE[dtype],
        compiled=False,
    )


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
@EXAMPLES
@given(
    seed=seeds(),
    axes=some.none() | some.permutations([0, 1, 2]).map(lambda axes: tuple(axes[:2])),
    resize=some.booleans(),
    norm=NORMS,
)
def test_several_axes(name, seed, axes, resize, norm):
    dtype = "float64" if _real(name) else "complex128"
    s = (3, 6) if resize and axes else None
    check(
        lambda x: getattr(fft, name)(x, s=s, axes=axes, norm=norm),
        lambda x: getattr(np.fft, name)(x, s=s, axes=axes, norm=norm),
        numbers((3, 4, 2), dtype, seed),
        tolerance=1e-10,
        compiled=False,
    )


def test_integers_are_transformed_in_single_precision():
    assert fft.fft(st.asarray([1, 2, 3])).dtype is st.complex64


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(name, dtype):
    for n in (1, 4, 5):
        expected = getattr(np.fft, name)(n, 0.5).astype(dtype)
        assert_same(getattr(fft, name)(n, d=0.5, dtype=getattr(st, dtype)), expected)


@EXAMPLES
@given(shape=shapes(least=1), seed=seeds())
def test_shifts(shape, seed):
    array = numbers(shape, "float32", seed)
    check(fft.fftshift, np.fft.fftshift, array)
    check(fft.ifftshift, np.fft.ifftshift, array)
    check(lambda x: fft.fftshift(x, axes=-1), lambda x: np.fft.fftshift(x, -1), array)


@pytest.mark.parametrize("name", ["fft", "rfft", "fftn"])
def test_gradients_and_compiling_are_refused(name):
    with pytest.raises(GradientError) as caught:
        getattr(fft, name)(st.Tensor([1.0, 2.0], requires_grad=True))
    assert str(caught.value).startswith(
        f"fft.{name}: the operand float32[2] requires a gradient, but fft.{name} has no gradient "
        f"rule yet. Use detach() on the operand, or no_grad(). At test_array_fft.py:"
    )
    with pytest.raises(TraceError, match=rf"fft\.{name}: runs on known numbers only"):
        st.compile(getattr(fft, name))(st.ones(2))


def test_messages():
    with pytest.raises(ArgumentError, match=r"fft\.fft: norm is 'unit', but must be 'backward', "):
        fft.fft(st.ones(2), norm="unit")
    with pytest.raises(AxisError, match=r"fft\.fft: axis 3 does not exist: the tensor has 1 axes"):
        fft.fft(st.ones(2), axis=3)
    with pytest.raises(ArgumentError, match="device 'tpu' does not exist"):
        fft.fftfreq(3, device="tpu")
