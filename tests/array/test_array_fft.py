"""The `fft` extension against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from against_numpy import EXAMPLES, FLOATING, assert_same, check, numbers, seeds, shapes
from hypothesis import given
from hypothesis import strategies as some

import steepest as st
from steepest import fft
from steepest.errors import ArgumentError, AxisError, TraceError

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


NAMES = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fftn", "ifftn", "rfftn", "irfftn"]


@pytest.mark.parametrize("name", NAMES)
def test_compiling_is_refused(name):
    with pytest.raises(TraceError, match=rf"fft\.{name}: runs on known numbers only"):
        st.compile(getattr(fft, name))(st.ones(2))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_axes_are_numpys_to_the_bit(name):
    """Sizes of -1 and axes that stand twice, too."""
    x = numbers((3, 4, 2), "float32" if _real(name) else "complex64", 0)
    plans = [(None, None), ((-1, 5), (2, 0)), ((3, 6), (1, 1)), (None, (2, 2)), ((2,), (1,))]
    for s, axes in plans:
        expected = getattr(np.fft, name)(x, s=s, axes=axes)
        assert_same(getattr(fft, name)(st.asarray(x), s=s, axes=axes), expected)


def test_the_last_axes_are_transformed_where_sizes_alone_are_given():
    x = st.asarray(numbers((3, 4, 2), "float64", 0))
    np.testing.assert_array_equal(fft.fftn(x, s=(5, 3)), fft.fftn(x, s=(5, 3), axes=(1, 2)))


def test_no_axes():
    x = st.asarray(numbers((2, 3), "complex64", 0))
    np.testing.assert_array_equal(fft.fftn(x, axes=()), x)
    assert fft.ifftn(st.asarray(2.0)).item() == 2.0
    with pytest.raises(ArgumentError) as caught:
        fft.rfftn(st.ones((2, 3)), axes=())
    assert str(caught.value).startswith("fft.rfftn: no axis of (2, 3) is to be transformed. At ")


def test_real_results_of_bfloat16_are_bfloat16():
    for function in (fft.irfft, fft.hfft, fft.irfftn):
        assert function(st.ones((2, 3), dtype=st.bfloat16)).dtype is st.bfloat16
    assert fft.rfftn(st.ones((2, 3), dtype=st.bfloat16)).dtype is st.complex64


def test_messages():
    with pytest.raises(ArgumentError) as caught:
        fft.fftn(st.ones((2, 3)), s=(2, 3, 4))
    assert str(caught.value).startswith(
        "fft.fftn: s (2, 3, 4) must have one size for each of the axes [0, 1]. At "
    )
    with pytest.raises(ArgumentError, match=r"fft\.fft: norm is 'unit', but must be 'backward', "):
        fft.fft(st.ones(2), norm="unit")
    with pytest.raises(AxisError, match=r"fft\.fft: axis 3 does not exist: the tensor has 1 axes"):
        fft.fft(st.ones(2), axis=3)
    with pytest.raises(ArgumentError, match="device 'tpu' does not exist"):
        fft.fftfreq(3, device="tpu")
