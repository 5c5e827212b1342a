"""Layers of image networks beside convolution and pooling, against PyTorch.

Normalization, padding, resizing, shuffles, windows as columns, dropout of channels, maxout.
"""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest
import torch
from against_torch import (
    assert_close,
    check_function,
    check_module,
    numbers,
    to_steepest,
    torch_dtype,
)
from hypothesis import given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn

F = nn.functional
TF = torch.nn.functional
SHAPES = {1: (3, 4, 5), 2: (3, 4, 5, 6), 3: (2, 4, 3, 4, 5)}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dims", [2, 3])
def test_batch_norm_of_images(dims, dtype, training):
    ours = getattr(nn, f"BatchNorm{dims}d")(4, momentum=0.3, dtype=dtype).train(training)
    theirs = getattr(torch.nn, f"BatchNorm{dims}d")(4, momentum=0.3, dtype=torch_dtype(dtype))
    theirs.train(training)
    theirs.running_var.fill_(2.5)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1, dtype) + np.float32(3)], dtype=dtype)


def test_batch_norm_of_images_that_are_far_apart():
    """Each image's mean is 100 times its deviation away from the others': all of it counts."""
    x = (
        numbers((6, 3, 5, 7), 0, "float32")
        + np.arange(6, dtype="float32")[:, None, None, None] * 100
    )
    wide = x.astype("float64")
    mean, var = (f(wide, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    running = st.zeros(3), st.ones(3)
    found = F.batch_norm(st.asarray(x), *running, training=True, momentum=1.0)
    np.testing.assert_allclose(np.asarray(found), (wide - mean) / np.sqrt(var + 1e-5), atol=2e-6)
    np.testing.assert_allclose(np.asarray(running[0]), mean.reshape(3), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(running[1]), var.reshape(3) * 210 / 209, rtol=2e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"affine": True}, {"track_running_stats": True, "momentum": 0.3, "affine": True}],
    ids=str,
)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_instance_norm(dims, options, training):
    ours = getattr(nn, f"InstanceNorm{dims}d")(4, **options, dtype="float64").train(training)
    theirs = getattr(torch.nn, f"InstanceNorm{dims}d")(4, **options, dtype=torch.float64)
    theirs.train(training)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1) + 3])
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1) + 3], compiled=False)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm_of_images(groups):
    ours = nn.GroupNorm(groups, 4, dtype="float64")
    check_module(ours, torch.nn.GroupNorm(groups, 4, dtype=torch.float64), [numbers(SHAPES[2], 1)])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_local_response_norm(size):
    options = (size, 0.5, 0.6, 1.5)
    ours, theirs = nn.LocalResponseNorm(*options), torch.nn.LocalResponseNorm(*options)
    check_module(ours, theirs, [numbers(SHAPES[2], 1)])
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["Zero", "Constant", "Reflection", "Replication", "Circular"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_padding_layers(dims, name):
    arguments = [(1, 2, 0, 1, 2, 2)[: 2 * dims]] + [1.5] * (name == "Constant")
    kind = f"{name}Pad{dims}d"
    ours, theirs = getattr(nn, kind)(*arguments), getattr(torch.nn, kind)(*arguments)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1)], compiled=False)
    assert repr(ours) == repr(theirs)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    mode=hs.sampled_from(["constant", "reflect", "replicate", "circular"]),
    sides=hs.tuples(*[hs.integers(-2, 4)] * 4),
    lengths=hs.tuples(hs.integers(2, 5), hs.integers(2, 5)),
)
def test_padding_by_any_numbers(mode, sides, lengths):
    """Where PyTorch refuses, we do too, or give the empty result."""
    x = numbers((2, 3, *lengths), 1)
    try:
        TF.pad(torch.from_numpy(x), sides, mode)
    except RuntimeError:
        with contextlib.suppress(st.errors.ShapeError):
            assert F.pad(st.asarray(x), sides, mode).size == 0
        return
    if mode == "circular" and min(sides) < 0:
        # PyTorch goes on with what it has just written where too little is left.
        sides = tuple(max(each, 0) for each in sides)
    check_function(
        lambda each: F.pad(each, sides, mode), lambda each: TF.pad(each, sides, mode), [x]
    )


