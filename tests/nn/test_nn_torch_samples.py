"""Every sample input that PyTorch ships for the modules that steepest has, in float64.

Values, gradients of inputs and of parameters, and the state afterwards are compared, in training
and in evaluation mode.
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

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

INFOS = {info.name.removeprefix("nn."): info for info in module_db}
OURS = sorted(name for name in INFOS if hasattr(nn, name))

NOT_YET = {
    "layers that learn their sizes from the first input": (
        "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d "
        "LazyConvTranspose3d"
    ),
    "pooling over random windows": "FractionalMaxPool2d FractionalMaxPool3d",
    "recurrent networks": "GRU GRUCell LSTM LSTMCell RNN RNNCell",
    "attention": (
        "MultiheadAttention Transformer TransformerDecoderLayer TransformerEncoder "
        "TransformerEncoderLayer"
    ),
    "speech": "CTCLoss",
    "a fusion that a compiler makes of Linear and CrossEntropyLoss": "LinearCrossEntropyLoss",
}

LEAST_SAMPLES = 527


@functools.cache
def samples_of(name, training):
    """PyTorch's sample inputs of one module, the same at every run."""
    torch.manual_seed(0)
    info = INFOS[name]
    return info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )


def to_ours(value):
    """A sample's argument for steepest."""
    if not isinstance(value, torch.Tensor):
        return value
    tensor = st.asarray(value.detach().numpy().copy())
    tensor.requires_grad = value.requires_grad
    return tensor


def construct(kind, call, convert):
    """Make a module from a sample's constructor arguments."""
    options = {name: convert(value) for name, value in call.kwargs.items()}
    return kind(*[convert(value) for value in call.args], **options)


def run_sample(name, sample, training):
    """Run one sample in both and compare."""
    theirs = construct(INFOS[name].module_cls, sample.constructor_input, lambda each: each)
    theirs = theirs.double().train(training)
    ours = construct(getattr(nn, name), sample.constructor_input, _as_constant)
    ours = ours.to(st.float64).train(training)
    ours.load_state_dict(theirs.state_dict())
    call = sample.forward_input
    leaves = [_fresh(value) for value in call.args]
    named = {key: _fresh(value) for key, value in call.kwargs.items()}
    mine = [to_ours(value) for value in leaves]
    mine_named = {key: to_ours(value) for key, value in named.items()}
    expected = theirs(*leaves, **named)
    actual = ours(*mine, **mine_named)
    if isinstance(expected, tuple):
        assert_close(actual[1], expected[1], "indices", "int64")
        actual, expected = actual[0], expected[0]
    assert_close(actual, expected, "value")
    for key, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[key], value, f"state {key}")
    if expected.requires_grad:
        weights = numbers(expected.shape, seed=1)
        expected.backward(torch.from_numpy(np.asarray(weights)))
        actual.backward(st.asarray(np.asarray(weights)))
        pairs = list(zip([*mine, *mine_named.values()], [*leaves, *named.values()], strict=True))
        pairs += zip(ours.parameters(), theirs.parameters(), strict=True)
        compare_gradients(pairs)


def compare_gradients(pairs):
    """Compare `.grad` of pairs of tensors; where PyTorch's is NaN any number will do."""
    for left, right in pairs:
        if isinstance(right, torch.Tensor) and right.grad is not None:
            assert isinstance(left, Tensor)
            assert_close(left.grad, right.grad, "gradient")


def _fresh(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


def _as_constant(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OURS)
def test_torch_samples(name):
    count = 0
    for training in (True, False) if INFOS[name].train_and_eval_differ else (True,):
        for sample in samples_of(name, training):
            try:
                run_sample(name, sample, training)
            except Exception as error:
                raise AssertionError(f"{name}, sample {sample.desc!r}: {error}") from error
            count += 1
    assert count >= 2


def test_every_module_is_covered_or_listed_and_enough_samples_run():
    later = {name for names in NOT_YET.values() for name in names.split()}
    assert set(INFOS) == set(OURS) | later
    assert not set(OURS) & later
    assert len(OURS) == 93
    assert sum(len(samples_of(name, True)) for name in OURS) >= LEAST_SAMPLES
