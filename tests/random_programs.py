"""Random programs made of the registry's primitives, for tests of passes and of compilers.

`random_program(random)` draws a graph and numbers to run it on. Every choice is drawn from
`random`, a `random.Random` or hypothesis's stand-in for one, which can shrink a failing program.
Functions with a limited domain get operands squeezed into it, so most programs stay finite.
"""

from __future__ import annotations

import dataclasses
import math
import random as random_module
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import steepest as st
from steepest.graph.dtypes import DType, to_storage
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.ops import REGISTRY

Random = random_module.Random

LARGEST = 240
"""Numbers that one value of a program holds at most."""

UNARY = [
    *("negative", "absolute", "sign", "floor", "ceil", "round", "trunc", "sin", "cos", "tanh"),
    *("sigmoid", "erf", "atan", "asinh", "identity", "stop_gradient", "barrier"),
]
WITHIN = {
    "exp": (0.0, 2.0),
    "expm1": (0.0, 2.0),
    "log": (1.5, 1.0),
    "log1p": (0.3, 1.0),
    "sqrt": (1.2, 1.0),
    "asin": (0.0, 0.9),
    "acos": (0.0, 0.9),
    "atanh": (0.0, 0.9),
    "acosh": (2.5, 1.0),
    "sinh": (0.0, 2.0),
    "cosh": (0.0, 2.0),
    "tan": (0.0, 1.2),
}
"""Functions of limited domain or fast growth: the middle and half-width of where they are used."""

BINARY = [
    *("add", "add", "subtract", "subtract", "multiply", "multiply", "maximum", "minimum"),
    *("hypot", "logaddexp", "atan2", "copysign"),
]
BY_DIVISOR = ["divide", "remainder", "floor_divide"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal"]
ON_BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "add", "multiply", "maximum", "equal"]


@dataclasses.dataclass(frozen=True)
class RandomProgram:
    """A graph, and one array of stored numbers for each of its inputs."""

    graph: Graph
    arrays: tuple[np.ndarray, ...]

    @property
    def tensors(self) -> list[st.Tensor]:
        """The inputs as tensors."""
        return [
            st.Tensor._from_storage(array, node.type)
            for array, node in zip(self.arrays, self.graph.inputs, strict=True)
        ]


class Builder:
    """Grows a program, value by value.

    Attributes:
        random: where every choice comes from.
        dtype: the floating type that most values have.
        values: the nodes made so far.
    """

    def __init__(self, random: Random, dtype: DType):
        self.random = random
        self.dtype = dtype
        self.values: list[Node] = []

    def apply(self, name: str, *operands: Node, **static: Any) -> Node:
        """Add an operation."""
        primitive = REGISTRY[name]
        result = primitive.infer(*(each.type for each in operands), **static)
        node = Node(primitive, operands, static, result)
        self.values.append(node)
        return node

    def pick(self, condition: Callable[[TensorType], bool] = lambda _: True) -> Node | None:
        """One of the values so far, the latest ones more often; `None` if none fits."""
        fitting = [each for each in self.values if condition(each.tensor_type)]
        if not fitting:
            return None
        back = min(self.random.randrange(len(fitting)), self.random.randrange(len(fitting)))
        return fitting[len(fitting) - 1 - back]

    def number(self) -> Node:
        """One of the values of the main type, converted to it if need be."""
        node = self.pick()
        assert node is not None
        if node.tensor_type.dtype is self.dtype:
            return node
        return self.apply("convert", node, dtype=self.dtype)

    def full(self, value: float, shape: tuple[int, ...] = ()) -> Node:
        return self.apply("full", shape=shape, value=value, dtype=self.dtype)

    def within(self, node: Node, middle: float, width: float) -> Node:
        """Squeeze numbers into (middle - width, middle + width)."""
        squeezed = self.apply("multiply", self.apply("tanh", node), self.full(width))
        return self.apply("add", squeezed, self.full(middle)) if middle else squeezed

    def matching(self, node: Node) -> Node:
        """A value of the main type that broadcasts against `node` to no more than is allowed."""
        shape = node.tensor_type.shape

        def fits(other: TensorType) -> bool:
            if other.dtype is not node.tensor_type.dtype:
                return False
            try:
                return math.prod(np.broadcast_shapes(shape, other.shape)) <= LARGEST
            except ValueError:
                return False

        found = self.pick(fits)
        assert found is not None
        return found


