"""Functions that reduce axes to one number, and running totals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from steepest.array.conversion import (
    DEFAULT_INTEGER,
    as_value,
    floating,
    normal_axes,
    normal_axis,
    shape_of,
    type_of,
)
from steepest.array.elementwise import (
    abs,
    as_bool,
    conj,
    exp,
    log,
    logical_not,
    real,
    sqrt,
    where,
)
from steepest.errors import ArgumentError
from steepest.graph.dtypes import DType, as_dtype, uint64
from steepest.ops import reduction
from steepest.ops.elementwise.arithmetic import add, multiply, subtract
from steepest.ops.elementwise.selection import convert, stop_gradient
from steepest.ops.movement import concat, reshape
from steepest.ops.primitive import Primitive
from steepest.trace.origin import located
from steepest.trace.value import Value

if TYPE_CHECKING:
    from steepest.array.tensor import Tensor

Axis = int | tuple[int, ...] | None


def _reduce(primitive: Primitive, value: Value, axis: Axis, keepdims: bool) -> Any:
    """Apply a reduction; with `keepdims` the reduced axes stay, with size 1."""
    axes = normal_axes(axis, type_of(value).ndim, primitive.name)
    result = primitive(value, axes=axes) if axes else value
    if keepdims:
        kept = tuple(1 if n in axes else size for n, size in enumerate(shape_of(value)))
        return reshape(result, shape=kept)
    return result


def _total_dtype(dtype: DType, asked: Any) -> DType:
    """The type in which numbers are added up: small integers are widened to 64 bits."""
    if asked is not None:
        return as_dtype(asked)
    if dtype.kind == "unsigned":
        return uint64
    return DEFAULT_INTEGER if dtype.is_bool or dtype.is_integer else dtype


def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (default all); integers are added in 64 bits."""
    value = as_value(x)
    value = as_value(value, _total_dtype(type_of(value).dtype, dtype))
    return _reduce(reduction.sum_, value, axis, keepdims)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over `axis` (default all); integers are multiplied in 64 bits."""
    value = as_value(x)
    value = as_value(value, _total_dtype(type_of(value).dtype, dtype))
    return _reduce(reduction.product, value, axis, keepdims)


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest number over `axis` (default all); NaN if there is one."""
    return _reduce(reduction.max_, as_value(x), axis, keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest number over `axis` (default all); NaN if there is one."""
    return _reduce(reduction.min_, as_value(x), axis, keepdims)


def _count(value: Value, axis: Axis) -> int:
    axes = normal_axes(axis, type_of(value).ndim, "mean")
    return math.prod(shape_of(value)[n] for n in axes)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The average over `axis` (default all); NaN of no numbers."""
    (value,) = floating(x)
    total = _reduce(reduction.sum_, value, axis, keepdims)
    count = _count(value, axis)
    return total / count if count else total * math.nan


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The average squared distance from the mean; the sum is divided by count - `correction`."""
    (value,) = floating(x)
    centred = subtract(value, mean(value, axis=axis, keepdims=True))
    squares: Any = real(multiply(centred, conj(centred)))
    total = _reduce(reduction.sum_, squares, axis, keepdims)
    divisor = _count(value, axis) - correction
    return total / divisor if divisor > 0 else total * math.nan


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The square root of `var`."""
    return sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any number over `axis` is true; False of none."""
    return count_nonzero(x, axis=axis, keepdims=keepdims) > 0


def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all numbers over `axis` are true; True of none."""
    value = logical_not(x)
    return count_nonzero(value, axis=axis, keepdims=keepdims) == 0


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many numbers over `axis` are not zero (int64)."""
    counted = convert(as_bool(x), dtype=DEFAULT_INTEGER)
    return _reduce(reduction.sum_, counted, axis, keepdims)


def _position(primitive: Primitive, x: Any, axis: int | None, keepdims: bool) -> Any:
    value = as_value(x)
    shape = shape_of(value)
    if axis is None:
        result = primitive(reshape(value, shape=(type_of(value).size,)), axis=0)
        return reshape(result, shape=(1,) * len(shape)) if keepdims else result
    along = normal_axis(axis, len(shape), primitive.name)
    result = primitive(value, axis=along)
    kept = tuple(1 if n == along else size for n, size in enumerate(shape))
    return reshape(result, shape=kept) if keepdims else result


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first largest number along `axis` (default of the flattened tensor)."""
    return _position(reduction.argmax, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the first smallest number along `axis` (default of the flattened tensor)."""
    return _position(reduction.argmin, x, axis, keepdims)


def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow."""
    (value,) = floating(x)
    largest = stop_gradient(max(value, axis=axis, keepdims=True))
    finite = where(abs(largest) < math.inf, largest, 0.0)
    total = log(sum(exp(value - finite), axis=axis, keepdims=True))
    result = add(total, finite)
    if keepdims:
        return result
    axes = normal_axes(axis, type_of(value).ndim, "logsumexp")
    shape = tuple(size for n, size in enumerate(shape_of(value)) if n not in axes)
    return reshape(result, shape=shape)


def _cumulative(
    primitive: Primitive, x: Any, axis: int | None, dtype: Any, include_initial: bool, initial: int
) -> Any:
    value = as_value(x)
    value = as_value(value, _total_dtype(type_of(value).dtype, dtype))
    if axis is None:
        if type_of(value).ndim > 1:
            raise ArgumentError(
                located(f"{primitive.name}: a tensor {shape_of(value)} needs axis=.")
            )
        axis = 0
    along = normal_axis(axis, type_of(value).ndim, primitive.name)
    if type_of(value).ndim == 0:
        return value
    result = primitive(value, axis=along)
    if not include_initial:
        return result
    shape = tuple(1 if n == along else size for n, size in enumerate(shape_of(value)))
    first = Value._zeros(shape, type_of(value).dtype) + initial  # type: ignore[operator]
    return concat(first, result, axis=along)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running sums along `axis`; with `include_initial` they begin with 0."""
    return _cumulative(reduction.cumulative_sum, x, axis, dtype, include_initial, 0)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running products along `axis`; with `include_initial` they begin with 1."""
    return _cumulative(reduction.cumulative_product, x, axis, dtype, include_initial, 1)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> Tensor:
    """Differences of neighbours along `axis`, taken `n` times (0 gives `x` itself)."""
    if n < 0:
        raise ArgumentError(located(f"diff: n is {n}, but must be 0 or more."))
    value = as_value(x)
    if n == 0:
        return value  # type: ignore[return-value]
    along = normal_axis(axis, type_of(value).ndim, "diff")
    dtype = type_of(value).dtype
    parts = [as_value(each, dtype) for each in (prepend, value, append) if each is not None]
    result: Any = concat(*parts, axis=along) if len(parts) > 1 else value
    for _ in range(n):
        lead = (slice(None),) * along
        result = result[(*lead, slice(1, None))] - result[(*lead, slice(None, -1))]
    return result
