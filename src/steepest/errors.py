"""The errors that steepest raises, and how they help the reader.

Every class also derives from the built-in error that a Python programmer would catch
(`ValueError`, `TypeError`, ...). Messages begin with the operation, name each operand's
role and full shape, and end with the fix.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class SteepestError(Exception):
    """Base of every error that steepest raises on purpose."""


class ShapeError(SteepestError, ValueError):
    """Operands whose shapes do not fit together."""


class AxisError(ShapeError, IndexError):
    """An axis that a tensor does not have."""


class DTypeError(SteepestError, TypeError):
    """An operand of a data type that the operation does not take."""


class ArgumentError(SteepestError, ValueError):
    """An argument outside its allowed values."""


class TraceError(SteepestError, RuntimeError):
    """Python asked a traced tensor for numbers that exist only when the program runs."""


class GradientError(SteepestError, RuntimeError):
    """A derivative that does not exist or can no longer be taken."""


class GraphError(SteepestError, ValueError):
    """A graph that breaks the rules of its own grammar: a defect in a pass or in its text."""


class DataError(SteepestError, ValueError):
    """Data that cannot be used for training or prediction as it stands."""


class CheckpointError(SteepestError, ValueError):
    """A file or state dictionary that does not fit, or is damaged."""


class NonFiniteError(SteepestError, ArithmeticError):
    """A NaN or infinity that appeared where only finite numbers make sense."""


class MissingExtraError(SteepestError, ImportError):
    """An optional dependency that is not installed."""


class RetraceWarning(UserWarning):
    """A compiled function that is traced again and again, which is slow."""


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the nearest candidate, or an empty string."""
    nearest = difflib.get_close_matches(str(name), [str(each) for each in candidates], n=1)
    return f" Did you mean {nearest[0]!r}?" if nearest else ""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra of steepest brings it.

    Args:
        module: the module's import name, such as `"polars"`.
        extra: the extra of the steepest package that installs it, such as `"tables"`.

    Raises:
        MissingExtraError: the module is not installed; the message holds the pip command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package {module.split('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'steepest[{extra}]'"
        ) from error
