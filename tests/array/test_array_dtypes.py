"""Data types: promotion, ranges, names, and bfloat16 against ml_dtypes."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest
from against_numpy import EXAMPLES, seeds
from hypothesis import given
from hypothesis import strategies as some

import steepest as st
from steepest.errors import ArgumentError, DTypeError

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
STANDARD = ("bool", *SIGNED, *UNSIGNED, "float32", "float64", "complex64", "complex128")

# The standard's tables, and what steepest adds: rows and columns in the order of their header.
PROMOTION = """
          bool     int8     int16    int32    int64    uint8    uint16   uint32   uint64   bfloat16 float32  float64
bool      bool     int8     int16    int32    int64    uint8    uint16   uint32   uint64   bfloat16 float32  float64
int8      int8     int8     int16    int32    int64    int16    int32    int64    -        bfloat16 float32  float64
int16     int16    int16    int16    int32    int64    int16    int32    int64    -        bfloat16 float32  float64
int32     int32    int32    int32    int32    int64    int32    int32    int64    -        bfloat16 float32  float64
int64     int64    int64    int64    int64    int64    int64    int64    int64    -        bfloat16 float32  float64
uint8     uint8    int16    int16    int32    int64    uint8    uint16   uint32   uint64   bfloat16 float32  float64
uint16    uint16   int32    int32    int32    int64    uint16   uint16   uint32   uint64   bfloat16 float32  float64
uint32    uint32   int64    int64    int64    int64    uint32   uint32   uint32   uint64   bfloat16 float32  float64
uint64    uint64   -        -        -        -        uint64   uint64   uint64   uint64   bfloat16 float32  float64
bfloat16  bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 bfloat16 float32  float64
float32   float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float64
float64   float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64
"""  # noqa: E501 - a table


def _pairs():
    header, *rows = [line.split() for line in PROMOTION.strip().splitlines()]
    for left, *cells in rows:
        for right, expected in zip(header, cells, strict=True):
            yield left, right, expected


@pytest.mark.parametrize(("left", "right", "expected"), list(_pairs()))
def test_promotion(left, right, expected):
    left, right = getattr(st, left), getattr(st, right)
    if expected == "-":
        with pytest.raises(DTypeError) as caught:
            st.result_type(left, right)
        assert str(caught.value) == (
            f"{left.name} and {right.name} have no common data type. Convert one of them with "
            f".astype(...)."
        )
        return
    expected = getattr(st, expected)
    assert st.result_type(left, right) is expected
    assert st.where(st.asarray(True), st.ones(1, dtype=left), st.ones(1, dtype=right)).dtype is (
        expected
    )
    assert st.can_cast(left, right) is (expected is right)


@pytest.mark.parametrize("real", ["float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("complex_", ["complex64", "complex128"])
def test_promotion_to_complex(real, complex_):
    expected = "complex128" if "float64" in (real,) or complex_ == "complex128" else "complex64"
    assert st.result_type(getattr(st, real), getattr(st, complex_)).name == expected


WEAK = [
    ("bool", True, "bool"),
    ("bool", 1, "int64"),
    ("bool", 1.0, "float32"),
    ("int8", True, "int8"),
    ("int8", 1, "int8"),
    ("uint64", 1, "uint64"),
    ("int8", 1.0, "float32"),
    ("int64", 1.0, "float32"),
    ("bfloat16", 1.0, "bfloat16"),
    ("float32", 1, "float32"),
    ("float32", 1.0, "float32"),
    ("float32", np.float64(1.0), "float32"),
    ("float64", 1.0, "float64"),
    ("float32", 1j, "complex64"),
    ("float64", 1j, "complex128"),
    ("complex64", 1.0, "complex64"),
]


@pytest.mark.parametrize(("dtype", "number", "expected"), WEAK)
def test_python_numbers_are_weak(dtype, number, expected):
    tensor = st.ones(2, dtype=getattr(st, dtype))
    assert st.result_type(tensor, number).name == expected
    assert st.where(st.asarray(True), tensor, number).dtype.name == expected
    if "bool" not in (dtype, expected):
        assert (tensor * number).dtype.name == expected
        assert st.compile(lambda x: number * x)(tensor).dtype.name == expected


@pytest.mark.parametrize(
    ("operate", "message"),
    [
        (lambda x: x + 300, "the number 300 does not fit the data type uint8 (0 to 255)."),
        (lambda x: -1 * x, "the number -1 does not fit the data type uint8 (0 to 255)."),
        (lambda x: st.clip(x, 0.5, 2), "the number 0.5 does not fit the data type uint8"),
        (lambda x: st.full_like(x, 256), "the number 256 does not fit the data type uint8"),
        (lambda x: st.asarray([256], dtype=x.dtype), "the number 256 does not fit the data type"),
    ],
)
def test_numbers_that_do_not_fit(operate, message):
    with pytest.raises(ArgumentError) as caught:
        operate(st.asarray(np.uint8([1, 2])))
    assert str(caught.value).startswith(message)
    assert ". Convert the tensor with .astype(...). At test_array_dtypes.py:" in str(caught.value)


def test_comparisons_with_numbers_that_do_not_fit():
    tensor = st.asarray(np.uint8([1, 200]))
    assert (tensor < 300).tolist() == [True, True]
    assert (tensor != -100).tolist() == [True, True]
    assert (tensor == 300).tolist() == [False, False]
    assert (st.asarray([1]) >= 2**70).tolist() == [False]
    assert (st.asarray(np.uint64([2**63])) > -1).tolist() == [True]


# What data types say of themselves


def test_defaults():
    assert st.asarray([1.0]).dtype is st.float32
    assert st.asarray([1]).dtype is st.int64
    assert st.asarray([True]).dtype is st.bool
    assert st.asarray([1j]).dtype is st.complex64
    assert st.zeros(1).dtype is st.arange(0.0, 1.0).dtype is st.linspace(0, 1, 2).dtype
    assert st.arange(3).dtype is st.int64
    assert st.asarray(np.ones(1)).dtype is st.float64


@pytest.mark.parametrize("name", STANDARD)
def test_names(name):
    dtype = getattr(st, name)
    assert dtype.name == str(dtype) == name
    assert repr(dtype) == f"steepest.{name}"
    assert dtype.itemsize == np.dtype(name).itemsize
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert st.zeros(1, dtype=name).dtype is st.zeros(1, dtype=np.dtype(name)).dtype is dtype


@pytest.mark.parametrize("name", ["float32", "float64", "complex64", "complex128"])
def test_finfo(name):
    ours, theirs = st.finfo(getattr(st, name)), np.finfo(name)
    for attribute in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert ours.dtype.name == theirs.dtype.name


def test_finfo_of_bfloat16():
    ours, theirs = st.finfo(st.bfloat16), ml_dtypes.finfo(ml_dtypes.bfloat16)
    for attribute in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, attribute) == float(getattr(theirs, attribute))


@pytest.mark.parametrize("name", SIGNED + UNSIGNED)
def test_iinfo(name):
    ours, theirs = st.iinfo(st.zeros(1, dtype=name)), np.iinfo(name)
    assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)


def test_info_of_other_types():
    with pytest.raises(DTypeError, match="finfo: int8 is not a floating type; use iinfo"):
        st.finfo(st.int8)
    with pytest.raises(DTypeError, match="iinfo: float32 is not an integer type; use finfo"):
        st.iinfo(st.float32)


def test_isdtype():
    assert st.isdtype(st.int8, "signed integer")
    assert st.isdtype(st.uint8, ("bool", "unsigned integer"))
    assert st.isdtype(st.float32, st.float32)
    assert st.isdtype(st.bfloat16, "real floating")
    assert not st.isdtype(st.bool, "numeric")
    assert not st.isdtype(st.complex64, "real floating")


def test_a_misspelt_data_type():
    with pytest.raises(DTypeError) as caught:
        st.zeros(1, dtype="flaot32")
    assert str(caught.value) == "no data type is called 'flaot32'. Did you mean 'float32'?"


def test_inspection():
    info = st.ones(1).__array_namespace__().__array_namespace_info__()
    assert set(info.dtypes()) == set(STANDARD)
    assert info.dtypes(kind="bool") == {"bool": st.bool}
    assert info.default_device() == "cpu"
    assert info.devices() == ["cpu"]
    assert info.default_dtypes()["real floating"] is st.float32
    assert info.capabilities()["boolean indexing"] is True
    with pytest.raises(ValueError, match=r"array API version '1999\.01' is not offered"):
        st.ones(1).__array_namespace__(api_version="1999.01")


# bfloat16: 16 bits in memory, float32 while computing


@EXAMPLES
@given(seed=seeds(), scale=some.sampled_from([1e-40, 1e-30, 1.0, 1e30, 3e38]))
def test_bfloat16_rounds_as_ml_dtypes(seed, scale):
    with np.errstate(over="ignore"):
        numbers = (np.random.default_rng(seed).normal(size=200) * scale).astype("float32")
        expected = numbers.astype(ml_dtypes.bfloat16)
    ours = st.asarray(numbers).astype(st.bfloat16)
    np.testing.assert_array_equal(ours._stored(), expected.view("uint16"))
    np.testing.assert_array_equal(ours.numpy(), expected.astype("float32"))


def test_bfloat16_of_every_bit_pattern():
    bits = np.arange(2**16, dtype="uint16")
    widened = st.asarray(bits.view(ml_dtypes.bfloat16)).numpy()
    np.testing.assert_array_equal(widened, bits.view(ml_dtypes.bfloat16).astype("float32"))
    again = st.asarray(widened).astype(st.bfloat16)._stored()
    finite = ~np.isnan(widened)
    np.testing.assert_array_equal(again[finite], bits[finite])
    assert np.isnan(st.asarray(widened[~finite]).astype(st.bfloat16).numpy()).all()


@pytest.mark.parametrize("name", ["add", "multiply", "divide", "subtract", "maximum"])
def test_bfloat16_arithmetic_as_ml_dtypes(name):
    random = np.random.default_rng(0)
    left, right = (random.normal(size=500).astype(ml_dtypes.bfloat16) for _ in range(2))
    ours = getattr(st, name)(st.asarray(left), st.asarray(right))
    assert ours.dtype is st.bfloat16
    expected = getattr(np, name)(left, right)
    np.testing.assert_array_equal(ours._stored(), expected.view("uint16"))
    compiled = st.compile(getattr(st, name))(st.asarray(left), st.asarray(right))
    np.testing.assert_array_equal(compiled._stored(), ours._stored())


def test_bfloat16_gradients_stay_bfloat16():
    weight = st.Tensor([1.5, 2.5], dtype=st.bfloat16, requires_grad=True)
    (weight * weight).sum().backward()
    assert weight.grad.dtype is st.bfloat16
    assert weight.grad.tolist() == [3, 5]
