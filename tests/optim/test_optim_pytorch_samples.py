"""The sample inputs that PyTorch's own package ships for its optimizer tests."""

from __future__ import annotations

from typing import Any

import optim_oracle as oracle
import pytest
import torch
from torch.testing._internal.common_optimizers import optim_db

from steepest import asarray, nn, optim

NOT_HERE = {
    "Adafactor": "not among the optimizers of this project",
    "ASGD": "not among the optimizers of this project",
    "LBFGS": "not among the optimizers of this project",
    "Muon": "comes later",
    "Rprop": "not among the optimizers of this project",
    "SparseAdam": "there are no sparse gradients",
}

SKIPPED_ERRORS = {
    "lr as Tensor doesn't work with foreach & not capturable": "there is no foreach",
    "betas must be either both floats or both Tensors": "any mixture is read as numbers",
    r"betas\[0\] as a Tensor is not supported for capturable=False and foreach=True": (
        "there is no foreach"
    ),
}

SAMPLES = [
    (info.optim_cls.__name__, sample.kwargs)
    for info in optim_db
    for sample in info.optim_inputs_func("cpu")
    if info.optim_cls.__name__ not in NOT_HERE
]

BAD_SAMPLES = [
    (info.optim_cls.__name__, bad.optimizer_error_input)
    for info in optim_db
    for bad in info.optim_error_inputs_func("cpu", torch.float64)
    if info.optim_cls.__name__ not in NOT_HERE
    and bad.optimizer_error_input.desc not in SKIPPED_ERRORS
]


def test_samples_are_all_there() -> None:
    assert len(SAMPLES) == 58
    assert len(BAD_SAMPLES) == 67
    names = {info.optim_cls.__name__ for info in optim_db}
    missing = {name for name in names if not hasattr(optim, name)}
    assert missing == set(NOT_HERE)


@pytest.mark.parametrize(("name", "options"), SAMPLES)
def test_sample_equals_pytorch(name: str, options: dict[str, Any]) -> None:
    mine, theirs = oracle.both(name, options)
    oracle.run_steepest(mine)
    oracle.run_torch(theirs)
    oracle.assert_same_parameters(mine, theirs, rtol=1e-12, atol=1e-13)


def _converted(value: Any, known: dict[int, Any]) -> Any:
    """Replace PyTorch's tensors in a sample by tensors of steepest."""
    if isinstance(value, torch.nn.Parameter):
        if id(value) not in known:
            known[id(value)] = nn.Parameter(asarray(value.detach().numpy()))
        return known[id(value)]
    if isinstance(value, torch.Tensor):
        return asarray(value.numpy())
    if isinstance(value, dict):
        return {key: _converted(each, known) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_converted(each, known) for each in value)
    return value


@pytest.mark.parametrize(
    ("name", "sample"), BAD_SAMPLES, ids=[f"{name}-{bad.desc}" for name, bad in BAD_SAMPLES]
)
def test_bad_sample_is_refused(name: str, sample: Any) -> None:
    known: dict[int, Any] = {}
    params = sample.params
    params = oracle.steepest_parameters() if params is None else _converted(params, known)
    options = _converted(sample.kwargs, known)
    with pytest.raises(ValueError, match=f"^{name}"):
        getattr(optim, name)(params, **options)