def _unary(builder: Builder) -> None:
    builder.apply(builder.random.choice(UNARY), builder.number())


def _within(builder: Builder) -> None:
    name = builder.random.choice(sorted(WITHIN))
    builder.apply(name, builder.within(builder.number(), *WITHIN[name]))


def _binary(builder: Builder) -> None:
    left = builder.number()
    operands = [left, builder.matching(left)]
    builder.random.shuffle(operands)
    builder.apply(builder.random.choice(BINARY), *operands)


def _with_a_number(builder: Builder) -> None:
    """Operations that a simplification may touch: by 0, 1, -0, and other constants."""
    node = builder.number()
    shape = builder.random.choice([(), node.tensor_type.shape])
    number = builder.full(builder.random.choice([0.0, -0.0, 1.0, 1.0, 2.5, 0.1]), shape)
    operands = [node, number]
    if builder.random.random() < 0.3:
        operands.reverse()
    builder.apply(builder.random.choice(["add", "subtract", "multiply", "divide"]), *operands)


def _by_divisor(builder: Builder) -> None:
    left = builder.number()
    right = builder.within(builder.matching(left), 1.5, 1.0)
    builder.apply(builder.random.choice(BY_DIVISOR), left, right)


def _power(builder: Builder) -> None:
    base = builder.within(builder.number(), 1.5, 1.0)
    builder.apply("power", base, builder.within(builder.matching(base), 0.5, 2.0))


def _choice(builder: Builder) -> None:
    left = builder.number()
    right = builder.matching(left)
    condition = builder.apply(builder.random.choice(COMPARISONS), left, right)
    both = builder.random.choice([(left, right), (right, left), (left, builder.full(0.5))])
    builder.apply("where", condition, *both)


def _convert(builder: Builder) -> None:
    node = builder.within(builder.number(), 0.0, 50.0)
    dtype = builder.random.choice([st.int32, st.int64, st.float32, st.float64, st.bfloat16])
    converted = builder.apply("convert", node, dtype=dtype)
    if dtype.is_integer:
        other = builder.matching(converted)
        result = builder.apply(builder.random.choice(ON_BITS), converted, other)
        if result.tensor_type.dtype.is_bool:
            builder.apply("bitwise_invert", result)


def _axes(builder: Builder, ndim: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(ndim) if builder.random.random() < 0.5)


def _reduction(builder: Builder) -> None:
    node = builder.number()
    axes = _axes(builder, node.tensor_type.ndim)
    empty = any(node.tensor_type.shape[axis] == 0 for axis in axes)
    name = builder.random.choice(["sum", "product"] if empty else ["sum", "max", "min", "product"])
    if name == "product":
        node = builder.within(node, 1.0, 0.5)
    builder.apply(name, node, axes=axes)


def _along_an_axis(builder: Builder) -> None:
    node = builder.number()
    if node.tensor_type.ndim == 0:
        return
    axis = builder.random.randrange(node.tensor_type.ndim)
    name = builder.random.choice(["cumulative_sum", "cumulative_product", "argmax", "sort"])
    if name == "cumulative_product":
        node = builder.within(node, 1.0, 0.5)
    if name == "sort":
        descending = builder.random.random() < 0.5
        order = builder.apply("argsort", node, axis=axis, descending=descending)
        builder.apply("take_along_axis", node, order, axis=axis)
        if builder.random.random() < 0.3:
            builder.apply("scatter_add_along_axis", node, order, node, axis=axis)
    elif name != "argmax" or node.tensor_type.shape[axis]:
        builder.apply(name, node, axis=axis)


def _reshape(builder: Builder) -> None:
    node = builder.number()
    size, shape = node.tensor_type.size, []
    for _ in range(builder.random.randrange(3)):
        divisors = [n for n in range(1, size + 1) if size % n == 0] or [0]
        shape.append(builder.random.choice(divisors))
        size = size // shape[-1] if shape[-1] else 0
    if node.tensor_type.size and (size != 1 or builder.random.random() < 0.3):
        shape.append(size)
    elif not node.tensor_type.size:
        shape = [*shape, 0]
    reshaped = builder.apply("reshape", node, shape=tuple(shape))
    if builder.random.random() < 0.3:
        builder.apply("reshape", reshaped, shape=node.tensor_type.shape)


