"""Layers against PyTorch: values, gradients of inputs and parameters, state, compiled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from against_torch import assert_close, check_function, check_module, numbers, torch_dtype
from hypothesis import given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn

DTYPES = ("float64", "float32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 6), (6,), (2, 3, 6), (0, 6)])
def test_linear(shape, bias, dtype):
    ours = nn.Linear(6, 3, bias, dtype=dtype)
    theirs = torch.nn.Linear(6, 3, bias, dtype=torch_dtype(dtype))
    check_module(ours, theirs, [numbers(shape, 1, dtype)], dtype=dtype)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(hs.integers(1, 5), hs.integers(1, 9), hs.integers(1, 9), hs.integers(0, 99))
def test_linear_of_any_size(count, width, outputs, seed):
    ours = nn.Linear(width, outputs, dtype="float64")
    theirs = torch.nn.Linear(width, outputs, dtype=torch.float64)
    check_module(ours, theirs, [numbers((count, width), seed)], compiled=False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lead", [(4,), (), (2, 3)])
def test_bilinear(lead, bias, dtype):
    ours = nn.Bilinear(2, 3, 4, bias, dtype=dtype)
    theirs = torch.nn.Bilinear(2, 3, 4, bias, dtype=torch_dtype(dtype))
    inputs = [numbers((*lead, 2), 1, dtype), numbers((*lead, 3), 2, dtype)]
    check_module(ours, theirs, inputs, dtype=dtype)


@pytest.mark.parametrize("bias", [True, False])
def test_maxout(bias):
    ours = nn.Maxout(3, 4, pieces=5, bias=bias, dtype="float64")
    x = numbers((6, 3), 1)
    weight = ours.weight.numpy().reshape(4, 5, 3)
    expected = np.einsum("nk,opk->nop", x, weight)
    if bias:
        expected = expected + ours.bias.numpy().reshape(4, 5)
    assert_close(ours(st.asarray(x)), expected.max(axis=2), "maxout")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding_idx", [None, 0, -1])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,)])
def test_embedding(shape, padding_idx, dtype):
    ours = nn.Embedding(7, 4, padding_idx, dtype=dtype)
    theirs = torch.nn.Embedding(7, 4, padding_idx, dtype=torch_dtype(dtype))
    indices = np.asarray(np.random.default_rng(3).integers(0, 7, shape))
    if indices.size > 1:
        indices.reshape(-1)[:2] = 0, 6
    check_module(ours, theirs, [indices], dtype=dtype)


def test_embedding_starts_with_a_zero_padding_row():
    assert nn.Embedding(5, 3, padding_idx=-2).weight.numpy()[3].tolist() == [0.0, 0.0, 0.0]


def test_embedding_from_pretrained():
    table = numbers((4, 3))
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    assert_close(frozen(st.asarray(np.array([2, 0]))), table[[2, 0]], "rows")


@pytest.mark.parametrize(("start", "end"), [(1, -1), (0, -1), (1, 2), (-2, -1), (0, 0)])
def test_flatten(start, end):
    ours, theirs = nn.Flatten(start, end), torch.nn.Flatten(start, end)
    check_module(ours, theirs, [numbers((2, 3, 4, 5))])


@pytest.mark.parametrize(("dim", "sizes"), [(1, (2, 6)), (1, (3, -1)), (-1, (5, 1)), (0, (2, 1))])
def test_unflatten(dim, sizes):
    check_module(nn.Unflatten(dim, sizes), torch.nn.Unflatten(dim, sizes), [numbers((2, 12, 5))])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": None},
        {"momentum": 0.5, "eps": 1e-2},
        {"affine": False},
        {"track_running_stats": False},
        {"affine": False, "track_running_stats": False},
        {"bias": False},
    ],
)
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5)])
def test_batch_norm(shape, options, training, dtype):
    ours = nn.BatchNorm1d(4, **options, dtype=dtype).train(training)
    theirs = torch.nn.BatchNorm1d(4, **options, dtype=torch_dtype(dtype)).train(training)
    with torch.no_grad():
        for value in theirs.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
    check_module(ours, theirs, [numbers(shape, 1, dtype) + np.float32(3)], dtype=dtype)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 5)], ids=str)
def test_second_order_of_batch_norm(shape):
    random = np.random.default_rng(0)
    x, wanted, along = (random.standard_normal(shape) for _ in range(3))
    weight, bias = random.standard_normal((2, 3))

    def loss(x):
        y = nn.functional.batch_norm(x, None, None, st.asarray(weight), st.asarray(bias), True)
        return st.sum(y**3 * wanted)

    found = st.grad(lambda x: st.sum(st.grad(loss)(x) * along))(st.asarray(x))
    tensor = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.batch_norm(
        tensor, None, None, torch.tensor(weight), torch.tensor(bias), True
    )
    (first,) = torch.autograd.grad((y**3 * torch.tensor(wanted)).sum(), tensor, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.tensor(along)).sum(), tensor)
    np.testing.assert_allclose(np.asarray(found), second.numpy(), rtol=1e-9, atol=1e-9)


def test_batch_norm_with_wider_parameters_gives_gradients_of_each_ones_type():
    x = st.asarray(np.random.default_rng(0).standard_normal((6, 3)).astype("float32"))
    weight = st.asarray(np.ones(3))

    def loss(x, weight):
        return st.sum(nn.functional.batch_norm(x, None, None, weight, None, True) ** 3)

    gradients = st.grad(loss, (0, 1))(x, weight)
    assert [each.dtype for each in gradients] == [st.float32, st.float64]


def test_batch_norm_over_several_steps():
    """Running statistics follow PyTorch's over steps, eager and compiled, in both averages."""
    for momentum in (0.1, None):
        theirs = torch.nn.BatchNorm1d(3, momentum=momentum, dtype=torch.float64)
        eager = nn.BatchNorm1d(3, momentum=momentum, dtype="float64")
        traced = nn.BatchNorm1d(3, momentum=momentum, dtype="float64")
        step = st.compile(lambda x, traced=traced: traced(x))
        for seed in range(5):
            x = numbers((8, 3), seed)
            theirs(torch.from_numpy(x))
            eager(st.asarray(x))
            step(st.asarray(x))
        for name, expected in theirs.state_dict().items():
            assert_close(eager.state_dict()[name], expected, name)
            assert_close(traced.state_dict()[name], expected, name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"elementwise_affine": False}, {"bias": False}])