SCALES = [{"size": 3}, {"size": 11}, {"scale_factor": 2}, {"scale_factor": 1.7}]
LINEAR = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}


@pytest.mark.parametrize("options", [*SCALES, {"scale_factor": 0.6}], ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area", "linear"])
@pytest.mark.filterwarnings("ignore")
def test_interpolate(mode, dims, options):
    x = numbers(SHAPES[dims], 1)
    for own in LINEAR[dims] if mode == "linear" else [mode]:
        for corners in (None, True, False) if mode == "linear" else (None,):
            every = {**options, "mode": own, "align_corners": corners}
            check_function(
                lambda each, every=every: F.interpolate(each, **every),
                lambda each, every=every: TF.interpolate(each, **every),
                [x],
                compiled=dims < 3,
            )


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(2, 3), (3, 9), (7, 4)])
@pytest.mark.parametrize("corners", [False, True])
def test_interpolate_smoothly(mode, size, corners):
    x = numbers((2, 3, 8, 9), 1)
    options = {"size": size, "mode": mode, "align_corners": corners, "antialias": True}
    check_function(
        lambda each: F.interpolate(each, **options),
        lambda each: TF.interpolate(each, **options),
        [x],
    )


def test_recomputed_scale():
    x = numbers((1, 2, 7), 1)
    options = {"scale_factor": 1.6, "mode": "linear", "recompute_scale_factor": True}
    check_function(
        lambda each: F.interpolate(each, **options),
        lambda each: TF.interpolate(each, **options),
        [x],
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    length=hs.integers(1, 30),
    new=hs.integers(1, 60),
    mode=hs.sampled_from(["nearest", "nearest-exact"]),
    dtype=hs.sampled_from(["float32", "float64"]),
)
def test_nearest_of_any_size(length, new, mode, dtype):
    x = np.arange(length, dtype=dtype).reshape(1, 1, length)
    expected = TF.interpolate(torch.from_numpy(x), new, mode=mode)
    assert F.interpolate(st.asarray(x), new, mode=mode).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Upsample", {"scale_factor": 2}),
        ("Upsample", {"size": (7, 9), "mode": "bilinear", "align_corners": True}),
        ("UpsamplingNearest2d", {"scale_factor": 2}),
        ("UpsamplingBilinear2d", {"size": 9}),
        ("PixelShuffle", {"upscale_factor": 2}),
        ("PixelUnshuffle", {"downscale_factor": 2}),
        ("ChannelShuffle", {"groups": 2}),
        ("Unfold", {"kernel_size": (2, 3), "stride": 2, "padding": 1}),
        ("Unfold", {"kernel_size": 2, "dilation": 2}),
    ],
)
def test_layers_without_parameters(name, options):
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    shape = (2, 4, 4, 6)
    check_module(ours, theirs, [numbers(shape, 1)])
    if name in ("PixelShuffle", "PixelUnshuffle", "Unfold"):
        check_module(ours, theirs, [numbers(shape[1:], 1)])


@pytest.mark.parametrize("batch", [(2,), ()])
@pytest.mark.parametrize(
    "options",
    [{"kernel_size": 2, "stride": 2}, {"kernel_size": (3, 2), "padding": (1, 0), "dilation": 2}],
    ids=str,
)
def test_fold(options, batch):
    unfolded = TF.unfold(torch.zeros((*batch, 3, 6, 8)), **options)
    ours, theirs = nn.Fold((6, 8), **options), torch.nn.Fold((6, 8), **options)
    check_module(ours, theirs, [numbers(unfolded.shape, 1)])


