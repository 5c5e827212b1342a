"""Convolutions against PyTorch: values, gradients of both orders, compiled, shapes and options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from against_torch import assert_close, check_function, check_module, numbers, torch_dtype
from hypothesis import assume, given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn

F = nn.functional
SHAPES = {1: (2, 4, 9), 2: (2, 4, 7, 8), 3: (2, 4, 5, 6, 4)}
OPTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "bias": False},
    {"groups": 2, "padding": 2},
    {"groups": 4, "stride": 2},
    {"padding": 1, "padding_mode": "reflect"},
    {"padding": 2, "padding_mode": "replicate", "stride": 3},
    {"padding": "same", "padding_mode": "circular"},
]
TRANSPOSED_OPTIONS = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": 3, "dilation": 2, "output_padding": 2},
    {"groups": 2, "padding": 1, "bias": False},
    {"groups": 4, "stride": 2},
    {"dilation": 2, "output_padding": 1, "padding": 3},
]


def pair_of(kind: str, dims: int, *arguments, dtype="float64", **options):
    """Our layer and PyTorch's."""
    ours = getattr(nn, f"{kind}{dims}d")(*arguments, dtype=dtype, **options)
    theirs = getattr(torch.nn, f"{kind}{dims}d")(*arguments, dtype=torch_dtype(dtype), **options)
    return ours, theirs


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
def test_convolution(dims, options):
    ours, theirs = pair_of("Conv", dims, 4, 8, 3, **options)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])


@pytest.mark.parametrize("options", TRANSPOSED_OPTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolution(dims, options):
    ours, theirs = pair_of("ConvTranspose", dims, 4, 8, 3, **options)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])


@pytest.mark.parametrize("options", TRANSPOSED_OPTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolution_of_one_position(dims, options):
    ours, theirs = pair_of("ConvTranspose", dims, 4, 8, 4, **options)
    check_module(ours, theirs, [numbers((3, 4, *[1] * dims), 1)])


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_float32_and_no_batch(kind, dims):
    ours, theirs = pair_of(kind, dims, 4, 6, 2, dtype="float32", stride=2)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1, "float32")], dtype="float32")
    ours, theirs = pair_of(kind, dims, 4, 6, 2)
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1)])


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("kernel", [1, (1, 3), (2, 1)])
@pytest.mark.parametrize(
    "options", [{"stride": 2}, {"groups": 2, "stride": (1, 3)}, {"dilation": 2}]
)
def test_kernels_with_an_axis_of_one(kind, kernel, options):
    ours, theirs = pair_of(kind, 2, 4, 6, kernel, **options)
    check_module(ours, theirs, [numbers(SHAPES[2], 1)])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=hs.data(), dims=hs.integers(1, 3), transposed=hs.booleans())
