"""What layers and losses say when they are given the wrong thing, word for word."""

from __future__ import annotations

import re

import numpy as np
import pytest

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError, DTypeError, ShapeError, SteepestError

F = nn.functional


class Net(nn.Module):
    """A network whose layers have names."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


def floats(*shape):
    return st.ones(shape)


def whole(*numbers):
    return st.asarray(np.array(numbers))


def message_of(kind, call):
    """The message of the error, without the line of this file that most end with."""
    with pytest.raises(SteepestError) as error:
        call()
    assert type(error.value) is kind
    place = r" At test_nn_messages\.py:\d+( in [A-Za-z0-9]+( '[a-z0-9.]+')?)?\.$"
    return re.sub(place, "", str(error.value))


LAYERS = [
    (
        ShapeError,
        lambda: Net(head=nn.Linear(512, 10))(floats(32, 784)),
        "Linear 'head': input (32, 784) has 784 features, but this layer takes 512 "
        "(weight (10, 512)). Did you mean Linear(784, 10)?",
    ),
    (
        ShapeError,
        lambda: nn.Linear(784, 10)(floats(32, 28, 28)),
        "Linear: input (32, 28, 28) has 28 features, but this layer takes 784 "
        "(weight (10, 784)). Flatten the last 2 axes first, with nn.Flatten(1).",
    ),
    (
        ShapeError,
        lambda: nn.Linear(3, 1)(st.asarray(1.0)),
        "Linear: needs an input (..., in_features) and a weight (out_features, in_features), "
        "got input () and weight (1, 3).",
    ),
    (
        DTypeError,
        lambda: Net(head=nn.Linear(3, 1))(st.ones((2, 3), dtype=st.float64)),
        "Linear 'head': input (2, 3) is float64, but the weight (1, 3) is float32. "
        "Convert the input with .astype(steepest.float32).",
    ),
    (
        DTypeError,
        lambda: nn.Linear(3, 1)(whole(1, 2, 3)),
        "Linear: input (3,) is int64, but the weight (1, 3) is float32. "
        "Convert the input with .astype(steepest.float32).",
    ),
    (
        ArgumentError,
        lambda: nn.Linear(0.5, 3),
        "Linear: in_features must be a whole number of at least 0, got 0.5.",
    ),
    (
        ShapeError,
        lambda: nn.Bilinear(2, 3, 4)(floats(5, 2), floats(5, 2)),
        "Bilinear: input1 (5, 2) and input2 (5, 2) must end with the (2, 3) features of "
        "weight (4, 2, 3).",
    ),
    (
        ShapeError,
        lambda: nn.Bilinear(2, 3, 4)(floats(5, 2), floats(6, 3)),
        "Bilinear: input1 (5, 2) and input2 (6, 3) must agree in all axes but the last.",
    ),
    (
        ShapeError,
        lambda: Net(gate=nn.Maxout(4, 3, 2))(floats(5, 6)),
        "Maxout 'gate': input (5, 6) has 6 features, but this layer takes 4 (weight (6, 4)). "
        "Did you mean Maxout(6, 3, 2)?",
    ),
    (
        DTypeError,
        lambda: Net(words=nn.Embedding(9, 4))(floats(3)),
        "Embedding 'words': indices (3,) must hold integers, but is float32. "
        "Convert with .astype(steepest.int64).",
    ),
    (
        ArgumentError,
        lambda: Net(words=nn.Embedding(9, 4))(whole(1, 9, 12)),
        "Embedding 'words': index 9 at position (1,) of indices (3,) is outside 0..8, the rows "
        "of weight. Did you mean num_embeddings=13?",
    ),
    (
        ArgumentError,
        lambda: nn.Embedding(9, 4)(whole(1, -1)),
        "Embedding: index -1 at position (1,) of indices (2,) is outside 0..8, the rows of weight.",
    ),
    (
        ArgumentError,
        lambda: nn.Embedding(9, 4, padding_idx=9),
        "Embedding: padding_idx 9 is outside the table of 9 rows.",
    ),
    (
        ArgumentError,
        lambda: nn.Embedding(9, 4, max_norm=1.0),
        "Embedding: max_norm is not supported, because a lookup would change the weight. "
        "After optimizer.step() use weight.assign(...) to shorten its rows.",
    ),
    (
        ShapeError,
        lambda: nn.Flatten(2, 1)(floats(2, 3, 4)),
        "Flatten: input (2, 3, 4) has no axes from start_dim 2 to end_dim 1.",
    ),
    (
        ShapeError,
        lambda: nn.Flatten(3)(floats(2, 3)),
        "Flatten: axis 3 is outside -2..1 for an input with 2 axes.",
    ),
    (
        ShapeError,
        lambda: nn.Unflatten(1, (4, -1))(floats(2, 6)),
        "Unflatten: axis 1 of input (2, 6) has 6 numbers, which cannot be split into (4, -1).",
    ),
    (
        ArgumentError,
        lambda: nn.Unflatten(1, (-1, -1)),
        "Unflatten: at most one of the sizes may be -1, got (-1, -1).",
    ),
    (ArgumentError, lambda: nn.Dropout(1.5), "Dropout: p must be from 0 to 1, got 1.5."),
    (
        DTypeError,
        lambda: Net(drop=nn.Dropout())(whole(1, 2)),
        "Dropout 'drop': input (2,) is int64, but must be floating point. "
        "Convert it with .astype(steepest.float32).",
    ),
    (
        ShapeError,
        lambda: Net(norm=nn.BatchNorm1d(4))(floats(2, 3)),
        "BatchNorm1d 'norm': input (2, 3) has 3 features (axis 1), but this layer takes 4. "
        "Did you mean BatchNorm1d(3)?",
    ),
    (
        ShapeError,
        lambda: nn.BatchNorm1d(4)(floats(4)),
        "BatchNorm1d: needs an input (n, num_features) or (n, num_features, length), got (4,).",
    ),
    (
        ShapeError,
        lambda: nn.BatchNorm1d(4)(floats(1, 4)),
        "BatchNorm1d: input (1, 4) has one value per channel, whose variance is 0, so it cannot "
        "be normalized in training. Use a batch of at least 2, drop the last incomplete batch, "
        "or call .eval().",
    ),
    (
        ShapeError,
        lambda: Net(norm=nn.LayerNorm((4, 5)))(floats(2, 5)),
        "LayerNorm 'norm': input (2, 5) must end with (4, 5), the shape that is normalized. "
        "Did you mean (2, 5)?",
    ),
    (
        ShapeError,
        lambda: nn.RMSNorm(4)(floats(2, 5)),
        "RMSNorm: input (2, 5) must end with (4,), the shape that is normalized. "
        "Did you mean (5,)?",
    ),
    (
        ArgumentError,
        lambda: nn.LayerNorm(()),
        "LayerNorm: normalized_shape must name at least one axis.",
    ),
    (
        ArgumentError,
        lambda: nn.GroupNorm(3, 4),
        "GroupNorm: num_channels 4 cannot be divided into 3 groups.",
    ),
    (
        ShapeError,
        lambda: nn.GroupNorm(2, 4)(floats(2, 3)),
        "GroupNorm: input (2, 3) must be (n, 4, ...).",
    ),
    (
        ShapeError,
        lambda: nn.PReLU(4)(floats(2, 3)),
        "prelu: input (2, 3) has 3 channels (axis 1), but weight (4,) must have 1 or 3 slopes. "
        "Did you mean PReLU(3)?",
    ),
    (
        ShapeError,
        lambda: nn.GLU()(floats(2, 3)),
        "glu: input (2, 3) has 3 numbers along axis -1, but needs an even count to be halved "
        "into values and gates.",
    ),
    (
        ShapeError,
        lambda: F.maxout(floats(2, 5), 2),
        "maxout: input (2, 5) has 5 numbers along axis -1, which cannot be cut into groups of 2.",
    ),
    (
        ShapeError,
        lambda: nn.Softmax(2)(floats(2, 5)),
        "softmax: axis 2 is outside -2..1 for an input with 2 axes.",
    ),
    (
        ShapeError,
        lambda: nn.Softmax2d()(floats(2, 5)),
        "Softmax2d: needs an input (n, channels, height, width) or (channels, height, width), "
        "got (2, 5).",
    ),
    (
        ArgumentError,
        lambda: nn.GELU("erf"),
        "GELU: approximate must be 'none' or 'tanh', got 'erf'.",
    ),
    (
        ArgumentError,
        lambda: nn.Hardtanh(1.0, -1.0),
        "Hardtanh: min_val must not be above max_val, got 1.0 and -1.0.",
    ),
    (
        DTypeError,
        lambda: nn.Sigmoid()(whole(1, 2)),
        "sigmoid: input (2,) is int64, but must be floating point. "
        "Convert it with .astype(steepest.float32).",
    ),
    (
        ArgumentError,
        lambda: F.one_hot(whole(0, 3), 3),
        "one_hot: index 3 at position (1,) is outside 0..2, the classes.",
    ),
]

LOSSES = [
    (
        ShapeError,
        lambda: nn.MSELoss()(floats(32, 1), floats(32)),
        "mse_loss: input (32, 1) and target (32,) must have the same shape. They would broadcast "
        "to (32, 32). Use target.reshape(32, 1).",
    ),
    (
        ShapeError,
        lambda: nn.BCEWithLogitsLoss()(floats(32), floats(32, 1)),
        "binary_cross_entropy_with_logits: input (32,) and target (32, 1) must have the same "
        "shape. They would broadcast to (32, 32). Use target.reshape(32,).",
    ),
    (
        ShapeError,
        lambda: nn.L1Loss()(floats(32, 2), floats(32, 3)),
        "l1_loss: input (32, 2) and target (32, 3) must have the same shape.",
    ),
    (
        ArgumentError,
        lambda: nn.CrossEntropyLoss(reduction="maen"),
        "CrossEntropyLoss: reduction must be one of 'none', 'mean', 'sum', got 'maen'. "
        "Did you mean 'mean'?",
    ),
    (
        ArgumentError,
        lambda: F.mse_loss(floats(2), floats(2), "avg"),
        "mse_loss: reduction must be one of 'none', 'mean', 'sum', got 'avg'.",
    ),
    (
        ArgumentError,
        lambda: F.huber_loss(floats(2), floats(2), delta=0.0),
        "huber_loss: delta must be positive, got 0.0.",
    ),
    (
        ArgumentError,
        lambda: F.smooth_l1_loss(floats(2), floats(2), beta=-1.0),
        "smooth_l1_loss: beta must not be negative, got -1.0.",
    ),
    (
        ArgumentError,
        lambda: F.binary_cross_entropy(floats(2) * 1.5, floats(2)),
        "binary_cross_entropy: input (2,) must hold probabilities from 0 to 1, but holds 1.5 at "
        "position (0,). For scores that have not been through a sigmoid use "
        "binary_cross_entropy_with_logits.",
    ),
    (
        ShapeError,
        lambda: nn.BCELoss(weight=floats(3))(floats(4, 2), floats(4, 2)),
        "binary_cross_entropy: weight (3,) cannot be broadcast to input (4, 2).",
    ),
    (
        ShapeError,
        lambda: F.cross_entropy(floats(32, 10), whole(*range(10)).reshape(10, 1)),
        "cross_entropy: target (10, 1) must be (32,) (class numbers) or (32, 10) (floating-point "
        "probabilities) for input (32, 10).",
    ),
    (
        ShapeError,
        lambda: F.cross_entropy(floats(3, 4), whole(0, 1, 2).reshape(3, 1)),
        "cross_entropy: target (3, 1) must be (3,) (class numbers) or (3, 4) (floating-point "
        "probabilities) for input (3, 4). Use target.reshape(3,).",
    ),
    (
        ShapeError,
        lambda: F.cross_entropy(floats(2, 2), whole(0, 1, 1, 0).reshape(2, 2)),
        "cross_entropy: target (2, 2) must be (2,) (class numbers) or (2, 2) (floating-point "
        "probabilities) for input (2, 2). Convert the probabilities with "
        ".astype(steepest.float32).",
    ),
    (
        DTypeError,
        lambda: F.cross_entropy(floats(3, 4), floats(3)),
        "cross_entropy: target (3,) must hold integers, but is float32. "
        "Convert with .astype(steepest.int64).",
    ),
    (
        ArgumentError,
        lambda: F.cross_entropy(floats(3, 4), whole(0, 4, 1)),
        "cross_entropy: target holds class 4 at position (1,), but input (3, 4) has scores for "
        "the classes 0 to 3.",
    ),
    (
        ArgumentError,
        lambda: nn.NLLLoss(ignore_index=-1)(floats(3, 4), whole(0, -2, -1)),
        "nll_loss: target holds class -2 at position (1,), but input (3, 4) has scores for the "
        "classes 0 to 3.",
    ),
    (
        ShapeError,
        lambda: nn.CrossEntropyLoss(weight=floats(3))(floats(3, 4), whole(0, 1, 2)),
        "cross_entropy: weight (3,) must be (4,), one weight for each class of input (3, 4).",
    ),
    (
        ArgumentError,
        lambda: nn.CrossEntropyLoss(label_smoothing=1.5),
        "CrossEntropyLoss: label_smoothing must be from 0 to 1, got 1.5.",
    ),
    (
        ArgumentError,
        lambda: nn.CrossEntropyLoss(ignore_index=1)(floats(3, 4), floats(3, 4)),
        "cross_entropy: ignore_index 1 works with class numbers only, but the target holds "
        "probabilities.",
    ),
    (
        ShapeError,
        lambda: F.cross_entropy(st.asarray(1.0), st.asarray(1)),
        "cross_entropy: needs an input (classes,) or (n, classes, ...), got a single number.",
    ),
    (
        ArgumentError,
        lambda: F.hinge_loss(floats(2), st.zeros((2,))),
        "hinge_loss: target must hold 1 and -1, but holds 0.0. "
        "For classes 0 and 1 use 2 * target - 1.",
    ),
    (
        ArgumentError,
        lambda: nn.MultiMarginLoss(p=3),
        "MultiMarginLoss: p must be 1 or 2, got 3.",
    ),
    (
        ArgumentError,
        lambda: F.gaussian_nll_loss(floats(2), floats(2), -floats(2)),
        "gaussian_nll_loss: var (2,) has negative numbers. Make the network predict it through "
        "nn.Softplus() or an exponential.",
    ),
    (
        ShapeError,
        lambda: F.gaussian_nll_loss(floats(4, 3), floats(4, 3), floats(3)),
        "gaussian_nll_loss: var (3,) must have the shape of input (4, 3), or 1 as last axis, or "
        "lack the last axis.",
    ),
    (
        ShapeError,
        lambda: F.cosine_embedding_loss(floats(4, 3), floats(4, 3), floats(3)),
        "cosine_embedding_loss: inputs (4, 3) must be (size,) or (n, size), and target (3,) must "
        "be (4,).",
    ),
]


@pytest.mark.parametrize(("kind", "call", "expected"), LAYERS, ids=[c[2][:40] for c in LAYERS])
def test_layers(kind, call, expected):
    assert message_of(kind, call) == expected


@pytest.mark.parametrize(("kind", "call", "expected"), LOSSES, ids=[c[2][:40] for c in LOSSES])
def test_losses(kind, call, expected):
    assert message_of(kind, call) == expected


def test_functions_name_the_users_line_and_layer():
    net = Net(gate=nn.GLU())
    with pytest.raises(ShapeError, match=r" At test_nn_messages\.py:\d+ in GLU 'gate'\.$"):
        net(floats(2, 3))
    with pytest.raises(ShapeError, match=r" At test_nn_messages\.py:\d+\.$"):
        F.glu(floats(2, 3))


def test_shapes_are_checked_while_tracing_too():
    net = Net(head=nn.Linear(512, 10))
    with pytest.raises(ShapeError, match=r"^Linear 'head': input \(32, 784\) has 784 features"):
        st.compile(lambda x: net(x))(floats(32, 784))
    with pytest.raises(ShapeError, match=r"They would broadcast to \(32, 32\)"):
        st.compile(F.mse_loss)(floats(32, 1), floats(32))


@pytest.mark.parametrize(
    "loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "kl_div",
             "binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_loss",
             "hinge_embedding_loss", "soft_margin_loss", "multilabel_soft_margin_loss"],
)  # fmt: skip
def test_no_loss_broadcasts_a_column_against_a_row(loss):
    for left, right in [((8, 1), (8,)), ((8,), (8, 1)), ((8, 1), (1, 8)), ((8, 3), (1, 3))]:
        with pytest.raises(ShapeError, match="must have the same shape"):
            getattr(F, loss)(floats(*left), floats(*right))
