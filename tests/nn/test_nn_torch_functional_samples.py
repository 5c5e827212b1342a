"""Every sample input that PyTorch ships for the functions of `nn.functional`, in float64.

Values are compared, and the gradients of all tensors that ask for one.
"""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
import torch
from against_torch import assert_close, numbers

import steepest as st
from steepest import Tensor, nn
from steepest.errors import ShapeError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

F = nn.functional
RANDOM = {"dropout", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
UNPREFIXED = ("sigmoid", "tanh", "softmax", "log_softmax")
OURS_ALONE = {"hinge_loss", "maxout"}
IN_ARRAY_TESTS = {"max_pool1d", "max_pool2d", "max_pool3d"}
"""PyTorch ships thousands of samples for these; `tests/array` runs them, once is enough."""

NO_SAMPLES = {"dropout1d", "fold", "lp_pool1d", "lp_pool2d", "lp_pool3d"}
COMPLEX = {("silu", "complex"): "complex numbers are not for neural networks here"}
REFUSED = {
    "gaussian_nll_loss": 216,  # an input and a target that would be broadcast
    "batch_norm": 2,  # an empty vector as a batch
}
ROUNDED_IN_TORCH = {"hardsigmoid": "PyTorch's gradient multiplies by 1/6 rounded to float32"}


def _name(op):
    return op.name.removeprefix("nn.functional.")


OPS = {
    (_name(op), op.variant_test_name): op
    for op in op_db
    if (op.name.startswith("nn.functional.") or op.name in UNPREFIXED)
    and hasattr(F, _name(op))
    and (_name(op), op.variant_test_name) not in COMPLEX
    and _name(op) not in IN_ARRAY_TESTS
}


@functools.cache
def samples_of(key):
    """PyTorch's sample inputs of one function, the same at every run."""
    torch.manual_seed(0)
    if key[0] == "one_hot":
        return list(OPS[key].sample_inputs("cpu", torch.int64))
    return list(OPS[key].sample_inputs("cpu", torch.float64, requires_grad=True))


def ours_of(name):
    """Our function, with its operands in the order in which PyTorch's samples give them."""
    if name == "embedding":
        return lambda weight, indices, **options: F.embedding(indices, weight, **options)
    return getattr(F, name)


def convert(value):
    """A sample's operand for steepest."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if not isinstance(value, torch.Tensor):
        return value
    tensor = st.asarray(value.detach().resolve_conj().numpy().copy())
    tensor.requires_grad = value.requires_grad
    return tensor


def fresh(value):
    """A copy without a gradient of earlier samples."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


def is_refused(name, error, values):
    """Whether PyTorch takes shapes that we refuse on purpose.

    They are operands of a loss that would be broadcast, and an empty vector as a batch.
    """
    shapes = {tuple(each.shape) for each in values if isinstance(each, torch.Tensor)}
    if name == "batch_norm":
        return shapes == {(0,)}
    return "must have the same shape" in str(error) and len(shapes) > 1


def run_sample(name, op, sample):
    """Run one sample in both and compare; tell whether its shapes were refused."""
    theirs = [fresh(each) for each in (sample.input, *sample.args)]
    named = {key: fresh(each) for key, each in sample.kwargs.items()}
    mine = [convert(each) for each in theirs]
    options = {key: convert(each) for key, each in named.items()}
    try:
        actual = ours_of(name)(*mine, **options)
    except ShapeError as error:
        if is_refused(name, error, theirs):
            return True
        raise
    expected = op(*theirs, **named)
    if name in RANDOM and options.get("training", "alpha" not in name):
        assert actual.shape == tuple(expected.shape)
        return False
    if isinstance(expected, tuple):
        assert_close(actual[1], expected[1], "indices", "int64")
        actual, expected = actual[0], expected[0]
    accuracy = "float32" if name in ROUNDED_IN_TORCH else "float64"
    if expected.dtype != torch.float64:
        accuracy = "float32"
    assert_close(actual, expected, "value", accuracy)
    if expected.requires_grad:
        weights = numbers(expected.shape, seed=1, dtype=str(expected.dtype).removeprefix("torch."))
        expected.backward(torch.from_numpy(np.asarray(weights)))
        actual.backward(st.asarray(np.asarray(weights)))
    pairs = [*zip(mine, theirs, strict=True)]
    pairs += zip(options.values(), named.values(), strict=True)
    for left, right in pairs:
        if isinstance(right, torch.Tensor):
            compare(left, right, accuracy)
    return False


def compare(left, right, accuracy):
    """The gradient of an operand, and what became of it (running statistics change)."""
    assert isinstance(left, Tensor)
    if not right.requires_grad:
        assert_close(left, right, "operand", accuracy)
    elif right.grad is not None:
        if left.grad is None:
            assert not right.grad.any()
        else:
            assert_close(left.grad, right.grad, "gradient", accuracy)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("key", OPS, ids=["-".join(filter(None, key)) for key in OPS])
def test_torch_samples(key):
    op, samples = OPS[key], samples_of(key)
    refused = 0
    for position, sample in enumerate(samples):
        try:
            refused += run_sample(key[0], op, sample)
        except Exception as error:
            raise AssertionError(f"{key[0]}, sample {position} {sample}: {error}") from error
    assert refused == REFUSED.get(key[0], 0)


def test_every_function_has_samples():
    covered = {name for name, _ in OPS}
    assert set(F.__all__) - covered == OURS_ALONE | NO_SAMPLES | IN_ARRAY_TESTS
    total = sum(len(samples_of(key)) for key in OPS)
    assert total >= 1658
