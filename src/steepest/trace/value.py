"""A value: numbers now, or a place in the graph being traced; and how it came about.

`Value` is what `steepest.Tensor` is underneath. `apply` is the one door through which every
operation passes: outside a trace it computes at once, inside it adds a node to the graph; both
keep a `Record` where a gradient may be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from steepest.errors import GradientError, ShapeError, SteepestError, TraceError
from steepest.graph.dtypes import DType, from_numpy, to_compute, to_storage
from steepest.graph.evaluate import evaluate_operation
from steepest.graph.node import Node, NodeType, next_serial
from steepest.graph.types import Origin, Shape, TensorType
from steepest.ops.control import item
from steepest.ops.primitive import Primitive
from steepest.ops.sources import constant, full
from steepest.trace.origin import current_origin, located
from steepest.trace.state import state

if TYPE_CHECKING:
    from steepest.trace.recorder import Trace


class Record:
    """How a value came about: the operation, its operands, and the user's line."""

    __slots__ = ("op", "operands", "origin", "serial", "static", "versions")

    def __init__(
        self, op: Primitive, operands: tuple[Value, ...], static: Mapping[str, Any], origin: Origin
    ):
        self.op = op
        self.operands = operands
        self.static = static
        self.origin = origin
        self.serial = next_serial()
        self.versions = tuple(operand._version for operand in operands)

    def check_unchanged(self) -> None:
        """Raise GradientError if an operand has been assigned to since."""
        for operand, version in zip(self.operands, self.versions, strict=True):
            if operand._version != version:
                raise GradientError(
                    f"{self.op.name}: operand {operand._type} was changed by assign() after this "
                    f"operation used it, so its gradient can no longer be taken. "
                    f"At {self.origin}. Call backward() before assign(), or use a clone()."
                )


class Consumed:
    """Stands for a gradient that a compiled program used up and did not hand out."""


CONSUMED = Consumed()


class Value:
    """Base of `steepest.Tensor`: a typed value that operations apply to."""

    __slots__ = (
        "__weakref__",
        "_array",
        "_grad",
        "_node",
        "_owner",
        "_record",
        "_requires_grad",
        "_trace",
        "_type",
        "_version",
        "name",
    )

    result_class: ClassVar[type[Value]]
    """The class of the values that operations return; set once, by `steepest.array.tensor`."""

    _array: Any
    _type: NodeType
    _record: Record | None
    _grad: Value | Consumed | None
    _node: Node | None
    _trace: Trace | None
    _owner: Value | None

    def _set(self, array: Any, value_type: NodeType) -> None:
        """Make this a value that holds numbers."""
        self._array = array
        self._type = value_type
        self._record = None
        self._requires_grad = False
        self._grad = None
        self._node = None
        self._trace = None
        self._owner = None
        self._version = 0
        self.name = ""

    @classmethod
    def _from_storage(cls, array: Any, value_type: NodeType) -> Value:
        """Wrap stored numbers (see `DType.storage`) in a plain tensor."""
        value = Value.result_class.__new__(Value.result_class)
        value._set(array, value_type)
        return value

    @classmethod
    def _symbolic(cls, node: Node, trace: Trace) -> Value:
        """Make a value that stands for a node of the graph being traced."""
        value = cls._from_storage(None, node.type)
        value._node = node
        value._trace = trace
        return value

    @property
    def is_symbolic(self) -> bool:
        """Whether this stands for numbers that exist only when the traced program runs."""
        return self._array is None

    @property
    def _leaf(self) -> Value:
        """The tensor whose `.grad` belongs to this value: inside a trace, the one outside of it."""
        return self if self._owner is None else self._owner

    def _stored(self) -> np.ndarray:
        """The stored numbers.

        Raises:
            TraceError: a trace is running, in which this value has none yet or may change; or the
                value was made by one that has ended.
        """
        value = self if state.trace is not None else at_this_point(self)
        if value._array is None and state.trace is None:
            raise TraceError(located(leaked_message(value)))
        if value._array is None or state.trace is not None:
            raise TraceError(
                located(
                    f"a tensor {self._type} has no numbers inside steepest.compile, where the "
                    f"program is recorded, not run. Return the tensor from the compiled function, "
                    f"or use steepest.where instead of a Python branch."
                )
            )
        return value._array

    def _detached(self) -> Value:
        """The same numbers without history: inside a trace, those of this point of the program."""
        return at_this_point(self)._without_history()

    def _without_history(self) -> Value:
        """A new value of the same numbers, or the same place in the graph."""
        value = self._from_storage(self._array, self._type)
        value._node = self._node
        value._trace = self._trace
        return value

    def _apply_items(self) -> tuple[Value, ...]:
        """The tensors of a value of several."""
        assert isinstance(self._type, tuple)
        return tuple(apply(item, (self,), {"index": n}) for n in range(len(self._type)))

    @staticmethod
    def _apply(op: Primitive, operands: Sequence[Value], static: Mapping[str, Any]) -> Any:
        return apply(op, operands, static)

    @staticmethod
    def _constant(array: np.ndarray, dtype: DType) -> Value:
        return make_constant(np.asarray(array), dtype)

    @staticmethod
    def _full(shape: Shape, number: float, dtype: DType) -> Value:
        return apply(full, (), {"shape": shape, "value": number, "dtype": dtype})

    @staticmethod
    def _zeros(shape: Shape, dtype: DType) -> Value:
        return Value._full(shape, 0, dtype)


def at_this_point(value: Value) -> Value:
    """What a tensor stands for now: in a trace, or in a function that runs twice (`trace.runs`)."""
    if state.trace is not None:
        return state.trace.read(value)
    if state.second_run is None and state.first_run is None:
        return value
    now = value if state.second_run is None else state.second_run.read(value)
    if state.first_run is not None:
        state.first_run.note_use(value, now)
    return now


