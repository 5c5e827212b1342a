"""The numbers and switches that steer an optimizer: which values each may take, and how it is kept.

A *scheduled* hyperparameter (learning rate, betas, momentum, weight decay, L1) is kept as a 0-d
float64 tensor, so that a compiled step sees a new value without being traced again. Every other
one is a plain Python value that becomes part of the traced program.

Weight decay, L1 and momentum are *optional terms*: at exactly zero they are kept as the plain
number 0.0, and the step leaves the term out altogether. Setting one to another number brings it in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, SupportsFloat

import numpy as np

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, did_you_mean
from steepest.graph.dtypes import float64
from steepest.trace.state import state


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """What one hyperparameter may be.

    Attributes:
        name: PyTorch's name for it.
        requirement: the rule in words, as it ends the sentence "lr must be ...".
        allows: the rule, for one number.
        kind: `"number"`, `"pair"` (of numbers) or `"switch"` (True or False).
        scheduled: kept as 0-d float64 tensors.
        optional_term: left out of the step at exactly zero.
        reason: why the rule exists, where that is not plain.
    """

    name: str
    requirement: str
    allows: Callable[[float], bool] = math.isfinite
    kind: str = "number"
    scheduled: bool = False
    optional_term: bool = False
    reason: str = ""

    def check(self, value: Any, owner: str) -> Any:
        """Return the value as plain Python: a float, a pair of floats, or a bool.

        Args:
            value: a number, a 0-d array or tensor, a pair of those, or a switch.
            owner: what the message begins with, such as `"Adam"`.

        Raises:
            ArgumentError: not such a value, or outside its range.
        """
        if self.kind == "switch":
            if not isinstance(value, bool | np.bool_):
                raise self._refusal(owner, self.name, repr(value))
            return bool(value)
        if self.kind == "number":
            return self._number(value, owner, self.name)
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise ArgumentError(
                f"{owner}: {self.name} must be two numbers, each {self.requirement}, "
                f"but is {value!r}."
            )
        first, second = value
        return (
            self._number(first, owner, f"{self.name}[0]"),
            self._number(second, owner, f"{self.name}[1]"),
        )

    def _number(self, value: Any, owner: str, label: str) -> float:
        if getattr(value, "shape", ()) != () and getattr(value, "size", 1) != 1:
            raise ArgumentError(
                f"{owner}: {label} must be one number, "
                f"but is an array of shape {tuple(value.shape)}."
            )
        if hasattr(value, "reshape"):
            value = value.reshape(()).item()
        # A float is asked for by itself: the protocol takes ten times as long to ask for.
        if isinstance(value, bool | str | bytes) or not isinstance(value, float | SupportsFloat):
            raise self._refusal(owner, label, f"{value!r} ({type(value).__name__})")
        number = float(value)
        if not math.isfinite(number) or not self.allows(number):
            raise self._refusal(owner, label, f"{value}")
        return number

    def _refusal(self, owner: str, label: str, shown: str) -> ArgumentError:
        reason = f": {self.reason}" if self.reason else ""
        requirement = "True or False" if self.kind == "switch" else self.requirement
        return ArgumentError(f"{owner}: {label} must be {requirement}, but is {shown}{reason}.")

    def keep(self, value: Any) -> Any:
        """Return a checked value in the form in which a parameter group keeps it."""
        if not self.scheduled or (self.optional_term and value == 0.0):
            return value
        if self.kind == "pair":
            return tuple(_zero_dimensional(number) for number in value)
        return _zero_dimensional(value)


def _zero_dimensional(number: float) -> Tensor:
    with outside_trace():
        return st.asarray(np.array(number, dtype=np.float64), dtype=float64)


@contextmanager
def outside_trace() -> Iterator[None]:
    """Make tensors that hold numbers, even while a compiled function is being traced.

    State that is created while a step is traced (a parameter was unfrozen just before) must outlive
    the trace; the program then takes it in like any other tensor from outside.
    """
    running = state.trace
    state.trace = None
    try:
        yield
    finally:
        state.trace = running


def is_left_out(value: Any) -> bool:
    """Whether an optional term is switched off: a plain zero, not a tensor that holds one."""
    return not isinstance(value, Tensor) and value == 0.0


def plain(value: Any) -> Any:
    """Return a kept value as plain Python numbers, as checkpoints hold them."""
    if isinstance(value, Tensor):
        return float(value)
    if isinstance(value, tuple):
        return tuple(plain(number) for number in value)
    return value


def _at_least_zero(number: float) -> bool:
    return number >= 0.0


def _above_zero(number: float) -> bool:
    return number > 0.0


def _from_zero_to_one(number: float) -> bool:
    return 0.0 <= number <= 1.0


def _from_zero_below_one(number: float) -> bool:
    return 0.0 <= number < 1.0


_AT_LEAST_ZERO = "a finite number that is at least 0"
_FRACTION = "a number from 0 to 1"

_ALL = (
    Hyperparameter("lr", _AT_LEAST_ZERO, _at_least_zero, scheduled=True),
    Hyperparameter(
        "betas",
        "at least 0 and below 1",
        _from_zero_below_one,
        kind="pair",
        scheduled=True,
    ),
    Hyperparameter("momentum", _FRACTION, _from_zero_to_one, scheduled=True, optional_term=True),
    Hyperparameter(
        "weight_decay", _AT_LEAST_ZERO, _at_least_zero, scheduled=True, optional_term=True
    ),
    Hyperparameter("l1", _AT_LEAST_ZERO, _at_least_zero, scheduled=True, optional_term=True),
    Hyperparameter(
        "eps",
        "a finite number above 0",
        _above_zero,
        reason="it keeps the step from dividing 0 by 0 where a gradient is 0",
    ),
    Hyperparameter("alpha", _FRACTION, _from_zero_to_one),
    Hyperparameter("rho", _FRACTION, _from_zero_to_one),
    Hyperparameter("dampening", "a finite number"),
    Hyperparameter("lr_decay", _AT_LEAST_ZERO, _at_least_zero),
    Hyperparameter("momentum_decay", _AT_LEAST_ZERO, _at_least_zero),
    Hyperparameter("initial_accumulator_value", _AT_LEAST_ZERO, _at_least_zero),
    Hyperparameter("nesterov", "", kind="switch"),
    Hyperparameter("amsgrad", "", kind="switch"),
    Hyperparameter("centered", "", kind="switch"),
    Hyperparameter("maximize", "", kind="switch"),
    Hyperparameter("decoupled_weight_decay", "", kind="switch"),
)

HYPERPARAMETERS = {each.name: each for each in _ALL}
"""Every hyperparameter of the optimizers here, by name."""

STARTING_LEARNING_RATE = Hyperparameter("lr", "a finite number above 0", _above_zero)
"""The stricter rule for a learning rate given by hand: only a schedule may bring it down to 0."""


def check_all(
    options: Mapping[str, Any], owner: str, *, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Check the hyperparameters of an optimizer or of a parameter group.

    Args:
        options: values by name.
        owner: what messages begin with.
        known: names this optimizer has; default: every name there is.

    Returns:
        The values as plain Python, by name.

    Raises:
        ArgumentError: an unknown name, or a value outside its range.
    """
    names = HYPERPARAMETERS if known is None else known
    checked = {}
    for name, value in options.items():
        if name not in names or name not in HYPERPARAMETERS:
            raise ArgumentError(
                f"{owner}: {name!r} is not an option.{did_you_mean(name, names)} "
                f"The options are {', '.join(names)}."
            )
        rule = STARTING_LEARNING_RATE if name == "lr" else HYPERPARAMETERS[name]
        checked[name] = rule.check(value, owner)
    return checked
