"""How the numbers of each data type are held in registers and in memory."""

from __future__ import annotations

from llvmlite import ir

from steepest.graph.dtypes import DType, bfloat16

INT64 = ir.IntType(64)
INT32 = ir.IntType(32)
INT8 = ir.IntType(8)
BIT = ir.IntType(1)
FLOAT = ir.FloatType()
DOUBLE = ir.DoubleType()
POINTER = ir.PointerType()


def memory_type(dtype: DType) -> ir.Type:
    """The type of a stored number: booleans take a byte, bfloat16 two."""
    if dtype.is_bool:
        return INT8
    if dtype is bfloat16:
        return ir.IntType(16)
    return register_type(dtype)


def register_type(dtype: DType) -> ir.Type:
    """The type of a number in computation: booleans are a bit, bfloat16 is a float."""
    if dtype.is_bool:
        return BIT
    if dtype.is_floating:
        return DOUBLE if dtype.itemsize == 8 else FLOAT
    return ir.IntType(dtype.itemsize * 8)


def is_signed(dtype: DType) -> bool:
    return dtype.kind == "signed"
