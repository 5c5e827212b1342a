"""`Tensor`: what the user holds. Its methods are the functions of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from steepest.array import (
    conversion,
    creation,
    dlpack,
    elementwise,
    manipulation,
    products,
    reductions,
    subscript,
)
from steepest.autodiff import backward as backward_module
from steepest.errors import ArgumentError, DTypeError, GradientError, TraceError
from steepest.graph.dtypes import DType, to_compute
from steepest.graph.types import TensorType
from steepest.ops import movement
from steepest.trace.origin import located
from steepest.trace.state import state
from steepest.trace.value import Value, assign, at_this_point


def _operator(function: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Tensor]:
    """Make the method of an infix operator, which leaves operands of foreign types to them."""

    def method(self: Tensor, other: Any, /) -> Tensor:
        return function(self, other) if conversion.is_operand(other) else NotImplemented

    return method


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Tensor]:
    """Make the method of an infix operator whose left operand is no tensor."""

    def method(self: Tensor, other: Any, /) -> Tensor:
        return function(other, self) if conversion.is_operand(other) else NotImplemented

    return method


class Tensor(Value):
    """An array of numbers of one data type, on which operations can be differentiated.

    Outside of `steepest.compile` it holds its numbers; inside, it may stand for numbers that exist
    when the program runs.

    Args:
        data: anything that `steepest.asarray` takes.
        dtype: the data type (see `asarray`).
        requires_grad: whether `backward` shall store a gradient in `.grad`.
    """

    __slots__ = ()
    __array_priority__ = 1000

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False):
        source = at_this_point(creation.asarray(data, dtype=dtype))
        self._set(source._array, source._type)
        self._node = source._node
        self._trace = source._trace
        self.requires_grad = requires_grad

    # What it is

    @property
    def _tensor_type(self) -> TensorType:
        assert isinstance(self._type, TensorType)
        return self._type

    @property
    def shape(self) -> tuple[int, ...]:
        return self._tensor_type.shape

    @property
    def dtype(self) -> DType:
        return self._tensor_type.dtype

    @property
    def ndim(self) -> int:
        return self._tensor_type.ndim

    @property
    def size(self) -> int:
        return self._tensor_type.size

    @property
    def nbytes(self) -> int:
        return self._tensor_type.nbytes

    @property
    def device(self) -> str:
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """The same tensor on a device; the only one is `"cpu"`."""
        creation.check_device(device)
        if stream is not None:
            raise ValueError(located("to_device: the CPU has no streams."))
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` reaches this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and not self.dtype.is_differentiable:
            raise DTypeError(
                located(f"requires_grad: a tensor {self._type} is not of a floating data type.")
            )
        if self._record is not None:
            raise GradientError(
                located("requires_grad: this tensor was computed from others; use detach() first.")
            )
        if state.trace is not None and not self.is_symbolic and wanted != self._requires_grad:
            raise TraceError(
                located(
                    f"requires_grad: the tensor {self._type} was made outside of the compiled "
                    f"function, which would change it while it is recorded, not when it runs. "
                    f"Set requires_grad before the call."
                )
            )
        self._requires_grad = bool(wanted)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up here; `None` before."""
        return backward_module.get_gradient(self)  # type: ignore[return-value]

    @grad.setter
    def grad(self, gradient: Tensor | None) -> None:
        if gradient is not None and gradient._type != self._type:
            raise GradientError(
                located(f"grad: a gradient {gradient._type} does not fit a tensor {self._type}.")
            )
        backward_module.set_gradient(self, gradient)

    def backward(self, gradient: Tensor | None = None, create_graph: bool = False) -> None:
        """Add the gradient of this tensor to `.grad` of every leaf it came from.

        Args:
            gradient: the weight of each number (default 1, for a tensor of one number).
            create_graph: record the backward pass too, for gradients of gradients.
        """
        backward_module.backward(self, gradient, create_graph)

    def detach(self) -> Tensor:
        """The same numbers without history: no gradient flows back through them."""
        value = state.trace.read(self) if state.trace is not None else self
        return value._detached()  # type: ignore[return-value]

    def clone(self) -> Tensor:
        """A copy, through which gradients flow back."""
        return conversion.clone(self)  # type: ignore[return-value]

    def assign(self, value: Any) -> None:
        """Take over the numbers of `value`, which broadcasts to this shape and type.

        The only way in which a tensor changes; inside `steepest.compile` it makes the tensor an
        output of the program. Numbers of a NumPy array are copied, so that it can be used again.
        """
        source = conversion.as_value(value, self.dtype)
        owned = isinstance(value, Value)
        if conversion.shape_of(source) != self.shape:
            source = movement.broadcast_to(source, shape=self.shape)
            owned = False
        if source._requires_grad:
            source = source._detached()
        assign(self, source if owned else conversion.clone(source))

    # Numbers out of it

    def numpy(self) -> np.ndarray:
        """The numbers as a NumPy array that shares memory (bfloat16 is widened to float32)."""
        return to_compute(self._stored(), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if copy is False and (dtype is not None and array.dtype != dtype):
            raise ValueError(
                located("np.asarray: another data type needs a copy, but copy=False was asked.")
            )
        converted = array if dtype is None else array.astype(dtype, copy=False)
        return converted.copy() if copy and converted is array else converted

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if stream is not None:
            raise ArgumentError(
                located("__dlpack__: the CPU has no streams, so stream must be None.")
            )
        return dlpack.export_numbers(self._stored(), self.dtype, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU

    def item(self) -> Any:
        """The one number as a Python number."""
        array = self.numpy()
        if array.size != 1:
            raise ValueError(located(f"item: the tensor {self._type} has {array.size} numbers."))
        return array.reshape(-1)[0].item()

    def tolist(self) -> Any:
        """The numbers as nested lists of Python numbers."""
        return self.numpy().tolist()

    def _number(self, name: str) -> Any:
        if state.trace is not None:
            raise TraceError(
                located(
                    f"{name}(tensor): inside steepest.compile the tensor {self._type} has no "
                    f"number yet, so Python cannot branch on it. Use steepest.where, or return it."
                )
            )
        if self.size != 1:
            raise TypeError(
                located(
                    f"{name}(tensor): the tensor {self._type} has {self.size} numbers, not one."
                )
            )
        return self.item()

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def __bool__(self) -> bool:
        return bool(self._number("bool"))

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        if not self.dtype.is_integer or self.ndim:
            raise TypeError(located(f"a tensor {self._type} is not usable as an index."))
        return int(self._number("index"))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(located("len(tensor): a tensor without axes has no length."))
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError(located("a tensor without axes cannot be iterated over."))
        return (self[n] for n in range(self.shape[0]))

    def __repr__(self) -> str:
        if self._array is None:
            return f"Tensor({self._type}, traced)"
        numbers = np.array2string(self.numpy(), separator=", ", threshold=100, prefix="Tensor(")
        grad = ", requires_grad=True" if self._requires_grad else ""
        return f"Tensor({numbers}, dtype={self.dtype}{grad})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import steepest

        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(located(f"array API version {api_version!r} is not offered."))
        return steepest

    # Operators

    __hash__ = object.__hash__

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)

    def __pos__(self) -> Tensor:
        return elementwise.positive(self)

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)

    def __invert__(self) -> Tensor:
        return elementwise.bitwise_invert(self)

    __add__ = _operator(elementwise.add)
    __sub__ = _operator(elementwise.subtract)
    __mul__ = _operator(elementwise.multiply)
    __truediv__ = _operator(elementwise.divide)
    __floordiv__ = _operator(elementwise.floor_divide)
    __mod__ = _operator(elementwise.remainder)
    __pow__ = _operator(elementwise.pow)
    __matmul__ = _operator(products.matmul)
    __and__ = _operator(elementwise.bitwise_and)
    __or__ = _operator(elementwise.bitwise_or)
    __xor__ = _operator(elementwise.bitwise_xor)
    __lshift__ = _operator(elementwise.bitwise_left_shift)
    __rshift__ = _operator(elementwise.bitwise_right_shift)

    __radd__ = _reflected(elementwise.add)
    __rsub__ = _reflected(elementwise.subtract)
    __rmul__ = _reflected(elementwise.multiply)
    __rtruediv__ = _reflected(elementwise.divide)
    __rfloordiv__ = _reflected(elementwise.floor_divide)
    __rmod__ = _reflected(elementwise.remainder)
    __rpow__ = _reflected(elementwise.pow)
    __rmatmul__ = _reflected(products.matmul)
    __rand__ = _reflected(elementwise.bitwise_and)
    __ror__ = _reflected(elementwise.bitwise_or)
    __rxor__ = _reflected(elementwise.bitwise_xor)
    __rlshift__ = _reflected(elementwise.bitwise_left_shift)
    __rrshift__ = _reflected(elementwise.bitwise_right_shift)

    __eq__ = _operator(elementwise.equal)  # type: ignore[assignment]
    __ne__ = _operator(elementwise.not_equal)  # type: ignore[assignment]
    __lt__ = _operator(elementwise.less)
    __le__ = _operator(elementwise.less_equal)
    __gt__ = _operator(elementwise.greater)
    __ge__ = _operator(elementwise.greater_equal)

    def __getitem__(self, key: Any, /) -> Tensor:
        return subscript.get_item(self, key)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        subscript.set_item(self, key, value)

    # Methods

    @property
    def T(self) -> Tensor:  # noqa: N802 - the standard's name
        """A matrix with its two axes swapped."""
        if self.ndim != 2:
            raise TypeError(located(f"T: the tensor {self.shape} is no matrix; use mT or permute."))
        return manipulation.matrix_transpose(self)

    @property
    def mT(self) -> Tensor:  # noqa: N802 - the standard's name
        """The last two axes swapped."""
        return manipulation.matrix_transpose(self)

    def reshape(self, *shape: Any) -> Tensor:
        """See `steepest.reshape`; sizes may be given one by one."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
        return manipulation.reshape(self, tuple(sizes))

    def permute(self, *axes: int) -> Tensor:
        """See `steepest.permute_dims`."""
        return manipulation.permute_dims(self, axes)

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        """Two axes swapped."""
        order = list(range(self.ndim))
        order[axis0], order[axis1] = order[axis1], order[axis0]
        return manipulation.permute_dims(self, order)

    def flatten(self, start: int = 0, end: int = -1) -> Tensor:
        """Axes `start` to `end` joined into one."""
        if not self.ndim:
            return self.reshape(1)
        first = conversion.normal_axis(start, self.ndim, "flatten")
        last = conversion.normal_axis(end, self.ndim, "flatten")
        joined = int(np.prod(self.shape[first : last + 1]))
        return self.reshape((*self.shape[:first], joined, *self.shape[last + 1 :]))

    def squeeze(self, axis: int | tuple[int, ...]) -> Tensor:
        """See `steepest.squeeze`."""
        return manipulation.squeeze(self, axis)

    def astype(self, dtype: Any) -> Tensor:
        """See `steepest.astype`."""
        return elementwise.astype(self, dtype, copy=False)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.sum`."""
        return reductions.sum(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.prod`."""
        return reductions.prod(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.mean`."""
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """See `steepest.var`."""
        return reductions.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """See `steepest.std`."""
        return reductions.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.max`."""
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.min`."""
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.any`."""
        return reductions.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `steepest.all`."""
        return reductions.all(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """See `steepest.argmax`."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """See `steepest.argmin`."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)

    def exp(self) -> Tensor:
        """See `steepest.exp`."""
        return elementwise.exp(self)

    def log(self) -> Tensor:
        """See `steepest.log`."""
        return elementwise.log(self)

    def sqrt(self) -> Tensor:
        """See `steepest.sqrt`."""
        return elementwise.sqrt(self)

    def tanh(self) -> Tensor:
        """See `steepest.tanh`."""
        return elementwise.tanh(self)

    def sigmoid(self) -> Tensor:
        """See `steepest.sigmoid`."""
        return elementwise.sigmoid(self)

    def abs(self) -> Tensor:
        """See `steepest.abs`."""
        return elementwise.abs(self)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """See `steepest.clip`."""
        return elementwise.clip(self, min, max)


Value.result_class = Tensor