@pytest.mark.parametrize(
    ("name", "shape", "lead"),
    [
        ("Dropout1d", (40, 50, 3), 2),
        ("Dropout1d", (2000, 3), 1),
        ("Dropout2d", (40, 50, 2, 3), 2),
        ("Dropout2d", (40, 50, 3), 2),
        ("Dropout3d", (40, 50, 2, 1, 2), 2),
        ("Dropout3d", (2000, 2, 1, 2), 1),
    ],
)
def test_dropout_of_channels(name, shape, lead):
    """A channel is dropped as a whole, with the probability that was asked for."""
    st.random.seed(3)
    layer = getattr(nn, name)(0.3)
    x = st.ones(shape, dtype=st.float64)
    output = layer(x).numpy().reshape(-1, int(np.prod(shape[lead:])))
    assert set(np.unique(output)) == {0.0, 1 / 0.7}
    assert np.all(output == output[:, :1])
    assert abs(np.mean(output[:, 0] == 0) - 0.3) < 0.03
    assert layer.eval()(x) is x


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout(name):
    """Mean 0 and variance 1 stay; what is dropped is SELU's lowest value, scaled and shifted."""
    st.random.seed(4)
    layer = getattr(nn, name)(0.2)
    x = st.random.normal((600, 500, 1), dtype=st.float64)
    output = layer(x).numpy()
    assert abs(output.mean()) < 0.01
    assert abs(output.var() - 1) < 0.01
    value, count = np.unique(np.round(output, 9), return_counts=True)
    assert abs(count.max() / output.size - 0.2) < 0.01
    theirs = getattr(torch.nn, name)(0.2)(torch.from_numpy(x.numpy().copy())).numpy()
    dropped, times = np.unique(np.round(theirs, 9), return_counts=True)
    assert value[count.argmax()] == dropped[times.argmax()]
    assert layer.eval()(x) is x
    assert getattr(nn, name)(1.0)(x).numpy().any() == 0


def test_dropout_of_channels_has_a_gradient():
    st.random.seed(5)
    x = to_steepest(numbers((4, 6, 3, 3), 1))
    output = nn.Dropout2d(0.5)(x)
    st.sum(output).backward()
    assert_close(x.grad, np.where(output.numpy() == 0, 0.0, 2.0), "gradient")


def test_maxout_of_channels():
    x = numbers((2, 6, 3, 4), 1)
    layer = nn.MaxoutChannels(3)
    assert_close(layer(st.asarray(x)), x.reshape(2, 2, 3, 3, 4).max(axis=2), "maxout")
    assert repr(layer) == "MaxoutChannels(pieces=3)"
    net = nn.Sequential(nn.Conv2d(3, 8, 3, dtype="float64"), nn.MaxoutChannels(2))
    pairs = net[0](st.asarray(x[:, :3])).numpy()
    assert_close(net(st.asarray(x[:, :3])), np.maximum(pairs[:, ::2], pairs[:, 1::2]), "convolved")


