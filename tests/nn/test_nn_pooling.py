"""Pooling against PyTorch: values, gradients, positions, compiled, shapes and options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from against_torch import assert_close, check_function, check_module, numbers
from hypothesis import assume, given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn

F = nn.functional
SHAPES = {1: (2, 3, 11), 2: (2, 3, 7, 8), 3: (2, 2, 5, 6, 7)}
OPTIONS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 4, "stride": 1},
]


def layers(name: str, dims: int, **options):
    return getattr(nn, f"{name}{dims}d")(**options), getattr(torch.nn, f"{name}{dims}d")(**options)


@pytest.mark.parametrize("options", [*OPTIONS, {"kernel_size": 2, "dilation": 2}], ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_max_pool(dims, options):
    ours, theirs = layers("MaxPool", dims, **options)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1)], compiled=False)
    ours, theirs = layers("MaxPool", dims, **options, return_indices=True)
    x = numbers(SHAPES[dims], 2)
    for mine in (ours, st.compile(ours)):
        places = mine(st.asarray(x))[1]
        assert_close(places, theirs(torch.from_numpy(x))[1], "places", "int64")


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_avg_pool(dims, options, include):
    ours, theirs = layers("AvgPool", dims, **options, count_include_pad=include)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1)], compiled=False)


@pytest.mark.parametrize("dims", [2, 3])
def test_divisor_override(dims):
    ours, theirs = layers("AvgPool", dims, kernel_size=3, stride=2, padding=1, divisor_override=5)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [True, False])
def test_lp_pool(dims, ceil_mode):
    options = {"norm_type": 2, "kernel_size": 3, "stride": 2, "ceil_mode": ceil_mode}
    ours, theirs = layers("LPPool", dims, **options)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])


@pytest.mark.parametrize("kind", ["AdaptiveAvgPool", "AdaptiveMaxPool"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 4, 9, "mixed"])
def test_adaptive_pool(kind, dims, size):
    if size == "mixed":
        size = (3, 1, None)[:dims] if dims > 1 else 11
    ours, theirs = layers(kind, dims, output_size=size)
    check_module(ours, theirs, [numbers(SHAPES[dims], 1)])
    check_module(ours, theirs, [numbers(SHAPES[dims][1:], 1)], compiled=False)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_adaptive_places(dims):
    ours, theirs = layers("AdaptiveMaxPool", dims, output_size=3, return_indices=True)
    x = numbers(SHAPES[dims], 1)
    assert_close(ours(st.asarray(x))[1], theirs(torch.from_numpy(x))[1], "places", "int64")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=hs.data(), dims=hs.integers(1, 3), kind=hs.sampled_from(["max", "avg"]))
def test_any_shape_and_options(data, dims, kind):
    """Numbers with many ties: the gradient goes where PyTorch's goes."""
    size, stride, lengths = (
        tuple(data.draw(hs.integers(1, most)) for _ in range(dims)) for most in (4, 4, 9)
    )
    padding = tuple(data.draw(hs.integers(0, each // 2)) for each in size)
    assume(all(n + 2 * p >= k for n, p, k in zip(lengths, padding, size, strict=True)))
    # PyTorch's avg_pool3d refuses kernels that fit only with the padding.
    assume(kind == "max" or dims < 3 or all(map(int.__ge__, lengths, size)))
    options = {"ceil_mode": data.draw(hs.booleans())}
    if kind == "avg":
        options["count_include_pad"] = data.draw(hs.booleans())
    x = np.round(numbers((2, 2, *lengths), data.draw(hs.integers(0, 99)), scale=0.8))
    ours, theirs = (getattr(space, f"{kind}_pool{dims}d") for space in (F, torch.nn.functional))
    check_function(
        lambda each: ours(each, size, stride, padding, **options),
        lambda each: theirs(each, size, stride, padding, **options),
        [x],
        compiled=dims == 2,
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    lengths=hs.tuples(hs.integers(1, 9), hs.integers(1, 9)),
    size=hs.tuples(hs.integers(1, 10), hs.integers(1, 10)),
    kind=hs.sampled_from(["avg", "max"]),
)
def test_adaptive_pooling_of_any_size(lengths, size, kind):
    name = f"adaptive_{kind}_pool2d"
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    x = numbers((1, 2, *lengths), 1)
    check_function(lambda each: ours(each, size), lambda each: theirs(each, size), [x])


def test_ties_give_the_gradient_to_the_first():
    x = st.zeros((1, 1, 4, 4), dtype=st.float64)
    x.requires_grad = True
    F.max_pool2d(x, 2).sum().backward()
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1
    assert x.grad.numpy()[0, 0].tolist() == expected.tolist()


def test_nan_and_infinity():
    x = numbers((1, 1, 6, 6), 1)
    x[0, 0, 1, 1], x[0, 0, 4, 2], x[0, 0, 4:, 4:] = np.nan, np.inf, -np.inf
    for function in ("max_pool2d", "avg_pool2d"):
        ours, theirs = getattr(F, function), getattr(torch.nn.functional, function)
        expected = theirs(torch.from_numpy(x), 2, 2, 1)
        assert_close(ours(st.asarray(x), 2, 2, 1), expected, function)


def test_whole_numbers():
    x = np.arange(-32, 32).reshape(1, 1, 8, 8)
    output = F.max_pool2d(st.asarray(x), 3, 2, 1)
    assert output.dtype is st.int64
    expected = torch.nn.functional.max_pool2d(torch.from_numpy(x).double(), 3, 2, 1)
    assert output.numpy().tolist() == expected.tolist()


def test_second_order():
    """Of max pooling, whose gradient is linear in the output's gradient."""
    x = st.asarray(numbers((1, 2, 6, 6), 1))
    st.check_gradients(lambda each: st.sin(F.max_pool2d(each, 3, 2, 1)), [x])
    st.check_gradients(lambda each: st.sin(F.avg_pool2d(each, 3, 2, 1)), [x])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MaxPool2d", {"kernel_size": 2}),
        ("MaxPool2d", {"kernel_size": (3, 2), "stride": 1, "padding": 1, "ceil_mode": True}),
        ("AvgPool2d", {"kernel_size": 3, "stride": 2}),
        ("LPPool2d", {"norm_type": 2.0, "kernel_size": 3}),
        ("AdaptiveAvgPool2d", {"output_size": (1, 1)}),
        ("AdaptiveMaxPool1d", {"output_size": 5}),
    ],
)
def test_text_is_pytorchs(name, options):
    assert repr(getattr(nn, name)(**options)) == repr(getattr(torch.nn, name)(**options))


def floats(*shape):
    return st.zeros(shape)


MESSAGES = [
    (
        lambda: nn.MaxPool2d(2)(floats(3, 4)),
        "MaxPool2d: needs an input (n, channels, height, width) or (channels, height, width), "
        "got (3, 4).",
    ),
    (
        lambda: nn.MaxPool2d(3)(floats(1, 2, 2, 8)),
        "MaxPool2d: input (1, 2, 2, 8) has positions (2, 8), but the kernel reaches over (3, 3). "
        "Use a smaller kernel, more padding, or larger inputs.",
    ),
    (
        lambda: nn.AvgPool1d(3, padding=2)(floats(1, 2, 8)),
        "AvgPool1d: padding (2,) must be at most half of the kernel, which reaches over (3,).",
    ),
    (
        lambda: nn.AvgPool2d(3, divisor_override=0)(floats(1, 2, 8, 8)),
        "AvgPool2d: divisor_override must not be 0.",
    ),
    (
        lambda: nn.MaxPool2d(0)(floats(1, 2, 8, 8)),
        "MaxPool2d: kernel_size must be a whole number of at least 1, got 0.",
    ),
    (
        lambda: nn.AdaptiveAvgPool2d((2, 2, 2))(floats(1, 2, 8, 8)),
        "AdaptiveAvgPool2d: output_size must be one or 2 whole numbers, got (2, 2, 2).",
    ),
    (
        lambda: nn.AdaptiveMaxPool2d(0)(floats(1, 2, 8, 8)),
        "AdaptiveMaxPool2d: output_size (0, 0) must not hold a 0.",
    ),
    (lambda: nn.LPPool2d(0, 2), "LPPool2d: norm_type must not be 0."),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=itertools.count())
def test_message(call, message):
    with pytest.raises(st.errors.SteepestError) as caught:
        call()
    assert str(caught.value) == message
