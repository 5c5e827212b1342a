"""Runs a steepest module and PyTorch's of the same name on the same numbers, and compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

import steepest as st
from steepest import Tensor, nn

TOLERANCE = {"float64": (1e-9, 1e-11), "float32": (2e-4, 2e-5), "int64": (0.0, 0.0)}


def numbers(shape: Sequence[int], seed: int = 0, dtype: str = "float64", scale: float = 2.0) -> Any:
    """Reproducible normal numbers."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


def assert_close(actual: Any, expected: Any, what: str, dtype: str = "float64") -> None:
    """Compare numbers, NaN equal to NaN, with the tolerance of a data type."""
    if isinstance(expected, torch.Tensor):
        expected = expected.detach().numpy()
    relative, absolute = TOLERANCE[dtype]
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, f"{what}: {actual.shape} against {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype} against {expected.dtype}"
    np.testing.assert_allclose(actual, expected, rtol=relative, atol=absolute, err_msg=what)


def to_steepest(value: Any) -> Any:
    """An argument for steepest: arrays become tensors, floating ones with gradients."""
    if not isinstance(value, np.ndarray):
        return value
    tensor = st.asarray(value.copy())
    tensor.requires_grad = value.dtype.kind == "f"
    return tensor


def to_torch(value: Any) -> Any:
    """An argument for PyTorch: arrays become tensors, floating ones with gradients."""
    if not isinstance(value, np.ndarray):
        return value
    tensor = torch.from_numpy(value.copy())
    return tensor.requires_grad_() if value.dtype.kind == "f" else tensor


def check_function(
    ours: Callable[..., Tensor],
    theirs: Callable[..., torch.Tensor],
    inputs: Sequence[Any],
    *,
    dtype: str = "float64",
    accuracy: str = "",
    compiled: bool = True,
    parameters: Sequence[tuple[str, Tensor, torch.Tensor]] = (),
) -> None:
    """Compare values, and gradients with respect to inputs and parameters.

    Args:
        inputs: arguments; NumPy arrays become tensors.
        dtype: the data type of the weights of the output in the backward pass.
        accuracy: the data type whose tolerance is used; `dtype` if empty.
        compiled: whether to compare the compiled function with the eager one too.
        parameters: names and pairs of tensors whose gradients are compared.
    """
    accuracy = accuracy or dtype
    mine = [to_steepest(each) for each in inputs]
    other = [to_torch(each) for each in inputs]
    output = ours(*mine)
    expected = theirs(*other)
    assert_close(output, expected, "value", accuracy)
    if expected.requires_grad:
        weights = numbers(expected.shape, seed=99, dtype=dtype)
        output.backward(st.asarray(weights))
        expected.backward(torch.from_numpy(np.asarray(weights)))
        for position, (left, right) in enumerate(zip(mine, other, strict=True)):
            if isinstance(right, torch.Tensor) and right.grad is not None:
                assert left.grad is not None, f"input {position} has no gradient"
                assert_close(left.grad, right.grad, f"gradient of input {position}", accuracy)
        for name, left, right in parameters:
            if right.grad is not None:
                assert left.grad is not None, f"{name} has no gradient"
                assert_close(left.grad, right.grad, f"gradient of {name}", accuracy)
    if compiled:
        check_compiled(ours, [to_steepest(each) for each in inputs], output)


def check_compiled(ours: Callable[..., Tensor], inputs: Sequence[Any], output: Tensor) -> None:
    """The compiled function gives what the eager one gave, to rounding."""
    again = st.compile(lambda *arguments: ours(*arguments))(*inputs)
    relative = 1e-12 if np.asarray(output).dtype == np.float64 else 1e-5
    np.testing.assert_allclose(
        np.asarray(again), np.asarray(output), rtol=relative, atol=relative, err_msg="compiled"
    )


def check_module(
    ours: nn.Module,
    theirs: torch.nn.Module,
    inputs: Sequence[Any],
    *,
    dtype: str = "float64",
    accuracy: str = "",
    compiled: bool = True,
) -> None:
    """Copy PyTorch's state into ours, then compare values and all gradients."""
    state = {name: value.detach().clone() for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    known = dict(ours.named_parameters())
    pairs = [(name, known.pop(name), value) for name, value in theirs.named_parameters()]
    assert not known, f"parameters that PyTorch does not have: {list(known)}"
    check_function(
        ours, theirs, inputs, dtype=dtype, accuracy=accuracy, compiled=False, parameters=pairs
    )
    final = {name: np.asarray(value) for name, value in ours.state_dict().items()}
    for name, value in theirs.state_dict().items():
        assert_close(final[name], value, f"state {name} after the call", dtype)
    if compiled:
        ours.load_state_dict(state)
        output = ours(*[to_steepest(each) for each in inputs])
        ours.load_state_dict(state)
        check_compiled(ours, [to_steepest(each) for each in inputs], output)
        for name, value in ours.state_dict().items():
            assert_close(value, final[name], f"state {name} after the compiled call", dtype)


def torch_dtype(name: str) -> torch.dtype:
    """PyTorch's data type of that name."""
    return getattr(torch, name)