def _transpose(builder: Builder) -> None:
    node = builder.number()
    axes = list(range(node.tensor_type.ndim))
    builder.random.shuffle(axes)
    moved = builder.apply("transpose", node, axes=tuple(axes))
    if builder.random.random() < 0.3:
        builder.random.shuffle(axes)
        builder.apply("transpose", moved, axes=tuple(axes))


def _broadcast(builder: Builder) -> None:
    node = builder.number()
    grown = [
        builder.random.choice([1, 2, 3]) if size == 1 else size for size in node.tensor_type.shape
    ]
    shape = (*(builder.random.choice([1, 2]) for _ in range(builder.random.randrange(2))), *grown)
    if math.prod(shape) <= LARGEST:
        wide = builder.apply("broadcast_to", node, shape=shape)
        builder.apply(builder.random.choice(["add", "multiply"]), wide, builder.matching(wide))


def _slice(builder: Builder) -> None:
    node = builder.number()
    ends = [
        sorted((builder.random.randrange(size + 1), builder.random.randrange(size + 1)))
        for size in node.tensor_type.shape
    ]
    builder.apply(
        "slice",
        node,
        start=tuple(first for first, _ in ends),
        stop=tuple(last for _, last in ends),
        step=tuple(builder.random.choice([1, 1, 2]) for _ in ends),
    )


def _pad(builder: Builder) -> None:
    node = builder.number()
    ndim = node.tensor_type.ndim
    low, high, interior = (
        tuple(builder.random.choice([0, 0, 1]) for _ in range(ndim)) for _ in range(3)
    )
    static = {"low": low, "high": high, "interior": interior}
    if REGISTRY["pad"].infer(node.type, **static).size <= LARGEST:
        builder.apply("pad", node, **static)


def _windows(builder: Builder) -> None:
    """Windows along some axes, and perhaps their sum back in place."""
    node = builder.number()
    shape = node.tensor_type.shape
    axes = tuple(axis for axis in _axes(builder, len(shape)) if shape[axis] > 0)
    options: dict[str, list[int]] = {"sizes": [], "steps": [], "dilations": []}
    for axis in axes:
        options["sizes"].append(builder.random.choice([1, min(2, shape[axis]), shape[axis]]))
        room = (shape[axis] - 1) // max(options["sizes"][-1] - 1, 1)
        options["dilations"].append(builder.random.choice([1, max(min(room, 2), 1)]))
        options["steps"].append(builder.random.choice([1, 1, 2, 3]))
    static = {"axes": axes, **{name: tuple(numbers) for name, numbers in options.items()}}
    if REGISTRY["windows"].infer(node.type, **static).size > LARGEST:
        return
    seen = builder.apply("windows", node, **static)
    if builder.random.random() < 0.5:
        del static["sizes"]
        static["lengths"] = tuple(shape[axis] for axis in axes)
        bent = builder.apply(builder.random.choice(["identity", "tanh"]), seen)
        builder.apply("fold", bent, **static)


def _flip(builder: Builder) -> None:
    node = builder.number()
    builder.apply("flip", node, axes=_axes(builder, node.tensor_type.ndim))


def _concat(builder: Builder) -> None:
    node = builder.number()
    shape = node.tensor_type.shape
    if not shape:
        return
    axis = builder.random.randrange(len(shape))
    rest = (*shape[:axis], *shape[axis + 1 :])

    def fits(other: TensorType) -> bool:
        same = other.dtype is builder.dtype and other.ndim == len(shape)
        return same and (*other.shape[:axis], *other.shape[axis + 1 :]) == rest

    other = builder.pick(fits)
    assert other is not None
    if node.tensor_type.size + other.tensor_type.size <= LARGEST:
        builder.apply("concat", node, other, axis=axis)