def test_any_shape_and_options(data, dims, transposed):
    groups = data.draw(hs.integers(1, 3))
    inputs, outputs = (groups * data.draw(hs.integers(1, 3)) for _ in range(2))
    kernel, stride, padding, dilation, lengths = (
        [data.draw(hs.integers(low, high)) for _ in range(dims)]
        for low, high in ((1, 3), (1, 3), (0, 2), (1, 2), (1, 6))
    )
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if transposed:
        extra = [
            data.draw(hs.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        ]
        options["output_padding"] = extra
        made = [
            (n - 1) * s + span - 2 * p + more
            for n, s, span, p, more in zip(lengths, stride, spans, padding, extra, strict=True)
        ]
        assume(min(made) > 0)
    else:
        assume(all(n + 2 * p >= s for n, p, s in zip(lengths, padding, spans, strict=True)))
    kind = "ConvTranspose" if transposed else "Conv"
    ours, theirs = pair_of(
        kind,
        dims,
        inputs,
        outputs,
        tuple(kernel),
        **{name: tuple(each) if isinstance(each, list) else each for name, each in options.items()},
    )
    check_module(ours, theirs, [numbers((2, inputs, *lengths), 1)], compiled=dims < 3)


def test_depthwise():
    ours, theirs = pair_of("Conv", 2, 6, 12, 3, groups=6, padding=1)
    assert ours.weight.shape == (12, 1, 3, 3)
    check_module(ours, theirs, [numbers((2, 6, 5, 5), 1)])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("conv", {"stride": 2, "padding": 1}),
        ("conv", {"groups": 2, "dilation": 2}),
        ("conv_transpose", {"stride": 2, "padding": 1}),
    ],
    ids=str,
)
def test_second_order(kind, options):
    """The gradient of a squared gradient, by input and weight."""
    groups = options.get("groups", 1)
    x, weight = numbers((2, 4, 6, 5), 1), numbers((4, 4 // groups, 3, 3), 2)
    ours, theirs = getattr(F, f"{kind}2d"), getattr(torch.nn.functional, f"{kind}2d")

    def penalty(x, weight):
        first = st.grad(lambda a, b: st.sum(st.sin(ours(a, b, **options))), argnums=(0, 1))
        return sum(st.sum(each * each) for each in first(x, weight))

    leaves = [torch.from_numpy(each.copy()).requires_grad_() for each in (x, weight)]
    total = torch.sum(torch.sin(theirs(*leaves, **options)))
    first = torch.autograd.grad(total, leaves, create_graph=True)
    expected = torch.autograd.grad(sum((each * each).sum() for each in first), leaves)
    both = st.grad(penalty, argnums=(0, 1))
    for run in (both, st.compile(both)):
        for left, right in zip(run(st.asarray(x), st.asarray(weight)), expected, strict=True):
            assert_close(left, right, "second order")


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_forward_mode(function):
    x, weight = st.asarray(numbers((1, 2, 4, 4), 1)), st.asarray(numbers((2, 2, 3, 3), 2))
    st.check_gradients(lambda a, b: function(a, b, stride=2, padding=1), [x, weight])


@pytest.mark.parametrize("size", [(13, 15), (14, 16), (2, 3, 14, 15)])
def test_output_size(size):
    ours, theirs = pair_of("ConvTranspose", 2, 4, 3, 3, stride=2, padding=1)
    ours.load_state_dict(theirs.state_dict())
    x = numbers(SHAPES[2], 1)
    wanted = list(size)[-2:]
    expected = theirs(torch.from_numpy(x), output_size=wanted)
    assert_close(ours(st.asarray(x), output_size=size), expected, "value")


def test_functions_take_any_options_by_position():
    x, weight, bias = numbers((2, 4, 7), 1), numbers((6, 2, 3), 2), numbers((6,), 3)
    check_function(
        lambda *each: F.conv1d(*each, 2, 1, 1, 2),
        lambda *each: torch.nn.functional.conv1d(*each, 2, 1, 1, 2),
        [x, weight, bias],
    )
    weight = numbers((4, 3, 3), 2)
    check_function(
        lambda *each: F.conv_transpose1d(*each, 2, 1, 1, 2, 1),
        lambda *each: torch.nn.functional.conv_transpose1d(*each, 2, 1, 1, 2, 1),
        [x, weight, bias],
    )


@pytest.mark.parametrize(
    ("kind", "arguments", "options"),
    [
        ("Conv", (1, 2, 3), {}),
        ("Conv", (4, 2, 3), {"stride": 2, "padding": 1, "groups": 2, "bias": False}),
        ("Conv", (4, 4, (1, 3)), {"dilation": 2, "padding_mode": "reflect", "padding": (0, 2)}),
        ("ConvTranspose", (4, 2, 3), {"stride": 2}),
    ],
)
def test_text_is_pytorchs(kind, arguments, options):
    ours, theirs = pair_of(kind, 2, *arguments, **options)
    text = repr(theirs).replace("padding_mode=reflect", "padding_mode='reflect'")
    assert repr(ours) == text


def test_first_numbers_are_spread_as_pytorchs():
    """Uniform within 1/sqrt(inputs that each output sees)."""
    for kind, bound in (("Conv", 1 / np.sqrt(8 * 9)), ("ConvTranspose", 1 / np.sqrt(16 * 9))):
        layer = getattr(nn, f"{kind}2d")(16, 32, 3, groups=2)
        for parameter in (layer.weight, layer.bias):
            largest = np.abs(parameter.numpy()).max()
            assert 0.85 * bound < largest <= bound


def test_summary_counts_multiply_adds():
    """Each output of each channel sums a window over the channels that it sees."""
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, groups=8), nn.ConvTranspose2d(8, 4, 2, 2)
    )
    rows = net.summary((2, 3, 8, 8)).layers
    counts = [row.multiply_adds for row in rows[1:]]
    assert counts == [2 * 8 * 64 * 27, 2 * 8 * 36 * 9, 2 * 8 * 36 * 4 * 4]
    assert [row.output_shapes[0] for row in rows[1:]] == [
        (2, 8, 8, 8),
        (2, 8, 6, 6),
        (2, 4, 12, 12),
    ]


def floats(*shape):
    return st.zeros(shape)


