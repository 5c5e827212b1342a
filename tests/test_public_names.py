"""The names that `import steepest as st` offers."""

from __future__ import annotations

import types

import pytest

import steepest as st
import steepest.train

PLUMBING = {"annotations", "importlib", "TYPE_CHECKING", "Any"}
"""What the module itself needs. Submodules that happen to be loaded are no public names either."""


@pytest.mark.parametrize("name", st.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(st, name) is getattr(st, name)
    assert name in dir(st)


def test_every_name_there_is_public() -> None:
    loaded = {
        name
        for name, value in vars(st).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert loaded - PLUMBING <= set(st.__all__)
    assert len(st.__all__) == len(set(st.__all__))


def test_a_star_import_brings_them_all() -> None:
    names: dict[str, object] = {}
    exec("from steepest import *", names)
    assert set(st.__all__) <= set(names)
    assert names["Trainer"] is steepest.train.Trainer


def test_what_training_raises_and_warns_of_can_be_caught() -> None:
    assert st.TrainingFaultError is steepest.train.TrainingFaultError
    assert st.CheckpointWarning is steepest.train.CheckpointWarning


def test_unknown_names() -> None:
    with pytest.raises(AttributeError) as caught:
        st.no_such_name  # noqa: B018
    assert str(caught.value) == "module 'steepest' has no attribute 'no_such_name'"