def _contract(builder: Builder) -> None:
    """Match some axes of equal size; sum over some of those, and keep all others."""
    left = builder.number()
    right = builder.pick(lambda other: other.dtype is builder.dtype and other.ndim <= 3)
    if right is None or left.tensor_type.ndim > 3:
        return
    left_letters = "abc"[: left.tensor_type.ndim]
    sizes = dict(zip(left_letters, left.tensor_type.shape, strict=True))
    right_letters, summed = "", ""
    for size, own in zip(right.tensor_type.shape, "xyz", strict=False):
        same = [each for each in left_letters if sizes[each] == size and each not in right_letters]
        letter = builder.random.choice([*same, *same, own])
        right_letters += letter
        sizes[letter] = size
        if letter != own and builder.random.random() < 0.7:
            summed += letter
    output = [each for each in sizes if each not in summed]
    builder.random.shuffle(output)
    if math.prod(sizes[each] for each in output) <= LARGEST:
        spec = f"{left_letters},{right_letters}->{''.join(output)}"
        builder.apply("contract", left, right, spec=spec)


def _take(builder: Builder) -> None:
    node = builder.number()
    if not node.tensor_type.ndim:
        return
    axis = builder.random.randrange(node.tensor_type.ndim)
    size = node.tensor_type.shape[axis]
    count = builder.random.choice([(), (1,), (3,), (2, 2)]) if size else (0,)
    chosen = [builder.random.randrange(size) for _ in range(math.prod(count))]
    indices = builder.apply("constant", value=np.array(chosen, "int64").reshape(count))
    taken = builder.apply("take", node, indices, axis=axis)
    if builder.random.random() < 0.4:
        builder.apply("scatter_add", node, indices, taken, axis=axis)


def _search(builder: Builder) -> None:
    node = builder.number()
    value = np.array([-1.0, 0.0, 0.5, 2.0])
    static: dict[str, Any] = {"value": value.astype(builder.dtype.compute)}
    if builder.dtype is st.bfloat16:
        static["dtype"] = st.bfloat16
    ordered = builder.apply("constant", **static)
    side = builder.random.choice(["left", "right"])
    builder.apply("searchsorted", ordered, node, side=side)


def _source(builder: Builder) -> None:
    shape = tuple(builder.random.randrange(1, 4) for _ in range(builder.random.randrange(3)))
    name = builder.random.choice(["full", "iota", "random_bits"])
    if name == "full":
        builder.full(builder.random.choice([0.1, -3.0, 7.0]), shape)
    elif name == "random_bits":
        key = builder.apply("constant", value=np.array([1, 2], "uint32"))
        counter = builder.apply("constant", value=np.array(builder.random.randrange(9)))
        builder.apply("random_bits", key, counter, shape=shape)
    elif shape:
        axis = builder.random.randrange(len(shape))
        builder.apply("iota", shape=shape, axis=axis, dtype=builder.dtype)


MOVES: Sequence[Callable[[Builder], None]] = [
    *(_unary, _within, _binary, _binary, _with_a_number, _by_divisor, _power, _choice, _convert),
    *(_reduction, _reduction, _along_an_axis, _reshape, _transpose, _broadcast, _slice, _pad),
    *(_windows, _flip, _concat, _contract, _contract, _take, _search, _source),
]


def random_program(random: Random, dtype: DType | None = None, moves: int = 8) -> RandomProgram:
    """Draw a program of up to `moves` moves, each of one to four operations.

    Args:
        dtype: the floating type of inputs and most values (default: drawn).
    """
    main = dtype or random.choice([st.float32, st.float32, st.float64, st.bfloat16])
    builder = Builder(random, main)
    inputs = []
    for number in range(random.randrange(1, 4)):
        shape = tuple(random.choice([1, 2, 3, 4, 5, 0]) for _ in range(random.randrange(4)))
        node = make_input(f"x{number}", TensorType(shape, main))
        inputs.append(node)
        builder.values.append(node)
    for _ in range(random.randrange(1, moves + 1)):
        random.choice(MOVES)(builder)
    made = [node for node in builder.values if not node.is_input] or inputs
    outputs = [made[-1], *(each for each in made[:-1] if random.random() < 0.15)]
    graph = Graph("random", tuple(inputs), tuple(outputs))
    generator = np.random.default_rng(random.randrange(2**16))
    arrays = [
        to_storage(generator.normal(size=node.tensor_type.shape).astype(main.compute), main)
        for node in inputs
    ]
    return RandomProgram(graph, tuple(arrays))
