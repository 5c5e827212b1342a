"""Runs the same problem with an optimizer of steepest and one of PyTorch.

The gradient is a formula of the parameters and the step, computed by NumPy for both, so that only
the optimizers differ; each side feeds on its own parameters, so an error would build up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import steepest as st
from steepest import nn, optim

SHAPES = ((3, 4), (4,), (2, 1, 3))
STEPS = 50


def starting_points(dtype: str = "float64") -> list[np.ndarray]:
    """The parameters at the start; none is near 0, where L1's subgradient jumps."""
    generator = np.random.default_rng(7)
    return [generator.normal(1.0, 0.5, shape).astype(dtype) for shape in SHAPES]


def gradient(parameter: np.ndarray, position: int, step: int) -> np.ndarray:
    """A noisy gradient of a quadratic bowl with different curvatures along each weight."""
    generator = np.random.default_rng(1000 * position + step)
    curvature = np.linspace(0.2, 2.0, parameter.size).reshape(parameter.shape)
    noise = generator.normal(0.0, 0.3, parameter.shape)
    return (curvature * (parameter + 0.5) + noise).astype(parameter.dtype)


def run_steepest(optimizer: optim.Optimizer, steps: int = STEPS, first: int = 0) -> None:
    """Take steps with an optimizer of steepest."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    for step in range(first, first + steps):
        for position, parameter in enumerate(parameters):
            parameter.grad = st.asarray(gradient(parameter.numpy(), position, step))
        optimizer.step()


@contextmanager
def scalars_in_float64() -> Iterator[None]:
    """Let PyTorch keep 0-d state such as NAdam's mu_product in float64, as steepest does.

    Otherwise it rounds them to float32 even for float64 parameters.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def run_torch(optimizer: torch.optim.Optimizer, steps: int = STEPS, first: int = 0) -> None:
    """Take the same steps with an optimizer of PyTorch."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    with scalars_in_float64():
        for step in range(first, first + steps):
            for position, parameter in enumerate(parameters):
                numbers = gradient(parameter.detach().numpy(), position, step)
                parameter.grad = torch.from_numpy(np.asarray(numbers))
            optimizer.step()


def steepest_parameters(dtype: str = "float64") -> list[nn.Parameter]:
    """Parameters of steepest at the starting points."""
    return [nn.Parameter(st.asarray(numbers.copy())) for numbers in starting_points(dtype)]


def torch_parameters(dtype: str = "float64") -> list[torch.nn.Parameter]:
    """Parameters of PyTorch at the starting points."""
    return [torch.nn.Parameter(torch.from_numpy(each.copy())) for each in starting_points(dtype)]


def both(name: str, options: dict[str, Any], dtype: str = "float64") -> tuple[Any, Any]:
    """Build the optimizer of that name in steepest and in PyTorch."""
    torch_options = {
        key: float(value) if isinstance(value, torch.Tensor) else value
        for key, value in options.items()
    }
    mine = getattr(optim, name)(steepest_parameters(dtype), **torch_options)
    theirs = getattr(torch.optim, name)(torch_parameters(dtype), **options, foreach=False)
    return mine, theirs


def assert_same_parameters(mine: Any, theirs: Any, rtol: float, atol: float) -> None:
    """Compare the parameters of two optimizers."""
    ours = [each for group in mine.param_groups for each in group["params"]]
    others = [each for group in theirs.param_groups for each in group["params"]]
    assert len(ours) == len(others)
    for left, right in zip(ours, others, strict=True):
        np.testing.assert_allclose(left.numpy(), right.detach().numpy(), rtol=rtol, atol=atol)


def numbers_of(optimizer: optim.Optimizer) -> dict[str, np.ndarray]:
    """Every number an optimizer holds: parameters and state, copied."""
    found = {}
    position = 0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            found[f"{position}"] = parameter.numpy().copy()
            for name, value in optimizer.state.get(parameter, {}).items():
                found[f"{position}.{name}"] = value.numpy().copy()
            position += 1
    return found


def assert_bitwise_equal(left: optim.Optimizer, right: optim.Optimizer) -> None:
    """Compare parameters and state of two optimizers of steepest, bit by bit."""
    ours = numbers_of(left)
    others = numbers_of(right)
    assert ours.keys() == others.keys()
    for name, numbers in ours.items():
        assert numbers.dtype == others[name].dtype
        assert numbers.tobytes() == others[name].tobytes(), name
