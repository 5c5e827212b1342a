"""What a primitive is. Each is written down in one place, by its family's helper.

The gradient rules of primitives are written with tensors and other primitives, so the same rule
serves eager numbers, traced programs, and gradients of gradients. A primitive called on tensors,
as in `exp(x)`, applies itself; called on types, by `infer`, it gives the type of its result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from steepest.errors import DTypeError, ShapeError
from steepest.graph.types import Shape, TensorType

Tensor: TypeAlias = Any
"""A `steepest.Tensor`: a later stage, so it cannot be named here."""

GradientRule = Callable[..., Tensor | None]
"""`rule(index, output_grad, output, *operands, **static)`: gradient of operand number `index`.

Of a complex z = x + iy the rules take and give dL/dx - i dL/dy, the conjugate of what users see.
Then dL is the real part of grad * dz, so wherever there is a complex derivative the rule is the one
of real numbers: output_grad times the derivative, with no conjugate.
"""

Lowering = Callable[..., Any]
"""`lower(emit, *numbers, **static)`: one number of the result, by the operations of `emit`."""

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by name; the tests run over it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """Operands and static arguments on which the tests try a primitive.

    Attributes:
        operands: NumPy arrays; floating ones are float64 and are tried in float32 too.
        static: static arguments.
        smooth: whether a finite difference at these numbers is meaningful.
    """

    operands: tuple[np.ndarray, ...]
    static: dict[str, Any] = dataclasses.field(default_factory=dict)
    smooth: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class BadSample:
    """Operand types that a primitive must refuse, and the exact message."""

    operands: tuple[TensorType, ...]
    message: str
    static: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Primitive:
    """An operation of the closed set that every program is made of.

    Attributes:
        name: its name in graphs and messages.
        infer: the shape rule: operand types and static arguments to result type.
        evaluate: the meaning, in NumPy.
        gradient: the gradient rule, or `None` where the derivative is zero or does not exist.
        samples: operands on which the tests try it.
        bad_samples: operands that it must refuse.
        lower: how one number of the result is computed natively, for elementwise operations.
        is_elementwise: whether each number of the result depends on one number per operand.
        is_pure: whether equal operands give equal results, so that two such nodes may be one.
    """

    name: str
    infer: Callable[..., Any]
    evaluate: Callable[..., Any]
    gradient: GradientRule | None
    samples: Callable[[], Iterable[Sample]]
    bad_samples: Sequence[BadSample] = ()
    lower: Lowering | None = None
    is_elementwise: bool = False
    is_pure: bool = True

    def __post_init__(self) -> None:
        if self.name in REGISTRY:
            raise ValueError(f"two primitives are called {self.name!r}")
        REGISTRY[self.name] = self

    def __call__(self, *operands: Tensor, **static: Any) -> Tensor:
        """Apply the primitive to tensors."""
        return type(operands[0])._apply(self, operands, static)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


KINDS = {
    "any": frozenset({"bool", "signed", "unsigned", "floating", "complex"}),
    "number": frozenset({"signed", "unsigned", "floating", "complex"}),
    "real": frozenset({"signed", "unsigned", "floating"}),
    "ordered": frozenset({"bool", "signed", "unsigned", "floating"}),
    "floating": frozenset({"floating", "complex"}),
    "real floating": frozenset({"floating"}),
    "complex": frozenset({"complex"}),
    "integer": frozenset({"signed", "unsigned"}),
    "integer or bool": frozenset({"bool", "signed", "unsigned"}),
}
"""Sets of data types that an operation takes, by the name that messages use."""


def check_kind(name: str, role: str, operand: TensorType, accepts: str) -> None:
    """Raise DTypeError unless `operand` has one of the data types that `accepts` names."""
    if operand.dtype.kind not in KINDS[accepts]:
        raise DTypeError(
            f"{name}: {role} is {operand}, but this operation takes {accepts} data types. "
            f"Convert it with .astype(...)."
        )


def check_same_dtype(name: str, roles: Sequence[str], operands: Sequence[TensorType]) -> None:
    """Raise DTypeError unless all operands have one data type."""
    if any(operand.dtype is not operands[0].dtype for operand in operands[1:]):
        pairs = zip(roles, operands, strict=False)
        listed = ", ".join(f"{role} is {operand}" for role, operand in pairs)
        raise DTypeError(f"{name}: data types differ: {listed}. Convert with .astype(...).")


def check_axis(name: str, axis: int, operand: TensorType) -> None:
    """Raise ShapeError unless `axis` is one of the operand's axes, counted from 0."""
    if not 0 <= axis < operand.ndim:
        raise ShapeError(
            f"{name}: axis {axis} does not exist: the operand {operand.shape} has "
            f"{operand.ndim} axes."
        )


def broadcast_shapes(name: str, roles: Sequence[str], shapes: Sequence[Shape]) -> Shape:
    """Return the shape to which all `shapes` broadcast by NumPy's rule.

    Raises:
        ShapeError: two sizes differ and neither is 1.
    """
    first = shapes[0]
    if all(shape == first for shape in shapes[1:]):
        return first
    ndim = max(len(shape) for shape in shapes)
    padded = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for axis in range(ndim):
        sizes = {shape[axis] for shape in padded if shape[axis] != 1}
        if len(sizes) > 1:
            listed = ", ".join(
                f"{role} {shape}" for role, shape in zip(roles, shapes, strict=False)
            )
            raise ShapeError(
                f"{name}: {listed} do not broadcast: axis {axis - ndim} has sizes "
                f"{' and '.join(str(shape[axis]) for shape in padded)}."
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def per_operand(*rules: Callable[..., Tensor] | None) -> GradientRule:
    """Make a gradient rule from one function per operand, `None` where there is no gradient.

    Each takes `(output_grad, output, *operands, **static)`.
    """

    def gradient(
        index: int, output_grad: Tensor, output: Tensor, *operands: Tensor, **static: Any
    ) -> Tensor | None:
        rule = rules[index]
        return None if rule is None else rule(output_grad, output, *operands, **static)

    return gradient


def sample_numbers(
    shape: Shape, low: float = -2.0, high: float = 2.0, seed: int = 0, dtype: str = "float64"
) -> np.ndarray:
    """Draw reproducible sample numbers, evenly spread over [low, high) and shuffled."""
    size = int(np.prod(shape))
    generator = np.random.default_rng(seed)
    numbers = low + (high - low) * (np.arange(size) + 0.5) / max(size, 1)
    return generator.permutation(numbers).reshape(shape).astype(dtype)


def constant_like(tensor: Tensor, value: complex) -> Tensor:
    """One number of the data type of `tensor`, which broadcasts against it.

    Unlike `0 * tensor` it depends on no number, so it is right beside infinities and NaN.
    """
    return type(tensor)._constant(np.asarray(value, tensor.dtype.compute), tensor.dtype)
