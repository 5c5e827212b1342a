"""Creation functions against NumPy; memory shared with NumPy and by DLPack."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch
from against_numpy import EXAMPLES, assert_same, check, numbers
from hypothesis import given
from hypothesis import strategies as some

import steepest as st
from steepest.errors import ArgumentError, DTypeError, ShapeError

DTYPES = ("bool", "int8", "int64", "uint16", "float32", "float64", "complex64", "complex128")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), 3, (2, 3)])
def test_filled(dtype, shape):
    ours = getattr(st, dtype)
    assert_same(st.zeros(shape, dtype=ours), np.zeros(shape, dtype))
    assert_same(st.ones(shape, dtype=ours), np.ones(shape, dtype))
    assert_same(st.full(shape, 1, dtype=ours), np.full(shape, 1, dtype))
    assert_same(st.empty(shape, dtype=ours), np.zeros(shape, dtype))
    like = st.full(shape, 1, dtype=ours)
    assert_same(st.zeros_like(like), np.zeros(shape, dtype))
    assert_same(st.ones_like(like), np.ones(shape, dtype))
    assert_same(st.empty_like(like), np.zeros(shape, dtype))
    assert_same(st.full_like(like, 0), np.zeros(shape, dtype))
    assert_same(st.ones_like(like, dtype=st.float64), np.ones(shape))


@pytest.mark.parametrize(
    ("number", "dtype"), [(True, "bool"), (2, "int64"), (2.5, "float32"), (2j, "complex64")]
)
def test_full_takes_the_data_type_of_the_number(number, dtype):
    assert_same(st.full((2,), number), np.full((2,), number, dtype))


@EXAMPLES
@given(
    start=some.integers(-20, 20),
    stop=some.integers(-20, 20),
    step=some.integers(-5, 5).filter(bool),
)
def test_arange_of_whole_numbers(start, stop, step):
    assert_same(st.arange(start, stop, step), np.arange(start, stop, step))
    assert_same(st.arange(stop), np.arange(stop))
    wanted = np.arange(start, stop, step, dtype="float64")
    assert_same(st.arange(start, stop, step, dtype=st.float64), wanted)


def test_arange_of_fractions():
    expected = np.arange(0.0, 1.0, 0.1).astype("float32")
    assert_same(st.arange(0.0, 1.0, 0.1), expected)


@EXAMPLES
@given(
    start=some.floats(-9, 9), stop=some.floats(-9, 9), num=some.integers(0, 9), end=some.booleans()
)
def test_linspace(start, stop, num, end):
    expected = np.linspace(start, stop, num, endpoint=end)
    assert_same(st.linspace(start, stop, num, dtype=st.float64, endpoint=end), expected)


@EXAMPLES
@given(rows=some.integers(0, 5), columns=some.none() | some.integers(0, 5), k=some.integers(-5, 5))
def test_eye(rows, columns, k):
    assert_same(st.eye(rows, columns, k=k), np.eye(rows, columns, k, dtype="float32"))


def test_creation_inside_a_program():
    check(
        lambda x: x + st.arange(3, dtype=st.float64) + st.eye(3, dtype=st.float64)[0],
        lambda x: x + np.arange(3) + np.eye(3)[0],
        numbers((3,), "float64"),
    )


# asarray


@pytest.mark.parametrize("dtype", DTYPES)
def test_asarray_shares_the_memory_of_an_array(dtype):
    array = numbers((3, 4), dtype)
    for source in (array, array[::2, ::-1], array.T):
        tensor = st.asarray(source)
        assert np.shares_memory(tensor.numpy(), array)
        assert np.shares_memory(np.asarray(tensor), array)
        assert_same(tensor, source)
    array.flat[0] = array.flat[5]
    assert st.asarray(array, copy=False)[0, 0].item() == array[0, 0]


def test_asarray_copies():
    array = np.ones(3)
    tensor = st.asarray(array)
    assert st.asarray(tensor) is tensor
    assert not np.shares_memory(st.asarray(array, copy=True).numpy(), array)
    assert not np.shares_memory(st.asarray(tensor, copy=True).numpy(), array)
    assert not np.shares_memory(st.asarray(array, dtype=st.float32).numpy(), array)
    assert not np.shares_memory(np.array(tensor), array)
    for source, options in (
        (array, {"dtype": st.float32}),
        (tensor, {"dtype": st.float32}),
        ([1.0], {}),
        (1.0, {}),
    ):
        with pytest.raises(ValueError) as caught:
            st.asarray(source, copy=False, **options)
        assert str(caught.value).startswith(
            "asarray: this needs a copy, but copy=False was asked. At test_array_creation.py:"
        )
    with pytest.raises(ValueError, match="another data type needs a copy"):
        np.asarray(tensor, dtype="float32", copy=False)


def test_asarray_of_a_copy_keeps_the_gradient():
    weight = st.Tensor([1.0], requires_grad=True)
    (st.asarray(weight, copy=True) * 3).sum().backward()
    assert weight.grad.tolist() == [3]


def test_asarray_of_other_byte_order_and_buffers():
    assert_same(st.asarray(np.array([1.5, 2], dtype=">f8")), np.array([1.5, 2]))
    assert_same(st.asarray(memoryview(np.int32([1, 2]))), np.int32([1, 2]))
    assert st.asarray(range(3)).tolist() == [0, 1, 2]
    assert st.asarray([np.float64(1.5)]).dtype is st.float64


def test_asarray_of_tensors_in_sequences():
    weight = st.Tensor([1.0, 2.0], requires_grad=True)
    joined = st.asarray([[weight[0], 2.0], [weight[1] * 3, weight[0]]])
    assert joined.shape == (2, 2)
    assert joined.dtype is st.float32
    joined.sum().backward()
    assert weight.grad.tolist() == [2, 3]
    assert st.compile(lambda x: st.asarray([x, x + 1]))(st.ones(2)).tolist() == [[1, 1], [2, 2]]


WRONG = [
    ([[1, 2], [3]], ShapeError, "asarray: the nested sequences of a level must have equal"),
    ("text", DTypeError, "asarray: NumPy data type <U4 has no counterpart in steepest. Convert"),
    (None, DTypeError, "asarray: NoneType is not made of numbers, or some have more than 64"),
    ([2**70], DTypeError, "asarray: list is not made of numbers, or some have more than 64 bits"),
    (np.float16([1]), DTypeError, "asarray: NumPy data type float16 has no counterpart in steepe"),
    (
        [st.ones(2), st.ones(3)],
        ShapeError,
        "asarray: the tensors of a sequence differ in shape: (2,) and (3,). At test_array_creati",
    ),
]


@pytest.mark.parametrize(("source", "error", "message"), WRONG)
def test_asarray_of_what_is_no_array(source, error, message):
    with pytest.raises(error) as caught:
        st.asarray(source)
    assert str(caught.value).startswith(message)
    assert "At test_array_creation.py:" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "dtype", "error", "message"),
    [
        ([1j], st.float32, DTypeError, "asarray: float() argument must be a string or a real num"),
        (["a"], st.float32, DTypeError, "asarray: could not convert string to float: 'a'."),
        ([1, 300], st.uint8, ArgumentError, "the number 300 does not fit the data type uint8 (0"),
        ([[1, 2], [3]], st.int8, ShapeError, "asarray: the nested sequences of a level must hav"),
        (
            np.ones(1) * 1j,
            st.float64,
            DTypeError,
            "asarray: float64 would lose the imaginary part of ",
        ),
    ],
)
def test_asarray_of_what_does_not_fit_a_data_type(source, dtype, error, message):
    with pytest.raises(error) as caught:
        st.asarray(source, dtype=dtype)
    assert str(caught.value).startswith(message)
    assert "At test_array_creation.py:" in str(caught.value)


def test_asarray_of_large_integers_is_exact():
    assert st.asarray([1, 2**64 - 1], dtype=st.uint64).tolist() == [1, 2**64 - 1]
    assert st.asarray([2**53 + 1], dtype=st.int64).tolist() == [2**53 + 1]


def test_numpy_scalars_have_the_data_type_of_their_kind():
    assert st.full((1,), np.float64(1.5)).dtype is st.float32
    assert st.full((1,), np.int8(3)).dtype is st.int8
    assert st.full((1,), np.True_).dtype is st.bool


def test_devices_and_shapes_that_do_not_exist():
    with pytest.raises(ArgumentError, match=r"device 'cuda' does not exist: tensors live on 'cpu'"):
        st.zeros(2, device="cuda")
    with pytest.raises(ShapeError, match=r"a shape cannot hold negative sizes: \(2, -1\)"):
        st.zeros((2, -1))
    with pytest.raises(ArgumentError, match="meshgrid: indexing is 'yx', but must be 'xy' or"):
        st.meshgrid(st.ones(2), indexing="yx")
    with pytest.raises(ShapeError, match=r"tril: the tensor \(2,\) is no matrix"):
        st.tril(st.ones(2))


# DLPack

SHARED = ("int8", "int32", "int64", "uint8", "float32", "float64", "bool", "complex64")


@pytest.mark.parametrize("dtype", SHARED)
def test_dlpack_shares_memory_both_ways(dtype):
    ours = st.asarray(numbers((3, 4), dtype))
    theirs = torch.from_dlpack(ours)
    assert theirs.data_ptr() == ours.numpy().ctypes.data
    assert_same(ours, theirs.numpy())
    again = st.from_dlpack(theirs)
    assert again.numpy().ctypes.data == theirs.data_ptr()
    assert again.dtype is ours.dtype
    array = np.from_dlpack(ours)
    assert np.shares_memory(array, ours.numpy())
    assert ours.__dlpack_device__() == (1, 0)


def test_dlpack_of_strided_and_read_only_memory():
    turned = st.asarray(np.arange(6.0).reshape(2, 3)).T
    assert_same(turned, torch.from_dlpack(turned).numpy())
    assert torch.from_dlpack(turned).data_ptr() == turned.numpy().ctypes.data
    constant = st.broadcast_to(st.asarray([1.5]), (3,))
    assert np.from_dlpack(constant).tolist() == [1.5] * 3
    assert torch.utils.dlpack.from_dlpack(constant.__dlpack__()).tolist() == [1.5] * 3


def test_dlpack_of_bfloat16():
    theirs = torch.tensor([[1.5, -2.0, 3e38]], dtype=torch.bfloat16)
    ours = st.from_dlpack(theirs)
    assert ours.dtype is st.bfloat16
    assert ours.numpy().tolist() == theirs.float().tolist()
    assert ours._stored().ctypes.data == theirs.data_ptr()
    back = torch.from_dlpack(ours)
    assert back.dtype == torch.bfloat16
    assert back.data_ptr() == theirs.data_ptr()
    assert torch.equal(back, theirs)
    old = torch.utils.dlpack.from_dlpack(ours.__dlpack__())
    assert torch.equal(old, theirs)


def test_dlpack_copies_on_request():
    theirs = torch.ones(2)
    assert st.from_dlpack(theirs, copy=True).numpy().ctypes.data != theirs.data_ptr()
    assert st.asarray(theirs).numpy().ctypes.data == theirs.data_ptr()
    ours = st.ones(2)
    assert st.from_dlpack(ours) is ours
    assert not np.shares_memory(st.from_dlpack(ours, copy=True).numpy(), ours.numpy())
    with pytest.raises(ArgumentError, match="the CPU has no streams, so stream must be None"):
        ours.__dlpack__(stream=1)


def test_memory_of_a_capsule_lives_as_long_as_its_user():
    theirs = torch.from_dlpack(st.asarray(np.full(1000, 7.0)))
    st.asarray(np.zeros(1000))
    assert theirs.sum().item() == 7000


def test_ml_dtypes_arrays_share_their_memory():
    array = np.array([1.5, 2.0], dtype=ml_dtypes.bfloat16)
    tensor = st.asarray(array)
    assert tensor.dtype is st.bfloat16
    assert np.shares_memory(tensor._stored(), array)
    assert st.asarray(array, dtype=st.float32).tolist() == [1.5, 2.0]


# Numbers out of a tensor


def test_python_numbers():
    assert st.asarray(2.5).item() == float(st.asarray([2.5])) == 2.5
    assert int(st.asarray(7)) == 7
    assert bool(st.asarray([[True]])) is True
    assert complex(st.asarray(1j)) == 1j
    assert [10, 20, 30][st.asarray(1)] == 20
    assert f"{st.asarray(2.5):.2f}" == "2.50"
    assert st.asarray([[1, 2]]).tolist() == [[1, 2]]
    assert [each.item() for each in st.asarray([1, 2])] == [1, 2]
    assert len(st.zeros((3, 2))) == 3


def test_python_numbers_that_do_not_exist():
    for call, message in (
        (lambda: float(st.ones(2)), "float(tensor): the tensor float32[2] has 2 numbers, not one."),
        (lambda: bool(st.ones(0)), "bool(tensor): the tensor float32[0] has 0 numbers, not one."),
        (lambda: [1][st.ones(())], "a tensor float32[] is not usable as an index."),
        (lambda: len(st.ones(())), "len(tensor): a tensor without axes has no length."),
        (lambda: list(st.ones(())), "a tensor without axes cannot be iterated over."),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value).startswith(message)
    with pytest.raises(ValueError, match=r"item: the tensor float32\[2\] has 2 numbers"):
        st.ones(2).item()


def test_repr():
    assert repr(st.asarray([1.0, 2.5])) == "Tensor([1. , 2.5], dtype=float32)"
    assert repr(st.Tensor([1.0], requires_grad=True)) == (
        "Tensor([1.], dtype=float32, requires_grad=True)"
    )
    seen = []
    st.compile(lambda x: (seen.append(repr(x)), x)[1])(st.ones(2))
    assert seen == ["Tensor(float32[2], traced)"]