@pytest.mark.parametrize("sizes", [5, (5,), (4, 5)])
def test_layer_norm(sizes, options, dtype):
    ours = nn.LayerNorm(sizes, **options, dtype=dtype)
    theirs = torch.nn.LayerNorm(sizes, **options, dtype=torch_dtype(dtype))
    _spread(theirs)
    check_module(ours, theirs, [numbers((3, 4, 5), 1, dtype)], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"elementwise_affine": False}, {"eps": 0.1}])
@pytest.mark.parametrize("sizes", [5, (4, 5)])
def test_rms_norm(sizes, options, dtype):
    ours = nn.RMSNorm(sizes, **options, dtype=dtype)
    theirs = torch.nn.RMSNorm(sizes, **options, dtype=torch_dtype(dtype))
    _spread(theirs)
    check_module(ours, theirs, [numbers((3, 4, 5), 1, dtype)], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"bias": False}])
@pytest.mark.parametrize(("groups", "shape"), [(1, (2, 6)), (3, (2, 6, 4)), (6, (2, 6, 2, 3))])
def test_group_norm(groups, shape, options, dtype):
    ours = nn.GroupNorm(groups, 6, **options, dtype=dtype)
    theirs = torch.nn.GroupNorm(groups, 6, **options, dtype=torch_dtype(dtype))
    _spread(theirs)
    x = numbers(shape, 1, dtype) + np.asarray(np.arange(np.prod(shape)).reshape(shape), dtype)
    check_module(ours, theirs, [x], dtype=dtype)


