"""Losses against PyTorch over grids of options, at special numbers, and as properties."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from against_torch import check_function, check_module, numbers, to_steepest
from hypothesis import given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn

REDUCTIONS = ("mean", "sum", "none")
SHAPES = ((), (5,), (4, 3), (2, 3, 4))
F = nn.functional


def grid(**options):
    """All combinations of options, as a list of dictionaries."""
    return [
        dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())
    ]


def signs(shape, seed=5):
    return np.where(np.random.default_rng(seed).random(shape) < 0.5, -1.0, 1.0)


def classes(shape, count, seed=6):
    return np.asarray(np.random.default_rng(seed).integers(0, count, shape))


def probabilities(shape, seed=7):
    return np.asarray(np.random.default_rng(seed).uniform(0.02, 0.98, shape))


def check_against_fixed_target(ours, theirs, inputs, target):
    """Compare a loss as a function of its input only."""
    fixed, fixed_torch = st.asarray(target), torch.from_numpy(target)
    check_function(lambda x: ours(x, fixed), lambda x: theirs(x, fixed_torch), [inputs])


REGRESSION = [
    *[("MSELoss", options) for options in grid(reduction=REDUCTIONS)],
    *[("L1Loss", options) for options in grid(reduction=REDUCTIONS)],
    *[("SmoothL1Loss", each) for each in grid(reduction=REDUCTIONS, beta=(1.0, 0.3, 0.0))],
    *[("HuberLoss", each) for each in grid(reduction=REDUCTIONS, delta=(1.0, 0.3, 2.5))],
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "options"), REGRESSION)
def test_regression(name, options, dtype):
    for seed, shape in enumerate(SHAPES):
        inputs = [numbers(shape, seed, dtype), numbers(shape, seed + 10, dtype)]
        inputs = [np.asarray(each) for each in inputs]
        ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
        check_module(ours, theirs, inputs, dtype=dtype, compiled=shape == (4, 3))


@pytest.mark.parametrize(
    "options", grid(log_input=(True, False), full=(True, False), reduction=REDUCTIONS)
)
def test_poisson(options):
    rate = numbers((4, 3), 1) if options["log_input"] else probabilities((4, 3)) * 3
    counts = np.random.default_rng(2).poisson(2.0, (4, 3)).astype("float64")
    ours, theirs = nn.PoissonNLLLoss(**options), torch.nn.PoissonNLLLoss(**options)
    check_against_fixed_target(ours, theirs, rate, counts)


@pytest.mark.parametrize("variance", [(4, 3), (4, 1), (4,)])
@pytest.mark.parametrize("options", grid(full=(True, False), reduction=REDUCTIONS))
def test_gaussian(options, variance):
    inputs = [numbers((4, 3), 1), numbers((4, 3), 2), probabilities(variance)]
    inputs[2].reshape(-1)[0] = 1e-9
    ours, theirs = nn.GaussianNLLLoss(**options), torch.nn.GaussianNLLLoss(**options)
    check_module(ours, theirs, inputs)


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize(
    "options", grid(reduction=(*REDUCTIONS, "batchmean"), log_target=(True, False))
)
def test_kl_div(options):
    scores = torch.log_softmax(torch.from_numpy(numbers((4, 5), 1)), 1).numpy()
    target = torch.softmax(torch.from_numpy(numbers((4, 5), 2)), 1).numpy()
    if options["log_target"]:
        target = np.log(target)
    else:
        target[0, 0] = 0.0
    ours, theirs = nn.KLDivLoss(**options), torch.nn.KLDivLoss(**options)
    check_against_fixed_target(ours, theirs, scores, target)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy(reduction, weighted):
    weight = probabilities((3,), 9) if weighted else None
    as_torch = None if weight is None else torch.from_numpy(weight)
    ours = nn.BCELoss(weight, reduction=reduction)
    theirs = torch.nn.BCELoss(as_torch, reduction=reduction)
    check_module(ours, theirs, [probabilities((4, 3)), probabilities((4, 3), 8)])


def test_binary_cross_entropy_at_the_ends():
    """At 0 and 1 the loss is bounded by 100 and the gradient by 1e12, as in PyTorch.

    Where prediction and target agree, PyTorch's gradient at 0 and 1 is 0; the true one is 1.
    """
    predicted = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 1e-13, 1e-13, 0.3])
    target = np.array([0.0, 1.0, 0.0, 1.0, 0.25, 1.0, 0.0, 0.9])
    p = to_steepest(predicted)
    losses = F.binary_cross_entropy(p, st.asarray(target), reduction="none")
    expected = torch.nn.functional.binary_cross_entropy(
        torch.from_numpy(predicted), torch.from_numpy(target), reduction="none"
    )
    np.testing.assert_allclose(losses.numpy(), expected.numpy(), rtol=1e-12)
    assert losses.tolist()[:4] == [0.0, 100.0, 100.0, 0.0]
    st.sum(losses).backward()
    middle = (0.3 - 0.9) / (0.3 * 0.7)
    slopes = [1.0, -1e12, 1e12, -1.0, 1.0, -1e12, 1.0, middle]
    np.testing.assert_allclose(p.grad.numpy(), slopes, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("pos_weight", [None, (3,), (1,)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_with_logits(reduction, weighted, pos_weight, dtype):
    weight = probabilities((4, 1), 9).astype(dtype) if weighted else None
    positive = None if pos_weight is None else 3 * probabilities(pos_weight, 10).astype(dtype)
    options = {"weight": weight, "pos_weight": positive}
    as_torch = {
        name: None if value is None else torch.from_numpy(value) for name, value in options.items()
    }
    ours = nn.BCEWithLogitsLoss(**options, reduction=reduction)
    theirs = torch.nn.BCEWithLogitsLoss(**as_torch, reduction=reduction)
    inputs = [numbers((4, 3), 1, dtype, scale=20.0), probabilities((4, 3), 8).astype(dtype)]
    check_module(ours, theirs, inputs, dtype=dtype)


def test_logits_never_overflow():
    scores = to_steepest(np.array([-1e4, 1e4, -1e4, 1e4]))
    loss = F.binary_cross_entropy_with_logits(
        scores, st.asarray(np.array([0.0, 0.0, 1.0, 1.0])), reduction="none"
    )
    assert loss.tolist() == [0.0, 1e4, 1e4, 0.0]
    st.sum(loss).backward()
    assert scores.grad.tolist() == [0.0, 1.0, -1.0, 0.0]


CROSS_ENTROPY = grid(
    weighted=(False, True),
    ignore_index=(-100, 1),
    reduction=REDUCTIONS,
    label_smoothing=(0.0, 0.15),
)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("options", CROSS_ENTROPY)
def test_cross_entropy_of_class_numbers(options, dtype):
    options = dict(options)
    weight = probabilities((5,), 9).astype(dtype) if options.pop("weighted") else None
    as_torch = None if weight is None else torch.from_numpy(weight)
    ours = nn.CrossEntropyLoss(weight, **options)
    theirs = torch.nn.CrossEntropyLoss(as_torch, **options)
    for scores_shape, target_shape in [
        ((6, 5), (6,)),
        ((5,), ()),
        ((3, 5, 2), (3, 2)),
        ((2, 5, 2, 3), (2, 2, 3)),
    ]:
        target = classes(target_shape, 5)
        if target_shape == () and target == options["ignore_index"]:
            target = target + 1
        inputs = [numbers(scores_shape, 1, dtype), target]
        check_module(ours, theirs, inputs, dtype=dtype, compiled=scores_shape == (6, 5))


@pytest.mark.parametrize(
    "options", grid(weighted=(False, True), reduction=REDUCTIONS, label_smoothing=(0.0, 0.15))
)
def test_cross_entropy_of_probabilities(options):
    options = dict(options)
    weight = probabilities((5,), 9) if options.pop("weighted") else None
    as_torch = None if weight is None else torch.from_numpy(weight)
    ours = nn.CrossEntropyLoss(weight, **options)
    theirs = torch.nn.CrossEntropyLoss(as_torch, **options)
    for shape in [(6, 5), (5,), (3, 5, 2)]:
        check_module(ours, theirs, [numbers(shape, 1), probabilities(shape)])


@pytest.mark.parametrize(
    "options", grid(weighted=(False, True), ignore_index=(-100, 1), reduction=REDUCTIONS)
)
def test_nll(options):
    options = dict(options)
    weight = probabilities((5,), 9) if options.pop("weighted") else None
    as_torch = None if weight is None else torch.from_numpy(weight)
    ours = nn.NLLLoss(weight, **options)
    theirs = torch.nn.NLLLoss(as_torch, **options)
    for scores_shape, target_shape in [((6, 5), (6,)), ((3, 5, 2), (3, 2))]:
        check_module(ours, theirs, [numbers(scores_shape, 1), classes(target_shape, 5)])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_class_numbers_of_any_integer_type(dtype):
    scores = st.asarray(numbers((4, 3)))
    target = classes((4,), 3)
    expected = F.cross_entropy(scores, st.asarray(target))
    assert float(F.cross_entropy(scores, st.asarray(target.astype(dtype)))) == float(expected)


def test_cross_entropy_of_extreme_scores():
    scores = to_steepest(np.array([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]]))
    loss = F.cross_entropy(scores, st.asarray(np.array([0, 0])), reduction="none")
    assert loss.tolist() == [0.0, 2e4]
    st.sum(loss).backward()
    assert np.isfinite(scores.grad.numpy()).all()


def test_cross_entropy_with_a_class_ruled_out():
    """A score of minus infinity means probability 0; gradients stay finite."""
    scores = np.array([[0.5, -np.inf, 1.0], [0.1, 0.2, -np.inf]])
    target = np.array([0, 1])
    fixed = st.asarray(target)
    check_function(
        lambda x: F.cross_entropy(x, fixed),
        lambda x: torch.nn.functional.cross_entropy(x, torch.from_numpy(target)),
        [scores],
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(hs.integers(1, 6), hs.integers(1, 7), hs.integers(0, 99), hs.floats(0.0, 1.0))
def test_cross_entropy_equals_its_definition(count, width, seed, smoothing):
    scores = numbers((count, width), seed, scale=30.0)
    target = classes((count,), width, seed)
    actual = F.cross_entropy(st.asarray(scores), st.asarray(target), label_smoothing=smoothing)
    wanted = np.eye(width)[target] * (1 - smoothing) + smoothing / width
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(float(actual), -(wanted * logs).sum(1).mean(), rtol=1e-9, atol=1e-12)


MARGINS = [
    *[("HingeEmbeddingLoss", each) for each in grid(margin=(1.0, 0.4), reduction=REDUCTIONS)],
    *[("SoftMarginLoss", each) for each in grid(reduction=REDUCTIONS)],
]


@pytest.mark.parametrize(("name", "options"), MARGINS)
def test_margins(name, options):
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    check_against_fixed_target(ours, theirs, numbers((4, 3), 1), signs((4, 3)))


@pytest.mark.parametrize("options", grid(margin=(0.0, 0.5), reduction=REDUCTIONS))
def test_rankings(options):
    inputs = [numbers((6,), 1), numbers((6,), 2), signs((6,))]
    check_module(nn.MarginRankingLoss(**options), torch.nn.MarginRankingLoss(**options), inputs)
    vectors = [numbers((6, 4), 1), numbers((6, 4), 2), signs((6,)).astype("int64")]
    ours, theirs = nn.CosineEmbeddingLoss(**options), torch.nn.CosineEmbeddingLoss(**options)
    check_module(ours, theirs, vectors)


@pytest.mark.parametrize(
    "options", grid(p=(1, 2), margin=(1.0, 0.3), weighted=(False, True), reduction=REDUCTIONS)
)
def test_multi_margin(options):
    options = dict(options)
    weight = probabilities((5,), 9) if options.pop("weighted") else None
    as_torch = None if weight is None else torch.from_numpy(weight)
    ours = nn.MultiMarginLoss(weight=weight, **options)
    theirs = torch.nn.MultiMarginLoss(weight=as_torch, **options)
    check_module(ours, theirs, [numbers((6, 5), 1), classes((6,), 5)])
    check_module(ours, theirs, [numbers((5,), 1), classes((), 5)], compiled=False)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_several_labels(reduction):
    target = np.array([[3, 0, -1, 1], [1, -1, 2, 3], [-1, 0, 1, 2], [0, 1, 2, 3]])
    ours = nn.MultiLabelMarginLoss(reduction=reduction)
    theirs = torch.nn.MultiLabelMarginLoss(reduction=reduction)
    check_module(ours, theirs, [numbers((4, 4), 1), target])
    weight = probabilities((4,), 9)
    soft = nn.MultiLabelSoftMarginLoss(weight, reduction=reduction)
    soft_torch = torch.nn.MultiLabelSoftMarginLoss(torch.from_numpy(weight), reduction=reduction)
    check_module(soft, soft_torch, [numbers((4, 4), 1), (signs((4, 4)) + 1) / 2])


def test_hinge():
    score = to_steepest(np.array([2.0, 0.5, -1.0, 1.0]))
    target = st.asarray(np.array([1.0, 1.0, 1.0, -1.0]))
    losses = nn.HingeLoss(reduction="none")(score, target)
    assert losses.tolist() == [0.0, 0.5, 2.0, 2.0]
    st.sum(losses).backward()
    assert score.grad.tolist() == [0.0, -1.0, -1.0, 1.0]
    assert float(nn.HingeLoss(margin=0.5)(score, target)) == pytest.approx((1.5 + 1.5) / 4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(hs.floats(0.1, 3.0), hs.integers(0, 99))
def test_huber_lies_between_the_halves(delta, seed):
    """Quadratic near 0, linear far away, and delta times smooth-L1 with the same bend."""
    x, y = st.asarray(numbers((7,), seed)), st.asarray(numbers((7,), seed + 1))
    huber = F.huber_loss(x, y, "none", delta).numpy()
    smooth = F.smooth_l1_loss(x, y, "none", delta).numpy()
    np.testing.assert_allclose(huber, smooth * delta, rtol=1e-12)
    assert (huber <= 0.5 * (x.numpy() - y.numpy()) ** 2 + 1e-12).all()


def test_integer_targets_of_regression_count_as_numbers():
    loss = F.mse_loss(st.asarray(np.array([1.5, 2.0])), st.asarray(np.array([1, 4])))
    assert float(loss) == pytest.approx((0.25 + 4.0) / 2)
