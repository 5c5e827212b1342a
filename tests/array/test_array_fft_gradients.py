"""Gradients of the Fourier transforms, with all their options: differences and PyTorch.

PyTorch's own samples of them, real and complex, are in `test_array_torch_samples.py`.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from against_numpy import numbers

import steepest as st
from steepest import fft
from steepest.errors import DTypeError

NORMS = ("backward", "ortho", "forward")
OF_REAL = ("rfft", "ihfft", "rfftn")
ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL_AXES = ("fftn", "ifftn", "rfftn", "irfftn")


def dtypes(name):
    """What a transform takes: real numbers only, or both."""
    return ("float64",) if name in OF_REAL else ("float64", "complex128")


def compare_with_torch(ours, theirs, array):
    """The gradient of a weighted sum of both parts, and the gradient of the gradient's."""

    def total(output, backend):
        weights = numbers(tuple(output.shape), "complex128", 1)
        made = st.asarray(weights) if backend is st else torch.from_numpy(weights)
        return backend.real(backend.sum(output**2 * made))

    x = torch.tensor(array, requires_grad=True)
    (first,) = torch.autograd.grad(total(theirs(x), torch), [x], create_graph=True)
    (second,) = torch.autograd.grad(total(first, torch), [x])
    gradient = st.grad(lambda x: total(ours(x), st))
    found = gradient(st.asarray(array)), st.grad(lambda x: total(gradient(x), st))(array)
    for mine, other in zip(found, (first, second), strict=True):
        assert mine.dtype.name == array.dtype.name
        np.testing.assert_allclose(mine.numpy(), other.numpy(force=True), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [None, 1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_one_axis(name, n, norm):
    """Axes cut and filled up, to odd and even sizes, first and last; and as they are."""
    for dtype in dtypes(name):
        for axis, shape in ((-1, (5,)), (0, (4, 2)), (1, (2, 3, 1))):
            options = {"n": n, "norm": norm}
            compare_with_torch(
                lambda x, axis=axis, options=options: getattr(fft, name)(x, axis=axis, **options),
                lambda x, axis=axis, options=options: getattr(torch.fft, name)(
                    x, dim=axis, **options
                ),
                numbers(shape, dtype, 2),
            )


PLANS = [
    (None, None),
    (None, (0,)),
    (None, (2, 0)),
    ((3, 4), (1, 2)),
    ((2, 5), (2, 0)),
    ((-1, 3), (0, 1)),
    ((4, 2), None),
]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("s", "axes"), PLANS)
@pytest.mark.parametrize("name", SEVERAL_AXES)
def test_several_axes(name, s, axes, norm):
    for dtype in dtypes(name):
        compare_with_torch(
            lambda x: getattr(fft, name)(x, s=s, axes=axes, norm=norm),
            lambda x: getattr(torch.fft, name)(x, s=s, dim=axes, norm=norm),
            numbers((2, 3, 4), dtype, 3),
        )


@pytest.mark.parametrize("name", ONE_AXIS + SEVERAL_AXES)
def test_against_finite_differences(name):
    """Forward and reverse mode; an axis that stands twice, which PyTorch refuses, too."""
    options = [{}, {"norm": "ortho"}] + [{"axes": (0, 0)}] * name.endswith("n")
    for dtype in dtypes(name):
        for each in options:
            x = st.asarray(numbers((4, 3), dtype, 4))
            st.check_gradients(lambda x, each=each: getattr(fft, name)(x, **each) ** 2, [x])


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(name):
    for axes in (None, 0, (1, 0)):
        x = numbers((3, 4), "complex128", 5)
        compare_with_torch(
            lambda x, axes=axes: getattr(fft, name)(x, axes=axes),
            lambda x, axes=axes: getattr(torch.fft, name)(x, dim=axes),
            x,
        )


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_single_precision_stays(name, dtype):
    """The gradient has the operand's precision, and the numbers of double precision."""
    if dtype == "complex64" and name in OF_REAL:
        return
    x = numbers((6,), dtype, 6)
    gradient = st.grad(lambda x: st.sum(st.abs(getattr(fft, name)(x, n=5)) ** 2))
    found, exact = gradient(x), gradient(x.astype("complex128" if dtype[0] == "c" else "float64"))
    assert found.dtype.name == dtype
    np.testing.assert_allclose(found.numpy(), exact.numpy(), rtol=2e-5, atol=1e-5)


def test_bfloat16_gets_a_gradient_of_its_own_type():
    x = st.asarray([1.0, 2.0, -1.0], dtype=st.bfloat16)
    for function in (fft.fft, fft.rfft, fft.irfft):
        gradient = st.grad(lambda x, f=function: st.sum(st.abs(f(x)) ** 2))
        assert gradient(x).dtype is st.bfloat16
        exact = gradient(x.astype(st.float64)).numpy()
        np.testing.assert_allclose(gradient(x).astype(st.float64).numpy(), exact, rtol=0.02)


def test_backward_through_a_transform():
    """By Parseval, the squared sizes of the orthonormal transform are those of the numbers."""
    x = st.Tensor(numbers((2, 8), "float32", 0), requires_grad=True)
    st.sum(st.abs(fft.rfft(x, norm="ortho")[:, 1:4]) ** 2).backward()
    st.sum(st.abs(fft.fftn(x, norm="ortho")) ** 2).backward()
    spectrum = np.fft.rfft(x.numpy(), norm="ortho")
    spectrum[:, [0, 4]] = 0
    expected = 2 * x.numpy() + np.fft.irfft(spectrum, norm="ortho")
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_a_filter_is_learned_in_the_frequency_domain():
    """A circular convolution's kernel, fitted through rfft and irfft by its numbers alone."""
    signal = st.asarray(np.random.default_rng(0).normal(size=(8, 16)))
    kernel = np.zeros(16)
    kernel[:3] = 0.5, -1.0, 0.25
    wanted = fft.irfft(fft.rfft(signal) * fft.rfft(st.asarray(kernel)))

    def loss(kernel):
        return st.mean((fft.irfft(fft.rfft(signal) * fft.rfft(kernel)) - wanted) ** 2)

    found = st.zeros(16, dtype=st.float64)
    for _ in range(300):
        found = found - 0.3 * st.grad(loss)(found)
    np.testing.assert_allclose(found.numpy(), kernel, atol=1e-6)


def test_transforms_of_real_numbers_refuse_complex_ones():
    for name in OF_REAL:
        with pytest.raises(DTypeError) as caught:
            getattr(fft, name)(st.asarray([1j]))
        assert str(caught.value).startswith(
            f"fft.{name}: the operand complex64[1] is complex, but this transform takes real "
            f"numbers. Take steepest.real(...) first, or use another transform. At test_array_fft_"
        )