def _spread(module):
    """Give parameters that start as ones or zeros some other numbers."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.rand_like(parameter) + 0.5)


def test_layer_norm_of_large_numbers_keeps_its_accuracy():
    spread = np.round(numbers((3, 8), 1), 3)
    expected = spread - spread.mean(axis=1, keepdims=True)
    expected = expected / np.sqrt((expected**2).mean(axis=1, keepdims=True) + 1e-5)
    shifted = nn.LayerNorm(8, dtype="float64")(st.asarray(spread + 1e6))
    np.testing.assert_allclose(shifted.numpy(), expected, atol=1e-8)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_dropout(p):
    st.random.seed(1)
    layer = nn.Dropout(p)
    x = st.ones((200, 50))
    output = layer(x).numpy()
    kept = output != 0
    assert kept.mean() == pytest.approx(1 - p, abs=0.02)
    if p < 1:
        np.testing.assert_allclose(output[kept], 1 / (1 - p), rtol=1e-6)
    assert layer.eval()(x) is x


def test_dropout_mask_is_new_every_time_and_follows_the_seed():
    layer = nn.Dropout(0.5)
    x = st.ones((64,))
    st.random.seed(3)
    first, second = layer(x).numpy(), layer(x).numpy()
    assert (first != second).any()
    st.random.seed(3)
    np.testing.assert_array_equal(layer(x).numpy(), first)
    st.random.seed(3)
    compiled = st.compile(lambda x: layer(x))
    np.testing.assert_array_equal(compiled(x).numpy(), first)
    np.testing.assert_array_equal(compiled(x).numpy(), second)


def test_dropout_gradient_is_its_mask():
    st.random.seed(4)
    x = st.ones((100,))
    x.requires_grad = True
    output = nn.Dropout(0.4)(x)
    st.sum(output).backward()
    np.testing.assert_array_equal(x.grad.numpy(), output.numpy())


def test_dropped_numbers_do_not_spread_nan():
    st.random.seed(5)
    x = st.asarray(np.array([np.nan, np.inf] * 50))
    output = nn.Dropout(0.5)(x).numpy()
    assert (output == 0).any()


def test_dropout_of_its_own_generator_leaves_the_default_alone():
    st.random.seed(6)
    before = st.random.default_generator.counter.numpy().copy()
    nn.Dropout(0.5, generator=st.random.Generator(1))(st.ones((4,)))
    np.testing.assert_array_equal(st.random.default_generator.counter.numpy(), before)


def test_mode_change_retraces_a_compiled_model():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    run = st.compile(lambda x: model(x))
    x = st.ones((3, 4))
    run(x)
    model.eval()
    np.testing.assert_allclose(run(x).numpy(), model(x).numpy(), rtol=1e-6)
    model.train()
    assert (run(st.ones((30, 4))).numpy() == 0).any()


def test_replaced_layer_retraces_a_compiled_model():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    run = st.compile(lambda x: model(x))
    x = st.ones((3, 4))
    run(x)
    model[0] = nn.Linear(4, 2)
    np.testing.assert_allclose(run(x).numpy(), model(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_normalize_and_cosine(p):
    inputs = [numbers((3, 5), 1)]
    inputs[0][1] = 0.0
    check_function(
        lambda x: nn.functional.normalize(x, p),
        lambda x: torch.nn.functional.normalize(x, p),
        inputs,
    )
    assert nn.functional.normalize(st.asarray(inputs[0]), p).numpy()[1].tolist() == [0.0] * 5
    check_function(
        nn.functional.cosine_similarity,
        torch.nn.functional.cosine_similarity,
        [numbers((3, 5), 1), numbers((3, 5), 2)],
    )


def test_one_hot():
    indices = np.array([[0, 2], [1, 1]])
    expected = torch.nn.functional.one_hot(torch.from_numpy(indices), 3)
    assert_close(nn.functional.one_hot(st.asarray(indices), 3), expected.numpy(), "one_hot")


def test_a_whole_network_equals_torch():
    """Values and all gradients of a stack, and the same numbers from PyTorch's state and back."""
    layers = [(8, 16), (16, 16), (16, 3)]
    ours = nn.Sequential()
    theirs = torch.nn.Sequential()
    for (width, outputs), (own, other) in zip(
        layers,
        [(nn.GELU, torch.nn.GELU), (nn.Tanh, torch.nn.Tanh), (nn.Identity, torch.nn.Identity)],
        strict=True,
    ):
        ours.extend([nn.Linear(width, outputs), nn.LayerNorm(outputs), own()])
        theirs.extend([torch.nn.Linear(width, outputs), torch.nn.LayerNorm(outputs), other()])
    ours.to(st.float64)
    theirs.double()
    check_module(ours, theirs, [numbers((5, 8), 1)])
    fresh = nn.Sequential(*ours)
    back = {
        name: torch.from_numpy(value.numpy().copy()) for name, value in fresh.state_dict().items()
    }
    theirs.load_state_dict(back)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Linear", (4, 3)),
        ("Bilinear", (4, 3, 2)),
        ("Embedding", (5, 3)),
        ("BatchNorm1d", (4,)),
        ("LayerNorm", (4,)),
        ("RMSNorm", (4,)),
        ("GroupNorm", (2, 4)),
        ("PReLU", (4,)),
    ],
)
def test_state_names_shapes_and_types_are_torchs(kind, arguments):
    ours = getattr(nn, kind)(*arguments).state_dict()
    theirs = getattr(torch.nn, kind)(*arguments).state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        assert ours[name].shape == tuple(value.shape)
        assert str(ours[name].dtype) == str(value.dtype).removeprefix("torch.")
