"""`Tensor` itself: attributes, assignment, gradients, messages, and the names of the standard."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from against_numpy import assert_same, numbers

import steepest as st
from steepest.errors import DTypeError, GradientError, ShapeError, TraceError

STANDARD_NAMES = """
__array_namespace_info__ abs acos acosh add all any arange argmax argmin argsort asarray asin asinh
astype atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or
bitwise_right_shift bitwise_xor bool broadcast_arrays broadcast_to can_cast ceil clip complex128
complex64 concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e
empty empty_like equal exp expand_dims expm1 eye finfo flip float32 float64 floor floor_divide
from_dlpack full full_like greater greater_equal hypot iinfo imag inf int16 int32 int64 int8
isdtype isfinite isinf isnan less less_equal linspace log log10 log1p log2 logaddexp logical_and
logical_not logical_or logical_xor matmul matrix_transpose max maximum mean meshgrid min minimum
moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones ones_like permute_dims pi
positive pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign
signbit sin sinh sort sqrt square squeeze stack std subtract sum take take_along_axis tan tanh
tensordot tile tril triu trunc uint16 uint32 uint64 uint8 unique_all unique_counts unique_inverse
unique_values unstack var vecdot where zeros zeros_like
"""

LINALG_NAMES = """
cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm
"""

FFT_NAMES = """
fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift
"""


@pytest.mark.parametrize(
    ("module", "names"),
    [(st, STANDARD_NAMES), (st.linalg, LINALG_NAMES), (st.fft, FFT_NAMES)],
)
def test_every_name_of_the_standard_is_there_and_documented(module, names):
    for name in names.split():
        found = getattr(module, name)
        if inspect.isfunction(found):
            assert found.__doc__, name
            assert found.__name__ == name


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'steepest' has no attribute 'convolve'"):
        _ = st.convolve


def test_attributes():
    tensor = st.asarray(numbers((2, 3), "float32"))
    assert tensor.shape == (2, 3)
    assert tensor.ndim == 2
    assert tensor.size == 6
    assert tensor.nbytes == 24
    assert tensor.dtype is st.float32
    assert tensor.device == "cpu"
    assert tensor.to_device("cpu") is tensor
    assert tensor.T.shape == tensor.mT.shape == (3, 2)
    assert tensor.__array_namespace__() is st
    assert {tensor: 1}[tensor] == 1
    with pytest.raises(TypeError, match=r"T: the tensor \(3,\) is no matrix; use mT or permute"):
        _ = st.ones(3).T


def test_assign_broadcasts_and_converts():
    tensor = st.zeros((2, 3))
    before = tensor.numpy()
    tensor.assign([1, 2, 3])
    assert_same(tensor, np.float32([[1, 2, 3], [1, 2, 3]]))
    tensor.assign(7)
    assert tensor.tolist() == [[7] * 3] * 2
    assert before.tolist() == [[0] * 3] * 2
    with pytest.raises(ShapeError, match=r"broadcast_to: operand \(2,\) does not broadcast to"):
        tensor.assign([1.0, 2.0])


def test_assign_copies_the_numbers_of_an_array():
    tensor, array = st.zeros(2), np.float32([1, 2])
    tensor.assign(array)
    array[0] = 9
    assert tensor.tolist() == [1, 2]
    tensor.assign(3)
    tensor.numpy()[0] = 4
    assert tensor.tolist() == [4, 3]


def test_requires_grad_of_an_outside_tensor_is_not_changed_while_compiling():
    weight = st.Tensor([1.0])

    @st.compile
    def thaw(x):
        weight.requires_grad = True
        return x * weight

    with pytest.raises(TraceError) as caught:
        thaw(st.ones(1))
    assert str(caught.value).startswith(
        "requires_grad: the tensor float32[1] was made outside of the compiled function, which "
        "would change it while it is recorded, not when it runs. Set requires_grad before the "
        "call. At test_array_tensor.py:"
    )
    assert not weight.requires_grad


def test_assign_to_a_computed_tensor_is_refused():
    weight = st.Tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError) as caught:
        (weight * 2).assign(0)
    assert str(caught.value).startswith(
        "assign: the target was computed from others; assign to its detach() instead. At test_arr"
    )


def test_clone_and_detach():
    weight = st.Tensor([1.0, 2.0], requires_grad=True)
    copied, detached = weight.clone(), weight.detach()
    assert copied.requires_grad
    assert not detached.requires_grad
    assert np.shares_memory(detached.numpy(), weight.numpy())
    assert not np.shares_memory(copied.numpy(), weight.numpy())
    (copied * 3).sum().backward()
    assert weight.grad.tolist() == [3, 3]
    plain = st.ones(2)
    assert not np.shares_memory(plain.clone().numpy(), plain.numpy())


def test_requires_grad_is_refused_where_there_is_no_gradient():
    for data in ([1, 2], [True]):
        with pytest.raises(DTypeError, match="is not of a floating data type"):
            st.Tensor(data, requires_grad=True)
    weight = st.Tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError, match="this tensor was computed from others"):
        (weight * 2).requires_grad = False


MESSAGES = [
    (
        lambda: st.ones((2, 3)) + st.ones(4),
        ShapeError,
        "add: left (2, 3), right (4,) do not broadcast: axis -1 has sizes 3 and 4.",
    ),
    (
        lambda: st.asarray([True]) + st.asarray([False]),
        DTypeError,
        "add: left is bool[1], but this operation takes number data types. Convert it with "
        ".astype(...).",
    ),
    (
        lambda: st.ones(2) & st.ones(2),
        DTypeError,
        "bitwise_and: left is float32[2], but this operation takes integer or bool data types. "
        "Convert it with .astype(...).",
    ),
    (
        lambda: st.less(st.asarray([1j]), st.asarray([1j])),
        DTypeError,
        "less: left is complex64[1], but this operation takes ordered data types. Convert it "
        "with .astype(...).",
    ),
    (
        lambda: st.where(st.ones(2), 1.0, 2.0),
        DTypeError,
        "where: condition is float32[2], but it must be bool.",
    ),
    (
        lambda: st.asarray([1]) + st.asarray(np.uint64([1])),
        DTypeError,
        "int64 and uint64 have no common data type. Convert one of them with .astype(...).",
    ),
    (
        lambda: st.reshape(st.ones(6), (4,)),
        ShapeError,
        "reshape: operand (6,) has 6 numbers, but shape (4,) holds 4.",
    ),
    (
        lambda: st.reshape(st.ones(6), (4, -1)),
        ShapeError,
        "reshape: tensor (6,) has 6 numbers, which do not fill shape (4, -1).",
    ),
    (
        lambda: st.reshape(st.ones(6), (-1, -1)),
        ShapeError,
        "reshape: shape (-1, -1) has more than one -1.",
    ),
    (
        lambda: st.sum(st.ones((2, 3)), axis=2),
        ShapeError,
        "sum: axis 2 does not exist: the tensor has 2 axes.",
    ),
    (
        lambda: st.sum(st.ones((2, 3)), axis=(0, -2)),
        ShapeError,
        "sum: an axis stands twice in (0, -2).",
    ),
    (
        lambda: st.max(st.ones((0, 3)), axis=0),
        ValueError,
        "max: axis 0 of the operand (0, 3) is empty, and there is no max of no numbers.",
    ),
    (
        lambda: st.squeeze(st.ones((2, 1)), 0),
        ShapeError,
        "squeeze: axis 0 of the tensor (2, 1) is not of size 1.",
    ),
    (
        lambda: st.concat([st.ones((2, 3)), st.ones((3, 3))], axis=1),
        ShapeError,
        "concat: shapes (2, 3) and (3, 3) differ in more than axis 1.",
    ),
    (
        lambda: st.stack([st.ones(2), st.ones(3)]),
        ShapeError,
        "stack: shapes differ: (2,) and (3,).",
    ),
    (lambda: st.concat([]), ValueError, "concat: there is nothing to join."),
    (lambda: st.stack([]), ValueError, "stack: there is nothing to join."),
    (
        lambda: st.permute_dims(st.ones((2, 3)), (0, 0)),
        ShapeError,
        "transpose: axes (0, 0) are no order of the 2 axes of (2, 3).",
    ),
    (
        lambda: st.broadcast_to(st.ones((2, 3)), (3, 2)),
        ShapeError,
        "broadcast_to: operand (2, 3) does not broadcast to (3, 2).",
    ),
    (
        lambda: st.expand_dims(st.ones(2), axis=3),
        IndexError,
        "expand_dims: axis 3 does not exist: the result has 2 axes.",
    ),
    (
        lambda: st.repeat(st.ones(2), [1, 2, 3]),
        ShapeError,
        "repeat: repeats (3,) must be one count or 2 of them, one for each place of axis 0 of the "
        "tensor (2,).",
    ),
    (
        lambda: st.cumulative_sum(st.ones((2, 2))),
        ValueError,
        "cumulative_sum: a tensor (2, 2) needs axis=.",
    ),
    (
        lambda: st.pow(st.asarray([2]), -1),
        ValueError,
        "power: a negative exponent of an integer base gives no integer. Convert the base with "
        ".astype(...).",
    ),
    (
        lambda: st.diff(st.ones(3), n=-1),
        ValueError,
        "diff: n is -1, but must be 0 or more.",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message + " At test_array_tensor.py:")


@pytest.mark.parametrize("convert", [float, int, bool, lambda x: x.numpy(), lambda x: x.item()])
def test_a_traced_tensor_has_no_numbers(convert):
    with pytest.raises(TraceError, match=r"inside steepest\.compile"):
        st.compile(lambda x: convert(st.sum(x)))(st.ones(2))
