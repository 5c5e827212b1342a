"""Machine operations on single numbers: what the `lower` rules of primitives are written with."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from llvmlite import ir

from steepest.codegen import mathematics
from steepest.codegen.integers import integer_power
from steepest.codegen.types import DOUBLE, FLOAT, is_signed, register_type
from steepest.graph.dtypes import (
    DType,
    bfloat16,
    bool_,
    float32,
    float64,
    int32,
    int64,
    uint32,
    uint64,
)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Scalar:
    """A number in a register; operators emit machine operations."""

    emit: Emit
    value: ir.Value
    dtype: DType

    def __neg__(self) -> Scalar:
        builder = self.emit.builder
        if self.dtype.is_floating:
            return self._like(builder.fneg(self.value))
        return self._like(builder.neg(self.value))

    def __invert__(self) -> Scalar:
        return self._like(self.emit.builder.not_(self.value))

    def __add__(self, other: Any) -> Scalar:
        return self._arithmetic("fadd", "add", other)

    def __sub__(self, other: Any) -> Scalar:
        return self._arithmetic("fsub", "sub", other)

    def __rsub__(self, other: Any) -> Scalar:
        return self.emit.number(other, self.dtype) - self

    def __mul__(self, other: Any) -> Scalar:
        return self._arithmetic("fmul", "mul", other)

    def __truediv__(self, other: Any) -> Scalar:
        return self._arithmetic("fdiv", "sdiv" if is_signed(self.dtype) else "udiv", other)

    def __rtruediv__(self, other: Any) -> Scalar:
        return self.emit.number(other, self.dtype) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __and__(self, other: Any) -> Scalar:
        return self._like(self.emit.builder.and_(self.value, self._other(other)))

    def __or__(self, other: Any) -> Scalar:
        return self._like(self.emit.builder.or_(self.value, self._other(other)))

    def __xor__(self, other: Any) -> Scalar:
        return self._like(self.emit.builder.xor(self.value, self._other(other)))

    def __lshift__(self, other: Any) -> Scalar:
        return self.emit.shift_left(self, self.emit.number(other, self.dtype))

    def __rshift__(self, other: Any) -> Scalar:
        return self.emit.shift_right(self, self.emit.number(other, self.dtype))

    def __eq__(self, other: object) -> Scalar:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> Scalar:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> Scalar:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Scalar:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Scalar:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Scalar:
        return self._compare(">=", other)

    __hash__ = object.__hash__

    def _like(self, value: ir.Value) -> Scalar:
        return Scalar(self.emit, value, self.dtype)

    def _other(self, other: Any) -> ir.Value:
        return self.emit.number(other, self.dtype).value

    def _arithmetic(self, floating: str, whole: str, other: Any) -> Scalar:
        name = floating if self.dtype.is_floating else whole
        return self._like(getattr(self.emit.builder, name)(self.value, self._other(other)))

    def _compare(self, relation: str, other: Any) -> Scalar:
        builder, right = self.emit.builder, self._other(other)
        if self.dtype.is_floating:
            if relation == "!=":
                value = builder.fcmp_unordered(relation, self.value, right)
            else:
                value = builder.fcmp_ordered(relation, self.value, right)
        elif is_signed(self.dtype):
            value = builder.icmp_signed(relation, self.value, right)
        else:
            value = builder.icmp_unsigned(relation, self.value, right)
        return Scalar(self.emit, value, bool_)


class Emit:
    """Emits operations at the present place of a builder.

    Numbers of type bfloat16 come here as float32 (see `widened`).
    """

    def __init__(self, builder: ir.IRBuilder):
        self.builder = builder
        self.module = builder.module

    def number(self, value: Any, dtype: DType) -> Scalar:
        """A constant of `dtype`, or a scalar as it is."""
        if isinstance(value, Scalar):
            return value
        kind = register_type(dtype)
        if dtype.is_floating:
            constant = ir.Constant(kind, float(value))
        else:
            constant = ir.Constant(kind, int(value))
        return Scalar(self, constant, dtype)

    def widened(self, x: Scalar) -> Scalar:
        """A bfloat16 number as the float32 that it is; others as they are."""
        return Scalar(self, x.value, float32) if x.dtype is bfloat16 else x

    def _rounded(self, x: Scalar) -> Scalar:
        """A float32 number rounded to what the 16 bits of a bfloat16 hold; NaN stays NaN."""
        bits = self.bitcast(x, uint32)
        even = (bits >> 16) & 1
        nearest = (bits + even + 0x7FFF) & 0xFFFF0000
        kept = self.select(self.is_nan(x), (bits | 0x00400000) & 0xFFFF0000, nearest)
        return Scalar(self, self.bitcast(kept, float32).value, bfloat16)

    def bitcast(self, x: Scalar, dtype: DType) -> Scalar:
        """The same bits as another type of the same width."""
        return Scalar(self, self.builder.bitcast(x.value, register_type(dtype)), dtype)

    def select(self, condition: Scalar, if_true: Scalar, if_false: Scalar) -> Scalar:
        value = self.builder.select(condition.value, if_true.value, if_false.value)
        return Scalar(self, value, if_true.dtype)

    def is_nan(self, x: Scalar) -> Scalar:
        return Scalar(self, self.builder.fcmp_unordered("!=", x.value, x.value), bool_)

    def intrinsic(self, name: str, *operands: Scalar) -> Scalar:
        """Call an LLVM intrinsic on operands of one type."""
        kind = operands[0].value.type
        width = {FLOAT: "f32", DOUBLE: "f64"}.get(kind) or f"i{kind.width}"
        function_type = ir.FunctionType(kind, [kind] * len(operands))
        function = self.module.globals.get(f"llvm.{name}.{width}") or ir.Function(
            self.module, function_type, f"llvm.{name}.{width}"
        )
        value = self.builder.call(function, [operand.value for operand in operands])
        return Scalar(self, value, operands[0].dtype)

    def library(self, name: str, *operands: Scalar) -> Scalar:
        """Call a function of the C mathematics library; it sets nothing but its result."""
        kind = operands[0].value.type
        symbol = name + ("f" if kind == FLOAT else "")
        function = self.module.globals.get(symbol)
        if function is None:
            function = ir.Function(
                self.module, ir.FunctionType(kind, [kind] * len(operands)), symbol
            )
        call = self.builder.call(function, [operand.value for operand in operands])
        return Scalar(self, call, operands[0].dtype)

    # Arithmetic

    def fma(self, x: Scalar, y: Any, z: Any) -> Scalar:
        """x * y + z, rounded once."""
        return self.intrinsic("fma", x, self.number(y, x.dtype), self.number(z, x.dtype))

    def absolute(self, x: Scalar) -> Scalar:
        if x.dtype.is_floating:
            return self.intrinsic("fabs", x)
        return x if not is_signed(x.dtype) else self.select(x < 0, -x, x)

    def sign(self, x: Scalar) -> Scalar:
        one, zero = self.number(1, x.dtype), self.number(0, x.dtype)
        if not x.dtype.is_floating and not is_signed(x.dtype):
            return self.select(x == 0, zero, one)
        signed = self.select(x < 0, self.number(-1, x.dtype), self.select(x > 0, one, zero))
        return self.select(self.is_nan(x), x, signed) if x.dtype.is_floating else signed

    def sqrt(self, x: Scalar) -> Scalar:
        return self.intrinsic("sqrt", x)

    def maximum(self, left: Scalar, right: Scalar) -> Scalar:
        """The larger number, or NaN; of equal ones (0.0, -0.0) the right one, as NumPy has it."""
        keep = left > right
        if left.dtype.is_floating:
            keep = keep | self.is_nan(left)
        return self.select(keep, left, right)

    def minimum(self, left: Scalar, right: Scalar) -> Scalar:
        """The smaller number, or NaN; of equal ones, the right one."""
        keep = left < right
        if left.dtype.is_floating:
            keep = keep | self.is_nan(left)
        return self.select(keep, left, right)

    def copysign(self, left: Scalar, right: Scalar) -> Scalar:
        return self.intrinsic("copysign", left, right)

    def floor(self, x: Scalar) -> Scalar:
        return self.intrinsic("floor", x)

    def ceil(self, x: Scalar) -> Scalar:
        return self.intrinsic("ceil", x)

    def trunc(self, x: Scalar) -> Scalar:
        return self.intrinsic("trunc", x)

    def round_even(self, x: Scalar) -> Scalar:
        return self.intrinsic("roundeven", x)

    def remainder(self, left: Scalar, right: Scalar) -> Scalar:
        """left - right * floor(left / right): the sign of `right`, as Python has it."""
        if left.dtype.is_floating:
            cut = self.library("fmod", left, right)
            differs = (cut != 0) & ((cut < 0) ^ (right < 0))
            zero = self.copysign(self.number(0, left.dtype), right)
            return self.select(cut == 0, zero, self.select(differs, cut + right, cut))
        safe, is_zero = self._safe_divisor(left, right)
        name = "srem" if is_signed(left.dtype) else "urem"
        cut = Scalar(self, getattr(self.builder, name)(left.value, safe.value), left.dtype)
        if is_signed(left.dtype):
            differs = (cut != 0) & ((cut < 0) ^ (safe < 0))
            cut = self.select(differs, cut + safe, cut)
        return self.select(is_zero, self.number(0, left.dtype), cut)

    def floor_divide(self, left: Scalar, right: Scalar) -> Scalar:
        """left / right rounded down."""
        if left.dtype.is_floating:
            return self._floor_divide_floats(left, right)
        safe, is_zero = self._safe_divisor(left, right)
        quotient = left / safe
        if is_signed(left.dtype):
            cut = left - quotient * safe
            differs = (cut != 0) & ((cut < 0) ^ (safe < 0))
            quotient = self.select(differs, quotient - 1, quotient)
        return self.select(is_zero, self.number(0, left.dtype), quotient)

    def _floor_divide_floats(self, left: Scalar, right: Scalar) -> Scalar:
        """By the exact remainder: 1.0 // 0.1 is 9, though 1.0 / 0.1 rounds to 10."""
        cut = self.library("fmod", left, right)
        ratio = left / right
        quotient = (left - cut) / right
        differs = (cut != 0) & ((cut < 0) ^ (right < 0))
        quotient = self.select(differs, quotient - 1.0, quotient)
        down = self.floor(quotient)
        down = self.select((quotient - down) > 0.5, down + 1.0, down)
        whole = self.select(quotient == 0, self.copysign(self.number(0, left.dtype), ratio), down)
        infinite = (self.absolute(left) == math.inf) | (self.absolute(right) == math.inf)
        plain = self.select(infinite, self.floor(ratio), whole)
        return self.select((right == 0) & ~infinite, ratio, plain)

    def _safe_divisor(self, left: Scalar, right: Scalar) -> tuple[Scalar, Scalar]:
        """A divisor that is not 0 (nor -1 under the smallest number), and whether it was 0."""
        is_zero = right == 0
        safe = self.select(is_zero, self.number(1, right.dtype), right)
        if is_signed(left.dtype):
            smallest = self.number(-(2 ** (left.dtype.itemsize * 8 - 1)), left.dtype)
            overflows = (left == smallest) & (right == -1)
            safe = self.select(overflows, self.number(1, right.dtype), safe)
        return safe, is_zero

    def shift_left(self, bits: Scalar, shift: Scalar) -> Scalar:
        width = bits.dtype.itemsize * 8
        limit = self.number(width, bits.dtype)
        far = Scalar(self, self.builder.icmp_unsigned(">=", shift.value, limit.value), bool_)
        moved = Scalar(self, self.builder.shl(bits.value, shift.value), bits.dtype)
        return self.select(far, self.number(0, bits.dtype), moved)

    def shift_right(self, bits: Scalar, shift: Scalar) -> Scalar:
        width = bits.dtype.itemsize * 8
        last = self.number(width - 1, bits.dtype)
        far = Scalar(self, self.builder.icmp_unsigned(">", shift.value, last.value), bool_)
        if is_signed(bits.dtype):
            by = self.select(far, last, shift)
            return Scalar(self, self.builder.ashr(bits.value, by.value), bits.dtype)
        moved = Scalar(self, self.builder.lshr(bits.value, shift.value), bits.dtype)
        return self.select(far, self.number(0, bits.dtype), moved)

    def convert(self, x: Scalar, dtype: DType) -> Scalar:
        """The nearest number of another type; fractions are cut off, nonzero becomes True."""
        if x.dtype is dtype:
            return x
        if dtype is bfloat16:
            return self._rounded(self.convert(x, float32))
        if dtype.is_bool:
            return x != 0
        builder, kind = self.builder, register_type(dtype)
        if x.dtype.is_floating and dtype.is_floating:
            return Scalar(self, self._resize_float(x.value, kind), dtype)
        if x.dtype.is_floating:
            return self._whole(x, dtype)
        if dtype.is_floating:
            name = "sitofp" if is_signed(x.dtype) else "uitofp"
            return Scalar(self, getattr(builder, name)(x.value, kind), dtype)
        return Scalar(self, self._resize_integer(x.value, kind, is_signed(x.dtype)), dtype)

    def _whole(self, x: Scalar, dtype: DType) -> Scalar:
        """A floating number without its fraction, as an integer.

        What no integer of the type equals becomes, on every machine, what x86-64 makes of it: by
        way of int32 (int64 for uint32 and longer types), whose smallest number stands for NaN and
        whatever is out of range.
        """
        if dtype is uint64:
            half = self.number(2.0**63, x.dtype)
            upper = self._whole(x - half, int64) + (-(2**63))
            lower = self._whole(x, int64)
            both = self.select((x >= half) & (x < 2.0**64), upper, lower)
            return Scalar(self, both.value, uint64)
        way = int64 if dtype.itemsize == 8 or dtype is uint32 else int32
        limit = 2.0 ** (way.itemsize * 8 - 1)
        least = self.number(-int(limit), way)
        # Between the two stand numbers such as -2147483648.5, in float64 only.
        has_fractions = x.dtype is float64 and way is int32
        above = x > -limit - 1.0 if has_fractions else x >= -limit
        fits = above & (x < limit)
        safe = self.select(fits, x, self.number(0, x.dtype))
        cut = Scalar(self, self.builder.fptosi(safe.value, register_type(way)), way)
        return self.convert(self.select(fits, cut, least), dtype)

    def convert_to_int32(self, x: Scalar) -> Scalar:
        """A whole floating number as int32."""
        return Scalar(self, self.builder.fptosi(x.value, register_type(int32)), int32)

    def _resize_float(self, value: ir.Value, kind: ir.Type) -> ir.Value:
        if value.type == kind:
            return value
        name = "fpext" if kind == DOUBLE else "fptrunc"
        return getattr(self.builder, name)(value, kind)

    def _resize_integer(self, value: ir.Value, kind: ir.Type, signed: bool) -> ir.Value:
        if value.type.width == kind.width:
            return value
        if value.type.width > kind.width:
            return self.builder.trunc(value, kind)
        return self.builder.sext(value, kind) if signed else self.builder.zext(value, kind)

    # Functions; float64 ones are those of the C library

    def exp(self, x: Scalar) -> Scalar:
        return self._function("exp", mathematics.exp, x)

    def log(self, x: Scalar) -> Scalar:
        return self._function("log", mathematics.log, x)

    def tanh(self, x: Scalar) -> Scalar:
        return self._function("tanh", mathematics.tanh, x)

    def _function(self, name: str, single: Any, x: Scalar) -> Scalar:
        if x.dtype is float64:
            return self.library(name, x)
        return single(self, x)

    def expm1(self, x: Scalar) -> Scalar:
        return self.library("expm1", x)

    def log1p(self, x: Scalar) -> Scalar:
        return self.library("log1p", x)

    def sin(self, x: Scalar) -> Scalar:
        return self.library("sin", x)

    def cos(self, x: Scalar) -> Scalar:
        return self.library("cos", x)

    def erf(self, x: Scalar) -> Scalar:
        return self.library("erf", x)

    def sigmoid(self, x: Scalar) -> Scalar:
        small = self.exp(-self.absolute(x))
        below = 1.0 + small
        return self.select(x >= 0, 1.0 / below, small / below)

    def logaddexp(self, left: Scalar, right: Scalar) -> Scalar:
        largest = self.maximum(left, right)
        apart = self.absolute(left - right)
        apart = self.select(left == right, self.number(0, apart.dtype), apart)
        return largest + self.log1p(self.exp(-apart))

    def power(self, base: Scalar, exponent: Scalar) -> Scalar:
        if base.dtype.is_floating:
            return self.library("pow", base, exponent)
        function = integer_power(self.module, base.value.type)
        value = self.builder.call(function, [base.value, exponent.value])
        return Scalar(self, value, base.dtype)