def test_state_moves_to_and_from_pytorch():
    """A network of image layers: names of the state, its numbers, and what it computes."""

    def network(space, **options):
        return space.Sequential(
            space.Conv2d(3, 8, 3, padding=1, bias=False, **options),
            space.BatchNorm2d(8, **options),
            space.ReLU(),
            space.MaxPool2d(2),
            space.Conv2d(8, 8, 3, groups=4, **options),
            space.InstanceNorm2d(8, affine=True, **options),
            space.ConvTranspose2d(8, 4, 2, 2, **options),
            space.AdaptiveAvgPool2d(1),
            space.Flatten(),
            space.Linear(4, 5, **options),
        )

    ours, theirs = network(nn, dtype="float64"), network(torch.nn, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    check_module(ours, theirs, [numbers((3, 3, 10, 10), 1)])
    check_module(ours.eval(), theirs.eval(), [numbers((3, 3, 10, 10), 2)])


def floats(*shape):
    return st.zeros(shape)


MESSAGES = [
    (
        lambda: nn.BatchNorm2d(4)(floats(2, 4, 3)),
        "BatchNorm2d: needs an input (n, num_features, height, width), got (2, 4, 3).",
    ),
    (
        lambda: nn.BatchNorm2d(4)(floats(1, 4, 1, 1)),
        "BatchNorm2d: input (1, 4, 1, 1) has one value per channel, whose variance is 0, so it "
        "cannot be normalized in training. Use a batch of at least 2, drop the last incomplete "
        "batch, or call .eval().",
    ),
    (
        lambda: nn.InstanceNorm2d(4)(floats(2, 3, 5, 5)),
        "InstanceNorm2d: input (2, 3, 5, 5) has 3 features (axis 1), but this layer takes 4. Did "
        "you mean InstanceNorm2d(3)?",
    ),
    (
        lambda: nn.InstanceNorm1d(4)(floats(2, 4, 1)),
        "InstanceNorm1d: needs an input (n, channels, ...) with more than one position, got "
        "(2, 4, 1).",
    ),
    (
        lambda: nn.ReflectionPad2d(4)(floats(1, 2, 4, 9)),
        "ReflectionPad2d: axis 2 of input (1, 2, 4, 17) cannot be padded by (4, 4) in mode "
        "'reflect', which takes at most 3 on each side there.",
    ),
    (
        lambda: nn.ZeroPad2d((1, 2, 3)),
        "ZeroPad2d: padding must be one or 4 whole numbers, got (1, 2, 3).",
    ),
    (
        lambda: nn.ZeroPad1d(1)(floats(3)),
        "ZeroPad1d: needs an input (n, channels, length) or (channels, length), got (3,).",
    ),
    (
        lambda: nn.ZeroPad1d(-3)(floats(1, 2, 5)),
        "ZeroPad1d: axis 2 of input (1, 2, 5) has 5 numbers, but pad (-3, -3) cuts off more.",
    ),
    (
        lambda: F.pad(floats(2, 3), (1, 1), "mirror"),
        "pad: mode must be one of 'constant', 'reflect', 'replicate', 'circular', got 'mirror'.",
    ),
    (
        lambda: F.pad(floats(2, 3), (1, 1, 1)),
        "pad: pad must hold a pair (before, behind) for each of at most 2 last axes of input "
        "(2, 3), got (1, 1, 1).",
    ),
    (
        lambda: F.pad(floats(2, 3), (1, 1), "reflect", 2.0),
        "pad: mode 'reflect' uses no value, got 2.0.",
    ),
    (
        lambda: nn.Upsample(scale_factor=2, mode="linear")(floats(1, 2, 4, 4)),
        "Upsample: mode 'linear' takes an input with (n, channels, length), got (1, 2, 4, 4). Did "
        "you mean mode='bilinear'?",
    ),
    (
        lambda: nn.Upsample(scale_factor=2, mode="cubic")(floats(1, 2, 4, 4)),
        "Upsample: mode must be one of 'nearest', 'nearest-exact', 'linear', 'bilinear', "
        "'trilinear', 'bicubic', 'area', got 'cubic'. Did you mean 'bicubic'?",
    ),
    (
        lambda: nn.Upsample()(floats(1, 2, 4, 4)),
        "Upsample: give either size or scale_factor.",
    ),
    (
        lambda: F.interpolate(floats(1, 2, 4), 8, align_corners=True),
        "interpolate: align_corners is for linear, bilinear, trilinear, bicubic, not for mode "
        "'nearest'.",
    ),
    (
        lambda: F.interpolate(floats(1, 2, 4), scale_factor=0.1),
        "interpolate: input (1, 2, 4) with scale_factor (0.1,) has an empty result.",
    ),
    (
        lambda: nn.PixelShuffle(2)(floats(1, 6, 3, 3)),
        "PixelShuffle: input (1, 6, 3, 3) must be (..., channels, height, width) with channels "
        "divisible by 2 * 2.",
    ),
    (
        lambda: nn.Fold((4, 4), 2)(floats(1, 8, 8)),
        "Fold: input (1, 8, 8) must be (n, channels * 2 * 2, 3 * 3) for an output of (4, 4).",
    ),
    (
        lambda: nn.Dropout2d(0.5)(floats(4, 4)),
        "Dropout2d: needs an input (n, channels, height, width), got (4, 4).",
    ),
    (
        lambda: nn.MaxoutChannels(2)(floats(1, 3, 2, 2)),
        "MaxoutChannels: input (1, 3, 2, 2) has 3 numbers along axis 1, which cannot be cut into "
        "groups of 2.",
    ),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=itertools.count())
def test_message(call, message):
    with pytest.raises(st.errors.SteepestError) as caught:
        call()
    assert str(caught.value).partition(" At test_")[0] == message