def leaked_message(value: Value) -> str:
    """What to tell someone who kept a traced tensor beyond the trace."""
    return (
        f"a tensor {value._type} traced by a compiled function was kept and used after the "
        f"function ended. Return it from the function instead."
    )


def make_constant(array: np.ndarray, dtype: DType | None = None) -> Value:
    """Make a value of numbers known now; inside a trace it becomes part of the program.

    Args:
        array: compute numbers; they are converted to `dtype`.
    """
    wanted = dtype or from_numpy(array.dtype)
    numbers = to_compute(to_storage(array.astype(wanted.compute, copy=False), wanted), wanted)
    if state.trace is None:
        return Value._from_storage(to_storage(numbers, wanted), TensorType(array.shape, wanted))
    static: dict[str, Any] = {"value": numbers}
    if wanted.compute != wanted.storage:
        static["dtype"] = wanted
    return apply(constant, (), static)


def apply(op: Primitive, operands: Sequence[Value], static: Mapping[str, Any]) -> Any:
    """Apply a primitive: at once outside a trace, as a new node inside one.

    Returns:
        One value, or a tuple when the operation makes several.
    """
    trace = state.trace
    if trace is not None or state.first_run is not None or state.second_run is not None:
        operands = [at_this_point(operand) for operand in operands]
    types = [operand._type for operand in operands]
    try:
        result_type = op.infer(*types, **static)
        if trace is not None:
            result = trace.add_node(op, operands, static, result_type)
        else:
            result = _evaluate(op, operands, static, result_type)
    except SteepestError as error:
        raise type(error)(located(str(error))) from None
    except IndexError as error:
        raise IndexError(located(str(error))) from None
    if _is_recorded(op, operands, result_type):
        result._record = Record(op, tuple(operands), static, current_origin())
        result._requires_grad = True
    return result._apply_items() if isinstance(result_type, tuple) else result


def _evaluate(
    op: Primitive, operands: Sequence[Value], static: Mapping[str, Any], result_type: NodeType
) -> Value:
    """Compute an operation at once."""
    arrays = [_compute_numbers(operand) for operand in operands]
    with np.errstate(all="ignore"):
        result = evaluate_operation(op, arrays, static, result_type)
    if isinstance(result_type, TensorType):
        return Value._from_storage(to_storage(result, result_type.dtype), result_type)
    stored = tuple(
        to_storage(part, part_type.dtype)
        for part, part_type in zip(result, result_type, strict=True)
    )
    return Value._from_storage(stored, result_type)


def _compute_numbers(operand: Value) -> Any:
    """The numbers of an operand as the evaluator computes with them."""
    if operand._array is None:
        raise TraceError(leaked_message(operand))
    if isinstance(operand._type, TensorType):
        return to_compute(operand._array, operand._type.dtype)
    return tuple(
        to_compute(part, part_type.dtype)
        for part, part_type in zip(operand._array, operand._type, strict=True)
    )


def _is_recorded(op: Primitive, operands: Sequence[Value], result_type: NodeType) -> bool:
    """Whether a gradient may flow through this operation."""
    if not state.gradients_enabled or (op.gradient is None and op is not item):
        return False
    if not any(operand._requires_grad for operand in operands):
        return False
    return not isinstance(result_type, TensorType) or result_type.dtype.is_differentiable


def assign(target: Value, source: Value) -> None:
    """Give `target` the numbers of `source`: the only way in which a tensor changes.

    Outside a trace the tensor takes over the new numbers; arrays handed out before keep the old
    ones. Inside a trace, `target` is read and written by the program.

    Raises:
        ShapeError: shape or data type differ.
        GradientError: the target was computed from others; or it requires a gradient, and the
            assigning function will run again (see `checkpoint`).
    """
    if target._type != source._type:
        raise ShapeError(
            located(f"assign: target {target._type} and source {source._type} differ.")
        )
    if target._record is not None:
        raise GradientError(
            located("assign: the target was computed from others; assign to its detach() instead.")
        )
    before_change([target])
    if state.second_run is not None:
        state.second_run.change(target, source._detached())
    elif state.trace is not None:
        state.trace.assign(target, source)
    else:
        take_over([target], [source._stored()])


def before_change(targets: Sequence[Value]) -> None:
    """Note that tensors are about to change, in a function that will run again.

    Raises:
        GradientError: one requires a gradient, which would belong to its new numbers.
    """
    if state.first_run is None:
        return
    for target in targets:
        if target._requires_grad:
            raise GradientError(
                located(
                    f"assign: a checkpointed function runs twice, so it cannot change a tensor "
                    f"{target._type} that requires a gradient. Change it outside, or leave out the "
                    f"checkpoint."
                )
            )
        state.first_run.note_change(target, at_this_point(target))


def take_over(targets: Iterable[Value], arrays: Iterable[Any]) -> None:
    """Let tensors hold other stored numbers; in a second run, for that run alone."""
    if state.second_run is None:
        for target, array in zip(targets, arrays, strict=True):
            target._array = array
            target._version += 1
        return
    for target, array in zip(targets, arrays, strict=True):
        state.second_run.change(target, Value._from_storage(array, target._type))


def stored_numbers(values: Sequence[Value]) -> list[Any]:
    """The stored numbers of each tensor; one that has none raises TraceError."""
    if state.trace is None and state.first_run is None and state.second_run is None:
        arrays = [value._array for value in values]
        for array in arrays:
            if array is None:
                break
        else:
            return arrays
    return [value._stored() for value in values]
