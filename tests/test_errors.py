"""Error classes, "did you mean", optional packages."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from steepest import errors
from steepest.errors import (
    MissingExtraError,
    RetraceWarning,
    SteepestError,
    did_you_mean,
    require,
)

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if each.__module__ == errors.__name__ and issubclass(each, Exception)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_steepests_and_a_built_in_one(kind: type[Exception]) -> None:
    """A Python programmer can catch the error that they would expect."""
    if kind is RetraceWarning:
        assert issubclass(kind, UserWarning)
        return
    assert issubclass(kind, SteepestError)
    if kind is not SteepestError:
        builtin = [each for each in kind.__mro__ if each.__module__ == "builtins"]
        assert builtin[0] not in (Exception, BaseException, object)
    assert str(kind("words")) == "words"
    assert kind.__doc__


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("ada", " Did you mean 'adam'?"),
        ("adam", " Did you mean 'adam'?"),
        ("sgd ", " Did you mean 'sgd'?"),
        ("lion", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name: str, suggestion: str) -> None:
    assert did_you_mean(name, ["adam", "sgd", "rmsprop"]) == suggestion


def test_did_you_mean_takes_what_is_no_text() -> None:
    assert did_you_mean("11", [10, 110, 7]) == " Did you mean '110'?"
    assert did_you_mean("x", []) == ""


def test_require() -> None:
    assert require("json", extra="cli") is sys.modules["json"]
    assert require("os.path", extra="cli").join is not None


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_require_names_the_extra(module: str) -> None:
    with pytest.raises(MissingExtraError) as caught:
        require(module, extra="tables")
    assert str(caught.value) == (
        "this needs the package 'no_such_package', which is not installed. Install it with: "
        "pip install 'steepest[tables]'"
    )
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_require_does_not_hide_faults_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_package.py").write_text("import another_missing_package\n")
    (tmp_path / "broken_package.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_missing_package") as caught:
        require("faulty_package", extra="cli")
    assert not isinstance(caught.value, MissingExtraError)
    with pytest.raises(ZeroDivisionError):
        require("broken_package", extra="cli")
