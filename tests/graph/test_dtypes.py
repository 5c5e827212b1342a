"""Data types: names, promotion, bfloat16 bits."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import steepest as st
from steepest.errors import DTypeError
from steepest.graph.dtypes import (
    ALL,
    DType,
    as_dtype,
    bfloat16_to_float32,
    by_name,
    float32_to_bfloat16,
    from_numpy,
    promote,
)

NUMPY_TYPES = [dtype for dtype in ALL if dtype is not st.bfloat16]


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_there_is_one_object_of_each(dtype: DType) -> None:
    assert by_name(dtype.name) is dtype
    assert as_dtype(dtype) is dtype
    assert as_dtype(dtype.name) is dtype
    assert copy.deepcopy(dtype) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert dtype.itemsize == dtype.storage.itemsize


@pytest.mark.parametrize("dtype", NUMPY_TYPES, ids=str)
def test_numpy_counterparts(dtype: DType) -> None:
    assert from_numpy(np.dtype(dtype.name)) is dtype
    assert from_numpy(np.dtype(dtype.name).newbyteorder()) is dtype
    assert as_dtype(np.dtype(dtype.name)) is dtype
    assert as_dtype(np.dtype(dtype.name).type) is dtype


def test_python_types() -> None:
    assert [as_dtype(each) for each in (bool, int, float, complex)] == [
        st.bool,
        st.int64,
        st.float32,
        st.complex64,
    ]


def test_unknown_types() -> None:
    with pytest.raises(DTypeError, match=r"^no data type is called 'float23'. Did you mean 'float"):
        by_name("float23")
    with pytest.raises(DTypeError) as caught:
        from_numpy(np.dtype("float16"))
    assert str(caught.value) == (
        "NumPy data type float16 has no counterpart in steepest. Convert the array first, for "
        "example with .astype('float32')."
    )
    for name in ("U3", "O", "M8[s]", "V8"):
        with pytest.raises(DTypeError, match="has no counterpart in steepest"):
            from_numpy(np.dtype(name))


SAME_KIND = [
    (left, right)
    for left in NUMPY_TYPES
    for right in NUMPY_TYPES
    if left.is_integer == right.is_integer or left.is_bool or right.is_bool
]


@pytest.mark.parametrize(("left", "right"), SAME_KIND, ids=str)
def test_promotion_is_numpys_within_a_kind(left: DType, right: DType) -> None:
    joined = np.promote_types(left.name, right.name)
    if left.is_integer and right.is_integer and joined.kind == "f":
        with pytest.raises(DTypeError) as caught:
            promote(left, right)
        assert str(caught.value) == (
            f"{left} and {right} have no common data type. Convert one of them with .astype(...)."
        )
    else:
        assert promote(left, right) is from_numpy(joined)


@pytest.mark.parametrize("integer", [each for each in ALL if each.is_integer], ids=str)
@pytest.mark.parametrize("inexact", [each for each in ALL if each.is_inexact], ids=str)
def test_integers_join_floating_types(integer: DType, inexact: DType) -> None:
    """The floating type keeps its own width: no float64 appears that nobody asked for."""
    assert promote(integer, inexact) is inexact
    assert promote(inexact, integer) is inexact


def test_bfloat16_yields_to_wider_types() -> None:
    assert promote(st.bfloat16, st.float32) is st.float32
    assert promote(st.float64, st.bfloat16) is st.float64
    assert promote(st.bfloat16, st.bfloat16) is st.bfloat16


@pytest.mark.parametrize("left", ALL, ids=str)
def test_promotion_is_symmetric(left: DType) -> None:
    for right in ALL:
        try:
            joined = promote(left, right)
        except DTypeError:
            with pytest.raises(DTypeError):
                promote(right, left)
        else:
            assert promote(right, left) is joined


def test_all_bfloat16_numbers_survive_the_way_there_and_back() -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    numbers = bfloat16_to_float32(bits)
    back = float32_to_bfloat16(numbers)
    nan = np.isnan(numbers)
    np.testing.assert_array_equal(back[~nan], bits[~nan])
    assert np.all(np.isnan(bfloat16_to_float32(back[nan])))


def test_bfloat16_against_ml_dtypes() -> None:
    reference = pytest.importorskip("ml_dtypes").bfloat16
    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, size=200_000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[~np.isnan(numbers)]
    with np.errstate(over="ignore"):
        expected = numbers.astype(reference).view(np.uint16)
    np.testing.assert_array_equal(float32_to_bfloat16(numbers), expected)


def test_every_nan_stays_nan() -> None:
    bits = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000], np.uint32)
    assert np.all(np.isnan(bfloat16_to_float32(float32_to_bfloat16(bits.view(np.float32)))))
    for number in bits.view(np.float32):
        assert np.isnan(bfloat16_to_float32(float32_to_bfloat16(number)))


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 2)])
def test_bfloat16_keeps_shapes(shape: tuple[int, ...]) -> None:
    numbers = np.ones(shape, np.float32)
    for array in (numbers, np.asfortranarray(numbers)):
        stored = float32_to_bfloat16(array)
        assert isinstance(stored, np.ndarray)
        assert stored.shape == array.shape
        assert isinstance(bfloat16_to_float32(stored), np.ndarray)
        assert bfloat16_to_float32(stored).shape == array.shape