MESSAGES = [
    (
        lambda: nn.Conv2d(3, 8, 3)(floats(2, 4, 8, 8)),
        "Conv2d: input (2, 4, 8, 8) has 4 channels (axis 1), but this layer takes 3 (weight "
        "(8, 3, 3, 3)). Did you mean in_channels=4?",
    ),
    (
        lambda: nn.Conv2d(3, 8, 3)(floats(2, 8, 8, 3)),
        "Conv2d: input (2, 8, 8, 3) has 8 channels (axis 1), but this layer takes 3 (weight "
        "(8, 3, 3, 3)). Channels are axis 1: if they are last, use st.permute_dims(input, "
        "(0, 3, 1, 2)).",
    ),
    (
        lambda: nn.Conv2d(3, 8, 3)(floats(8, 8)),
        "Conv2d: needs an input (n, in_channels, height, width) or (in_channels, height, width), "
        "got (8, 8).",
    ),
    (
        lambda: nn.Conv2d(3, 8, 5, padding=1)(floats(2, 3, 2, 8)),
        "Conv2d: input (2, 3, 2, 8) has positions (2, 8) (with padding (4, 10)), but the kernel "
        "reaches over (5, 5). Use a smaller kernel, more padding, or larger inputs.",
    ),
    (
        lambda: nn.Conv1d(4, 6, 3, groups=3),
        "Conv1d: in_channels 4 cannot be divided into 3 groups.",
    ),
    (
        lambda: nn.Conv1d(4, 6, 3, padding="some"),
        "Conv1d: padding must be numbers, 'same' or 'valid', got 'some'.",
    ),
    (
        lambda: nn.Conv2d(4, 6, 3, stride=2, padding="same"),
        "Conv2d: padding 'same' gives as many outputs as inputs, so it needs stride 1, got "
        "(2, 2). Give the padding in numbers.",
    ),
    (
        lambda: nn.Conv2d(4, 6, (3, 3, 3)),
        "Conv2d: kernel_size must be one or 2 whole numbers, got (3, 3, 3).",
    ),
    (
        lambda: nn.Conv2d(4, 6, 3, padding_mode="reflekt"),
        "Conv2d: padding_mode must be 'zeros' or 'reflect' or 'replicate' or 'circular', got "
        "'reflekt'. Did you mean 'reflect'?",
    ),
    (
        lambda: nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"),
        "ConvTranspose2d: padding_mode must be 'zeros', got 'reflect'.",
    ),
    (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=2)(floats(1, 4, 3, 3)),
        "ConvTranspose2d: output_padding (2, 2) must be below the stride (2, 2) or the dilation "
        "(1, 1).",
    ),
    (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2)(floats(1, 4, 3), output_size=(9,)),
        "ConvTranspose1d: output_size (9,) cannot be had from input (1, 4, 3): it must be from "
        "(7,) to (8,).",
    ),
    (
        lambda: nn.ConvTranspose1d(4, 6, 3, padding=3)(floats(1, 4, 3)),
        "ConvTranspose1d: input (1, 4, 3) would give an output of (-1,) positions. Use less "
        "padding, or larger inputs.",
    ),
    (
        lambda: nn.ConvTranspose1d(4, 6, 3)(floats(1, 5, 3)),
        "ConvTranspose1d: input (1, 5, 3) has 5 channels (axis 1), but this layer takes 4 in 1 "
        "groups (weight (4, 6, 3)).",
    ),
    (
        lambda: nn.Conv2d(3, 8, 3, dtype=st.float64)(floats(2, 3, 8, 8)),
        "Conv2d: input (2, 3, 8, 8) is float32, but the weight (8, 3, 3, 3) is float64. Convert "
        "the input with .astype(steepest.float64).",
    ),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=itertools.count())
def test_message(call, message):
    with pytest.raises(st.errors.SteepestError) as caught:
        call()
    assert str(caught.value).partition(" At test_")[0] == message


def test_messages_of_functions_name_the_line():
    with pytest.raises(st.errors.ShapeError, match=r"bias \(3,\) must be \(8,\).* At test_nn_conv"):
        F.conv2d(floats(1, 3, 4, 4), floats(8, 3, 3, 3), floats(3))
    with pytest.raises(st.errors.ShapeError, match=r"needs a weight \(out_channels, in_channels"):
        F.conv2d(floats(1, 3, 4, 4), floats(8, 3, 3))
    with pytest.raises(st.errors.ArgumentError, match="8 output channels, which cannot be divided"):
        F.conv2d(floats(1, 9, 4, 4), floats(8, 3, 3, 3), groups=3)
